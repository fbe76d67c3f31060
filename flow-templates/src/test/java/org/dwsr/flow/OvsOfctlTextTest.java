package org.dwsr.flow;

import static org.assertj.core.api.Assertions.assertThat;

import org.dwsr.flow.FlowTemplate.Scope;
import org.junit.jupiter.api.Test;

class OvsOfctlTextTest {
    private static final int VIP = 0x0A00_0064;

    private final PlainPipeline pipeline = new PlainPipeline();

    @Test
    void shouldRenderThePlainPipelineWhole() {
        DatapathLayout layout = DatapathLayout.of(VIP, 0x0200_5E00_0164L)
                .withService(80)
                .withService(8080)
                .withServer(3, 0x0200_0000_0001L)
                .withServer(4, 0x0200_0000_0002L);
        String tag = "dl_src=d6:52:00:00:00:00/ff:fe:00:00:00:00";
        assertThat(OvsOfctlText.pipeline(pipeline.staticFlows(layout)).split("\n"))
                .containsExactly(
                        "# tag-bounce",
                        "table=0,priority=510,cookie=0xd572000000000002,in_port=3,dl_dst=02:00:5e:00:01:64," + tag
                                + ",actions=CONTROLLER:65535",
                        "table=0,priority=510,cookie=0xd572000000000002,in_port=4,dl_dst=02:00:5e:00:01:64," + tag
                                + ",actions=CONTROLLER:65535",
                        "# tag-guard",
                        "table=0,priority=500,cookie=0xd572000000000003," + tag + ",actions=drop",
                        "# vlan",
                        vlan("0000000016", "1001", "1001"),
                        vlan("0000000017", "1002", "1003"),
                        vlan("0000000018", "1004", "1007"),
                        vlan("0000000019", "1008", "100f"),
                        vlan("000000001a", "1010", "101f"),
                        vlan("000000001b", "1020", "103f"),
                        vlan("000000001c", "1040", "107f"),
                        vlan("000000001d", "1080", "10ff"),
                        vlan("000000001e", "1100", "11ff"),
                        vlan("000000001f", "1200", "13ff"),
                        vlan("0000000020", "1400", "17ff"),
                        vlan("0000000021", "1800", "1fff"),
                        "# arp-guard",
                        "table=0,priority=450,cookie=0xd572000000000004,arp,arp_spa=10.0.0.100,actions=drop",
                        "# arp",
                        "table=0,priority=440,cookie=0xd572000000000005,arp,arp_tpa=10.0.0.100,"
                                + "actions=CONTROLLER:65535",
                        "# bounce",
                        "table=0,priority=350,cookie=0xd572000000000006,ip,in_port=3,dl_dst=02:00:5e:00:01:64,"
                                + "actions=CONTROLLER:65535",
                        "table=0,priority=350,cookie=0xd572000000000006,ip,in_port=4,dl_dst=02:00:5e:00:01:64,"
                                + "actions=CONTROLLER:65535",
                        "# service",
                        "table=0,priority=200,cookie=0xd572000000000007,tcp,nw_dst=10.0.0.100,tp_dst=80,"
                                + "actions=CONTROLLER:65535",
                        "table=0,priority=200,cookie=0xd572000000000007,tcp,nw_dst=10.0.0.100,tp_dst=8080,"
                                + "actions=CONTROLLER:65535",
                        "# vip",
                        "table=0,priority=150,cookie=0xd572000000000008,ip,nw_dst=10.0.0.100,"
                                + "actions=CONTROLLER:65535",
                        "# return",
                        "table=0,priority=100,cookie=0xd572000000000009,ip,in_port=3,nw_src=10.0.0.100,"
                                + "actions=NORMAL",
                        "table=0,priority=100,cookie=0xd572000000000009,ip,in_port=4,nw_src=10.0.0.100,"
                                + "actions=NORMAL",
                        "# rest",
                        "table=0,priority=0,cookie=0xd57200000000000a,actions=NORMAL");
    }

    private static String vlan(String cookie, String tci, String mask) {
        return "table=0,priority=480,cookie=0xd57200" + cookie + ",vlan_tci=0x" + tci + "/0x" + mask
                + ",actions=NORMAL";
    }

    @Test
    void shouldRenderTheRowsOfIpv6() {
        DatapathLayout layout = DatapathLayout.of(VIP, 0x0200_5E00_0164L)
                .withVip6(0xfd00_0000_0000_0000L, 0x100)
                .withService(80)
                .withServer(3, 0x0200_0000_0001L);
        String vip6 = "fd00:0:0:0:0:0:0:100";
        assertThat(OvsOfctlText.pipeline(pipeline.staticFlows(layout)).split("\n"))
                .contains(
                        "table=0,priority=450,cookie=0xd57200000000000d,icmp6,icmp_type=136,nd_target=" + vip6
                                + ",actions=drop",
                        "table=0,priority=450,cookie=0xd57200000000000e,icmp6,ipv6_src=" + vip6
                                + ",icmp_type=135,actions=drop",
                        "table=0,priority=440,cookie=0xd57200000000000f,icmp6,icmp_type=135,nd_target=" + vip6
                                + ",actions=CONTROLLER:65535",
                        "table=0,priority=350,cookie=0xd572000000000010,ipv6,in_port=3,dl_dst=02:00:5e:00:01:64,"
                                + "actions=CONTROLLER:65535",
                        "table=0,priority=200,cookie=0xd572000000000012,tcp6,ipv6_dst=" + vip6
                                + ",tp_dst=80,actions=CONTROLLER:65535",
                        "table=0,priority=150,cookie=0xd572000000000013,ipv6,ipv6_dst=" + vip6
                                + ",actions=CONTROLLER:65535",
                        "table=0,priority=100,cookie=0xd572000000000015,ipv6,in_port=3,ipv6_src=" + vip6
                                + ",actions=NORMAL");
        assertThat(OvsOfctlText.flow(pipeline.connectionFlow6(
                        0xfd00_0000_0000_0000L,
                        0x100,
                        0x2001_0db8_0000_0001L,
                        0xabcdL,
                        65535,
                        80,
                        0x0200_0000_0001L,
                        3)))
                .isEqualTo("table=0,priority=300,cookie=0xd572000000000011,idle_timeout=30,send_flow_rem,tcp6,"
                        + "ipv6_src=2001:db8:0:1:0:0:0:abcd,ipv6_dst=" + vip6 + ",tp_src=65535,tp_dst=80,"
                        + "actions=set_field:02:00:00:00:00:01->eth_dst,output:3");
        assertThat(OvsOfctlText.flow(pipeline.clientReturnFlow6(0xfd00_0000_0000_0000L, 0x100, 0x0264_7700_0C01L, 17)))
                .isEqualTo("table=0,priority=110,cookie=0xd572000000000014,idle_timeout=300,send_flow_rem,ipv6,"
                        + "dl_dst=02:64:77:00:0c:01,ipv6_src=" + vip6 + ",actions=output:17");
    }

    @Test
    void shouldRenderAConnectionFlowWithTimeoutAndRewrite() {
        String match = "table=0,priority=300,cookie=0xd572000000000001,idle_timeout=30,send_flow_rem,tcp,"
                + "nw_src=192.168.200.255,nw_dst=10.0.0.100,tp_src=65535,tp_dst=80,"
                + "actions=set_field:02:00:00:00:00:01->eth_dst,";
        assertThat(OvsOfctlText.flow(pipeline.connectionFlow(VIP, 0xC0A8_C8FF, 65535, 80, 0x0200_0000_0001L, 3)))
                .isEqualTo(match + "output:3");
        assertThat(OvsOfctlText.flow(pipeline.connectionFlow(
                        VIP, 0xC0A8_C8FF, 65535, 80, 0x0200_0000_0001L, ActionTemplate.PORT_NORMAL)))
                .isEqualTo(match + "NORMAL");
    }

    @Test
    void shouldRenderAClientReturnFlowWithTimeout() {
        assertThat(OvsOfctlText.flow(pipeline.clientReturnFlow(VIP, 0x0264_7700_0C01L, 17)))
                .isEqualTo("table=0,priority=110,cookie=0xd57200000000000b,idle_timeout=300,send_flow_rem,ip,"
                        + "dl_dst=02:64:77:00:0c:01,nw_src=10.0.0.100,actions=output:17");
    }

    @Test
    void shouldRenderMasksAndOtherProtocols() {
        FlowTemplate masked = FlowTemplate.permanent(
                "masked",
                Scope.DATAPATH,
                9,
                7,
                MatchTemplate.tcp()
                        .with(MatchField.ETH_DST, FieldValue.of(0x0100_0000_0000L), 0x0100_0000_0000L)
                        .with(MatchField.IPV4_SRC, FieldValue.of(0x0A00_0000L), 0xFF00_0000L)
                        .with(MatchField.TCP_DST, FieldValue.of(0x1F00), 0xFF00),
                ActionTemplate.setEthSrc(FieldValue.of(0x0200_5E00_0164L)),
                ActionTemplate.normal());
        assertThat(OvsOfctlText.flow(masked))
                .isEqualTo("table=0,priority=7,cookie=0xd572000000000009,tcp,"
                        + "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,nw_src=10.0.0.0/255.0.0.0,"
                        + "tp_dst=0x1f00/0xff00,actions=set_field:02:00:5e:00:01:64->eth_src,NORMAL");
        FlowTemplate icmp = FlowTemplate.permanent(
                "icmp", Scope.DATAPATH, 9, 7, MatchTemplate.ipv4().with(MatchField.IP_PROTO, 1));
        assertThat(OvsOfctlText.flow(icmp))
                .isEqualTo("table=0,priority=7,cookie=0xd572000000000009,ip,nw_proto=1,actions=drop");
        FlowTemplate lldp = FlowTemplate.permanent(
                "lldp", Scope.DATAPATH, 9, 7, MatchTemplate.ANY.with(MatchField.ETH_TYPE, 0x88CC));
        assertThat(OvsOfctlText.flow(lldp))
                .isEqualTo("table=0,priority=7,cookie=0xd572000000000009,dl_type=0x88cc,actions=drop");
    }
}
