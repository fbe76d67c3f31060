package org.dwsr.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.filter.FilterFixture.ELSEWHERE;
import static org.dwsr.filter.FilterFixture.next;

import java.nio.ByteBuffer;
import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Test;
import org.openjdk.jol.info.GraphLayout;

/**
 * What happens when a table is full, and what a connection costs in memory: its objects and its part of the table,
 * measured on the object graph.
 */
class FilterLimitsTest {
    static {
        // The graph has lambdas, whose fields JOL cannot find otherwise; they are the same before and after.
        System.setProperty("jol.magicFieldOffset", "true");
    }

    private static final double LIMIT_BYTES = 256;
    /** One more than two thirds of 2^14: the table has just doubled, and each connection's part is at its largest. */
    private static final int CONNECTIONS = 10_923;

    private static final int ISN = 1_000;
    private static final int WSEQ = 50_000;
    private static final int RSEQ = 900_000;
    private static final long NOW_NS = 1L << 40;
    private static final String REQUEST = "GET /img/a HTTP/1.1\r\nHost: h\r\nCookie: DR0189C1D=v\r\n\r\n";
    private static final String RESPONSE =
            "HTTP/1.1 200 OK\r\nSet-Cookie: PHPSESSID=v\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

    private static final FilterOutput NOBODY = new FilterOutput() {
        @Override
        public void toHost(ByteBuffer frame, int offset, int length) {}

        @Override
        public void toNetwork(ByteBuffer frame, int offset, int length) {}
    };

    private FilterCore core = new FilterCore("s1", NOBODY);
    private int port;

    private int in(Packet packet) {
        boolean fromClient = packet.way() == Packet.Way.FROM_CLIENT;
        ByteBuffer frame = ByteBuffer.wrap(PacketCodec.encode(packet, fromClient, false));
        frame.putShort(fromClient ? 34 : 36, (short) port);
        int length = frame.capacity();
        return fromClient
                ? core.onNetworkFrame(frame, 0, length, false, NOW_NS)
                : core.onHostFrame(frame, 0, length, false, NOW_NS);
    }

    /** A core that takes so many connections and lets so many requests, and two response heads, wait. */
    private void limit(int maxConnections, int maxHeld) {
        core = new FilterCore("s1", NOBODY, maxConnections, maxHeld, 2);
        core.configure(FilterFixture.CONFIG, NOW_NS);
    }

    private Packet laterRequest(String bytes) {
        return Packet.client(ISN + next(REQUEST), WSEQ + next(RESPONSE), bytes);
    }

    private void answer() {
        in(Packet.tagged(MigrationTag.FRESH, ISN + 1, WSEQ + 1, REQUEST));
        in(Packet.synAck(RSEQ, ISN + 1));
        in(Packet.kernel(RSEQ + 1, ISN + next(REQUEST), RESPONSE));
        in(Packet.client(ISN + next(REQUEST), WSEQ + next(RESPONSE), ""));
    }

    private void switchBack() {
        in(Packet.client(ISN + next(REQUEST), WSEQ + next(RESPONSE), ELSEWHERE));
        in(Packet.silence(ISN + next(REQUEST), WSEQ + next(RESPONSE)));
        int seq = ISN + next(REQUEST, ELSEWHERE);
        in(Packet.tagged(MigrationTag.MOVED, seq, WSEQ + next(RESPONSE) + 5_000, REQUEST));
        in(Packet.kernel(RSEQ + next(RESPONSE), ISN + next(REQUEST, REQUEST), RESPONSE));
        in(Packet.client(seq + REQUEST.length(), WSEQ + next(RESPONSE, RESPONSE) + 5_000, ""));
    }

    private double bytesPerConnection(Runnable life) {
        core.configure(FilterFixture.CONFIG, NOW_NS);
        port = 1;
        life.run();
        core.onTick(NOW_NS);
        long one = GraphLayout.parseInstance(core).totalSize();
        for (port = 2; port <= CONNECTIONS; port++) {
            life.run();
            core.onTick(NOW_NS);
        }
        assertThat(counter("connections")).isEqualTo(CONNECTIONS);
        return (double) (GraphLayout.parseInstance(core).totalSize() - one) / (CONNECTIONS - 1);
    }

    private long counter(String wanted) {
        long[] found = new long[1];
        core.counters((name, value) -> found[0] += name.equals(wanted) ? value : 0);
        return found[0];
    }

    @Test
    void shouldRefuseNewConnectionsAndKeepTheOldWhenTheTableIsFull() {
        limit(2, 10);
        for (port = 1; port <= 3; port++) {
            answer();
        }
        assertThat(counter("dropped_table_full")).isOne();
        assertThat(counter("connections")).isEqualTo(2);
        port = 1;
        assertThat(in(laterRequest(REQUEST))).isEqualTo(PacketCore.FORWARD);
        in(Packet.client(ISN + next(REQUEST, REQUEST), 0, "").rst());
        core.onTick(NOW_NS + 3_000_000_000L);
        port = 3;
        answer();
        assertThat(counter("dropped_table_full")).isOne();
        assertThat(counter("connections")).isEqualTo(2);
    }

    @Test
    void shouldRebuildNothingWhileTooManyRequestsWait() {
        limit(10, 1);
        port = 1;
        answer();
        in(laterRequest("GET /img/a HT"));
        port = 2;
        answer();
        assertThat(counter("dropped_buffers_full")).isOne();
        assertThat(counter("connections")).isOne();
        port = 1;
        in(Packet.client(ISN + next(REQUEST) + 13, WSEQ + next(RESPONSE), "TP/1.1\r\nHost: h\r\n\r\n"));
        port = 2;
        answer();
        assertThat(counter("dropped_buffers_full")).isOne();
        assertThat(counter("connections")).isEqualTo(2);
    }

    @Test
    void shouldLeaveToARetransmissionWhatFindsNoBufferToWaitIn() {
        limit(10, 1);
        for (port = 1; port <= 2; port++) {
            answer();
        }
        port = 1;
        in(laterRequest("GET /img/a HT"));
        port = 2;
        assertThat(in(laterRequest("GET /img/a HT"))).isEqualTo(PacketCore.DROP);
        assertThat(counter("dropped_buffers_full")).isOne();
        Packet behindAGap = Packet.client(ISN + next(REQUEST) + 13, WSEQ + next(RESPONSE), "TP/1.1\r\n");
        assertThat(in(behindAGap)).isEqualTo(PacketCore.DROP);
        assertThat(counter("dropped_buffers_full")).isEqualTo(2);
        assertThat(in(laterRequest(REQUEST))).isEqualTo(PacketCore.FORWARD);
    }

    private void ask() {
        in(Packet.tagged(MigrationTag.FRESH, ISN + 1, WSEQ + 1, REQUEST));
        in(Packet.synAck(RSEQ, ISN + 1));
    }

    private int answerWith(int offset, String bytes) {
        return in(Packet.kernel(RSEQ + 1 + offset, ISN + next(REQUEST), bytes));
    }

    @Test
    void shouldPassOnUnreadWhatComesInPiecesWhileTooManyResponseHeadsWait() {
        limit(10, 10);
        for (port = 1; port <= 2; port++) {
            ask();
            assertThat(answerWith(0, "HTTP/1.1 200 O")).isEqualTo(PacketCore.DROP);
        }
        port = 3;
        ask();
        assertThat(answerWith(0, "HTTP/1.1 200 O")).isEqualTo(PacketCore.FORWARD);
        assertThat(counter("connections_pinned")).isOne();
        assertThat(answerWith(14, "K\r\nContent-Length: 0\r\n\r\n")).isEqualTo(PacketCore.FORWARD);
        // Whole heads need no place, and what one leaves another can have.
        port = 4;
        answer();
        assertThat(counter("connections_pinned")).isOne();
        port = 1;
        answerWith(14, "K\r\nContent-Length: 0\r\n\r\n");
        port = 2;
        in(Packet.client(ISN + next(REQUEST), WSEQ + 1, "").rst());
        for (port = 5; port <= 6; port++) {
            ask();
            assertThat(answerWith(0, "HTTP/1.1 200 O")).isEqualTo(PacketCore.DROP);
        }
        assertThat(counter("connections_pinned")).isOne();
        assertThat(counter("response_heads_held")).isEqualTo(4);
    }

    @Test
    void shouldKeepAnAnsweredConnectionWithin256Bytes() {
        double bytes = bytesPerConnection(this::answer);
        assertThat(bytes).isGreaterThan(100).isLessThanOrEqualTo(LIMIT_BYTES);
        assertThat(counter("cookies_renamed")).isEqualTo(CONNECTIONS);
        assertThat(counter("cookies_restored")).isEqualTo(CONNECTIONS);
    }

    @Test
    void shouldKeepAConnectionThatCameBackWithin256Bytes() {
        double bytes = bytesPerConnection(() -> {
            answer();
            switchBack();
        });
        assertThat(bytes).isGreaterThan(100).isLessThanOrEqualTo(LIMIT_BYTES);
        assertThat(counter("switch_backs")).isEqualTo(CONNECTIONS);
        assertThat(counter("cookies_renamed")).isEqualTo(2L * CONNECTIONS);
    }

    @Test
    void shouldHaveNothingLeftOfConnectionsThatEnded() {
        core.configure(FilterFixture.CONFIG, NOW_NS);
        port = 1;
        answer();
        long idle = GraphLayout.parseInstance(core).totalSize();
        in(Packet.client(ISN + next(REQUEST), WSEQ + next(RESPONSE), REQUEST));
        in(Packet.client(ISN + next(REQUEST, REQUEST), 0, "").rst());
        core.onTick(NOW_NS + 3_000_000_000L);
        assertThat(counter("connections")).isZero();
        assertThat(GraphLayout.parseInstance(core).totalSize()).isLessThan(idle);
    }
}
