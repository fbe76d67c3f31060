package org.dwsr.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.filter.FilterFixture.ELSEWHERE;
import static org.dwsr.filter.FilterFixture.GET;
import static org.dwsr.filter.FilterFixture.OK;
import static org.dwsr.filter.FilterFixture.next;
import static org.dwsr.packet.TcpFlags.ACK;
import static org.dwsr.packet.TcpFlags.PSH;

import java.util.List;
import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** Cookie name rewriting (paper figure 7), whatever the segments look like. */
class FilterCoreCookieTest {
    private static final String SET =
            "HTTP/1.1 200 OK\r\nSet-Cookie: PHPSESSID=v; Path=/\r\nContent-Length: 2\r\n\r\nok";
    private static final String RENAMED = SET.replace("PHPSESSID", "DR0189C1D");
    private static final String SEND =
            "GET /img/a HTTP/1.1\r\nHost: h\r\nCookie: a=b; DR0189C1D=v; DR0209C3D=w\r\n\r\n";
    private static final String RESTORED = SEND.replace("DR0189C1D", "PHPSESSID");

    private final FilterFixture f = new FilterFixture();

    private static String payloads(List<Packet> packets) {
        StringBuilder all = new StringBuilder();
        for (Packet packet : packets) {
            all.append(packet.payload());
        }
        return all.toString();
    }

    @Nested
    class Responses {
        private final int c2 = f.c(next(GET));

        @Test
        void shouldRenameCookieInItsSegment() {
            f.active(GET);
            assertThat(f.in(Packet.kernel(f.r(1), c2, SET)))
                    .containsExactly(Packet.kernel(f.r(1), c2, RENAMED).forwarded(f.w(1), c2));
        }

        @Test
        void shouldRenameCookieWhenNameIsSplitOverSegments() {
            int name = SET.indexOf("PHPSESSID");
            for (int cut = name; cut <= name + 9; cut++) {
                FilterFixture g = new FilterFixture();
                g.active(GET);
                assertThat(g.in(Packet.kernel(g.r(1), c2, SET.substring(0, cut))))
                        .isEmpty();
                assertThat(g.in(Packet.kernel(g.r(1) + cut, c2, SET.substring(cut))))
                        .containsExactly(Packet.toClient(g.w(1), c2, ACK | PSH, RENAMED));
            }
        }

        @Test
        void shouldRenameInRetransmissionsHoweverTheyAreCut() {
            f.active(GET);
            f.in(Packet.kernel(f.r(1), c2, SET));
            for (int from = 0; from < SET.length() - 1; from++) {
                for (int to = from + 1; to <= SET.length(); to += 1 + from % 7) {
                    Packet again = Packet.kernel(f.r(1) + from, c2, SET.substring(from, to));
                    assertThat(f.in(again))
                            .containsExactly(
                                    again.payload(RENAMED.substring(from, to)).forwarded(f.w(1) + from, c2));
                }
            }
        }

        @Test
        void shouldRenameInRetransmissionWhenBothSidesHaveClosed() {
            f.active(GET);
            f.in(Packet.client(c2, f.w(1), "").fin());
            Packet response = Packet.kernel(f.r(1), c2 + 1, SET).fin();
            Packet renamed = response.payload(RENAMED).forwarded(f.w(1), c2 + 1);
            assertThat(f.in(response)).containsExactly(renamed);
            f.after(2_500);
            assertThat(f.in(response)).containsExactly(renamed);
        }

        @Test
        void shouldRenameInOffloadedFrameAndLeaveItsPartialChecksum() {
            String big =
                    SET.replace("Content-Length: 2\r\n\r\nok", "Content-Length: 60000\r\n\r\n" + "z".repeat(60_000));
            f.active(GET);
            assertThat(f.inPartial(Packet.kernel(f.r(1), c2, big)))
                    .containsExactly(Packet.kernel(f.r(1), c2, big.replace("PHPSESSID", "DR0189C1D"))
                            .forwarded(f.w(1), c2));
        }

        @Test
        void shouldTakeTypeOfTheRequestThatIsAnswered() {
            f.active(GET);
            // A second request of the same connection, which the web switch sent here as the other content type.
            f.in(Packet.kernel(f.r(1), c2, OK));
            f.in(Packet.client(c2, f.w(next(OK)), ELSEWHERE));
            f.in(Packet.tagged(MigrationTag.MOVED, c2, f.w(next(OK)), ELSEWHERE)
                    .from(MigrationTag.with(Packet.TAG, Packet.APP, MigrationTag.MOVED)));
            Packet response = Packet.kernel(f.r(next(OK)), c2 + ELSEWHERE.length(), SET);
            assertThat(f.in(response))
                    .containsExactly(response.payload(SET.replace("PHPSESSID", "DR0209C1D"))
                            .forwarded(f.w(next(OK)), c2 + ELSEWHERE.length()));
        }

        @Test
        void shouldNotTouchBodies() {
            f.active(GET);
            String body = "HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\nSet-Cookie: PHPSESSID=v\n";
            Packet response = Packet.kernel(f.r(1), c2, body);
            assertThat(f.in(response)).containsExactly(response.forwarded(f.w(1), c2));
        }
    }

    @Nested
    class Requests {
        @Test
        void shouldRestoreOwnNameOnlyInTheFirstRequest() {
            assertThat(f.active(SEND)).endsWith(Packet.toKernel(f.c(1), f.r(1), ACK | PSH, RESTORED));
        }

        @Test
        void shouldRestoreInLaterRequest() {
            f.answered();
            Packet request = Packet.client(f.c(next(GET)), f.w(next(OK)), SEND);
            assertThat(f.in(request))
                    .containsExactly(request.payload(RESTORED).forwarded(f.c(next(GET)), f.r(next(OK))));
        }

        @Test
        void shouldRestoreWhenNameIsSplitOverSegments() {
            int name = SEND.indexOf("DR0189C1D");
            for (int cut = name; cut <= name + 9; cut++) {
                FilterFixture g = new FilterFixture();
                g.answered();
                int seq = g.c(next(GET));
                assertThat(g.in(Packet.client(seq, g.w(next(OK)), SEND.substring(0, cut))))
                        .isEmpty();
                assertThat(g.in(Packet.client(seq + cut, g.w(next(OK)), SEND.substring(cut))))
                        .containsExactly(Packet.toKernel(seq, g.r(next(OK)), ACK | PSH, RESTORED));
            }
        }

        @Test
        void shouldRestoreInRetransmissionsHoweverTheyAreCut() {
            f.active(SEND);
            for (int from = 0; from < SEND.length() - 1; from++) {
                for (int to = from + 1; to <= SEND.length(); to += 1 + from % 5) {
                    Packet again = Packet.client(f.c(1) + from, f.w(1), SEND.substring(from, to));
                    assertThat(f.in(again))
                            .containsExactly(
                                    again.payload(RESTORED.substring(from, to)).forwarded(f.c(1) + from, f.r(1)));
                }
            }
        }

        @Test
        void shouldBounceWithTheNameTheClientSent() {
            f.answered();
            String request = SEND.replace("/img/a", "/a.php");
            assertThat(payloads(f.in(Packet.client(f.c(next(GET)), f.w(next(OK)), request))))
                    .isEqualTo(request);
        }

        @Test
        void shouldRefuseWithTheNameTheClientSent() {
            f.rebuilding(SEND);
            assertThat(f.in(Packet.kernel(0, f.c(1), "").flags(org.dwsr.packet.TcpFlags.RST)))
                    .containsExactly(Packet.toSwitch(MigrationTag.REFUSED, f.c(1), f.w(1), SEND));
        }

        @Test
        void shouldRestoreAcrossSwitchBack() {
            f.silent();
            int seq = f.c(next(GET)) + 900;
            int ack = f.w(next(OK)) + 900;
            Packet request = Packet.tagged(MigrationTag.MOVED, seq, ack, SEND);
            Packet expected = request.from(Packet.VMAC).payload(RESTORED).forwarded(f.c(next(GET)), f.r(next(OK)));
            assertThat(f.in(request)).containsExactly(expected);
            Packet again = Packet.client(seq, ack, SEND);
            assertThat(f.in(again)).containsExactly(expected.from(Packet.CLIENT));
        }
    }
}
