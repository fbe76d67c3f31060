package org.dwsr.packet;

import org.jspecify.annotations.Nullable;

/**
 * An IPv4 or IPv6 address in 128 bits, and its text form. Immutable.
 *
 * <p>An IPv4 address stands in its IPv4-mapped form, {@code ::ffff:a.b.c.d} (RFC 4291 section 2.5.5.2), so that one
 * comparison serves both families. On the wire no IPv6 packet may bear such an address; {@link FrameFlyweight} refuses
 * them.
 */
public final class IpAddress {
    /** The low 64 bits of an IPv4-mapped address without the IPv4 address; the high 64 bits are zero. */
    static final long MAPPED = 0xffff_0000_0000L;

    private static final int GROUPS = 8;

    private final long high;
    private final long low;

    private IpAddress(long high, long low) {
        this.high = high;
        this.low = low;
    }

    /** The address of these 128 bits. */
    public static IpAddress of(long high, long low) {
        return new IpAddress(high, low);
    }

    /** An IPv4 address. */
    public static IpAddress ofIpv4(int address) {
        return new IpAddress(0, mapped(address));
    }

    /** Tells whether 128 bits are an IPv6 address, and not an IPv4 address in its mapped form. */
    public static boolean isIpv6(long high, long low) {
        return high != 0 || low >>> 32 != 0xffff;
    }

    static long mapped(int ipv4) {
        return MAPPED | ipv4 & 0xffff_ffffL;
    }

    public long high() {
        return high;
    }

    public long low() {
        return low;
    }

    public boolean isIpv6() {
        return isIpv6(high, low);
    }

    /** The address as it stands in a {@link ConnectionKey}: an IPv4 address itself, an IPv6 address's alias. */
    public int alias() {
        return AddressAlias.of(high, low);
    }

    public boolean is(long high, long low) {
        return this.high == high && this.low == low;
    }

    /**
     * Reads an IPv4 address as four decimal numbers, or an IPv6 address in any form of RFC 4291 section 2.2. A leading
     * zero of a decimal number, a zone ({@code %eth0}), and IPv4-mapped addresses are refused.
     *
     * @throws IllegalArgumentException if the text has any other form
     */
    public static IpAddress parse(CharSequence text) {
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) == ':') {
                return parseIpv6(text);
            }
        }
        return ofIpv4(parseIpv4(text, 0));
    }

    private static IpAddress parseIpv6(CharSequence text) {
        int[] groups = new int[GROUPS];
        int count = 0;
        int gap = -1;
        int at = 0;
        if (startsWithTwoColons(text, 0)) {
            gap = 0;
            at = 2;
        }
        while (at < text.length()) {
            int end = at;
            while (end < text.length() && text.charAt(end) != ':' && text.charAt(end) != '.') {
                end++;
            }
            if (end < text.length() && text.charAt(end) == '.') {
                // The last 32 bits may be written as IPv4 is.
                if (count > GROUPS - 2) {
                    throw malformed(text);
                }
                int last = parseIpv4(text, at);
                groups[count++] = last >>> 16;
                groups[count++] = last & 0xffff;
                break;
            }
            if (count == GROUPS) {
                throw malformed(text);
            }
            groups[count++] = hexadecimal(text, at, end);
            if (end == text.length()) {
                break;
            }
            if (startsWithTwoColons(text, end)) {
                if (gap >= 0) {
                    throw malformed(text);
                }
                gap = count;
                at = end + 2;
            } else {
                at = end + 1;
                if (at == text.length()) {
                    throw malformed(text);
                }
            }
        }
        if (gap < 0 ? count != GROUPS : count > GROUPS - 1) {
            throw malformed(text);
        }
        long high = 0;
        long low = 0;
        for (int i = 0; i < GROUPS; i++) {
            int zeros = GROUPS - count;
            int group = gap < 0 || i < gap ? groups[i] : i < gap + zeros ? 0 : groups[i - zeros];
            high = high << 16 | low >>> 48;
            low = low << 16 | group;
        }
        if (!isIpv6(high, low)) {
            throw malformed(text);
        }
        return new IpAddress(high, low);
    }

    private static boolean startsWithTwoColons(CharSequence text, int at) {
        return at + 1 < text.length() && text.charAt(at) == ':' && text.charAt(at + 1) == ':';
    }

    private static int hexadecimal(CharSequence text, int from, int to) {
        if (to == from || to - from > 4) {
            throw malformed(text);
        }
        int value = 0;
        for (int i = from; i < to; i++) {
            char c = text.charAt(i);
            int digit = c < 128 ? Character.digit(c, 16) : -1;
            if (digit < 0) {
                throw malformed(text);
            }
            value = value << 4 | digit;
        }
        return value;
    }

    private static int parseIpv4(CharSequence text, int from) {
        int address = 0;
        int at = from;
        for (int group = 0; group < 4; group++) {
            int start = at;
            int value = 0;
            while (at < text.length() && at - start < 3 && isDigit(text.charAt(at))) {
                value = value * 10 + text.charAt(at++) - '0';
            }
            boolean leadingZero = at - start > 1 && text.charAt(start) == '0';
            if (at == start || value > 255 || leadingZero) {
                throw malformed(text);
            }
            address = address << 8 | value;
            if (group < 3 && (at == text.length() || text.charAt(at++) != '.')) {
                throw malformed(text);
            }
        }
        if (at != text.length()) {
            throw malformed(text);
        }
        return address;
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }

    private static IllegalArgumentException malformed(CharSequence text) {
        return new IllegalArgumentException("not an IP address: " + text);
    }

    /** The text form; of an IPv6 address the one of RFC 5952. */
    public static String format(long high, long low) {
        StringBuilder text = new StringBuilder(39);
        if (!isIpv6(high, low)) {
            for (int shift = 24; shift >= 0; shift -= 8) {
                text.append(low >>> shift & 255).append(shift == 0 ? "" : ".");
            }
            return text.toString();
        }
        int gap = -1;
        int gapLength = 1;
        for (int i = 0; i < GROUPS; i++) {
            int zeros = 0;
            while (i + zeros < GROUPS && group(high, low, i + zeros) == 0) {
                zeros++;
            }
            if (zeros > gapLength) {
                gap = i;
                gapLength = zeros;
            }
        }
        for (int i = 0; i < GROUPS; i++) {
            if (i == gap) {
                text.append("::");
                i += gapLength - 1;
            } else {
                text.append(i == 0 || gap >= 0 && i == gap + gapLength ? "" : ":");
                text.append(Integer.toHexString(group(high, low, i)));
            }
        }
        return text.toString();
    }

    private static int group(long high, long low, int i) {
        return (int) ((i < 4 ? high : low) >>> 48 - (i & 3) * 16) & 0xffff;
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof IpAddress && is(((IpAddress) other).high, ((IpAddress) other).low);
    }

    @Override
    public int hashCode() {
        return Long.hashCode(high * 31 + low);
    }

    @Override
    public String toString() {
        return format(high, low);
    }
}
