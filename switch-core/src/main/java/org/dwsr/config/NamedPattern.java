package org.dwsr.config;

import org.jspecify.annotations.Nullable;

/** A condition on a header or a cookie: its name, and optionally a glob for its value. */
public final class NamedPattern {
    private final String name;
    private final @Nullable String value;

    NamedPattern(String name, @Nullable String value) {
        this.name = name;
        this.value = value;
    }

    /** The name; a header's is compared without case, a cookie's with it. */
    public String name() {
        return name;
    }

    /** The glob the value must match, or null if being there is enough. */
    public @Nullable String value() {
        return value;
    }
}
