package org.dwsr.config;

import org.jspecify.annotations.Nullable;

/**
 * One alternative of a content type's rules: all conditions that are given must hold. At least one is given. In a
 * glob {@code *} stands for any number of any characters.
 */
public final class MatchConfig {
    private final @Nullable String host;
    private final @Nullable String path;
    private final @Nullable String extension;
    private final @Nullable String method;
    private final @Nullable NamedPattern header;
    private final @Nullable NamedPattern cookie;

    MatchConfig(
            @Nullable String host,
            @Nullable String path,
            @Nullable String extension,
            @Nullable String method,
            @Nullable NamedPattern header,
            @Nullable NamedPattern cookie) {
        this.host = host;
        this.path = path;
        this.extension = extension;
        this.method = method;
        this.header = header;
        this.cookie = cookie;
    }

    /** A glob for the host without its port, compared without case. */
    public @Nullable String host() {
        return host;
    }

    /** A glob for the path without the query, compared with case, before percent-decoding. */
    public @Nullable String path() {
        return path;
    }

    /** The characters after the last dot of the path's last segment, compared without case. */
    public @Nullable String extension() {
        return extension;
    }

    /** The method, compared with case. */
    public @Nullable String method() {
        return method;
    }

    /** A header that must be there. */
    public @Nullable NamedPattern header() {
        return header;
    }

    /** A cookie that must be there. */
    public @Nullable NamedPattern cookie() {
        return cookie;
    }
}
