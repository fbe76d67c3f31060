package org.dwsr.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.filter.FilterFixture.ELSEWHERE;
import static org.dwsr.filter.FilterFixture.GET;
import static org.dwsr.filter.FilterFixture.OK;
import static org.dwsr.filter.FilterFixture.next;
import static org.dwsr.packet.TcpFlags.ACK;
import static org.dwsr.packet.TcpFlags.FIN;
import static org.dwsr.packet.TcpFlags.PSH;
import static org.dwsr.packet.TcpFlags.RST;

import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** FIN, RST, reports, and filters that know nothing. */
class FilterCoreEndingTest {
    private final FilterFixture f = new FilterFixture();
    private final int c2 = f.c(next(GET));
    private final int w2 = f.w(next(OK));
    private final int r2 = f.r(next(OK));

    @Nested
    class ClientResets {
        @Test
        void shouldGoStraightThroughWithTheNumberTheServerExpects() {
            f.active(GET);
            // The server has acknowledged nothing yet, so only the first number is exact for it.
            Packet reset = Packet.client(c2, 0, "").rst();
            assertThat(f.in(reset)).containsExactly(reset.forwarded(f.c(1), 0));
            assertThat(f.report()).containsExactly("ended 1");
        }

        @Test
        void shouldTranslateBothNumbersWhenItAcknowledges() {
            f.answered();
            Packet reset = Packet.client(c2, w2, "").flags(RST | ACK);
            assertThat(f.in(reset)).containsExactly(reset.forwarded(c2, r2));
        }

        @Test
        void shouldResetWithServersNumberWhenItObjects() {
            f.answered();
            f.in(Packet.client(c2, 0, "").rst());
            assertThat(f.in(Packet.kernel(r2, c2 + 3, "")))
                    .containsExactly(Packet.toKernel(c2 + 3, 0, RST, "").window(0));
        }

        @Test
        void shouldLeaveTheDecisionToTheServerWhenNumberIsForeign() {
            f.answered();
            Packet forged = Packet.client(c2 + 5_000, 0, "").rst();
            assertThat(f.in(forged)).containsExactly(forged.forwarded(c2 + 5_000, 0));
            assertThat(f.report()).hasSize(1).first().asString().startsWith("live");
        }

        @Test
        void shouldBelieveTheNumberOfItsFinAsLinuxDoes() {
            f.active(GET);
            f.in(Packet.client(c2, f.w(1), "").fin());
            // What crossed the FIN is answered with the FIN's own number, what the server sends later with the next.
            f.in(Packet.kernel(f.r(1), c2, OK));
            f.in(Packet.kernel(r2, c2 + 1, "").fin());
            Packet reset = Packet.client(c2, 0, "").rst();
            assertThat(f.in(reset)).containsExactly(reset.forwarded(c2 + 1, 0));
            assertThat(f.report()).containsExactly("ended 1");
        }

        @Test
        void shouldNotBelieveTheNumberBeforeTheNextWithoutAFin() {
            f.answered();
            Packet forged = Packet.client(c2 - 1, 0, "").rst();
            assertThat(f.in(forged)).containsExactly(forged.forwarded(c2 - 1, 0));
            assertThat(f.report()).hasSize(1).first().asString().startsWith("live");
        }

        @Test
        void shouldEndEvenBehindHeldBytes() {
            f.active(GET);
            f.in(Packet.kernel(f.r(1), c2, ""));
            f.in(Packet.client(c2, f.w(1), ELSEWHERE));
            Packet reset = Packet.client(c2 + ELSEWHERE.length(), 0, "").rst();
            assertThat(f.in(reset)).containsExactly(reset.forwarded(c2, 0));
            assertThat(f.report()).containsExactly("ended 1");
        }
    }

    /** The ACK of a new connection's handshake on the same ports: a kernel without a socket would answer with its RST. */
    @Nested
    class AcknowledgmentsOfAnotherConnection {
        @ParameterizedTest
        @ValueSource(ints = {500_000, 100_000_000, -2_000_000, -1_000_000_000})
        void shouldNotReachServer(int away) {
            f.answered();
            assertThat(f.in(Packet.client(c2 + away, w2 - 7_000_000, ""))).isEmpty();
            assertThat(f.count(FilterCounter.DROPPED_STALE_SEGMENT)).isOne();
            Packet own = Packet.client(c2, w2, "");
            assertThat(f.in(own)).containsExactly(own.forwarded(c2, r2));
        }

        @ParameterizedTest
        @ValueSource(ints = {500_000, 100_000_000, -2_000_000, -1_000_000_000})
        void shouldNotReachServerThatLingers(int away) {
            f.answered();
            f.in(Packet.client(c2, w2, "").fin());
            f.in(Packet.kernel(r2, c2 + 1, "").fin());
            f.in(Packet.client(c2 + 1, w2 + 1, ""));
            assertThat(f.report()).containsExactly("ended 1");
            assertThat(f.in(Packet.client(c2 + away, w2 - 7_000_000, ""))).isEmpty();
            Packet own = Packet.client(c2 + 1, w2 + 1, "");
            assertThat(f.in(own)).containsExactly(own.forwarded(c2 + 1, r2 + 1));
        }

        @Test
        void shouldReachServerWhenItIsAProbeOrLate() {
            f.answered();
            for (int back : new int[] {1, 40, 60_000}) {
                Packet probe = Packet.client(c2 - back, w2, "");
                assertThat(f.in(probe)).containsExactly(probe.forwarded(c2 - back, r2));
            }
        }
    }

    @Nested
    class ServerResets {
        @Test
        void shouldReachClientInItsNumbers() {
            f.answered();
            Packet reset = Packet.kernel(r2, c2, "").flags(RST | ACK);
            assertThat(f.in(reset)).containsExactly(reset.forwarded(w2, c2));
            assertThat(f.report()).containsExactly("ended 1");
        }
    }

    @Nested
    class Fins {
        @Test
        void shouldRunThroughWhenServerClosesFirst() {
            f.answered();
            Packet serverFin = Packet.kernel(r2, c2, "").fin();
            assertThat(f.in(serverFin)).containsExactly(serverFin.forwarded(w2, c2));
            Packet clientFin = Packet.client(c2, w2 + 1, "").fin();
            assertThat(f.in(clientFin)).containsExactly(clientFin.forwarded(c2, r2 + 1));
            assertThat(f.report()).hasSize(1).first().asString().startsWith("live");
            Packet last = Packet.kernel(r2 + 1, c2 + 1, "");
            assertThat(f.in(last)).containsExactly(last.forwarded(w2 + 1, c2 + 1));
            assertThat(f.report()).containsExactly("ended 1");
        }

        @Test
        void shouldEndWithClientsLastAckWhenClientClosesFirst() {
            f.answered();
            f.in(Packet.client(c2, w2, "").fin());
            Packet serverFin = Packet.kernel(r2, c2 + 1, "").fin();
            assertThat(f.in(serverFin)).containsExactly(serverFin.forwarded(w2, c2 + 1));
            // Lost on the way: the server says it again, and again it goes through.
            f.after(3_000);
            assertThat(f.in(serverFin)).containsExactly(serverFin.forwarded(w2, c2 + 1));
            Packet last = Packet.client(c2 + 1, w2 + 1, "");
            assertThat(f.in(last)).containsExactly(last.forwarded(c2 + 1, r2 + 1));
            assertThat(f.report()).containsExactly("ended 1");
        }

        @Test
        void shouldCarryWholeResponseWhenClientHasHalfClosed() {
            f.active(GET);
            Packet clientFin = Packet.client(c2, f.w(1), "").fin();
            assertThat(f.in(clientFin)).containsExactly(clientFin.forwarded(c2, f.r(1)));
            Packet response = Packet.kernel(f.r(1), c2 + 1, OK).fin();
            assertThat(f.in(response)).containsExactly(response.forwarded(f.w(1), c2 + 1));
            f.after(5_000);
            assertThat(f.in(response)).containsExactly(response.forwarded(f.w(1), c2 + 1));
        }

        @Test
        void shouldExpireWhenClientDisappearsAfterBothFins() {
            f.answered();
            f.in(Packet.client(c2, w2, "").fin());
            f.in(Packet.kernel(r2, c2 + 1, "").fin());
            assertThat(f.after(119_000)).isEmpty();
            assertThat(f.after(1_300)).containsExactly(Packet.toKernel(c2 + 1, r2 + 1, RST | ACK, ""));
            assertThat(f.report()).containsExactly("ended 1");
        }

        @Test
        void shouldExpireWhenServerGivesUpVanishedClient() {
            f.active(GET);
            f.in(Packet.kernel(f.r(1), c2, OK));
            // Repeats itself as rarely as a TCP may.
            assertThat(f.after(121_000)).isEmpty();
            f.in(Packet.kernel(f.r(1), c2, OK));
            assertThat(f.after(149_000)).isEmpty();
            assertThat(f.after(1_300)).containsExactly(Packet.toKernel(c2, r2, RST | ACK, ""));
            assertThat(f.report()).containsExactly("ended 1");
        }

        @Test
        void shouldKeepRestingConnectionWhoseAnswersAreAcknowledged() {
            f.answered();
            assertThat(f.after(600_000)).isEmpty();
            assertThat(f.report()).hasSize(1).first().asString().startsWith("live");
        }

        @Test
        void shouldFlushPartialHeadBeforeTheFin() {
            f.active(GET);
            f.in(Packet.kernel(f.r(1), c2, "HTTP/1.1 200"));
            Packet fin = Packet.kernel(f.r(13), c2, "").fin();
            assertThat(f.in(fin))
                    .containsExactly(
                            Packet.toClient(f.w(1), c2, ACK | PSH, "HTTP/1.1 200"), fin.forwarded(f.w(13), c2));
        }

        @Test
        void shouldSendPartialHeadWithItsFin() {
            f.active(GET);
            assertThat(f.in(Packet.kernel(f.r(1), c2, "HTTP/1.1 200").fin()))
                    .containsExactly(Packet.toClient(f.w(1), c2, ACK | FIN | PSH, "HTTP/1.1 200"));
        }
    }

    @Nested
    class Restarted {
        @Test
        void shouldResetServerExactlyWhenItAnswersAForgottenConnection() {
            assertThat(f.in(Packet.kernel(f.r(1), f.c(50), OK)))
                    .containsExactly(Packet.toKernel(f.c(50), 0, RST, "").window(0));
        }

        @Test
        void shouldPassNothingOfAForgottenConnectionToTheServer() {
            assertThat(f.in(Packet.client(f.c(50), f.w(50), ""))).isEmpty();
            assertThat(f.in(Packet.client(f.c(50), f.w(50), GET))).isEmpty();
            assertThat(f.after(5)).allMatch(packet -> packet.way() == Packet.Way.TO_NETWORK);
        }
    }

    @Nested
    class Reports {
        @Test
        void shouldNameRequestThatSetTheOffsetsLast() {
            f.silent();
            f.in(Packet.tagged(MigrationTag.MOVED, c2 + 50, w2 + 60, GET));
            f.in(Packet.client(c2 + 50 + GET.length(), 0, "").rst());
            assertThat(f.report()).containsExactly("ended " + (next(GET) + 50));
        }

        @Test
        void shouldTellLiveOnlyWhenReportIsFull() {
            f.answered();
            f.core.report(
                    new PacketCore.ReportSink() {
                        @Override
                        public void live(
                                long connectionKey, long clientHigh, long clientLow, long tagMac, long clientMac) {
                            throw new AssertionError("live in a partial report");
                        }

                        @Override
                        public void ended(long connectionKey, long clientHigh, long clientLow, int seq) {
                            throw new AssertionError("nothing ended");
                        }
                    },
                    false);
            assertThat(f.report()).hasSize(1);
        }

        @Test
        void shouldCloseIdleConnectionAfterTwoHours() {
            f.answered();
            assertThat(f.after(7_199_000)).isEmpty();
            assertThat(f.after(2_000)).containsExactly(Packet.toKernel(c2, r2, RST | ACK, ""));
            assertThat(f.report()).containsExactly("ended 1");
        }
    }
}
