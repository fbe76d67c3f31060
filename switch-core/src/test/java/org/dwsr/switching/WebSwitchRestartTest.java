package org.dwsr.switching;

import static org.assertj.core.api.Assertions.assertThat;

import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** What a web switch that has just started learns from filters and switches: filters are the authority. */
class WebSwitchRestartTest {
    private static final String IMAGE = "GET /img/a HTTP/1.1\r\nHost: a\r\n\r\n";
    private static final String PAGE = "GET /a.php HTTP/1.1\r\nHost: a\r\n\r\n";
    private static final long TAG = MigrationTag.with(MigrationTag.of(6, 7, 7, true), 44, MigrationTag.FRESH);

    private final SwitchLab lab = SwitchLab.unsynced();
    private final LabClient c1 = lab.client(1);

    private void flow(LabClient client, String server) {
        lab.webSwitch.onFlowRead(
                SwitchLab.DATAPATH, client.key(), client.ip, lab.server(server).mac(), lab.nowNs);
    }

    @Nested
    class FromReports {
        @Test
        void shouldRestoreWhatAFilterHas() {
            lab.report("s1").full().live(c1, TAG).send();

            assertThat(lab.happened()).containsExactly("+connections_restored");
            assertThat(lab.webSwitch.load(0)).isEqualTo(1);
            c1.packet("A").seq(500).ack(900).send();
            assertThat(lab.happened())
                    .containsExactly(
                            "flow c1>s1",
                            "s1 c1 A seq=c+500 ack=w+900 win=502",
                            "+flows_installed",
                            "+segments_forwarded");
        }

        @Test
        void shouldMoveARestoredConnectionAndAnswerItsClientByItsMac() {
            lab.report("s1").full().live(c1, TAG).send();
            lab.reportAll();
            c1.data(500, PAGE).ack(900).bouncedBy("s1", MigrationTag.MOVED).send();

            assertThat(lab.decisions())
                    .containsExactly(
                            "flow c1>s3",
                            "s1 silence/000 RA seq=c+500 ack=w+900 win=0",
                            "s3 moved/020 PA seq=c+500 ack=w+900 win=502 " + SwitchLab.quote(PAGE));
            lab.happened();
            c1.data(5_000, "no http\r\n\r\n")
                    .ack(9_000)
                    .bouncedBy("s3", MigrationTag.MOVED)
                    .send();
            lab.pass(400);
            assertThat(lab.decisions()).anyMatch(line -> line.startsWith("c1@1:-1 PFA seq=w+9000"));
        }

        @Test
        void shouldEndARestoredConnectionWhateverRequestItsFilterNames() {
            lab.report("s1").full().live(c1, TAG).send();
            lab.report("s1").ended(c1, 4_711).send();

            assertThat(lab.value("connections")).isZero();
            assertThat(lab.webSwitch.load(0)).isZero();
        }

        @Test
        void shouldEndWhatAFullReportNoLongerNames() {
            lab.report("s1").full().live(c1, TAG).live(lab.client(2), TAG).send();
            lab.pass(2_005);
            lab.report("s1").boot("boot-2").full().live(lab.client(2), TAG).send();

            assertThat(lab.value("connections")).isEqualTo(1);
            assertThat(lab.value(SwitchCounter.CONNECTIONS_ENDED)).isEqualTo(1);
        }

        @Test
        void shouldKeepAYoungConnectionWhenTheReportWasWrittenBeforeIt() {
            lab.reportAll();
            c1.connectAndAsk(IMAGE);
            lab.pass(1_000);
            lab.report("s1").full().send();

            assertThat(lab.value("connections")).isEqualTo(1);
        }

        @Test
        void shouldEndAHundredConnectionsWhenAFilterHasLostThem() {
            lab.reportAll();
            for (int i = 1; i <= 100; i++) {
                lab.client(i).connectAndAsk(IMAGE);
            }
            int atS1 = lab.webSwitch.load(0);
            lab.pass(3_000);
            lab.report("s1").boot("boot-2").full().send();

            assertThat(lab.webSwitch.load(0)).isZero();
            assertThat(lab.value("connections_ended")).isEqualTo(atS1);
            assertThat(lab.value("connections_lost")).isEqualTo(atS1);
            lab.pass(60_100);
            assertThat(lab.value("connections")).isEqualTo(100 - atS1);
        }

        @Test
        void shouldWantASecondFullReportWhenTheFirstCameTooEarlyToJudgeAConnection() {
            lab.reportAll();
            c1.connectAndAsk(IMAGE);
            lab.pass(1_000);
            // Ended just before its filter was killed: the end was never told.
            assertThat(lab.report("s1").boot("boot-2").full().send()).isTrue();
            lab.pass(1_000);
            assertThat(lab.report("s1").boot("boot-2").send()).isTrue();
            lab.pass(1_005);
            assertThat(lab.report("s1").boot("boot-2").send()).isFalse();
            assertThat(lab.value("connections")).isOne();
            lab.happened();
            lab.report("s1").boot("boot-2").full().send();

            assertThat(lab.decisions()).containsExactly("unflow c1", "c1 A seq=w+0 ack=c+1 win=0");
            assertThat(lab.report("s1").boot("boot-2").send()).isTrue();
        }

        @Test
        void shouldTakeTheEndsOfAReportThatAsksForAFullOne() {
            lab.reportAll();
            c1.connectAndAsk(IMAGE);
            lab.report("s1").boot("boot-2").full().send();
            lab.pass(2_005);
            assertThat(lab.report("s1").boot("boot-2").ended(c1, 1).send()).isFalse();

            assertThat(lab.value("connections")).isZero();
            assertThat(lab.value("connections_lost")).isZero();
        }

        @Test
        void shouldNotWantAThirdFullReportForConnectionsThatCameSince() {
            lab.reportAll();
            c1.connectAndAsk(IMAGE);
            lab.report("s1").boot("boot-2").full().send();
            lab.pass(2_005);
            for (int i = 2; i <= 5; i++) {
                lab.client(i).connectAndAsk(IMAGE);
            }
            lab.report("s1").boot("boot-2").full().send();
            lab.pass(4_000);

            assertThat(lab.report("s1").boot("boot-2").send()).isTrue();
        }

        @Test
        void shouldAskAClientForTheNumberThatResetsItWhenItsFilterHasLostIt() {
            lost();

            assertThat(lab.decisions()).containsExactly("unflow c1", "c1 A seq=w+0 ack=c+1 win=0");
            lab.pass(1_000);
            assertThat(lab.decisions()).containsExactly("c1 A seq=w+0 ack=c+1 win=0");
        }

        @Test
        void shouldAskAClientWhoseFinItsOwnFilterDoesNotKnow() {
            lab.reportAll();
            c1.connectAndAsk(IMAGE);
            lab.pass(2_100);
            lab.happened();
            c1.packet("AF").seq(1 + IMAGE.length()).ack(1).bouncedBy("s1").send();

            assertThat(lab.decisions()).containsExactly("unflow c1", "c1 A seq=w+0 ack=c+1 win=0");
            assertThat(lab.value("connections_lost")).isOne();
        }

        @Test
        void shouldWaitWhenTheRequestMayStillBeOnItsWayToTheFilterThatBouncesTheFin() {
            lab.reportAll();
            c1.connectAndAsk(IMAGE);
            lab.pass(1_900);
            lab.happened();
            c1.packet("AF").seq(1 + IMAGE.length()).ack(1).bouncedBy("s1").send();

            assertThat(lab.happened()).containsExactly("+dropped_stale");
        }

        @Test
        void shouldForwardTheFinThatFollowedAnOldFlow() {
            lab.reportAll();
            c1.connectAndAsk(IMAGE);
            lab.pass(2_100);
            lab.happened();
            c1.packet("AF").seq(1 + IMAGE.length()).ack(1).bouncedBy("s3").send();

            assertThat(lab.counters()).containsExactly("+segments_forwarded");
        }

        @Test
        void shouldResetALostClientWithTheNumberItAnswers() {
            lost();
            lab.happened();
            c1.packet("A").seq(700).ack(90_000).send();

            assertThat(lab.decisions()).containsExactly("c1 R seq=w+90000 win=0");
            assertThat(lab.value("connections")).isZero();
        }

        @Test
        void shouldForgetALostClientThatHasNoSocketAnyMore() {
            lost();
            lab.happened();
            c1.packet("R").seq(1).send();

            assertThat(lab.decisions()).isEmpty();
            assertThat(lab.value("connections")).isZero();
        }

        @Test
        void shouldTakeANewConnectionOfALostClient() {
            lost();
            lab.happened();
            c1.isn += 500_000;
            c1.connectAndAsk(IMAGE);

            assertThat(lab.webSwitch.load(0) + lab.webSwitch.load(1)).isEqualTo(1);
        }

        private void lost() {
            lab.reportAll();
            c1.connectAndAsk(IMAGE);
            lab.pass(3_000);
            lab.happened();
            lab.report("s1").boot("boot-2").full().send();
        }

        @Test
        void shouldNotGiveAConnectionAwayWhenAnotherFilterStillNamesIt() {
            lab.reportAll();
            c1.connectAndAsk(IMAGE);
            lab.report("s3").full().live(c1, TAG).send();

            assertThat(lab.webSwitch.load(0)).isEqualTo(1);
            assertThat(lab.webSwitch.load(2)).isZero();
        }

        @Test
        void shouldReturnADuplicateOfTheFirstRequestToItsServerWhenRestored() {
            c1.connect();
            lab.report("s2").full().live(c1, TAG).send();
            lab.reportAll();
            lab.happened();
            c1.data(1, IMAGE).send();

            assertThat(lab.decisions())
                    .containsExactly("flow c1>s2", "s2 fresh/018 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(IMAGE));
        }
    }

    @Nested
    class FromBounces {
        @Test
        void shouldMigrateWithoutFurtherStateWhenAFilterBounces() {
            c1.data(500, PAGE).ack(900).bouncedBy("s1", MigrationTag.MOVED).send();
            lab.reportAll();
            c1.data(500, PAGE).ack(900).bouncedBy("s1", MigrationTag.MOVED).send();

            assertThat(lab.value(SwitchCounter.CONNECTIONS_RESTORED)).isEqualTo(1);
            assertThat(lab.value("connections")).isEqualTo(1);
        }

        @Test
        void shouldMoveTheBouncedRequestWhenItHasNoEntry() {
            lab.reportAll();
            lab.happened();
            c1.data(500, PAGE).ack(900).bouncedBy("s1", MigrationTag.MOVED).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "flow c1>s3",
                            "s1 silence/000 RA seq=c+500 ack=w+900 win=0",
                            "s3 moved/020 PA seq=c+500 ack=w+900 win=502 " + SwitchLab.quote(PAGE),
                            "+connections_restored",
                            "+flows_installed",
                            "+requests_moved",
                            "+silences_sent");
        }

        @Test
        void shouldProveTheHandshakeWhenTheBounceIsUntagged() {
            lab.reportAll();
            c1.connect();
            c1.data(2, IMAGE).bouncedBy("s1").send();
            assertThat(lab.happened()).containsExactly("+segments_waited");
            c1.data(1, IMAGE).bouncedBy("s1").send();

            assertThat(lab.counters()).contains("+requests_migrated");
        }
    }

    @Nested
    class FromFlows {
        @Test
        void shouldRestoreAConnectionWhoseFilterHasNotReportedYet() {
            flow(c1, "s1");

            assertThat(lab.happened()).containsExactly("+connections_restored");
            c1.packet("A").seq(500).ack(900).send();
            assertThat(lab.happened()).containsExactly("s1 c1 A seq=c+500 ack=w+900 win=502", "+segments_forwarded");
        }

        @Test
        void shouldEndItWhenTheFilterDoesNotHaveIt() {
            flow(c1, "s1");
            lab.report("s1").full().send();

            assertThat(lab.happened())
                    .containsExactly("unflow c1", "+connections_ended", "+connections_restored", "+flows_removed");
            assertThat(lab.webSwitch.load(0)).isZero();
        }

        @Test
        void shouldBelieveTheFilterWhenTheFlowLeadsElsewhere() {
            flow(c1, "s1");
            lab.happened();
            lab.report("s3").full().live(c1, TAG).send();

            assertThat(lab.happened()).containsExactly("flow c1>s3", "+flows_installed");
            assertThat(lab.webSwitch.load(0)).isZero();
            assertThat(lab.webSwitch.load(2)).isEqualTo(1);
        }

        @Test
        void shouldRemoveTheFlowWhenItsFilterHasReportedWithoutIt() {
            lab.report("s1").full().send();
            flow(c1, "s1");

            assertThat(lab.happened()).containsExactly("unflow c1", "+flows_removed");
        }

        @Test
        void shouldRemoveTheFlowWhenItsServerIsUnknown() {
            lab.webSwitch.onFlowRead(SwitchLab.DATAPATH, c1.key(), c1.ip, 0x0200_0000_7777L, lab.nowNs);

            assertThat(lab.happened()).containsExactly("unflow c1", "+flows_removed");
        }

        @Test
        void shouldCorrectTheFlowWhenTheConnectionIsElsewhere() {
            lab.reportAll();
            c1.connectAndAsk(IMAGE);
            flow(c1, "s1");
            assertThat(lab.happened()).isEmpty();
            flow(c1, "s4");

            assertThat(lab.happened()).containsExactly("flow c1>s1", "+flows_installed");
        }
    }

    @Nested
    class NewHandshakeOnOldPorts {
        @Test
        void shouldMigrateAfreshAndEndTheOldServersWhenTheCookieIsNew() {
            lab.reportAll();
            c1.connectAndAsk(IMAGE);
            c1.data(500, PAGE).ack(900).bouncedBy("s1", MigrationTag.MOVED).send();
            lab.happened();
            int oldIsn = c1.isn;
            int oldWseq = c1.wseq;
            c1.isn += 90_000;
            c1.syn().bouncedBy("s3").send();
            lab.happened();
            c1.data(1, IMAGE).bouncedBy("s3").send();

            int seq = oldIsn + 500 - c1.isn;
            int ack = oldWseq + 900 - c1.wseq;
            String numbers = " RA seq=c+" + seq + " ack=w+" + ack + " win=0";
            String server = lab.webSwitch.load(0) == 1 ? "s1" : "s2";
            assertThat(lab.decisions())
                    .contains(
                            "flow c1>" + server,
                            server + " fresh/018 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(IMAGE),
                            "s3 silence/000" + numbers);
            assertThat(lab.value("connections")).isEqualTo(1);
            assertThat(lab.webSwitch.load(2)).isZero();
        }
    }

    @Nested
    class NeverEnding {
        @Test
        void shouldEndAConnectionWithoutFlowWhenItsFilterHasVanished() {
            lab.reportAll();
            c1.connectAndAsk(IMAGE);
            lab.webSwitch.onFlowRemoved(SwitchLab.DATAPATH, c1.key(), lab.nowNs);
            lab.passSeconds(599, false);
            assertThat(lab.value("connections")).isEqualTo(1);
            lab.passSeconds(2, false);

            assertThat(lab.counters()).contains("+connections_expired", "+connections_ended");
            assertThat(lab.value("connections")).isZero();
            assertThat(lab.webSwitch.load(0)).isZero();
        }

        @Test
        void shouldKeepAConnectionWithAFlowWhenItsFilterHasVanished() {
            lab.reportAll();
            c1.connectAndAsk(IMAGE);
            lab.passSeconds(2_000, false);

            assertThat(lab.value("connections")).isEqualTo(1);
        }

        @Test
        void shouldEndAConnectionThatItsFilterMustHaveForgotten() {
            lab.reportAll();
            c1.connectAndAsk(IMAGE);
            lab.webSwitch.onFlowRemoved(SwitchLab.DATAPATH, c1.key(), lab.nowNs);
            lab.passSeconds(7_700, true);
            assertThat(lab.value("connections")).isEqualTo(1);
            lab.passSeconds(101, true);

            assertThat(lab.value("connections")).isZero();
        }
    }
}
