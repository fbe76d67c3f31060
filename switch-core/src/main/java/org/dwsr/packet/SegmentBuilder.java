package org.dwsr.packet;

import java.nio.ByteBuffer;

/**
 * Writes whole TCP segments into a buffer of its own: Ethernet, IPv4 or IPv6, TCP, complete checksums.
 *
 * <p>One segment at a time: the bytes stay valid until the next {@code build}. At most {@link #MAX_PAYLOAD} bytes of
 * payload.
 */
public final class SegmentBuilder {
    public static final int MAX_PAYLOAD = 9000;

    private static final int TTL = 64;
    private static final int ETHERNET_LENGTH = 14;
    private static final int IPV4_LENGTH = 20;
    private static final int IPV6_LENGTH = 40;

    private final ByteBuffer frame = ByteBuffer.allocate(ETHERNET_LENGTH + IPV6_LENGTH + 60 + MAX_PAYLOAD);
    private boolean ipv6;
    private int length;
    private int optionsLength;
    private int payloadLength;

    /** Starts a segment over IPv4 without options and payload. */
    public SegmentBuilder start() {
        return start(false);
    }

    /** Starts a segment over IPv4 or IPv6 without options and payload. */
    public SegmentBuilder start(boolean ipv6) {
        this.ipv6 = ipv6;
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

    /** The same as the other {@code build}, between IPv4 addresses. */
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
        return build(
                ethDestination,
                ethSource,
                0,
                IpAddress.mapped(ipSource),
                0,
                IpAddress.mapped(ipDestination),
                sourcePort,
                destinationPort,
                seq,
                ack,
                flags,
                window);
    }

    /**
     * Writes the headers and checksums; afterwards {@link #frame()} holds {@link #length()} bytes at offset 0.
     *
     * @param sourceHigh half of an address as in {@link IpAddress}
     * @throws IllegalStateException if an address is not of the family that the segment was started with
     */
    public ByteBuffer build(
            long ethDestination,
            long ethSource,
            long sourceHigh,
            long sourceLow,
            long destinationHigh,
            long destinationLow,
            int sourcePort,
            int destinationPort,
            int seq,
            int ack,
            int flags,
            int window) {
        if (IpAddress.isIpv6(sourceHigh, sourceLow) != ipv6
                || IpAddress.isIpv6(destinationHigh, destinationLow) != ipv6) {
            throw new IllegalStateException("an address of the other family");
        }
        int tcpLength = 20 + optionsLength + payloadLength;
        int tcp = tcpOffset();
        length = tcp + tcpLength;
        Mac.put(frame, 0, ethDestination);
        Mac.put(frame, 6, ethSource);
        long pseudo;
        if (ipv6) {
            ipv6Header(sourceHigh, sourceLow, destinationHigh, destinationLow, tcpLength);
            pseudo = Checksum.pseudoHeader(
                    sourceHigh, sourceLow, destinationHigh, destinationLow, FrameFlyweight.TCP_PROTOCOL, tcpLength);
        } else {
            ipv4Header((int) sourceLow, (int) destinationLow, IPV4_LENGTH + tcpLength);
            pseudo = Checksum.pseudoHeader(
                    (int) sourceLow, (int) destinationLow, FrameFlyweight.TCP_PROTOCOL, tcpLength);
        }
        frame.putShort(tcp, (short) sourcePort);
        frame.putShort(tcp + 2, (short) destinationPort);
        frame.putInt(tcp + 4, seq);
        frame.putInt(tcp + 8, ack);
        frame.put(tcp + 12, (byte) ((20 + optionsLength) / 4 << 4));
        frame.put(tcp + 13, (byte) flags);
        frame.putShort(tcp + 14, (short) window);
        frame.putInt(tcp + 16, 0);
        frame.putShort(tcp + 16, (short) Checksum.of(frame, tcp, tcpLength, pseudo));
        return frame;
    }

    private void ipv4Header(int source, int destination, int totalLength) {
        frame.putShort(12, (short) FrameFlyweight.IPV4_ETHER_TYPE);
        frame.putShort(14, (short) 0x4500);
        frame.putShort(16, (short) totalLength);
        frame.putInt(18, 0x0000_4000);
        frame.put(22, (byte) TTL);
        frame.put(23, (byte) FrameFlyweight.TCP_PROTOCOL);
        frame.putShort(24, (short) 0);
        frame.putInt(26, source);
        frame.putInt(30, destination);
        frame.putShort(24, (short) Checksum.of(frame, 14, 20, 0));
    }

    /** RFC 8200 section 3: no traffic class and no flow label. */
    private void ipv6Header(
            long sourceHigh, long sourceLow, long destinationHigh, long destinationLow, int payloadLength) {
        frame.putShort(12, (short) FrameFlyweight.IPV6_ETHER_TYPE);
        frame.putInt(14, 0x6000_0000);
        frame.putShort(18, (short) payloadLength);
        frame.put(20, (byte) FrameFlyweight.TCP_PROTOCOL);
        frame.put(21, (byte) TTL);
        frame.putLong(22, sourceHigh);
        frame.putLong(30, sourceLow);
        frame.putLong(38, destinationHigh);
        frame.putLong(46, destinationLow);
    }

    public ByteBuffer frame() {
        return frame;
    }

    public int length() {
        return length;
    }

    private int tcpOffset() {
        return ETHERNET_LENGTH + (ipv6 ? IPV6_LENGTH : IPV4_LENGTH);
    }

    private int optionsAt() {
        return tcpOffset() + 20 + optionsLength;
    }
}
