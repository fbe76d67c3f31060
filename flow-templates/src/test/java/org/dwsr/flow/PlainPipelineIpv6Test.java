package org.dwsr.flow;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Walks IPv6 packets of every kind through the first pipeline. */
class PlainPipelineIpv6Test {
    private static final long NET = 0xFD00_0000_0000_0000L;
    private static final long VIP = 0x100;
    private static final long CLIENT = 0x1;
    private static final long SERVER = 0x15;
    private static final long GROUP_HIGH = 0xFF02_0000_0000_0000L;
    private static final long GROUP_LOW = 0x1_FF00_0100L;
    private static final long VMAC = 0x0200_5E00_0164L;
    private static final long CLIENT_MAC = 0x0200_0000_0101L;
    private static final long SERVER_MAC = 0x0200_0000_0001L;
    private static final long TAG = 0xD652_0120_3456L;
    private static final int CLIENT_PORT = 1;
    private static final int SERVER_PORT = 3;

    private final PlainPipeline pipeline = new PlainPipeline();
    private final FlowTable table = new FlowTable();

    @BeforeEach
    void addStaticFlows() {
        DatapathLayout layout = DatapathLayout.of(0x0A00_0064, VMAC)
                .withVip6(NET, VIP)
                .withService(80)
                .withServer(SERVER_PORT, SERVER_MAC);
        for (FlowTemplate flow : pipeline.staticFlows(layout)) {
            table.add(flow, 0);
        }
    }

    private FlowTable.Verdict walk(int inPort, ByteBuffer frame) {
        return table.lookup(inPort, frame, 0, frame.capacity(), 0);
    }

    private static ByteBuffer fromClient() {
        return Frames.tcp6(VMAC, CLIENT_MAC, NET, CLIENT, NET, VIP, 40000, 80);
    }

    private FlowTemplate connection() {
        return pipeline.connectionFlow6(NET, VIP, NET, CLIENT, 40000, 80, SERVER_MAC, SERVER_PORT);
    }

    @Test
    void shouldSendAConnectionToItsServerAndAllElseForTheVipToTheController() {
        assertThat(walk(CLIENT_PORT, fromClient()).row()).isEqualTo("service6");
        table.add(connection(), 0);
        FlowTable.Verdict verdict = walk(CLIENT_PORT, fromClient());
        assertThat(verdict.row()).isEqualTo("connection6");
        assertThat(verdict.ports()).containsExactly((long) SERVER_PORT);
        assertThat(verdict.ethDst()).isEqualTo(SERVER_MAC);
        assertThat(verdict.ethSrc()).isEqualTo(CLIENT_MAC);
        // Every bit of both addresses counts.
        for (int bit = 0; bit < 64; bit++) {
            long flip = 1L << bit;
            ByteBuffer low = Frames.tcp6(VMAC, CLIENT_MAC, NET, CLIENT ^ flip, NET, VIP, 40000, 80);
            ByteBuffer high = Frames.tcp6(VMAC, CLIENT_MAC, NET ^ flip, CLIENT, NET, VIP, 40000, 80);
            assertThat(walk(CLIENT_PORT, low).row()).isEqualTo("service6");
            assertThat(walk(CLIENT_PORT, high).row()).isEqualTo("service6");
            ByteBuffer other = Frames.tcp6(VMAC, CLIENT_MAC, NET, CLIENT, NET ^ flip, VIP, 40000, 80);
            assertThat(walk(CLIENT_PORT, other).row()).isEqualTo("rest");
        }
        ByteBuffer otherPort = Frames.tcp6(VMAC, CLIENT_MAC, NET, CLIENT, NET, VIP, 40001, 80);
        assertThat(walk(CLIENT_PORT, otherPort).row()).isEqualTo("service6");
        ByteBuffer closed = Frames.tcp6(VMAC, CLIENT_MAC, NET, CLIENT, NET, VIP, 40000, 81);
        assertThat(walk(CLIENT_PORT, closed).row()).isEqualTo("vip6");
        ByteBuffer ping = Frames.ipv6(VMAC, CLIENT_MAC, 58, NET, CLIENT, NET, VIP);
        assertThat(walk(CLIENT_PORT, ping).isPacketIn()).isTrue();
    }

    @Test
    void shouldBounceFromServersOnly() {
        table.add(connection(), 0);
        assertThat(walk(SERVER_PORT, fromClient()).row()).isEqualTo("bounce6");
        assertThat(walk(SERVER_PORT, fromClient()).isPacketIn()).isTrue();
        ByteBuffer tagged = Frames.tcp6(VMAC, TAG, NET, CLIENT, NET, VIP, 40000, 80);
        assertThat(walk(SERVER_PORT, tagged).row()).isEqualTo("tag-bounce");
        assertThat(walk(CLIENT_PORT, tagged).row()).isEqualTo("tag-guard");
    }

    @Test
    void shouldLetNobodyButTheWebSwitchSpeakForTheVipInNeighbourDiscovery() {
        ByteBuffer asked = Frames.neighbour(135, CLIENT_MAC, NET, CLIENT, GROUP_HIGH, GROUP_LOW, NET, VIP);
        assertThat(walk(CLIENT_PORT, asked).row()).isEqualTo("nd");
        assertThat(walk(CLIENT_PORT, asked).ports()).containsExactly(ActionTemplate.PORT_CONTROLLER);
        ByteBuffer unicast = Frames.neighbour(135, CLIENT_MAC, NET, CLIENT, NET, VIP, NET, VIP);
        assertThat(walk(CLIENT_PORT, unicast).row()).isEqualTo("nd");
        ByteBuffer probe = Frames.neighbour(135, CLIENT_MAC, 0, 0, GROUP_HIGH, GROUP_LOW, NET, VIP);
        assertThat(walk(SERVER_PORT, probe).row()).isEqualTo("nd");
        ByteBuffer claim = Frames.neighbour(136, SERVER_MAC, NET, SERVER, NET, CLIENT, NET, VIP);
        assertThat(walk(SERVER_PORT, claim).row()).isEqualTo("nd-guard");
        assertThat(walk(SERVER_PORT, claim).isDropped()).isTrue();
        assertThat(walk(CLIENT_PORT, claim).isDropped()).isTrue();
        ByteBuffer asking = Frames.neighbour(135, SERVER_MAC, NET, VIP, GROUP_HIGH, 0x1_FF00_0001L, NET, CLIENT);
        assertThat(walk(SERVER_PORT, asking).row()).isEqualTo("nd-source-guard");
        assertThat(walk(SERVER_PORT, asking).isDropped()).isTrue();
    }

    @Test
    void shouldLeaveOtherNeighboursToNormalSwitching() {
        ByteBuffer asked = Frames.neighbour(135, SERVER_MAC, NET, SERVER, GROUP_HIGH, 0x1_FF00_0001L, NET, CLIENT);
        assertThat(walk(SERVER_PORT, asked).row()).isEqualTo("rest");
        ByteBuffer answer = Frames.neighbour(136, CLIENT_MAC, NET, CLIENT, NET, SERVER, NET, CLIENT);
        assertThat(walk(CLIENT_PORT, answer).row()).isEqualTo("rest");
    }

    @Test
    void shouldSendResponsesByTheClientsReturnFlow() {
        ByteBuffer response = Frames.tcp6(CLIENT_MAC, SERVER_MAC, NET, VIP, NET, CLIENT, 80, 40000);
        assertThat(walk(SERVER_PORT, response).row()).isEqualTo("return6");
        assertThat(walk(SERVER_PORT, response).ports()).containsExactly(ActionTemplate.PORT_NORMAL);
        table.add(pipeline.clientReturnFlow6(NET, VIP, CLIENT_MAC, CLIENT_PORT), 0);
        assertThat(walk(SERVER_PORT, response).row()).isEqualTo("client-return6");
        assertThat(walk(SERVER_PORT, response).ports()).containsExactly((long) CLIENT_PORT);
    }

    @Test
    void shouldHaveNoRowsOfIpv6WithoutAnAddressOfIt() {
        DatapathLayout layout =
                DatapathLayout.of(0x0A00_0064, VMAC).withService(80).withServer(SERVER_PORT, SERVER_MAC);
        assertThat(pipeline.staticFlows(layout)).noneMatch(FlowTemplate::isIpv6).hasSize(9 + 12);
    }

    @Test
    void shouldMarkItsDynamicFlowsByCookiesOfTheirOwn() {
        assertThat(connection().cookie()).isEqualTo(0xD572_0000_0000_0011L);
        assertThat(FlowCookie.isConnection(connection().cookie())).isTrue();
        FlowTemplate back = pipeline.clientReturnFlow6(NET, VIP, CLIENT_MAC, 1);
        assertThat(back.cookie()).isEqualTo(0xD572_0000_0000_0014L);
        assertThat(FlowCookie.isClientReturn(back.cookie())).isTrue();
        assertThat(FlowCookie.isConnection(back.cookie())).isFalse();
    }

    @Test
    void shouldRefuseMatchesWithoutTheirPrerequisitesOrWithPartsOfAnAddress() {
        FieldValue address = FieldValue.of(NET, VIP);
        assertThatThrownBy(() -> MatchTemplate.ANY.with(MatchField.IPV6_SRC, address))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> MatchTemplate.ipv4().with(MatchField.IPV6_DST, address))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> MatchTemplate.ipv6().with(MatchField.IPV4_DST, 1))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> MatchTemplate.tcp6().with(MatchField.ND_TARGET, address))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> MatchTemplate.ipv6().with(MatchField.ICMPV6_TYPE, 135))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> MatchTemplate.ipv6().with(MatchField.IPV6_SRC, address, 0xFF))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
