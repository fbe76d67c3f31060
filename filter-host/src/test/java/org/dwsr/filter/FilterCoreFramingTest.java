package org.dwsr.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.filter.FilterFixture.ELSEWHERE;
import static org.dwsr.filter.FilterFixture.GET;
import static org.dwsr.filter.FilterFixture.OK;
import static org.dwsr.filter.FilterFixture.next;
import static org.dwsr.packet.TcpFlags.ACK;
import static org.dwsr.packet.TcpFlags.PSH;

import java.util.List;
import java.util.stream.Collectors;
import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Where requests and responses end on a connection, and so where the guard reads the next one. */
class FilterCoreFramingTest {
    private static final String NO_CONTENT = "HTTP/1.1 204 N\r\n\r\n";

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
    class Uploads {
        private static final String LENGTH = "POST /img/a HTTP/1.1\r\nHost: h\r\nContent-Length: 64\r\n\r\n";
        private static final String CHUNKED = "POST /img/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

        @Test
        void shouldPassBodyUnreadWhenItLooksLikeARequest() {
            String body = ELSEWHERE + ELSEWHERE;
            assertThat(body).hasSize(64);
            f.active(LENGTH);
            Packet first = Packet.client(f.c(next(LENGTH)), f.w(1), ELSEWHERE);
            Packet second = Packet.client(f.c(next(LENGTH, ELSEWHERE)), f.w(1), ELSEWHERE);
            assertThat(f.in(first)).containsExactly(passed(first));
            assertThat(f.in(second)).containsExactly(passed(second));
            assertThat(f.in(Packet.client(second.end(), f.w(1), ELSEWHERE))).isEmpty();
        }

        @Test
        void shouldPassOutOfOrderInsideContentLengthBody() {
            f.active(LENGTH);
            Packet second = Packet.client(f.c(next(LENGTH, ELSEWHERE)), f.w(1), ELSEWHERE);
            assertThat(f.in(second)).containsExactly(passed(second));
        }

        @Test
        void shouldNotPassBytesBeyondTheBodyOutOfOrder() {
            f.active(LENGTH);
            Packet behind = Packet.client(f.c(next(LENGTH) + 64 + GET.length()), f.w(1), GET);
            assertThat(f.in(behind)).isEmpty();
        }

        @Test
        void shouldPassEndOfBodyWhenNextRequestSharesItsSegment() {
            f.active(LENGTH);
            Packet mixed = Packet.client(f.c(next(LENGTH)), f.w(1), ELSEWHERE + ELSEWHERE + GET);
            assertThat(f.in(mixed)).containsExactly(passed(mixed));
        }

        @Test
        void shouldPassOnlyEndOfBodyWhenRequestBehindItMustMove() {
            f.active(LENGTH);
            Packet mixed = Packet.client(f.c(next(LENGTH)), f.w(1), ELSEWHERE + ELSEWHERE + ELSEWHERE);
            assertThat(f.in(mixed))
                    .containsExactly(Packet.toKernel(mixed.seq(), f.r(1), ACK | PSH, ELSEWHERE + ELSEWHERE));
            f.in(Packet.kernel(f.r(1), mixed.seq() + 64, NO_CONTENT));
            assertThat(f.in(Packet.client(mixed.end(), f.w(next(NO_CONTENT)), "")))
                    .endsWith(Packet.toSwitch(MigrationTag.MOVED, mixed.seq() + 64, f.w(next(NO_CONTENT)), ELSEWHERE));
        }

        @Test
        void shouldPassEndOfBodyWhenSegmentBehindItCameFirst() {
            f.active(LENGTH);
            int bodyEnd = f.c(next(LENGTH) + 64);
            assertThat(f.in(Packet.client(bodyEnd + 5, f.w(1), GET.substring(5))))
                    .isEmpty();
            Packet mixed = Packet.client(f.c(next(LENGTH)), f.w(1), ELSEWHERE + ELSEWHERE + GET.substring(0, 5));
            assertThat(f.in(mixed))
                    .containsExactly(
                            Packet.toKernel(mixed.seq(), f.r(1), ACK | PSH, ELSEWHERE + ELSEWHERE),
                            Packet.toKernel(bodyEnd, f.r(1), ACK | PSH, GET));
        }

        @Test
        void shouldPassChunkedBodyWhenChunksDoNotEndWithSegments() {
            f.active(CHUNKED);
            String body = "20\r\n" + ELSEWHERE.substring(0, 32) + "\r\n5;x=y\r\nGET /\r\n0\r\nT: v\r\n\r\n";
            for (int at = 0; at < body.length(); at += 7) {
                Packet part = Packet.client(
                        f.c(next(CHUNKED) + at), f.w(1), body.substring(at, Math.min(at + 7, body.length())));
                assertThat(f.in(part)).containsExactly(passed(part));
            }
            assertThat(f.in(Packet.client(f.c(next(CHUNKED, body)), f.w(1), ELSEWHERE)))
                    .isEmpty();
            Packet answer = Packet.kernel(f.r(1), f.c(next(CHUNKED, body)), NO_CONTENT);
            assertThat(f.in(answer)).containsExactly(received(answer));
            assertThat(f.in(Packet.client(f.c(next(CHUNKED, body, ELSEWHERE)), f.w(next(NO_CONTENT)), "")))
                    .hasSize(2);
        }

        @Test
        void shouldHoldChunkedSegmentUntilTheOneBeforeComes() {
            f.active(CHUNKED);
            assertThat(f.in(Packet.client(f.c(next(CHUNKED) + 5), f.w(1), "\n0\r\n\r\n")))
                    .isEmpty();
            assertThat(f.in(Packet.client(f.c(next(CHUNKED)), f.w(1), "1\r\na\r")))
                    .containsExactly(Packet.toKernel(f.c(next(CHUNKED)), f.r(1), ACK | PSH, "1\r\na\r\n0\r\n\r\n"));
        }

        @Test
        void shouldPassHeadAndBodyAfterInterimResponseWhenClientExpectsContinue() {
            String head = LENGTH.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
            f.active(head);
            String interim = "HTTP/1.1 100 Continue\r\n\r\n";
            Packet go = Packet.kernel(f.r(1), f.c(next(head)), interim);
            assertThat(f.in(go)).containsExactly(received(go));
            Packet body = Packet.client(f.c(next(head)), f.w(next(interim)), ELSEWHERE + ELSEWHERE);
            assertThat(f.in(body)).containsExactly(passed(body));
            // The interim response did not answer the request.
            assertThat(f.in(Packet.client(body.end(), f.w(next(interim)), ELSEWHERE)))
                    .isEmpty();
            f.in(Packet.kernel(f.r(next(interim)), body.end(), OK));
            assertThat(f.in(Packet.client(body.end() + ELSEWHERE.length(), f.w(next(interim, OK)), "")))
                    .hasSize(2);
        }

        @Test
        void shouldPassFinWithTheLastOfTheBody() {
            f.active(LENGTH);
            Packet last = Packet.client(f.c(next(LENGTH)), f.w(1), ELSEWHERE + ELSEWHERE)
                    .fin();
            assertThat(f.in(last)).containsExactly(passed(last));
        }
    }

    @Nested
    class Responses {
        private void shouldBeCompleteAfter(String request, String... responses) {
            f.active(request);
            int at = 1;
            for (String response : responses) {
                Packet segment = Packet.kernel(f.r(at), f.c(next(request)), response);
                assertThat(f.in(segment)).containsExactly(received(segment));
                at += response.length();
            }
            Packet moving = Packet.client(f.c(next(request)), f.w(at), ELSEWHERE);
            assertThat(f.in(moving))
                    .containsExactly(Packet.toKernel(moving.seq(), f.r(at), ACK, ""), moving.bouncedTagged());
        }

        @Test
        void shouldEndWithHeadWhenRequestWasHead() {
            shouldBeCompleteAfter(GET.replace("GET", "HEAD"), "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        }

        @ParameterizedTest
        @ValueSource(strings = {"204 No Content", "304 Not Modified"})
        void shouldEndWithHeadWhenStatusHasNoBody(String status) {
            shouldBeCompleteAfter(GET, "HTTP/1.1 " + status + "\r\nContent-Length: 1000\r\n\r\n");
        }

        @Test
        void shouldEndWithFinalResponseWhenInterimOnesComeBefore() {
            shouldBeCompleteAfter(GET, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", OK);
        }

        @Test
        void shouldEndWithLastChunkWhenSegmentsCutChunks() {
            shouldBeCompleteAfter(
                    GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "cde\r", "\n0\r\n", "\r\n");
        }

        @Test
        void shouldEndWithContentLengthWhenSegmentsCutTheBody() {
            shouldBeCompleteAfter(GET, OK.substring(0, OK.length() - 1), OK.substring(OK.length() - 1));
        }

        @Test
        void shouldPassRetransmittedResponse() {
            f.active(GET);
            Packet response = Packet.kernel(f.r(1), c2, OK);
            f.in(response);
            assertThat(f.in(response)).containsExactly(received(response));
        }

        @Test
        void shouldHoldHeadUntilItIsWhole() {
            f.active(GET);
            assertThat(f.in(Packet.kernel(f.r(1), c2, OK.substring(0, 20)))).isEmpty();
            assertThat(f.in(Packet.kernel(f.r(21), c2, OK.substring(20))))
                    .containsExactly(Packet.toClient(f.w(1), c2, ACK | PSH, OK));
        }

        @Test
        void shouldPassHeadOnUnreadWhenServerMayNeedAnAcknowledgmentToSendMoreOfIt() {
            f.active(GET);
            String head = "HTTP/1.1 200 OK\r\nX: " + "x".repeat(14_600);
            for (int at = 0; at < 9 * 1460; at += 1460) {
                assertThat(f.in(Packet.kernel(f.r(1 + at), c2, head.substring(at, at + 1460))))
                        .isEmpty();
            }
            List<Packet> left = f.in(Packet.kernel(f.r(1 + 9 * 1460), c2, head.substring(9 * 1460, 14_600)));
            String passedOn = left.stream().map(Packet::payload).collect(Collectors.joining());
            assertThat(passedOn).isEqualTo(head.substring(0, 14_600));
            assertThat(f.count(FilterCounter.CONNECTIONS_PINNED)).isOne();
            Packet rest = Packet.kernel(f.r(14_601), c2, "\r\nContent-Length: 0\r\n\r\n");
            assertThat(f.in(rest)).containsExactly(received(rest));
        }

        @Test
        void shouldPassHeadOnUnreadWhenOneFrameHasMoreOfItThanServerSendsUnacknowledged() {
            f.active(GET);
            Packet large = Packet.kernel(f.r(1), c2, "HTTP/1.1 200 OK\r\nX: " + "x".repeat(14_000));
            assertThat(f.in(large)).containsExactly(received(large));
            assertThat(f.count(FilterCounter.CONNECTIONS_PINNED)).isOne();
        }

        /** With a window or a congestion window of one segment, say: it cannot send the rest. */
        @Test
        void shouldPassHeadOnUnreadWhenServerRepeatsItForASecond() {
            f.active(GET);
            Packet piece = Packet.kernel(f.r(1), c2, OK.substring(0, 20));
            assertThat(f.in(piece)).isEmpty();
            f.after(900);
            assertThat(f.in(piece)).isEmpty();
            f.after(100);
            assertThat(f.in(piece)).containsExactly(Packet.toClient(f.w(1), c2, ACK | PSH, OK.substring(0, 20)));
            assertThat(f.count(FilterCounter.CONNECTIONS_PINNED)).isOne();
            Packet rest = Packet.kernel(f.r(21), c2, OK.substring(20));
            assertThat(f.in(rest)).containsExactly(received(rest));
            assertThat(f.in(piece)).containsExactly(received(piece));
        }

        @Test
        void shouldGoOnReadingWhenARepetitionBringsMoreOfTheHead() {
            f.active(GET);
            f.in(Packet.kernel(f.r(1), c2, OK.substring(0, 20)));
            f.after(1_500);
            assertThat(f.in(Packet.kernel(f.r(1), c2, OK.substring(0, 25)))).isEmpty();
            assertThat(f.in(Packet.kernel(f.r(26), c2, OK.substring(25))))
                    .containsExactly(Packet.toClient(f.w(1), c2, ACK | PSH, OK));
            assertThat(f.count(FilterCounter.CONNECTIONS_PINNED)).isZero();
        }

        @Test
        void shouldHoldHeadBehindALongBodyThatIsNotAcknowledged() {
            String body = "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + "b".repeat(60_000);
            f.active(GET + GET);
            int c3 = f.c(next(GET, GET));
            f.in(Packet.kernel(f.r(1), c3, body + OK.substring(0, 9)));
            assertThat(f.in(Packet.kernel(f.r(next(body) + 9), c3, OK.substring(9))))
                    .containsExactly(Packet.toClient(f.w(next(body)), c3, ACK | PSH, OK));
            assertThat(f.count(FilterCounter.CONNECTIONS_PINNED)).isZero();
        }

        @Test
        void shouldReadInterimResponseOnceWhenFinalHeadBehindItIsCut() {
            String all = "HTTP/1.1 103 E\r\n\r\n" + OK;
            f.active(GET);
            f.in(Packet.kernel(f.r(1), c2, all.substring(0, 5)));
            f.in(Packet.kernel(f.r(6), c2, all.substring(5, 25)));
            assertThat(f.in(Packet.kernel(f.r(26), c2, all.substring(25))))
                    .containsExactly(Packet.toClient(f.w(1), c2, ACK | PSH, all));
            Packet moving = Packet.client(c2, f.w(next(all)), ELSEWHERE);
            assertThat(f.in(moving)).endsWith(moving.bouncedTagged());
        }

        @Test
        void shouldPassWhatIsBeforeAPartialHead() {
            f.active(GET + GET);
            int c3 = f.c(next(GET, GET));
            assertThat(f.in(Packet.kernel(f.r(1), c3, OK + OK.substring(0, 9))))
                    .containsExactly(Packet.toClient(f.w(1), c3, ACK | PSH, OK));
            assertThat(f.in(Packet.kernel(r2 + 9, c3, OK.substring(9))))
                    .containsExactly(Packet.toClient(w2, c3, ACK | PSH, OK));
        }

        @Test
        void shouldDropResponseWhenSomethingBeforeItIsMissing() {
            f.active(GET);
            assertThat(f.in(Packet.kernel(f.r(5), c2, OK))).isEmpty();
            assertThat(f.count(FilterCounter.DROPPED_RESPONSE_GAP)).isOne();
        }

        @Test
        void shouldNeverMoveWhenResponseEndsWithTheConnection() {
            f.active(GET);
            Packet response = Packet.kernel(f.r(1), c2, "HTTP/1.1 200 OK\r\n\r\nall");
            assertThat(f.in(response)).containsExactly(received(response));
            Packet next = Packet.client(c2, f.w(next(response.payload())), ELSEWHERE);
            assertThat(f.in(next)).containsExactly(passed(next));
        }

        @Test
        void shouldBounceNothingAfterConnectionClose() {
            f.active(GET);
            String closing = OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
            f.in(Packet.kernel(f.r(1), c2, closing));
            Packet next = Packet.client(c2, f.w(next(closing)), ELSEWHERE);
            assertThat(f.in(next)).containsExactly(passed(next));
        }

        @Test
        void shouldBounceNothingAfterServersFin() {
            f.answered();
            f.in(Packet.kernel(r2, c2, "").fin());
            Packet next = Packet.client(c2, w2 + 1, ELSEWHERE);
            assertThat(f.in(next)).containsExactly(passed(next));
        }

        @Test
        void shouldReleaseWaitingRequestToTheServerWhenItCloses() {
            f.active(GET);
            f.in(Packet.client(c2, f.w(1), ELSEWHERE));
            Packet last = Packet.kernel(f.r(1), c2, OK).fin();
            assertThat(f.in(last)).containsExactly(Packet.toKernel(c2, f.r(1), ACK | PSH, ELSEWHERE), received(last));
        }
    }

    @Nested
    class OtherProtocols {
        private static final String UPGRADE =
                "GET /img/ws HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        private static final String CONNECT = "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n";

        @Test
        void shouldPinWhenServerSwitchesProtocols() {
            f.active(UPGRADE);
            Packet eager = Packet.client(f.c(next(UPGRADE)), f.w(1), ELSEWHERE);
            assertThat(f.in(eager)).isEmpty();
            String switching = "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
            Packet answer = Packet.kernel(f.r(1), f.c(next(UPGRADE)), switching);
            assertThat(f.in(answer))
                    .containsExactly(Packet.toKernel(eager.seq(), f.r(1), ACK | PSH, ELSEWHERE), received(answer));
            Packet later = Packet.client(eager.end(), f.w(next(switching)), ELSEWHERE);
            assertThat(f.in(later)).containsExactly(passed(later));
            assertThat(f.count(FilterCounter.CONNECTIONS_PINNED)).isOne();
        }

        @Test
        void shouldGuardAgainWhenServerDoesNotSwitch() {
            f.active(UPGRADE);
            f.in(Packet.kernel(f.r(1), f.c(next(UPGRADE)), OK));
            Packet later = Packet.client(f.c(next(UPGRADE)), w2, ELSEWHERE);
            assertThat(f.in(later)).endsWith(later.bouncedTagged());
        }

        @Test
        void shouldPinWhenConnectSucceeds() {
            f.active(CONNECT);
            f.in(Packet.kernel(f.r(1), f.c(next(CONNECT)), "HTTP/1.1 200 OK\r\n\r\n"));
            Packet tunnelled = Packet.client(f.c(next(CONNECT)), f.w(20), ELSEWHERE);
            assertThat(f.in(tunnelled)).containsExactly(passed(tunnelled));
        }
    }
}
