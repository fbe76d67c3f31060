package org.dwsr.switching;

import java.util.ArrayDeque;
import org.dwsr.http.RequestHead;
import org.dwsr.stream.ReassemblyBuffer;
import org.jspecify.annotations.Nullable;

/**
 * The buffers of request heads that came in pieces: a bounded number, because a client need not finish what it began.
 *
 * <p>Entries whose head is still incomplete are kept in the order in which they began, so that the oldest can give
 * way. An entry whose head was sent on may keep its buffer until the bytes are confirmed; it does not give way, because
 * the client has been told that its bytes have arrived.
 */
final class GatheringHeads {
    /** Room for the longest head and some of what follows it. */
    static final int BUFFER_BYTES = RequestHead.MAX_HEAD_BYTES + 2048;
    /** 75 MB. */
    static final int LIMIT = 4096;

    private static final int POOLED_BUFFERS = 256;

    private final int limit;
    private final ArrayDeque<ReassemblyBuffer> free = new ArrayDeque<>();
    private int taken;
    private @Nullable ConnectionEntry oldest;
    private @Nullable ConnectionEntry newest;

    GatheringHeads(int limit) {
        this.limit = limit;
    }

    /** The number of buffers in use. */
    int size() {
        return taken;
    }

    boolean full() {
        return taken == limit;
    }

    /** The entry that has been gathering longest, null when none is. */
    @Nullable
    ConnectionEntry oldest() {
        return oldest;
    }

    /** Gives an entry, which has none, a buffer that starts at {@code base}; call only when not {@link #full()}. */
    ReassemblyBuffer open(ConnectionEntry entry, int base, long nowNs) {
        ReassemblyBuffer buffer = free.poll();
        if (buffer == null) {
            buffer = new ReassemblyBuffer(BUFFER_BYTES, base);
        } else {
            buffer.reset(base);
        }
        taken++;
        entry.gather = buffer;
        entry.gatheringSinceNs = nowNs;
        entry.gathering = true;
        entry.startKnown = false;
        entry.older = newest;
        if (newest == null) {
            oldest = entry;
        } else {
            newest.newer = entry;
        }
        newest = entry;
        return buffer;
    }

    /** Notes that an entry's head is whole; it keeps its buffer. */
    void whole(ConnectionEntry entry) {
        if (!entry.gathering) {
            return;
        }
        entry.gathering = false;
        ConnectionEntry before = entry.older;
        ConnectionEntry after = entry.newer;
        if (before == null) {
            oldest = after;
        } else {
            before.newer = after;
        }
        if (after == null) {
            newest = before;
        } else {
            after.older = before;
        }
        entry.older = null;
        entry.newer = null;
    }

    /** Takes an entry's buffer back, if it has one. */
    void release(ConnectionEntry entry) {
        ReassemblyBuffer buffer = entry.gather;
        whole(entry);
        if (buffer != null) {
            entry.gather = null;
            taken--;
            if (free.size() < POOLED_BUFFERS) {
                free.add(buffer);
            }
        }
    }
}
