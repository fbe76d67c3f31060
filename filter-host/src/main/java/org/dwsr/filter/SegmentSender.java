package org.dwsr.filter;

import java.nio.ByteBuffer;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.IpAddress;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.MssClass;
import org.dwsr.packet.SegmentBuilder;
import org.dwsr.packet.TcpFlags;
import org.dwsr.packet.TcpOptions;

/** Writes the segments the filter itself sends: into the server's TCP, to the client, and to the web switch. */
final class SegmentSender {
    private static final int WINDOW = 65_535;

    private final FilterOutput output;
    private final SegmentBuilder builder = new SegmentBuilder();

    SegmentSender(FilterOutput output) {
        this.output = output;
    }

    FilterOutput output() {
        return output;
    }

    /**
     * Sends the replayed SYN (paper figure 2, step 6), with the options the tag carries. Twice, because a handshake
     * that takes microseconds would give the server's congestion control a minimum round trip time to match; after a
     * repeated SYN it takes no sample.
     */
    void syn(FilterSettings settings, FilterConnection c) {
        for (int i = 0; i < 2; i++) {
            synOptions(c, c.clientScale());
            TimestampMasquerade timestamps = c.timestamps;
            if (timestamps != null) {
                builder.timestamps(timestamps.clientValue(), 0);
            }
            int ecn = MigrationTag.ecn(c.tag) ? TcpFlags.ECE | TcpFlags.CWR : 0;
            toHost(settings, c, c.requestSeq - 1, 0, TcpFlags.SYN | ecn, WINDOW);
        }
    }

    private void synOptions(FilterConnection c, int scale) {
        builder.start(c.ipv6()).mss(MssClass.bytes(MigrationTag.mssClass(c.tag)));
        if (MigrationTag.sack(c.tag)) {
            builder.sackPermitted();
        }
        if (scale != TcpOptions.NO_WINDOW_SCALE) {
            builder.windowScale(scale);
        }
    }

    /** Sends a client's SYN back to the web switch: the guessed server does not take it. */
    void refusedSyn(FilterSettings settings, FilterConnection c) {
        synOptions(c, MigrationTag.clientScale(c.tag));
        IpAddress vip = settings.config.vip(c.ipv6());
        ByteBuffer frame = builder.build(
                settings.config.vmac(),
                tag(c, MigrationTag.REFUSED),
                c.clientHigh,
                c.clientLow,
                vip.high(),
                vip.low(),
                ConnectionKey.clientPort(c.key),
                ConnectionKey.servicePort(c.key),
                c.requestSeq - 1,
                0,
                TcpFlags.SYN,
                WINDOW);
        output.toNetwork(frame, 0, builder.length());
    }

    /** Sends a bare segment into the server's TCP, in its own numbers. */
    void control(FilterSettings settings, FilterConnection c, int kernelSeq, int kernelAck, int flags) {
        builder.start(c.ipv6());
        TimestampMasquerade timestamps = c.timestamps;
        if (timestamps != null && (flags & TcpFlags.RST) == 0) {
            builder.timestamps(timestamps.clientValue(), timestamps.echoToServer());
        }
        toHost(settings, c, kernelSeq, kernelAck, flags, c.windowForKernel(c.clientWindow));
    }

    /**
     * Completes the replayed handshake (paper figure 2, step 8). Its timestamp echoes nothing, for the same reason for
     * which the SYN is sent twice: after a repeated SYN the server's TCP would measure by the echo.
     */
    void handshakeAck(FilterSettings settings, FilterConnection c) {
        builder.start(c.ipv6());
        TimestampMasquerade timestamps = c.timestamps;
        if (timestamps != null) {
            builder.timestamps(timestamps.clientValue(), 0);
        }
        toHost(settings, c, c.requestSeq, c.kernelNext, TcpFlags.ACK, c.windowForKernel(c.clientWindow));
    }

    /** The most payload of a segment that the client's MSS, and the timestamps in it, allow. */
    private static int segment(FilterConnection c) {
        int room = MssClass.bytes(MigrationTag.mssClass(c.tag));
        return Math.min(
                MssClass.segment(MigrationTag.mssClass(c.tag), c.ipv6()), c.timestamps == null ? room : room - 12);
    }

    /** Sends stream bytes into the server's TCP; {@code seq} and {@code ack} in the client's numbers. */
    void stream(
            FilterSettings settings,
            FilterConnection c,
            int seq,
            int ack,
            ByteBuffer bytes,
            int offset,
            int length,
            boolean fin) {
        c.patchRequest(bytes, offset, length, seq);
        int segment = segment(c);
        TimestampMasquerade timestamps = c.timestamps;
        int at = 0;
        do {
            int count = Math.min(segment, length - at);
            boolean last = at + count == length;
            builder.start(c.ipv6());
            if (timestamps != null) {
                builder.timestamps(timestamps.clientValue(), timestamps.echoToServer());
            }
            builder.payload(bytes, offset + at, count);
            int flags = TcpFlags.ACK | (last && count > 0 ? TcpFlags.PSH : 0) | (last && fin ? TcpFlags.FIN : 0);
            flags |= c.heldEcn;
            c.heldEcn = 0;
            toHost(settings, c, seq + at + c.inOffset, ack + c.ackOffset, flags, c.windowForKernel(c.clientWindow));
            at += count;
        } while (at < length);
    }

    private void toHost(FilterSettings settings, FilterConnection c, int seq, int ack, int flags, int window) {
        IpAddress vip = settings.config.vip(c.ipv6());
        ByteBuffer frame = builder.build(
                settings.server.mac(),
                settings.config.vmac(),
                c.clientHigh,
                c.clientLow,
                vip.high(),
                vip.low(),
                ConnectionKey.clientPort(c.key),
                ConnectionKey.servicePort(c.key),
                seq,
                ack,
                flags,
                window);
        output.toHost(frame, 0, builder.length());
    }

    /** Sends a bare ACK, or response bytes, to the client, in its numbers. */
    void toClient(
            FilterSettings settings,
            FilterConnection c,
            int seq,
            int ack,
            ByteBuffer bytes,
            int offset,
            int length,
            boolean fin) {
        c.patchResponse(bytes, offset, length, seq);
        int segment = segment(c);
        TimestampMasquerade timestamps = c.timestamps;
        IpAddress vip = settings.config.vip(c.ipv6());
        int at = 0;
        do {
            int count = Math.min(segment, length - at);
            boolean last = at + count == length;
            builder.start(c.ipv6());
            if (timestamps != null) {
                builder.timestamps(timestamps.valueToClient(), timestamps.clientValue());
            }
            builder.payload(bytes, offset + at, count);
            int flags = TcpFlags.ACK | (last && count > 0 ? TcpFlags.PSH : 0) | (last && fin ? TcpFlags.FIN : 0);
            ByteBuffer frame = builder.build(
                    c.clientMac,
                    settings.server.mac(),
                    vip.high(),
                    vip.low(),
                    c.clientHigh,
                    c.clientLow,
                    ConnectionKey.servicePort(c.key),
                    ConnectionKey.clientPort(c.key),
                    seq + at,
                    ack,
                    flags,
                    c.kernelWindow);
            output.toNetwork(frame, 0, builder.length());
            at += count;
        } while (at < length);
    }

    /**
     * Sends request bytes to the web switch in the client's numbers, the first segment tagged. The others are not: if
     * the first one is all the web switch needs to decide, a second tag would be another request to it.
     */
    void bounce(
            FilterSettings settings,
            FilterConnection c,
            int kind,
            int seq,
            int ack,
            ByteBuffer bytes,
            int offset,
            int length,
            boolean fin) {
        int segment = segment(c);
        TimestampMasquerade timestamps = c.timestamps;
        long follower = c.clientMac != 0 ? c.clientMac : settings.config.vmac();
        IpAddress vip = settings.config.vip(c.ipv6());
        int at = 0;
        do {
            int count = Math.min(segment, length - at);
            boolean last = at + count == length;
            builder.start(c.ipv6());
            if (timestamps != null) {
                builder.timestamps(timestamps.clientValue(), timestamps.clientEcho());
            }
            builder.payload(bytes, offset + at, count);
            int flags = TcpFlags.ACK | (last && count > 0 ? TcpFlags.PSH : 0) | (last && fin ? TcpFlags.FIN : 0);
            ByteBuffer frame = builder.build(
                    settings.config.vmac(),
                    at == 0 ? tag(c, kind) : follower,
                    c.clientHigh,
                    c.clientLow,
                    vip.high(),
                    vip.low(),
                    ConnectionKey.clientPort(c.key),
                    ConnectionKey.servicePort(c.key),
                    seq + at,
                    ack,
                    flags,
                    c.clientWindow);
            output.toNetwork(frame, 0, builder.length());
            at += count;
        } while (at < length);
    }

    /** The tag of a connection for the way to the web switch. */
    static long tag(FilterConnection c, int kind) {
        return MigrationTag.with(c.tag, MigrationTag.contentType(c.tag), kind);
    }
}
