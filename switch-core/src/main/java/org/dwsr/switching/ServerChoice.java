package org.dwsr.switching;

import java.nio.ByteBuffer;
import java.util.function.IntPredicate;
import org.dwsr.config.PoolConfig;
import org.dwsr.http.RequestHead;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.IpAddress;

/**
 * Chooses the server of one request: session cookie, then the connection's own servers of that pool, then the
 * schedule.
 *
 * <p>A connection that returns to a pool prefers the server it used there before, current or silent, because that
 * needs no new handshake (paper section III, step 36).
 */
final class ServerChoice {
    static final int NONE = -1;
    /** A server silenced longer ago than this may have ended the connection before the request arrives. */
    private static final long SWITCH_BACK_NS = 14_500_000_000L;

    private final IntPredicate open = this::isOpen;
    private final IntPredicate openAndUnsuspected = this::isOpenAndUnsuspected;
    private RunningConfig running;
    private ServerAvailability availability;
    private long nowNs;
    private ConnectionEntry entry;
    private boolean byCookie;

    ServerChoice(RunningConfig running, ServerAvailability availability) {
        this.running = running;
        this.availability = availability;
        entry = new ConnectionEntry(0, IpAddress.ofIpv4(0));
    }

    /** The chosen server's index, or {@link #NONE}. */
    int choose(
            ConnectionEntry entry,
            RequestClassifier classifier,
            ByteBuffer buf,
            RequestHead head,
            int contentType,
            long nowNs) {
        this.nowNs = nowNs;
        this.entry = entry;
        PoolConfig pool = classifier.pool(contentType);
        int named = classifier.cookieServer(buf, head, contentType);
        byCookie = named != RequestClassifier.NO_SERVER
                && !entry.wasRefusedBy(named)
                && availability.reachable(named, nowNs);
        if (byCookie) {
            return named;
        }
        if (entry.server != ConnectionEntry.NO_SERVER && pool.contains(entry.server) && isOpen(entry.server)) {
            return entry.server;
        }
        for (int i = 0; i < entry.silentCount(); i++) {
            int silent = entry.silentServer(i, nowNs, SWITCH_BACK_NS);
            if (silent != ConnectionEntry.NO_SERVER && pool.contains(silent) && isOpen(silent)) {
                return silent;
            }
        }
        // Of IPv6 the address itself: its alias would send a client elsewhere after every restart.
        int clientAddress = entry.client.isIpv6() ? entry.client.hashCode() : ConnectionKey.clientAddress(entry.key);
        int chosen = running.scheduler(pool).choose(clientAddress, openAndUnsuspected, running.load);
        return chosen >= 0 ? chosen : running.scheduler(pool).choose(clientAddress, open, running.load);
    }

    /** The server to guess for a new connection to a pool, or {@link #NONE}: only one of which nothing bad is known. */
    int guess(ConnectionEntry entry, PoolConfig pool, long nowNs) {
        this.nowNs = nowNs;
        this.entry = entry;
        int clientAddress = ConnectionKey.clientAddress(entry.key);
        int chosen = running.scheduler(pool).choose(clientAddress, openAndUnsuspected, running.load);
        return chosen >= 0 ? chosen : NONE;
    }

    /** Tells whether the last choice followed a session cookie. */
    boolean byCookie() {
        return byCookie;
    }

    private boolean isOpen(int server) {
        return !entry.wasRefusedBy(server) && availability.open(server, nowNs);
    }

    private boolean isOpenAndUnsuspected(int server) {
        return isOpen(server) && !availability.suspect(server, nowNs);
    }
}
