package org.dwsr.controller;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.dwsr.flow.ActionTemplate;
import org.dwsr.flow.DatapathLayout;
import org.dwsr.flow.FlowTemplate;
import org.dwsr.flow.OvsOfctlText;
import org.dwsr.flow.PlainPipeline;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.IpAddress;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The controller's OpenFlow, as a real Open vSwitch understands it. */
@Timeout(60)
class OpenVswitchTest {
    private static final int CLIENT = 0xC0A8_C8FF;
    private static final IpAddress CLIENT6 = IpAddress.parse("2001:db8:1:2:3:4:5:6");
    private static final long NET6 = 0xFD00_0000_0000_0000L;
    private static final long VIP6 = 0x100;
    private static final long CLIENT_MAC = 0x0264_7700_0C01L;
    private static final String FOREIGN =
            "cookie=0xab,priority=7,send_flow_rem,ip,ct_state=+trk+est,nw_tos=4,actions=drop\n";

    private final PlainPipeline pipeline = new PlainPipeline();
    private final ControllerCounters counters = new ControllerCounters();
    private final RecordingLogic logic = new RecordingLogic();
    private OvsBridge bridge;
    private WebSwitchAgent agent;
    private OpenFlowListener listener;

    @BeforeEach
    void start() throws Exception {
        bridge = new OvsBridge("a", 1);
        startController(0);
        bridge.connectTo(listener.port());
    }

    private void startController(int port) throws IOException, InterruptedException {
        agent = new WebSwitchAgent(logic.factory(), pipeline, new HostClock(), counters);
        agent.configure(Documents.dualStack(80, 8080));
        listener = new OpenFlowListener(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), agent, counters);
        agent.start();
        assertThat(logic.next()).isEqualTo("configure 2");
    }

    @AfterEach
    void stop() {
        agent.close();
        listener.close();
        bridge.close();
    }

    private void awaitProgrammed() throws Exception {
        Await.until(
                "programmed", () -> agent.status().get().stream().anyMatch(WebSwitchAgent.DatapathStatus::programmed));
    }

    private List<FlowTemplate> staticFlows() {
        return pipeline.staticFlows(DatapathLayout.of(Documents.VIP, Documents.VMAC)
                .withVip6(NET6, VIP6)
                .withService(80)
                .withService(8080)
                .withServer(3, Documents.S1_MAC)
                .withServer(4, Documents.S1_MAC + 1));
    }

    private FlowTemplate connectionFlow(int port, long mac, long output) {
        return pipeline.connectionFlow(Documents.VIP, CLIENT, port, 8080, mac, output);
    }

    private FlowTemplate connectionFlow6(int port, long mac, long output) {
        return pipeline.connectionFlow6(NET6, VIP6, CLIENT6.high(), CLIENT6.low(), port, 8080, mac, output);
    }

    private static long key6(int port) {
        return ConnectionKey.of(CLIENT6.alias(), port, 8080);
    }

    private static List<String> asOvsPrints(List<FlowTemplate> flows) {
        try (OvsBridge other = new OvsBridge("b", 99)) {
            other.addFlows(OvsOfctlText.pipeline(flows));
            return other.flows();
        }
    }

    private static byte[] frame(int length) {
        byte[] frame = new byte[length];
        new Random(length).nextBytes(frame);
        return frame;
    }

    @Test
    void shouldProgramEveryFlowAsItsTextSays() throws Exception {
        awaitProgrammed();
        assertThat(bridge.flows()).isEqualTo(asOvsPrints(staticFlows()));
        // Another of each kind: a server here, one elsewhere, ports at the edges, a replaced choice.
        logic.onPacketIn((output, packetIn) -> {
            IpAddress client = IpAddress.ofIpv4(CLIENT);
            output.installConnection(1, ConnectionKey.of(CLIENT, 65535, 8080), client, 1);
            output.installConnection(1, ConnectionKey.of(CLIENT, 65535, 8080), client, 0);
            output.installConnection(1, ConnectionKey.of(CLIENT, 1, 8080), client, 2);
            output.installConnection(1, ConnectionKey.of(CLIENT, 2, 8080), client, 2);
            output.removeConnection(1, ConnectionKey.of(CLIENT, 2, 8080), client);
            output.installReturn(1, CLIENT_MAC, false, 5);
            output.installReturn(1, CLIENT_MAC, false, 1);
            output.installReturn(1, CLIENT_MAC + 1, false, 0xFEFF);
            output.installReturn(1, CLIENT_MAC + 2, false, 1);
            output.removeReturn(1, CLIENT_MAC + 2, false);
            output.installConnection(1, key6(65535), CLIENT6, 0);
            output.installConnection(1, key6(2), CLIENT6, 2);
            output.removeConnection(1, key6(2), CLIENT6);
            output.installReturn(1, CLIENT_MAC, true, 1);
            output.installReturn(1, CLIENT_MAC + 2, true, 1);
            output.removeReturn(1, CLIENT_MAC + 2, true);
        });
        bridge.packetIn(frame(60));
        RecordingLogic.PacketIn packetIn = logic.nextPacketIn();
        assertThat(packetIn.frame()).isEqualTo(frame(60));
        assertThat(packetIn.datapath()).isEqualTo(1);
        assertThat(packetIn.inPort()).isEqualTo(0xFFFF_FFFE);

        List<FlowTemplate> all = new ArrayList<>(staticFlows());
        all.add(connectionFlow(65535, Documents.S1_MAC, 3));
        all.add(connectionFlow(1, Documents.S3_MAC, ActionTemplate.PORT_NORMAL));
        all.add(pipeline.clientReturnFlow(Documents.VIP, CLIENT_MAC, 1));
        all.add(pipeline.clientReturnFlow(Documents.VIP, CLIENT_MAC + 1, 0xFEFF));
        all.add(connectionFlow6(65535, Documents.S1_MAC, 3));
        all.add(pipeline.clientReturnFlow6(NET6, VIP6, CLIENT_MAC, 1));
        List<String> expected = asOvsPrints(all);
        Await.until("the flows that were asked for", () -> bridge.flows().equals(expected));
        assertThat(counters.value(ControllerCounter.OPENFLOW_ERROR_MESSAGES)).isZero();
    }

    @Test
    void shouldFindConnectionsAndDeleteStaleFlowsAfterARestart() throws Exception {
        awaitProgrammed();
        agent.close();
        listener.close();
        List<String> left = bridge.flows();
        assertThat(left).isEqualTo(asOvsPrints(staticFlows()));

        FlowTemplate connection = connectionFlow(40000, Documents.S1_MAC, 3);
        FlowTemplate otherVip = pipeline.connectionFlow(Documents.VIP + 1, CLIENT, 1, 80, Documents.S1_MAC, 3);
        FlowTemplate formerServer = pipeline.staticFlows(
                        DatapathLayout.of(Documents.VIP, Documents.VMAC).withServer(9, 9))
                .get(0);
        FlowTemplate clientReturn = pipeline.clientReturnFlow(Documents.VIP, CLIENT_MAC, 1);
        FlowTemplate otherVipsReturn = pipeline.clientReturnFlow(Documents.VIP + 1, CLIENT_MAC, 1);
        FlowTemplate connection6 = connectionFlow6(40000, Documents.S1_MAC, 3);
        FlowTemplate otherVip6 = pipeline.connectionFlow6(NET6, VIP6 + 1, NET6, 1, 1, 80, Documents.S1_MAC, 3);
        FlowTemplate clientReturn6 = pipeline.clientReturnFlow6(NET6, VIP6, CLIENT_MAC, 1);
        FlowTemplate otherVipsReturn6 = pipeline.clientReturnFlow6(NET6 + 1, VIP6, CLIENT_MAC, 1);
        bridge.addFlows(OvsOfctlText.pipeline(List.of(
                        connection,
                        otherVip,
                        formerServer,
                        clientReturn,
                        otherVipsReturn,
                        connection6,
                        otherVip6,
                        clientReturn6,
                        otherVipsReturn6))
                + FOREIGN);
        while (logic.hasNext()) {
            logic.next();
        }
        startController(listener.port());
        awaitProgrammed();
        Await.until("read back", () -> counters.value(ControllerCounter.STALE_FLOWS_DELETED) == 5);
        assertThat(logic.next()).isEqualTo("up 1");
        // Open vSwitch lists flows in an order of its own.
        assertThat(List.of(logic.next(), logic.next(), logic.next(), logic.next()))
                .containsExactlyInAnyOrder(
                        "flow 1 192.168.200.255:40000>8080 20000000001",
                        "return 1 26477000c01 1",
                        "flow 1 2001:db8:1:2:3:4:5:6:40000>8080 20000000001",
                        "return6 1 26477000c01 1");
        assertThat(logic.hasNext()).isFalse();
        List<FlowTemplate> kept = new ArrayList<>(staticFlows());
        kept.add(connection);
        kept.add(clientReturn);
        kept.add(connection6);
        kept.add(clientReturn6);
        List<String> ours = asOvsPrints(kept);
        Await.until("stale flows are gone", () -> bridge.flows().stream()
                .filter(flow -> !flow.contains("cookie=0xab,"))
                .toList()
                .equals(ours));
        assertThat(bridge.flows()).hasSize(ours.size() + 1);

        // The end of another application's flow, which OpenFlowJ cannot read, must not end our connection.
        bridge.deleteFlows("priority=7,ip,ct_state=+trk+est,nw_tos=4");
        Await.until("ignored", () -> counters.value(ControllerCounter.OPENFLOW_MESSAGES_IGNORED) == 1);
        // The end of one of ours by somebody else's hand is the logic's to know.
        bridge.deleteFlows("priority=300,tcp,nw_src=192.168.200.255,nw_dst=10.0.0.100,tp_src=40000,tp_dst=8080");
        assertThat(logic.next()).isEqualTo("removed 1 192.168.200.255:40000>8080");
        bridge.deleteFlows("priority=110,ip,nw_src=10.0.0.100,dl_dst=02:64:77:00:0c:01");
        assertThat(logic.next()).isEqualTo("return removed 1 26477000c01");
        bridge.deleteFlows(
                "priority=300,tcp6,ipv6_src=2001:db8:1:2:3:4:5:6,ipv6_dst=fd00::100,tp_src=40000,tp_dst=8080");
        assertThat(logic.next()).isEqualTo("removed 1 " + ConnectionKey.format(key6(40000)));
        bridge.deleteFlows("priority=110,ipv6,ipv6_src=fd00::100,dl_dst=02:64:77:00:0c:01");
        assertThat(logic.next()).isEqualTo("return6 removed 1 26477000c01");
        assertThat(counters.value(ControllerCounter.OPENFLOW_PROTOCOL_ERRORS)).isZero();
        assertThat(agent.status().get()).hasSize(1);
    }

    @Test
    void shouldRefuseABridgeThatSpeaksOtherVersionsUntilItIsSetRight() throws Exception {
        awaitProgrammed();
        for (String wrong : List.of("OpenFlow10", "OpenFlow15")) {
            long errors = counters.value(ControllerCounter.OPENFLOW_PROTOCOL_ERRORS);
            bridge.protocols(wrong);
            Await.until(
                    wrong + " is refused", () -> counters.value(ControllerCounter.OPENFLOW_PROTOCOL_ERRORS) > errors);
            assertThat(agent.status().get()).isEmpty();
        }
        bridge.protocols("OpenFlow10,OpenFlow13,OpenFlow15");
        awaitProgrammed();
    }
}
