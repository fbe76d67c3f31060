package org.dwsr.switching;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.dwsr.config.ConfigTrees;
import org.dwsr.http.ErrorResponse;
import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** The state MIGRATED, and what still comes to the web switch although a server has the connection. */
class WebSwitchMigratedTest {
    private static final String IMAGE = "GET /img/a HTTP/1.1\r\nHost: a\r\n\r\n";
    private static final int END = 1 + IMAGE.length();
    private static final String QUOTED = SwitchLab.quote(IMAGE);

    private final SwitchLab lab = new SwitchLab();
    private final LabClient c1 = lab.client(1).connectAndAsk(IMAGE);

    @Nested
    class ClientSegment {
        @Test
        void shouldForwardWithoutAnotherFlowWhenTheFlowIsNotLiveYet() {
            c1.packet("A").seq(END).send();
            c1.data(END, "more").send();
            c1.packet("FA").seq(END + 4).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "s1 c1 A seq=c+" + END + " ack=w+1 win=502",
                            "s1 c1 PA seq=c+" + END + " ack=w+1 win=502 'more'",
                            "s1 c1 FA seq=c+" + (END + 4) + " ack=w+1 win=502",
                            "+segments_forwarded=3");
        }

        @Test
        void shouldReSendTaggedWhenTheFirstRequestIsRepeated() {
            lab.pass(200);
            c1.data(1, IMAGE).send();

            assertThat(lab.happened())
                    .containsExactly("s1 fresh/018 PA seq=c+1 ack=w+1 win=502 " + QUOTED, "+requests_resent");
        }

        @Test
        void shouldForwardARstSinceItsFilterJudgesIt() {
            c1.packet("R").seq(END).send();

            assertThat(lab.happened()).containsExactly("s1 c1 R seq=c+" + END + " win=502", "+segments_forwarded");
            assertThat(lab.value("connections")).isEqualTo(1);
        }

        @Test
        void shouldAnswerASynAndKeepTheConnectionWhenTheSynHasNoFlow() {
            c1.syn().seq(5_000).send();

            assertThat(lab.counters()).containsExactly("+syns_answered");
            assertThat(lab.value("connections")).isEqualTo(1);
        }

        @Test
        void shouldInstallTheFlowAgainOnceWhenItHadTimedOut() {
            lab.webSwitch.onFlowRemoved(SwitchLab.DATAPATH, c1.key(), lab.nowNs);
            c1.packet("A").seq(END).send();
            c1.packet("A").seq(END).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "flow c1>s1",
                            "s1 c1 A seq=c+" + END + " ack=w+1 win=502",
                            "s1 c1 A seq=c+" + END + " ack=w+1 win=502",
                            "+flows_installed",
                            "+segments_forwarded=2");
        }

        @Test
        void shouldKeepTheFlowWhenAnotherSwitchReportsARemoval() {
            lab.webSwitch.onFlowRemoved(9, c1.key(), lab.nowNs);
            lab.webSwitch.onFlowRemoved(SwitchLab.DATAPATH, 4711, lab.nowNs);
            c1.packet("A").seq(END).send();

            assertThat(lab.counters()).containsExactly("+segments_forwarded");
        }

        @Test
        void shouldInstallTheFlowAgainWhenTheSwitchWasGone() {
            lab.webSwitch.onDatapath(SwitchLab.DATAPATH, false, lab.nowNs);
            lab.webSwitch.onDatapath(SwitchLab.DATAPATH, true, lab.nowNs);
            c1.packet("A").seq(END).send();

            assertThat(lab.counters()).containsExactly("+flows_installed", "+segments_forwarded");
        }

        @Test
        void shouldInstallTheFlowWhereTheClientIsWhenItHasMoved() {
            c1.packet("A").seq(END).at(2, 7).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "flow c1@2>s1",
                            "s1 c1 A seq=c+" + END + " ack=w+1 win=502",
                            "+flows_installed",
                            "+segments_forwarded");
        }
    }

    @Nested
    class Stranger {
        @Test
        void shouldChangeNothingWhenAnotherClientSendsToTheVmacInItsName() {
            c1.data(END, "GET /x").at(2, 9).ethSource(0x0200_0000_9999L).send();
            assertThat(lab.counters()).containsExactly("+segments_forwarded");
            c1.data(END, "nonsense\r\n\r\n")
                    .ack(101)
                    .bouncedBy("s1", MigrationTag.MOVED)
                    .send();
            lab.pass(400);

            assertThat(lab.decisions())
                    .contains("unflow c1", SwitchLab.answer(c1, ErrorResponse.BAD_REQUEST, 101, END + 12));
        }
    }

    @Nested
    class UntaggedBounce {
        @Test
        void shouldForwardWhenAnotherServerBounces() {
            c1.data(END, "more").bouncedBy("s2").send();

            assertThat(lab.happened())
                    .containsExactly("s1 c1 PA seq=c+" + END + " ack=w+1 win=502 'more'", "+segments_forwarded");
        }

        @Test
        void shouldReSendTaggedWhenTheCurrentServerBouncesTheStart() {
            c1.data(1, IMAGE).bouncedBy("s1").send();

            assertThat(lab.happened())
                    .containsExactly("s1 fresh/018 PA seq=c+1 ack=w+1 win=502 " + QUOTED, "+requests_resent");
        }

        @Test
        void shouldDropWhenTheCurrentServerBouncesAnythingElse() {
            c1.data(END, "more").bouncedBy("s1").send();

            assertThat(lab.happened()).containsExactly("+dropped_current_server_bounce");
        }

        @Test
        void shouldDropWhenThereIsNoPayloadOrNoAck() {
            c1.packet("A").bouncedBy("s1").send();
            c1.packet("P").payload("x").bouncedBy("s1").send();

            assertThat(lab.happened()).containsExactly("+dropped_stale", "+dropped_unexpected_flags");
        }

        @Test
        void shouldAnswerTheSynAtTheClientsPortWhenTheFilterBouncesIt() {
            c1.isn += 50_000;
            c1.syn().bouncedBy("s1").send();

            assertThat(lab.happened())
                    .containsExactly("c1 SA seq=w+0 ack=c+1 win=16384 mss=1460 sack ws=7", "+syns_answered");
        }
    }

    @Nested
    class TaggedBounceOfAnEarlierServer {
        @Test
        void shouldForwardPayloadAndFinUntaggedAndDropTheRest() {
            c1.data(END, "more").bouncedBy("s3", MigrationTag.MOVED).send();
            c1.packet("FA").seq(END + 4).bouncedBy("s3", MigrationTag.MOVED).send();
            c1.packet("A").seq(END).bouncedBy("s3", MigrationTag.MOVED).send();
            c1.data(END, "rest").bouncedBy("s3", MigrationTag.REFUSED).send();
            c1.data(1, IMAGE).bouncedBy("s3", MigrationTag.REFUSED).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "s1 c1 PA seq=c+" + END + " ack=w+1 win=502 'more'",
                            "s1 c1 FA seq=c+" + (END + 4) + " ack=w+1 win=502",
                            "s1 c1 PA seq=c+" + END + " ack=w+1 win=502 'rest'",
                            "+dropped_stale=2",
                            "+segments_forwarded=3");
        }

        @Test
        void shouldReSendTaggedWhenTheHolderRepeatsTheStart() {
            c1.data(1, IMAGE).bouncedBy("s3", MigrationTag.HELD).send();

            assertThat(lab.happened())
                    .containsExactly("s1 fresh/018 PA seq=c+1 ack=w+1 win=502 " + QUOTED, "+requests_resent");
        }
    }

    @Nested
    class Refused {
        @Test
        void shouldTryAnotherServerOfThePoolWithTheSameKindWhenTheFirstRefuses() {
            c1.data(1, IMAGE).bouncedBy("s1", MigrationTag.REFUSED).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "flow c1>s2",
                            "s2 fresh/018 PA seq=c+1 ack=w+1 win=502 " + QUOTED,
                            "+flows_installed",
                            "+requests_retried",
                            "+servers_refused");
            assertThat(lab.webSwitch.load(0)).isZero();
            assertThat(lab.webSwitch.load(1)).isEqualTo(1);
        }

        @Test
        void shouldAnswer503WhenEveryServerOfThePoolRefuses() {
            c1.data(1, IMAGE).bouncedBy("s1", MigrationTag.REFUSED).send();
            lab.happened();
            c1.data(1, IMAGE).bouncedBy("s2", MigrationTag.REFUSED).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "unflow c1",
                            SwitchLab.answer(c1, ErrorResponse.SERVICE_UNAVAILABLE, END),
                            "+answered_503",
                            "+flows_removed",
                            "+servers_refused");
            assertThat(lab.webSwitch.load(1)).isZero();
        }

        @Test
        void shouldPreferOthersForASecondWhenAServerHasRefused() {
            c1.data(1, IMAGE).bouncedBy("s1", MigrationTag.REFUSED).send();
            lab.report("s2").ended(c1, 1).send();
            for (int i = 2; i < 6; i++) {
                lab.client(i).connectAndAsk(IMAGE);
            }
            assertThat(lab.webSwitch.load(1)).isEqualTo(4);
            lab.pass(1_000);
            lab.client(7).connectAndAsk(IMAGE);

            assertThat(lab.webSwitch.load(0)).isEqualTo(1);
        }

        @Test
        void shouldSendAllItHoldsWhenTheRefusedRequestWasAcknowledged() {
            LabClient slow = lab.client(2).connect();
            slow.data(1, IMAGE.substring(0, 10)).send();
            lab.pass(40);
            slow.data(11, IMAGE.substring(10)).send();
            assertThat(lab.decisions()).contains("s2 held/018 PA seq=c+1 ack=w+1 win=502 " + QUOTED);
            slow.data(1, IMAGE.substring(0, 10))
                    .bouncedBy("s2", MigrationTag.REFUSED)
                    .send();

            assertThat(lab.decisions())
                    .containsExactly("flow c2>s1", "s1 held/018 PA seq=c+1 ack=w+1 win=502 " + QUOTED);
        }

        @Test
        void shouldGatherAgainWhenTheRefusedRequestComesInPieces() {
            c1.data(1, IMAGE.substring(0, 10))
                    .bouncedBy("s1", MigrationTag.REFUSED)
                    .send();
            assertThat(lab.decisions()).isEmpty();
            c1.data(11, IMAGE.substring(10))
                    .bouncedBy("s1", MigrationTag.REFUSED)
                    .send();

            assertThat(lab.decisions())
                    .containsExactly("flow c1>s2", "s2 fresh/018 PA seq=c+1 ack=w+1 win=502 " + QUOTED);
        }
    }

    @Nested
    class Ended {
        @Test
        void shouldDeleteFlowAndEntryWhenItsFilterSaysSo() {
            assertThat(lab.webSwitch.load(0)).isEqualTo(1);
            lab.report("s1").ended(c1, 1).send();

            assertThat(lab.happened()).containsExactly("unflow c1", "+connections_ended", "+flows_removed");
            assertThat(lab.value("connections")).isZero();
            assertThat(lab.webSwitch.load(0)).isZero();
        }

        @Test
        void shouldStayWhenTheReportIsOfAnEarlierConnectionOrServer() {
            lab.report("s1").ended(c1, -500).send();
            lab.report("s2").ended(c1, 1).send();
            lab.report("s1").ended(lab.client(9), 1).send();

            assertThat(lab.happened()).isEmpty();
            assertThat(lab.value("connections")).isEqualTo(1);
        }

        @Test
        void shouldOutliveItsFlowWhenTheFlowTimesOut() {
            lab.webSwitch.onFlowRemoved(SwitchLab.DATAPATH, c1.key(), lab.nowNs);
            lab.passSeconds(3_600, true);

            assertThat(lab.value("connections")).isEqualTo(1);
        }
    }

    @Nested
    class RequestModeSwitch {
        private final SwitchLab lab = new SwitchLab(paperMode());
        private final LabClient c1 = lab.client(1);

        private Map<String, Object> paperMode() {
            Map<String, Object> tree = ConfigTrees.example();
            ConfigTrees.objectAt(tree, "services", 0).put("requests", "switch");
            return tree;
        }

        @Test
        void shouldPassEveryRequestThroughWithoutAFlowAsInThePapersStep23() {
            c1.connect();
            c1.data(1, IMAGE).send();
            lab.pass(50);
            c1.packet("A").seq(END).ack(500).send();
            c1.data(END, IMAGE).ack(500).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "s1 fresh/018 PA seq=c+1 ack=w+1 win=502 " + QUOTED,
                            "s1 c1 A seq=c+" + END + " ack=w+500 win=502",
                            "s1 c1 PA seq=c+" + END + " ack=w+500 win=502 " + QUOTED,
                            "+requests_migrated",
                            "+requests_switched",
                            "+segments_forwarded=2");
        }

        @Test
        void shouldMoveWithoutAFlowWhenTheGuardBounces() {
            String page = "GET /a.php HTTP/1.1\r\nHost: a\r\n\r\n";
            c1.connectAndAsk(IMAGE);
            c1.data(END, page).ack(500).bouncedBy("s1", MigrationTag.MOVED).send();

            assertThat(lab.decisions())
                    .containsExactly(
                            "s1 silence/000 RA seq=c+" + END + " ack=w+500 win=0",
                            "s3 moved/020 PA seq=c+" + END + " ack=w+500 win=502 " + SwitchLab.quote(page));
        }
    }
}
