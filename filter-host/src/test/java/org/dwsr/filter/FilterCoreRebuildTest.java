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

/** Replaying the handshake from one tagged request, and all that can be in its way. */
class FilterCoreRebuildTest {
    private static final String POST = "POST /img/a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n";

    private final FilterFixture f = new FilterFixture();
    private final int c2 = f.c(next(GET));
    private final int w2 = f.w(next(OK));
    private final int r2 = f.r(next(OK));

    @Nested
    class Handshake {
        @Test
        void shouldOfferOnlyWhatClientOffered() {
            Packet plain = Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), GET)
                    .from(MigrationTag.with(MigrationTag.of(0, 15, 15, false), Packet.IMAGES, MigrationTag.FRESH));
            Packet syn = Packet.synToKernel(f.c(0)).options("mss=536");
            assertThat(f.in(plain)).containsExactly(syn, syn);
        }

        @Test
        void shouldRepeatSynTwiceEachTwoHundredMsWhenServerIsSilent() {
            f.rebuilding(GET);
            assertThat(f.after(199)).isEmpty();
            assertThat(f.after(1)).containsExactly(Packet.synToKernel(f.c(0)), Packet.synToKernel(f.c(0)));
            assertThat(f.after(199)).isEmpty();
            assertThat(f.after(1)).hasSize(2);
        }

        @Test
        void shouldCutLongRequestToSegments() {
            String longGet = "GET /img/" + "a".repeat(3_000) + " HTTP/1.1\r\nHost: h\r\n\r\n";
            f.rebuilding(longGet.substring(0, 1_448));
            f.in(Packet.client(f.c(1_449), f.w(1), longGet.substring(1_448)));
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1))))
                    .containsExactly(
                            Packet.toKernel(f.c(1), f.r(1), ACK, ""),
                            Packet.toKernel(f.c(1), f.r(1), ACK, longGet.substring(0, 1_448)),
                            Packet.toKernel(f.c(1_449), f.r(1), ACK, longGet.substring(1_448, 2_896)),
                            Packet.toKernel(f.c(2_897), f.r(1), ACK | PSH, longGet.substring(2_896)));
        }

        @Test
        void shouldPassRequestsFinWhenClientHalfCloses() {
            f.in(Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), GET).fin());
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1))))
                    .containsExactly(
                            Packet.toKernel(f.c(1), f.r(1), ACK, ""),
                            Packet.toKernel(f.c(1), f.r(1), ACK | PSH | FIN, GET));
        }

        @Test
        void shouldHoldPipelinedRequestWhenItBelongsElsewhere() {
            f.rebuilding(GET + ELSEWHERE);
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1))))
                    .containsExactly(
                            Packet.toKernel(f.c(1), f.r(1), ACK, ""), Packet.toKernel(f.c(1), f.r(1), ACK | PSH, GET));
        }

        @Test
        void shouldPassTaggedRequestWithoutSecondOpinion() {
            f.rebuilding(ELSEWHERE);
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1))))
                    .containsExactly(
                            Packet.toKernel(f.c(1), f.r(1), ACK, ""),
                            Packet.toKernel(f.c(1), f.r(1), ACK | PSH, ELSEWHERE));
        }
    }

    @Nested
    class ReorderedHead {
        private final String first = GET.substring(0, 10);
        private final String second = GET.substring(10);

        @Test
        void shouldWaitForTagWhenSecondSegmentOfFreshRequestComesFirst() {
            assertThat(f.in(Packet.client(f.c(11), f.w(1), second))).isEmpty();
            assertThat(f.after(4)).isEmpty();
            assertThat(f.rebuilding(first)).hasSize(2);
            assertThat(f.after(5)).isEmpty();
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1))))
                    .containsExactly(
                            Packet.toKernel(f.c(1), f.r(1), ACK, ""), Packet.toKernel(f.c(1), f.r(1), ACK | PSH, GET));
        }

        @Test
        void shouldWaitForTagWhenSecondSegmentOfReturningRequestComesFirst() {
            f.silent();
            int back = 500;
            assertThat(f.in(Packet.client(c2 + back + 10, w2 + 70, second))).isEmpty();
            assertThat(f.in(Packet.tagged(MigrationTag.MOVED, c2 + back, w2 + 70, first)))
                    .containsExactly(Packet.toKernel(c2, r2, ACK | PSH, GET));
            assertThat(f.after(5)).isEmpty();
        }

        @Test
        void shouldWaitForRestWhenTaggedFirstSegmentIsNoWholeHead() {
            f.silent();
            assertThat(f.in(Packet.tagged(MigrationTag.MOVED, c2, w2, first))).isEmpty();
            Packet rest = Packet.client(c2 + 10, w2, second);
            assertThat(f.in(rest)).containsExactly(Packet.toKernel(c2, r2, ACK | PSH, GET));
        }

        @Test
        void shouldWaitForTagWhenSecondSegmentOfNewConnectionOnOldPortsComesFirst() {
            f.answered();
            f.in(Packet.syn(f.c(90_000)));
            assertThat(f.in(Packet.client(f.c(90_011), f.w(7_001), second))).isEmpty();
            f.in(Packet.tagged(MigrationTag.FRESH, f.c(90_001), f.w(7_001), first));
            assertThat(f.in(Packet.synAck(f.r(33_000), f.c(90_001))))
                    .containsExactly(
                            Packet.toKernel(f.c(90_001), f.r(33_001), ACK, ""),
                            Packet.toKernel(f.c(90_001), f.r(33_001), ACK | PSH, GET));
        }
    }

    @Nested
    class OldSocket {
        @Test
        void shouldResetExactlyThenSynAgainWhenTimeWaitAnswersWithBareAck() {
            f.rebuilding(GET);
            int oldNumber = f.c(-7_777);
            assertThat(f.in(Packet.kernel(f.r(-500), oldNumber, "")))
                    .containsExactly(
                            Packet.toKernel(oldNumber, 0, RST, ""),
                            Packet.synToKernel(f.c(0)),
                            Packet.synToKernel(f.c(0)));
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1)))).hasSize(2);
        }

        @Test
        void shouldResetExactlyWhenHalfOpenSocketAnswersForEarlierSyn() {
            f.rebuilding(GET);
            assertThat(f.in(Packet.synAck(f.r(-500), f.c(-99))))
                    .startsWith(Packet.toKernel(f.c(-99), 0, RST, ""))
                    .hasSize(3);
        }

        @Test
        void shouldBounceAsRefusedWhenOldSocketCannotBeCleared() {
            f.rebuilding(GET);
            for (int i = 0; i < 8; i++) {
                assertThat(f.in(Packet.kernel(f.r(-500), f.c(-99), ""))).hasSize(3);
            }
            assertThat(f.in(Packet.kernel(f.r(-500), f.c(-99), "")))
                    .containsExactly(Packet.toSwitch(MigrationTag.REFUSED, f.c(1), f.w(1), GET));
        }
    }

    @Nested
    class Refused {
        @Test
        void shouldBounceWholeRequestWhenServerResets() {
            f.rebuilding(POST);
            f.in(Packet.client(f.c(next(POST)), f.w(1), "body"));
            assertThat(f.in(Packet.kernel(0, f.c(1), "").flags(RST | ACK)))
                    .containsExactly(Packet.toSwitch(MigrationTag.REFUSED, f.c(1), f.w(1), POST + "body"));
            assertThat(f.count(FilterCounter.REBUILDS_REFUSED)).isOne();
        }

        @Test
        void shouldTagOnlyFirstSegmentWhenRequestIsLong() {
            String post = POST.replace("4", "2000") + "x".repeat(2_000);
            f.rebuilding(post.substring(0, 1_400));
            f.in(Packet.client(f.c(1_401), f.w(1), post.substring(1_400)));
            assertThat(f.in(Packet.kernel(0, f.c(1), "").flags(RST | ACK)))
                    .containsExactly(
                            Packet.toSwitch(MigrationTag.REFUSED, f.c(1), f.w(1), post.substring(0, 1_448))
                                    .flags(ACK),
                            Packet.toSwitch(MigrationTag.REFUSED, f.c(1_449), f.w(1), post.substring(1_448))
                                    .from(Packet.CLIENT));
        }

        @Test
        void shouldBounceWhenServerDoesNotAnswerForASecond() {
            f.rebuilding(GET);
            assertThat(f.after(999)).containsOnly(Packet.synToKernel(f.c(0)));
            assertThat(f.after(1)).containsExactly(Packet.toSwitch(MigrationTag.REFUSED, f.c(1), f.w(1), GET));
            assertThat(f.after(300)).isEmpty();
            assertThat(f.report()).isEmpty();
        }

        @Test
        void shouldResetExactlyWhenServerAnswersTooLate() {
            f.rebuilding(GET);
            f.after(1_000);
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1))))
                    .containsExactly(Packet.toKernel(f.c(1), 0, RST, "").window(0));
        }

        @Test
        void shouldIgnoreResetWhenItDoesNotAnswerOurSyn() {
            f.rebuilding(GET);
            assertThat(f.in(Packet.kernel(f.r(-500), f.c(-99), "").flags(RST | ACK)))
                    .isEmpty();
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1)))).hasSize(2);
        }
    }

    @Nested
    class Duplicates {
        private static final String DONE = "HTTP/1.1 204 N\r\n\r\n";

        @Test
        void shouldPassPostAsRetransmissionWhenItComesAtTheSameTime() {
            f.active(POST + "body");
            Packet again = Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), POST + "body");
            assertThat(f.in(again)).containsExactly(again.from(Packet.VMAC).forwarded(f.c(1), f.r(1)));
            assertThat(f.count(FilterCounter.REBUILDS_STARTED)).isOne();
        }

        @Test
        void shouldPassPostAsRetransmissionWhenItComesAfterResponse() {
            f.active(POST + "body");
            f.in(Packet.kernel(f.r(1), f.c(next(POST, "body")), DONE));
            f.in(Packet.client(f.c(next(POST, "body")), f.w(next(DONE)), ""));
            f.after(3_000);
            Packet again = Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), POST + "body");
            assertThat(f.in(again)).containsExactly(again.from(Packet.VMAC).forwarded(f.c(1), f.r(1)));
            assertThat(f.count(FilterCounter.REBUILDS_STARTED)).isOne();
        }

        @Test
        void shouldPassOnlyMissingPartWhenTaggedRequestComesAgainLonger() {
            f.active(POST + "bo");
            Packet longer = Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), POST + "body");
            assertThat(f.in(longer)).containsExactly(longer.from(Packet.VMAC).forwarded(f.c(1), f.r(1)));
        }

        @Test
        void shouldNotRunPostAgainWhenClientHasReset() {
            f.active(POST + "body");
            f.in(Packet.client(f.c(next(POST, "body")), 0, "").rst());
            assertThat(f.rebuilding(POST + "body")).isEmpty();
            assertThat(f.count(FilterCounter.DROPPED_STALE_TAG)).isOne();
        }

        @Test
        void shouldNotRunPostAgainWhenServerHasReset() {
            f.active(POST + "body");
            f.in(Packet.kernel(f.r(1), f.c(next(POST, "body")), "").flags(RST | ACK));
            assertThat(f.rebuilding(POST + "body")).isEmpty();
            assertThat(f.in(Packet.client(f.c(1), f.w(1), POST + "body"))).isEmpty();
            assertThat(f.after(5)).isEmpty();
        }

        @Test
        void shouldNotRunMovedPostAgainWhenConnectionHasMovedOn() {
            f.in(Packet.tagged(MigrationTag.MOVED, f.c(1), f.w(1), POST + "body"));
            f.in(Packet.synAck(f.r(0), f.c(1)));
            f.in(Packet.kernel(f.r(1), f.c(next(POST, "body")), DONE));
            f.in(Packet.client(f.c(next(POST, "body")), f.w(next(DONE)), ELSEWHERE));
            f.in(Packet.silence(f.c(next(POST, "body")), f.w(next(DONE))));
            assertThat(f.in(Packet.tagged(MigrationTag.MOVED, f.c(1), f.w(1), POST + "body")))
                    .isEmpty();
            assertThat(f.count(FilterCounter.DROPPED_STALE_TAG)).isOne();
        }
    }

    @Nested
    class NewSynOnOldFlow {
        private final int isn = f.c(90_000);

        @Test
        void shouldBouncePacketsOfBouncedSynAndDropItsAcks() {
            f.answered();
            assertThat(f.in(Packet.syn(isn))).containsExactly(Packet.syn(isn).bounced());
            assertThat(f.in(Packet.client(isn + 1, f.w(7_001), ""))).isEmpty();
            Packet request = Packet.client(isn + 1, f.w(7_001), GET);
            assertThat(f.in(request)).containsExactly(request.bounced());
        }

        @Test
        void shouldKeepOldStateWhenSynIsBounced() {
            f.answered();
            f.in(Packet.syn(isn));
            Packet old = Packet.client(c2, w2, GET);
            assertThat(f.in(old)).containsExactly(old.forwarded(c2, r2));
            assertThat(f.report()).hasSize(1);
        }

        @Test
        void shouldReplaceStateWhenTaggedFreshComes() {
            f.answered();
            f.in(Packet.syn(isn));
            assertThat(f.in(Packet.tagged(MigrationTag.FRESH, isn + 1, f.w(7_001), GET)))
                    .containsExactly(
                            Packet.toKernel(c2, r2, RST | ACK, ""), Packet.synToKernel(isn), Packet.synToKernel(isn));
            f.in(Packet.synAck(f.r(33_000), isn + 1));
            Packet response = Packet.kernel(f.r(33_001), isn + next(GET), OK);
            assertThat(f.in(response)).containsExactly(response.forwarded(f.w(7_001), isn + next(GET)));
        }

        @Test
        void shouldReplaceStateWhenFirstRequestIsHeld() {
            f.answered();
            f.in(Packet.syn(isn));
            assertThat(f.in(Packet.tagged(MigrationTag.HELD, isn + 1, f.w(7_001), GET)))
                    .containsExactly(
                            Packet.toKernel(c2, r2, RST | ACK, ""), Packet.synToKernel(isn), Packet.synToKernel(isn));
        }

        @Test
        void shouldReplaceStateWhenOthersRefusedFirstRequestAndSynWasNotSeenHere() {
            f.answered();
            int far = f.c(40_000_001);
            assertThat(f.in(Packet.tagged(MigrationTag.MOVED, far, f.w(70_000_001), GET)))
                    .containsExactly(
                            Packet.toKernel(c2, r2, RST | ACK, ""),
                            Packet.synToKernel(far - 1),
                            Packet.synToKernel(far - 1));
        }

        @Test
        void shouldClearHalfOpenSocketWhenItIsReplacedDuringRebuild() {
            f.rebuilding(GET);
            f.in(Packet.tagged(MigrationTag.FRESH, isn + 1, f.w(7_001), GET));
            assertThat(f.in(Packet.kernel(f.r(1), f.c(1), "")))
                    .containsExactly(
                            Packet.toKernel(f.c(1), 0, RST, ""), Packet.synToKernel(isn), Packet.synToKernel(isn));
        }
    }

    @Nested
    class Held {
        @Test
        void shouldConfirmWhenWholeHeadIsAtTheServer() {
            f.in(Packet.tagged(MigrationTag.HELD, f.c(1), f.w(1), GET));
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1))))
                    .containsExactly(
                            Packet.toKernel(f.c(1), f.r(1), ACK, ""),
                            Packet.toKernel(f.c(1), f.r(1), ACK | PSH, GET),
                            Packet.toSwitch(MigrationTag.CONFIRM, f.c(1), f.w(1), ""));
        }

        @Test
        void shouldNotConfirmUntilWholeHeadIsHere() {
            String first = GET.substring(0, 10);
            f.in(Packet.tagged(MigrationTag.HELD, f.c(1), f.w(1), first));
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1)))).containsExactly(Packet.toKernel(f.c(1), f.r(1), ACK, ""));
            assertThat(f.in(Packet.client(f.c(11), f.w(1), GET.substring(10))))
                    .containsExactly(
                            Packet.toKernel(f.c(1), f.r(1), ACK | PSH, GET),
                            Packet.toSwitch(MigrationTag.CONFIRM, f.c(1), f.w(1), ""));
            assertThat(f.count(FilterCounter.CONFIRMS_SENT)).isOne();
        }

        @Test
        void shouldConfirmAgainWhenHeldRequestIsRepeated() {
            f.in(Packet.tagged(MigrationTag.HELD, f.c(1), f.w(1), GET));
            f.in(Packet.synAck(f.r(0), f.c(1)));
            Packet again = Packet.tagged(MigrationTag.HELD, f.c(1), f.w(1), GET);
            assertThat(f.in(again))
                    .containsExactly(
                            Packet.toSwitch(MigrationTag.CONFIRM, f.c(1), f.w(1), ""),
                            again.from(Packet.VMAC).forwarded(f.c(1), f.r(1)));
        }

        @Test
        void shouldConfirmWhenHeldRequestReturnsToSilentServer() {
            f.silent();
            Packet back = Packet.tagged(MigrationTag.HELD, c2 + 50, w2 + 60, GET);
            assertThat(f.in(back))
                    .containsExactly(
                            Packet.toSwitch(MigrationTag.CONFIRM, c2 + 50, w2 + 60, ""),
                            back.from(Packet.VMAC).forwarded(c2, r2));
        }
    }
}
