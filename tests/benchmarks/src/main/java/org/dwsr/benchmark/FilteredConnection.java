package org.dwsr.benchmark;

import java.nio.ByteBuffer;
import org.dwsr.filter.FilterCore;
import org.dwsr.filter.FilterOutput;
import org.dwsr.filter.PacketCore;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.TcpFlags;

/**
 * A filter core and a connection through it, kept by its numbers. Sequence numbers are the client's, as on the network
 * side; the server's own are {@link #OFFSET} further.
 */
final class FilteredConnection implements FilterOutput {
    static final long NOW_NS = 1L << 40;
    static final int OFFSET = 77_000_000;
    static final long FRESH = MigrationTag.with(MigrationTag.of(6, 7, 7, true), Network.IMAGES, MigrationTag.FRESH);

    final FilterCore core = new FilterCore("s1", this);
    int clientNext = 1_001;
    int serverNext = 50_001;
    private long made;

    FilteredConnection() {
        core.configure(Network.config(), NOW_NS);
    }

    @Override
    public void toHost(ByteBuffer frame, int offset, int length) {
        made++;
    }

    @Override
    public void toNetwork(ByteBuffer frame, int offset, int length) {
        made++;
    }

    /** How many segments the filter made itself. */
    long made() {
        return made;
    }

    /** The replayed handshake with that first request (paper figure 2, steps 6 to 9). */
    void open(String request) {
        Segment first = Segment.fromClient(TcpFlags.ACK | TcpFlags.PSH, request);
        first.ethernet(Network.SERVER_MAC, FRESH);
        Segment synAck = Segment.fromServer(TcpFlags.SYN | TcpFlags.ACK, "");
        fromNetwork(first, clientNext, serverNext);
        expect(fromServer(synAck, serverNext - 1, clientNext), PacketCore.DROP);
        clientNext += first.payloadLength();
        // The SYN twice, against BBR's first sample; the ACK; the request.
        if (made != 4) {
            throw new IllegalStateException("the replayed handshake made " + made + " segments");
        }
    }

    int fromNetwork(Segment segment, int seq, int ack) {
        segment.renew(seq, ack);
        return core.onNetworkFrame(segment.frame, 0, segment.length, false, NOW_NS);
    }

    int fromServer(Segment segment, int seq, int ack) {
        segment.renew(seq + OFFSET, ack);
        return core.onHostFrame(segment.frame, 0, segment.length, false, NOW_NS);
    }

    /** A client's segment that must pass, and counts. */
    void request(Segment segment) {
        expect(fromNetwork(segment, clientNext, serverNext), PacketCore.FORWARD);
        clientNext += segment.payloadLength();
    }

    /** A server's segment that must pass, and counts. */
    void response(Segment segment) {
        expect(fromServer(segment, serverNext, clientNext), PacketCore.FORWARD);
        serverNext += segment.payloadLength();
    }

    static void expect(int verdict, int expected) {
        if (verdict != expected) {
            throw new IllegalStateException("verdict " + verdict + " instead of " + expected);
        }
    }
}
