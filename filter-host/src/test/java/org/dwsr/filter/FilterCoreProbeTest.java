package org.dwsr.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.filter.FilterFixture.ELSEWHERE;
import static org.dwsr.filter.FilterFixture.GET;
import static org.dwsr.filter.FilterFixture.OK;
import static org.dwsr.filter.FilterFixture.next;

import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.TcpFlags;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** Segments without a request in them: keep-alive and zero-window probes, window updates, urgent data, ECN flags. */
class FilterCoreProbeTest {
    private static final String UPLOAD = "POST /img/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n";

    private final FilterFixture f = new FilterFixture();
    private final int c2 = f.c(next(GET));
    private final int w2 = f.w(next(OK));
    private final int r2 = f.r(next(OK));

    @Nested
    class KeepAlive {
        @Test
        void shouldPassClientsProbesWithAndWithoutAByte() {
            f.answered();
            Packet bare = Packet.client(c2 - 1, w2, "");
            assertThat(f.in(bare)).containsExactly(bare.forwarded(c2 - 1, r2));
            Packet garbage = Packet.client(c2 - 1, w2, "\0");
            assertThat(f.in(garbage)).containsExactly(garbage.forwarded(c2 - 1, r2));
        }

        @Test
        void shouldPassServersProbesWithAndWithoutAByte() {
            f.answered();
            Packet bare = Packet.kernel(r2 - 1, c2, "");
            assertThat(f.in(bare)).containsExactly(bare.forwarded(w2 - 1, c2));
            Packet garbage = Packet.kernel(r2 - 1, c2, "\0");
            assertThat(f.in(garbage)).containsExactly(garbage.forwarded(w2 - 1, c2));
        }

        @Test
        void shouldStillMoveTheNextRequestAfterProbes() {
            f.answered();
            f.in(Packet.client(c2 - 1, w2, "\0"));
            f.in(Packet.kernel(r2 - 1, c2, "\0"));
            Packet request = Packet.client(c2, w2, ELSEWHERE);
            assertThat(f.in(request)).endsWith(request.bouncedTagged());
        }
    }

    @Nested
    class Windows {
        @Test
        void shouldPassZeroWindowsAndUpdatesOfBothSides() {
            f.active(GET);
            for (int window : new int[] {0, 1, 500}) {
                Packet client = Packet.client(c2, f.w(1), "").window(window);
                assertThat(f.in(client)).containsExactly(client.forwarded(c2, f.r(1)));
                Packet server = Packet.kernel(f.r(1), c2, "").window(window);
                assertThat(f.in(server)).containsExactly(server.forwarded(f.w(1), c2));
            }
        }

        @Test
        void shouldPassProbesOfAClosedWindow() {
            f.active(UPLOAD);
            int body = f.c(next(UPLOAD));
            f.in(Packet.kernel(f.r(1), body, "").window(0));
            Packet byteOfBody = Packet.client(body, f.w(1), "b");
            assertThat(f.in(byteOfBody)).containsExactly(byteOfBody.forwarded(body, f.r(1)));
            Packet linux = Packet.client(body - 1, f.w(1), "");
            assertThat(f.in(linux)).containsExactly(linux.forwarded(body - 1, f.r(1)));
            Packet whole = Packet.client(body, f.w(1), "b".repeat(500));
            assertThat(f.in(whole)).containsExactly(whole.forwarded(body, f.r(1)));
        }

        @Test
        void shouldPassServersProbeOfAClosedWindow() {
            f.active(GET);
            f.in(Packet.client(c2, f.w(1), "").window(0));
            f.in(Packet.kernel(f.r(1), c2, OK));
            Packet lastByte = Packet.kernel(f.r(1), c2, OK.substring(0, 1));
            assertThat(f.in(lastByte)).containsExactly(lastByte.forwarded(f.w(1), c2));
            Packet linux = Packet.kernel(f.r(0), c2, "");
            assertThat(f.in(linux)).containsExactly(linux.forwarded(f.w(0), c2));
        }

        @Test
        void shouldPassClientsWindowUpdateWhileItsRequestIsHeld() {
            f.active(GET);
            f.in(Packet.client(c2, f.w(1), ELSEWHERE));
            Packet update = Packet.client(c2 + ELSEWHERE.length(), f.w(1), "").window(7);
            assertThat(f.in(update)).contains(update.forwarded(c2 + ELSEWHERE.length(), f.r(1)));
        }
    }

    @Nested
    class Urgent {
        @Test
        void shouldKeepTheByteInLineWhenRequestsAreRead() {
            f.answered();
            Packet urgent = Packet.client(c2, w2, GET).flags(TcpFlags.ACK | TcpFlags.PSH | TcpFlags.URG);
            assertThat(f.in(urgent))
                    .containsExactly(urgent.flags(TcpFlags.ACK | TcpFlags.PSH).forwarded(c2, r2));
            Packet bare = Packet.client(c2 + GET.length(), w2, "").flags(TcpFlags.ACK | TcpFlags.URG);
            assertThat(f.in(bare)).containsExactly(bare.flags(TcpFlags.ACK).forwarded(c2 + GET.length(), r2));
            assertThat(f.count(FilterCounter.URGENT_CLEARED)).isEqualTo(2);
        }

        @Test
        void shouldPassUntouchedWhenNobodyReadsTheStream() {
            String upgrade = "GET /img/a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
            f.active(upgrade);
            f.in(Packet.kernel(f.r(1), f.c(next(upgrade)), "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n"));
            int flags = TcpFlags.ACK | TcpFlags.PSH | TcpFlags.URG;
            Packet urgent = Packet.client(f.c(next(upgrade)), f.w(1), "!").flags(flags);
            assertThat(f.in(urgent)).containsExactly(urgent.forwarded(f.c(next(upgrade)), f.r(1)));
        }

        @Test
        void shouldPassServersUrgentData() {
            f.active(GET);
            Packet urgent = Packet.kernel(f.r(1), c2, OK).flags(TcpFlags.ACK | TcpFlags.URG);
            assertThat(f.in(urgent)).containsExactly(urgent.forwarded(f.w(1), c2));
        }
    }

    @Nested
    class Ecn {
        @Test
        void shouldPassTheFlagsOfBothSides() {
            f.answered();
            int flags = TcpFlags.ACK | TcpFlags.PSH | TcpFlags.ECE | TcpFlags.CWR;
            Packet request = Packet.client(c2, w2, GET).flags(flags);
            assertThat(f.in(request)).containsExactly(request.forwarded(c2, r2));
            Packet response = Packet.kernel(r2, c2 + GET.length(), OK).flags(flags);
            assertThat(f.in(response)).containsExactly(response.forwarded(w2, c2 + GET.length()));
        }

        @Test
        void shouldMoveARequestThatHasTheFlags() {
            f.answered();
            int flags = TcpFlags.ACK | TcpFlags.PSH | TcpFlags.ECE | TcpFlags.CWR;
            Packet request = Packet.client(c2, w2, ELSEWHERE).flags(flags);
            assertThat(f.in(request)).endsWith(request.bouncedTagged());
        }

        @Test
        void shouldNotOfferItToTheServerWhenTheClientDidNotGetIt() {
            assertThat(f.in(Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), GET)))
                    .containsExactly(Packet.synToKernel(f.c(0)), Packet.synToKernel(f.c(0)));
        }
    }
}
