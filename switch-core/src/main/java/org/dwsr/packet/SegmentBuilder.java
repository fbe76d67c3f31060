package org.dwsr.packet;

import java.nio.ByteBuffer;

/**
 * Writes whole TCP segments into a buffer of its own: Ethernet, IPv4, TCP, complete checksums.
 *
 * <p>One segment at a time: the bytes stay valid until the next {@code build}. At most {@link #MAX_PAYLOAD} bytes of
 * payload.
 */
public final class SegmentBuilder {
    public static final int MAX_PAYLOAD = 9000;

    private static final int TTL = 64;
    private static final int OFFSET = 0;

    private final ByteBuffer frame = ByteBuffer.allocate(OFFSET + 14 + 20 + 60 + MAX_PAYLOAD);
    private int length;
    private int optionsLength;
    private int payloadLength;

    /** Starts a segment without options and payload. */
    public SegmentBuilder start() {
        optionsLength = 0;
        payloadLength = 0;
        return this;
    }

    /** Adds the maximum segment size option, in bytes. */
    public SegmentBuilder mss(int bytes) {
        int at = optionsAt();
        frame.putShort(at, (short) 0x0204);
        frame.putShort(at + 2, (short) bytes);
        optionsLength += 4;
        return this;
    }

    /** Adds the window scale option, 0 to 14, padded to four bytes. */
    public SegmentBuilder windowScale(int shift) {
        int at = optionsAt();
        frame.putInt(at, 0x0103_0300 | shift);
        optionsLength += 4;
        return this;
    }

    /** Adds SACK-permitted, padded to four bytes. */
    public SegmentBuilder sackPermitted() {
        frame.putInt(optionsAt(), 0x0101_0402);
        optionsLength += 4;
        return this;
    }

    /** Adds timestamps, padded to twelve bytes as RFC 7323 appendix A recommends. */
    public SegmentBuilder timestamps(int value, int echo) {
        int at = optionsAt();
        frame.putInt(at, 0x0101_080a);
        frame.putInt(at + 4, value);
        frame.putInt(at + 8, echo);
        optionsLength += 12;
        return this;
    }

    /** Appends payload; call after the options. */
    public SegmentBuilder payload(ByteBuffer source, int offset, int bytes) {
        if (payloadLength + bytes > MAX_PAYLOAD) {
            throw new IllegalArgumentException("payload of " + (payloadLength + bytes) + " bytes");
        }
        int at = optionsAt() + payloadLength;
        for (int i = 0; i < bytes; i++) {
            frame.put(at + i, source.get(offset + i));
        }
        payloadLength += bytes;
        return this;
    }

    /** Writes the headers and checksums; afterwards {@link #frame()} holds {@link #length()} bytes at offset 0. */
    public ByteBuffer build(
            long ethDestination,
            long ethSource,
            int ipSource,
            int ipDestination,
            int sourcePort,
            int destinationPort,
            int seq,
            int ack,
            int flags,
            int window) {
        int tcpLength = 20 + optionsLength + payloadLength;
        int ipLength = 20 + tcpLength;
        length = 14 + ipLength;
        Mac.put(frame, 0, ethDestination);
        Mac.put(frame, 6, ethSource);
        frame.putShort(12, (short) FrameFlyweight.IPV4_ETHER_TYPE);
        frame.putShort(14, (short) 0x4500);
        frame.putShort(16, (short) ipLength);
        frame.putInt(18, 0x0000_4000);
        frame.put(22, (byte) TTL);
        frame.put(23, (byte) FrameFlyweight.TCP_PROTOCOL);
        frame.putShort(24, (short) 0);
        frame.putInt(26, ipSource);
        frame.putInt(30, ipDestination);
        frame.putShort(24, (short) Checksum.of(frame, 14, 20, 0));
        int tcp = 34;
        frame.putShort(tcp, (short) sourcePort);
        frame.putShort(tcp + 2, (short) destinationPort);
        frame.putInt(tcp + 4, seq);
        frame.putInt(tcp + 8, ack);
        frame.put(tcp + 12, (byte) ((20 + optionsLength) / 4 << 4));
        frame.put(tcp + 13, (byte) flags);
        frame.putShort(tcp + 14, (short) window);
        frame.putInt(tcp + 16, 0);
        long pseudo = Checksum.pseudoHeader(ipSource, ipDestination, FrameFlyweight.TCP_PROTOCOL, tcpLength);
        frame.putShort(tcp + 16, (short) Checksum.of(frame, tcp, tcpLength, pseudo));
        return frame;
    }

    public ByteBuffer frame() {
        return frame;
    }

    public int length() {
        return length;
    }

    private int optionsAt() {
        return 14 + 20 + 20 + optionsLength;
    }
}
