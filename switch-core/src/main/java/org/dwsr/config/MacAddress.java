package org.dwsr.config;

/** A MAC address as the low 48 bits of a long, and its text form {@code 02:00:5e:00:01:64}. */
public final class MacAddress {
    /** The value of the 15-bit prefix that marks a migration tag (docs/wire-format.md): {@code d6:52:00:00:00:00}. */
    public static final long TAG_PREFIX = 0xD652_0000_0000L;

    /** The mask of the prefix that marks a migration tag: {@code ff:fe:00:00:00:00}. */
    public static final long TAG_MASK = 0xFFFE_0000_0000L;

    private static final int TEXT_LENGTH = 17;

    private MacAddress() {}

    /**
     * Reads six two-digit hexadecimal groups separated by colons; upper and lower case.
     *
     * @throws IllegalArgumentException if the text has any other form
     */
    public static long parse(CharSequence text) {
        if (text.length() != TEXT_LENGTH) {
            throw new IllegalArgumentException("not a MAC address: " + text);
        }
        long mac = 0;
        for (int i = 0; i < TEXT_LENGTH; i++) {
            char c = text.charAt(i);
            if (i % 3 == 2) {
                if (c != ':') {
                    throw new IllegalArgumentException("not a MAC address: " + text);
                }
                continue;
            }
            int digit = c < 128 ? Character.digit(c, 16) : -1;
            if (digit < 0) {
                throw new IllegalArgumentException("not a MAC address: " + text);
            }
            mac = mac << 4 | digit;
        }
        return mac;
    }

    /** The text form, lower case. */
    public static String format(long mac) {
        StringBuilder text = new StringBuilder(TEXT_LENGTH);
        for (int shift = 44; shift >= 0; shift -= 4) {
            text.append(Character.forDigit((int) (mac >>> shift & 0xF), 16));
            if (shift % 8 == 0 && shift > 0) {
                text.append(':');
            }
        }
        return text.toString();
    }

    /** Whether the group bit is set: multicast, or broadcast. */
    public static boolean multicast(long mac) {
        return (mac >>> 40 & 1) != 0;
    }

    /** Whether the address would be taken for a migration tag. */
    public static boolean inTagRange(long mac) {
        return (mac & TAG_MASK) == TAG_PREFIX;
    }
}
