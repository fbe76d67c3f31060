package org.dwsr.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.filter.FilterFixture.ELSEWHERE;
import static org.dwsr.filter.FilterFixture.GET;
import static org.dwsr.filter.FilterFixture.OK;
import static org.dwsr.filter.FilterFixture.next;
import static org.dwsr.packet.TcpFlags.ACK;
import static org.dwsr.packet.TcpFlags.PSH;
import static org.dwsr.packet.TcpFlags.RST;

import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** The table in {@link FilterCore}'s comment from the bounce on, cell by cell. */
class FilterCoreLaterStatesTest {
    private final FilterFixture f = new FilterFixture();
    /** Where the second request and the second response start. */
    private final int c2 = f.c(next(GET));

    private final int w2 = f.w(next(OK));
    private final int r2 = f.r(next(OK));

    @Nested
    class Bounced {
        @Test
        void shouldGoOnWithSameTcpWhenRequestReturns() {
            f.bounced();
            Packet request = Packet.tagged(MigrationTag.MOVED, c2, w2, ELSEWHERE);
            assertThat(f.in(request)).containsExactly(request.from(Packet.VMAC).forwarded(c2, r2));
            assertThat(f.count(FilterCounter.SWITCH_BACKS)).isOne();
        }

        @Test
        void shouldRebuildWhenServersTcpHasEndedMeanwhile() {
            f.bounced();
            assertThat(f.in(Packet.kernel(r2, c2, "").fin()))
                    .containsExactly(Packet.toKernel(c2, f.r(next(OK) + 1), RST | ACK, ""));
            assertThat(f.in(Packet.tagged(MigrationTag.MOVED, c2, w2, ELSEWHERE)))
                    .containsExactly(Packet.synToKernel(f.c(next(GET) - 1)), Packet.synToKernel(f.c(next(GET) - 1)));
        }

        @Test
        void shouldBounceRequestAgainTaggedWhenItIsRetransmitted() {
            f.bounced();
            Packet request = Packet.client(c2, w2, ELSEWHERE);
            assertThat(f.in(request)).containsExactly(request.bouncedTagged());
        }

        @Test
        void shouldBounceLaterPayloadUntaggedWhenSilenceComesOrFiveMsAreOver() {
            f.bounced();
            // A tag would ask the web switch to move what is the middle of a request.
            Packet later = Packet.client(f.c(next(GET, ELSEWHERE)), w2, "more");
            assertThat(f.in(later)).isEmpty();
            assertThat(f.after(5)).containsExactly(later.bouncedLate());
            assertThat(f.in(later)).isEmpty();
            assertThat(f.in(Packet.silence(c2, w2))).containsExactly(later.bouncedLate());
            assertThat(f.after(5)).isEmpty();
        }

        @Test
        void shouldKeepLaterPayloadWhenRequestReturnsToThisServer() {
            f.answered();
            String post = "POST /a.php HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n";
            assertThat(f.in(Packet.client(c2, w2, post))).hasSize(2);
            assertThat(f.in(Packet.client(f.c(next(GET, post)), w2, "body"))).isEmpty();
            assertThat(f.in(Packet.tagged(MigrationTag.MOVED, c2, w2, post)))
                    .containsExactly(Packet.toKernel(c2, r2, ACK | PSH, post + "body"));
        }

        @Test
        void shouldBounceBareAckAndFin() {
            f.bounced();
            Packet bare = Packet.client(f.c(next(GET, ELSEWHERE)), w2, "");
            assertThat(f.in(bare)).containsExactly(bare.bouncedTagged());
            assertThat(f.in(bare.fin())).containsExactly(bare.fin().bouncedTagged());
        }

        @Test
        void shouldDropRetransmissionWhenServerHadItAlready() {
            f.bounced();
            assertThat(f.in(Packet.client(f.c(1), f.w(1), GET))).isEmpty();
            assertThat(f.count(FilterCounter.DROPPED_STALE_SEGMENT)).isOne();
        }

        @Test
        void shouldEndAndResetServerWhenClientResets() {
            f.bounced();
            Packet reset = Packet.client(f.c(next(GET, ELSEWHERE)), 0, "").rst();
            // Another server may have the connection by now.
            assertThat(f.in(reset)).containsExactly(Packet.toKernel(c2, r2, RST | ACK, ""), reset.bounced());
            assertThat(f.report()).containsExactly("ended 1");
        }

        @Test
        void shouldHandOnEveryResetBecauseOnlyOneMayHaveTheNumber() {
            f.bounced();
            Packet first = Packet.client(f.c(next(GET, ELSEWHERE)), 0, "").rst();
            Packet second = Packet.client(f.c(next(GET, ELSEWHERE)) + 1, 0, "").rst();
            f.in(first);
            assertThat(f.in(second)).containsExactly(second.bounced());
            assertThat(f.report()).containsExactly("ended 1");
        }

        @Test
        void shouldBecomeSilentWithoutAnotherAckWhenSilenced() {
            assertThat(f.silent()).isEmpty();
            assertThat(f.in(Packet.client(f.c(next(GET, ELSEWHERE)), w2, ""))).isEmpty();
        }

        @Test
        void shouldSwallowServersSegments() {
            f.bounced();
            assertThat(f.in(Packet.kernel(f.r(1), c2, OK))).isEmpty();
            assertThat(f.in(Packet.kernel(r2, c2, ""))).isEmpty();
        }

        @Test
        void shouldReportItLive() {
            f.bounced();
            assertThat(f.report()).hasSize(1).first().asString().startsWith("live");
        }
    }

    @Nested
    class Silent {
        @Test
        void shouldHandOnEveryResetAndStaySilent() {
            f.silent();
            // With another server's numbers, of which one may look right here.
            Packet later = Packet.client(f.c(next(GET, ELSEWHERE)) + 900, 0, "").rst();
            Packet exact = Packet.client(f.c(next(GET, ELSEWHERE)), 0, "").rst();
            assertThat(f.in(exact)).containsExactly(exact.bounced());
            assertThat(f.in(later)).containsExactly(later.bounced());
            assertThat(f.report()).isEmpty();
            Packet request = Packet.tagged(MigrationTag.MOVED, c2 + 300, w2 + 77, GET);
            assertThat(f.in(request)).containsExactly(request.from(Packet.VMAC).forwarded(c2, r2));
        }

        @Test
        void shouldGoOnWithSameTcpWhenRequestReturns() {
            f.silent();
            int shift = 300;
            Packet request = Packet.tagged(MigrationTag.MOVED, c2 + shift, w2 + 77, GET);
            assertThat(f.in(request)).containsExactly(request.from(Packet.VMAC).forwarded(c2, r2));
            assertThat(f.count(FilterCounter.REBUILDS_STARTED)).isOne();
        }

        @Test
        void shouldDropTaggedRequestWhenItIsBelowAccepted() {
            f.silent();
            assertThat(f.in(Packet.tagged(MigrationTag.MOVED, f.c(1), f.w(1), GET)))
                    .isEmpty();
            assertThat(f.rebuilding(GET)).isEmpty();
            assertThat(f.count(FilterCounter.DROPPED_STALE_TAG)).isEqualTo(2);
        }

        @Test
        void shouldStartAnewWhenOtherFreshRequestComes() {
            f.silent();
            assertThat(f.in(Packet.tagged(MigrationTag.FRESH, f.c(90_001), f.w(7_001), GET)))
                    .containsExactly(
                            Packet.toKernel(c2, r2, RST | ACK, ""),
                            Packet.synToKernel(f.c(90_000)),
                            Packet.synToKernel(f.c(90_000)));
        }

        @Test
        void shouldBouncePayloadUntaggedWhenItsTagDoesNotCome() {
            f.silent();
            Packet late = Packet.client(f.c(next(GET, ELSEWHERE)), w2, "late");
            assertThat(f.in(late)).isEmpty();
            assertThat(f.after(5)).containsExactly(late.bouncedLate());
        }

        @Test
        void shouldAbsorbBareAck() {
            f.silent();
            assertThat(f.in(Packet.client(f.c(next(GET, ELSEWHERE)), w2, ""))).isEmpty();
        }

        @Test
        void shouldEndAtOnceWhenSilencedAgain() {
            f.silent();
            assertThat(f.in(Packet.silence(c2, w2))).containsExactly(Packet.toKernel(c2, r2, RST | ACK, ""));
            assertThat(f.report()).isEmpty();
        }

        @Test
        void shouldSwallowServersSegments() {
            f.silent();
            assertThat(f.in(Packet.kernel(f.r(1), c2, OK))).isEmpty();
            assertThat(f.in(Packet.kernel(r2 - 1, c2, ""))).isEmpty();
            assertThat(f.count(FilterCounter.SILENT_SWALLOWED)).isEqualTo(2);
        }

        @Test
        void shouldEndAtOnceWhenServerCloses() {
            f.silent();
            assertThat(f.in(Packet.kernel(r2, c2, "").fin()))
                    .containsExactly(Packet.toKernel(c2, f.r(next(OK) + 1), RST | ACK, ""));
            assertThat(f.count(FilterCounter.SILENT_ENDED_BY_SERVER)).isOne();
        }

        @Test
        void shouldNotBeReportedLive() {
            f.silent();
            assertThat(f.report()).isEmpty();
        }
    }

    @Nested
    class Ended {
        @Test
        void shouldRebuildWhenOtherFreshRequestComes() {
            f.ended();
            assertThat(f.in(Packet.tagged(MigrationTag.FRESH, f.c(90_001), f.w(7_001), GET)))
                    .containsExactly(Packet.synToKernel(f.c(90_000)), Packet.synToKernel(f.c(90_000)));
        }

        @Test
        void shouldDropTaggedRequestWhenItIsRepeated() {
            f.ended();
            assertThat(f.rebuilding(GET)).isEmpty();
            assertThat(f.count(FilterCounter.DROPPED_STALE_TAG)).isOne();
        }

        @Test
        void shouldPassLateSegmentsOfBothSides() {
            f.ended();
            Packet fin = Packet.client(c2, w2 + 1, "").fin();
            assertThat(f.in(fin)).containsExactly(fin.forwarded(c2, r2 + 1));
            Packet ack = Packet.kernel(r2 + 1, c2 + 1, "");
            assertThat(f.in(ack)).containsExactly(ack.forwarded(w2 + 1, c2 + 1));
        }

        @Test
        void shouldBeForgottenWhenSilencedOrTimeIsOver() {
            f.ended();
            assertThat(f.in(Packet.silence(c2, w2))).isEmpty();
            Packet fin = Packet.client(c2, w2 + 1, "").fin();
            assertThat(f.in(fin)).containsExactly(fin.bounced());
            FilterFixture other = new FilterFixture();
            other.ended();
            assertThat(other.after(2_001)).isEmpty();
            assertThat(other.in(fin)).containsExactly(fin.bounced());
            assertThat(other.count(FilterCounter.UNKNOWN_BOUNCED)).isOne();
        }

        @Test
        void shouldBeReportedOnceWithItsRequest() {
            f.ended();
            assertThat(f.report()).containsExactly("ended 1");
            assertThat(f.report()).isEmpty();
        }
    }
}
