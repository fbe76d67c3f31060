package org.dwsr.rule;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/**
 * A pattern of ASCII characters, matched against bytes without allocation. In a glob {@code *} stands for any number of
 * any bytes; in a literal it stands for itself. With {@code caseIgnored}, ASCII letters match in either case.
 */
final class Glob {
    private final byte[] pattern;
    private final boolean caseIgnored;
    private final boolean literal;

    private Glob(String pattern, boolean caseIgnored, boolean literal) {
        String text = caseIgnored ? pattern.toLowerCase(Locale.ROOT) : pattern;
        this.pattern = text.getBytes(StandardCharsets.US_ASCII);
        this.caseIgnored = caseIgnored;
        this.literal = literal || text.indexOf('*') < 0;
    }

    static Glob glob(String pattern, boolean caseIgnored) {
        return new Glob(pattern, caseIgnored, false);
    }

    static Glob literal(String text, boolean caseIgnored) {
        return new Glob(text, caseIgnored, true);
    }

    /** Whether all of these bytes match. */
    boolean matches(ByteBuffer buf, int offset, int length) {
        return literal ? matchesLiterally(buf, offset, length) : matchesStars(buf, offset, length);
    }

    private boolean matchesLiterally(ByteBuffer buf, int offset, int length) {
        if (length != pattern.length) {
            return false;
        }
        for (int i = 0; i < length; i++) {
            if (pattern[i] != octet(buf, offset + i)) {
                return false;
            }
        }
        return true;
    }

    /**
     * When a literal byte fails, the last star takes one byte more and the rest is
     * tried again; an earlier star never has to, so the cost is at most the product of both lengths.
     */
    private boolean matchesStars(ByteBuffer buf, int offset, int length) {
        int end = offset + length;
        int at = offset;
        int p = 0;
        int afterStar = -1;
        int retryAt = offset;
        while (at < end) {
            if (p < pattern.length && pattern[p] == '*') {
                p++;
                afterStar = p;
                retryAt = at;
                if (p == pattern.length) {
                    return true;
                }
            } else if (p < pattern.length && pattern[p] == octet(buf, at)) {
                p++;
                at++;
            } else if (afterStar >= 0) {
                retryAt++;
                at = retryAt;
                p = afterStar;
            } else {
                return false;
            }
        }
        while (p < pattern.length && pattern[p] == '*') {
            p++;
        }
        return p == pattern.length;
    }

    private byte octet(ByteBuffer buf, int at) {
        byte octet = buf.get(at);
        return caseIgnored ? lower(octet) : octet;
    }

    static byte lower(byte octet) {
        return octet >= 'A' && octet <= 'Z' ? (byte) (octet + 0x20) : octet;
    }
}
