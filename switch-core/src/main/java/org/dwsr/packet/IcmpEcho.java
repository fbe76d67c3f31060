package org.dwsr.packet;

/** Turns an ICMP echo request for the VIP into its reply, in place (RFC 792). */
public final class IcmpEcho {
    private static final int ECHO_REPLY = 0;
    private static final int ECHO_REQUEST = 8;

    private IcmpEcho() {}

    /** Tells whether an IPv4 frame is an ICMP echo request. */
    public static boolean isRequest(FrameFlyweight frame) {
        return frame.kind() == FrameFlyweight.Kind.IPV4
                && frame.ipProtocol() == FrameFlyweight.ICMP_PROTOCOL
                && frame.payloadLength() >= 8
                && frame.buffer().getShort(frame.payloadOffset()) == ECHO_REQUEST << 8;
    }

    /** Swaps the addresses and makes the request a reply; the frame keeps its length. */
    public static void toReply(FrameFlyweight frame) {
        var buf = frame.buffer();
        long requester = frame.ethSource();
        frame.ethSource(frame.ethDestination());
        frame.ethDestination(requester);
        int source = frame.ipSource();
        int ip = frame.ipOffset();
        buf.putInt(ip + 12, frame.ipDestination());
        buf.putInt(ip + 16, source);
        int icmp = frame.payloadOffset();
        buf.putShort(icmp, (short) (ECHO_REPLY << 8));
        int checksum = buf.getShort(icmp + 2) & 0xffff;
        buf.putShort(icmp + 2, (short) Checksum.update16(checksum, ECHO_REQUEST << 8, ECHO_REPLY << 8));
    }
}
