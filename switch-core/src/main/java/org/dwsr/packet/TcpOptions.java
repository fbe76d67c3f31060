package org.dwsr.packet;

import java.nio.ByteBuffer;

/**
 * The TCP options of one segment, found once (RFC 9293 section 3.1, RFC 7323, RFC 2018).
 *
 * <p>A list that runs past its end or has an impossible length stops being read there; what stood before counts, as
 * in the common kernels.
 */
public final class TcpOptions {
    public static final int NO_WINDOW_SCALE = 15;

    private static final int END = 0;
    private static final int NOP = 1;
    private static final int MSS = 2;
    private static final int WINDOW_SCALE = 3;
    private static final int SACK_PERMITTED = 4;
    private static final int SACK = 5;
    private static final int TIMESTAMPS = 8;

    private int mss;
    private int windowScale;
    private boolean sackPermitted;
    private int sackOffset;
    private int sackBlocks;
    private int timestampsOffset;

    /** Reads {@code length} bytes of options at {@code offset}. */
    public void parse(ByteBuffer buf, int offset, int length) {
        mss = 0;
        windowScale = NO_WINDOW_SCALE;
        sackPermitted = false;
        sackOffset = 0;
        sackBlocks = 0;
        timestampsOffset = 0;
        int end = offset + length;
        int i = offset;
        while (i < end) {
            int kind = buf.get(i);
            if (kind == END) {
                return;
            }
            if (kind == NOP) {
                i++;
                continue;
            }
            if (i + 1 >= end) {
                return;
            }
            int size = buf.get(i + 1) & 0xff;
            if (size < 2 || i + size > end) {
                return;
            }
            if (kind == MSS && size == 4) {
                mss = buf.getShort(i + 2) & 0xffff;
            } else if (kind == WINDOW_SCALE && size == 3) {
                windowScale = Math.min(buf.get(i + 2) & 0xff, 14);
            } else if (kind == SACK_PERMITTED && size == 2) {
                sackPermitted = true;
            } else if (kind == SACK && (size - 2) % 8 == 0) {
                sackOffset = i + 2;
                sackBlocks = (size - 2) / 8;
            } else if (kind == TIMESTAMPS && size == 10) {
                timestampsOffset = i + 2;
            }
            i += size;
        }
    }

    /** The maximum segment size, 0 when absent. */
    public int mss() {
        return mss;
    }

    /** The window scale 0 to 14, or {@link #NO_WINDOW_SCALE}. */
    public int windowScale() {
        return windowScale;
    }

    public boolean sackPermitted() {
        return sackPermitted;
    }

    /** Where the first SACK block stands: two 32-bit numbers, left edge and right edge. */
    public int sackOffset() {
        return sackOffset;
    }

    public int sackBlocks() {
        return sackBlocks;
    }

    /** Where TSval stands (TSecr follows), 0 when absent. */
    public int timestampsOffset() {
        return timestampsOffset;
    }
}
