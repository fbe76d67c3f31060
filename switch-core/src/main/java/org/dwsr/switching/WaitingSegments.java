package org.dwsr.switching;

import java.nio.ByteBuffer;

/**
 * A bounded pool of client segments that came before the one which proves their connection's handshake.
 *
 * <p>Each waits at most {@value #WAIT_MS} ms; a full pool refuses.
 */
final class WaitingSegments {
    static final int WAIT_MS = 200;
    private static final int SLOTS = 256;
    private static final int SLOT_BYTES = 1600;

    private final ByteBuffer[] frames = new ByteBuffer[SLOTS];
    private final int[] lengths = new int[SLOTS];
    private final long[] keys = new long[SLOTS];
    private final long[] datapaths = new long[SLOTS];
    private final int[] ports = new int[SLOTS];
    private final long[] untilNs = new long[SLOTS];
    private int used;

    /** Takes a copy; false when the pool is full or the frame too long. */
    boolean offer(long key, long datapath, int port, ByteBuffer frame, int offset, int length, long nowNs) {
        if (used == SLOTS || length > SLOT_BYTES) {
            return false;
        }
        for (int i = 0; i < SLOTS; i++) {
            if (lengths[i] == 0) {
                if (frames[i] == null) {
                    frames[i] = ByteBuffer.allocate(SLOT_BYTES);
                }
                for (int b = 0; b < length; b++) {
                    frames[i].put(b, frame.get(offset + b));
                }
                lengths[i] = length;
                keys[i] = key;
                datapaths[i] = datapath;
                ports[i] = port;
                untilNs[i] = nowNs + WAIT_MS * 1_000_000L;
                used++;
                return true;
            }
        }
        return false;
    }

    /** Gives every waiting frame of a connection to the receiver and frees it. */
    void release(long key, Receiver receiver) {
        if (used == 0) {
            return;
        }
        for (int i = 0; i < SLOTS; i++) {
            if (lengths[i] != 0 && keys[i] == key) {
                int length = lengths[i];
                receiver.released(datapaths[i], ports[i], frames[i], length);
                lengths[i] = 0;
                used--;
            }
        }
    }

    /** Drops what waited too long; returns how many. */
    int expire(long nowNs) {
        if (used == 0) {
            return 0;
        }
        int expired = 0;
        for (int i = 0; i < SLOTS; i++) {
            if (lengths[i] != 0 && nowNs - untilNs[i] >= 0) {
                lengths[i] = 0;
                used--;
                expired++;
            }
        }
        return expired;
    }

    int size() {
        return used;
    }

    /** Takes a frame that waited. */
    interface Receiver {
        void released(long datapath, int port, ByteBuffer frame, int length);
    }
}
