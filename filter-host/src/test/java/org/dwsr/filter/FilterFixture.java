package org.dwsr.filter;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.dwsr.config.ConfigException;
import org.dwsr.config.ConfigReader;
import org.dwsr.config.DwsrConfig;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.TcpFlags;

/**
 * The filter core of server s1 over a real configuration: described packets in, described packets out.
 *
 * <p>Positions in the three number spaces are written as offsets: {@link #c} counts the client's bytes (its first is
 * 1), {@link #w} the server's bytes as the client knows them, {@link #r} the same bytes as the server's TCP counts
 * them. So one test runs with any initial sequence numbers.
 */
final class FilterFixture implements FilterOutput {
    static final long KEY =
            ConnectionKey.of(PacketCodec.CLIENT_ADDRESS, PacketCodec.CLIENT_PORT, PacketCodec.SERVICE_PORT);
    static final String GET = "GET /img/a HTTP/1.1\r\nHost: h\r\n\r\n";
    /** Belongs to the app pool, where s1 is not. */
    static final String ELSEWHERE = "GET /a.php HTTP/1.1\r\nHost: h\r\n\r\n";

    static final String OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    static final DwsrConfig CONFIG = config("proxy");
    static final DwsrConfig PREALLOCATING = config("preallocate");
    /** Where frames begin in their buffer, as behind a virtio header. */
    private static final int OFFSET = 26;

    final FilterCore core;
    final boolean ipv6;
    private final int isn;
    private final int wseq;
    private final int rseq;
    private final List<Packet> left = new ArrayList<>();
    private long nowNs = 1L << 40;

    FilterFixture() {
        this(1_000, 50_000, 900_000);
    }

    FilterFixture(int isn, int wseq, int rseq) {
        this(isn, wseq, rseq, false);
    }

    /** The same over IPv6. */
    static FilterFixture overIpv6() {
        return new FilterFixture(1_000, 50_000, 900_000, true);
    }

    FilterFixture(int isn, int wseq, int rseq, boolean ipv6) {
        this.ipv6 = ipv6;
        this.isn = isn;
        this.wseq = wseq;
        this.rseq = rseq;
        core = new FilterCore("s1", this);
        core.configure(CONFIG, nowNs);
    }

    int c(int offset) {
        return isn + offset;
    }

    int w(int offset) {
        return wseq + offset;
    }

    int r(int offset) {
        return rseq + offset;
    }

    // ---- in and out --------------------------------------------------------------------------------------------

    @Override
    public void toHost(ByteBuffer frame, int offset, int length) {
        left.add(PacketCodec.decode(Packet.Way.TO_KERNEL, copy(frame, offset, length), false));
    }

    @Override
    public void toNetwork(ByteBuffer frame, int offset, int length) {
        left.add(PacketCodec.decode(Packet.Way.TO_NETWORK, copy(frame, offset, length), false));
    }

    private static byte[] copy(ByteBuffer frame, int offset, int length) {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = frame.get(offset + i);
        }
        return bytes;
    }

    /** Lets a packet in and tells all that left the filter for it, the packet itself last. */
    List<Packet> in(Packet packet) {
        return in(packet, false);
    }

    /** The same with a checksum that is still partial (virtio's NEEDS_CSUM). */
    List<Packet> inPartial(Packet packet) {
        return in(packet, true);
    }

    private List<Packet> in(Packet packet, boolean partial) {
        left.clear();
        boolean fromClient = packet.way() == Packet.Way.FROM_CLIENT;
        byte[] bytes = PacketCodec.encode(packet, fromClient, partial, ipv6);
        ByteBuffer buf = ByteBuffer.allocate(OFFSET + bytes.length + 6);
        buf.put(OFFSET, bytes);
        int verdict = fromClient
                ? core.onNetworkFrame(buf, OFFSET, bytes.length, partial, nowNs)
                : core.onHostFrame(buf, OFFSET, bytes.length, partial, nowNs);
        if (verdict != PacketCore.DROP) {
            Packet.Way way = verdict == PacketCore.FORWARD ? Packet.Way.FORWARD : Packet.Way.RETURN;
            left.add(PacketCodec.decode(way, copy(buf, OFFSET, bytes.length), partial));
        }
        return List.copyOf(left);
    }

    /** Lets in a frame as it is, from the network; the verdict. */
    int network(byte[] bytes) {
        left.clear();
        return core.onNetworkFrame(ByteBuffer.wrap(bytes), 0, bytes.length, false, nowNs);
    }

    /** Lets time pass and tells what left the filter for it. */
    List<Packet> after(int ms) {
        left.clear();
        nowNs += ms * 1_000_000L;
        core.onTick(nowNs);
        return List.copyOf(left);
    }

    long nowNs() {
        return nowNs;
    }

    long count(FilterCounter counter) {
        long[] found = new long[1];
        core.counters((name, value) -> {
            if (name.equals(counter.reportedName())) {
                found[0] = value;
            }
        });
        return found[0];
    }

    /** The connections of a report, {@code "live <tag>"} and {@code "ended <seq>"}. */
    List<String> report() {
        return report(true);
    }

    /** What is new since the last report, in the same words. */
    List<String> reportNews() {
        return report(false);
    }

    private List<String> report(boolean full) {
        List<String> told = new ArrayList<>();
        core.report(
                new PacketCore.ReportSink() {
                    @Override
                    public void live(long connectionKey, long clientHigh, long clientLow, long tagMac, long clientMac) {
                        told.add("live " + MigrationTag.kind(tagMac) + " " + Long.toHexString(clientMac));
                    }

                    @Override
                    public void ended(long connectionKey, long clientHigh, long clientLow, int seq) {
                        told.add("ended " + (seq - isn));
                    }
                },
                full);
        return told;
    }

    /** The same packet with both numbers counted from the start of their spaces, to compare runs. */
    Packet relative(Packet packet) {
        int seqStart = packet.ethDestination() == Packet.CLIENT ? wseq : isn;
        int ackStart =
                packet.ethDestination() == Packet.CLIENT ? isn : packet.ethDestination() == Packet.SERVER ? rseq : wseq;
        boolean acknowledges = (packet.flags() & TcpFlags.ACK) != 0;
        return new Packet(
                packet.way(),
                packet.ethSource(),
                packet.ethDestination(),
                packet.seq() - seqStart,
                acknowledges ? packet.ack() - ackStart : packet.ack(),
                packet.flags(),
                packet.window(),
                packet.options(),
                packet.payload());
    }

    // ---- the way into a state ----------------------------------------------------------------------------------

    /** Unknown to REBUILDING: a fresh request at the client's first byte. */
    List<Packet> rebuilding(String request) {
        return in(Packet.tagged(MigrationTag.FRESH, c(1), w(1), request));
    }

    /** Unknown to ACTIVE. */
    List<Packet> active(String request) {
        rebuilding(request);
        return in(Packet.synAck(r(0), c(1)));
    }

    /** Unknown to ACTIVE with one request answered and acknowledged; the next bytes are c(after(GET)), w(after(OK)). */
    void answered() {
        active(GET);
        in(Packet.kernel(r(1), c(next(GET)), OK));
        in(Packet.client(c(next(GET)), w(next(OK)), ""));
    }

    /** Unknown to BOUNCED: the second request belongs elsewhere. */
    List<Packet> bounced() {
        answered();
        return in(Packet.client(c(next(GET)), w(next(OK)), ELSEWHERE));
    }

    /** Unknown to SILENT. */
    List<Packet> silent() {
        bounced();
        return in(Packet.silence(c(next(GET)), w(next(OK))));
    }

    /** Unknown to ENDED: one request, then the server closes, then the client. */
    void ended() {
        answered();
        in(Packet.kernel(r(next(OK)), c(next(GET)), "").fin());
        in(Packet.client(c(next(GET)), w(next(OK) + 1), "").fin());
        in(Packet.kernel(r(next(OK) + 1), c(next(GET) + 1), ""));
    }

    /** The position after the first messages of a direction. */
    static int next(String... messages) {
        int position = 1;
        for (String message : messages) {
            position += message.length();
        }
        return position;
    }

    // ---- configuration -----------------------------------------------------------------------------------------

    /** Server s1 (id 9C1) and s2 (9C2) serve content type 018, s3 and s4 020; everything else is 020. */
    private static DwsrConfig config(String handshake) {
        Map<String, Object> images = Map.of("id", "018", "match", List.of(Map.of("path", "/img/*")), "pool", "images");
        Map<String, Object> app = Map.of("id", "020", "match", List.of(Map.of("extension", "php")), "pool", "app");
        Map<String, Object> service = Map.of(
                "port",
                80,
                "handshake",
                handshake,
                "requests",
                "guard",
                "contentTypes",
                List.of(images, app),
                "otherwise",
                "020");
        Map<String, Object> tree = Map.of(
                "vip", "10.0.0.100",
                "vip6", "fd00::100",
                "vmac", "02:00:5e:00:01:64",
                "services", List.of(service),
                "pools",
                        List.of(
                                Map.of("name", "images", "schedule", "rr", "servers", List.of("s1", "s2")),
                                Map.of("name", "app", "schedule", "rr", "servers", List.of("s3", "s4"))),
                "servers", List.of(server(1), server(2), server(3), server(4)),
                "clients", List.of("of:0000000000000001/1"),
                "sessionCookies", List.of("PHPSESSID"));
        try {
            return ConfigReader.read(tree);
        } catch (ConfigException e) {
            throw new AssertionError(e);
        }
    }

    private static Map<String, Object> server(int number) {
        return Map.of(
                "name", "s" + number,
                "id", "9C" + number,
                "mac", "02:00:00:00:00:0" + number,
                "attachment", "of:0000000000000001/" + (number + 2),
                "weight", 1,
                "state", "up");
    }
}
