package org.dwsr.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.filter.FilterFixture.ELSEWHERE;
import static org.dwsr.filter.FilterFixture.GET;
import static org.dwsr.filter.FilterFixture.OK;
import static org.dwsr.filter.FilterFixture.next;
import static org.dwsr.packet.TcpFlags.ACK;
import static org.dwsr.packet.TcpFlags.FIN;
import static org.dwsr.packet.TcpFlags.RST;

import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** Silent mode (paper section III-A): how it begins, what it swallows, how it ends, and the switch-back. */
class FilterCoreSilenceTest {
    private final FilterFixture f = new FilterFixture();
    private final int c2 = f.c(next(GET));
    private final int w2 = f.w(next(OK));
    private final int r2 = f.r(next(OK));

    @Nested
    class Begins {
        @Test
        void shouldGiveServerThePureAckOfTheRequestAtTheBounce() {
            assertThat(f.bounced()).first().isEqualTo(Packet.toKernel(c2, r2, ACK, ""));
        }

        @Test
        void shouldBeSilentFromTheBounceOn() {
            f.bounced();
            assertThat(f.in(Packet.kernel(f.r(1), c2, OK))).isEmpty();
            assertThat(f.in(Packet.kernel(r2 - 1, c2, ""))).isEmpty();
        }

        @Test
        void shouldNotBeginWhenResetIsNotTagged() {
            f.answered();
            Packet reset = Packet.silence(c2, w2).from(Packet.CLIENT);
            assertThat(f.in(reset)).containsExactly(reset.forwarded(c2, r2));
            assertThat(f.report()).contains("ended 1");
        }

        @Test
        void shouldNotBeginWhenSilenceIsOlderThanTheRequestThatCameBack() {
            f.silent();
            Packet request = Packet.tagged(MigrationTag.MOVED, c2 + 300, w2 + 77, GET);
            f.in(request);
            assertThat(f.in(Packet.silence(c2, w2))).isEmpty();
            assertThat(f.count(FilterCounter.DROPPED_STALE_TAG)).isOne();
            Packet response = Packet.kernel(r2, c2 + GET.length(), OK);
            assertThat(f.in(response)).containsExactly(response.forwarded(w2 + 77, c2 + 300 + GET.length()));
        }

        @Test
        void shouldNotBeginWhenTagIsNotOnAReset() {
            f.answered();
            assertThat(f.in(Packet.tagged(MigrationTag.SILENCE, c2, w2, ""))).isEmpty();
            Packet request = Packet.client(c2, w2, GET);
            assertThat(f.in(request)).containsExactly(request.forwarded(c2, r2));
        }
    }

    @Nested
    class Ends {
        @Test
        void shouldEndAfterFifteenSeconds() {
            f.silent();
            assertThat(f.after(14_900)).isEmpty();
            assertThat(f.after(350)).containsExactly(Packet.toKernel(c2, r2, RST | ACK, ""));
            assertThat(f.count(FilterCounter.SILENT_ENDED_BY_TIME)).isOne();
            assertThat(f.in(Packet.tagged(MigrationTag.MOVED, c2, w2, GET))).hasSize(2);
            assertThat(f.count(FilterCounter.REBUILDS_STARTED)).isEqualTo(2);
        }

        @Test
        void shouldUseServersOwnNumberWhenOffsetsAreNotZero() {
            f.silent();
            f.in(Packet.tagged(MigrationTag.MOVED, c2 + 300, w2 + 77, GET));
            f.in(Packet.kernel(r2, c2 + GET.length(), OK));
            f.in(Packet.client(c2 + 300 + GET.length(), w2 + 77 + OK.length(), ELSEWHERE));
            f.in(Packet.silence(c2 + 300, w2 + 77));
            assertThat(f.in(Packet.silence(c2 + 300, w2 + 77)))
                    .containsExactly(Packet.toKernel(c2 + GET.length(), r2 + OK.length(), RST | ACK, ""));
        }

        private void assertThatRequestDoesNotRunAgainForTwoSeconds() {
            Packet duplicate = Packet.tagged(MigrationTag.MOVED, f.c(1), f.w(1), GET);
            assertThat(f.in(duplicate)).isEmpty();
            assertThat(f.after(1_700)).isEmpty();
            assertThat(f.in(duplicate)).isEmpty();
            assertThat(f.count(FilterCounter.REBUILDS_STARTED)).isOne();
            assertThat(f.report()).isEmpty();
            assertThat(f.after(600)).isEmpty();
            assertThat(f.in(duplicate)).as("it is forgotten now").hasSize(2);
            assertThat(f.count(FilterCounter.SILENT_ENDED_BY_TIME)).isZero();
        }

        @Test
        void shouldNotRunRequestAgainWhenSilenceCameTwice() {
            f.silent();
            assertThat(f.in(Packet.silence(c2, w2))).containsExactly(Packet.toKernel(c2, r2, RST | ACK, ""));
            assertThatRequestDoesNotRunAgainForTwoSeconds();
        }

        @Test
        void shouldNotRunRequestAgainWhenServerClosedWhileSilent() {
            f.silent();
            assertThat(f.in(Packet.kernel(r2, c2, "").flags(FIN | ACK)))
                    .containsExactly(Packet.toKernel(c2, r2 + 1, RST | ACK, ""));
            assertThatRequestDoesNotRunAgainForTwoSeconds();
        }

        @Test
        void shouldNotRunRequestAgainWhenServerClosedBeforeTheSilence() {
            f.bounced();
            assertThat(f.in(Packet.kernel(r2, c2, "").flags(FIN | ACK)))
                    .containsExactly(Packet.toKernel(c2, r2 + 1, RST | ACK, ""));
            assertThat(f.in(Packet.silence(c2, w2))).isEmpty();
            assertThatRequestDoesNotRunAgainForTwoSeconds();
        }

        @Test
        void shouldBounceNextRequestWhenServerIsGoneAndItsTagIsLost() {
            f.silent();
            f.in(Packet.silence(c2, w2));
            Packet untagged = Packet.client(c2, w2, GET);
            assertThat(f.in(untagged)).isEmpty();
            assertThat(f.after(6)).hasSize(1).allMatch(packet -> packet.way() != Packet.Way.TO_KERNEL);
        }

        @Test
        void shouldEndAtOnceWhenServerSendsMore() {
            f.silent();
            assertThat(f.in(Packet.kernel(r2, c2, "more"))).containsExactly(Packet.toKernel(c2, r2 + 4, RST | ACK, ""));
        }

        @Test
        void shouldForgetWhenServerResets() {
            f.silent();
            assertThat(f.in(Packet.kernel(r2, c2, "").flags(RST | ACK))).isEmpty();
            assertThat(f.in(Packet.tagged(MigrationTag.MOVED, c2, w2, GET)))
                    .hasSize(2)
                    .allMatch(packet -> packet.way() == Packet.Way.TO_KERNEL);
        }

        @Test
        void shouldResetServerAgainWhenItObjectsToTheNumber() {
            f.silent();
            f.in(Packet.silence(c2, w2));
            assertThat(f.in(Packet.kernel(r2, c2 + 1, "")))
                    .containsExactly(Packet.toKernel(c2 + 1, 0, RST, "").window(0));
        }

        @Test
        void shouldExpireWhenWebSwitchNeverAnswersTheBounce() {
            f.bounced();
            assertThat(f.after(119_000)).isEmpty();
            assertThat(f.after(1_300)).containsExactly(Packet.toKernel(c2, r2, RST | ACK, ""));
            assertThat(f.report()).containsExactly("ended 1");
        }
    }

    @Nested
    class SwitchBack {
        private final int up = 300;
        private final int down = 77;

        private void back() {
            f.silent();
            f.in(Packet.tagged(MigrationTag.MOVED, c2 + up, w2 + down, GET));
        }

        @Test
        void shouldMoveNumbersOfBothDirections() {
            back();
            Packet response = Packet.kernel(r2, c2 + GET.length(), OK);
            assertThat(f.in(response)).containsExactly(response.forwarded(w2 + down, c2 + up + GET.length()));
            Packet next = Packet.client(c2 + up + GET.length(), w2 + down + OK.length(), GET);
            assertThat(f.in(next)).containsExactly(next.forwarded(c2 + GET.length(), r2 + OK.length()));
        }

        @Test
        void shouldMoveSackBlocksOfBothDirections() {
            back();
            Packet fromClient = Packet.client(c2 + up + GET.length(), w2 + down, "")
                    .options("sack=" + PacketCodec.sackBlock(w2 + down + 10, w2 + down + 20) + ","
                            + PacketCodec.sackBlock(w2 + down + 30, w2 + down + 40));
            assertThat(f.in(fromClient))
                    .containsExactly(fromClient
                            .options("sack=" + PacketCodec.sackBlock(r2 + 10, r2 + 20) + ","
                                    + PacketCodec.sackBlock(r2 + 30, r2 + 40))
                            .forwarded(c2 + GET.length(), r2));
            Packet fromServer =
                    Packet.kernel(r2, c2, "").options("nop sack=" + PacketCodec.sackBlock(c2 + 8, c2 + GET.length()));
            assertThat(f.in(fromServer))
                    .containsExactly(fromServer
                            .options("sack=" + PacketCodec.sackBlock(c2 + up + 8, c2 + up + GET.length()))
                            .forwarded(w2 + down, c2 + up));
        }

        @Test
        void shouldComeBackAgainAndAgain() {
            back();
            int up2 = up;
            int down2 = down;
            int kernelSeq = c2;
            int kernelAck = r2;
            for (int i = 0; i < 5; i++) {
                kernelSeq += GET.length();
                f.in(Packet.kernel(kernelAck, kernelSeq, OK));
                kernelAck += OK.length();
                assertThat(f.in(Packet.client(kernelSeq + up2, kernelAck - f.r(0) + f.w(0) + down2, ELSEWHERE)))
                        .hasSize(2);
                f.in(Packet.silence(kernelSeq + up2, kernelAck - f.r(0) + f.w(0) + down2));
                up2 += 1_000;
                down2 += 5_000;
                Packet request =
                        Packet.tagged(MigrationTag.MOVED, kernelSeq + up2, kernelAck - f.r(0) + f.w(0) + down2, GET);
                assertThat(f.in(request))
                        .containsExactly(request.from(Packet.VMAC).forwarded(kernelSeq, kernelAck));
            }
            assertThat(f.count(FilterCounter.REBUILDS_STARTED)).isOne();
            assertThat(f.count(FilterCounter.SWITCH_BACKS)).isEqualTo(6);
        }

        @Test
        void shouldRebuildWhenServerOwesAResponse() {
            f.active(GET);
            f.in(Packet.kernel(f.r(1), c2, ""));
            f.in(Packet.silence(c2, f.w(1)));
            assertThat(f.in(Packet.tagged(MigrationTag.MOVED, c2, f.w(1), GET)))
                    .containsExactly(
                            Packet.toKernel(c2, f.r(1), RST | ACK, ""),
                            Packet.synToKernel(c2 - 1),
                            Packet.synToKernel(c2 - 1));
        }

        @Test
        void shouldRebuildWhenServerLacksBytesOfAnEarlierRequest() {
            // A 64 byte body of which the second half arrived, and an early answer.
            String post = "POST /img/a HTTP/1.1\r\nHost: h\r\nContent-Length: 64\r\n\r\n";
            int end = f.c(next(post) + 64);
            f.active(post);
            f.in(Packet.client(f.c(next(post) + 32), f.w(1), "x".repeat(32)));
            f.in(Packet.kernel(f.r(1), f.c(next(post)), OK));
            assertThat(f.in(Packet.client(end, w2, ELSEWHERE))).hasSize(2);
            f.in(Packet.silence(end, w2));
            // Its TCP holds bytes out of order behind a gap: it must not meet the next request.
            assertThat(f.in(Packet.tagged(MigrationTag.MOVED, end + 100, w2 + 5, GET)))
                    .containsExactly(
                            Packet.toKernel(f.c(next(post)), r2, RST | ACK, ""),
                            Packet.synToKernel(end + 99),
                            Packet.synToKernel(end + 99));
        }

        @Test
        void shouldTakeRequestBackWithoutASilenceBetween() {
            f.bounced();
            Packet request = Packet.tagged(MigrationTag.MOVED, c2, w2, ELSEWHERE);
            f.in(request);
            Packet response = Packet.kernel(r2, c2 + ELSEWHERE.length(), OK);
            assertThat(f.in(response)).containsExactly(response.forwarded(w2, c2 + ELSEWHERE.length()));
        }
    }
}
