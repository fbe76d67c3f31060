package org.dwsr.switching;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.nio.ByteBuffer;
import java.util.function.Consumer;
import org.dwsr.config.ServerConfig;
import org.dwsr.packet.IpAddress;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.SegmentBuilder;

/** A described TCP packet on its way into a {@link SwitchLab}; relative numbers, from the client's port by default. */
final class LabPacket {
    private final LabClient client;
    private final SegmentBuilder builder = new SegmentBuilder();
    private long datapath = SwitchLab.DATAPATH;
    private int port;
    private long ethSource;
    private IpAddress destination;
    private IpAddress source;
    private int sourcePort = 40_000;
    private int destinationPort;
    private int seq = 1;
    private int ack = 1;
    private int flags;
    private int window = 502;
    private int payloadLength;

    LabPacket(LabClient client) {
        this.client = client;
        port = client.port;
        ethSource = client.mac;
        source = client.ip;
        destination = client.lab.config().vip(client.ip.isIpv6());
        builder.start(client.ip.isIpv6());
        destinationPort = client.servicePort;
    }

    LabPacket flags(String names) {
        flags = SwitchLab.flags(names);
        return this;
    }

    /** Relative to the client's ISN. */
    LabPacket seq(int relative) {
        seq = relative;
        return this;
    }

    /** Relative to wseq. */
    LabPacket ack(int relative) {
        ack = relative;
        return this;
    }

    LabPacket window(int value) {
        window = value;
        return this;
    }

    LabPacket mss(int bytes) {
        builder.mss(bytes);
        return this;
    }

    LabPacket sackPermitted() {
        builder.sackPermitted();
        return this;
    }

    LabPacket windowScale(int shift) {
        builder.windowScale(shift);
        return this;
    }

    LabPacket timestamps(int value, int echo) {
        builder.timestamps(value, echo);
        return this;
    }

    LabPacket payload(String text) {
        byte[] bytes = text.getBytes(ISO_8859_1);
        builder.payload(ByteBuffer.wrap(bytes), 0, bytes.length);
        payloadLength = bytes.length;
        return this;
    }

    /** Enters at this port instead of the client's. */
    LabPacket at(long datapath, int port) {
        this.datapath = datapath;
        this.port = port;
        return this;
    }

    LabPacket ethSource(long mac) {
        ethSource = mac;
        return this;
    }

    LabPacket to(int address) {
        destination = IpAddress.ofIpv4(address);
        return this;
    }

    /** A response: the VIP's, to the client. */
    LabPacket fromVip() {
        source = destination;
        sourcePort = 80;
        destination = client.ip;
        destinationPort = 40_000;
        return this;
    }

    /** Bounced by a server's filter with the client's MAC. */
    LabPacket bouncedBy(String server) {
        ServerConfig at = client.lab.server(server);
        return at(at.attachment().datapath(), at.attachment().port());
    }

    /** Bounced by a server's filter with a tag of this kind; options as in {@link LabClient#syn()}. */
    LabPacket bouncedBy(String server, int kind) {
        return bouncedBy(server).ethSource(tag(kind));
    }

    static long tag(int kind) {
        return MigrationTag.with(MigrationTag.of(6, 7, 7, true), 72, kind);
    }

    void send() {
        sendSpoiled(frame -> {});
    }

    /** Sends it after the bytes of the frame (at 0) were changed. */
    void sendSpoiled(Consumer<ByteBuffer> spoil) {
        ByteBuffer frame = builder.build(
                SwitchLab.VMAC,
                ethSource,
                source.high(),
                source.low(),
                destination.high(),
                destination.low(),
                sourcePort,
                destinationPort,
                client.isn + seq,
                (flags & SwitchLab.flags("A")) == 0 ? 0 : client.wseq + ack,
                flags,
                window);
        spoil.accept(frame);
        client.lab.receive(datapath, port, frame, builder.length());
    }

    int payloadLength() {
        return payloadLength;
    }
}
