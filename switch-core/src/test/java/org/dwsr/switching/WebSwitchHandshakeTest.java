package org.dwsr.switching;

import static org.assertj.core.api.Assertions.assertThat;

import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.TcpOptions;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** The state without an entry: SYN, ACK, the proof of a handshake, what waits for it, FIN, RST. */
class WebSwitchHandshakeTest {
    private static final String IMAGE = "GET /img/a HTTP/1.1\r\nHost: a\r\n\r\n";
    private static final String POST = "POST /buy.php HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nx=1";

    private final SwitchLab lab = new SwitchLab();
    private final LabClient c1 = lab.client(1);

    @Nested
    class Syn {
        @Test
        void shouldAnswerWithASmallWindowAndNoTimestampsWhenASynArrives() {
            c1.syn().send();

            assertThat(lab.happened())
                    .containsExactly("c1 SA seq=w+0 ack=c+1 win=16384 mss=1460 sack ws=7", "+syns_answered");
            assertThat(lab.value("connections")).isZero();
        }

        @Test
        void shouldOfferOnlyWhatTheClientOfferedWhenItOfferedNothing() {
            c1.packet("S").seq(0).send();

            assertThat(lab.happened()).containsExactly("c1 SA seq=w+0 ack=c+1 win=16384 mss=1460", "+syns_answered");
        }

        @Test
        void shouldAnswerAgainWithTheSameNumberWhenTheSynIsRepeated() {
            c1.syn().send();
            int wseq = c1.wseq;
            c1.syn().send();

            assertThat(c1.wseq).isEqualTo(wseq);
            assertThat(lab.value(SwitchCounter.SYNS_ANSWERED)).isEqualTo(2);
        }

        @Test
        void shouldDropWhenOtherFlagsContradictTheSyn() {
            c1.packet("SA").seq(0).send();
            c1.packet("SF").seq(0).send();
            c1.packet("SR").seq(0).send();

            assertThat(lab.happened()).containsExactly("+dropped_unexpected_flags=3");
        }

        @Test
        void shouldKeepNoStateWhenManySynsCome() {
            for (int i = 0; i < 20_000; i++) {
                c1.isn = i * 7919;
                c1.syn().send();
            }

            assertThat(lab.value("connections")).isZero();
            assertThat(lab.value("waiting_segments")).isZero();
            assertThat(lab.value(SwitchCounter.SYNS_ANSWERED)).isEqualTo(20_000);
        }

        @Test
        void shouldKeepNoStateWhenTheHandshakeIsAcknowledged() {
            c1.syn().send();
            lab.happened();
            c1.packet("A").send();

            assertThat(lab.happened()).containsExactly("+handshake_acks");
            assertThat(lab.value("connections")).isZero();
        }
    }

    @Nested
    class Proof {
        @Test
        void shouldInstallTheFlowAndThenSendTheRequestTaggedWhenTheCookieIsValid() {
            c1.connect();
            c1.data(1, IMAGE).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "flow c1>s1",
                            "s1 fresh/018 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(IMAGE),
                            "+flows_installed",
                            "+requests_migrated");
            assertThat(lab.lastTag).isEqualTo(MigrationTag.with(MigrationTag.of(6, 7, 7, true), 44, 0));
        }

        @Test
        void shouldPromiseNoScaleInTheTagWhenTheClientOfferedNone() {
            c1.packet("S").seq(0).mss(1300).send();
            c1.data(1, IMAGE).send();

            int none = TcpOptions.NO_WINDOW_SCALE;
            assertThat(lab.lastTag).isEqualTo(MigrationTag.with(MigrationTag.of(2, none, none, false), 44, 0));
        }

        @Test
        void shouldChooseByRuleWhenContentTypesDiffer() {
            c1.connect();
            c1.data(1, POST).send();

            assertThat(lab.decisions())
                    .containsExactly("flow c1>s3", "s3 fresh/020 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(POST));
        }

        @Test
        void shouldDropAfterTheWaitWhenAPostIsSpoofed() {
            c1.connect();
            c1.data(1, POST).ack(2).send();

            assertThat(lab.happened()).containsExactly("+segments_waited");
            assertThat(lab.value("waiting_segments")).isEqualTo(1);
            lab.pass(195);
            assertThat(lab.happened()).isEmpty();
            lab.pass(5);
            assertThat(lab.happened()).containsExactly("+dropped_waited_too_long");
            assertThat(lab.value("waiting_segments")).isZero();
            assertThat(lab.value("connections")).isZero();
        }

        @Test
        void shouldNotMigrateWhenTheCookieIsAnotherClients() {
            c1.connect();
            LabClient thief = lab.client(2);
            thief.isn = c1.isn;
            thief.wseq = c1.wseq;
            thief.data(1, POST).send();

            assertThat(lab.happened()).containsExactly("+segments_waited");
        }

        @Test
        void shouldNotMigrateWhenTheCookieIsForAnotherIsn() {
            c1.connect();
            c1.data(2, POST).send();

            assertThat(lab.happened()).containsExactly("+segments_waited");
        }

        @Test
        void shouldMigrateWhenTheCookieIsOfTheLastMinute() {
            c1.connect();
            lab.passSeconds(119, true);
            c1.data(1, IMAGE).send();

            assertThat(lab.counters()).contains("+requests_migrated");
        }

        @Test
        void shouldNotMigrateWhenTheCookieIsOfAnOlderMinute() {
            c1.connect();
            lab.passSeconds(120, true);
            c1.data(1, IMAGE).send();

            assertThat(lab.happened()).containsExactly("+segments_waited");
        }

        @Test
        void shouldMigrateWhenAnotherNodeWithTheSameKeyAnsweredTheSyn() {
            SwitchLab other = new SwitchLab();
            LabClient there = other.client(1).connect();
            c1.wseq = there.wseq;
            c1.data(1, IMAGE).send();

            assertThat(lab.counters()).contains("+requests_migrated");
        }

        @Test
        void shouldDropWhenASegmentHasNoAck() {
            c1.connect();
            c1.data(1, IMAGE).flags("P").send();
            c1.packet("").send();

            assertThat(lab.happened()).containsExactly("+dropped_unexpected_flags=2");
        }

        @Test
        void shouldMigrateAcrossTheWrapWhenSequenceNumbersEndAtTwoToTheThirtyTwo() {
            c1.isn = -1;
            c1.connect();
            c1.data(1, IMAGE).send();

            assertThat(lab.decisions())
                    .containsExactly("flow c1>s1", "s1 fresh/018 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(IMAGE));
        }
    }

    @Nested
    class Waiting {
        @Test
        void shouldSendBothWhenTheSecondSegmentComesFirst() {
            c1.connect();
            String body = "later bytes";
            c1.data(1 + POST.length(), body).send();
            c1.data(1, POST).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "flow c1>s3",
                            "s3 fresh/020 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(POST),
                            "s3 c1 PA seq=c+" + (1 + POST.length()) + " ack=w+1 win=502 'later bytes'",
                            "+flows_installed",
                            "+requests_migrated",
                            "+segments_forwarded",
                            "+segments_waited");
            assertThat(lab.value("waiting_segments")).isZero();
        }

        @Test
        void shouldGatherWhenTheSecondHalfOfAHeadComesFirst() {
            c1.connect();
            c1.data(11, IMAGE.substring(10)).send();
            c1.data(1, IMAGE.substring(0, 10)).send();

            assertThat(lab.decisions())
                    .containsExactly("flow c1>s1", "s1 fresh/018 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(IMAGE));
        }

        @Test
        void shouldRefuseWhenTheWaitingRoomIsFull() {
            c1.connect();
            for (int i = 0; i < 257; i++) {
                c1.data(1000 + i, "x").send();
            }

            assertThat(lab.happened()).containsExactly("+dropped_waiting_full", "+segments_waited=256");
            lab.pass(200);
            assertThat(lab.happened()).containsExactly("+dropped_waited_too_long=256");
        }

        @Test
        void shouldRefuseWhenTheFrameIsLongerThanASlot() {
            c1.connect();
            c1.data(1000, "x".repeat(3000)).send();

            assertThat(lab.happened()).containsExactly("+dropped_waiting_full");
        }
    }

    @Nested
    class Fin {
        @Test
        void shouldCloseTooWhenTheClientClosesWithoutARequest() {
            c1.connect();
            c1.packet("FA").send();

            assertThat(lab.happened()).containsExactly("c1 FA seq=w+1 ack=c+2 win=0", "+fins_answered");
        }

        @Test
        void shouldDropWhenNoConnectionIsKnownThatItCouldEnd() {
            c1.connect();
            c1.packet("FA").seq(500).ack(900).send();

            assertThat(lab.happened()).containsExactly("+dropped_unknown_fin");
        }

        @Test
        void shouldDropWhenAFinHasNoAck() {
            c1.connect();
            c1.packet("F").send();

            assertThat(lab.happened()).containsExactly("+dropped_unexpected_flags");
        }
    }

    @Nested
    class Rst {
        @Test
        void shouldDropAndCountWhenThereIsNoConnection() {
            c1.connect();
            c1.packet("R").send();
            c1.packet("RA").send();

            assertThat(lab.happened()).containsExactly("+dropped_reset=2");
        }
    }

    @Nested
    class BeforeTheFiltersHaveReported {
        private final SwitchLab lab = SwitchLab.unsynced();
        private final LabClient c1 = lab.client(1);

        @Test
        void shouldAnswerSynsWhenUnsynced() {
            c1.syn().send();

            assertThat(lab.counters()).containsExactly("+syns_answered");
        }

        @Test
        void shouldNeitherResetNorParseNorMigrateWhenUnsynced() {
            c1.connect();
            c1.data(1, IMAGE).send();
            c1.data(700, "not http\r\n").ack(900).send();
            c1.packet("FA").seq(700).ack(900).send();
            lab.passWithoutReports(200);

            assertThat(lab.happened()).containsExactly("+dropped_unsynced=3");
            assertThat(lab.value("connections")).isZero();
        }

        @Test
        void shouldMigrateWhenTheLastFilterHasReported() {
            c1.connect();
            for (String server : new String[] {"s1", "s2", "s3"}) {
                lab.report(server).full().send();
            }
            c1.data(1, IMAGE).send();
            assertThat(lab.happened()).containsExactly("+dropped_unsynced");
            lab.report("s4").full().send();
            c1.data(1, IMAGE).send();

            assertThat(lab.counters()).containsExactly("+flows_installed", "+requests_migrated");
        }

        @Test
        void shouldGoOnWithoutTheMissingFilterWhenFiveSecondsHaveGone() {
            c1.connect();
            lab.passWithoutReports(4_000);
            for (String server : new String[] {"s1", "s2", "s3"}) {
                lab.report(server).full().send();
            }
            lab.passWithoutReports(995);
            c1.data(1, IMAGE).send();
            assertThat(lab.happened()).containsExactly("+dropped_unsynced");
            lab.passWithoutReports(5);
            c1.data(1, IMAGE).send();

            assertThat(lab.counters()).containsExactly("+flows_installed", "+requests_migrated");
        }

        @Test
        void shouldAskForAFullReportWhenAFilterIsNewToIt() {
            assertThat(lab.report("s1").send()).isFalse();
            assertThat(lab.report("s1").full().send()).isTrue();
            assertThat(lab.report("s1").send()).isTrue();
            assertThat(lab.report("s1").boot("boot-2").send()).isFalse();
            assertThat(lab.report("nobody").full().send()).isFalse();
        }
    }
}
