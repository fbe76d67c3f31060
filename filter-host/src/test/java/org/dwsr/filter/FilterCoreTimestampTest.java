package org.dwsr.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.filter.FilterFixture.ELSEWHERE;
import static org.dwsr.filter.FilterFixture.GET;
import static org.dwsr.filter.FilterFixture.OK;
import static org.dwsr.filter.FilterFixture.next;
import static org.dwsr.packet.TcpFlags.ACK;
import static org.dwsr.packet.TcpFlags.CWR;
import static org.dwsr.packet.TcpFlags.ECE;
import static org.dwsr.packet.TcpFlags.PSH;
import static org.dwsr.packet.TcpFlags.RST;
import static org.dwsr.packet.TcpFlags.SYN;

import java.util.List;
import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Timestamps (RFC 7323) and ECN (RFC 3168), which a guessed server may have agreed to, through every change of it. */
class FilterCoreTimestampTest {
    private static final long TAG = MigrationTag.with(Packet.TAG, true, false);

    private final FilterFixture f = new FilterFixture();
    private final int c2 = f.c(next(GET));
    private final int w2 = f.w(next(OK));
    private final int r2 = f.r(next(OK));

    private static String ts(int value, int echo) {
        return PacketCodec.timestamps(value, echo);
    }

    private static long tag(int kind) {
        return MigrationTag.with(TAG, Packet.IMAGES, kind);
    }

    /** The client's clock stands at 100 when it asks, and the last server's, as the client knows it, at {@code echo}. */
    private List<Packet> rebuilding(int echo) {
        return f.in(Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), GET)
                .from(tag(MigrationTag.FRESH))
                .options(ts(100, echo)));
    }

    private List<Packet> active(int echo, int kernel) {
        rebuilding(echo);
        return f.in(Packet.synAck(f.r(0), f.c(1)).options(Packet.SYN_OPTIONS + " " + ts(kernel, 100)));
    }

    @Nested
    class Rebuild {
        @Test
        void shouldOfferTheClientsClockAndEchoNothingInTheHandshake() {
            Packet syn = Packet.synToKernel(f.c(0)).options(Packet.SYN_OPTIONS + " " + ts(100, 0));
            assertThat(rebuilding(5_000)).containsExactly(syn, syn);
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1)).options(Packet.SYN_OPTIONS + " " + ts(77, 100))))
                    .containsExactly(
                            Packet.toKernel(f.c(1), f.r(1), ACK, "").options(ts(100, 0)),
                            Packet.toKernel(f.c(1), f.r(1), ACK | PSH, GET).options(ts(100, 77)));
        }

        @ParameterizedTest
        @ValueSource(ints = {0, 5_000, -3, Integer.MAX_VALUE, Integer.MIN_VALUE})
        void shouldLetTheServersClockGoOnWhereTheLastOneStood(int echo) {
            for (int kernel : new int[] {77, 5_000, -2, Integer.MIN_VALUE + 1}) {
                FilterCoreTimestampTest t = new FilterCoreTimestampTest();
                t.active(echo, kernel);
                Packet response = Packet.kernel(f.r(1), c2, OK).options(ts(kernel + 3, 100));
                assertThat(t.f.in(response))
                        .containsExactly(response.options(ts(echo + 3, 100)).forwarded(f.w(1), c2));
                Packet ack = Packet.client(c2, w2, "").options(ts(110, echo + 3));
                assertThat(t.f.in(ack))
                        .containsExactly(ack.options(ts(110, kernel + 3)).forwarded(c2, r2));
            }
        }

        @Test
        void shouldGoWithoutWhenTheServerDoesNotAgree() {
            rebuilding(5_000);
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1))))
                    .containsExactly(
                            Packet.toKernel(f.c(1), f.r(1), ACK, ""), Packet.toKernel(f.c(1), f.r(1), ACK | PSH, GET));
        }

        @Test
        void shouldGoWithoutWhenTheRequestHasNone() {
            f.in(Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), GET).from(tag(MigrationTag.FRESH)));
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1)))).hasSize(2).allMatch(p -> p.options()
                    .isEmpty());
        }

        @Test
        void shouldMoveTimestampsBesideSackBlocksAtOddOffsets() {
            active(5_000, 77);
            String block = PacketCodec.sackBlock(f.w(9), f.w(19));
            String moved = PacketCodec.sackBlock(f.r(9), f.r(19));
            Packet ack = Packet.client(c2, f.w(1), "").options("nop " + ts(101, 5_000) + " sack=" + block);
            assertThat(f.in(ack))
                    .containsExactly(ack.options(ts(101, 77) + " sack=" + moved).forwarded(c2, f.r(1)));
        }

        @Test
        void shouldMoveTheTimestampsOfAReset() {
            active(5_000, 77);
            Packet reset = Packet.kernel(f.r(1), c2, "").flags(RST | ACK).options(ts(80, 100));
            assertThat(f.in(reset))
                    .containsExactly(reset.options(ts(5_003, 100)).forwarded(f.w(1), c2));
        }
    }

    @Nested
    class OwnSegments {
        @Test
        void shouldBearTheClientsTimestampsToTheWebSwitch() {
            active(5_000, 77);
            f.in(Packet.kernel(f.r(1), c2, OK).options(ts(79, 100)));
            f.in(Packet.client(c2, w2, ELSEWHERE.substring(0, 9)).options(ts(110, 5_002)));
            List<Packet> all =
                    f.in(Packet.client(c2 + 9, w2, ELSEWHERE.substring(9)).options(ts(111, 5_002)));
            Packet last = all.get(all.size() - 1);
            assertThat(last.options()).isEqualTo(ts(111, 5_002));
            assertThat(last.ethSource()).isEqualTo(tag(MigrationTag.MOVED));
            assertThat(last.payload()).isEqualTo(ELSEWHERE);
            // The acknowledgment that keeps the server quiet has its own clock's echo.
            assertThat(all.get(all.size() - 2).options()).isEqualTo(ts(111, 79));
        }

        @Test
        void shouldBearTheServersTimestampsToTheClient() {
            active(5_000, 77);
            f.in(Packet.kernel(f.r(1), c2, OK.substring(0, 9)).options(ts(79, 100)));
            assertThat(f.in(Packet.kernel(f.r(10), c2, OK.substring(9)).options(ts(80, 100))))
                    .containsExactly(Packet.toClient(f.w(1), c2, ACK | PSH, OK).options(ts(5_003, 100)));
        }

        @Test
        void shouldCutSegmentsSoThatTheTimestampsFit() {
            f.in(Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), GET)
                    .from(MigrationTag.with(
                            MigrationTag.with(MigrationTag.of(1, 7, 7, true), true, false), Packet.IMAGES, 0))
                    .options(ts(1, 1)));
            String big = "GET /img/a HTTP/1.1\r\nHost: h\r\nX: " + "x".repeat(2_000) + "\r\n\r\n";
            f.in(Packet.client(c2, f.w(1), big.substring(0, 1_000)).options(ts(1, 1)));
            f.in(Packet.client(c2 + 1_000, f.w(1), big.substring(1_000)).options(ts(1, 1)));
            List<Packet> all = f.in(Packet.synAck(f.r(0), f.c(1)).options(Packet.SYN_OPTIONS + " " + ts(7, 1)));
            assertThat(all.get(1).payload()).hasSize(1_208);
        }

        @Test
        void shouldNotBeNewerThanTheClientsOwnSegmentsThatAreStillToCome() {
            String post = "POST /img/a HTTP/1.1\r\nHost: h\r\nContent-Length: 30\r\n\r\n";
            f.in(Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), post)
                    .from(tag(MigrationTag.FRESH))
                    .options(ts(100, 5_000)));
            int body = f.c(next(post));
            // Its predecessor, sent before it, comes after it.
            f.in(Packet.client(body + 10, f.w(1), "b".repeat(10)).options(ts(120, 5_000)));
            List<Packet> all = f.in(Packet.synAck(f.r(0), f.c(1)).options(Packet.SYN_OPTIONS + " " + ts(77, 100)));
            assertThat(all).hasSize(2).allMatch(p -> p.options().startsWith("ts=100/"));
        }

        @Test
        void shouldNotBelieveAnEchoOfWhatWasNeverSent() {
            active(5_000, 77);
            f.in(Packet.kernel(f.r(1), c2, OK).options(ts(79, 100)));
            f.in(Packet.client(c2, w2, "").options(ts(110, 900_000)));
            f.in(Packet.client(c2, w2, ELSEWHERE.substring(0, 9)).options(ts(110, 5_002)));
            List<Packet> all =
                    f.in(Packet.client(c2 + 9, w2, ELSEWHERE.substring(9)).options(ts(111, 5_002)));
            assertThat(all.get(all.size() - 1).options()).isEqualTo(ts(111, 5_002));
        }
    }

    @Nested
    class SwitchBack {
        @Test
        void shouldNeverLetTheClockGoBackForTheClient() {
            active(5_000, 77);
            f.in(Packet.kernel(f.r(1), c2, OK).options(ts(79, 100)));
            f.in(Packet.client(c2, w2, ELSEWHERE).options(ts(110, 5_002)));
            f.in(Packet.silence(c2, w2));
            // A keep-alive that is swallowed tells how far this server's clock is.
            f.in(Packet.kernel(r2 - 1, c2, "").options(ts(600, 110)));
            Packet back = Packet.tagged(MigrationTag.MOVED, c2 + 40, w2 + 70, GET)
                    .from(tag(MigrationTag.MOVED))
                    .options(ts(200, 6_000));
            assertThat(f.in(back))
                    .containsExactly(
                            back.from(Packet.VMAC).options(ts(200, 600)).forwarded(c2, r2));
            Packet response = Packet.kernel(r2, c2 + GET.length(), OK).options(ts(650, 200));
            assertThat(f.in(response))
                    .containsExactly(response.options(ts(6_050, 200)).forwarded(w2 + 70, c2 + 40 + GET.length()));
        }
    }

    @Nested
    class Guessed {
        private final FilterFixture g = new FilterFixture(1_000, 900_000, 900_000);

        private void guess(int flags, int answer, String answerOptions) {
            g.in(Packet.tagged(MigrationTag.GUESS, g.c(0), 0, "")
                    .flags(SYN | flags)
                    .from(MigrationTag.with(
                            MigrationTag.with(Packet.TAG, true, flags != 0), Packet.IMAGES, MigrationTag.GUESS))
                    .options(Packet.SYN_OPTIONS + " " + ts(-100, 0)));
            g.in(Packet.synAck(g.r(0), g.c(1)).flags(SYN | ACK | answer).options(answerOptions));
        }

        private Packet firstRequest(String request) {
            return Packet.client(g.c(1), g.w(1), request).options(ts(-90, 77));
        }

        @Test
        void shouldLeaveTimestampsAlone() {
            guess(0, 0, Packet.SYN_OPTIONS + " " + ts(77, -100));
            assertThat(g.in(firstRequest(GET)))
                    .containsExactly(firstRequest(GET).forwarded(g.c(1), g.r(1)));
            Packet response = Packet.kernel(g.r(1), c2, OK).options(ts(80, -90));
            assertThat(g.in(response)).containsExactly(response.forwarded(g.w(1), c2));
        }

        @Test
        void shouldTellInTheTagWhatTheServerAgreedTo() {
            guess(ECE | CWR, ECE, Packet.SYN_OPTIONS + " " + ts(77, -100));
            List<Packet> all = g.in(firstRequest(ELSEWHERE));
            long tag = all.get(1).ethSource();
            assertThat(MigrationTag.timestamps(tag)).isTrue();
            assertThat(MigrationTag.ecn(tag)).isTrue();
            assertThat(all.get(0).options()).isEqualTo(ts(-90, 77));
        }

        @Test
        void shouldTellInTheTagWhatTheServerDidNotAgreeTo() {
            for (int answer : new int[] {0, ECE | CWR}) {
                Guessed one = new Guessed();
                one.guess(ECE | CWR, answer, Packet.SYN_OPTIONS);
                List<Packet> all = one.g.in(firstRequest(ELSEWHERE));
                long tag = all.get(1).ethSource();
                assertThat(MigrationTag.timestamps(tag)).isFalse();
                assertThat(MigrationTag.ecn(tag)).isFalse();
            }
        }

        @Test
        void shouldKnowTheClientsClockBeforeTheFirstRequest() {
            guess(0, 0, Packet.SYN_OPTIONS + " " + ts(77, -100));
            g.in(Packet.client(g.c(1), g.w(1), ELSEWHERE.substring(0, 9)).options(ts(-99, 77)));
            List<Packet> all =
                    g.in(Packet.client(g.c(10), g.w(1), ELSEWHERE.substring(9)).options(ts(-98, 77)));
            assertThat(all.get(all.size() - 1).options()).isEqualTo(ts(-98, 77));
        }
    }

    @Nested
    class Ecn {
        private void rebuild(boolean ecn) {
            f.in(Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), GET)
                    .from(MigrationTag.with(Packet.TAG, false, ecn))
                    .flags(ACK | PSH | ECE | CWR));
        }

        @Test
        void shouldOfferItToTheNextServer() {
            assertThat(f.in(Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), GET)
                            .from(MigrationTag.with(Packet.TAG, false, true))))
                    .containsExactly(
                            Packet.synToKernel(f.c(0)).flags(SYN | ECE | CWR),
                            Packet.synToKernel(f.c(0)).flags(SYN | ECE | CWR));
        }

        @Test
        void shouldKeepTheFlagsOfAHeldRequestOnce() {
            rebuild(true);
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1)).flags(SYN | ACK | ECE)))
                    .containsExactly(
                            Packet.toKernel(f.c(1), f.r(1), ACK, ""),
                            Packet.toKernel(f.c(1), f.r(1), ACK | PSH | ECE | CWR, GET));
            f.in(Packet.client(c2, f.w(1), GET.substring(0, 9)));
            assertThat(f.in(Packet.client(c2 + 9, f.w(1), GET.substring(9))))
                    .containsExactly(Packet.toKernel(c2, f.r(1), ACK | PSH, GET));
        }

        @Test
        void shouldNotKeepTheFlagsWhenItWasNotAgreedTo() {
            rebuild(false);
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1)))).endsWith(Packet.toKernel(f.c(1), f.r(1), ACK | PSH, GET));
        }
    }
}
