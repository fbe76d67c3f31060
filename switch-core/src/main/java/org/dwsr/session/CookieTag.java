package org.dwsr.session;

import org.dwsr.config.ThreeCharId;

/**
 * The eight characters that stand for the first eight of a session cookie's name on the client's side (paper figure 7),
 * as a big-endian long of ASCII.
 *
 * <pre>
 *   byte   0     1     2     3     4     5     6     7
 *       +-----+-----+-----+-----+-----+-----+-----+-----+
 *       | 'D' | 'R' |  content type   |    server id    |
 *       +-----+-----+-----+-----+-----+-----+-----+-----+
 * </pre>
 */
public final class CookieTag {
    /** What {@link #contentType} and {@link #serverId} answer for eight characters that are not a tag. */
    public static final int MALFORMED = ThreeCharId.MALFORMED;

    private static final long KEYWORD = (long) 'D' << 56 | (long) 'R' << 48;
    private static final long KEYWORD_MASK = 0xFFFFL << 48;

    private CookieTag() {}

    /**
     * The tag of a content type and a server, both as {@link ThreeCharId} codes.
     *
     * @throws IllegalArgumentException if one is not such a code
     */
    public static long encode(int contentType, int serverId) {
        return KEYWORD | characters(contentType) << 24 | characters(serverId);
    }

    /** The code of the content type in a tag, or {@link #MALFORMED} if the eight characters are not a tag. */
    public static int contentType(long tag) {
        return wellFormed(tag) ? id(tag >>> 24) : MALFORMED;
    }

    /** The code of the server in a tag, or {@link #MALFORMED} if the eight characters are not a tag. */
    public static int serverId(long tag) {
        return wellFormed(tag) ? id(tag) : MALFORMED;
    }

    /** Whether the eight characters are the keyword and two identifiers. */
    public static boolean wellFormed(long tag) {
        return (tag & KEYWORD_MASK) == KEYWORD && id(tag >>> 24) != MALFORMED && id(tag) != MALFORMED;
    }

    private static long characters(int code) {
        return (long) ThreeCharId.character(code, 0) << 16
                | (long) ThreeCharId.character(code, 1) << 8
                | ThreeCharId.character(code, 2);
    }

    private static int id(long characters) {
        return ThreeCharId.encode(
                (int) (characters >>> 16) & 0xFF, (int) (characters >>> 8) & 0xFF, (int) characters & 0xFF);
    }
}
