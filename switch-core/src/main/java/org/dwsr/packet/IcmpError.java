package org.dwsr.packet;

import java.nio.ByteBuffer;

/**
 * A view over an ICMP error about a segment that the VIP sent (RFC 792, RFC 1191; in IPv6 RFC 4443, RFC 8201): the
 * message quotes the segment's IP header and at least the first eight bytes of its TCP header, ports and sequence number.
 *
 * <p>Of the errors only those count that a TCP acts on: destination unreachable (with "fragmentation needed", from which
 * path MTU discovery lives), packet too big (the same in IPv6), time exceeded and parameter problem.
 */
public final class IcmpError {
    private static final int DESTINATION_UNREACHABLE = 3;
    private static final int TIME_EXCEEDED = 11;
    private static final int PARAMETER_PROBLEM = 12;
    /** ICMPv6: destination unreachable, packet too big, time exceeded, parameter problem (RFC 4443 section 3). */
    private static final int LAST_ICMPV6_ERROR = 4;

    private static final int HEADER_LENGTH = 8;
    private static final int IPV6_LENGTH = 40;
    private static final int QUOTED_SEQ = 4;
    private static final int QUOTED_ACK = 8;
    private static final int QUOTED_CHECKSUM = 16;
    private static final int LEAST_QUOTED = 8;

    private ByteBuffer buf = ByteBuffer.allocate(0);
    private int icmp;
    private int quoted;
    private int end;
    private int source;
    private int destination;
    private long destinationHigh;
    private long destinationLow;
    private long pseudoHeader;

    /** Tells whether a frame is an ICMP error that quotes a TCP segment, and puts the view over it. */
    public boolean wrap(FrameFlyweight frame) {
        buf = frame.buffer();
        icmp = frame.payloadOffset();
        end = icmp + frame.payloadLength();
        if (frame.kind() == FrameFlyweight.Kind.IPV6) {
            return frame.ipProtocol() == FrameFlyweight.ICMPV6_PROTOCOL && wrapIpv6(frame);
        }
        return frame.kind() == FrameFlyweight.Kind.IPV4
                && frame.ipProtocol() == FrameFlyweight.ICMP_PROTOCOL
                && wrapIpv4();
    }

    private boolean wrapIpv4() {
        int ip = icmp + HEADER_LENGTH;
        if (end < ip + 20) {
            return false;
        }
        int type = buf.get(icmp) & 0xff;
        if (type != DESTINATION_UNREACHABLE && type != TIME_EXCEEDED && type != PARAMETER_PROBLEM) {
            return false;
        }
        int versionAndLength = buf.get(ip) & 0xff;
        int headerLength = (versionAndLength & 0x0f) * 4;
        boolean first = (buf.getShort(ip + 6) & 0x1fff) == 0;
        quoted = ip + headerLength;
        source = buf.getInt(ip + 12);
        destination = buf.getInt(ip + 16);
        destinationHigh = 0;
        destinationLow = IpAddress.mapped(destination);
        pseudoHeader = 0;
        return versionAndLength >>> 4 == 4
                && headerLength >= 20
                && first
                && (buf.get(ip + 9) & 0xff) == FrameFlyweight.TCP_PROTOCOL
                && end >= quoted + LEAST_QUOTED;
    }

    private boolean wrapIpv6(FrameFlyweight frame) {
        int ip = icmp + HEADER_LENGTH;
        quoted = ip + IPV6_LENGTH;
        if (end < quoted + LEAST_QUOTED) {
            return false;
        }
        int type = buf.get(icmp) & 0xff;
        boolean segment = (buf.get(ip) & 0xf0) == 0x60 && (buf.get(ip + 6) & 0xff) == FrameFlyweight.TCP_PROTOCOL;
        if (type == 0 || type > LAST_ICMPV6_ERROR || !segment) {
            return false;
        }
        source = frame.shortened(buf.getLong(ip + 8), buf.getLong(ip + 16));
        destinationHigh = buf.getLong(ip + 24);
        destinationLow = buf.getLong(ip + 32);
        destination = frame.shortened(destinationHigh, destinationLow);
        pseudoHeader = Checksum.pseudoHeader(
                frame.sourceHigh(),
                frame.sourceLow(),
                frame.destinationHigh(),
                frame.destinationLow(),
                FrameFlyweight.ICMPV6_PROTOCOL,
                end - icmp);
        return true;
    }

    /** Who sent the quoted segment, in 32 bits as {@link FrameFlyweight#ipSource} has it. */
    public int quotedSource() {
        return source;
    }

    /** For whom the quoted segment was, in 32 bits. */
    public int quotedDestination() {
        return destination;
    }

    /** Whether the quoted segment went to exactly this address: its alias alone does not say. */
    public boolean isQuotedTo(long high, long low) {
        return destinationLow == low && destinationHigh == high;
    }

    public int quotedSourcePort() {
        return buf.getShort(quoted) & 0xffff;
    }

    public int quotedDestinationPort() {
        return buf.getShort(quoted + 2) & 0xffff;
    }

    public int quotedSeq() {
        return buf.getInt(quoted + QUOTED_SEQ);
    }

    /** Tells whether the message's own checksum is right. */
    public boolean checksumValid() {
        return Checksum.fold(Checksum.sum(buf, icmp, end - icmp, pseudoHeader)) == 0xffff;
    }

    /**
     * Moves the quoted numbers, the acknowledgment only where it is quoted, and keeps both checksums: the message's own
     * and, where it is quoted, the segment's.
     */
    public void moveQuoted(int seqOffset, int ackOffset) {
        moveQuotedNumber(quoted + QUOTED_SEQ, seqOffset);
        if (end >= quoted + QUOTED_ACK + 4) {
            moveQuotedNumber(quoted + QUOTED_ACK, ackOffset);
        }
    }

    private void moveQuotedNumber(int at, int offset) {
        int before = buf.getInt(at);
        int after = before + offset;
        set32(at, before, after);
        int checksumAt = quoted + QUOTED_CHECKSUM;
        if (end >= checksumAt + 2) {
            int checksum = buf.getShort(checksumAt) & 0xffff;
            int changed = Checksum.update32(checksum, before, after, false);
            buf.putShort(checksumAt, (short) changed);
            checksum(Checksum.update16(checksum(), checksum, changed));
        }
    }

    private void set32(int at, int before, int after) {
        buf.putInt(at, after);
        checksum(Checksum.update32(checksum(), before, after, false));
    }

    private int checksum() {
        return buf.getShort(icmp + 2) & 0xffff;
    }

    private void checksum(int value) {
        buf.putShort(icmp + 2, (short) value);
    }
}
