package org.dwsr.switching;

import java.util.ArrayDeque;
import org.dwsr.config.ContentTypeConfig;
import org.dwsr.config.PoolConfig;
import org.dwsr.config.ServiceConfig;
import org.dwsr.switching.ConnectionEntry.State;
import org.dwsr.table.LongKeyedTable;
import org.jspecify.annotations.Nullable;

/**
 * What pre-allocation (paper figures 3 and 4) is guided and bounded by: which pool the recent connections of a service
 * asked first, and the guesses whose handshake no filter has seen completed.
 *
 * <p>The counts of a service are halved whenever they reach {@value #REMEMBERED}, so that they follow what clients do
 * now. At most {@value #LIMIT} guesses are open: beyond that a SYN gets the proxy handshake, which keeps no state, so
 * a flood of forged SYNs costs a bounded number of entries, flows, and half-open sockets at the servers.
 */
final class Guesses {
    static final int LIMIT = 4096;
    /** How long a filter has to report that a guess's client completed the handshake. */
    static final long PROOF_NS = 3_000_000_000L;

    private static final int REMEMBERED = 512;
    /** A filter that has reported this much later would have told. */
    private static final long REPORT_NS = 2_000_000_000L;
    /** No longer than this, whether its filter is heard or not. */
    private static final long LONGEST_NS = 10_000_000_000L;

    private final int limit;
    private final LongKeyedTable<int[]> firstRequests = new LongKeyedTable<>();
    private final ArrayDeque<ConnectionEntry> unproved = new ArrayDeque<>();
    private int open;

    Guesses(int limit) {
        this.limit = limit;
    }

    /** Forgets the counts: pools may be others now. */
    void configure() {
        firstRequests.clear();
    }

    boolean full() {
        return open >= limit;
    }

    int open() {
        return open;
    }

    void opened(ConnectionEntry entry) {
        open++;
        unproved.add(entry);
    }

    /** Takes notice that an entry is no open guess any more; call it once. */
    void settled() {
        open--;
    }

    /** The oldest open guess whose time is over, if there is one. */
    @Nullable
    ConnectionEntry overdue(ConnectionTable connections, ServerAvailability availability, long nowNs) {
        while (!unproved.isEmpty()) {
            ConnectionEntry entry = unproved.element();
            if (entry.state == State.GUESSED && connections.get(entry.key) == entry) {
                long age = nowNs - entry.migratedAtNs;
                boolean heard = availability.heardAt(entry.server) - entry.migratedAtNs >= REPORT_NS;
                return age >= PROOF_NS && heard || age >= LONGEST_NS ? entry : null;
            }
            unproved.remove();
        }
        return null;
    }

    /** Counts the content type that a connection's first request had. */
    void count(RequestClassifier classifier, int contentType) {
        ServiceConfig service = classifier.service();
        int[] counts = firstRequests.get(service.port());
        if (counts == null) {
            counts = new int[service.contentTypes().size()];
            firstRequests.put(service.port(), counts);
        }
        int total = 0;
        for (int i = 0; i < counts.length; i++) {
            counts[i] += service.contentTypes().get(i).id() == contentType ? 1 : 0;
            total += counts[i];
        }
        for (int i = 0; total >= REMEMBERED && i < counts.length; i++) {
            counts[i] /= 2;
        }
    }

    /** The content type of the pool that got the most of the recent first requests; at first that of all others. */
    int contentType(RequestClassifier classifier) {
        ServiceConfig service = classifier.service();
        int[] counts = firstRequests.get(service.port());
        int best = service.otherwise();
        if (counts == null) {
            return best;
        }
        int most = requests(classifier, counts, classifier.pool(best));
        for (ContentTypeConfig type : service.contentTypes()) {
            int requests = requests(classifier, counts, classifier.pool(type.id()));
            if (requests > most) {
                most = requests;
                best = type.id();
            }
        }
        return best;
    }

    private static int requests(RequestClassifier classifier, int[] counts, PoolConfig pool) {
        int sum = 0;
        for (int i = 0; i < counts.length; i++) {
            ContentTypeConfig type = classifier.service().contentTypes().get(i);
            sum += classifier.pool(type.id()) == pool ? counts[i] : 0;
        }
        return sum;
    }
}
