package org.dwsr.http;

import java.nio.ByteBuffer;

/** The byte classes of HTTP/1.x (RFC 9110 section 5.6, RFC 3986) and comparisons over them. */
final class Octets {
    /** A token's byte. */
    static final int TOKEN = 1;
    /** A byte of the methods accepted here: registered ones are upper case, and only some servers fold case. */
    static final int METHOD = 1 << 1;
    /** A byte of a field value: HTAB, SP, visible ASCII, obs-text. */
    static final int VALUE = 1 << 2;
    /** A byte of a path that means nothing but itself. */
    static final int PATH = 1 << 3;
    /** A byte of a query. */
    static final int QUERY = 1 << 4;
    /** A byte of a registered name: letters, digits and {@code . - _ ~}. */
    static final int NAME = 1 << 5;
    /** A hexadecimal digit. */
    static final int HEX = 1 << 6;

    static final int HTAB = '\t';
    static final int LF = '\n';
    static final int CR = '\r';
    static final int SP = ' ';

    private static final long EACH_1 = 0x0101010101010101L;
    private static final long EACH_SP = 0x2020202020202020L;
    private static final long EACH_DEL = 0x7f7f7f7f7f7f7f7fL;
    private static final long EACH_TOP = 0x8080808080808080L;
    private static final byte[] KINDS = kinds();

    private Octets() {}

    private static byte[] kinds() {
        byte[] kinds = new byte[256];
        for (int octet = 0; octet < 256; octet++) {
            boolean upper = octet >= 'A' && octet <= 'Z';
            boolean letter = upper || (octet >= 'a' && octet <= 'z');
            boolean digit = octet >= '0' && octet <= '9';
            boolean visible = octet > SP && octet != 0x7f;
            int kind = 0;
            kind |= letter || digit || "!#$%&'*+-.^_`|~".indexOf(octet) >= 0 ? TOKEN : 0;
            kind |= upper || octet == '-' || octet == '_' ? METHOD : 0;
            kind |= visible || octet == SP || octet == HTAB ? VALUE : 0;
            kind |= visible && "#?%/.".indexOf(octet) < 0 ? PATH : 0;
            kind |= visible && octet != '#' ? QUERY : 0;
            kind |= letter || digit || ".-_~".indexOf(octet) >= 0 ? NAME : 0;
            kind |= hexValue(octet) >= 0 ? HEX : 0;
            kinds[octet] = (byte) kind;
        }
        return kinds;
    }

    static boolean is(int octet, int kind) {
        return (KINDS[octet & 0xff] & kind) != 0;
    }

    static int at(ByteBuffer buf, int index) {
        return buf.get(index) & 0xff;
    }

    static boolean isDigit(int octet) {
        return octet >= '0' && octet <= '9';
    }

    static boolean isBlank(int octet) {
        return octet == SP || octet == HTAB;
    }

    /** The value of a hexadecimal digit, or -1. */
    static int hexValue(int octet) {
        if (octet >= '0' && octet <= '9') {
            return octet - '0';
        }
        int lower = octet | 0x20;
        return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
    }

    static int lower(int octet) {
        return octet >= 'A' && octet <= 'Z' ? octet | 0x20 : octet;
    }

    /** The bytes of an ASCII string. */
    static byte[] ascii(String text) {
        byte[] bytes = new byte[text.length()];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) text.charAt(i);
        }
        return bytes;
    }

    /** Whether the bytes equal {@code lower}, ASCII case ignored. */
    static boolean equalsLower(ByteBuffer buf, int offset, int length, byte[] lower) {
        if (length != lower.length) {
            return false;
        }
        for (int i = 0; i < length; i++) {
            if (lower(at(buf, offset + i)) != lower[i]) {
                return false;
            }
        }
        return true;
    }

    /**
     * Skips eight bytes at a time while none is a control byte; returns where the caller goes on byte by byte.
     *
     * <p>The subtraction sets a byte's top bit if the byte was below 0x20 (or, harmlessly, next to such a byte), the
     * exclusive or does the same for DEL.
     */
    static int skipPrintable(ByteBuffer buf, int from, int end) {
        int p = from;
        while (p + Long.BYTES <= end) {
            long word = buf.getLong(p);
            long del = word ^ EACH_DEL;
            long below = (word - EACH_SP) & ~word;
            if (((((del - EACH_1) & ~del) | below) & EACH_TOP) != 0) {
                return p;
            }
            p += Long.BYTES;
        }
        return p;
    }

    /**
     * The length of the host in {@code host[:port]}, or -1 if it is not that.
     *
     * <p>Stricter than RFC 3986: no percent-encoding and no sub-delims, on which resolvers differ, no empty port.
     *
     * @param portRequired whether the port must be there, as in CONNECT
     */
    static int hostLength(ByteBuffer buf, int offset, int length, boolean portRequired) {
        int end = offset + length;
        int p = offset;
        if (length > 0 && at(buf, p) == '[') {
            do {
                p++;
            } while (p < end && (is(at(buf, p), HEX) || at(buf, p) == ':' || at(buf, p) == '.'));
            if (p == end || at(buf, p) != ']' || p - offset < 3) {
                return -1;
            }
            p++;
        } else {
            while (p < end && is(at(buf, p), NAME)) {
                p++;
            }
        }
        int hostLength = p - offset;
        if (hostLength == 0) {
            return -1;
        }
        if (p == end) {
            return portRequired ? -1 : hostLength;
        }
        int digits = end - p - 1;
        if (at(buf, p) != ':' || digits < 1 || digits > 5) {
            return -1;
        }
        int port = 0;
        for (p++; p < end; p++) {
            if (!isDigit(at(buf, p))) {
                return -1;
            }
            port = port * 10 + at(buf, p) - '0';
        }
        return port >= 1 && port <= 0xffff ? hostLength : -1;
    }
}
