package org.dwsr.switching;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.dwsr.config.ConfigTrees;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.TcpOptions;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** Responses find a client by a flow of its own in its switch, from its first request on. */
class WebSwitchReturnTest {
    private static final String IMAGE = "GET /img/a HTTP/1.1\r\nHost: a\r\n\r\n";
    private static final String QUOTED = SwitchLab.quote(IMAGE);
    private static final String PAGE = "GET /a.php HTTP/1.1\r\nHost: a\r\n\r\n";
    private static final int END = 1 + IMAGE.length();
    private static final long TAG = MigrationTag.with(MigrationTag.of(6, 7, 7, true), 44, MigrationTag.FRESH);

    private final SwitchLab lab = new SwitchLab();
    private final LabClient c1 = lab.client(1);

    private static LabClient on(LabClient client, int port) {
        client.port = port;
        return client;
    }

    /** The same client's next connection, which it opens and asks on. */
    private static void askAnew(LabClient client, int port) {
        client.isn += 5_000_000;
        on(client, port).connectAndAsk(IMAGE);
    }

    private void timesOut(LabClient client) {
        lab.webSwitch.onReturnRemoved(SwitchLab.DATAPATH, client.mac, false);
    }

    @Nested
    class FirstRequest {
        @Test
        void shouldInstallTheReturnFlowBeforeConnectionFlowAndRequest() {
            c1.connect();
            lab.tellReturns();
            c1.data(1, IMAGE).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "return c1>1",
                            "flow c1>s1",
                            "s1 fresh/018 PA seq=c+1 ack=w+1 win=502 " + QUOTED,
                            "+flows_installed",
                            "+requests_migrated",
                            "+return_flows_installed");
            assertThat(lab.value("return_flows")).isEqualTo(1);
        }

        @Test
        void shouldInstallNothingForSynsAndHandshakeAcks() {
            for (int i = 1; i <= 100; i++) {
                lab.client(i).syn().send();
                lab.client(i).packet("A").send();
            }

            assertThat(lab.returns()).isEmpty();
            assertThat(lab.value("return_flows")).isZero();
        }

        @Test
        void shouldInstallNothingWhenTheHandshakeIsNotProven() {
            c1.connect();
            c1.data(1, IMAGE).ack(2).send();
            c1.data(2, IMAGE).send();
            lab.pass(300);

            assertThat(lab.returns()).isEmpty();
        }

        @Test
        void shouldInstallNothingWhileTheHeadIsIncomplete() {
            c1.connect();
            c1.data(1, IMAGE.substring(0, 20)).send();
            assertThat(lab.returns()).isEmpty();

            c1.data(21, IMAGE.substring(20)).send();
            assertThat(lab.returns()).containsExactly("return c1>1");
        }

        @Test
        void shouldInstallNothingWhenTheWebSwitchAnswersItself() {
            c1.connect();
            c1.data(1, "no http\r\n\r\n").send();

            assertThat(lab.returns()).isEmpty();
        }

        @Test
        void shouldInstallNothingForTheMacOfAServerOrTheVip() {
            long[] macs = {lab.server("s1").mac(), SwitchLab.VMAC, 0x0300_0000_0001L};
            for (int i = 0; i < macs.length; i++) {
                LabClient client = lab.client(i + 1);
                client.wseq = lab.cookies.issue(
                        client.ip.high(),
                        client.ip.low(),
                        (int) client.key(),
                        lab.config().vip(false),
                        client.isn,
                        new TcpOptions(),
                        lab.nowNs);
                client.data(1, IMAGE).ethSource(macs[i]).send();
            }

            assertThat(lab.value(SwitchCounter.REQUESTS_MIGRATED)).isEqualTo(3);
            assertThat(lab.returns()).isEmpty();
        }

        @Test
        void shouldInstallItInRequestModeSwitchToo() {
            Map<String, Object> tree = ConfigTrees.example();
            ConfigTrees.objectAt(tree, "services", 0).put("requests", "switch");
            SwitchLab paper = new SwitchLab(tree);
            LabClient client = paper.client(1).connect();
            client.data(1, IMAGE).send();
            client.data(END, IMAGE).ack(500).send();
            client.packet("A").seq(2 * END).ack(900).send();

            assertThat(paper.returns()).containsExactly("return c1>1");
        }
    }

    @Nested
    class Installed {
        Installed() {
            c1.connectAndAsk(IMAGE);
            assertThat(lab.returns()).containsExactly("return c1>1");
        }

        @Test
        void shouldNotBeInstalledAgainForFurtherConnectionsRequestsAndMoves() {
            askAnew(c1, 1);
            c1.packet("A").seq(END).ack(500).send();
            c1.data(END, PAGE).ack(500).bouncedBy("s1", MigrationTag.MOVED).send();
            lab.webSwitch.onFlowRemoved(SwitchLab.DATAPATH, c1.key(), lab.nowNs);
            c1.data(END + PAGE.length(), IMAGE).ack(900).send();

            assertThat(lab.returns()).isEmpty();
            assertThat(lab.value(SwitchCounter.RETURN_FLOWS_INSTALLED)).isEqualTo(1);
        }

        @Test
        void shouldFollowTheClientWhenItsNextConnectionComesFromAnotherPort() {
            askAnew(c1, 9);

            assertThat(lab.returns()).containsExactly("return c1>9");
            assertThat(lab.value("return_flows")).isEqualTo(1);
        }

        @Test
        void shouldStayWhereItIsWhenAStrangerBorrowsTheClientsAddresses() {
            lab.webSwitch.onFlowRemoved(SwitchLab.DATAPATH, c1.key(), lab.nowNs);
            c1.packet("A").seq(END).at(SwitchLab.DATAPATH, 66).send();
            c1.data(END, PAGE).ack(500).bouncedBy("s1", MigrationTag.MOVED).send();

            assertThat(lab.returns()).isEmpty();
        }

        @Test
        void shouldBeInstalledAgainWithTheNextRequestWhenItTimedOut() {
            timesOut(c1);
            assertThat(lab.value("return_flows")).isZero();
            askAnew(c1, 1);

            assertThat(lab.returns()).containsExactly("return c1>1");
        }

        @Test
        void shouldBeInstalledAgainWithTheNextPacketWhenBothFlowsTimedOut() {
            timesOut(c1);
            lab.webSwitch.onFlowRemoved(SwitchLab.DATAPATH, c1.key(), lab.nowNs);
            c1.packet("A").seq(END).ack(500).send();

            assertThat(lab.returns()).containsExactly("return c1>1");
        }

        @Test
        void shouldBeInstalledAgainWithABouncedRequestWhenItTimedOut() {
            timesOut(c1);
            c1.data(END, PAGE).ack(500).bouncedBy("s1", MigrationTag.MOVED).send();

            assertThat(lab.returns()).containsExactly("return c1>1");
        }

        @Test
        void shouldStayWhenAnotherSwitchOrClientLosesItsOwn() {
            lab.webSwitch.onReturnRemoved(2, c1.mac, false);
            timesOut(lab.client(2));
            lab.webSwitch.onDatapath(2, false, lab.nowNs);
            askAnew(c1, 1);

            assertThat(lab.returns()).isEmpty();
        }

        @Test
        void shouldBeForgottenWhenTheSwitchDisconnects() {
            lab.webSwitch.onDatapath(SwitchLab.DATAPATH, false, lab.nowNs);
            assertThat(lab.value("return_flows")).isZero();
            lab.webSwitch.onDatapath(SwitchLab.DATAPATH, true, lab.nowNs);
            askAnew(c1, 1);

            assertThat(lab.returns()).containsExactly("return c1>1");
        }

        @Test
        void shouldBeForgottenWhenTheConfigurationChanges() {
            lab.configure(ConfigTrees.example());
            assertThat(lab.value("return_flows")).isZero();
            askAnew(c1, 1);

            assertThat(lab.returns()).containsExactly("return c1>1");
        }
    }

    @Nested
    class SeveralSwitches {
        @Test
        void shouldLeadToTheClientInEverySwitchThatItsPacketsPass() {
            c1.connectAndAsk(IMAGE);
            // The second switch has no connection flow yet either.
            c1.packet("A").seq(END).at(2, 7).send();
            c1.packet("A").seq(END).at(2, 7).send();

            assertThat(lab.returns()).containsExactly("return c1>1", "return c1@2>7");
        }

        @Test
        void shouldTakeAwayWhatLeadsToTheFormerPlaceWhenTheClientHasMovedToAnotherSwitch() {
            c1.connectAndAsk(IMAGE);
            c1.packet("A").seq(END).at(2, 7).send();
            lab.returns();
            c1.isn += 5_000_000;
            c1.syn().at(2, 7).send();
            c1.data(1, IMAGE).at(2, 7).send();

            assertThat(lab.returns()).containsExactly("unreturn c1");
            assertThat(lab.value("return_flows")).isEqualTo(1);
        }
    }

    @Nested
    class AfterARestart {
        private final SwitchLab lab = SwitchLab.unsynced();
        private final LabClient c1 = lab.client(1);

        @Test
        void shouldBeInstalledWithTheNextPacketOfARestoredConnection() {
            lab.report("s1").full().live(c1, TAG).send();
            assertThat(lab.returns()).isEmpty();
            c1.packet("A").seq(500).ack(900).send();
            c1.packet("A").seq(500).ack(950).send();

            assertThat(lab.returns()).containsExactly("return c1>1");
        }

        @Test
        void shouldNotBeInstalledWhileNobodyKnowsWhereTheClientIs() {
            lab.report("s1").full().live(c1, TAG).send();
            lab.reportAll();
            c1.data(500, PAGE).ack(900).bouncedBy("s1", MigrationTag.MOVED).send();

            assertThat(lab.value(SwitchCounter.REQUESTS_MOVED)).isEqualTo(1);
            assertThat(lab.returns()).isEmpty();
        }

        @Test
        void shouldNotBeInstalledAgainWhenItWasReadBack() {
            lab.reportAll();
            lab.webSwitch.onReturnRead(SwitchLab.DATAPATH, c1.mac, false, 1);
            assertThat(lab.value("return_flows")).isEqualTo(1);
            c1.connectAndAsk(IMAGE);
            assertThat(lab.returns()).isEmpty();

            askAnew(c1, 9);
            assertThat(lab.returns()).containsExactly("return c1>9");
        }

        @Test
        void shouldBeReplacedWhenAnotherPortWasReadBack() {
            lab.reportAll();
            lab.webSwitch.onReturnRead(SwitchLab.DATAPATH, c1.mac, false, 9);
            c1.connectAndAsk(IMAGE);

            assertThat(lab.returns()).containsExactly("return c1>1");
        }

        @Test
        void shouldKeepWhatWasInstalledSinceTheSwitchWasAsked() {
            lab.reportAll();
            c1.connectAndAsk(IMAGE);
            lab.webSwitch.onReturnRead(SwitchLab.DATAPATH, c1.mac, false, 9);
            askAnew(c1, 1);

            assertThat(lab.returns()).containsExactly("return c1>1");
        }

        @Test
        void shouldBeTakenAwayWhenTheMacIsAServersNow() {
            lab.webSwitch.onReturnRead(SwitchLab.DATAPATH, lab.server("s1").mac(), false, 1);

            assertThat(lab.returns()).containsExactly("unreturn 02:00:00:00:00:01");
            assertThat(lab.value("return_flows")).isZero();
        }

        @Test
        void shouldNotMakeAConnection() {
            lab.webSwitch.onReturnRead(SwitchLab.DATAPATH, c1.mac, false, 1);

            assertThat(lab.happened()).isEmpty();
            assertThat(lab.value("connections")).isZero();
        }
    }

    @Nested
    class Limit {
        private final SwitchCounters counters = new SwitchCounters();
        private final ReturnFlows flows = new ReturnFlows(lab, counters, 2);

        Limit() {
            flows.configure(lab.config());
        }

        private void ask(LabClient client) {
            ConnectionEntry entry = new ConnectionEntry(client.key(), client.ip);
            entry.ingressDatapath = SwitchLab.DATAPATH;
            entry.ingressPort = client.port;
            entry.clientMac = client.mac;
            flows.install(entry, true);
        }

        private long overLimit() {
            long[] found = new long[1];
            counters.report((name, value) -> found[0] = name.equals("return_flows_over_limit") ? value : found[0]);
            return found[0];
        }

        @Test
        void shouldInstallNoMoreAndCountWhenTheTableIsFull() {
            ask(lab.client(1));
            ask(lab.client(2));
            ask(lab.client(3));
            ask(lab.client(3));

            assertThat(lab.returns()).containsExactly("return c1>1", "return c2>1");
            assertThat(overLimit()).isEqualTo(2);
            assertThat(flows.size()).isEqualTo(2);
        }

        @Test
        void shouldStillFollowTheKnownWhenTheTableIsFull() {
            ask(lab.client(1));
            ask(lab.client(2));
            ask(on(lab.client(1), 9));

            assertThat(lab.returns()).containsExactly("return c1>1", "return c2>1", "return c1>9");
            assertThat(overLimit()).isZero();
        }

        @Test
        void shouldInstallAgainWhenOneHasTimedOut() {
            ask(lab.client(1));
            ask(lab.client(2));
            flows.onRemoved(SwitchLab.DATAPATH, lab.client(1).mac, false);
            flows.onRemoved(SwitchLab.DATAPATH, lab.client(1).mac, false);
            ask(lab.client(3));
            ask(lab.client(1));

            assertThat(lab.returns()).containsExactly("return c1>1", "return c2>1", "return c3>1");
            assertThat(flows.size()).isEqualTo(2);
        }

        @Test
        void shouldTakeAwayWhatIsReadBackBeyondIt() {
            for (int i = 1; i <= 3; i++) {
                flows.onRead(SwitchLab.DATAPATH, lab.client(i).mac, false, 1);
            }

            assertThat(lab.returns()).containsExactly("unreturn c3");
            assertThat(flows.size()).isEqualTo(2);
        }
    }
}
