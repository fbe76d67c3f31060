package org.dwsr.config;

/** An IPv4 address as an int in network order (10.0.0.100 is 0x0a000064), and its dotted text form. */
public final class Ipv4Address {
    private Ipv4Address() {}

    /**
     * Reads four decimal numbers from 0 to 255 separated by dots. A leading zero is refused, because half of the
     * world's parsers read it as octal.
     *
     * @throws IllegalArgumentException if the text has any other form
     */
    public static int parse(CharSequence text) {
        int address = 0;
        int groups = 0;
        int position = 0;
        int length = text.length();
        while (groups < 4) {
            int start = position;
            int value = 0;
            while (position < length && position - start < 3 && isDigit(text.charAt(position))) {
                value = value * 10 + text.charAt(position) - '0';
                position++;
            }
            boolean leadingZero = position - start > 1 && text.charAt(start) == '0';
            if (position == start || value > 255 || leadingZero) {
                throw new IllegalArgumentException("not an IPv4 address: " + text);
            }
            address = address << 8 | value;
            groups++;
            if (groups < 4) {
                if (position >= length || text.charAt(position) != '.') {
                    throw new IllegalArgumentException("not an IPv4 address: " + text);
                }
                position++;
            }
        }
        if (position != length) {
            throw new IllegalArgumentException("not an IPv4 address: " + text);
        }
        return address;
    }

    /** The dotted text form. */
    public static String format(int address) {
        return (address >>> 24) + "." + (address >>> 16 & 0xFF) + "." + (address >>> 8 & 0xFF) + "." + (address & 0xFF);
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }
}
