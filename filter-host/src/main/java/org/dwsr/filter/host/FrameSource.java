package org.dwsr.filter.host;

import java.nio.ByteBuffer;

/**
 * Where received frames come from, one at a time: a port's ring, or a decorator around one.
 *
 * <p>A frame that was taken stays the reader's until it is released, in any order. Before each frame lies its virtio
 * header, {@link VirtioHeader#LENGTH} bytes.
 */
interface FrameSource {
    /** Takes the next frame, if there is one; the accessors then tell about it. */
    boolean next(long nowNs);

    /** The memory the frame lies in, big-endian. */
    ByteBuffer buffer();

    /** The number by which the frame that was taken last is released. */
    int slot();

    /** Where in {@link #buffer} its Ethernet header starts. */
    int offset();

    /** Its length, Ethernet header included. */
    int length();

    /** The native address of its virtio header, which the frame follows at once. */
    long virtioAddress();

    /** Whether its transport checksum field holds only the pseudo-header's sum. */
    boolean partialChecksum();

    /** Gives a frame back. */
    void release(int slot);
}
