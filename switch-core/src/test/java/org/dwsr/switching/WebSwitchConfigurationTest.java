package org.dwsr.switching;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.dwsr.config.ConfigTrees;
import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** Which server a request gets (session, schedule, state of the servers), and what a new configuration changes. */
class WebSwitchConfigurationTest {
    private static final String IMAGE = "GET /img/a HTTP/1.1\r\nHost: a\r\n\r\n";
    private static final int END = 1 + IMAGE.length();

    private final SwitchLab lab = new SwitchLab();
    private final LabClient c1 = lab.client(1);

    private static String page(String cookie) {
        return "GET /a.php HTTP/1.1\r\nHost: a\r\nCookie: " + cookie + "\r\n\r\n";
    }

    private static String serverOf(SwitchLab lab) {
        String flow = lab.decisions().get(0);
        return flow.substring(flow.indexOf('>') + 1);
    }

    @Nested
    class Sessions {
        @Test
        void shouldFollowTheSessionCookieBeforeTheSchedule() {
            for (int i = 1; i <= 4; i++) {
                lab.client(i).connect().data(1, page("DR0209C4D=x")).send();
                assertThat(serverOf(lab)).isEqualTo("s4");
            }
            assertThat(lab.value(SwitchCounter.REQUESTS_BY_COOKIE)).isEqualTo(4);
        }

        @Test
        void shouldCountAsNoCookieWhenItNamesAServerOfAnotherPool() {
            c1.connect().data(1, page("DR0209C1D=x")).send();

            assertThat(serverOf(lab)).isEqualTo("s3");
            assertThat(lab.value(SwitchCounter.REQUESTS_BY_COOKIE)).isZero();
        }

        @Test
        void shouldCountAsNoCookieWhenItNamesNobodyOrIsNotEncoded() {
            c1.connect().data(1, page("DR020ZZZD=x; PHPSESSID=y; DR018")).send();

            assertThat(lab.counters()).containsExactly("+flows_installed", "+requests_migrated");
        }

        @Test
        void shouldCountAsNoCookieWhenItsContentTypeIsAnother() {
            c1.connect().data(1, page("DR0189C4D=x")).send();

            assertThat(serverOf(lab)).isEqualTo("s3");
        }

        @Test
        void shouldGoElsewhereWhenTheNamedServersFilterIsGone() {
            lab.passWithoutReports(5_000);
            lab.report("s3").send();
            c1.connect().data(1, page("DR0209C4D=x")).send();

            assertThat(serverOf(lab)).isEqualTo("s3");
        }

        @Test
        void shouldGoElsewhereWhenTheNamedServerHasRefused() {
            c1.connectAndAsk(page("DR0209C4D=x"));
            c1.data(1, page("DR0209C4D=x"))
                    .bouncedBy("s4", MigrationTag.REFUSED)
                    .send();

            assertThat(serverOf(lab)).isEqualTo("s3");
        }
    }

    @Nested
    class Drained {
        private final SwitchLab lab;

        Drained() {
            Map<String, Object> tree = ConfigTrees.example();
            ConfigTrees.objectAt(tree, "servers", 3).put("state", "drained");
            lab = new SwitchLab(tree);
        }

        @Test
        void shouldStartNoSessionThere() {
            for (int i = 1; i <= 4; i++) {
                lab.client(i).connect().data(1, page("a=b")).send();
                assertThat(serverOf(lab)).isEqualTo("s3");
            }
        }

        @Test
        void shouldContinueASessionThere() {
            lab.client(1).connect().data(1, page("DR0209C4D=x")).send();

            assertThat(serverOf(lab)).isEqualTo("s4");
        }
    }

    @Nested
    class Unavailable {
        @Test
        void shouldSkipAServerWhenItsFilterIsSilentForFiveSeconds() {
            lab.passWithoutReports(4_995);
            lab.report("s2").send();
            lab.passWithoutReports(5);
            for (int i = 1; i <= 3; i++) {
                lab.client(i).connect().data(1, IMAGE).send();
                assertThat(serverOf(lab)).isEqualTo("s2");
            }
        }

        @Test
        void shouldUseItAgainWhenItsFilterReports() {
            lab.passWithoutReports(5_000);
            lab.report("s2").send();
            lab.client(1).connectAndAsk(IMAGE);
            lab.report("s1").send();
            lab.client(2).connectAndAsk(IMAGE);

            assertThat(lab.webSwitch.load(0)).isEqualTo(1);
            assertThat(lab.webSwitch.load(1)).isEqualTo(1);
        }
    }

    @Nested
    class NewConfiguration {
        private Map<String, Object> without(int server) {
            Map<String, Object> tree = ConfigTrees.example();
            Object[] servers = new Object[3];
            for (int i = 0, at = 0; i < 4; i++) {
                if (i != server) {
                    servers[at++] = ConfigTrees.server(i + 1);
                }
            }
            tree.put("servers", ConfigTrees.list(servers));
            Object other = server % 2 == 0 ? "s" + (server + 2) : "s" + server;
            ConfigTrees.objectAt(tree, "pools", server / 2).put("servers", ConfigTrees.list(other));
            return tree;
        }

        @Test
        void shouldKeepConnectionsWithTheirServersWhenNumbersChange() {
            lab.client(1).connectAndAsk(IMAGE);
            lab.client(2).connectAndAsk(IMAGE);
            lab.client(3).connectAndAsk(page("DR0209C4D=x"));
            lab.configure(without(0));

            assertThat(lab.happened()).containsExactly("unflow c1", "+connections_ended", "+flows_removed");
            assertThat(lab.webSwitch.load(0)).isEqualTo(1);
            assertThat(lab.webSwitch.load(2)).isEqualTo(1);
            lab.client(3).packet("A").seq(500).send();
            assertThat(lab.decisions()).containsExactly("s4 c3 A seq=c+500 ack=w+1 win=502");
        }

        @Test
        void shouldRenumberEveryConnectionWhenManyEnd() {
            for (int i = 1; i <= 300; i++) {
                lab.client(i).connectAndAsk(i % 3 == 0 ? page("DR0209C4D=x") : IMAGE);
            }
            int atS2 = lab.webSwitch.load(1);
            int atS4 = lab.webSwitch.load(3);
            lab.configure(without(0));

            assertThat(lab.value("connections")).isEqualTo(atS2 + atS4);
            assertThat(lab.webSwitch.load(0)).isEqualTo(atS2);
            assertThat(lab.webSwitch.load(2)).isEqualTo(atS4);
        }

        @Test
        void shouldSwitchBackByNameWhenNumbersChangedMeanwhile() {
            c1.connectAndAsk(page("DR0209C4D=x"));
            c1.data(500, IMAGE).ack(900).bouncedBy("s4", MigrationTag.MOVED).send();
            lab.configure(without(1));
            lab.happened();
            c1.data(900, page("a=b"))
                    .ack(1_900)
                    .bouncedBy("s1", MigrationTag.MOVED)
                    .send();

            assertThat(lab.decisions()).contains("flow c1>s4");
        }

        @Test
        void shouldGoOnGatheringWhenTheConfigurationChanges() {
            c1.connect().data(1, IMAGE.substring(0, 10)).send();
            lab.configure(without(0));
            c1.data(11, IMAGE.substring(10)).send();

            assertThat(lab.decisions())
                    .containsExactly("flow c1>s2", "s2 fresh/018 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(IMAGE));
        }

        @Test
        void shouldEndSilentServersWhenTheConnectionsServerIsTakenAway() {
            c1.connectAndAsk(IMAGE);
            c1.data(500, page("DR0209C4D=x"))
                    .ack(900)
                    .bouncedBy("s1", MigrationTag.MOVED)
                    .send();
            lab.happened();
            lab.configure(without(3));

            assertThat(lab.happened())
                    .containsExactly(
                            "unflow c1",
                            "s1 silence/000 RA seq=c+500 ack=w+900 win=0",
                            "+connections_ended",
                            "+flows_removed",
                            "+silences_sent");
        }

        @Test
        void shouldStaySyncedWhenAServerIsAdded() {
            SwitchLab three = new SwitchLab(without(0));
            three.configure(ConfigTrees.example());
            three.client(1).connect().data(1, IMAGE).send();

            assertThat(three.counters()).contains("+requests_migrated");
        }

        @Test
        void shouldForgetFlowsOfARequestModeThatHasNone() {
            c1.connectAndAsk(IMAGE);
            Map<String, Object> tree = ConfigTrees.example();
            ConfigTrees.objectAt(tree, "services", 0).put("requests", "switch");
            lab.configure(tree);
            lab.webSwitch.onFlowRead(
                    SwitchLab.DATAPATH, c1.key(), c1.ip, lab.server("s1").mac(), lab.nowNs);
            assertThat(lab.decisions()).containsExactly("unflow c1");
            c1.packet("A").seq(END).send();

            assertThat(lab.decisions()).containsExactly("s1 c1 A seq=c+" + END + " ack=w+1 win=502");
        }
    }
}
