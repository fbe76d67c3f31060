package org.dwsr.switching;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.dwsr.http.ErrorResponse;
import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** The state GATHERING: a head that comes in pieces, from a client whose handshake is proved. */
class WebSwitchGatheringTest {
    private static final String IMAGE = "GET /img/a HTTP/1.1\r\nHost: a\r\n\r\n";
    private static final int END = 1 + IMAGE.length();

    private final SwitchLab lab = new SwitchLab();
    private final LabClient c1 = lab.client(1).connect();

    private void half() {
        c1.data(1, IMAGE.substring(0, 10)).send();
    }

    private void rest() {
        c1.data(11, IMAGE.substring(10)).send();
    }

    private static String whole(String kind) {
        return "s1 " + kind + "/018 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(IMAGE);
    }

    @Nested
    class Segments {
        @Test
        void shouldHoldUntilTheHeadIsWhole() {
            half();
            assertThat(lab.happened()).containsExactly("+segments_gathered");
            assertThat(lab.value("gathering_heads")).isEqualTo(1);
            rest();

            assertThat(lab.happened())
                    .containsExactly(
                            "flow c1>s1",
                            whole("fresh"),
                            "+flows_installed",
                            "+requests_migrated",
                            "+segments_gathered");
            assertThat(lab.value("gathering_heads")).isZero();
        }

        @Test
        void shouldMigrateOnceWhenTheHeadComesByteByByte() {
            List<String> decisions = new ArrayList<>();
            for (int i = 0; i < IMAGE.length(); i++) {
                assertThat(decisions).isEmpty();
                c1.data(1 + i, IMAGE.substring(i, i + 1)).send();
                decisions = lab.decisions();
            }

            assertThat(decisions).containsExactly("flow c1>s1", whole("fresh"));
        }

        @Test
        void shouldKeepTheFirstBytesWhenARetransmissionOverlaps() {
            half();
            c1.data(1, "XXXXXXXXXX").send();
            c1.data(6, "YYYYY" + IMAGE.substring(10)).send();

            assertThat(lab.decisions()).containsExactly("flow c1>s1", whole("fresh"));
        }

        @Test
        void shouldSplitByTheClientsSegmentSizeWhenTheGatheredIsLong() {
            LabClient small = lab.client(2);
            small.packet("S").seq(0).mss(1300).send();
            lab.happened();
            String head = "GET /img/a HTTP/1.1\r\nHost: a\r\nX: " + "x".repeat(1500) + "\r\n\r\n";
            small.data(1, head.substring(0, 1300)).send();
            small.data(1301, head.substring(1300)).send();

            assertThat(lab.decisions())
                    .containsExactly(
                            "flow c2>s1",
                            "s1 fresh/018 A seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(head.substring(0, 1300)),
                            "s1 c2 PA seq=c+1301 ack=w+1 win=502 " + SwitchLab.quote(head.substring(1300)));
        }

        @Test
        void shouldPassTheFinOnWhenItFollowsTheWholeHead() {
            half();
            c1.packet("FPA").seq(11).payload(IMAGE.substring(10)).send();

            assertThat(lab.decisions())
                    .containsExactly(
                            "flow c1>s1", "s1 fresh/018 PFA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(IMAGE));
        }

        @Test
        void shouldAnswer400WhenAFinCutsTheHeadShort() {
            half();
            lab.happened();
            c1.packet("FA").seq(11).send();

            assertThat(lab.happened())
                    .containsExactly(
                            SwitchLab.answer(c1, ErrorResponse.BAD_REQUEST, 12),
                            "+answered_400",
                            "+heads_cut_short",
                            "+segments_gathered");
        }

        @Test
        void shouldWaitForTheGapWhenAFinCameEarly() {
            half();
            c1.packet("FA").seq(END).send();
            assertThat(lab.decisions()).isEmpty();
            rest();

            assertThat(lab.decisions())
                    .containsExactly(
                            "flow c1>s1", "s1 fresh/018 PFA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(IMAGE));
        }

        @Test
        void shouldMigrateAcrossTheWrapWhenTheHeadSpansIt() {
            LabClient edge = lab.client(2);
            edge.isn = -8;
            edge.connect();
            edge.data(1, IMAGE.substring(0, 10)).send();
            edge.data(11, IMAGE.substring(10)).send();

            assertThat(lab.decisions())
                    .containsExactly("flow c2>s1", "s1 fresh/018 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(IMAGE));
        }

        @Test
        void shouldGatherWhatAFilterBouncesWhenAnOldFlowLeadsThere() {
            half();
            c1.data(11, IMAGE.substring(10)).bouncedBy("s4").send();

            assertThat(lab.decisions()).containsExactly("flow c1>s1", whole("fresh"));
        }

        @Test
        void shouldDropATaggedBounceWhenAFilterSpeaksOfAnEarlierConnection() {
            half();
            lab.happened();
            c1.data(11, IMAGE).bouncedBy("s4", MigrationTag.MOVED).send();
            c1.packet("A").bouncedBy("s4", MigrationTag.CONFIRM).send();

            assertThat(lab.happened()).containsExactly("+dropped_stale=2");
        }
    }

    @Nested
    class Acknowledging {
        @Test
        void shouldAcknowledgeAfter40MillisecondsAndOnlyOnce() {
            half();
            lab.pass(35);
            assertThat(lab.decisions()).isEmpty();
            lab.pass(5);
            assertThat(lab.happened()).containsExactly("c1 A seq=w+1 ack=c+11 win=128", "+partial_heads_acknowledged");
            lab.pass(1_000);

            assertThat(lab.happened()).isEmpty();
        }

        @Test
        void shouldAcknowledgeWithTheWindowUnscaledWhenTheClientHasNoScale() {
            LabClient plain = lab.client(2);
            plain.packet("S").seq(0).send();
            lab.happened();
            plain.data(1, "GET /img").send();
            lab.pass(40);

            assertThat(lab.decisions()).containsExactly("c2 A seq=w+1 ack=c+9 win=16384");
        }

        @Test
        void shouldNotPutItOffWhenBareAcksKeepComing() {
            half();
            for (int i = 0; i < 8; i++) {
                lab.pass(5);
                c1.packet("A").seq(11).send();
            }

            assertThat(lab.value(SwitchCounter.PARTIAL_HEADS_ACKNOWLEDGED)).isEqualTo(1);
        }

        @Test
        void shouldNotAcknowledgeWhatLiesBeyondAGap() {
            half();
            c1.data(20, IMAGE.substring(19)).send();
            lab.pass(40);

            assertThat(lab.decisions()).containsExactly("c1 A seq=w+1 ack=c+11 win=128");
        }

        @Test
        void shouldSendHeldAndRepeatUntilConfirmedWhenItHadAcknowledged() {
            half();
            lab.pass(40);
            lab.happened();
            rest();
            assertThat(lab.decisions()).containsExactly("flow c1>s1", whole("held"));
            lab.pass(195);
            assertThat(lab.happened()).isEmpty();
            lab.pass(5);
            assertThat(lab.happened()).containsExactly(whole("held"), "+requests_resent");
            c1.packet("A").bouncedBy("s1", MigrationTag.CONFIRM).send();

            assertThat(lab.happened()).containsExactly("+confirms_taken");
            lab.pass(1_000);
            assertThat(lab.happened()).isEmpty();
            assertThat(lab.value("gathering_heads")).isZero();
        }

        @Test
        void shouldGiveUpAndCountWhenNobodyConfirms() {
            half();
            lab.pass(40);
            rest();
            lab.happened();
            lab.pass(5_200);

            assertThat(lab.counters()).containsExactly("+confirms_missed", "+requests_resent=25");
            assertThat(lab.value("gathering_heads")).isZero();
        }

        @Test
        void shouldIgnoreAConfirmWhenItComesFromAnotherServerOrTwice() {
            half();
            lab.pass(40);
            rest();
            c1.packet("A").bouncedBy("s2", MigrationTag.CONFIRM).send();
            c1.packet("A").bouncedBy("s1", MigrationTag.CONFIRM).send();
            c1.packet("A").bouncedBy("s1", MigrationTag.CONFIRM).send();

            assertThat(lab.value(SwitchCounter.CONFIRMS_TAKEN)).isEqualTo(1);
            assertThat(lab.value(SwitchCounter.DROPPED_STALE)).isEqualTo(2);
        }
    }

    @Nested
    class Limits {
        @Test
        void shouldAnswer431WhenTheHeadExceeds16Kilobytes() {
            String start = "GET /img/a HTTP/1.1\r\nHost: a\r\nX: ";
            c1.data(1, start).send();
            int at = 1 + start.length();
            while (at < 16_384) {
                int count = Math.min(1448, 16_385 - at);
                c1.data(at, "x".repeat(count)).send();
                at += count;
            }

            assertThat(lab.decisions()).containsExactly(SwitchLab.answer(c1, ErrorResponse.HEAD_TOO_LARGE, 16_385));
            assertThat(lab.value(SwitchCounter.ANSWERED_431)).isEqualTo(1);
            assertThat(lab.value("refused_head_too_long")).isEqualTo(1);
            assertThat(lab.value("gathering_heads")).isZero();
        }

        @Test
        void shouldMigrateWhenTheHeadHasExactly16Kilobytes() {
            String start = "GET /img/a HTTP/1.1\r\nHost: a\r\nX: ";
            String head = start + "x".repeat(16_384 - start.length() - 4) + "\r\n\r\n";
            for (int at = 0; at < head.length(); at += 1448) {
                c1.data(1 + at, head.substring(at, Math.min(head.length(), at + 1448)))
                        .send();
            }

            assertThat(lab.value(SwitchCounter.REQUESTS_MIGRATED)).isEqualTo(1);
        }

        @Test
        void shouldAnswer408WhenTheHeadIsTrickledForAMinute() {
            for (int i = 0; i < 59; i++) {
                c1.data(i == 0 ? 1 : 5 + i, i == 0 ? "GET /" : "a").send();
                lab.passSeconds(1, true);
            }
            assertThat(lab.value(SwitchCounter.ANSWERED_OTHER)).isZero();
            lab.decisions();
            lab.passSeconds(1, true);

            assertThat(lab.decisions()).contains(SwitchLab.answer(c1, ErrorResponse.REQUEST_TIMEOUT, 64));
            assertThat(lab.value("gathering_heads")).isZero();
        }

        @Test
        void shouldEvictTheOldestWhenTooManyHeadsAreHalfOpen() {
            SwitchLab small = SwitchLab.limited(1 << 20, 2);
            for (int i = 1; i <= 2; i++) {
                small.client(i).connect().data(1, "GET /").send();
            }
            small.client(3).connect();
            small.client(3).data(1, "GET /").send();

            assertThat(small.happened())
                    .containsExactly(
                            SwitchLab.answer(small.client(1), ErrorResponse.SERVICE_UNAVAILABLE, 6),
                            "+answered_503",
                            "+heads_evicted",
                            "+segments_gathered");
            assertThat(small.value("gathering_heads")).isEqualTo(2);
        }

        @Test
        void shouldServeWholeHeadsWhenHalfOpenOnesFillEveryPlace() {
            SwitchLab small = SwitchLab.limited(1 << 20, 2);
            for (int i = 1; i <= 2; i++) {
                small.client(i).connect().data(1, "GET /").send();
            }
            small.client(3).connect().data(1, IMAGE).send();

            assertThat(small.counters()).containsExactly("+flows_installed", "+requests_migrated");
        }

        @Test
        void shouldNotEvictWhatWasAcknowledgedWhenItOnlyWaitsForItsConfirmation() {
            SwitchLab small = SwitchLab.limited(1 << 20, 1);
            LabClient first = small.client(1).connect();
            first.data(1, IMAGE.substring(0, 10)).send();
            small.pass(40);
            first.data(11, IMAGE.substring(10)).send();
            small.client(2).connect().data(1, "GET /").send();

            assertThat(small.happened()).containsExactly("+dropped_heads_full");
            assertThat(small.value("connections")).isEqualTo(1);
        }

        @Test
        void shouldStayBoundedWhenAThousandHeadsAreHalfOpen() {
            SwitchLab small = SwitchLab.limited(1 << 20, 100);
            for (int i = 1; i <= 1_000; i++) {
                small.client(i).connect().data(1, "GET /").send();
            }

            assertThat(small.value("gathering_heads")).isEqualTo(100);
            assertThat(small.value(SwitchCounter.HEADS_EVICTED)).isEqualTo(900);
            small.passSeconds(80, true);
            assertThat(small.value("gathering_heads")).isZero();
            assertThat(small.value("connections")).isZero();
        }

        @Test
        void shouldRefuseAndCountWhenTheTableIsFull() {
            SwitchLab small = SwitchLab.limited(1, 10);
            small.client(1).connectAndAsk(IMAGE);
            small.client(2).connect().data(1, IMAGE).send();

            assertThat(small.happened()).containsExactly("+dropped_table_full");
        }

        @Test
        void shouldForgetAnAnsweredClientWhenTheTableIsFull() {
            SwitchLab small = SwitchLab.limited(1, 10);
            small.client(1).connectAndAsk("nonsense\r\n\r\n");
            small.client(2).connect().data(1, IMAGE).send();

            assertThat(small.counters()).containsExactly("+flows_installed", "+requests_migrated");
            assertThat(small.value("connections")).isEqualTo(1);
        }
    }

    @Nested
    class Blind {
        @Test
        void shouldDropWhenTheAcknowledgmentIsNotTheCookie() {
            half();
            lab.happened();
            c1.data(11, IMAGE.substring(10)).ack(2).send();

            assertThat(lab.happened()).containsExactly("+dropped_out_of_window");
        }

        @Test
        void shouldDropWhenTheSequenceNumberIsOutsideTheWindow() {
            half();
            lab.happened();
            c1.data(100_000, "x").send();
            c1.data(-5_000, "x").send();

            assertThat(lab.happened()).containsExactly("+dropped_out_of_window=2");
        }

        @Test
        void shouldKeepTheRequestWhenAKeepAliveProbeRepeatsTheByteBeforeIt() {
            half();
            c1.data(0, "\0").send();
            rest();

            assertThat(lab.decisions()).containsExactly("flow c1>s1", whole("fresh"));
        }

        @Test
        void shouldNotFollowToAnotherPortWhenASpoofedSegmentComesFromThere() {
            half();
            c1.data(11, "x")
                    .ack(99)
                    .at(SwitchLab.DATAPATH, 9)
                    .ethSource(0x0200_0000_9999L)
                    .send();
            lab.happened();
            lab.pass(40);

            assertThat(lab.decisions()).containsExactly("c1 A seq=w+1 ack=c+11 win=128");
        }

        @Test
        void shouldIgnoreARstWhenItsNumberIsNotTheNext() {
            half();
            lab.happened();
            c1.packet("R").seq(1).send();
            c1.packet("R").seq(12).send();
            c1.packet("R").seq(5000).send();
            assertThat(lab.happened()).containsExactly("+dropped_reset=3");
            rest();

            assertThat(lab.decisions()).containsExactly("flow c1>s1", whole("fresh"));
        }

        @Test
        void shouldForgetTheConnectionWhenTheRstsNumberIsTheNext() {
            half();
            lab.happened();
            c1.packet("R").seq(11).send();

            assertThat(lab.happened()).containsExactly("+client_resets");
            assertThat(lab.value("connections")).isZero();
            assertThat(lab.value("gathering_heads")).isZero();
        }
    }
}
