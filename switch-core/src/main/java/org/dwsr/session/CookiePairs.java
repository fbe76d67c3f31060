package org.dwsr.session;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.dwsr.http.RequestHead;

/**
 * The grammar of a Cookie header's value: pairs between semicolons, names before the first equals sign (RFC 6265
 * section 4.2.1). Positions are absolute in the buffer.
 *
 * <p>A semicolon separates also between double quotes: browsers cut there when they store a cookie (section 5.2), so
 * what looks like a quoted semicolon is the next cookie, and an unbalanced quote must not hide the session behind it.
 */
public final class CookiePairs {
    private static final byte[] COOKIE = "cookie".getBytes(StandardCharsets.US_ASCII);

    private CookiePairs() {}

    /** Whether this header line of a request is a Cookie header. */
    public static boolean inHeader(RequestHead head, int index) {
        return head.isHeader(index, COOKIE);
    }

    /** Where the name of the pair that starts at {@code pair} starts: behind blanks; at most {@code end}. */
    public static int nameStart(ByteBuffer buf, int pair, int end) {
        int p = pair;
        while (p < end && isBlank(buf.get(p))) {
            p++;
        }
        return p;
    }

    /**
     * Where the name that starts at {@code nameStart} ends: at its equals sign, or, as some servers read it, at the
     * end of a pair that has none.
     */
    public static int nameEnd(ByteBuffer buf, int nameStart, int end) {
        int p = nameStart;
        while (p < end && buf.get(p) != '=' && buf.get(p) != ';') {
            p++;
        }
        return p;
    }

    /** Where the pair around {@code from} ends: at its semicolon or at {@code end}. */
    public static int pairEnd(ByteBuffer buf, int from, int end) {
        int p = from;
        while (p < end && buf.get(p) != ';') {
            p++;
        }
        return p;
    }

    /** Where the next pair starts, or at least {@code end} if there is none. */
    public static int next(ByteBuffer buf, int from, int end) {
        return pairEnd(buf, from, end) + 1;
    }

    static boolean isBlank(byte octet) {
        return octet == ' ' || octet == '\t';
    }
}
