package org.dwsr.benchmark;

import java.util.concurrent.TimeUnit;
import org.dwsr.filter.PacketCore;
import org.dwsr.packet.TcpFlags;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** The filter's own work for a rebuild (paper figure 2, steps 6 to 9), without the server's TCP and system calls. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class RebuildBenchmark {
    private static final int ISN_STEP = 5_000_000;
    private static final PacketCore.ReportSink NOBODY = new PacketCore.ReportSink() {
        @Override
        public void live(long connectionKey, long clientHigh, long clientLow, long tagMac, long clientMac) {}

        @Override
        public void ended(long connectionKey, long clientHigh, long clientLow, int seq) {}
    };

    private final Segment request = Segment.fromClient(TcpFlags.ACK | TcpFlags.PSH, Network.get("theme=dark"));
    private final Segment synAck = Segment.fromServer(TcpFlags.SYN | TcpFlags.ACK, "");
    private final Segment reset = Segment.fromClient(TcpFlags.RST, "");
    private final FilteredConnection filter = new FilteredConnection();
    private int seq = 1_001;
    private int rounds;

    /** Tagged request in, SYN out; SYN-ACK in, ACK and request out; then a client's RST, which ends it. */
    @Benchmark
    public void rebuild() {
        seq += ISN_STEP;
        request.ethernet(Network.SERVER_MAC, FilteredConnection.FRESH);
        filter.fromNetwork(request, seq, seq + 1);
        filter.fromServer(synAck, seq, seq);
        FilteredConnection.expect(filter.fromNetwork(reset, seq + request.payloadLength(), 0), PacketCore.FORWARD);
        if ((++rounds & 63) == 0) {
            filter.core.onTick(FilteredConnection.NOW_NS);
            filter.core.report(NOBODY, false);
        }
    }

    /** Segments the filter made per rebuild: SYN (twice), ACK, request. */
    double segmentsPerRebuild() {
        return (double) filter.made() / rounds;
    }
}
