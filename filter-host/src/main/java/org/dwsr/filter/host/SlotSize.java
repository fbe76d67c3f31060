package org.dwsr.filter.host;

/**
 * How large a receive ring's slots are. The kernel spends a whole one on each frame, however short, so they have room for
 * a frame of the interface's MTU and no more: the ring then holds the thousands of frames that come as a burst when nobody
 * merges them. Longer frames, of segmentation offload, arrive whole by a system call each. That is no loss: the call reads
 * them into one of a few buffers, which stay in the processor's cache, where a ring of 64 KB slots never is.
 */
final class SlotSize {
    private static final int PAGE = 4096;
    private static final int LONGEST_BYTES = 17 * PAGE;
    private static final int LONGEST_BLOCK_BYTES = 15 * LONGEST_BYTES;
    private static final int BLOCK_BYTES = 256 * PAGE;
    /** Ring header, virtio header, Ethernet header, VLAN tag and their alignment. */
    private static final int HEADERS_BYTES = 128;

    private static final int MIN_BYTES = 2048;

    private SlotSize() {}

    /** A slot's size for an interface: a multiple of 16 of which a block holds a whole number. */
    static int bytes(int mtuBytes) {
        if (mtuBytes + HEADERS_BYTES <= LONGEST_BYTES / 2) {
            return Math.max(MIN_BYTES, Integer.highestOneBit(mtuBytes + HEADERS_BYTES - 1) * 2);
        }
        return LONGEST_BYTES;
    }

    /** The size of the pieces in which the kernel allocates a ring of such slots. */
    static int blockBytes(int slotBytes) {
        return slotBytes == LONGEST_BYTES ? LONGEST_BLOCK_BYTES : BLOCK_BYTES;
    }

    /** What the longest frame and its headers take. */
    static int longestBytes() {
        return LONGEST_BYTES;
    }
}
