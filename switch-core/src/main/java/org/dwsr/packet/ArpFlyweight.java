package org.dwsr.packet;

import java.nio.ByteBuffer;

/** A view over one Ethernet frame that carries ARP for IPv4 over Ethernet (RFC 826). */
public final class ArpFlyweight {
    public static final int ETHER_TYPE = 0x0806;
    public static final int REQUEST = 1;
    public static final int REPLY = 2;

    private static final int HEADER_OFFSET = 14;
    private static final int OPERATION_OFFSET = HEADER_OFFSET + 6;
    private static final int SENDER_MAC_OFFSET = HEADER_OFFSET + 8;
    private static final int SENDER_ADDRESS_OFFSET = HEADER_OFFSET + 14;
    private static final int TARGET_MAC_OFFSET = HEADER_OFFSET + 18;
    private static final int TARGET_ADDRESS_OFFSET = HEADER_OFFSET + 24;
    public static final int FRAME_LENGTH = HEADER_OFFSET + 28;

    private ByteBuffer buf = ByteBuffer.allocate(0);
    private int offset;

    /** Puts the view over a frame; false, and unusable, when it is not ARP for IPv4 over Ethernet. */
    public boolean wrap(ByteBuffer buf, int offset, int length) {
        this.buf = buf;
        this.offset = offset;
        return length >= FRAME_LENGTH
                && (buf.getShort(offset + 12) & 0xffff) == ETHER_TYPE
                && buf.getShort(offset + HEADER_OFFSET) == 1
                && (buf.getShort(offset + HEADER_OFFSET + 2) & 0xffff) == 0x0800
                && buf.getShort(offset + HEADER_OFFSET + 4) == 0x0604;
    }

    public int operation() {
        return buf.getShort(offset + OPERATION_OFFSET) & 0xffff;
    }

    public long senderMac() {
        return Mac.get(buf, offset + SENDER_MAC_OFFSET);
    }

    public int senderAddress() {
        return buf.getInt(offset + SENDER_ADDRESS_OFFSET);
    }

    public int targetAddress() {
        return buf.getInt(offset + TARGET_ADDRESS_OFFSET);
    }

    /** Writes a complete reply of {@link #FRAME_LENGTH} bytes at {@code offset}. */
    public static void writeReply(
            ByteBuffer buf, int offset, long senderMac, int senderAddress, long targetMac, int targetAddress) {
        Mac.put(buf, offset, targetMac);
        Mac.put(buf, offset + 6, senderMac);
        buf.putShort(offset + 12, (short) ETHER_TYPE);
        buf.putShort(offset + HEADER_OFFSET, (short) 1);
        buf.putShort(offset + HEADER_OFFSET + 2, (short) 0x0800);
        buf.putShort(offset + HEADER_OFFSET + 4, (short) 0x0604);
        buf.putShort(offset + OPERATION_OFFSET, (short) REPLY);
        Mac.put(buf, offset + SENDER_MAC_OFFSET, senderMac);
        buf.putInt(offset + SENDER_ADDRESS_OFFSET, senderAddress);
        Mac.put(buf, offset + TARGET_MAC_OFFSET, targetMac);
        buf.putInt(offset + TARGET_ADDRESS_OFFSET, targetAddress);
    }
}
