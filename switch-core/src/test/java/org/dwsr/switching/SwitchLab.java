package org.dwsr.switching;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dwsr.config.ConfigTrees;
import org.dwsr.config.DwsrConfig;
import org.dwsr.config.MacAddress;
import org.dwsr.config.ServerConfig;
import org.dwsr.config.ThreeCharId;
import org.dwsr.http.ErrorResponse;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.FrameFlyweight;
import org.dwsr.packet.IpAddress;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.TcpFlags;
import org.dwsr.packet.TcpOptions;
import org.dwsr.packet.TcpSeq;

/**
 * A web switch without a network: described packets go in, described decisions come out.
 *
 * <p>{@link #happened()} tells in order everything the web switch did since it was last asked, then every counter that
 * moved (but {@code packet_ins}), so that an assertion on it is exact. Sequence numbers are told as {@code c+n} and
 * {@code w+n}, relative to the ISNs of client and web switch:
 *
 * <pre>
 *  flow c1&gt;s3                                     the connection's flow installed
 *  unflow c1                                      the connection's flow removed
 *  c1 SA seq=w+0 ack=c+1 win=16384 mss=1460 'x'   a segment to client 1, from VIP and VMAC
 *  s3 fresh/020 PA seq=c+1 ack=w+1 win=502 'x'    a segment to the filter of s3, its source MAC a tag
 *  s3 c1 A seq=c+9 ack=w+1 win=502                the same, its source MAC the client's
 *  +requests_migrated                             a counter
 * </pre>
 *
 * <p>{@link #returns()} tells the decisions about clients' return flows, which otherwise stay untold, as do their
 * counters; {@link #tellReturns()} puts them among the others:
 *
 * <pre>
 *  return c1&gt;1                                    responses to client 1 leave by port 1
 *  unreturn c1@2                                  the same in switch 2 taken away
 *  return6 c1&gt;1                                   the same for its responses over IPv6
 * </pre>
 *
 * <p>Checksums and lengths of everything that comes out are verified.
 */
final class SwitchLab implements SwitchOutput {
    static final long DATAPATH = 1;
    static final int VIP = 0x0a00_0064;
    static final long VMAC = 0x0200_5e00_0164L;
    static final long MS = 1_000_000L;
    static final byte[] KEY = "sixteen byte key".getBytes(StandardCharsets.US_ASCII);

    final WebSwitch webSwitch;
    final SynCookie cookies = new SynCookie(KEY);
    long nowNs = 1_700_000_000_000_000_000L / 60_000_000_000L * 60_000_000_000L;

    /** The last migration tag that went to a filter. */
    long lastTag;

    private final Map<Integer, LabClient> clients = new LinkedHashMap<>();
    private final Map<String, Long> keys = new HashMap<>();
    private final List<String> outputs = new ArrayList<>();
    private final List<String> returns = new ArrayList<>();
    private boolean tellsReturns;
    private final Map<String, Long> counted = new LinkedHashMap<>();
    private final FrameFlyweight frame = new FrameFlyweight();
    private final TcpOptions options = new TcpOptions();
    private DwsrConfig config;
    private long reportedNs = nowNs;

    /** The example configuration: images (018) on s1 and s2, app (020) on s3 and s4; all filters have reported. */
    SwitchLab() {
        this(ConfigTrees.example());
    }

    SwitchLab(Map<String, Object> tree) {
        this(tree, false);
    }

    private SwitchLab(Map<String, Object> tree, boolean silent) {
        this(tree, silent, 1 << 20, GatheringHeads.LIMIT);
    }

    private SwitchLab(Map<String, Object> tree, boolean silent, int maxConnections, int maxHeads) {
        config = ConfigTrees.read(tree);
        webSwitch = new WebSwitch(cookies, this, maxConnections, maxHeads);
        webSwitch.configure(config, nowNs);
        if (!silent) {
            reportAll();
        }
        happened();
    }

    /** A web switch that has just started: no filter has reported. */
    static SwitchLab unsynced() {
        return new SwitchLab(ConfigTrees.example(), true);
    }

    /** A web switch with small tables. */
    static SwitchLab limited(int maxConnections, int maxHeads) {
        return new SwitchLab(ConfigTrees.example(), false, maxConnections, maxHeads);
    }

    DwsrConfig config() {
        return config;
    }

    void configure(Map<String, Object> tree) {
        config = ConfigTrees.read(tree);
        webSwitch.configure(config, nowNs);
    }

    /** Every filter reports (for the first time in full, without connections). */
    void reportAll() {
        for (ServerConfig server : config.servers()) {
            new LabReport(this, server.name()).full().send();
        }
    }

    LabReport report(String server) {
        return new LabReport(this, server);
    }

    LabClient client(int number) {
        return clients.computeIfAbsent(number, n -> new LabClient(this, n));
    }

    /** A client with this address. */
    LabClient client(int number, IpAddress address) {
        return clients.computeIfAbsent(number, n -> new LabClient(this, n, address));
    }

    ServerConfig server(String name) {
        return config.servers().get(config.serverIndex(name));
    }

    /** Lets time pass in ticks of 5 ms, with filters that go on reporting every second. */
    void pass(long milliseconds) {
        for (long at = 5; at <= milliseconds; at += 5) {
            tick();
            if (nowNs - reportedNs >= 1_000 * MS) {
                reportedNs = nowNs;
                for (ServerConfig server : config.servers()) {
                    report(server.name()).send();
                }
            }
        }
    }

    /** Lets time pass in ticks of 5 ms; no filter reports. */
    void passWithoutReports(long milliseconds) {
        for (long at = 5; at <= milliseconds; at += 5) {
            tick();
        }
    }

    private void tick() {
        nowNs += 5 * MS;
        webSwitch.onTick(nowNs);
    }

    /** Lets hours pass in ticks of one second, with filters that go on reporting or without. */
    void passSeconds(long seconds, boolean reports) {
        for (long i = 0; i < seconds; i++) {
            nowNs += 1_000 * MS;
            webSwitch.onTick(nowNs);
            for (ServerConfig server : config.servers()) {
                if (reports) {
                    report(server.name()).send();
                }
            }
        }
    }

    void receive(long datapath, int port, ByteBuffer buf, int length) {
        webSwitch.onPacketIn(datapath, port, buf, 0, length, nowNs);
    }

    // ---- what came out -----------------------------------------------------------------------------------------

    /** Everything since the last call: decisions in order, then the counters that moved, in alphabetical order. */
    List<String> happened() {
        List<String> all = new ArrayList<>(outputs);
        outputs.clear();
        all.addAll(counters());
        return all;
    }

    /** Only the decisions since the last call; counters count as asked for, too. */
    List<String> decisions() {
        List<String> all = new ArrayList<>(outputs);
        outputs.clear();
        counters();
        return all;
    }

    /** Only the decisions about return flows since the last call. */
    List<String> returns() {
        List<String> all = new ArrayList<>(returns);
        returns.clear();
        return all;
    }

    /** From now on return flows and their counters are told in their order with everything else. */
    SwitchLab tellReturns() {
        tellsReturns = true;
        return this;
    }

    /** Only the counters that moved since the last call; the decisions count as asked for, too. */
    List<String> counters() {
        outputs.clear();
        List<String> moved = new ArrayList<>();
        Map<String, Long> now = values();
        for (Map.Entry<String, Long> counter : now.entrySet()) {
            long before = counted.getOrDefault(counter.getKey(), 0L);
            long by = counter.getValue() - before;
            boolean quiet = GAUGES.contains(counter.getKey())
                    || counter.getKey().equals("packet_ins")
                    || counter.getKey().equals("filter_reports")
                    || counter.getKey().startsWith("return_flows_") && !tellsReturns;
            if (by != 0 && !quiet) {
                moved.add("+" + counter.getKey() + (by == 1 ? "" : "=" + by));
            }
        }
        counted.putAll(now);
        moved.sort(null);
        return moved;
    }

    private static final List<String> GAUGES = List.of(
            "connections", "waiting_segments", "gathering_heads", "return_flows", "open_guesses", "ended_connections");

    /** The value of a counter since the start, or of a size now. */
    long value(String name) {
        return values().getOrDefault(name, 0L);
    }

    long value(SwitchCounter counter) {
        return value(counter.reportedName());
    }

    private Map<String, Long> values() {
        Map<String, Long> values = new LinkedHashMap<>();
        webSwitch.counters(values::put);
        return values;
    }

    /** The connection of the last segment toward a filter that was told with these words. */
    long lastKey(String decision) {
        return keys.getOrDefault(decision, 0L);
    }

    // ---- SwitchOutput ------------------------------------------------------------------------------------------

    @Override
    public void packetOut(long datapath, int port, ByteBuffer buf, int offset, int length) {
        FrameFlyweight.Kind kind = frame.wrap(buf, offset, length, false);
        if (kind != FrameFlyweight.Kind.TCP) {
            outputs.add(datapath + ":" + port + " " + kind + " " + hex(buf, offset, length));
            return;
        }
        assertThat(frame.ipChecksumValid()).as("IPv4 checksum").isTrue();
        assertThat(frame.tcpChecksumValid()).as("TCP checksum").isTrue();
        assertThat(length).as("frame length").isEqualTo(frame.frameLength());
        outputs.add(isVip(frame.sourceHigh(), frame.sourceLow()) ? toClient(datapath, port) : toServer(datapath, port));
    }

    private boolean isVip(long high, long low) {
        return config.vip(IpAddress.isIpv6(high, low)).is(high, low);
    }

    private String toClient(long datapath, int port) {
        assertThat(frame.ethSource()).as("source MAC").isEqualTo(VMAC);
        LabClient client = clientOf(
                IpAddress.of(frame.destinationHigh(), frame.destinationLow()),
                frame.destinationPort(),
                frame.sourcePort());
        assertThat(frame.ethDestination()).as("client's MAC").isEqualTo(client.mac);
        String at = datapath == DATAPATH && port == client.port ? "" : "@" + datapath + ":" + port;
        return client + at + segment(client, true);
    }

    private String toServer(long datapath, int port) {
        assertThat(isVip(frame.destinationHigh(), frame.destinationLow()))
                .as("to the VIP")
                .isTrue();
        LabClient client = clientOf(
                IpAddress.of(frame.sourceHigh(), frame.sourceLow()), frame.sourcePort(), frame.destinationPort());
        String server = "?" + datapath + ":" + port;
        for (ServerConfig one : config.servers()) {
            boolean there = one.attachment().datapath() == datapath
                    && one.attachment().port() == port
                    && one.mac() == frame.ethDestination();
            server = there ? one.name() : server;
        }
        String decision = server + " " + source(client, frame.ethSource()) + segment(client, false);
        keys.put(decision, client.key());
        return decision;
    }

    private String source(LabClient client, long mac) {
        if (MigrationTag.isTag(mac)) {
            lastTag = mac;
            return kind(MigrationTag.kind(mac)) + "/" + ThreeCharId.decode(MigrationTag.contentType(mac));
        }
        return mac == client.mac ? client.toString() : mac == VMAC ? "vmac" : Long.toHexString(mac);
    }

    static String kind(int kind) {
        return List.of("fresh", "moved", "held", "silence", "refused", "confirm", "broken", "guess")
                .get(kind);
    }

    private String segment(LabClient client, boolean toClient) {
        StringBuilder text = new StringBuilder(" ").append(flags(frame.flags()));
        String own = toClient ? "w+" : "c+";
        String other = toClient ? "c+" : "w+";
        int ownIsn = toClient ? client.wseq : client.isn;
        int otherIsn = toClient ? client.isn : client.wseq;
        if (frame.hasFlag(TcpFlags.SYN)) {
            client.wseq = frame.seq();
            ownIsn = frame.seq();
        }
        text.append(" seq=").append(own).append(TcpSeq.distance(ownIsn, frame.seq()));
        if (frame.hasFlag(TcpFlags.ACK)) {
            text.append(" ack=").append(other).append(TcpSeq.distance(otherIsn, frame.ack()));
        }
        text.append(" win=").append(frame.window());
        options.parse(frame.buffer(), frame.optionsOffset(), frame.optionsLength());
        text.append(options.mss() == 0 ? "" : " mss=" + options.mss());
        text.append(options.sackPermitted() ? " sack" : "");
        text.append(options.windowScale() == TcpOptions.NO_WINDOW_SCALE ? "" : " ws=" + options.windowScale());
        int at = options.timestampsOffset();
        text.append(
                at == 0
                        ? ""
                        : " ts=" + frame.buffer().getInt(at) + "/"
                                + frame.buffer().getInt(at + 4));
        if (frame.payloadLength() > 0) {
            byte[] payload = new byte[frame.payloadLength()];
            for (int i = 0; i < payload.length; i++) {
                payload[i] = frame.buffer().get(frame.payloadOffset() + i);
            }
            text.append(' ').append(quote(new String(payload, StandardCharsets.ISO_8859_1)));
        }
        return text.toString();
    }

    private LabClient clientOf(IpAddress address, int clientPort, int servicePort) {
        long key = ConnectionKey.of(address.alias(), clientPort, servicePort);
        for (LabClient client : clients.values()) {
            if (client.key() == key && client.ip.equals(address)) {
                return client;
            }
        }
        throw new AssertionError("a packet for nobody: " + ConnectionKey.format(key));
    }

    @Override
    public void installConnection(long datapath, long connectionKey, IpAddress client, int serverIndex) {
        outputs.add("flow " + named(datapath, connectionKey, client) + ">"
                + config.servers().get(serverIndex).name());
    }

    @Override
    public void removeConnection(long datapath, long connectionKey, IpAddress client) {
        outputs.add("unflow " + named(datapath, connectionKey, client));
    }

    @Override
    public void installReturn(long datapath, long clientMac, boolean ipv6, int port) {
        told((ipv6 ? "return6 " : "return ") + at(datapath, clientMac) + ">" + port);
    }

    @Override
    public void removeReturn(long datapath, long clientMac, boolean ipv6) {
        told((ipv6 ? "unreturn6 " : "unreturn ") + at(datapath, clientMac));
    }

    private void told(String decision) {
        returns.add(decision);
        if (tellsReturns) {
            outputs.add(decision);
        }
    }

    private String at(long datapath, long clientMac) {
        String name = MacAddress.format(clientMac);
        for (LabClient client : clients.values()) {
            name = client.mac == clientMac ? client.toString() : name;
        }
        return name + (datapath == DATAPATH ? "" : "@" + datapath);
    }

    private String named(long datapath, long connectionKey, IpAddress address) {
        LabClient client =
                clientOf(address, ConnectionKey.clientPort(connectionKey), ConnectionKey.servicePort(connectionKey));
        return client + (datapath == DATAPATH ? "" : "@" + datapath);
    }

    // ---- text --------------------------------------------------------------------------------------------------

    static String flags(int flags) {
        StringBuilder text = new StringBuilder();
        String names = "FSRPAUEC";
        for (int i : new int[] {1, 2, 3, 0, 4, 5, 6, 7}) {
            text.append((flags & 1 << i) == 0 ? "" : names.charAt(i));
        }
        return text.length() == 0 ? "-" : text.toString();
    }

    static int flags(String names) {
        int flags = 0;
        for (int i = 0; i < names.length(); i++) {
            flags |= 1 << "FSRPAUEC".indexOf(names.charAt(i));
        }
        return flags;
    }

    /** A payload as {@link #happened()} tells it; long ones by their ends, their length and a hash. */
    static String quote(String payload) {
        String text = payload.replace("\r", "\\r").replace("\n", "\\n");
        if (text.length() > 400) {
            text = text.substring(0, 20) + "..(" + payload.length() + " bytes, " + payload.hashCode() + ")";
        }
        return "'" + text + "'";
    }

    /** The web switch's own answer as {@link #happened()} tells it. */
    static String answer(LabClient client, ErrorResponse response, int ack) {
        return answer(client, response, 1, ack);
    }

    static String answer(LabClient client, ErrorResponse response, int seq, int ack) {
        ByteBuffer bytes = ByteBuffer.allocate(2048);
        int length = response.writeTo(bytes, 0);
        String text = new String(bytes.array(), 0, length, StandardCharsets.ISO_8859_1);
        return client + " PFA seq=w+" + seq + " ack=c+" + ack + " win=0 " + quote(text);
    }

    private static String hex(ByteBuffer buf, int offset, int length) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < length; i++) {
            text.append(String.format("%02x", buf.get(offset + i)));
        }
        return text.toString();
    }
}
