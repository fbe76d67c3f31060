package org.dwsr.switching;

import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.IpAddress;

/** A client of a {@link SwitchLab}: one connection's addresses and initial sequence numbers. */
final class LabClient {
    final SwitchLab lab;
    final int number;
    final IpAddress ip;
    final long mac;
    /** The switch port it is attached to. */
    int port = 1;

    int servicePort = 80;
    int isn;
    /** What the web switch chose, learned from its SYN-ACK. */
    int wseq;

    LabClient(SwitchLab lab, int number) {
        this(lab, number, IpAddress.ofIpv4(0x0a00_0100 + number));
    }

    LabClient(SwitchLab lab, int number, IpAddress ip) {
        this.lab = lab;
        this.number = number;
        this.ip = ip;
        mac = 0x0200_0000_c100L + number;
        isn = 1_000_000 * number;
    }

    long key() {
        return ConnectionKey.of(ip.alias(), 40_000, servicePort);
    }

    /** A SYN as a Linux client sends it. */
    LabPacket syn() {
        return new LabPacket(this).flags("S").seq(0).mss(1460).sackPermitted().windowScale(7);
    }

    /** A segment whose seq and ack are those right after the handshake; window 502. */
    LabPacket packet(String flags) {
        return new LabPacket(this).flags(flags);
    }

    /** One data segment from the client's own port: seq = ISN + {@code seq}. */
    LabPacket data(int seq, String payload) {
        return packet("PA").seq(seq).payload(payload);
    }

    /** Shakes hands with the web switch; forgets what happened. */
    LabClient connect() {
        syn().send();
        packet("A").send();
        lab.happened();
        return this;
    }

    /** Shakes hands and sends a whole request that is migrated; forgets what happened. */
    LabClient connectAndAsk(String request) {
        connect();
        data(1, request).send();
        lab.happened();
        return this;
    }

    @Override
    public String toString() {
        return "c" + number;
    }
}
