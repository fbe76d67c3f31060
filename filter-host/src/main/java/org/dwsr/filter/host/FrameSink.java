package org.dwsr.filter.host;

import java.nio.ByteBuffer;

/** Where frames leave: a port's transmit queue, or a decorator around one. */
interface FrameSink {
    /** The number of frames that can still be queued. */
    int room();

    /** Whether a copy of a frame of this length can still be queued. */
    boolean fits(int length);

    /** Whether the kernel had no room at the last attempt. */
    boolean blocked();

    /** Queues the frame that {@code source} gave out last, and releases it when it has left or was dropped. */
    void forward(FrameSource source, long nowNs);

    /** Queues a copy of a frame with complete checksums; when there is no room it is dropped. */
    void inject(ByteBuffer from, int offset, int length, long nowNs);

    /**
     * Sends what waits and is due.
     *
     * @return whether the kernel took all of it
     */
    boolean flush(long nowNs);

    /** Drops and counts everything that waits, so that no source's frame is referred to any more. */
    void dropAll(PortCounter reason);
}
