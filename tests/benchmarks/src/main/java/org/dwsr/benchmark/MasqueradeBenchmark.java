package org.dwsr.benchmark;

import java.util.concurrent.TimeUnit;
import org.dwsr.filter.PacketCore;
import org.dwsr.packet.TcpFlags;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** The packets of a long download and a long upload (paper figure 2, steps 10 to 12): numbers change, nothing else. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class MasqueradeBenchmark {
    private static final String LONG = "Content-Length: 1000000000000000\r\n\r\n";
    private static final int FAR_AHEAD = 1 << 28;
    private static final int ACKED_BYTES = 2 * 1_448;

    private final Segment response = Segment.fromServer(TcpFlags.ACK, "y".repeat(1_448));
    private final Segment upload = Segment.fromClient(TcpFlags.ACK, "x".repeat(1_448));
    private final Segment serverAck = Segment.fromServer(TcpFlags.ACK, "");
    private final Segment ack = Segment.fromClient(TcpFlags.ACK, "");
    private final Segment sack = Segment.selectiveAck(3);
    private FilteredConnection connection = new FilteredConnection();
    private int acked;
    private int acks;

    /** An upload and a download without end, both within known lengths. */
    @Setup
    public void begin() {
        connection = new FilteredConnection();
        connection.open("POST /img/a HTTP/1.1\r\nHost: h\r\n" + LONG);
        connection.response(Segment.fromServer(TcpFlags.ACK, "HTTP/1.1 200 OK\r\n" + LONG));
        acked = connection.serverNext;
        acks = 0;
    }

    /** A full response segment, server to client. */
    @Benchmark
    public void responseSegment() {
        connection.response(response);
    }

    /** A full segment of a request's body, client to server, and the server's acknowledgment of it. */
    @Benchmark
    public void uploadSegmentAndAck() {
        connection.request(upload);
        connection.response(serverAck);
    }

    /** A client's bare acknowledgment of two segments. */
    @Benchmark
    public void clientAck() {
        acknowledge(ack);
    }

    /** The same with three SACK blocks. */
    @Benchmark
    public void clientAckWithSack() {
        acknowledge(sack);
    }

    private void acknowledge(Segment segment) {
        if (acks == 0) {
            // Now and then the server is far ahead, so that every acknowledgment is of something new.
            acks = FAR_AHEAD / ACKED_BYTES;
            FilteredConnection.expect(
                    connection.fromServer(response, acked + FAR_AHEAD, connection.clientNext), PacketCore.FORWARD);
        }
        acks--;
        acked += ACKED_BYTES;
        FilteredConnection.expect(connection.fromNetwork(segment, connection.clientNext, acked), PacketCore.FORWARD);
    }
}
