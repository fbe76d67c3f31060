package org.dwsr.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.filter.FilterFixture.next;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FilterCoreAllocationTest {
    private static final int ROUNDS = 100_000;
    private static final String POST =
            "POST /img/a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000000\r\nCookie: DR0189C1D=v\r\n\r\n";
    private static final String HEAD =
            "HTTP/1.1 200 OK\r\nSet-Cookie: PHPSESSID=v\r\nContent-Length: 100000000000\r\n\r\n";
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private FilterFixture f = new FilterFixture();
    private long forwarded;

    /** A frame that is masqueraded again and again: what the filter made of it is overwritten first. */
    private final class Repeated {
        private final ByteBuffer original;
        private final ByteBuffer frame;
        private final boolean fromClient;

        Repeated(Packet packet) {
            fromClient = packet.way() == Packet.Way.FROM_CLIENT;
            original = ByteBuffer.wrap(PacketCodec.encode(packet, fromClient, false, f.ipv6));
            frame = ByteBuffer.allocateDirect(original.capacity());
        }

        void pass() {
            frame.put(0, original, 0, original.capacity());
            int length = frame.capacity();
            forwarded += fromClient
                    ? f.core.onNetworkFrame(frame, 0, length, false, f.nowNs())
                    : f.core.onHostFrame(frame, 0, length, false, f.nowNs());
        }
    }

    private void shouldAllocateNothing(Packet... packets) {
        Repeated[] repeated = new Repeated[packets.length];
        for (int i = 0; i < packets.length; i++) {
            repeated[i] = new Repeated(packets[i]);
        }
        run(repeated);
        forwarded = 0;
        long before = THREADS.getThreadAllocatedBytes(Thread.currentThread().getId());
        run(repeated);
        long allocated = THREADS.getThreadAllocatedBytes(Thread.currentThread().getId()) - before;
        // The smallest object has 16 bytes; what is left is the measuring itself.
        assertThat(allocated).isLessThan(ROUNDS);
        assertThat(forwarded).isEqualTo((long) ROUNDS * packets.length * PacketCore.FORWARD);
    }

    private void run(Repeated[] repeated) {
        for (int i = 0; i < ROUNDS; i++) {
            for (Repeated one : repeated) {
                one.pass();
            }
            if (i % 50 == 0) {
                f.core.onTick(f.nowNs());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void shouldAllocateNothingWhenSegmentsPassInBothDirections(boolean ipv6) {
        f = new FilterFixture(1_000, 50_000, 900_000, ipv6);
        f.active(POST);
        f.in(Packet.kernel(f.r(1), f.c(next(POST)), HEAD));
        String sack = "sack=" + PacketCodec.sackBlock(f.w(9), f.w(19));
        shouldAllocateNothing(
                Packet.client(f.c(next(POST)), f.w(next(HEAD)), "x".repeat(1_448)),
                Packet.kernel(f.r(next(HEAD)), f.c(next(POST)), "y".repeat(1_448)),
                Packet.client(f.c(next(POST)), f.w(1), "").options(sack),
                Packet.kernel(f.r(next(HEAD)), f.c(next(POST)), ""));
    }

    @Test
    void shouldAllocateNothingWhenRetransmissionsArePatched() {
        f.active(POST);
        f.in(Packet.kernel(f.r(1), f.c(1), HEAD));
        shouldAllocateNothing(Packet.client(f.c(1), f.w(1), POST), Packet.kernel(f.r(1), f.c(1), HEAD));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void shouldAllocateNothingPerRequestAndResponse(boolean ipv6) {
        f = new FilterFixture(1_000, 50_000, 900_000, ipv6);
        String get = "GET /img/a HTTP/1.1\r\nHost: h\r\nCookie: DR0189C1D=v\r\n\r\n";
        String ok = "HTTP/1.1 200 OK\r\nSet-Cookie: PHPSESSID=v\r\nContent-Length: 2\r\n\r\nok";
        f.active(get);
        f.in(Packet.kernel(f.r(1), f.c(next(get)), ok));
        Packet request = Packet.client(f.c(next(get)), f.w(next(ok)), get);
        Packet response = Packet.kernel(f.r(next(ok)), f.c(next(get, get)), ok);
        Rolling requests = new Rolling(request, get.length(), ok.length());
        Rolling responses = new Rolling(response, ok.length(), get.length());
        for (int i = 0; i < ROUNDS; i++) {
            requests.pass();
            responses.pass();
        }
        forwarded = 0;
        long before = THREADS.getThreadAllocatedBytes(Thread.currentThread().getId());
        for (int i = 0; i < ROUNDS; i++) {
            requests.pass();
            responses.pass();
        }
        long allocated = THREADS.getThreadAllocatedBytes(Thread.currentThread().getId()) - before;
        assertThat(allocated).isLessThan(ROUNDS);
        assertThat(forwarded).isEqualTo(2L * ROUNDS * PacketCore.FORWARD);
        assertThat(f.count(FilterCounter.COOKIES_RENAMED)).isEqualTo(2L * ROUNDS + 1);
        assertThat(f.count(FilterCounter.COOKIES_RESTORED)).isEqualTo(2L * ROUNDS + 1);
    }

    /** A frame whose numbers move on each time, so that it is the next message each time. */
    private final class Rolling {
        private final byte[] original;
        private final ByteBuffer frame;
        private final boolean fromClient;
        private final int seqStep;
        private final int ackStep;
        private int seq;
        private int ack;

        Rolling(Packet packet, int seqStep, int ackStep) {
            fromClient = packet.way() == Packet.Way.FROM_CLIENT;
            original = PacketCodec.encode(packet, fromClient, true, f.ipv6);
            frame = ByteBuffer.allocate(original.length);
            this.seqStep = seqStep;
            this.ackStep = ackStep;
            seq = packet.seq();
            ack = packet.ack();
        }

        void pass() {
            frame.put(0, original);
            frame.putInt(f.ipv6 ? 58 : 38, seq);
            frame.putInt(f.ipv6 ? 62 : 42, ack);
            forwarded += fromClient
                    ? f.core.onNetworkFrame(frame, 0, original.length, true, f.nowNs())
                    : f.core.onHostFrame(frame, 0, original.length, true, f.nowNs());
            seq += seqStep;
            ack += ackStep;
        }
    }
}
