package org.dwsr.benchmark;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.IpAddress;
import org.dwsr.packet.SegmentBuilder;
import org.dwsr.packet.TcpFlags;
import org.dwsr.packet.TcpOptions;
import org.dwsr.switching.FilterReport;
import org.dwsr.switching.SwitchOutput;
import org.dwsr.switching.SynCookie;
import org.dwsr.switching.WebSwitch;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** The web switch's own work (paper figure 2, steps 3 to 5), without OpenFlow and system calls. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class DecisionBenchmark implements SwitchOutput {
    private static final int ROUND = 1_024;
    private static final int VARIANTS = 2;
    private static final int FIRST_PORT = 20_000;
    private static final int ISN = 1_000;
    private static final long NOW_NS = 60_000_000_000L * 1_000;
    private static final byte[] REQUEST = Network.get("theme=dark; lang=en; DR0189C1D=5k2v8s7mtg0u1q4r9p3n6w2x1z")
            .getBytes(StandardCharsets.US_ASCII);

    private final ByteBuffer[][] requests = new ByteBuffer[VARIANTS][ROUND];
    private final ByteBuffer[] syns = new ByteBuffer[ROUND];
    private final ByteBuffer packetIn = ByteBuffer.allocate(2_048);
    private final WebSwitch webSwitch;
    private final FilterReport[] ends = new FilterReport[VARIANTS];
    private int variant;
    private long flows;
    private long packets;

    /** Makes the packets of as many clients, each with the SYN cookie it would have got. */
    public DecisionBenchmark() {
        byte[] key = new byte[32];
        SynCookie cookies = new SynCookie(key);
        TcpOptions options = new TcpOptions();
        SegmentBuilder builder = new SegmentBuilder();
        IpAddress client = IpAddress.ofIpv4(Network.CLIENT_ADDRESS);
        IpAddress vip = IpAddress.ofIpv4(Network.VIP);
        IpAddress[] clients = new IpAddress[ROUND];
        Arrays.fill(clients, client);
        for (int v = 0; v < VARIANTS; v++) {
            long[] keys = new long[ROUND];
            int[] seqs = new int[ROUND];
            int isn = ISN + v * 1_000_000;
            for (int i = 0; i < ROUND; i++) {
                int port = FIRST_PORT + i;
                keys[i] = ConnectionKey.of(Network.CLIENT_ADDRESS, port, Network.SERVICE_PORT);
                seqs[i] = isn + 1;
                syns[i] = segment(builder.start().mss(1460).sackPermitted().windowScale(7), port, isn, 0, TcpFlags.SYN);
                options.parse(syns[i], Segment.HEADERS, 12);
                int wseq = cookies.issue(client.high(), client.low(), (int) keys[i], vip, isn, options, NOW_NS);
                builder.start().payload(ByteBuffer.wrap(REQUEST), 0, REQUEST.length);
                requests[v][i] = segment(builder, port, isn + 1, wseq + 1, TcpFlags.ACK | TcpFlags.PSH);
            }
            ends[v] = report("s1", false, keys, clients, seqs);
        }
        webSwitch = new WebSwitch(new SynCookie(key), this);
        webSwitch.configure(Network.config(), NOW_NS);
        webSwitch.onDatapath(Network.DATAPATH, true, NOW_NS);
        for (String server : new String[] {"s1", "s2"}) {
            webSwitch.onFilterReport(report(server, true, new long[0], new IpAddress[0], new int[0]), NOW_NS);
        }
    }

    private static FilterReport report(String server, boolean full, long[] keys, IpAddress[] clients, int[] seqs) {
        long[] none = {};
        return new FilterReport(server, "boot", full, none, new IpAddress[0], none, none, keys, clients, seqs);
    }

    private static ByteBuffer segment(SegmentBuilder builder, int port, int seq, int ack, int flags) {
        ByteBuffer frame = builder.build(
                Network.VMAC,
                Network.CLIENT_MAC,
                Network.CLIENT_ADDRESS,
                Network.VIP,
                port,
                Network.SERVICE_PORT,
                seq,
                ack,
                flags,
                500);
        ByteBuffer copy = ByteBuffer.allocate(builder.length());
        copy.put(0, frame, 0, builder.length());
        return copy;
    }

    private void in(ByteBuffer frame) {
        packetIn.put(0, frame, 0, frame.capacity());
        webSwitch.onPacketIn(Network.DATAPATH, Network.CLIENT_PORT, packetIn, 0, frame.capacity(), NOW_NS);
    }

    /** SYN in, SYN-ACK with a cookie out. */
    @Benchmark
    @OperationsPerInvocation(ROUND)
    public void synAck() {
        for (ByteBuffer syn : syns) {
            in(syn);
        }
    }

    /** First request in, flow and tagged request out; and the report of the connection's end, which frees its place. */
    @Benchmark
    @OperationsPerInvocation(ROUND)
    public void firstRequest() {
        // A first request that comes once more after its connection's end is refused, so the next round has other
        // numbers.
        variant = (variant + 1) % VARIANTS;
        for (ByteBuffer request : requests[variant]) {
            in(request);
        }
        webSwitch.onFilterReport(ends[variant], NOW_NS);
    }

    @Override
    public void packetOut(long datapath, int port, ByteBuffer frame, int offset, int length) {
        packets++;
    }

    @Override
    public void installConnection(long datapath, long connectionKey, IpAddress client, int serverIndex) {
        flows++;
    }

    @Override
    public void removeConnection(long datapath, long connectionKey, IpAddress client) {
        flows--;
    }

    @Override
    public void installReturn(long datapath, long clientMac, boolean ipv6, int port) {}

    @Override
    public void removeReturn(long datapath, long clientMac, boolean ipv6) {}

    /** Connection flows that are installed now. */
    long flows() {
        return flows;
    }

    /** Packets sent so far. */
    long packets() {
        return packets;
    }
}
