package org.dwsr.packet;

import java.nio.ByteBuffer;

/** Reads and writes a 48-bit MAC address as the low bits of a {@code long}. */
public final class Mac {
    private Mac() {}

    /** The six bytes at {@code offset}. */
    public static long get(ByteBuffer buf, int offset) {
        return (buf.getShort(offset) & 0xffffL) << 32 | (buf.getInt(offset + 2) & 0xffff_ffffL);
    }

    /** Writes the six bytes at {@code offset}. */
    public static void put(ByteBuffer buf, int offset, long mac) {
        buf.putShort(offset, (short) (mac >>> 32));
        buf.putInt(offset + 2, (int) mac);
    }
}
