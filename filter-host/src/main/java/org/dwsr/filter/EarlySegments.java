package org.dwsr.filter;

import java.nio.ByteBuffer;

/**
 * A bounded pool of segments whose connection is not known yet: their tagged packet may be a moment behind.
 *
 * <p>Each waits {@value #WAIT_MS} ms, then goes to the web switch.
 */
final class EarlySegments {
    static final int WAIT_MS = 5;
    private static final int SLOTS = 128;
    private static final int SLOT_BYTES = 1600;

    private final ByteBuffer bytes = ByteBuffer.allocate(SLOTS * SLOT_BYTES);
    private final int[] lengths = new int[SLOTS];
    private final long[] keys = new long[SLOTS];
    private final long[] untilNs = new long[SLOTS];
    private int used;

    /** Takes a copy; false when the pool is full or the frame too long. */
    boolean offer(long key, ByteBuffer frame, int offset, int length, long nowNs) {
        if (used == SLOTS || length > SLOT_BYTES) {
            return false;
        }
        for (int i = 0; i < SLOTS; i++) {
            if (lengths[i] == 0) {
                for (int b = 0; b < length; b++) {
                    bytes.put(i * SLOT_BYTES + b, frame.get(offset + b));
                }
                lengths[i] = length;
                keys[i] = key;
                untilNs[i] = nowNs + WAIT_MS * 1_000_000L;
                used++;
                return true;
            }
        }
        return false;
    }

    /** Tells whether frames of a connection wait. */
    boolean holds(long key) {
        for (int i = 0; used > 0 && i < SLOTS; i++) {
            if (lengths[i] != 0 && keys[i] == key) {
                return true;
            }
        }
        return false;
    }

    /** Gives a connection's frames to the receiver, in the order of their slots, and frees them. */
    void release(long key, Receiver receiver) {
        if (used == 0) {
            return;
        }
        for (int i = 0; i < SLOTS; i++) {
            if (lengths[i] != 0 && keys[i] == key) {
                free(i, receiver);
            }
        }
    }

    /** Gives the frames that waited long enough to the receiver and frees them. */
    void expire(long nowNs, Receiver receiver) {
        if (used == 0) {
            return;
        }
        for (int i = 0; i < SLOTS; i++) {
            if (lengths[i] != 0 && nowNs - untilNs[i] >= 0) {
                free(i, receiver);
            }
        }
    }

    private void free(int slot, Receiver receiver) {
        int length = lengths[slot];
        lengths[slot] = 0;
        used--;
        receiver.released(bytes, slot * SLOT_BYTES, length);
    }

    /** Takes a frame that waited. */
    interface Receiver {
        void released(ByteBuffer frame, int offset, int length);
    }
}
