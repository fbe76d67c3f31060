package org.dwsr.switching;

import java.util.ArrayDeque;
import org.dwsr.packet.TcpSeq;
import org.dwsr.table.LongKeyedTable;
import org.jspecify.annotations.Nullable;

/**
 * Connections that have ended, for as long as their SYN cookies are valid.
 *
 * <p>What still comes of them looks like something else: the first request, once more, like that of a new connection,
 * which would run it again; a repeated FIN like one that has overtaken its request, which must not be acknowledged,
 * because that would acknowledge the request too; a filter's held request, whose confirmation was lost, would be taken
 * for that of a connection to restore. At most {@value #LIMIT} are remembered; the oldest gives way.
 */
final class EndedConnections {
    static final int LIMIT = 1 << 16;
    static final long KEPT_NS = 120_000_000_000L;

    /** A table of more slots is given back when it is empty. */
    private static final int SMALL = 1 << 12;

    private LongKeyedTable<Ended> byKey = new LongKeyedTable<>();
    private ArrayDeque<Ended> byAge = new ArrayDeque<>();
    private long nowNs;

    void add(ConnectionEntry entry) {
        if (byAge.size() == LIMIT) {
            forgetOldest();
        }
        Ended ended = new Ended(entry, nowNs + KEPT_NS);
        byKey.put(entry.key, ended);
        byAge.add(ended);
    }

    /** Whether a request that starts at {@code seq} is the first one of the connection that ended on these ports. */
    boolean hadFirstRequestAt(long key, int seq) {
        Ended ended = byKey.get(key);
        return ended != null && ended.firstSeqKnown && ended.firstSeq == seq;
    }

    /** Whether what starts at {@code seq}, a FIN or a later request, belongs to the connection that ended on these ports. */
    boolean covers(long key, int seq) {
        Ended ended = byKey.get(key);
        return ended != null && !ended.followed && (!ended.firstSeqKnown || TcpSeq.isAtOrAfter(seq, ended.firstSeq));
    }

    /** Takes notice of a SYN: what comes now may belong to the next connection. */
    void onSyn(long key, int isn) {
        Ended ended = byKey.get(key);
        if (ended != null && (!ended.firstSeqKnown || ended.firstSeq != isn + 1)) {
            ended.followed = true;
        }
    }

    void onTick(long now) {
        nowNs = now;
        for (Ended oldest = byAge.peek(); oldest != null && now - oldest.untilNs >= 0; oldest = byAge.peek()) {
            forgetOldest();
        }
        if (byAge.isEmpty() && byKey.capacity() > SMALL) {
            byKey = new LongKeyedTable<>();
            byAge = new ArrayDeque<>();
        }
    }

    /** How many slots its table has. */
    int capacity() {
        return byKey.capacity();
    }

    private void forgetOldest() {
        @Nullable Ended oldest = byAge.poll();
        if (oldest != null && byKey.get(oldest.key) == oldest) {
            byKey.remove(oldest.key);
        }
    }

    int size() {
        return byAge.size();
    }

    private static final class Ended {
        private final long key;
        private final int firstSeq;
        /** Not of a connection that was restored after a restart. */
        private final boolean firstSeqKnown;

        private final long untilNs;
        private boolean followed;

        private Ended(ConnectionEntry entry, long untilNs) {
            key = entry.key;
            firstSeq = entry.firstSeq;
            firstSeqKnown = entry.firstSeqKnown;
            this.untilNs = untilNs;
        }
    }
}
