package org.dwsr.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.filter.FilterFixture.ELSEWHERE;
import static org.dwsr.filter.FilterFixture.GET;
import static org.dwsr.filter.FilterFixture.OK;
import static org.dwsr.filter.FilterFixture.next;

import java.util.ArrayList;
import java.util.List;
import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Numbers, SACK blocks, windows and checksums of segments on their way through. */
class FilterCoreMasqueradeTest {
    private final FilterFixture f = new FilterFixture();
    private final int c2 = f.c(next(GET));

    @Nested
    class Options {
        @Test
        void shouldMoveSackBlocksOfTheClientOnlyBeforeAnySwitchBack() {
            f.active(GET);
            Packet fromClient = Packet.client(c2, f.w(1), "").options("sack=" + PacketCodec.sackBlock(f.w(9), f.w(19)));
            assertThat(f.in(fromClient))
                    .containsExactly(fromClient
                            .options("sack=" + PacketCodec.sackBlock(f.r(9), f.r(19)))
                            .forwarded(c2, f.r(1)));
            Packet fromServer =
                    Packet.kernel(f.r(1), f.c(1), "").options("sack=" + PacketCodec.sackBlock(f.c(9), f.c(19)));
            assertThat(f.in(fromServer)).containsExactly(fromServer.forwarded(f.w(1), f.c(1)));
        }

        @ParameterizedTest
        @ValueSource(strings = {"", "nop ", "nop nop ", "nop nop nop "})
        void shouldMoveSackBlocksAtAnyOffset(String before) {
            f.active(GET);
            String four = PacketCodec.sackBlock(f.w(9), f.w(19)) + "," + PacketCodec.sackBlock(f.w(29), f.w(39)) + ","
                    + PacketCodec.sackBlock(f.w(49), f.w(59));
            String moved = PacketCodec.sackBlock(f.r(9), f.r(19)) + "," + PacketCodec.sackBlock(f.r(29), f.r(39)) + ","
                    + PacketCodec.sackBlock(f.r(49), f.r(59));
            Packet ack = Packet.client(c2, f.w(1), "").options(before + "sack=" + four);
            assertThat(f.in(ack)).containsExactly(ack.options("sack=" + moved).forwarded(c2, f.r(1)));
        }
    }

    @Nested
    class Windows {
        @ParameterizedTest
        @CsvSource({
            "wscale=7, 400, 400",
            "wscale=9, 400, 1600",
            "wscale=9, 40000, 65535",
            "wscale=3, 400, 25",
            "mss=1460, 400, 3"
        })
        void shouldPromiseServersWindowInTheScaleTheClientKnows(String synOptions, int window, int promised) {
            f.rebuilding(GET);
            f.in(Packet.synAck(f.r(0), f.c(1)).options(synOptions));
            Packet response = Packet.kernel(f.r(1), c2, OK).window(window);
            assertThat(f.in(response)).containsExactly(response.window(promised).forwarded(f.w(1), c2));
        }

        @ParameterizedTest
        @CsvSource({"wscale=7, 500, 500", "wscale=2, 500, 500", "mss=1460, 500, 64000", "mss=1460, 600, 65535"})
        void shouldTellServerThatScalesNoneTheClientsWindowInBytes(String synOptions, int window, int told) {
            f.in(Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), GET).window(window));
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1)).options(synOptions)))
                    .hasSize(2)
                    .allSatisfy(packet -> assertThat(packet.window()).isEqualTo(told));
            f.in(Packet.kernel(f.r(1), c2, OK));
            Packet ack = Packet.client(c2, f.w(next(OK)), "").window(window);
            assertThat(f.in(ack)).containsExactly(ack.window(told).forwarded(c2, f.r(next(OK))));
        }

        /** A guessed server that scales no windows has answered the client's SYN; this one would. */
        @Test
        void shouldOfferNoScaleWhenTheClientWasPromisedNone() {
            long none = MigrationTag.with(MigrationTag.of(6, 7, 15, true), Packet.IMAGES, MigrationTag.FRESH);
            assertThat(f.in(Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), GET)
                            .from(none)))
                    .hasSize(2)
                    .allSatisfy(syn -> assertThat(syn.options()).isEqualTo("mss=1460 sackok"));
            f.in(Packet.synAck(f.r(0), f.c(1)).options("mss=1460"));
            Packet ack = Packet.client(c2, f.w(1), "").window(500);
            assertThat(f.in(ack)).containsExactly(ack.forwarded(c2, f.r(1)));
        }

        @Test
        void shouldNotScaleWhenNothingWasPromised() {
            f.in(Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), GET)
                    .from(MigrationTag.with(MigrationTag.of(6, 15, 15, false), Packet.IMAGES, MigrationTag.FRESH)));
            f.in(Packet.synAck(f.r(0), f.c(1)).options("mss=1460"));
            Packet response = Packet.kernel(f.r(1), c2, OK).window(30_000);
            assertThat(f.in(response)).containsExactly(response.forwarded(f.w(1), c2));
        }
    }

    @Nested
    class Offloads {
        @Test
        void shouldLeavePartialChecksumOfLargeFrameAlone() {
            String head = "HTTP/1.1 200 OK\r\nContent-Length: 128000\r\n\r\n";
            f.active(GET);
            Packet first = Packet.kernel(f.r(1), c2, head + "x".repeat(64_000));
            assertThat(f.inPartial(first)).containsExactly(first.forwarded(f.w(1), c2));
            Packet second = Packet.kernel(first.end(), c2, "y".repeat(64_000));
            assertThat(f.inPartial(second)).containsExactly(second.forwarded(f.w(1) + head.length() + 64_000, c2));
            Packet moving = Packet.client(c2, f.w(1) + head.length() + 128_000, ELSEWHERE);
            assertThat(f.in(moving)).endsWith(moving.bouncedTagged());
        }

        @Test
        void shouldCutHeldResponseToSegmentsWithWholeChecksums() {
            f.active(GET);
            assertThat(f.inPartial(Packet.kernel(f.r(1), c2, "HTTP/1.1 200 OK\r\n")))
                    .isEmpty();
            List<Packet> all =
                    f.inPartial(Packet.kernel(f.r(18), c2, "Content-Length: 9000\r\n\r\n" + "x".repeat(9_000)));
            assertThat(all).hasSize(7).allMatch(packet -> packet.way() == Packet.Way.TO_NETWORK);
            assertThat(all.get(6).end()).isEqualTo(f.w(18 + 24 + 9_000));
        }
    }

    @Nested
    class LongBodies {
        @Test
        void shouldGuardRequestBehindSixGigabytesOfUpload() {
            long length = 6_000_000_007L;
            String post = "POST /img/a HTTP/1.1\r\nHost: h\r\nContent-Length: " + length + "\r\n\r\n";
            f.active(post);
            int start = f.c(next(post));
            for (long at = 0; at < length - 10; at += 100_000_000L) {
                Packet part = Packet.client(start + (int) at, f.w(1), ELSEWHERE);
                assertThat(f.in(part)).containsExactly(part.forwarded(part.seq(), f.r(1)));
                f.in(Packet.kernel(f.r(1), part.end(), ""));
            }
            f.in(Packet.kernel(f.r(1), start + (int) length, OK));
            Packet behind = Packet.client(start + (int) length, f.w(next(OK)), ELSEWHERE);
            assertThat(f.in(behind)).endsWith(behind.bouncedTagged());
        }

        @Test
        void shouldGuardRequestBehindFiveGigabytesInOneChunk() {
            String post = "POST /img/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1200001CB\r\n";
            f.active(post);
            // The filter looks ahead by steps; each segment here ends one and begins the next.
            int at = f.c(next(post)) + (1 << 28);
            for (int i = 0; i < 18; i++) {
                at += i == 0 ? 0 : (1 << 28) + ELSEWHERE.length() - 5;
                Packet part = Packet.client(at - 5, f.w(1), i < 17 ? ELSEWHERE : "right\r\n0\r\n\r\n");
                assertThat(f.in(part)).containsExactly(part.forwarded(part.seq(), f.r(1)));
                f.in(Packet.kernel(f.r(1), part.end(), ""));
            }
            f.in(Packet.kernel(f.r(1), at + 7, OK));
            Packet behind = Packet.client(at + 7, f.w(next(OK)), ELSEWHERE);
            assertThat(f.in(behind)).endsWith(behind.bouncedTagged());
        }

        @Test
        void shouldMoveRequestBehindSixGigabytesOfDownload() {
            long length = 6_000_000_007L;
            String head = "HTTP/1.1 200 OK\r\nContent-Length: " + length + "\r\n\r\n";
            f.active(GET);
            f.in(Packet.kernel(f.r(1), c2, head));
            for (long at = 0; at < length - 10; at += 100_000_000L) {
                Packet part = Packet.kernel(f.r(next(head)) + (int) at, c2, OK);
                assertThat(f.in(part)).containsExactly(part.forwarded(f.w(next(head)) + (int) at, c2));
                f.in(Packet.client(c2, part.seq() - f.r(0) + f.w(0), ""));
            }
            f.in(Packet.kernel(f.r(next(head)) + (int) length - 3, c2, "end"));
            Packet behind = Packet.client(c2, f.w(next(head)) + (int) length, ELSEWHERE);
            assertThat(f.in(behind)).endsWith(behind.bouncedTagged());
        }
    }

    @Nested
    class WrapAround {
        private static final String POST = "POST /img/a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nsome body";
        private static final String SET =
                "HTTP/1.1 200 OK\r\nSet-Cookie: PHPSESSID=v\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

        /** One of everything: rebuild, cookie, upload, hold, bounce, silence, switch-back, ends. */
        private List<Packet> life(FilterFixture g) {
            List<Packet> seen = new ArrayList<>(g.rebuilding(GET));
            seen.addAll(g.in(Packet.synAck(g.r(0), g.c(1))));
            int c = g.c(next(GET));
            int r = g.r(1);
            int w = g.w(1);
            seen.addAll(g.in(Packet.kernel(r, c, SET.substring(0, 30))));
            seen.addAll(g.in(Packet.kernel(r + 30, c, SET.substring(30))));
            seen.addAll(g.in(Packet.kernel(r + 20, c, SET.substring(20, 60))));
            r += SET.length();
            w += SET.length();
            seen.addAll(g.in(Packet.client(c, w, POST.substring(0, POST.length() - 4))));
            seen.addAll(g.in(Packet.client(c + POST.length() - 4, w, "body" + ELSEWHERE)));
            c += POST.length();
            seen.addAll(g.in(Packet.kernel(r, c, OK)));
            r += OK.length();
            w += OK.length();
            seen.addAll(g.in(Packet.client(c + ELSEWHERE.length(), w, "")));
            seen.addAll(g.in(Packet.silence(c, w)));
            int up = ELSEWHERE.length();
            int down = 100;
            seen.addAll(g.in(Packet.client(c + up + 9, w + down, GET.substring(9))));
            seen.addAll(g.in(Packet.tagged(MigrationTag.MOVED, c + up, w + down, GET.substring(0, 9))));
            seen.addAll(g.in(Packet.kernel(r, c + GET.length(), OK).fin()));
            seen.addAll(g.in(Packet.client(c + up + GET.length(), w + down + OK.length() + 1, "")
                    .fin()));
            seen.addAll(g.in(Packet.kernel(r + OK.length() + 1, c + GET.length() + 1, "")));
            List<Packet> relative = new ArrayList<>();
            for (Packet packet : seen) {
                relative.add(g.relative(packet));
            }
            return relative;
        }

        @Test
        void shouldDoTheSameWhereverClientsNumbersWrap() {
            List<Packet> expected = life(f);
            assertThat(expected).hasSize(15);
            for (int before = 0; before < 250; before++) {
                assertThat(life(new FilterFixture(-before, 50_000, 900_000))).isEqualTo(expected);
                assertThat(life(new FilterFixture(Integer.MIN_VALUE - before, 50_000, 900_000)))
                        .isEqualTo(expected);
            }
        }

        @Test
        void shouldDoTheSameWhereverServersNumbersWrap() {
            List<Packet> expected = life(f);
            for (int before = 0; before < 250; before++) {
                assertThat(life(new FilterFixture(1_000, -before, 900_000))).isEqualTo(expected);
                assertThat(life(new FilterFixture(1_000, 50_000, -before))).isEqualTo(expected);
                assertThat(life(new FilterFixture(-before, -before, Integer.MIN_VALUE - before)))
                        .isEqualTo(expected);
            }
        }
    }
}
