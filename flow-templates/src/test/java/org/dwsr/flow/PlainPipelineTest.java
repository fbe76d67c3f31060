package org.dwsr.flow;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** Walks a packet of every kind through the first pipeline. */
class PlainPipelineTest {
    private static final int VIP = 0x0A00_0064;
    private static final int CLIENT = 0x0A00_0001;
    private static final int SERVER_IP = 0x0A00_0015;
    private static final long VMAC = 0x0200_5E00_0164L;
    private static final long CLIENT_MAC = 0x0200_0000_0101L;
    private static final long SERVER_MAC = 0x0200_0000_0001L;
    private static final long TAG = 0xD652_0120_3456L;
    private static final long TAG_HIGH = 0xD653_FFFF_FFFFL;
    private static final long BROADCAST = 0xFFFF_FFFF_FFFFL;
    private static final int CLIENT_PORT = 1;
    private static final int SERVER_PORT = 3;
    private static final int OTHER_SERVER_PORT = 4;

    private final PlainPipeline pipeline = new PlainPipeline();
    private final FlowTable table = new FlowTable();

    @BeforeEach
    void addStaticFlows() {
        DatapathLayout layout = DatapathLayout.of(VIP, VMAC)
                .withService(80)
                .withServer(SERVER_PORT, SERVER_MAC)
                .withServer(OTHER_SERVER_PORT, SERVER_MAC + 1);
        for (FlowTemplate flow : pipeline.staticFlows(layout)) {
            table.add(flow, 0);
        }
    }

    private FlowTable.Verdict walk(int inPort, ByteBuffer frame) {
        return table.lookup(inPort, frame, 0, frame.capacity(), 0);
    }

    private static ByteBuffer fromClient() {
        return Frames.tcp(VMAC, CLIENT_MAC, CLIENT, VIP, 40000, 80);
    }

    private FlowTemplate connection(long outputPort) {
        return pipeline.connectionFlow(VIP, CLIENT, 40000, 80, SERVER_MAC, outputPort);
    }

    private FlowTemplate clientReturn(long port) {
        return pipeline.clientReturnFlow(VIP, CLIENT_MAC, port);
    }

    @Nested
    class ClientSegments {
        @Test
        void shouldBePacketInWhenConnectionHasNoFlow() {
            FlowTable.Verdict verdict = walk(CLIENT_PORT, fromClient());
            assertThat(verdict.row()).isEqualTo("service");
            assertThat(verdict.ports()).containsExactly(ActionTemplate.PORT_CONTROLLER);
            assertThat(verdict.ethDst()).isEqualTo(VMAC);
        }

        @Test
        void shouldGoToServerWhenConnectionHasFlow() {
            table.add(connection(SERVER_PORT), 0);
            FlowTable.Verdict verdict = walk(CLIENT_PORT, fromClient());
            assertThat(verdict.row()).isEqualTo("connection");
            assertThat(verdict.ports()).containsExactly((long) SERVER_PORT);
            assertThat(verdict.ethDst()).isEqualTo(SERVER_MAC);
            assertThat(verdict.ethSrc()).isEqualTo(CLIENT_MAC);
        }

        @Test
        void shouldBeForwardedByMacWhenServerIsOnAnotherSwitch() {
            table.add(connection(ActionTemplate.PORT_NORMAL), 0);
            FlowTable.Verdict verdict = walk(CLIENT_PORT, fromClient());
            assertThat(verdict.isNormal()).isTrue();
            assertThat(verdict.ethDst()).isEqualTo(SERVER_MAC);
        }

        @Test
        void shouldBePacketInWhenOnlyAnotherConnectionHasFlow() {
            table.add(connection(SERVER_PORT), 0);
            FlowTable.Verdict verdict = walk(CLIENT_PORT, Frames.tcp(VMAC, CLIENT_MAC, CLIENT, VIP, 40001, 80));
            assertThat(verdict.row()).isEqualTo("service");
        }

        @Test
        void shouldBePacketInWhenPortHasNoService() {
            FlowTable.Verdict verdict = walk(CLIENT_PORT, Frames.tcp(VMAC, CLIENT_MAC, CLIENT, VIP, 40000, 81));
            assertThat(verdict.row()).isEqualTo("vip");
            assertThat(verdict.isPacketIn()).isTrue();
        }

        @Test
        void shouldBePacketInWhenPingingVip() {
            FlowTable.Verdict verdict = walk(CLIENT_PORT, Frames.ipv4(VMAC, CLIENT_MAC, 1, CLIENT, VIP));
            assertThat(verdict.row()).isEqualTo("vip");
            assertThat(verdict.isPacketIn()).isTrue();
        }

        @Test
        void shouldBePacketInWhenFragmentHidesThePorts() {
            table.add(connection(SERVER_PORT), 0);
            ByteBuffer frame = fromClient();
            frame.putShort(20, (short) 0x0010);
            assertThat(walk(CLIENT_PORT, frame).row()).isEqualTo("vip");
        }

        @Test
        void shouldPassUntouchedWhenOfAVlan() {
            for (int id = 1; id <= 4095; id++) {
                FlowTable.Verdict verdict = walk(CLIENT_PORT, Frames.vlan(fromClient(), 0xe000 | id));
                assertThat(verdict.row()).isEqualTo("vlan");
                assertThat(verdict.ports()).containsExactly(ActionTemplate.PORT_NORMAL);
                assertThat(verdict.ethDst()).isEqualTo(VMAC);
            }
            assertThat(walk(SERVER_PORT, Frames.vlan(Frames.arp(BROADCAST, CLIENT_MAC, VIP, VIP), 7))
                            .row())
                    .isEqualTo("vlan");
            // Two tags: the outer one counts.
            ByteBuffer twice = Frames.vlan(Frames.vlan(fromClient(), 0), 7).putShort(12, (short) 0x88a8);
            assertThat(walk(CLIENT_PORT, twice).row()).isEqualTo("vlan");
        }

        @Test
        void shouldNotEscapeTheGuardsWhenVlanTagged() {
            assertThat(walk(CLIENT_PORT, Frames.vlan(Frames.tcp(VMAC, TAG, CLIENT, VIP, 40000, 80), 7))
                            .row())
                    .isEqualTo("tag-guard");
            // Id 0 is a priority of this network.
            assertThat(walk(CLIENT_PORT, Frames.vlan(fromClient(), 0xe000)).row())
                    .isEqualTo("service");
            assertThat(walk(CLIENT_PORT, Frames.vlan(Frames.arp(BROADCAST, CLIENT_MAC, VIP, CLIENT), 0))
                            .row())
                    .isEqualTo("arp-guard");
        }

        @Test
        void shouldBeNormalTrafficWhenSentToVmacForAnotherAddress() {
            FlowTable.Verdict verdict = walk(CLIENT_PORT, Frames.tcp(VMAC, CLIENT_MAC, CLIENT, SERVER_IP, 40000, 80));
            assertThat(verdict.row()).isEqualTo("rest");
            assertThat(verdict.isPacketIn()).isFalse();
        }
    }

    @Nested
    class Bounces {
        @Test
        void shouldBePacketInWhenUntaggedWithConnectionFlow() {
            table.add(connection(SERVER_PORT), 0);
            FlowTable.Verdict verdict = walk(SERVER_PORT, fromClient());
            assertThat(verdict.row()).isEqualTo("bounce");
            assertThat(verdict.ports()).containsExactly(ActionTemplate.PORT_CONTROLLER);
        }

        @Test
        void shouldBePacketInWhenTaggedWithConnectionFlow() {
            table.add(connection(SERVER_PORT), 0);
            for (long tag : new long[] {TAG, TAG_HIGH}) {
                FlowTable.Verdict verdict = walk(OTHER_SERVER_PORT, Frames.tcp(VMAC, tag, CLIENT, VIP, 40000, 80));
                assertThat(verdict.row()).isEqualTo("tag-bounce");
                assertThat(verdict.ports()).containsExactly(ActionTemplate.PORT_CONTROLLER);
                assertThat(verdict.ethSrc()).isEqualTo(tag);
            }
        }

        @Test
        void shouldBeDroppedWhenTaggedTowardAnotherMac() {
            FlowTable.Verdict verdict = walk(SERVER_PORT, Frames.tcp(SERVER_MAC + 1, TAG, CLIENT, VIP, 40000, 80));
            assertThat(verdict.row()).isEqualTo("tag-guard");
            assertThat(verdict.isDropped()).isTrue();
        }
    }

    @Nested
    class ForgedTags {
        @Test
        void shouldBeDroppedWhenFromClientPort() {
            table.add(connection(SERVER_PORT), 0);
            for (long tag : new long[] {TAG, TAG_HIGH}) {
                FlowTable.Verdict verdict = walk(CLIENT_PORT, Frames.tcp(VMAC, tag, CLIENT, VIP, 40000, 80));
                assertThat(verdict.row()).isEqualTo("tag-guard");
                assertThat(verdict.isDropped()).isTrue();
            }
        }

        @Test
        void shouldBeDroppedWhenSentStraightToServer() {
            FlowTable.Verdict verdict = walk(CLIENT_PORT, Frames.tcp(SERVER_MAC, TAG, CLIENT, VIP, 40000, 80));
            assertThat(verdict.isDropped()).isTrue();
        }

        @Test
        void shouldPassWhenMacIsJustOutsideTheTagRange() {
            for (long mac : new long[] {0xD651_FFFF_FFFFL, 0xD654_0000_0000L}) {
                assertThat(walk(CLIENT_PORT, Frames.tcp(VMAC, mac, CLIENT, VIP, 40000, 80))
                                .row())
                        .isEqualTo("service");
            }
        }
    }

    @Nested
    class Arp {
        @Test
        void shouldBePacketInWhenAskingForVip() {
            FlowTable.Verdict verdict = walk(CLIENT_PORT, Frames.arp(BROADCAST, CLIENT_MAC, CLIENT, VIP));
            assertThat(verdict.row()).isEqualTo("arp");
            assertThat(verdict.ports()).containsExactly(ActionTemplate.PORT_CONTROLLER);
        }

        @Test
        void shouldBePacketInWhenServerAsksForVip() {
            assertThat(walk(SERVER_PORT, Frames.arp(BROADCAST, SERVER_MAC, SERVER_IP, VIP))
                            .isPacketIn())
                    .isTrue();
        }

        @Test
        void shouldBeDroppedWhenClaimingVip() {
            for (int port : new int[] {CLIENT_PORT, SERVER_PORT}) {
                FlowTable.Verdict answer = walk(port, Frames.arp(CLIENT_MAC, SERVER_MAC, VIP, CLIENT));
                assertThat(answer.row()).isEqualTo("arp-guard");
                assertThat(answer.isDropped()).isTrue();
                FlowTable.Verdict gratuitous = walk(port, Frames.arp(BROADCAST, SERVER_MAC, VIP, VIP));
                assertThat(gratuitous.isDropped()).isTrue();
            }
        }

        @Test
        void shouldBeNormalTrafficWhenNotAboutVip() {
            assertThat(walk(SERVER_PORT, Frames.arp(BROADCAST, SERVER_MAC, SERVER_IP, CLIENT))
                            .row())
                    .isEqualTo("rest");
        }
    }

    @Nested
    class Responses {
        @Test
        void shouldGoByMacAndNeverToTheWebSwitch() {
            table.add(connection(SERVER_PORT), 0);
            FlowTable.Verdict verdict = walk(SERVER_PORT, Frames.tcp(CLIENT_MAC, SERVER_MAC, VIP, CLIENT, 80, 40000));
            assertThat(verdict.row()).isEqualTo("return");
            assertThat(verdict.ports()).containsExactly(ActionTemplate.PORT_NORMAL);
            assertThat(verdict.ethDst()).isEqualTo(CLIENT_MAC);
        }

        @Test
        void shouldGoOutOfTheClientsPortAndNoOtherWhenTheClientIsKnown() {
            table.add(clientReturn(CLIENT_PORT), 0);
            for (int port : new int[] {SERVER_PORT, OTHER_SERVER_PORT}) {
                FlowTable.Verdict verdict = walk(port, Frames.tcp(CLIENT_MAC, SERVER_MAC, VIP, CLIENT, 80, 40000));
                assertThat(verdict.row()).isEqualTo("client-return");
                assertThat(verdict.ports()).containsExactly((long) CLIENT_PORT);
                assertThat(verdict.ethDst()).isEqualTo(CLIENT_MAC);
                assertThat(verdict.ethSrc()).isEqualTo(SERVER_MAC);
            }
        }

        @Test
        void shouldBeForwardedByMacWhenOnlyAnotherClientIsKnown() {
            table.add(clientReturn(CLIENT_PORT), 0);
            FlowTable.Verdict verdict =
                    walk(SERVER_PORT, Frames.tcp(CLIENT_MAC + 1, SERVER_MAC, VIP, CLIENT + 1, 80, 40000));
            assertThat(verdict.row()).isEqualTo("return");
            assertThat(verdict.ports()).containsExactly(ActionTemplate.PORT_NORMAL);
        }

        @Test
        void shouldFollowAClientThatHasMovedToAnotherPort() {
            table.add(clientReturn(CLIENT_PORT), 0);
            table.add(clientReturn(CLIENT_PORT + 1), 0);
            assertThat(walk(SERVER_PORT, Frames.tcp(CLIENT_MAC, SERVER_MAC, VIP, CLIENT, 80, 40000))
                            .ports())
                    .containsExactly(CLIENT_PORT + 1L);
        }

        @Test
        void shouldBeForwardedByMacAgainWhenTheClientHadNoResponseForFiveMinutes() {
            long second = 1_000_000_000L;
            ByteBuffer response = Frames.tcp(CLIENT_MAC, SERVER_MAC, VIP, CLIENT, 80, 40000);
            table.add(clientReturn(CLIENT_PORT), 0);
            assertThat(table.lookup(SERVER_PORT, response, 0, 60, 299 * second).row())
                    .isEqualTo("client-return");
            assertThat(table.expire(598 * second)).isEmpty();
            assertThat(table.expire(599 * second)).containsExactly(clientReturn(CLIENT_PORT));
            assertThat(table.lookup(SERVER_PORT, response, 0, 60, 599 * second).row())
                    .isEqualTo("return");
        }

        @Test
        void shouldLeaveWhatTheServerSendsInItsOwnNameToNormalSwitching() {
            table.add(clientReturn(CLIENT_PORT), 0);
            assertThat(walk(SERVER_PORT, Frames.tcp(CLIENT_MAC, SERVER_MAC, SERVER_IP, CLIENT, 22, 40000))
                            .row())
                    .isEqualTo("rest");
        }

        @Test
        void shouldNotOpenAWayAroundTheGuards() {
            table.add(clientReturn(CLIENT_PORT), 0);
            assertThat(walk(SERVER_PORT, Frames.tcp(CLIENT_MAC, TAG, VIP, CLIENT, 80, 40000))
                            .row())
                    .isEqualTo("tag-guard");
            assertThat(walk(SERVER_PORT, Frames.arp(CLIENT_MAC, SERVER_MAC, VIP, CLIENT))
                            .row())
                    .isEqualTo("arp-guard");
        }
    }

    @Nested
    class OtherTraffic {
        @Test
        void shouldBeNormal() {
            assertThat(walk(CLIENT_PORT, Frames.tcp(SERVER_MAC, CLIENT_MAC, CLIENT, SERVER_IP, 40000, 80))
                            .row())
                    .isEqualTo("rest");
            assertThat(walk(CLIENT_PORT, Frames.ethernet(BROADCAST, CLIENT_MAC, 0x86DD, 60))
                            .row())
                    .isEqualTo("rest");
        }

        @Test
        void shouldBeNormalWhenFrameIsCutShort() {
            ByteBuffer whole = fromClient();
            for (int length = 0; length < 34; length++) {
                assertThat(table.lookup(CLIENT_PORT, whole, 0, length, 0).row()).isEqualTo("rest");
            }
        }
    }

    @Test
    void shouldHaveNoTwoRowsThatOverlapAtOnePriority() {
        List<FlowTemplate> flows = table.flows();
        for (int i = 0; i < flows.size(); i++) {
            for (int j = 0; j < i; j++) {
                FlowTemplate one = flows.get(i);
                FlowTemplate two = flows.get(j);
                if (one.priority() == two.priority()) {
                    assertThat(one.match().overlaps(two.match()))
                            .as("%s and %s", one, two)
                            .isFalse();
                }
            }
        }
    }

    @Test
    void shouldListRowsHighestPriorityFirstWithCookiesOfTheirOwn() {
        assertThat(pipeline.templates())
                .extracting(FlowTemplate::priority)
                .isSortedAccordingTo(Comparator.reverseOrder())
                .startsWith(510, 500, 480)
                .endsWith(100, 100, 0)
                .hasSize(21 - 1 + 12);
        assertThat(pipeline.templates()).extracting(FlowTemplate::cookie).doesNotHaveDuplicates();
        assertThat(connection(1).cookie()).isEqualTo(0xD572_0000_0000_0001L);
        assertThat(FlowCookie.isOurs(connection(1).cookie())).isTrue();
        assertThat(FlowCookie.isConnection(connection(1).cookie())).isTrue();
        assertThat(FlowCookie.isClientReturn(connection(1).cookie())).isFalse();
        assertThat(clientReturn(1).cookie()).isEqualTo(0xD572_0000_0000_000BL);
        assertThat(FlowCookie.isOurs(clientReturn(1).cookie())).isTrue();
        assertThat(FlowCookie.isClientReturn(clientReturn(1).cookie())).isTrue();
        assertThat(FlowCookie.isConnection(clientReturn(1).cookie())).isFalse();
    }

    @Test
    void shouldRefuseAnUnboundTemplateWhenAddedToATable() {
        assertThatThrownBy(() -> table.add(pipeline.templates().get(0), 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("unbound");
    }
}
