package org.dwsr.config;

import java.util.List;

/** A class of requests: the rules that recognise it and the pool that serves it. */
public final class ContentTypeConfig {
    private final int id;
    private final List<MatchConfig> match;
    private final String pool;
    private final int poolIndex;

    ContentTypeConfig(int id, List<MatchConfig> match, String pool, int poolIndex) {
        this.id = id;
        this.match = List.copyOf(match);
        this.pool = pool;
        this.poolIndex = poolIndex;
    }

    /** The {@link ThreeCharId} code, unique in its service. */
    public int id() {
        return id;
    }

    /** The alternatives, one of which must hold; empty only if the content type is the service's otherwise. */
    public List<MatchConfig> match() {
        return match;
    }

    /** The name of the pool. */
    public String pool() {
        return pool;
    }

    /** The position of the pool in {@link DwsrConfig#pools()}. */
    public int poolIndex() {
        return poolIndex;
    }

    @Override
    public String toString() {
        return ThreeCharId.decode(id);
    }
}
