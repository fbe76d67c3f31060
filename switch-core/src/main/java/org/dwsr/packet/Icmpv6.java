package org.dwsr.packet;

import java.nio.ByteBuffer;

/** What the web switch reads and writes of ICMPv6 (RFC 4443) and of neighbour discovery in it (RFC 4861). */
public final class Icmpv6 {
    public static final int NEIGHBOUR_SOLICITATION = 135;
    public static final int NEIGHBOUR_ADVERTISEMENT = 136;
    /** Ethernet, IPv6, the advertisement, and its target link-layer address option. */
    public static final int ADVERTISEMENT_FRAME_LENGTH = 14 + 40 + 24 + 8;

    private static final int ECHO_REQUEST = 128;
    private static final int ECHO_REPLY = 129;
    private static final int SOLICITATION_LENGTH = 24;
    private static final int TARGET_OFFSET = 8;
    private static final int SOURCE_LINK_LAYER = 1;
    private static final int TARGET_LINK_LAYER = 2;
    private static final int HOP_LIMIT_OFFSET = 7;
    private static final int HOP_LIMIT = 255;
    private static final int SOLICITED = 0x4000_0000;
    private static final int OVERRIDE = 0x2000_0000;
    /** ff02::1, all nodes, and the Ethernet address that RFC 2464 section 7 gives it. */
    private static final long ALL_NODES_HIGH = 0xff02_0000_0000_0000L;

    private static final long ALL_NODES_LOW = 1;
    private static final long ALL_NODES_MAC = 0x3333_0000_0001L;
    /** ff02::1:ff00:0/104, where solicited-node addresses are (RFC 4291 section 2.7.1). */
    private static final long SOLICITED_NODE_LOW = 0x0000_0001_ff00_0000L;

    private Icmpv6() {}

    /** The type of an ICMPv6 message; -1 when the frame carries none. */
    public static int type(FrameFlyweight frame) {
        boolean icmp = frame.kind() == FrameFlyweight.Kind.IPV6
                && frame.ipProtocol() == FrameFlyweight.ICMPV6_PROTOCOL
                && frame.payloadLength() >= 4;
        return icmp ? frame.buffer().get(frame.payloadOffset()) & 0xff : -1;
    }

    /** Tells whether an IPv6 frame is an echo request (RFC 4443 section 4.1). */
    public static boolean isEchoRequest(FrameFlyweight frame) {
        return type(frame) == ECHO_REQUEST
                && frame.payloadLength() >= 8
                && frame.buffer().get(frame.payloadOffset() + 1) == 0;
    }

    /** Swaps the addresses and makes the request a reply; the frame keeps its length. */
    public static void toEchoReply(FrameFlyweight frame) {
        ByteBuffer buf = frame.buffer();
        long requester = frame.ethSource();
        frame.ethSource(frame.ethDestination());
        frame.ethDestination(requester);
        int ip = frame.ipOffset();
        long sourceHigh = frame.sourceHigh();
        long sourceLow = frame.sourceLow();
        buf.putLong(ip + 8, frame.destinationHigh());
        buf.putLong(ip + 16, frame.destinationLow());
        buf.putLong(ip + 24, sourceHigh);
        buf.putLong(ip + 32, sourceLow);
        int icmp = frame.payloadOffset();
        buf.put(icmp, (byte) ECHO_REPLY);
        int checksum = buf.getShort(icmp + 2) & 0xffff;
        buf.putShort(icmp + 2, (short) Checksum.update16(checksum, ECHO_REQUEST << 8, ECHO_REPLY << 8));
    }

    /** Tells whether a frame is a valid neighbour solicitation for an address (RFC 4861 section 7.1.1). */
    public static boolean isSolicitationFor(FrameFlyweight frame, IpAddress target) {
        if (type(frame) != NEIGHBOUR_SOLICITATION || frame.payloadLength() < SOLICITATION_LENGTH) {
            return false;
        }
        ByteBuffer buf = frame.buffer();
        int icmp = frame.payloadOffset();
        boolean forTarget = target.is(buf.getLong(icmp + TARGET_OFFSET), buf.getLong(icmp + TARGET_OFFSET + 8));
        return forTarget
                && (buf.get(frame.ipOffset() + HOP_LIMIT_OFFSET) & 0xff) == HOP_LIMIT
                && buf.get(icmp + 1) == 0
                && checksumValid(frame)
                && optionsValid(frame);
    }

    private static boolean checksumValid(FrameFlyweight frame) {
        long pseudo = Checksum.pseudoHeader(
                frame.sourceHigh(),
                frame.sourceLow(),
                frame.destinationHigh(),
                frame.destinationLow(),
                FrameFlyweight.ICMPV6_PROTOCOL,
                frame.payloadLength());
        long sum = Checksum.sum(frame.buffer(), frame.payloadOffset(), frame.payloadLength(), pseudo);
        return Checksum.fold(sum) == 0xffff;
    }

    /** Every option has a length; who has no address yet asks the solicited-node group, and names no MAC. */
    private static boolean optionsValid(FrameFlyweight frame) {
        boolean probe = isUnspecified(frame);
        boolean toGroup = frame.destinationHigh() == ALL_NODES_HIGH
                && (frame.destinationLow() & ~0xff_ffffL) == SOLICITED_NODE_LOW;
        if (probe && !toGroup) {
            return false;
        }
        ByteBuffer buf = frame.buffer();
        int end = frame.payloadOffset() + frame.payloadLength();
        int at = frame.payloadOffset() + SOLICITATION_LENGTH;
        while (at < end) {
            int length = at + 1 < end ? (buf.get(at + 1) & 0xff) * 8 : 0;
            if (length == 0 || at + length > end || probe && buf.get(at) == SOURCE_LINK_LAYER) {
                return false;
            }
            at += length;
        }
        return true;
    }

    private static boolean isUnspecified(FrameFlyweight frame) {
        return frame.isFrom(0, 0);
    }

    /**
     * Writes the neighbour advertisement that answers a valid solicitation (RFC 4861 section 7.2.4),
     * {@link #ADVERTISEMENT_FRAME_LENGTH} bytes at offset 0. A probe for duplicates (RFC 4862 section 5.4.3) has no
     * source to answer, so everybody hears that the address is taken.
     *
     * @param mac who has the address
     */
    public static void writeAdvertisement(ByteBuffer buf, FrameFlyweight solicitation, IpAddress target, long mac) {
        boolean probe = isUnspecified(solicitation);
        long toHigh = probe ? ALL_NODES_HIGH : solicitation.sourceHigh();
        long toLow = probe ? ALL_NODES_LOW : solicitation.sourceLow();
        Mac.put(buf, 0, probe ? ALL_NODES_MAC : solicitation.ethSource());
        Mac.put(buf, 6, mac);
        buf.putShort(12, (short) FrameFlyweight.IPV6_ETHER_TYPE);
        buf.putInt(14, 0x6000_0000);
        int length = SOLICITATION_LENGTH + 8;
        buf.putShort(18, (short) length);
        buf.put(20, (byte) FrameFlyweight.ICMPV6_PROTOCOL);
        buf.put(21, (byte) HOP_LIMIT);
        buf.putLong(22, target.high());
        buf.putLong(30, target.low());
        buf.putLong(38, toHigh);
        buf.putLong(46, toLow);
        int icmp = 54;
        buf.putInt(icmp, NEIGHBOUR_ADVERTISEMENT << 24);
        buf.putInt(icmp + 4, probe ? OVERRIDE : SOLICITED | OVERRIDE);
        buf.putLong(icmp + TARGET_OFFSET, target.high());
        buf.putLong(icmp + TARGET_OFFSET + 8, target.low());
        buf.put(icmp + 24, (byte) TARGET_LINK_LAYER);
        buf.put(icmp + 25, (byte) 1);
        Mac.put(buf, icmp + 26, mac);
        int protocol = FrameFlyweight.ICMPV6_PROTOCOL;
        long pseudo = Checksum.pseudoHeader(target.high(), target.low(), toHigh, toLow, protocol, length);
        buf.putShort(icmp + 2, (short) Checksum.of(buf, icmp, length, pseudo));
    }
}
