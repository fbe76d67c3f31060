package org.dwsr.flow;

import java.nio.ByteBuffer;

/** Frames for tests: just the header fields a flow table looks at. */
final class Frames {
    private Frames() {}

    static ByteBuffer tcp(long ethDst, long ethSrc, int ipSrc, int ipDst, int portSrc, int portDst) {
        ByteBuffer frame = ipv4(ethDst, ethSrc, 6, ipSrc, ipDst);
        frame.putShort(34, (short) portSrc);
        frame.putShort(36, (short) portDst);
        frame.put(46, (byte) 0x50);
        return frame;
    }

    static ByteBuffer ipv4(long ethDst, long ethSrc, int protocol, int ipSrc, int ipDst) {
        ByteBuffer frame = ethernet(ethDst, ethSrc, 0x0800, 60);
        frame.put(14, (byte) 0x45);
        frame.putShort(16, (short) 46);
        frame.put(22, (byte) 64);
        frame.put(23, (byte) protocol);
        frame.putInt(26, ipSrc);
        frame.putInt(30, ipDst);
        return frame;
    }

    static ByteBuffer tcp6(
            long ethDst, long ethSrc, long srcHigh, long srcLow, long dstHigh, long dstLow, int portSrc, int portDst) {
        ByteBuffer frame = ipv6(ethDst, ethSrc, 6, srcHigh, srcLow, dstHigh, dstLow);
        frame.putShort(54, (short) portSrc);
        frame.putShort(56, (short) portDst);
        frame.put(66, (byte) 0x50);
        return frame;
    }

    /** A neighbour solicitation (135) or advertisement (136). */
    static ByteBuffer neighbour(
            int type, long ethSrc, long srcHigh, long srcLow, long dstHigh, long dstLow, long high, long low) {
        ByteBuffer frame = ipv6(0x3333_FF00_0100L, ethSrc, 58, srcHigh, srcLow, dstHigh, dstLow);
        frame.put(54, (byte) type);
        frame.putLong(62, high);
        frame.putLong(70, low);
        return frame;
    }

    static ByteBuffer ipv6(
            long ethDst, long ethSrc, int protocol, long srcHigh, long srcLow, long dstHigh, long dstLow) {
        ByteBuffer frame = ethernet(ethDst, ethSrc, 0x86dd, 78);
        frame.put(14, (byte) 0x60);
        frame.putShort(18, (short) 24);
        frame.put(20, (byte) protocol);
        frame.put(21, (byte) 255);
        frame.putLong(22, srcHigh);
        frame.putLong(30, srcLow);
        frame.putLong(38, dstHigh);
        frame.putLong(46, dstLow);
        return frame;
    }

    static ByteBuffer arp(long ethDst, long ethSrc, int spa, int tpa) {
        ByteBuffer frame = ethernet(ethDst, ethSrc, 0x0806, 60);
        frame.putInt(14, 0x0001_0800);
        frame.putInt(18, 0x0604_0001);
        frame.putInt(28, spa);
        frame.putInt(38, tpa);
        return frame;
    }

    static ByteBuffer ethernet(long ethDst, long ethSrc, int ethType, int length) {
        ByteBuffer frame = ByteBuffer.allocate(length);
        frame.putShort(0, (short) (ethDst >>> 32));
        frame.putInt(2, (int) ethDst);
        frame.putShort(6, (short) (ethSrc >>> 32));
        frame.putInt(8, (int) ethSrc);
        frame.putShort(12, (short) ethType);
        return frame;
    }

    /** The same frame with an 802.1Q tag. */
    static ByteBuffer vlan(ByteBuffer frame, int vlan) {
        ByteBuffer tagged = ByteBuffer.allocate(frame.capacity() + 4);
        for (int i = 0; i < 12; i++) {
            tagged.put(i, frame.get(i));
        }
        tagged.putShort(12, (short) 0x8100);
        tagged.putShort(14, (short) vlan);
        for (int i = 12; i < frame.capacity(); i++) {
            tagged.put(i + 4, frame.get(i));
        }
        return tagged;
    }
}
