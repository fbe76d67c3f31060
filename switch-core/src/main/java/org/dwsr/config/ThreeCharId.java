package org.dwsr.config;

/**
 * The three-character identifier of a content type or a server, {@code [0-9A-Z]{3}}, coded base 36 into an int from 0
 * to {@link #MAX}.
 *
 * <p>Paper section IV-A: three characters for the content type and three for the server fit into the first eight
 * characters of a cookie name behind the keyword. 36³ − 1 also fits the 16 content type bits of the migration tag.
 */
public final class ThreeCharId {
    /** The number of characters of an identifier. */
    public static final int LENGTH = 3;

    /** The code of {@code ZZZ}, the highest there is. */
    public static final int MAX = 36 * 36 * 36 - 1;

    /** What {@link #encode(int, int, int)} answers when a character is not in {@code [0-9A-Z]}. */
    public static final int MALFORMED = -1;

    private ThreeCharId() {}

    /** Whether the text is a well-formed identifier. */
    public static boolean wellFormed(CharSequence id) {
        return id.length() == LENGTH && encode(id.charAt(0), id.charAt(1), id.charAt(2)) != MALFORMED;
    }

    /**
     * The code of an identifier.
     *
     * @throws IllegalArgumentException if the text is not {@code [0-9A-Z]{3}}
     */
    public static int encode(CharSequence id) {
        int code = id.length() == LENGTH ? encode(id.charAt(0), id.charAt(1), id.charAt(2)) : MALFORMED;
        if (code == MALFORMED) {
            throw new IllegalArgumentException("not three characters of [0-9A-Z]: " + id);
        }
        return code;
    }

    /** The code of the identifier made of three ASCII characters, or {@link #MALFORMED}; for the packet path. */
    public static int encode(int first, int second, int third) {
        int a = digit(first);
        int b = digit(second);
        int c = digit(third);
        return (a | b | c) < 0 ? MALFORMED : (a * 36 + b) * 36 + c;
    }

    /**
     * The identifier with this code.
     *
     * @throws IllegalArgumentException if the code is not within 0 to {@link #MAX}
     */
    public static String decode(int code) {
        return new String(new char[] {(char) character(code, 0), (char) character(code, 1), (char) character(code, 2)});
    }

    /**
     * One ASCII character, by position 0 to 2, of the identifier with this code.
     *
     * @throws IllegalArgumentException if the code is not within 0 to {@link #MAX}
     */
    public static int character(int code, int position) {
        if (code < 0 || code > MAX) {
            throw new IllegalArgumentException("not the code of a three-character id: " + code);
        }
        int digit;
        switch (position) {
            case 0:
                digit = code / (36 * 36);
                break;
            case 1:
                digit = code / 36 % 36;
                break;
            case 2:
                digit = code % 36;
                break;
            default:
                throw new IllegalArgumentException("an id has positions 0 to 2: " + position);
        }
        return digit < 10 ? '0' + digit : 'A' + digit - 10;
    }

    private static int digit(int character) {
        if (character >= '0' && character <= '9') {
            return character - '0';
        }
        return character >= 'A' && character <= 'Z' ? character - 'A' + 10 : -1;
    }
}
