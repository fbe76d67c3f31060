package org.dwsr.pool;

/**
 * The number of active connections of each server, counted over all pools, because a server that two pools share is
 * one machine. Not for use by several threads.
 */
public final class ServerLoad {
    private final int[] active;

    /** No connections at any of this many servers. */
    public ServerLoad(int servers) {
        active = new int[servers];
    }

    /** Counts a connection that now is at this server (index in the configuration's servers). */
    public void opened(int server) {
        active[server]++;
    }

    /**
     * Counts a connection that no longer is at this server. Never below zero: filters are the authority on live
     * connections (docs/contract.md) and may report the end of one that this counter never saw.
     */
    public void closed(int server) {
        if (active[server] > 0) {
            active[server]--;
        }
    }

    /** The number of active connections of this server. */
    public int active(int server) {
        return active[server];
    }

    /** The number of servers counted. */
    public int servers() {
        return active.length;
    }
}
