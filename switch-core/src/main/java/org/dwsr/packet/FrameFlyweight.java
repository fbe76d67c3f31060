package org.dwsr.packet;

import java.nio.ByteBuffer;

/**
 * A view over one Ethernet frame with IPv4 and, where it carries it, TCP.
 *
 * <p>{@link #wrap} checks every length once; afterwards the accessors of the layer that {@link #kind()} names read
 * without further checks. Setters of TCP fields keep the TCP checksum right by RFC 1624, unless the frame's checksum
 * is still partial (virtio's NEEDS_CSUM: the field holds only the pseudo-header's sum and must be left alone).
 */
public final class FrameFlyweight {
    /** What a frame is, as far as the web switch and the host filter care. */
    public enum Kind {
        /** TCP over IPv4, complete headers, not a fragment. */
        TCP,
        /** IPv4 that is a fragment (offset not zero, or more to come). */
        FRAGMENT,
        /** IPv4 that carries something else than TCP. */
        IPV4,
        ARP,
        /** Any other EtherType. */
        OTHER,
        /** Shorter than its own headers say, or with lengths that contradict each other. */
        MALFORMED
    }

    public static final int ETHERNET_LENGTH = 14;
    public static final int IPV4_ETHER_TYPE = 0x0800;
    public static final int TCP_PROTOCOL = 6;
    public static final int ICMP_PROTOCOL = 1;

    private static final int IP_TOTAL_LENGTH_OFFSET = 2;
    private static final int IP_FRAGMENT_OFFSET = 6;
    private static final int IP_PROTOCOL_OFFSET = 9;
    private static final int IP_SOURCE_OFFSET = 12;
    private static final int IP_DESTINATION_OFFSET = 16;
    private static final int TCP_SEQ_OFFSET = 4;
    private static final int TCP_ACK_OFFSET = 8;
    private static final int TCP_DATA_OFFSET = 12;
    private static final int TCP_FLAGS_OFFSET = 13;
    private static final int TCP_WINDOW_OFFSET = 14;
    private static final int TCP_CHECKSUM_OFFSET = 16;
    private static final int TCP_URGENT_OFFSET = 18;
    private static final int TCP_MIN_LENGTH = 20;

    private ByteBuffer buf = ByteBuffer.allocate(0);
    private int offset;
    private int ipOffset;
    private int tcpOffset;
    private int payloadOffset;
    private int payloadLength;
    private boolean partialChecksum;
    private Kind kind = Kind.MALFORMED;

    /**
     * Puts the view over {@code length} bytes at {@code offset} and checks them.
     *
     * @param partialChecksum whether the TCP checksum still lacks everything but the pseudo-header
     */
    public Kind wrap(ByteBuffer buf, int offset, int length, boolean partialChecksum) {
        this.buf = buf;
        this.offset = offset;
        this.partialChecksum = partialChecksum;
        kind = check(length);
        return kind;
    }

    private Kind check(int length) {
        if (length < ETHERNET_LENGTH) {
            return Kind.MALFORMED;
        }
        int etherType = buf.getShort(offset + 12) & 0xffff;
        if (etherType == ArpFlyweight.ETHER_TYPE) {
            return Kind.ARP;
        }
        if (etherType != IPV4_ETHER_TYPE) {
            return Kind.OTHER;
        }
        ipOffset = offset + ETHERNET_LENGTH;
        int available = length - ETHERNET_LENGTH;
        if (available < 20) {
            return Kind.MALFORMED;
        }
        int versionAndLength = buf.get(ipOffset) & 0xff;
        int headerLength = (versionAndLength & 0x0f) * 4;
        int totalLength = buf.getShort(ipOffset + IP_TOTAL_LENGTH_OFFSET) & 0xffff;
        if (versionAndLength >>> 4 != 4 || headerLength < 20 || totalLength < headerLength || totalLength > available) {
            return Kind.MALFORMED;
        }
        if ((buf.getShort(ipOffset + IP_FRAGMENT_OFFSET) & 0x3fff) != 0) {
            return Kind.FRAGMENT;
        }
        tcpOffset = ipOffset + headerLength;
        if (ipProtocol() != TCP_PROTOCOL) {
            payloadOffset = tcpOffset;
            payloadLength = totalLength - headerLength;
            return Kind.IPV4;
        }
        int tcpLength = totalLength - headerLength;
        if (tcpLength < TCP_MIN_LENGTH) {
            return Kind.MALFORMED;
        }
        int tcpHeaderLength = (buf.get(tcpOffset + TCP_DATA_OFFSET) >>> 4 & 0x0f) * 4;
        if (tcpHeaderLength < TCP_MIN_LENGTH || tcpHeaderLength > tcpLength) {
            return Kind.MALFORMED;
        }
        payloadOffset = tcpOffset + tcpHeaderLength;
        payloadLength = tcpLength - tcpHeaderLength;
        return Kind.TCP;
    }

    public Kind kind() {
        return kind;
    }

    public ByteBuffer buffer() {
        return buf;
    }

    public int offset() {
        return offset;
    }

    /** The number of bytes of the frame that its IPv4 header vouches for, Ethernet header included. */
    public int frameLength() {
        return ETHERNET_LENGTH + (buf.getShort(ipOffset + IP_TOTAL_LENGTH_OFFSET) & 0xffff);
    }

    public long ethDestination() {
        return Mac.get(buf, offset);
    }

    public void ethDestination(long mac) {
        Mac.put(buf, offset, mac);
    }

    public long ethSource() {
        return Mac.get(buf, offset + 6);
    }

    public void ethSource(long mac) {
        Mac.put(buf, offset + 6, mac);
    }

    public int ipOffset() {
        return ipOffset;
    }

    public int ipProtocol() {
        return buf.get(ipOffset + IP_PROTOCOL_OFFSET) & 0xff;
    }

    public int ipSource() {
        return buf.getInt(ipOffset + IP_SOURCE_OFFSET);
    }

    public int ipDestination() {
        return buf.getInt(ipOffset + IP_DESTINATION_OFFSET);
    }

    public int tcpOffset() {
        return tcpOffset;
    }

    public int sourcePort() {
        return buf.getShort(tcpOffset) & 0xffff;
    }

    public int destinationPort() {
        return buf.getShort(tcpOffset + 2) & 0xffff;
    }

    public int seq() {
        return buf.getInt(tcpOffset + TCP_SEQ_OFFSET);
    }

    public void seq(int value) {
        set32(tcpOffset + TCP_SEQ_OFFSET, value);
    }

    public int ack() {
        return buf.getInt(tcpOffset + TCP_ACK_OFFSET);
    }

    public void ack(int value) {
        set32(tcpOffset + TCP_ACK_OFFSET, value);
    }

    public int flags() {
        return buf.get(tcpOffset + TCP_FLAGS_OFFSET) & 0xff;
    }

    public boolean hasFlag(int flag) {
        return (flags() & flag) != 0;
    }

    /** The window field as it stands, not scaled. */
    public int window() {
        return buf.getShort(tcpOffset + TCP_WINDOW_OFFSET) & 0xffff;
    }

    public void window(int value) {
        int before = window();
        buf.putShort(tcpOffset + TCP_WINDOW_OFFSET, (short) value);
        if (!partialChecksum) {
            tcpChecksum(Checksum.update16(tcpChecksum(), before, value));
        }
    }

    /** Takes the URG flag and the urgent pointer away. */
    public void clearUrgent() {
        set8(tcpOffset + TCP_FLAGS_OFFSET, flags() & ~TcpFlags.URG);
        set8(tcpOffset + TCP_URGENT_OFFSET, 0);
        set8(tcpOffset + TCP_URGENT_OFFSET + 1, 0);
    }

    public int tcpChecksum() {
        return buf.getShort(tcpOffset + TCP_CHECKSUM_OFFSET) & 0xffff;
    }

    private void tcpChecksum(int value) {
        buf.putShort(tcpOffset + TCP_CHECKSUM_OFFSET, (short) value);
    }

    /** Where the TCP options start. */
    public int optionsOffset() {
        return tcpOffset + TCP_MIN_LENGTH;
    }

    /** The number of bytes of TCP options, 0 to 40. */
    public int optionsLength() {
        return payloadOffset - tcpOffset - TCP_MIN_LENGTH;
    }

    public int payloadOffset() {
        return payloadOffset;
    }

    /** The number of payload bytes; Ethernet padding is not counted. */
    public int payloadLength() {
        return payloadLength;
    }

    /** The number of sequence numbers the segment takes: payload, and one each for SYN and FIN. */
    public int seqLength() {
        int flags = flags();
        return payloadLength + ((flags & TcpFlags.SYN) != 0 ? 1 : 0) + ((flags & TcpFlags.FIN) != 0 ? 1 : 0);
    }

    /** Writes 32 bits of the TCP segment at absolute offset {@code at} and keeps the checksum. */
    public void set32(int at, int value) {
        int before = buf.getInt(at);
        if (before == value) {
            return;
        }
        buf.putInt(at, value);
        if (!partialChecksum) {
            tcpChecksum(Checksum.update32(tcpChecksum(), before, value, (at - tcpOffset & 1) != 0));
        }
    }

    /** Writes one byte of the TCP segment at absolute offset {@code at} and keeps the checksum. */
    public void set8(int at, int value) {
        int aligned = at - (at - tcpOffset & 1);
        boolean lastOdd = aligned + 1 >= payloadOffset + payloadLength;
        int before = lastOdd ? (buf.get(aligned) & 0xff) << 8 : buf.getShort(aligned) & 0xffff;
        buf.put(at, (byte) value);
        int after = lastOdd ? (buf.get(aligned) & 0xff) << 8 : buf.getShort(aligned) & 0xffff;
        if (!partialChecksum) {
            tcpChecksum(Checksum.update16(tcpChecksum(), before, after));
        }
    }

    /** Tells whether the TCP checksum is right; a partial one always is. */
    public boolean tcpChecksumValid() {
        if (partialChecksum) {
            return true;
        }
        int length = payloadOffset - tcpOffset + payloadLength;
        long sum = Checksum.pseudoHeader(ipSource(), ipDestination(), TCP_PROTOCOL, length);
        return Checksum.fold(Checksum.sum(buf, tcpOffset, length, sum)) == 0xffff;
    }

    /** Makes a partial TCP checksum a whole one, for a frame that leaves without its virtio header. */
    public void completeTcpChecksum() {
        if (!partialChecksum) {
            return;
        }
        int length = payloadOffset - tcpOffset + payloadLength;
        long pseudo = Checksum.pseudoHeader(ipSource(), ipDestination(), TCP_PROTOCOL, length);
        tcpChecksum(0);
        tcpChecksum(Checksum.of(buf, tcpOffset, length, pseudo));
        partialChecksum = false;
    }

    /** Tells whether the IPv4 header's checksum is right. */
    public boolean ipChecksumValid() {
        return Checksum.fold(Checksum.sum(buf, ipOffset, tcpOffset - ipOffset, 0)) == 0xffff;
    }
}
