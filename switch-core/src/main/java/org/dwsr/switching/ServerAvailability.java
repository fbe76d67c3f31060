package org.dwsr.switching;

import java.util.Arrays;
import org.dwsr.config.DwsrConfig;
import org.dwsr.config.ServerConfig;
import org.dwsr.config.ServerState;

/**
 * Which servers may get requests: a server without its filter cannot be reached, because the filter is the bridge to
 * it.
 *
 * <p>A filter that was not heard for {@value #SILENCE_MS} ms counts as gone. After the start every filter has that
 * long to report; until all have, or the time is over, the web switch is not synced.
 */
final class ServerAvailability {
    static final int SILENCE_MS = 5_000;
    private static final int SUSPICION_MS = 1_000;
    private static final long NANOS_PER_MS = 1_000_000L;

    private final DwsrConfig config;
    private final long[] heardNs;
    private final boolean[] heard;
    private final long[] suspectUntilNs;
    private final String[] boot;
    /** Whether, and from when on, a second full report is wanted. */
    private final boolean[] recheck;

    private final long[] recheckNs;
    private final long startNs;
    private boolean synced;

    ServerAvailability(DwsrConfig config, long startNs) {
        this.config = config;
        this.startNs = startNs;
        int servers = config.servers().size();
        heardNs = new long[servers];
        heard = new boolean[servers];
        suspectUntilNs = new long[servers];
        boot = new String[servers];
        recheck = new boolean[servers];
        recheckNs = new long[servers];
        Arrays.fill(suspectUntilNs, startNs);
        Arrays.fill(boot, "");
    }

    /** The same knowledge for a new configuration, by server name. */
    ServerAvailability(DwsrConfig config, ServerAvailability before) {
        this(config, before.startNs);
        synced = before.synced;
        for (ServerConfig server : config.servers()) {
            int old = before.config.serverIndex(server.name());
            if (old >= 0) {
                int now = server.index();
                heardNs[now] = before.heardNs[old];
                heard[now] = before.heard[old];
                suspectUntilNs[now] = before.suspectUntilNs[old];
                boot[now] = before.boot[old];
                recheck[now] = before.recheck[old];
                recheckNs[now] = before.recheckNs[old];
            }
        }
    }

    /** Notes a report; tells whether this filter process was known before. */
    boolean heard(int server, String filterBoot, boolean full, long nowNs) {
        boolean known = boot[server].equals(filterBoot);
        if (!known && !full) {
            return false;
        }
        boot[server] = filterBoot;
        heard[server] = true;
        heardNs[server] = nowNs;
        synced(nowNs); // now, because a configuration may add a server before anybody asks
        return true;
    }

    /** Notes whether a full report could not yet tell about some connections, so that another is wanted then. */
    void recheckAt(int server, boolean wanted, long atNs) {
        recheck[server] = wanted;
        recheckNs[server] = atNs;
    }

    /** Tells whether it is time for another full report. */
    boolean recheckDue(int server, long nowNs) {
        return recheck[server] && nowNs - recheckNs[server] >= 0;
    }

    /** Tells whether a server's filter has reported its live connections. */
    boolean reported(int server) {
        return heard[server];
    }

    /** When a server's filter last reported, or the start. */
    long heardAt(int server) {
        return heard[server] ? heardNs[server] : startNs;
    }

    /** Notes that a server's TCP refused a connection: others are preferred for a while. */
    void refused(int server, long nowNs) {
        suspectUntilNs[server] = nowNs + SUSPICION_MS * NANOS_PER_MS;
    }

    boolean suspect(int server, long nowNs) {
        return nowNs - suspectUntilNs[server] < 0;
    }

    /** Tells whether a session may continue there; drained servers included. */
    boolean reachable(int server, long nowNs) {
        return nowNs - heardAt(server) < SILENCE_MS * NANOS_PER_MS;
    }

    /** Tells whether a new session may start there. */
    boolean open(int server, long nowNs) {
        return config.servers().get(server).state() == ServerState.UP && reachable(server, nowNs);
    }

    /** Tells whether the live connections of all filters are known. */
    boolean synced(long nowNs) {
        if (!synced) {
            boolean all = true;
            for (boolean one : heard) {
                all &= one;
            }
            synced = all || nowNs - startNs >= SILENCE_MS * NANOS_PER_MS;
        }
        return synced;
    }
}
