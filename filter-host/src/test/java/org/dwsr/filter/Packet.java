package org.dwsr.filter;

import java.nio.charset.StandardCharsets;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.TcpFlags;

/**
 * A described TCP packet between the client of a {@link FilterFixture} and the VIP.
 *
 * @param way how it left the filter, or where it is to enter
 * @param options as text, {@code "mss=1460 sackok wscale=7 sack=1-2,3-4"}; padding is not told
 */
record Packet(
        Way way,
        long ethSource,
        long ethDestination,
        int seq,
        int ack,
        int flags,
        int window,
        String options,
        String payload) {
    /** How a packet enters or leaves the filter. */
    enum Way {
        FROM_CLIENT,
        FROM_KERNEL,
        /** Made by the filter, into the server's TCP. */
        TO_KERNEL,
        /** Made by the filter, toward the switch. */
        TO_NETWORK,
        /** The verdict on a packet that came: out of the other interface. */
        FORWARD,
        /** The verdict on a packet that came: back where it came from. */
        RETURN
    }

    static final long CLIENT = 0x0200_0000_00c1L;
    static final long SERVER = 0x0200_0000_0001L;
    static final long VMAC = 0x0200_5e00_0164L;
    static final int CLIENT_WINDOW = 500;
    static final int KERNEL_WINDOW = 400;
    static final int SYN_WINDOW = 65_535;
    /** Content type 018: the images pool, where the filter's own server s1 is. */
    static final int IMAGES = 44;
    /** Content type 020: the app pool, where it is not. */
    static final int APP = 72;

    /** A client with an MSS of 1460, window scale 7 and SACK, to whom scale 7 was promised. */
    static final long TAG = MigrationTag.with(MigrationTag.of(6, 7, 7, true), IMAGES, MigrationTag.FRESH);

    static final String SYN_OPTIONS = "mss=1460 sackok wscale=7";

    static long tag(int kind) {
        return MigrationTag.with(TAG, IMAGES, kind);
    }

    /** A segment as it comes from OVS, which has set the destination. */
    static Packet client(int seq, int ack, String payload) {
        return new Packet(Way.FROM_CLIENT, CLIENT, SERVER, seq, ack, flagsFor(payload), CLIENT_WINDOW, "", payload);
    }

    static Packet syn(int seq) {
        return client(seq, 0, "").flags(TcpFlags.SYN);
    }

    /** A packet from the web switch. */
    static Packet tagged(int kind, int seq, int ack, String payload) {
        return client(seq, ack, payload).from(tag(kind));
    }

    static Packet silence(int seq, int ack) {
        return tagged(MigrationTag.SILENCE, seq, ack, "").flags(TcpFlags.RST | TcpFlags.ACK);
    }

    /** A segment of the server's own TCP. */
    static Packet kernel(int seq, int ack, String payload) {
        return new Packet(Way.FROM_KERNEL, SERVER, CLIENT, seq, ack, flagsFor(payload), KERNEL_WINDOW, "", payload);
    }

    static Packet synAck(int seq, int ack) {
        return kernel(seq, ack, "").flags(TcpFlags.SYN | TcpFlags.ACK).options("mss=1460 sackok wscale=7");
    }

    /** What the filter itself sends into the server's TCP. */
    static Packet toKernel(int seq, int ack, int flags, String payload) {
        return new Packet(Way.TO_KERNEL, VMAC, SERVER, seq, ack, flags, CLIENT_WINDOW, "", payload);
    }

    static Packet synToKernel(int seq) {
        return new Packet(Way.TO_KERNEL, VMAC, SERVER, seq, 0, TcpFlags.SYN, SYN_WINDOW, SYN_OPTIONS, "");
    }

    /** What the filter itself sends to the client. */
    static Packet toClient(int seq, int ack, int flags, String payload) {
        return new Packet(Way.TO_NETWORK, SERVER, CLIENT, seq, ack, flags, KERNEL_WINDOW, "", payload);
    }

    /** What the filter itself sends to the web switch, tagged. */
    static Packet toSwitch(int kind, int seq, int ack, String payload) {
        return new Packet(Way.TO_NETWORK, tag(kind), VMAC, seq, ack, flagsFor(payload), CLIENT_WINDOW, "", payload);
    }

    private static int flagsFor(String payload) {
        return payload.isEmpty() ? TcpFlags.ACK : TcpFlags.ACK | TcpFlags.PSH;
    }

    Packet flags(int newFlags) {
        return new Packet(way, ethSource, ethDestination, seq, ack, newFlags, window, options, payload);
    }

    Packet fin() {
        return flags(flags | TcpFlags.FIN);
    }

    Packet rst() {
        return flags(TcpFlags.RST);
    }

    Packet window(int newWindow) {
        return new Packet(way, ethSource, ethDestination, seq, ack, flags, newWindow, options, payload);
    }

    Packet options(String newOptions) {
        return new Packet(way, ethSource, ethDestination, seq, ack, flags, window, newOptions, payload);
    }

    Packet payload(String newPayload) {
        return new Packet(way, ethSource, ethDestination, seq, ack, flags, window, options, newPayload);
    }

    Packet from(long mac) {
        return new Packet(way, mac, ethDestination, seq, ack, flags, window, options, payload);
    }

    /** The same packet on its way on, in other numbers. */
    Packet forwarded(int newSeq, int newAck) {
        return new Packet(Way.FORWARD, ethSource, ethDestination, newSeq, newAck, flags, window, options, payload);
    }

    /** The same packet on its way back to the web switch with the client's MAC. */
    Packet bounced() {
        return new Packet(Way.RETURN, ethSource, VMAC, seq, ack, flags, window, options, payload);
    }

    /** The same packet on its way back to the web switch: please move it. */
    Packet bouncedTagged() {
        return bouncedTagged(MigrationTag.MOVED);
    }

    Packet bouncedTagged(int kind) {
        return bounced().from(tag(kind));
    }

    /** The same packet, to the web switch after it had waited. */
    Packet bouncedLate() {
        return new Packet(Way.TO_NETWORK, ethSource, VMAC, seq, ack, flags, window, options, payload);
    }

    byte[] bytes() {
        return payload.getBytes(StandardCharsets.ISO_8859_1);
    }

    int end() {
        return seq + payload.length();
    }

    @Override
    public String toString() {
        return String.format(
                "%n%s %012x>%012x seq=%d ack=%d flags=%02x window=%d [%s] \"%s\"",
                way,
                ethSource,
                ethDestination,
                seq & 0xffff_ffffL,
                ack & 0xffff_ffffL,
                flags,
                window,
                options,
                payload.length() > 200 ? payload.substring(0, 200) + "..." + payload.length() : payload);
    }
}
