package org.dwsr.packet;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * A view over one Ethernet frame with IPv4 or IPv6 and, where it carries it, TCP.
 *
 * <p>{@link #wrap} checks every length once; afterwards the accessors of the layer that {@link #kind()} names read
 * without further checks. Setters of TCP fields keep the TCP checksum right by RFC 1624, unless the frame's checksum
 * is still partial (virtio's NEEDS_CSUM: the field holds only the pseudo-header's sum and must be left alone).
 */
public final class FrameFlyweight {
    /** What a frame is, as far as the web switch and the host filter care. */
    public enum Kind {
        /** TCP over IPv4 or IPv6, complete headers, not a fragment. */
        TCP,
        /** A fragment: IPv4 with an offset or more to come, or IPv6 with a fragment header (RFC 8200 section 4.5). */
        FRAGMENT,
        /** IPv4 that carries something else than TCP. */
        IPV4,
        /** IPv6 that carries something else than TCP, or what cannot be looked into. */
        IPV6,
        /**
         * IPv6 whose TCP, if it has any, must not reach a server unread: a routing header, more extension headers than
         * {@link #MAX_EXTENSION_BYTES}, or an IPv4-mapped address.
         */
        IPV6_REFUSED,
        ARP,
        /** Any other EtherType. */
        OTHER,
        /** Shorter than its own headers say, or with lengths that contradict each other. */
        MALFORMED
    }

    public static final int ETHERNET_LENGTH = 14;
    public static final int IPV4_ETHER_TYPE = 0x0800;
    public static final int IPV6_ETHER_TYPE = 0x86dd;
    public static final int TCP_PROTOCOL = 6;
    public static final int ICMP_PROTOCOL = 1;
    public static final int ICMPV6_PROTOCOL = 58;
    /** How many bytes of extension headers before TCP are skipped. */
    public static final int MAX_EXTENSION_BYTES = 256;

    private static final int IPV6_LENGTH = 40;
    private static final int IPV6_PAYLOAD_LENGTH_OFFSET = 4;
    private static final int IPV6_NEXT_HEADER_OFFSET = 6;
    private static final int IPV6_SOURCE_OFFSET = 8;
    private static final int IPV6_DESTINATION_OFFSET = 24;
    private static final int HOP_BY_HOP = 0;
    private static final int ROUTING = 43;
    private static final int FRAGMENT_HEADER = 44;
    private static final int DESTINATION_OPTIONS = 60;

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
    private boolean ipv6;
    private int ipv6Protocol;
    private int vip;
    private boolean hasVip6;
    private long vip6High;
    private long vip6Low;
    private Kind kind = Kind.MALFORMED;

    /** Makes {@link #ipSource} and {@link #ipDestination} answer {@code vip} for the VIP's IPv6 address, too. */
    public void vip(int vip, @Nullable IpAddress vip6) {
        this.vip = vip;
        hasVip6 = vip6 != null;
        vip6High = vip6 == null ? 0 : vip6.high();
        vip6Low = vip6 == null ? 0 : vip6.low();
    }

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
        ipv6 = false;
        if (length < ETHERNET_LENGTH) {
            return Kind.MALFORMED;
        }
        int etherType = buf.getShort(offset + 12) & 0xffff;
        if (etherType == ArpFlyweight.ETHER_TYPE) {
            return Kind.ARP;
        }
        ipOffset = offset + ETHERNET_LENGTH;
        int available = length - ETHERNET_LENGTH;
        if (etherType == IPV6_ETHER_TYPE) {
            ipv6 = true;
            return checkIpv6(available);
        }
        if (etherType != IPV4_ETHER_TYPE) {
            return Kind.OTHER;
        }
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
        return checkTcp(totalLength - headerLength);
    }

    /** RFC 8200 sections 3 and 4. */
    private Kind checkIpv6(int available) {
        if (available < IPV6_LENGTH || (buf.get(ipOffset) & 0xf0) != 0x60) {
            return Kind.MALFORMED;
        }
        // A payload length of zero is a jumbogram's (RFC 2675), which no Ethernet frame holds.
        int end = ipOffset + IPV6_LENGTH + (buf.getShort(ipOffset + IPV6_PAYLOAD_LENGTH_OFFSET) & 0xffff);
        if (end - ipOffset > available) {
            return Kind.MALFORMED;
        }
        if (!IpAddress.isIpv6(sourceHigh(), sourceLow()) || !IpAddress.isIpv6(destinationHigh(), destinationLow())) {
            return Kind.IPV6_REFUSED;
        }
        int at = ipOffset + IPV6_LENGTH;
        ipv6Protocol = buf.get(ipOffset + IPV6_NEXT_HEADER_OFFSET) & 0xff;
        while (ipv6Protocol == HOP_BY_HOP || ipv6Protocol == DESTINATION_OPTIONS) {
            if (at + 8 > end) {
                return Kind.MALFORMED;
            }
            int headerLength = ((buf.get(at + 1) & 0xff) + 1) * 8;
            if (at + headerLength > end) {
                return Kind.MALFORMED;
            }
            ipv6Protocol = buf.get(at) & 0xff;
            at += headerLength;
            if (at - ipOffset - IPV6_LENGTH > MAX_EXTENSION_BYTES) {
                return Kind.IPV6_REFUSED;
            }
        }
        if (ipv6Protocol == FRAGMENT_HEADER) {
            return Kind.FRAGMENT;
        }
        if (ipv6Protocol == ROUTING) {
            return Kind.IPV6_REFUSED;
        }
        tcpOffset = at;
        if (ipv6Protocol != TCP_PROTOCOL) {
            payloadOffset = at;
            payloadLength = end - at;
            return Kind.IPV6;
        }
        return checkTcp(end - at);
    }

    private Kind checkTcp(int tcpLength) {
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

    /** The number of bytes of the frame that its IP header vouches for, Ethernet header included. */
    public int frameLength() {
        if (ipv6) {
            return ETHERNET_LENGTH + IPV6_LENGTH + (buf.getShort(ipOffset + IPV6_PAYLOAD_LENGTH_OFFSET) & 0xffff);
        }
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

    /** Whether the frame carries IPv6. */
    public boolean ipv6() {
        return ipv6;
    }

    /** What the IP packet carries; of IPv6 the first header that is no option. */
    public int ipProtocol() {
        return ipv6 ? ipv6Protocol : buf.get(ipOffset + IP_PROTOCOL_OFFSET) & 0xff;
    }

    /**
     * The source address in 32 bits: an IPv4 address itself, the VIP for its own IPv6 address, else an IPv6 address's
     * {@link AddressAlias}.
     */
    public int ipSource() {
        return ipv6 ? shortened(sourceHigh(), sourceLow()) : buf.getInt(ipOffset + IP_SOURCE_OFFSET);
    }

    /** The destination address; see {@link #ipSource}. */
    public int ipDestination() {
        return ipv6 ? shortened(destinationHigh(), destinationLow()) : buf.getInt(ipOffset + IP_DESTINATION_OFFSET);
    }

    /** An IPv6 address in 32 bits; see {@link #ipSource}. */
    int shortened(long high, long low) {
        return hasVip6 && high == vip6High && low == vip6Low ? vip : AddressAlias.of(high, low);
    }

    /** The first half of the source address, as in {@link IpAddress}. */
    public long sourceHigh() {
        return ipv6 ? buf.getLong(ipOffset + IPV6_SOURCE_OFFSET) : 0;
    }

    /** The second half of the source address. */
    public long sourceLow() {
        return ipv6
                ? buf.getLong(ipOffset + IPV6_SOURCE_OFFSET + 8)
                : IpAddress.mapped(buf.getInt(ipOffset + IP_SOURCE_OFFSET));
    }

    /** The first half of the destination address. */
    public long destinationHigh() {
        return ipv6 ? buf.getLong(ipOffset + IPV6_DESTINATION_OFFSET) : 0;
    }

    /** The second half of the destination address. */
    public long destinationLow() {
        return ipv6
                ? buf.getLong(ipOffset + IPV6_DESTINATION_OFFSET + 8)
                : IpAddress.mapped(buf.getInt(ipOffset + IP_DESTINATION_OFFSET));
    }

    /** Whether the frame comes from exactly this address: its alias alone does not say. */
    public boolean isFrom(long high, long low) {
        return sourceLow() == low && sourceHigh() == high;
    }

    /** Whether the frame goes to exactly this address. */
    public boolean isTo(long high, long low) {
        return destinationLow() == low && destinationHigh() == high;
    }

    /**
     * Whether the source cannot be a TCP's: multicast (RFC 9293 section 3.9.2.3), unspecified or loopback in IPv6, or in
     * IPv4 the reserved 240.0.0.0/4, which could be mistaken for an alias.
     */
    public boolean hasReservedSource() {
        if (!ipv6) {
            return ipSource() >>> 29 == 7;
        }
        long high = sourceHigh();
        return high >>> 56 == 0xff || high == 0 && sourceLow() >>> 32 == 0;
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
        int length = tcpLength();
        return partialChecksum || Checksum.fold(Checksum.sum(buf, tcpOffset, length, pseudoHeader())) == 0xffff;
    }

    /** Makes a partial TCP checksum a whole one, for a frame that leaves without its virtio header. */
    public void completeTcpChecksum() {
        if (!partialChecksum) {
            return;
        }
        tcpChecksum(0);
        tcpChecksum(Checksum.of(buf, tcpOffset, tcpLength(), pseudoHeader()));
        partialChecksum = false;
    }

    /** The sum of the TCP segment's pseudo-header. */
    public long pseudoHeader() {
        return ipv6
                ? Checksum.pseudoHeader(
                        sourceHigh(), sourceLow(), destinationHigh(), destinationLow(), TCP_PROTOCOL, tcpLength())
                : Checksum.pseudoHeader(ipSource(), ipDestination(), TCP_PROTOCOL, tcpLength());
    }

    private int tcpLength() {
        return payloadOffset - tcpOffset + payloadLength;
    }

    /** Tells whether the IPv4 header's checksum is right; IPv6 has none. */
    public boolean ipChecksumValid() {
        return ipv6 || Checksum.fold(Checksum.sum(buf, ipOffset, tcpOffset - ipOffset, 0)) == 0xffff;
    }
}
