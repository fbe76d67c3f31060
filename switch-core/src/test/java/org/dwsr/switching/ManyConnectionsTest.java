package org.dwsr.switching;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.config.ConfigTrees.list;

import java.nio.ByteBuffer;
import java.util.Map;
import java.util.Random;
import org.dwsr.config.ConfigTrees;
import org.dwsr.config.SeededRounds;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.IpAddress;
import org.junit.jupiter.api.Test;

/** What is done to all connections at once is done to each, wherever it stands in the table. */
class ManyConnectionsTest {
    private static final long S1 = 0x0200_0000_0001L;
    private static final long S2 = 0x0200_0000_0002L;
    private static final long T0 = 1_700_000_000_000_000_000L;
    private static final long LATER = T0 + 10_000_000_000L;

    private static final class NoOutput implements SwitchOutput {
        @Override
        public void packetOut(long datapath, int port, ByteBuffer frame, int offset, int length) {}

        @Override
        public void installConnection(long datapath, long connectionKey, IpAddress client, int serverIndex) {}

        @Override
        public void removeConnection(long datapath, long connectionKey, IpAddress client) {}

        @Override
        public void installReturn(long datapath, long clientMac, boolean ipv6, int port) {}

        @Override
        public void removeReturn(long datapath, long clientMac, boolean ipv6) {}
    }

    private static WebSwitch configured() {
        WebSwitch webSwitch = new WebSwitch(new SynCookie(new byte[16]), new NoOutput());
        webSwitch.configure(ConfigTrees.read(ConfigTrees.example()), T0);
        return webSwitch;
    }

    private static long counter(WebSwitch webSwitch, String wanted) {
        long[] found = {-1};
        webSwitch.counters((name, value) -> found[0] = name.equals(wanted) ? value : found[0]);
        return found[0];
    }

    /** Lets the switch find this many flows to the server; returns how many connections that made. */
    private static int flows(WebSwitch webSwitch, Random random, long serverMac, int count) {
        long before = counter(webSwitch, "connections");
        for (int i = 0; i < count; i++) {
            IpAddress client = IpAddress.ofIpv4(0x0a00_0001 + random.nextInt(4));
            long key = ConnectionKey.of(client.alias(), random.nextInt(65536), 80);
            webSwitch.onFlowRead(1, key, client, serverMac, T0);
        }
        return (int) (counter(webSwitch, "connections") - before);
    }

    @Test
    void shouldEndEveryConnectionOfAServerThatLeavesTheConfiguration() {
        SeededRounds.forAll(200, random -> {
            WebSwitch webSwitch = configured();
            int leaving = flows(webSwitch, random, S1, 1 + random.nextInt(40));
            int staying = flows(webSwitch, random, S2, 1 + random.nextInt(40));
            assertThat(leaving).isPositive();
            Map<String, Object> without = ConfigTrees.example();
            without.put("servers", list(ConfigTrees.server(2), ConfigTrees.server(3), ConfigTrees.server(4)));
            without.put(
                    "pools",
                    list(
                            ConfigTrees.object("name", "images", "schedule", "wlc", "servers", list("s2")),
                            ConfigTrees.object("name", "app", "schedule", "wrr", "servers", list("s3", "s4"))));
            webSwitch.configure(ConfigTrees.read(without), LATER);
            assertThat(counter(webSwitch, "connections")).isEqualTo(staying);
        });
    }

    @Test
    void shouldEndEveryConnectionThatAFullReportDoesNotName() {
        SeededRounds.forAll(200, random -> {
            WebSwitch webSwitch = configured();
            flows(webSwitch, random, S1, 1 + random.nextInt(40));
            int others = flows(webSwitch, random, S2, 1 + random.nextInt(40));
            long[] none = {};
            IpAddress[] nobody = {};
            FilterReport nothing =
                    new FilterReport("s1", "boot", true, none, nobody, none, none, none, nobody, new int[0]);
            assertThat(webSwitch.onFilterReport(nothing, LATER)).isTrue();
            assertThat(counter(webSwitch, "connections")).isEqualTo(others);
        });
    }
}
