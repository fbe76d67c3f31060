package org.dwsr.packet;

/** The eight maximum segment sizes that three bits can name; a client's own is rounded down to one of them. */
public final class MssClass {
    private static final int[] SIZES = {536, 1220, 1300, 1360, 1400, 1440, 1460, 8960};

    private MssClass() {}

    /** The class of a client's MSS in bytes; 0 (absent) counts as 536 (RFC 9293 section 3.7.1). */
    public static int of(int mss) {
        int found = 0;
        for (int i = 1; i < SIZES.length; i++) {
            if (SIZES[i] <= mss) {
                found = i;
            }
        }
        return found;
    }

    /**
     * How many payload bytes a segment of ours takes: what the client does, and an Ethernet frame of 1500 bytes with
     * room for timestamps.
     */
    public static int segment(int mssClass, boolean ipv6) {
        return Math.min(ipv6 ? 1428 : 1448, bytes(mssClass));
    }

    /** The size in bytes of a class 0 to 7. */
    public static int bytes(int mssClass) {
        return SIZES[mssClass & 7];
    }
}
