package org.dwsr.switching;

import java.nio.ByteBuffer;
import org.dwsr.config.DwsrConfig;
import org.dwsr.config.ServerConfig;
import org.dwsr.http.ErrorResponse;
import org.dwsr.packet.ArpFlyweight;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.FrameFlyweight;
import org.dwsr.packet.IcmpEcho;
import org.dwsr.packet.Icmpv6;
import org.dwsr.packet.IpAddress;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.SegmentBuilder;
import org.dwsr.packet.TcpFlags;
import org.dwsr.packet.TcpOptions;

/** Writes the packets the web switch itself sends in the VIP's or a client's name. */
final class VipResponder {
    /** The window scale promised to clients for whatever server they get; Linux chooses it with its default buffers. */
    static final int SERVER_SCALE = 7;
    /** The most a client may send before a server has its connection. */
    static final int HANDSHAKE_WINDOW = 16_384;

    private static final int MSS = 1460;
    private static final int MSS_IPV6 = 1440;

    private final SwitchOutput output;
    private final SegmentBuilder builder = new SegmentBuilder();
    private final ByteBuffer arpReply = ByteBuffer.allocate(ArpFlyweight.FRAME_LENGTH);
    private final ByteBuffer advertisement = ByteBuffer.allocate(Icmpv6.ADVERTISEMENT_FRAME_LENGTH);
    private final ByteBuffer answer = ByteBuffer.allocate(2048);

    VipResponder(SwitchOutput output) {
        this.output = output;
    }

    void arpReply(DwsrConfig config, long datapath, int port, ArpFlyweight request) {
        ArpFlyweight.writeReply(arpReply, 0, config.vmac(), config.vip(), request.senderMac(), request.senderAddress());
        output.packetOut(datapath, port, arpReply, 0, ArpFlyweight.FRAME_LENGTH);
    }

    /** Answers a neighbour solicitation for the VIP as {@link #arpReply} does ARP. */
    void advertise(DwsrConfig config, long datapath, int port, FrameFlyweight solicitation) {
        Icmpv6.writeAdvertisement(advertisement, solicitation, config.vip(true), config.vmac());
        output.packetOut(datapath, port, advertisement, 0, Icmpv6.ADVERTISEMENT_FRAME_LENGTH);
    }

    void echoReply(DwsrConfig config, long datapath, int port, FrameFlyweight request) {
        if (request.ipv6()) {
            Icmpv6.toEchoReply(request);
        } else {
            IcmpEcho.toReply(request);
        }
        request.ethSource(config.vmac());
        output.packetOut(datapath, port, request.buffer(), request.offset(), request.frameLength());
    }

    /** Answers a SYN (paper figure 2, step 2). */
    void synAck(DwsrConfig config, long datapath, int port, FrameFlyweight syn, TcpOptions offered, int wseq) {
        builder.start(syn.ipv6()).mss(syn.ipv6() ? MSS_IPV6 : MSS);
        if (offered.sackPermitted()) {
            builder.sackPermitted();
        }
        if (offered.windowScale() != TcpOptions.NO_WINDOW_SCALE) {
            builder.windowScale(SERVER_SCALE);
        }
        reply(config, datapath, port, syn, wseq, syn.seq() + 1, TcpFlags.SYN | TcpFlags.ACK, HANDSHAKE_WINDOW);
    }

    /** Resets a segment for a closed port, with the numbers RFC 9293 section 3.10.7.1 asks for. */
    void reset(DwsrConfig config, long datapath, int port, FrameFlyweight segment) {
        builder.start(segment.ipv6());
        if (segment.hasFlag(TcpFlags.ACK)) {
            reply(config, datapath, port, segment, segment.ack(), 0, TcpFlags.RST, 0);
        } else {
            int end = segment.seq() + segment.seqLength();
            reply(config, datapath, port, segment, 0, end, TcpFlags.RST | TcpFlags.ACK, 0);
        }
    }

    /** Acknowledges a FIN for which there is no connection; {@code alsoFinish} closes our side too. */
    void finAck(DwsrConfig config, long datapath, int port, FrameFlyweight fin, boolean alsoFinish) {
        int flags = TcpFlags.ACK | (alsoFinish ? TcpFlags.FIN : 0);
        builder.start(fin.ipv6());
        reply(config, datapath, port, fin, fin.ack(), fin.seq() + fin.seqLength(), flags, 0);
    }

    private void reply(
            DwsrConfig config, long datapath, int port, FrameFlyweight to, int seq, int ack, int flags, int window) {
        IpAddress vip = config.vip(to.ipv6());
        ByteBuffer frame = builder.build(
                to.ethSource(),
                config.vmac(),
                vip.high(),
                vip.low(),
                to.sourceHigh(),
                to.sourceLow(),
                to.destinationPort(),
                to.sourcePort(),
                seq,
                ack,
                flags,
                window);
        output.packetOut(datapath, port, frame, 0, builder.length());
    }

    /** Starts a segment to an entry's client: its last server's clock stands where the client has echoed it. */
    private SegmentBuilder startToClient(ConnectionEntry entry) {
        builder.start(entry.client.isIpv6());
        return MigrationTag.timestamps(entry.tag) ? builder.timestamps(entry.timestampEcho, entry.timestamp) : builder;
    }

    /** Sends a bare ACK to an entry's client. */
    void acknowledge(DwsrConfig config, ConnectionEntry entry, int seq, int ack, int window) {
        startToClient(entry);
        toClient(config, entry, seq, ack, TcpFlags.ACK, window);
    }

    /** Sends the web switch's own complete answer and closes (window 0: nothing more is wanted). */
    void answer(DwsrConfig config, ConnectionEntry entry, ErrorResponse response) {
        int length = response.writeTo(answer, 0);
        startToClient(entry).payload(answer, 0, length);
        toClient(config, entry, entry.answerSeq, entry.answerAck, TcpFlags.ACK | TcpFlags.PSH | TcpFlags.FIN, 0);
    }

    private void toClient(DwsrConfig config, ConnectionEntry entry, int seq, int ack, int flags, int window) {
        IpAddress vip = config.vip(entry.client.isIpv6());
        ByteBuffer frame = builder.build(
                entry.clientMac,
                config.vmac(),
                vip.high(),
                vip.low(),
                entry.client.high(),
                entry.client.low(),
                ConnectionKey.servicePort(entry.key),
                ConnectionKey.clientPort(entry.key),
                seq,
                ack,
                flags,
                window);
        output.packetOut(entry.ingressDatapath, entry.ingressPort, frame, 0, builder.length());
    }

    /** Sends a tagged RST to a server's filter (paper section III, steps 24 and 34). */
    void silence(DwsrConfig config, ConnectionEntry entry, ServerConfig server, int seq, int ack) {
        builder.start(entry.client.isIpv6());
        long tag = MigrationTag.with(entry.tag, 0, MigrationTag.SILENCE);
        toServer(config, entry, server, tag, seq, ack, TcpFlags.RST | TcpFlags.ACK, 0);
    }

    /** Sends a piece of a gathered request to a server. */
    void requestPiece(
            DwsrConfig config,
            ConnectionEntry entry,
            ServerConfig server,
            long source,
            int seq,
            ByteBuffer bytes,
            int offset,
            int length,
            int flags) {
        builder.start(entry.client.isIpv6());
        if (MigrationTag.timestamps(entry.tag)) {
            builder.timestamps(entry.timestamp, entry.timestampEcho);
        }
        builder.payload(bytes, offset, length);
        toServer(config, entry, server, source, seq, entry.requestAck, flags, entry.window);
    }

    private void toServer(
            DwsrConfig config,
            ConnectionEntry entry,
            ServerConfig server,
            long ethSource,
            int seq,
            int ack,
            int flags,
            int window) {
        IpAddress vip = config.vip(entry.client.isIpv6());
        ByteBuffer frame = builder.build(
                server.mac(),
                ethSource,
                entry.client.high(),
                entry.client.low(),
                vip.high(),
                vip.low(),
                ConnectionKey.clientPort(entry.key),
                ConnectionKey.servicePort(entry.key),
                seq,
                ack,
                flags,
                window);
        output.packetOut(server.attachment().datapath(), server.attachment().port(), frame, 0, builder.length());
    }
}
