package org.dwsr.filter.host;

/** How large a receive ring's slots are: the kernel spends a whole one on each frame, however short. */
enum SlotSize {
    /**
     * Room for a frame of the interface's MTU, so that the ring holds the thousands of frames that come as a burst when
     * nobody merges them. Longer frames still arrive whole, at the price of a system call each.
     */
    MTU,
    /** Room for any frame that segmentation offload makes. */
    OFFLOAD;

    private static final int PAGE = 4096;
    private static final int OFFLOAD_BYTES = 17 * PAGE;
    private static final int OFFLOAD_BLOCK_BYTES = 15 * OFFLOAD_BYTES;
    private static final int MTU_BLOCK_BYTES = 256 * PAGE;
    /** Ring header, virtio header, Ethernet header, VLAN tag and their alignment. */
    private static final int HEADERS_BYTES = 128;

    private static final int MIN_BYTES = 2048;

    /** A slot's size for an interface: a multiple of 16 of which a block holds a whole number. */
    int bytes(int mtuBytes) {
        if (this == MTU && mtuBytes + HEADERS_BYTES <= OFFLOAD_BYTES / 2) {
            return Math.max(MIN_BYTES, Integer.highestOneBit(mtuBytes + HEADERS_BYTES - 1) * 2);
        }
        return OFFLOAD_BYTES;
    }

    /** The size of the pieces in which the kernel allocates a ring of such slots. */
    static int blockBytes(int slotBytes) {
        return slotBytes == OFFLOAD_BYTES ? OFFLOAD_BLOCK_BYTES : MTU_BLOCK_BYTES;
    }

    /** What the longest frame and its headers take. */
    static int longestBytes() {
        return OFFLOAD_BYTES;
    }
}
