package org.dwsr.session;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.dwsr.config.CookieName;
import org.dwsr.http.RequestHead;
import org.dwsr.http.ResponseHead;

/**
 * Cookie name rewriting (paper section IV-A) for the configured session cookies. In responses the filter replaces the
 * first eight characters of a session cookie's name by a {@link CookieTag}, in requests it puts them back; in between
 * web switch and guard read from the tag where the session lives. {@code PHPSESSID} is {@code DR0189C1D} at the client,
 * {@code __Host-PHPSESSID} is {@code __Host-DR0189C1D}, because browsers enforce rules by those prefixes. Names are
 * case-sensitive, lengths never change.
 *
 * <p>A cookie counts as tagged only if all of its name fits: prefix, a well-formed tag, and the tail of a configured
 * name with that prefix. Everything in it comes from the client, so {@link #findServer} asks a {@link ServerFilter}
 * whether the server may serve the content type, and {@link #restore} touches only cookies of exactly the connection's
 * content type and server. So two pools that both set {@code PHPSESSID} on {@code /} coexist in one browser, each
 * server sees its own session, and a forged tag reaches no session that its sender could not name anyway.
 *
 * <p>Immutable, without allocation; buffers are big-endian and offsets absolute.
 */
public final class SessionCookies {
    /** What {@link #findServer} answers without an acceptable tag. */
    public static final int NO_SERVER = -1;

    private static final byte[] SET_COOKIE = "set-cookie".getBytes(StandardCharsets.US_ASCII);
    private static final int TAG_LENGTH = CookieName.TAG_LENGTH;
    private static final int NO_NAME = -1;

    private final byte[][] names;
    private final int[] prefixLengths;
    private final long[] firstEights;

    /** The rewriting of these names, as checked by {@link org.dwsr.config.ConfigReader}. */
    public SessionCookies(List<String> names) {
        this.names = new byte[names.size()][];
        prefixLengths = new int[names.size()];
        firstEights = new long[names.size()];
        for (int i = 0; i < names.size(); i++) {
            byte[] name = names.get(i).getBytes(StandardCharsets.US_ASCII);
            this.names[i] = name;
            prefixLengths[i] = CookieName.prefixLength(names.get(i));
            firstEights[i] = ByteBuffer.wrap(name).getLong(prefixLengths[i]);
        }
    }

    /** The id code of the server in the first well-formed tag for this content type, or {@link #NO_SERVER}. */
    public int findServer(ByteBuffer buf, RequestHead head, int contentType) {
        return findServer(buf, head, contentType, serverId -> true);
    }

    /**
     * The id code of the server in the first well-formed tag for this content type that names an accepted server, or
     * {@link #NO_SERVER}. All Cookie headers are looked through, in their order.
     */
    public int findServer(ByteBuffer buf, RequestHead head, int contentType, ServerFilter filter) {
        for (int i = 0; i < head.headerCount(); i++) {
            if (!CookiePairs.inHeader(head, i)) {
                continue;
            }
            int end = head.valueOffset(i) + head.valueLength(i);
            for (int pair = head.valueOffset(i); pair < end; pair = CookiePairs.next(buf, pair, end)) {
                int start = CookiePairs.nameStart(buf, pair, end);
                int name = taggedName(buf, start, end);
                if (name != NO_NAME) {
                    long tag = buf.getLong(start + prefixLengths[name]);
                    if (CookieTag.contentType(tag) == contentType && filter.accepts(CookieTag.serverId(tag))) {
                        return CookieTag.serverId(tag);
                    }
                }
            }
        }
        return NO_SERVER;
    }

    /**
     * Gives the names of this content type's and server's session cookies back to the request: each cookie with exactly
     * that tag becomes a patch. Tags of other content types or servers stay as they are, so that the server does not
     * take another pool's session for its own.
     *
     * @return the number of patches
     */
    public int restore(ByteBuffer buf, RequestHead head, int contentType, int serverId, PatchSink sink) {
        long wanted = CookieTag.encode(contentType, serverId);
        int patches = 0;
        for (int i = 0; i < head.headerCount(); i++) {
            if (!CookiePairs.inHeader(head, i)) {
                continue;
            }
            int end = head.valueOffset(i) + head.valueLength(i);
            for (int pair = head.valueOffset(i); pair < end; pair = CookiePairs.next(buf, pair, end)) {
                int start = CookiePairs.nameStart(buf, pair, end);
                int name = taggedName(buf, start, end);
                if (name != NO_NAME && buf.getLong(start + prefixLengths[name]) == wanted) {
                    sink.patch(start + prefixLengths[name], firstEights[name]);
                    patches++;
                }
            }
        }
        return patches;
    }

    /**
     * Gives the session cookies that a response sets this content type's and server's tag: each Set-Cookie header
     * whose cookie has a configured name becomes a patch, also those that delete the cookie by expiry.
     *
     * @return the number of patches
     */
    public int rename(ByteBuffer buf, ResponseHead head, int contentType, int serverId, PatchSink sink) {
        int patches = 0;
        for (int i = 0; i < head.headerCount(); i++) {
            if (!head.isHeader(i, SET_COOKIE)) {
                continue;
            }
            int start = head.valueOffset(i);
            int name = configuredName(buf, start, start + head.valueLength(i));
            if (name != NO_NAME) {
                sink.patch(start + prefixLengths[name], CookieTag.encode(contentType, serverId));
                patches++;
            }
        }
        return patches;
    }

    /** Which configured name this cookie has but for a well-formed tag in its place, or {@link #NO_NAME}. */
    private int taggedName(ByteBuffer buf, int start, int end) {
        // Most cookies are none of ours, and this tells it from one byte.
        if (start >= end || (buf.get(start) != 'D' && buf.get(start) != '_')) {
            return NO_NAME;
        }
        int length = CookiePairs.nameEnd(buf, start, end) - start;
        if (start + length == end || buf.get(start + length) != '=') {
            return NO_NAME;
        }
        for (int i = 0; i < names.length; i++) {
            int tag = prefixLengths[i];
            if (names[i].length == length
                    && equal(names[i], 0, tag, buf, start)
                    && equal(names[i], tag + TAG_LENGTH, length, buf, start)
                    && CookieTag.wellFormed(buf.getLong(start + tag))) {
                return i;
            }
        }
        return NO_NAME;
    }

    /**
     * Which configured name the cookie set here has, or {@link #NO_NAME}. Blanks before the equals sign do not belong
     * to the name, and without an equals sign there is no name (RFC 6265bis section 5.6).
     */
    private int configuredName(ByteBuffer buf, int start, int end) {
        int nameEnd = CookiePairs.nameEnd(buf, start, end);
        if (nameEnd == end || buf.get(nameEnd) != '=') {
            return NO_NAME;
        }
        while (nameEnd > start && CookiePairs.isBlank(buf.get(nameEnd - 1))) {
            nameEnd--;
        }
        for (int i = 0; i < names.length; i++) {
            if (names[i].length == nameEnd - start && equal(names[i], 0, names[i].length, buf, start)) {
                return i;
            }
        }
        return NO_NAME;
    }

    private static boolean equal(byte[] name, int from, int to, ByteBuffer buf, int start) {
        for (int i = from; i < to; i++) {
            if (name[i] != buf.get(start + i)) {
                return false;
            }
        }
        return true;
    }
}
