package org.dwsr.config;

/** The servers that serve a content type, and how one of them is chosen. */
public final class PoolConfig {
    private final String name;
    private final int index;
    private final Schedule schedule;
    private final int[] servers;

    PoolConfig(String name, int index, Schedule schedule, int[] servers) {
        this.name = name;
        this.index = index;
        this.schedule = schedule;
        this.servers = servers.clone();
    }

    /** The unique name. */
    public String name() {
        return name;
    }

    /** The position in {@link DwsrConfig#pools()}. */
    public int index() {
        return index;
    }

    /** How the next server is chosen. */
    public Schedule schedule() {
        return schedule;
    }

    /** The indexes of the servers in the order of the document; a copy. */
    public int[] servers() {
        return servers.clone();
    }

    /** The number of servers, at least 1. */
    public int serverCount() {
        return servers.length;
    }

    /** The server index at a position from 0 to {@link #serverCount()} - 1; no copy, for the packet path. */
    public int server(int position) {
        return servers[position];
    }

    /** Whether the server with this index belongs to the pool. */
    public boolean contains(int serverIndex) {
        for (int server : servers) {
            if (server == serverIndex) {
                return true;
            }
        }
        return false;
    }

    @Override
    public String toString() {
        return name;
    }
}
