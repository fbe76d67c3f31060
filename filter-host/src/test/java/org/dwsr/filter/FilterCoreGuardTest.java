package org.dwsr.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.filter.FilterFixture.ELSEWHERE;
import static org.dwsr.filter.FilterFixture.GET;
import static org.dwsr.filter.FilterFixture.OK;
import static org.dwsr.filter.FilterFixture.next;
import static org.dwsr.packet.TcpFlags.ACK;
import static org.dwsr.packet.TcpFlags.FIN;
import static org.dwsr.packet.TcpFlags.PSH;

import java.util.List;
import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which requests pass, which wait, and when a request that must move may move. */
class FilterCoreGuardTest {
    private final FilterFixture f = new FilterFixture();
    private final int c2 = f.c(next(GET));
    private final int w2 = f.w(next(OK));
    private final int r2 = f.r(next(OK));

    private Packet passed(Packet client) {
        return client.forwarded(client.seq(), client.ack() - f.w(0) + f.r(0));
    }

    private Packet received(Packet kernel) {
        return kernel.forwarded(kernel.seq() - f.r(0) + f.w(0), kernel.ack());
    }

    @Nested
    class Moving {
        @Test
        void shouldWaitForCompleteResponse() {
            f.active(GET);
            f.in(Packet.client(c2, f.w(1), ELSEWHERE));
            f.in(Packet.kernel(f.r(1), c2, OK.substring(0, OK.length() - 1)));
            // All of it so far is acknowledged, but one byte is still to come.
            Packet early = Packet.client(f.c(next(GET, ELSEWHERE)), w2 - 1, "");
            assertThat(f.in(early)).containsExactly(passed(early));
            f.in(Packet.kernel(r2 - 1, c2, "k"));
            assertThat(f.in(Packet.client(f.c(next(GET, ELSEWHERE)), w2, "")))
                    .containsExactly(
                            Packet.toKernel(c2, r2, ACK, ""), Packet.toSwitch(MigrationTag.MOVED, c2, w2, ELSEWHERE));
        }

        @Test
        void shouldWaitForAcknowledgmentOfAllOfTheResponse() {
            f.active(GET);
            f.in(Packet.client(c2, f.w(1), ELSEWHERE));
            Packet response = Packet.kernel(f.r(1), c2, OK);
            assertThat(f.in(response)).containsExactly(received(response));
            Packet partly = Packet.client(f.c(next(GET, ELSEWHERE)), w2 - 1, "");
            assertThat(f.in(partly)).containsExactly(passed(partly));
            assertThat(f.in(Packet.client(f.c(next(GET, ELSEWHERE)), w2, ""))).hasSize(2);
        }

        @Test
        void shouldMoveAtOnceWhenRequestItselfCarriesTheAcknowledgment() {
            f.active(GET);
            f.in(Packet.kernel(f.r(1), c2, OK));
            Packet request = Packet.client(c2, w2, ELSEWHERE);
            assertThat(f.in(request)).containsExactly(Packet.toKernel(c2, r2, ACK, ""), request.bouncedTagged());
        }

        @Test
        void shouldMoveRequestWithItsFin() {
            f.answered();
            Packet request = Packet.client(c2, w2, ELSEWHERE).fin();
            assertThat(f.in(request)).containsExactly(Packet.toKernel(c2, r2, ACK, ""), request.bouncedTagged());
        }

        @Test
        void shouldMoveRequestWhenCookieNamesOtherServerOfThePool() {
            f.answered();
            Packet request = Packet.client(c2, w2, GET.replace("\r\n\r\n", "\r\nCookie: DR0189C2D=x\r\n\r\n"));
            assertThat(f.in(request)).endsWith(request.bouncedTagged());
        }

        @ParameterizedTest
        @ValueSource(strings = {"DR0189C1D", "DR0209C3D", "DR0189C3D", "DR018ZZZD", "PHPSESSID"})
        void shouldPassRequestWhenCookieNamesNoOtherServerOfThePool(String name) {
            f.answered();
            String request = GET.replace("\r\n\r\n", "\r\nCookie: " + name + "=x\r\n\r\n");
            assertThat(f.in(Packet.client(c2, w2, request)))
                    .hasSize(1)
                    .allMatch(packet -> packet.way() == Packet.Way.FORWARD);
        }

        @Test
        void shouldKeepEverythingBehindARequestThatWaits() {
            f.active(GET);
            f.in(Packet.client(c2, f.w(1), ELSEWHERE));
            assertThat(f.in(Packet.client(f.c(next(GET, ELSEWHERE)), f.w(1), GET)))
                    .isEmpty();
            f.in(Packet.kernel(f.r(1), c2, OK));
            assertThat(f.in(Packet.client(f.c(next(GET, ELSEWHERE, GET)), w2, "")))
                    .endsWith(Packet.toSwitch(MigrationTag.MOVED, c2, w2, ELSEWHERE + GET));
        }

        @Test
        void shouldGiveServerTheAcknowledgmentOfAHeldSegment() {
            f.active(GET);
            f.in(Packet.kernel(f.r(1), c2, OK.substring(0, 20)));
            assertThat(f.in(Packet.client(c2, f.w(21), ELSEWHERE)))
                    .containsExactly(Packet.toKernel(c2, f.r(21), ACK, ""));
            // Nothing new: another one would look like a duplicate acknowledgment.
            assertThat(f.in(Packet.client(c2, f.w(21), ELSEWHERE))).isEmpty();
        }

        @Test
        void shouldBounceLaterRequestWhenItDoesNotParse() {
            f.answered();
            Packet broken = Packet.client(c2, w2, "GET /img/a HTTP/1.1\r\nHost : h\r\n\r\n");
            assertThat(f.in(broken)).containsExactly(Packet.toKernel(c2, r2, ACK, ""), broken.bouncedTagged());
        }

        @Test
        void shouldAskForA400WhenAChunkCannotBeRead() {
            String post = "POST /img/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
            f.active(post);
            int body = f.c(next(post));
            Packet broken = Packet.client(body, f.w(1), "5 \r\nhello\r\n" + GET);
            assertThat(f.in(broken))
                    .contains(Packet.toSwitch(MigrationTag.BROKEN, body + 1, f.w(1), " \r\nhello\r\n" + GET));
            Packet again = Packet.client(body + 1, f.w(1), " \r\nhello\r\n" + GET);
            assertThat(f.in(again)).containsExactly(again.bouncedTagged(MigrationTag.BROKEN));
        }

        @Test
        void shouldPassRetransmissionOfTaggedRequestWhenItIsBelowAccepted() {
            f.answered();
            Packet again = Packet.tagged(MigrationTag.MOVED, f.c(1), f.w(1), GET);
            assertThat(f.in(again)).containsExactly(passed(again.from(Packet.VMAC)));
        }
    }

    @Nested
    class Pipelining {
        @Test
        void shouldPassAllInOrderWhenPoolIsTheSame() {
            f.active(GET);
            Packet two = Packet.client(c2, f.w(1), GET + GET);
            assertThat(f.in(two)).containsExactly(passed(two));
            Packet three = Packet.kernel(f.r(1), two.end(), OK + OK + OK);
            assertThat(f.in(three)).containsExactly(received(three));
            assertThat(f.in(Packet.client(two.end(), f.w(next(OK, OK, OK)), ELSEWHERE)))
                    .hasSize(2);
        }

        @Test
        void shouldMoveOneAfterTheOtherWhenPoolsAlternate() {
            f.active(GET);
            // Four at once: here, elsewhere, here, elsewhere.
            assertThat(f.in(Packet.client(c2, f.w(1), ELSEWHERE + GET + ELSEWHERE)))
                    .isEmpty();
            f.in(Packet.kernel(f.r(1), c2, OK));
            int end = f.c(next(GET, ELSEWHERE, GET, ELSEWHERE));
            assertThat(f.in(Packet.client(end, w2, "")))
                    .endsWith(Packet.toSwitch(MigrationTag.MOVED, c2, w2, ELSEWHERE + GET + ELSEWHERE));
            f.in(Packet.silence(c2, w2));
            // The other server's filter answered the first of them and sends the rest back.
            int c3 = f.c(next(GET, ELSEWHERE));
            int w3 = f.w(next(OK, OK));
            assertThat(f.in(Packet.tagged(MigrationTag.MOVED, c3, w3, GET + ELSEWHERE)))
                    .containsExactly(Packet.toKernel(c2, r2, ACK | PSH, GET));
            f.in(Packet.kernel(r2, c2 + GET.length(), OK));
            assertThat(f.in(Packet.client(end, w3 + OK.length(), "")))
                    .endsWith(Packet.toSwitch(
                            MigrationTag.MOVED, f.c(next(GET, ELSEWHERE, GET)), w3 + OK.length(), ELSEWHERE));
        }

        @Test
        void shouldHoldWhenSixteenAnswersAreOutstanding() {
            f.active(GET);
            Packet fifteen = Packet.client(c2, f.w(1), GET.repeat(15));
            assertThat(f.in(fifteen)).containsExactly(passed(fifteen));
            assertThat(f.in(Packet.client(fifteen.end(), f.w(1), GET))).isEmpty();
            assertThat(f.in(Packet.kernel(f.r(1), fifteen.end(), OK)))
                    .containsExactly(
                            Packet.toKernel(fifteen.end(), f.r(1), ACK | PSH, GET),
                            received(Packet.kernel(f.r(1), fifteen.end(), OK)));
        }
    }

    @Nested
    class PartialHeads {
        private final String first = ELSEWHERE.substring(0, 12);
        private final String second = ELSEWHERE.substring(12);

        @Test
        void shouldAcknowledgeWhatItHoldsAfterFortyMs() {
            f.answered();
            assertThat(f.in(Packet.client(c2, w2, first))).isEmpty();
            assertThat(f.after(39)).isEmpty();
            assertThat(f.after(1)).containsExactly(Packet.toClient(w2, c2 + 12, ACK, ""));
            assertThat(f.after(100)).isEmpty();
        }

        @Test
        void shouldAcknowledgeNothingWhenServerLacksBytesBeforeIt() {
            String post = "POST /img/a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n";
            int bodyEnd = f.c(next(post) + 9);
            f.active(post);
            f.in(Packet.kernel(f.r(1), f.c(next(post)), ""));
            // The body is lost on the way, and the next head comes in part.
            f.in(Packet.client(bodyEnd, f.w(1), first));
            assertThat(f.after(50)).isEmpty();
            f.in(Packet.client(f.c(next(post)), f.w(1), "some body"));
            f.in(Packet.kernel(f.r(1), bodyEnd, ""));
            assertThat(f.after(1)).containsExactly(Packet.toClient(f.w(1), bodyEnd + 12, ACK, ""));
        }

        @Test
        void shouldPassWholeHeadWhenItBelongsHere() {
            f.answered();
            f.in(Packet.client(c2, w2, GET.substring(0, 12)));
            f.after(40);
            assertThat(f.in(Packet.client(c2 + 12, w2, GET.substring(12))))
                    .containsExactly(Packet.toKernel(c2, r2, ACK | PSH, GET));
        }

        @Test
        void shouldBounceMovedWhenNothingWasAcknowledged() {
            f.answered();
            f.in(Packet.client(c2, w2, first));
            assertThat(f.in(Packet.client(c2 + 12, w2, second)))
                    .containsExactly(
                            Packet.toKernel(c2, r2, ACK, ""), Packet.toSwitch(MigrationTag.MOVED, c2, w2, ELSEWHERE));
            assertThat(f.after(400)).isEmpty();
        }

        @Test
        void shouldBounceHeldAgainAndAgainUntilConfirmed() {
            f.answered();
            f.in(Packet.client(c2, w2, first));
            f.after(40);
            Packet held = Packet.toSwitch(MigrationTag.HELD, c2, w2, ELSEWHERE);
            assertThat(f.in(Packet.client(c2 + 12, w2, second)))
                    .containsExactly(Packet.toKernel(c2, r2, ACK, ""), held);
            f.in(Packet.silence(c2, w2));
            assertThat(f.after(200)).containsExactly(held);
            assertThat(f.after(200)).containsExactly(held);
            assertThat(f.in(Packet.tagged(MigrationTag.CONFIRM, c2, w2, ""))).isEmpty();
            assertThat(f.after(200)).isEmpty();
            assertThat(f.count(FilterCounter.HELD_RESENT)).isEqualTo(2);
        }

        @Test
        void shouldBounceHeldNoMoreWhenTheConnectionIsOver() {
            f.answered();
            f.in(Packet.client(c2, w2, first));
            f.after(40);
            f.in(Packet.client(c2 + 12, w2, second));
            f.in(Packet.silence(c2, w2));
            f.in(Packet.silence(c2, w2));
            assertThat(f.after(200)).isEmpty();
            assertThat(f.after(400)).isEmpty();
        }

        @Test
        void shouldGiveUpWhenHeldIsNeverConfirmed() {
            f.answered();
            f.in(Packet.client(c2, w2, first));
            f.after(40);
            f.in(Packet.client(c2 + 12, w2, second));
            for (int i = 0; i < 25; i++) {
                assertThat(f.after(200)).hasSize(1);
            }
            assertThat(f.after(200)).isEmpty();
            assertThat(f.after(200)).isEmpty();
        }

        @Test
        void shouldKeepBytesWhenServersTcpEndsBeforeTheyAreConfirmed() {
            f.answered();
            f.in(Packet.client(c2, w2, first));
            f.after(40);
            f.in(Packet.client(c2 + 12, w2, second));
            f.in(Packet.kernel(r2, c2, "").fin());
            f.in(Packet.silence(c2, w2));
            assertThat(f.after(200)).containsExactly(Packet.toSwitch(MigrationTag.HELD, c2, w2, ELSEWHERE));
        }

        @Test
        void shouldPassHeldBytesWhenTheyComeBackToThisServer() {
            f.answered();
            f.in(Packet.client(c2, w2, first));
            f.after(40);
            f.in(Packet.client(c2 + 12, w2, second));
            assertThat(f.in(Packet.tagged(MigrationTag.HELD, c2, w2, ELSEWHERE)))
                    .containsExactly(
                            Packet.toKernel(c2, r2, ACK | PSH, ELSEWHERE),
                            Packet.toSwitch(MigrationTag.CONFIRM, c2, w2, ""));
            assertThat(f.after(400)).isEmpty();
        }

        @Test
        void shouldForgetHeldBytesWhenLaterRequestComesBeforeTheirConfirm() {
            f.answered();
            f.in(Packet.client(c2, w2, first));
            f.after(40);
            f.in(Packet.client(c2 + 12, w2, second));
            f.in(Packet.silence(c2, w2));
            Packet later = Packet.tagged(MigrationTag.MOVED, c2 + ELSEWHERE.length(), w2 + 50, GET);
            assertThat(f.in(later)).containsExactly(later.from(Packet.VMAC).forwarded(c2, r2));
            assertThat(f.after(400)).isEmpty();
        }

        @Test
        void shouldUseScaleThatWasPromisedForTheWindow() {
            f.rebuilding(first);
            f.in(Packet.synAck(f.r(0), f.c(1)).window(64_000));
            assertThat(f.after(40))
                    .containsExactly(
                            Packet.toClient(f.w(1), f.c(next(first)), ACK, "").window(500));
        }
    }

    @Nested
    class Bounds {
        @Test
        void shouldDropAndCountWhatDoesNotFitBehindAWaitingRequest() {
            f.active(GET);
            f.in(Packet.client(c2, f.w(1), ELSEWHERE));
            int at = f.c(next(GET, ELSEWHERE));
            for (int i = 0; i < 14; i++) {
                assertThat(f.in(Packet.client(at, f.w(1), "x".repeat(1_448)))).isEmpty();
                at += 1_448;
            }
            assertThat(f.count(FilterCounter.DROPPED_HELD_FULL)).isZero();
            assertThat(f.in(Packet.client(at, f.w(1), "x".repeat(1_448)))).isEmpty();
            assertThat(f.count(FilterCounter.DROPPED_HELD_FULL)).isOne();
        }

        @Test
        void shouldCloseGapsWhenManySegmentsComeInReverse() {
            f.answered();
            List<String> pieces = List.of(GET.substring(0, 8), GET.substring(8, 16), GET.substring(16, 24));
            for (int i = 2; i > 0; i--) {
                assertThat(f.in(Packet.client(c2 + 8 * i, w2, pieces.get(i)))).isEmpty();
            }
            assertThat(f.in(Packet.client(c2 + 24, w2, GET.substring(24)).fin()))
                    .isEmpty();
            assertThat(f.in(Packet.client(c2, w2, pieces.get(0))))
                    .containsExactly(Packet.toKernel(c2, r2, ACK | PSH | FIN, GET));
        }
    }
}
