package org.dwsr.pool;

import java.util.function.IntPredicate;
import org.dwsr.config.DwsrConfig;
import org.dwsr.config.PoolConfig;
import org.dwsr.config.Schedule;
import org.dwsr.config.ServerConfig;

/**
 * Chooses a server of one pool for each new session. Never allocates; not for use by several threads.
 *
 * <ul>
 *   <li>rr: the next eligible server in the order of the document.
 *   <li>wrr: smooth weighted round robin (as in nginx): each round adds every eligible server's weight to its credit,
 *       takes the highest credit and charges it the sum of the weights. Within every such sum of rounds each server
 *       comes as often as its weight, and spread out: 5,1,1 gives a a b a c a a.
 *   <li>lc: the fewest active connections; wlc: the fewest per weight. Ties are settled by smooth weighted round robin
 *       among the tied (for lc with weights of 1), because an idle pool is one large tie, and its first server would get
 *       every request.
 *   <li>source hash: weighted rendezvous hashing (Thaler and Ravishankar 1998; weights by −w / ln u, Schindelhauer and
 *       Schomaker 2005). Each server draws a number from its id and the client's address and the best one wins, so that a
 *       server that goes takes only its own clients with it, and a server that comes takes only those it keeps.
 * </ul>
 */
public final class Scheduler {
    /** The answer when no server is eligible. */
    public static final int NONE = -1;

    /** 2⁻⁵³: the distance of the doubles that {@link #draw} makes. */
    private static final double UNIT = 0x1p-53;

    private final Schedule schedule;
    private final int[] servers;
    private final int[] ids;
    private final int[] weights;
    private final long[] credits;
    private final boolean[] candidates;
    private int next;

    /** A scheduler for this pool of this configuration. */
    public Scheduler(DwsrConfig config, PoolConfig pool) {
        schedule = pool.schedule();
        servers = pool.servers();
        ids = new int[servers.length];
        weights = new int[servers.length];
        credits = new long[servers.length];
        candidates = new boolean[servers.length];
        for (int i = 0; i < servers.length; i++) {
            ServerConfig server = config.servers().get(servers[i]);
            ids[i] = server.id();
            weights[i] = server.weight();
        }
    }

    /**
     * The index (in the configuration's servers) of the chosen server, or {@link #NONE}.
     *
     * @param clientIp the client's IPv4 address, for source hash
     * @param eligible whether the server with this index may be chosen now (up, not drained, attached)
     * @param load the active connections, for lc and wlc; not changed
     */
    public int choose(int clientIp, IntPredicate eligible, ServerLoad load) {
        boolean any = false;
        for (int i = 0; i < servers.length; i++) {
            candidates[i] = eligible.test(servers[i]);
            any |= candidates[i];
        }
        if (!any) {
            return NONE;
        }
        switch (schedule) {
            case RR:
                return servers[roundRobin()];
            case WRR:
                return servers[smooth(true)];
            case LC:
                keepLeastLoaded(load, false);
                return servers[smooth(false)];
            case WLC:
                keepLeastLoaded(load, true);
                return servers[smooth(true)];
            case SOURCE_HASH:
                return servers[rendezvous(clientIp)];
        }
        throw new AssertionError(schedule);
    }

    private int roundRobin() {
        int i = next;
        while (!candidates[i]) {
            i = following(i);
        }
        next = following(i);
        return i;
    }

    private int following(int i) {
        return i + 1 == servers.length ? 0 : i + 1;
    }

    private int smooth(boolean weighted) {
        int best = NONE;
        long total = 0;
        for (int i = 0; i < servers.length; i++) {
            if (candidates[i]) {
                int weight = weighted ? weights[i] : 1;
                credits[i] += weight;
                total += weight;
                if (best == NONE || credits[i] > credits[best]) {
                    best = i;
                }
            }
        }
        credits[best] -= total;
        return best;
    }

    private void keepLeastLoaded(ServerLoad load, boolean weighted) {
        int least = NONE;
        for (int i = 0; i < servers.length; i++) {
            if (candidates[i] && (least == NONE || compareLoad(load, i, least, weighted) < 0)) {
                least = i;
            }
        }
        for (int i = 0; i < servers.length; i++) {
            candidates[i] = candidates[i] && compareLoad(load, i, least, weighted) == 0;
        }
    }

    /** Compares active connections per weight, multiplied out to stay in whole numbers. */
    private int compareLoad(ServerLoad load, int i, int j, boolean weighted) {
        long atI = load.active(servers[i]);
        long atJ = load.active(servers[j]);
        return weighted ? Long.compare(atI * weights[j], atJ * weights[i]) : Long.compare(atI, atJ);
    }

    private int rendezvous(int clientIp) {
        int best = NONE;
        double bestScore = 0;
        for (int i = 0; i < servers.length; i++) {
            if (candidates[i]) {
                // StrictMath, so that all nodes agree to the last bit on any processor.
                double score = weights[i] / -StrictMath.log(draw(clientIp, ids[i]));
                if (best == NONE || score > bestScore) {
                    best = i;
                    bestScore = score;
                }
            }
        }
        return best;
    }

    /** A number in (0, 1) that depends on every bit of both: the finalizer of MurmurHash3 (64 bits). */
    private static double draw(int clientIp, int serverId) {
        long h = (long) serverId << 32 | (clientIp & 0xFFFFFFFFL);
        h *= 0x9E3779B97F4A7C15L;
        h ^= h >>> 33;
        h *= 0xFF51AFD7ED558CCDL;
        h ^= h >>> 33;
        h *= 0xC4CEB9FE1A85EC53L;
        h ^= h >>> 33;
        return ((h >>> 11) + 0.5) * UNIT;
    }
}
