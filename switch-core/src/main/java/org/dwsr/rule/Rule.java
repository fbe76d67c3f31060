package org.dwsr.rule;

import java.nio.ByteBuffer;
import org.dwsr.config.MatchConfig;
import org.dwsr.config.NamedPattern;
import org.dwsr.http.RequestHead;
import org.dwsr.session.CookiePairs;
import org.jspecify.annotations.Nullable;

/** One compiled alternative of a content type: all its conditions must hold. */
final class Rule {
    /** The place in the order of the document; the lowest that matches wins. */
    final int index;

    /** The code of the content type it gives. */
    final int contentType;

    private final @Nullable Glob host;
    private final @Nullable Glob path;
    private final @Nullable Glob extension;
    private final @Nullable Glob method;
    private final @Nullable Glob headerName;
    private final @Nullable Glob headerValue;
    private final @Nullable Glob cookieName;
    private final @Nullable Glob cookieValue;

    Rule(int index, int contentType, MatchConfig match) {
        this.index = index;
        this.contentType = contentType;
        host = globOf(match.host(), true);
        path = globOf(match.path(), false);
        extension = literalOf(match.extension(), true);
        method = literalOf(match.method(), false);
        NamedPattern header = match.header();
        headerName = header == null ? null : Glob.literal(header.name(), true);
        headerValue = header == null ? null : globOf(header.value(), false);
        NamedPattern cookie = match.cookie();
        cookieName = cookie == null ? null : Glob.literal(cookie.name(), false);
        cookieValue = cookie == null ? null : globOf(cookie.value(), false);
    }

    private static @Nullable Glob globOf(@Nullable String pattern, boolean caseIgnored) {
        return pattern == null ? null : Glob.glob(pattern, caseIgnored);
    }

    private static @Nullable Glob literalOf(@Nullable String text, boolean caseIgnored) {
        return text == null ? null : Glob.literal(text, caseIgnored);
    }

    /** Whether this request fulfils all conditions; the cheap ones are asked first. */
    boolean matches(ByteBuffer buf, RequestHead head) {
        return holds(method, buf, head.methodOffset(), head.methodLength())
                && holds(extension, buf, head.extensionOffset(), head.extensionLength())
                && holds(path, buf, head.pathOffset(), head.pathLength())
                && (host == null || (head.hostOffset() >= 0 && holds(host, buf, head.hostOffset(), head.hostLength())))
                && (headerName == null || hasHeader(buf, head, headerName, headerValue))
                && (cookieName == null || hasCookie(buf, head, cookieName, cookieValue));
    }

    private static boolean holds(@Nullable Glob condition, ByteBuffer buf, int offset, int length) {
        return condition == null || condition.matches(buf, offset, length);
    }

    private static boolean hasHeader(ByteBuffer buf, RequestHead head, Glob name, @Nullable Glob value) {
        for (int i = 0; i < head.headerCount(); i++) {
            if (name.matches(buf, head.nameOffset(i), head.nameLength(i))
                    && holds(value, buf, head.valueOffset(i), head.valueLength(i))) {
                return true;
            }
        }
        return false;
    }

    private static boolean hasCookie(ByteBuffer buf, RequestHead head, Glob name, @Nullable Glob value) {
        for (int i = 0; i < head.headerCount(); i++) {
            if (!CookiePairs.inHeader(head, i)) {
                continue;
            }
            int end = head.valueOffset(i) + head.valueLength(i);
            for (int pair = head.valueOffset(i); pair < end; pair = CookiePairs.next(buf, pair, end)) {
                int start = CookiePairs.nameStart(buf, pair, end);
                int equals = CookiePairs.nameEnd(buf, start, end);
                if (name.matches(buf, start, equals - start)) {
                    int valueStart = Math.min(equals + 1, end);
                    int valueEnd = CookiePairs.pairEnd(buf, equals, end);
                    if (holds(value, buf, valueStart, Math.max(0, valueEnd - valueStart))) {
                        return true;
                    }
                }
            }
        }
        return false;
    }
}
