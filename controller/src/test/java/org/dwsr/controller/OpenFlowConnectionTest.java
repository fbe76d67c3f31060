package org.dwsr.controller;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.PooledByteBufAllocator;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.dwsr.flow.ActionTemplate;
import org.dwsr.flow.DatapathLayout;
import org.dwsr.flow.FlowTemplate;
import org.dwsr.flow.PlainPipeline;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.IpAddress;
import org.dwsr.switching.SwitchOutput;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.projectfloodlight.openflow.protocol.OFBarrierRequest;
import org.projectfloodlight.openflow.protocol.OFEchoRequest;
import org.projectfloodlight.openflow.protocol.OFFeaturesRequest;
import org.projectfloodlight.openflow.protocol.OFFlowAdd;
import org.projectfloodlight.openflow.protocol.OFFlowDeleteStrict;
import org.projectfloodlight.openflow.protocol.OFFlowModFlags;
import org.projectfloodlight.openflow.protocol.OFFlowRemovedReason;
import org.projectfloodlight.openflow.protocol.OFFlowStatsRequest;
import org.projectfloodlight.openflow.protocol.OFHello;
import org.projectfloodlight.openflow.protocol.OFMessage;
import org.projectfloodlight.openflow.protocol.OFPacketOut;
import org.projectfloodlight.openflow.protocol.OFPortDescStatsRequest;
import org.projectfloodlight.openflow.protocol.OFPortReason;
import org.projectfloodlight.openflow.protocol.OFPortState;
import org.projectfloodlight.openflow.protocol.OFSetConfig;
import org.projectfloodlight.openflow.protocol.action.OFActionOutput;
import org.projectfloodlight.openflow.protocol.match.MatchField;
import org.projectfloodlight.openflow.types.MacAddress;
import org.projectfloodlight.openflow.types.OFPort;

/** The whole way between a switch's socket and the logic: listener, connection, agent. */
@Timeout(60)
class OpenFlowConnectionTest {
    private static final int CLIENT = 0x0A00_0001;
    private static final long CLIENT_MAC = 0x0264_7700_0C01L;
    private static final long CONNECTION = ConnectionKey.of(CLIENT, 40000, 80);
    private static final IpAddress CLIENT_ADDRESS = IpAddress.ofIpv4(ConnectionKey.clientAddress(CONNECTION));

    private final ControllerCounters counters = new ControllerCounters();
    private final RecordingLogic logic = new RecordingLogic();
    private WebSwitchAgent agent;
    private OpenFlowListener listener;

    @BeforeEach
    void start() throws Exception {
        restart(64, OpenFlowConnection.SILENT_PERIOD_MS);
        assertThat(logic.next()).isEqualTo("configure 1");
    }

    private void restart(int packetInSlots, long silentPeriodMs) throws IOException {
        if (listener != null) {
            stop();
        }
        agent = new WebSwitchAgent(logic.factory(), new PlainPipeline(), new HostClock(), counters, packetInSlots);
        agent.configure(Documents.config(80));
        listener = new OpenFlowListener(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), agent, counters, silentPeriodMs);
        agent.start();
    }

    @AfterEach
    void stop() {
        agent.close();
        listener.close();
    }

    private FakeSwitch connect() throws IOException {
        return FakeSwitch.connect(listener.port());
    }

    private FakeSwitch ready(long datapath) throws Exception {
        FakeSwitch fake = FakeSwitch.ready(listener.port(), datapath);
        Await.until("programmed", () -> agent.status().get().stream()
                .anyMatch(status -> status.id().equals(Datapath.format(datapath)) && status.programmed()));
        return fake;
    }

    private void awaitCount(ControllerCounter counter, long count) throws Exception {
        Await.until(counter + " is " + count, () -> counters.value(counter) == count);
    }

    private static FlowTemplate connectionFlow(int vip, int clientPort, long serverMac, long port) {
        return new PlainPipeline().connectionFlow(vip, CLIENT, clientPort, 80, serverMac, port);
    }

    private static FlowTemplate returnFlow(int vip) {
        return new PlainPipeline().clientReturnFlow(vip, CLIENT_MAC, 9);
    }

    private static List<FlowTemplate> staticFlows(int... servicePorts) {
        DatapathLayout layout = DatapathLayout.of(Documents.VIP, Documents.VMAC);
        for (int port : servicePorts) {
            layout = layout.withService(port);
        }
        return new PlainPipeline()
                .staticFlows(layout.withServer(3, Documents.S1_MAC).withServer(4, Documents.S1_MAC + 1));
    }

    private static byte[] frame(int length) {
        byte[] frame = new byte[length];
        new Random(length).nextBytes(frame);
        return frame;
    }

    private static byte[] bytes(int... values) {
        byte[] bytes = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return bytes;
    }

    @Nested
    class Handshake {
        @Test
        void shouldSayHelloWithVersion13OnlyWhenASwitchConnects() throws Exception {
            try (FakeSwitch fake = connect()) {
                byte[] hello = fake.nextBytes();
                // Header, then one version bitmap element with bit 4 (OpenFlow 1.3.5, section 7.5.1).
                assertThat(ByteBufUtil.hexDump(hello)).matches("04000010.{8}0001000800000010");
            }
        }

        @Test
        void shouldAskForFeaturesThenProgramWhenTheSwitchAnswers() throws Exception {
            try (FakeSwitch fake = connect()) {
                fake.next(OFHello.class);
                fake.send(FakeSwitch.hello());
                fake.next(OFFeaturesRequest.class);
                fake.send(FakeSwitch.features(1));
                assertThat(fake.next(OFSetConfig.class).getMissSendLen()).isEqualTo(0xFFFF);
                fake.next(OFPortDescStatsRequest.class);
                List<FlowTemplate> expected = staticFlows(80);
                for (FlowTemplate flow : expected) {
                    OFFlowAdd add = fake.next(OFFlowAdd.class);
                    assertThat(add.getPriority()).isEqualTo(flow.priority());
                    assertThat(add.getMatch()).isEqualTo(OpenFlowField.match(flow.match()));
                }
                fake.next(OFBarrierRequest.class);
                fake.next(OFFlowStatsRequest.class);
                assertThat(logic.next()).isEqualTo("up 1");
                assertThat(counters.value(ControllerCounter.FLOW_ADDS_SENT)).isEqualTo(expected.size());
            }
        }

        @Test
        void shouldWorkWhenEveryByteComesAlone() throws Exception {
            try (FakeSwitch fake = connect()) {
                fake.nextBytes();
                for (byte one : FakeSwitch.bytes(FakeSwitch.hello(), FakeSwitch.features(1))) {
                    fake.send(new byte[] {one});
                }
                fake.next(OFFeaturesRequest.class);
                assertThat(fake.takeProgram()).hasSize(staticFlows(80).size());
            }
        }

        @ParameterizedTest
        @ValueSource(strings = {"0400000800000001", "0500000800000001", "0600001000000001" + "0001000800000050"})
        void shouldSpeak13WhenThePeerSpeaksItToo(String hello) throws Exception {
            try (FakeSwitch fake = connect()) {
                fake.nextBytes();
                fake.send(ByteBufUtil.decodeHexDump(hello));
                fake.next(OFFeaturesRequest.class);
            }
        }

        /** 1.0 alone, 1.2 with a bitmap, 1.5 alone with a bitmap: as Open vSwitch greets with such a protocols column. */
        @ParameterizedTest
        @ValueSource(
                strings = {
                    "0100000800000001",
                    "0300001000000001" + "000100080000000a",
                    "0600001000000001" + "0001000800000040"
                })
        void shouldExplainThenCloseWhenThePeerDoesNotSpeak13(String hello) throws Exception {
            try (FakeSwitch fake = connect()) {
                fake.nextBytes();
                fake.send(ByteBufUtil.decodeHexDump(hello));
                byte[] error = fake.nextBytes();
                // In a version that the peer can read; its HELLO's xid; HELLO_FAILED, INCOMPATIBLE (section 7.4.4.1).
                assertThat(error[0]).isEqualTo((byte) Math.min(4, Integer.parseInt(hello.substring(0, 2), 16)));
                assertThat(ByteBufUtil.hexDump(error).substring(2)).matches("01.{4}0000000100000000.+");
                assertThat(new String(error, 12, error.length - 12, StandardCharsets.US_ASCII))
                        .contains("OpenFlow 1.3", "protocols=OpenFlow13");
                fake.assertClosedSilently();
                awaitCount(ControllerCounter.OPENFLOW_PROTOCOL_ERRORS, 1);
                assertThat(logic.hasNext()).isFalse();
            }
        }

        @Test
        void shouldCloseOnceCountedWhenThePeerRefusesOurHello() throws Exception {
            try (FakeSwitch fake = connect()) {
                fake.nextBytes();
                byte[] refused = ByteBufUtil.decodeHexDump("0101000c0000000000000000");
                fake.send(refused);
                fake.assertClosedSilently();
                awaitCount(ControllerCounter.OPENFLOW_PROTOCOL_ERRORS, 1);
            }
        }

        @Test
        void shouldHandNothingToTheLogicWhenGarbageComesBeforeAGoodHandshake() throws Exception {
            try (FakeSwitch fake = connect()) {
                fake.nextBytes();
                byte[] all = new byte[8 + FakeSwitch.bytes(FakeSwitch.hello(), FakeSwitch.features(1)).length];
                ByteBuffer.wrap(all)
                        .put(bytes(9, 9, 0, 8, 0, 0, 0, 0))
                        .put(FakeSwitch.bytes(FakeSwitch.hello(), FakeSwitch.features(1)));
                fake.send(all);
                fake.awaitClose();
                awaitCount(ControllerCounter.OPENFLOW_CONNECTIONS_CLOSED, 1);
                assertThat(agent.status().get()).isEmpty();
                assertThat(logic.hasNext()).isFalse();
                assertThat(counters.value(ControllerCounter.OPENFLOW_PROTOCOL_ERRORS))
                        .isEqualTo(1);
            }
        }

        @Test
        void shouldCountMessagesThatComeBeforeFeatures() throws Exception {
            try (FakeSwitch fake = connect()) {
                fake.nextBytes();
                fake.send(FakeSwitch.hello(), FakeSwitch.packetIn(1, frame(60)));
                fake.next(OFFeaturesRequest.class);
                awaitCount(ControllerCounter.OPENFLOW_MESSAGES_IGNORED, 1);
                fake.assertAlive();
            }
        }
    }

    @Nested
    class Liveness {
        @Test
        void shouldAnswerAnEchoRequestWithItsPayload() throws Exception {
            try (FakeSwitch fake = ready(1)) {
                fake.assertAlive();
                fake.send(FakeSwitch.OF13.buildEchoRequest().setXid(9).build());
                assertThat(fake.nextBytes()).isEqualTo(bytes(4, 3, 0, 8, 0, 0, 0, 9));
            }
        }

        @Test
        void shouldKeepASwitchThatAnswersEchoesAndNothingElse() throws Exception {
            restart(64, 50);
            try (FakeSwitch fake = ready(1)) {
                for (int period = 0; period < 3 * OpenFlowConnection.MAX_SILENT_PERIODS; period++) {
                    OFEchoRequest request = fake.next(OFEchoRequest.class);
                    fake.send(FakeSwitch.OF13
                            .buildEchoReply()
                            .setXid(request.getXid())
                            .build());
                }
                assertThat(counters.value(ControllerCounter.OPENFLOW_LIVENESS_TIMEOUTS))
                        .isZero();
            }
        }

        @Test
        void shouldGiveASwitchUpWhenItIsSilent() throws Exception {
            restart(64, 50);
            try (FakeSwitch fake = ready(1)) {
                for (int period = 1; period < OpenFlowConnection.MAX_SILENT_PERIODS; period++) {
                    fake.next(OFEchoRequest.class);
                }
                fake.assertClosedSilently();
                awaitCount(ControllerCounter.OPENFLOW_LIVENESS_TIMEOUTS, 1);
                Await.until("gone", () -> agent.status().get().isEmpty());
            }
        }

        @Test
        void shouldGiveUpAPeerThatOnlyEverSendsHalfAMessage() throws Exception {
            restart(64, 50);
            try (FakeSwitch fake = connect()) {
                fake.nextBytes();
                Await.until("given up", () -> {
                    try {
                        // A length of 64 KB that never comes, in drops.
                        fake.send(
                                counters.value(ControllerCounter.OPENFLOW_CONNECTIONS_ACCEPTED) == 1
                                        ? bytes(4, 0, 0xFF, 0xFF)
                                        : bytes(0));
                    } catch (SocketException e) {
                        return true;
                    }
                    return counters.value(ControllerCounter.OPENFLOW_LIVENESS_TIMEOUTS) == 1;
                });
            }
        }
    }

    @Nested
    class FlowsReadBack {
        @Test
        void shouldKeepConnectionsAndDeleteExactlyWhatIsStale() throws Exception {
            FlowTemplate connection = connectionFlow(Documents.VIP, 40000, Documents.S1_MAC, 3);
            FlowTemplate otherVip = connectionFlow(Documents.VIP + 1, 40001, Documents.S1_MAC, 3);
            FlowTemplate formerService = staticFlows(80, 8080).stream()
                    .filter(flow -> flow.match().has(org.dwsr.flow.MatchField.TCP_DST)
                            && flow.match().value(org.dwsr.flow.MatchField.TCP_DST) == 8080)
                    .findFirst()
                    .orElseThrow();
            try (FakeSwitch fake = connect()) {
                fake.greet(1);
                OFFlowStatsRequest request = null;
                while (request == null) {
                    request = fake.next() instanceof OFFlowStatsRequest stats ? stats : null;
                }
                assertThat(request.getCookie().getValue()).isEqualTo(0xD572_0000_0000_0000L);
                assertThat(request.getCookieMask().getValue()).isEqualTo(0xFFFF_0000_0000_0000L);
                // In two parts, and with an answer to somebody else's question in between.
                fake.send(FakeSwitch.flows(
                        request.getXid(),
                        true,
                        Stream.concat(Stream.of(connection), staticFlows(80).stream())
                                .map(FakeSwitch::entry)
                                .toArray(org.projectfloodlight.openflow.protocol.OFFlowStatsEntry[]::new)));
                fake.send(FakeSwitch.flows(
                        request.getXid() + 77,
                        false,
                        FakeSwitch.entry(connectionFlow(Documents.VIP, 40002, Documents.S1_MAC, 3))));
                fake.send(FakeSwitch.flows(
                        request.getXid(), false, FakeSwitch.entry(otherVip), FakeSwitch.entry(formerService)));

                assertThat(List.of(
                                fake.next(OFFlowDeleteStrict.class).getMatch(),
                                fake.next(OFFlowDeleteStrict.class).getMatch()))
                        .containsExactly(
                                OpenFlowField.match(otherVip.match()), OpenFlowField.match(formerService.match()));
                fake.assertAlive();
                assertThat(logic.next()).isEqualTo("up 1");
                assertThat(logic.next()).isEqualTo("flow 1 10.0.0.1:40000>80 20000000001");
                assertThat(logic.hasNext()).isFalse();
                assertThat(counters.value(ControllerCounter.FLOWS_READ_BACK)).isEqualTo(1);
                assertThat(counters.value(ControllerCounter.STALE_FLOWS_DELETED))
                        .isEqualTo(2);
            }
        }

        @Test
        void shouldKeepReturnFlowsAndDeleteThoseOfAnotherVip() throws Exception {
            try (FakeSwitch fake = connect()) {
                fake.greet(1);
                OFFlowStatsRequest request = null;
                while (request == null) {
                    request = fake.next() instanceof OFFlowStatsRequest stats ? stats : null;
                }
                fake.send(FakeSwitch.flows(
                        request.getXid(),
                        false,
                        FakeSwitch.entry(returnFlow(Documents.VIP)),
                        FakeSwitch.entry(returnFlow(Documents.VIP + 1))));
                assertThat(fake.next(OFFlowDeleteStrict.class).getMatch())
                        .isEqualTo(OpenFlowField.match(
                                returnFlow(Documents.VIP + 1).match()));
                fake.assertAlive();
                assertThat(logic.next()).isEqualTo("up 1");
                assertThat(logic.next()).isEqualTo("return 1 26477000c01 9");
                assertThat(logic.hasNext()).isFalse();
                assertThat(counters.value(ControllerCounter.FLOWS_READ_BACK)).isZero();
                assertThat(counters.value(ControllerCounter.RETURN_FLOWS_READ_BACK))
                        .isEqualTo(1);
                assertThat(counters.value(ControllerCounter.STALE_FLOWS_DELETED))
                        .isEqualTo(1);
            }
        }

        @Test
        void shouldProgramAndReadAgainWhenTheConfigurationChanges() throws Exception {
            try (FakeSwitch fake = ready(1)) {
                assertThat(logic.next()).isEqualTo("up 1");
                agent.configure(Documents.config(8080));
                List<FlowTemplate> former = staticFlows(80);
                assertThat(fake.takeProgram(former.stream()
                                .map(FakeSwitch::entry)
                                .toArray(org.projectfloodlight.openflow.protocol.OFFlowStatsEntry[]::new)))
                        .hasSize(former.size());
                OFFlowDeleteStrict stale = fake.next(OFFlowDeleteStrict.class);
                assertThat(stale.getMatch().get(MatchField.TCP_DST).getPort()).isEqualTo(80);
                fake.assertAlive();
            }
        }
    }

    @Nested
    class Ready {
        @ParameterizedTest
        @ValueSource(ints = {14, 60, 1514, 9014, 65000})
        void shouldHandTheExactFrameToTheLogic(int length) throws Exception {
            try (FakeSwitch fake = ready(0x00FF_0000_0000_0001L)) {
                fake.send(FakeSwitch.packetIn(7, frame(length)));
                RecordingLogic.PacketIn packetIn = logic.nextPacketIn();
                assertThat(packetIn.datapath()).isEqualTo(0x00FF_0000_0000_0001L);
                assertThat(packetIn.inPort()).isEqualTo(7);
                assertThat(packetIn.frame()).isEqualTo(frame(length));
            }
        }

        @Test
        void shouldFindTheInPortWhenTheMatchHasMoreFields() throws Exception {
            try (FakeSwitch fake = ready(1)) {
                fake.send(FakeSwitch.OF13
                        .buildPacketIn()
                        .setTotalLen(60)
                        .setReason(org.projectfloodlight.openflow.protocol.OFPacketInReason.ACTION)
                        .setMatch(FakeSwitch.OF13
                                .buildMatch()
                                .setExact(MatchField.ETH_DST, MacAddress.of(1))
                                .setExact(MatchField.IN_PORT, OFPort.of(9))
                                .build())
                        .setData(frame(60))
                        .build());
                assertThat(logic.nextPacketIn().inPort()).isEqualTo(9);
            }
        }

        @Test
        void shouldCountATruncatedPacketInAndLiveOn() throws Exception {
            try (FakeSwitch fake = ready(1)) {
                fake.send(FakeSwitch.OF13
                        .buildPacketIn()
                        .setTotalLen(1514)
                        .setReason(org.projectfloodlight.openflow.protocol.OFPacketInReason.ACTION)
                        .setMatch(FakeSwitch.OF13
                                .buildMatch()
                                .setExact(MatchField.IN_PORT, OFPort.of(9))
                                .build())
                        .setData(frame(128))
                        .build());
                awaitCount(ControllerCounter.PACKET_INS_DROPPED_TRUNCATED, 1);
                fake.assertAlive();
            }
        }

        @Test
        void shouldSendFramesToEachSwitchByteForByte() throws Exception {
            logic.onPacketIn((output, packetIn) -> {
                ByteBuffer direct = ByteBuffer.allocateDirect(2000);
                direct.put(5, packetIn.frame());
                output.packetOut(2, 3, direct, 5, packetIn.frame().length);
                output.packetOut(1, SwitchOutput.PORT_NORMAL, ByteBuffer.wrap(packetIn.frame()), 10, 50);
            });
            try (FakeSwitch one = ready(1);
                    FakeSwitch two = ready(2)) {
                one.send(FakeSwitch.packetIn(1, frame(1514)));
                OFPacketOut here = one.next(OFPacketOut.class);
                assertThat(here.getData()).isEqualTo(java.util.Arrays.copyOfRange(frame(1514), 10, 60));
                assertThat(here.getInPort()).isEqualTo(OFPort.CONTROLLER);
                assertThat(here.getActions())
                        .singleElement()
                        .isInstanceOfSatisfying(OFActionOutput.class, action -> assertThat(action.getPort())
                                .isEqualTo(OFPort.NORMAL));
                OFPacketOut there = two.next(OFPacketOut.class);
                assertThat(there.getData()).isEqualTo(frame(1514));
                assertThat(there.getBufferId()).isEqualTo(org.projectfloodlight.openflow.types.OFBufferId.NO_BUFFER);
                assertThat(there.getActions())
                        .singleElement()
                        .isInstanceOfSatisfying(OFActionOutput.class, action -> assertThat(action.getPort())
                                .isEqualTo(OFPort.of(3)));
                assertThat(counters.value(ControllerCounter.PACKET_OUTS_SENT)).isEqualTo(2);
            }
        }

        @Test
        void shouldSendTheFlowBeforeTheRequest() throws Exception {
            logic.onPacketIn((output, packetIn) -> {
                output.installConnection(1, CONNECTION, CLIENT_ADDRESS, 0);
                output.packetOut(1, 3, ByteBuffer.wrap(packetIn.frame()), 0, packetIn.frame().length);
                output.removeConnection(1, CONNECTION, CLIENT_ADDRESS);
                output.packetOut(1, 4, ByteBuffer.wrap(packetIn.frame()), 0, packetIn.frame().length);
            });
            try (FakeSwitch fake = ready(1)) {
                fake.send(FakeSwitch.packetIn(1, frame(60)));
                OFFlowAdd add = fake.next(OFFlowAdd.class);
                FlowTemplate flow = connectionFlow(Documents.VIP, 40000, Documents.S1_MAC, 3);
                assertThat(FakeSwitch.bytes(add.createBuilder().setXid(0).build()))
                        .isEqualTo(FakeSwitch.bytes(OpenFlowFlows.add(flow)
                                .createBuilder()
                                .setXid(0)
                                .build()));
                fake.next(OFPacketOut.class);
                assertThat(fake.next(OFFlowDeleteStrict.class).getMatch()).isEqualTo(OpenFlowField.match(flow.match()));
                fake.next(OFPacketOut.class);
            }
        }

        @Test
        void shouldLetL2FindAServerThatIsAttachedElsewhere() throws Exception {
            logic.onPacketIn((output, packetIn) -> output.installConnection(1, CONNECTION, CLIENT_ADDRESS, 2));
            try (FakeSwitch fake = ready(1)) {
                fake.send(FakeSwitch.packetIn(1, frame(60)));
                FlowTemplate flow = connectionFlow(Documents.VIP, 40000, Documents.S3_MAC, ActionTemplate.PORT_NORMAL);
                assertThat(fake.next(OFFlowAdd.class).getInstructions())
                        .isEqualTo(OpenFlowFlows.add(flow).getInstructions());
            }
        }

        @Test
        void shouldCountWhatIsForASwitchThatIsNotThere() throws Exception {
            logic.onPacketIn((output, packetIn) -> {
                output.packetOut(2, 3, ByteBuffer.wrap(packetIn.frame()), 0, 60);
                output.installConnection(2, CONNECTION, CLIENT_ADDRESS, 0);
                output.removeConnection(2, CONNECTION, CLIENT_ADDRESS);
                output.packetOut(1, 3, ByteBuffer.allocate(70000), 0, 70000);
            });
            try (FakeSwitch fake = ready(1)) {
                fake.send(FakeSwitch.packetIn(1, frame(60)));
                awaitCount(ControllerCounter.PACKET_OUTS_DROPPED_NO_DATAPATH, 1);
                awaitCount(ControllerCounter.FLOW_MODS_DROPPED_NO_DATAPATH, 2);
                awaitCount(ControllerCounter.PACKET_OUTS_DROPPED_TOO_LONG, 1);
                fake.assertAlive();
            }
        }

        @Test
        void shouldTellTheLogicOfFlowsThatEndedButNotOfThoseItEnded() throws Exception {
            logic.onPacketIn((output, packetIn) -> output.removeConnection(1, CONNECTION, CLIENT_ADDRESS));
            try (FakeSwitch fake = ready(1)) {
                assertThat(logic.next()).isEqualTo("up 1");
                FlowTemplate flow = connectionFlow(Documents.VIP, 40000, Documents.S1_MAC, 3);
                fake.send(FakeSwitch.flowRemoved(flow, OFFlowRemovedReason.IDLE_TIMEOUT));
                assertThat(logic.next()).isEqualTo("removed 1 10.0.0.1:40000>80");
                fake.send(FakeSwitch.packetIn(1, frame(60)));
                fake.next(OFFlowDeleteStrict.class);
                fake.send(FakeSwitch.flowRemoved(flow, OFFlowRemovedReason.DELETE));
                fake.send(FakeSwitch.flowRemoved(flow, OFFlowRemovedReason.DELETE));
                assertThat(logic.next()).isEqualTo("removed 1 10.0.0.1:40000>80");
                fake.send(FakeSwitch.flowRemoved(
                        connectionFlow(Documents.VIP + 1, 40000, Documents.S1_MAC, 3), OFFlowRemovedReason.DELETE));
                fake.assertAlive();
                agent.status().get();
                assertThat(logic.hasNext()).isFalse();
                assertThat(counters.value(ControllerCounter.FLOWS_REMOVED_IDLE)).isEqualTo(1);
                assertThat(counters.value(ControllerCounter.FLOWS_REMOVED_BY_OTHERS))
                        .isEqualTo(1);
            }
        }

        @Test
        void shouldTellReturnFlowsFromConnectionFlowsWhenTheyEnd() throws Exception {
            logic.onPacketIn((output, packetIn) -> output.removeReturn(1, CLIENT_MAC, false));
            try (FakeSwitch fake = ready(1)) {
                assertThat(logic.next()).isEqualTo("up 1");
                FlowTemplate flow = returnFlow(Documents.VIP);
                fake.send(FakeSwitch.flowRemoved(flow, OFFlowRemovedReason.IDLE_TIMEOUT));
                assertThat(logic.next()).isEqualTo("return removed 1 26477000c01");
                fake.send(FakeSwitch.packetIn(1, frame(60)));
                OFFlowDeleteStrict delete = fake.next(OFFlowDeleteStrict.class);
                assertThat(delete.getPriority()).isEqualTo(110);
                assertThat(delete.getMatch()).isEqualTo(OpenFlowField.match(flow.match()));
                fake.send(FakeSwitch.flowRemoved(flow, OFFlowRemovedReason.DELETE));
                fake.send(FakeSwitch.flowRemoved(flow, OFFlowRemovedReason.DELETE));
                assertThat(logic.next()).isEqualTo("return removed 1 26477000c01");
                fake.send(FakeSwitch.flowRemoved(returnFlow(Documents.VIP + 1), OFFlowRemovedReason.IDLE_TIMEOUT));
                // The row that stands when there is no flow of the client has another cookie.
                fake.send(FakeSwitch.flowRemoved(
                        staticFlows(80).stream()
                                .filter(one -> one.name().equals("return"))
                                .findFirst()
                                .orElseThrow(),
                        OFFlowRemovedReason.DELETE));
                fake.assertAlive();
                agent.status().get();
                assertThat(logic.hasNext()).isFalse();
                assertThat(counters.value(ControllerCounter.FLOWS_REMOVED_IDLE)).isEqualTo(1);
                assertThat(counters.value(ControllerCounter.FLOWS_REMOVED_BY_OTHERS))
                        .isEqualTo(1);
            }
        }

        @Test
        void shouldSendTheReturnFlowBeforeTheRequest() throws Exception {
            logic.onPacketIn((output, packetIn) -> {
                output.installReturn(1, CLIENT_MAC, false, 9);
                output.packetOut(1, 3, ByteBuffer.wrap(packetIn.frame()), 0, packetIn.frame().length);
            });
            try (FakeSwitch fake = ready(1)) {
                fake.send(FakeSwitch.packetIn(9, frame(60)));
                OFFlowAdd add = (OFFlowAdd) fake.next();
                assertThat(add.getPriority()).isEqualTo(110);
                assertThat(add.getCookie().getValue()).isEqualTo(0xD572_0000_0000_000BL);
                assertThat(add.getIdleTimeout()).isEqualTo(300);
                assertThat(add.getFlags()).containsExactly(OFFlowModFlags.SEND_FLOW_REM);
                assertThat(add.getMatch())
                        .isEqualTo(OpenFlowField.match(returnFlow(Documents.VIP).match()));
                assertThat(fake.next()).isInstanceOf(OFPacketOut.class);
            }
        }

        @Test
        void shouldLiveOnWhenAForeignFlowWithUnknownFieldsIsRemoved() throws Exception {
            try (FakeSwitch fake = ready(1)) {
                // Another application's flow on the same bridge, matched on Nicira's ct_state, which OpenFlowJ cannot
                // read.
                byte[] body = ByteBufUtil.decodeHexDump(
                        "00000000000000ab" // cookie
                                + "0001" + "01" + "00" // priority, reason, table
                                + "0000000000000000" + "0000" + "0000" // duration, timeouts
                                + "0000000000000000" + "0000000000000000" // packets, bytes
                                + "0001" + "0010" + "0001d308" + "00000020" + "00000020"); // match
                ByteBuffer message = ByteBuffer.allocate(8 + body.length);
                message.put(bytes(4, 11, 0, 8 + body.length, 0, 0, 0, 0)).put(body);
                fake.send(message.array());
                fake.assertAlive();
                assertThat(counters.value(ControllerCounter.OPENFLOW_MESSAGES_IGNORED))
                        .isEqualTo(1);
            }
        }

        @Test
        void shouldLiveOnWhenAMessageIsOfAnUnknownType() throws Exception {
            try (FakeSwitch fake = ready(1)) {
                fake.send(bytes(4, 30, 0, 12, 0, 0, 0, 1, 1, 2, 3, 4));
                fake.send(bytes(4, 1, 0, 16, 0, 0, 0, 1, 0xFF, 0xFF, 9, 9, 0, 0, 0x23, 0x20));
                fake.assertAlive();
                assertThat(counters.value(ControllerCounter.OPENFLOW_CONNECTIONS_CLOSED))
                        .isZero();
            }
        }

        @Test
        void shouldKnowThePortsAsTheyComeAndGo() throws Exception {
            try (FakeSwitch fake = ready(1)) {
                assertThat(agent.status().get().get(0).ports())
                        .hasSize(2)
                        .containsEntry(3, "eth3")
                        .containsEntry(4, "eth4");
                fake.send(
                        FakeSwitch.OF13
                                .buildPortStatus()
                                .setReason(OFPortReason.DELETE)
                                .setDesc(FakeSwitch.port(3, "eth3"))
                                .build(),
                        FakeSwitch.OF13
                                .buildPortStatus()
                                .setReason(OFPortReason.MODIFY)
                                .setDesc(FakeSwitch.port(4, "eth4")
                                        .createBuilder()
                                        .setState(Set.of(OFPortState.LINK_DOWN))
                                        .build())
                                .build(),
                        FakeSwitch.OF13
                                .buildPortStatus()
                                .setReason(OFPortReason.ADD)
                                .setDesc(FakeSwitch.port(5, "eth5"))
                                .build());
                awaitCount(ControllerCounter.PORT_STATUS_RECEIVED, 3);
                assertThat(agent.status().get().get(0).ports())
                        .hasSize(2)
                        .containsEntry(4, "eth4 (down)")
                        .containsEntry(5, "eth5");
            }
        }

        @Test
        void shouldCountAnErrorMessageAndLiveOn() throws Exception {
            try (FakeSwitch fake = ready(1)) {
                fake.send(FakeSwitch.OF13
                        .errorMsgs()
                        .buildFlowModFailedErrorMsg()
                        .setCode(org.projectfloodlight.openflow.protocol.OFFlowModFailedCode.TABLE_FULL)
                        .build());
                awaitCount(ControllerCounter.OPENFLOW_ERROR_MESSAGES, 1);
                fake.assertAlive();
            }
        }

        @Test
        void shouldServeTheOthersWhenAnEventFails() throws Exception {
            logic.onPacketIn((output, packetIn) -> {
                if (packetIn.inPort() == 13) {
                    throw new IllegalStateException("a fault for the test");
                }
                output.packetOut(1, 3, ByteBuffer.wrap(packetIn.frame()), 0, 60);
            });
            try (FakeSwitch fake = ready(1)) {
                // More than there are slots: none may be lost with its event.
                for (int i = 1; i <= 100; i++) {
                    fake.send(FakeSwitch.packetIn(13, frame(60)));
                    awaitCount(ControllerCounter.AGENT_FAILURES, i);
                }
                fake.send(FakeSwitch.packetIn(1, frame(60)));
                fake.next(OFPacketOut.class);
            }
        }
    }

    @Nested
    class Reconnect {
        @Test
        void shouldReplaceAConnectionThatWasNotNoticedAsGone() throws Exception {
            logic.onPacketIn((output, packetIn) -> output.packetOut(1, 3, ByteBuffer.wrap(packetIn.frame()), 0, 60));
            try (FakeSwitch former = ready(1);
                    FakeSwitch now = ready(1)) {
                assertThat(List.of(logic.next(), logic.next(), logic.next())).containsExactly("up 1", "down 1", "up 1");
                former.awaitClose();
                awaitCount(ControllerCounter.OPENFLOW_CONNECTIONS_CLOSED, 1);
                now.send(FakeSwitch.packetIn(1, frame(60)));
                now.next(OFPacketOut.class);
                assertThat(agent.status().get()).hasSize(1);
                assertThat(logic.hasNext()).isFalse();
            }
        }

        @Test
        void shouldNotCallAResetAProtocolError() throws Exception {
            FakeSwitch fake = ready(1);
            fake.send(FakeSwitch.packetIn(1, frame(60)));
            fake.reset();
            assertThat(List.of(logic.next(), logic.next())).containsExactly("up 1", "down 1");
            awaitCount(ControllerCounter.OPENFLOW_CONNECTIONS_CLOSED, 1);
            assertThat(counters.value(ControllerCounter.OPENFLOW_PROTOCOL_ERRORS))
                    .isZero();
        }

        @Test
        void shouldTellTheLogicWhenASwitchGoesAndComesBack() throws Exception {
            try (FakeSwitch other = ready(2)) {
                assertThat(logic.next()).isEqualTo("up 2");
                ready(1).close();
                assertThat(List.of(logic.next(), logic.next())).containsExactly("up 1", "down 1");
                try (FakeSwitch back = ready(1)) {
                    assertThat(logic.next()).isEqualTo("up 1");
                    back.assertAlive();
                }
                other.assertAlive();
            }
        }
    }

    @Nested
    class BrokenPeer {
        private FakeSwitch bystander;

        @BeforeEach
        void connectABystander() throws Exception {
            bystander = ready(2);
            assertThat(logic.next()).isEqualTo("up 2");
        }

        @AfterEach
        void theBystanderIsUnharmed() throws Exception {
            bystander.assertAlive();
            bystander.send(FakeSwitch.packetIn(1, frame(99)));
            assertThat(logic.nextPacketIn().frame()).isEqualTo(frame(99));
            bystander.close();
        }

        /** An HTTP request, a TLS hello, lengths of 0 and 4 and 7. */
        @ParameterizedTest
        @ValueSource(
                strings = {
                    "474554202f20485454502f312e310d0a0d0a",
                    "16030100c8010000c40303",
                    "0400000000000000",
                    "0400000400000000",
                    "0400000700000000"
                })
        void shouldCloseAndCountWhenItSendsGarbage(String garbage) throws Exception {
            try (FakeSwitch fake = connect()) {
                fake.nextBytes();
                fake.send(ByteBufUtil.decodeHexDump(garbage + "00".repeat(70000)));
                fake.awaitClose();
                awaitCount(ControllerCounter.OPENFLOW_CONNECTIONS_CLOSED, 1);
                assertThat(counters.value(ControllerCounter.OPENFLOW_PROTOCOL_ERRORS))
                        .isEqualTo(1);
            }
        }

        /** Another version; packet-ins without room for a match, with a match too long, without in_port. */
        @ParameterizedTest
        @ValueSource(
                strings = {
                    "0102000800000001",
                    "040a001000000001ffffffff003c0000",
                    "040a002000000001ffffffff00000000" + "0000000000000000" + "0001ffff00000000",
                    "040a002a00000001ffffffff00000000" + "0000000000000000" + "0001000400000000"
                            + "00000000000000000000"
                })
        void shouldCloseAndCountWhenItBreaksTheProtocolLater(String message) throws Exception {
            try (FakeSwitch fake = ready(1)) {
                fake.send(ByteBufUtil.decodeHexDump(message));
                fake.awaitClose();
                awaitCount(ControllerCounter.OPENFLOW_PROTOCOL_ERRORS, 1);
                assertThat(List.of(logic.next(), logic.next())).containsExactly("up 1", "down 1");
            }
        }

        /** Every message we parse, cut everywhere, with the length field made to fit. */
        @Test
        void shouldNeverHarmAnyoneWhenMessagesAreTruncated() throws Exception {
            FlowTemplate flow = connectionFlow(Documents.VIP, 40000, Documents.S1_MAC, 3);
            OFMessage[] whole = {
                FakeSwitch.features(1),
                FakeSwitch.flowRemoved(flow, OFFlowRemovedReason.IDLE_TIMEOUT),
                FakeSwitch.flows(1, false, FakeSwitch.entry(flow)),
                FakeSwitch.OF13
                        .buildPortStatus()
                        .setReason(OFPortReason.ADD)
                        .setDesc(FakeSwitch.port(5, "eth5"))
                        .build(),
                FakeSwitch.packetIn(1, frame(60))
            };
            FakeSwitch fake = ready(1);
            for (OFMessage message : whole) {
                byte[] bytes = FakeSwitch.bytes(message);
                for (int length = 8; length < bytes.length; length += 3) {
                    byte[] cut = java.util.Arrays.copyOf(bytes, length);
                    ByteBuffer.wrap(cut).putShort(2, (short) length);
                    try {
                        fake.send(cut);
                        fake.assertAlive();
                    } catch (IOException closed) {
                        fake.close();
                        fake = ready(1);
                    }
                }
            }
            fake.close();
            assertThat(counters.value(ControllerCounter.AGENT_FAILURES)).isZero();
            assertThat(counters.value(ControllerCounter.OPENFLOW_CONNECTIONS_CLOSED))
                    .isLessThanOrEqualTo(counters.value(ControllerCounter.OPENFLOW_PROTOCOL_ERRORS) + 1);
        }

        @Test
        void shouldNeverHarmAnyoneWhenRandomBytesArrive() throws Exception {
            long seed = System.nanoTime();
            Random random = new Random(seed);
            for (int round = 0; round < 100; round++) {
                byte[] bytes = new byte[8 + random.nextInt(200)];
                random.nextBytes(bytes);
                bytes[0] = 4;
                bytes[1] = (byte) random.nextInt(32);
                bytes[2] = 0;
                bytes[3] = (byte) (8 + random.nextInt(bytes.length - 7));
                try (FakeSwitch fake = connect()) {
                    fake.greet(1);
                    fake.send(bytes);
                } catch (SocketException e) {
                    // closed while we were writing
                }
            }
            Await.until(
                    "all closed, seed " + seed,
                    () -> counters.value(ControllerCounter.OPENFLOW_CONNECTIONS_CLOSED) == 100);
            agent.status().get();
            assertThat(counters.value(ControllerCounter.AGENT_FAILURES))
                    .as("seed %d", seed)
                    .isZero();
            while (logic.hasNext()) {
                logic.next();
            }
        }
    }

    @Nested
    class SlowReader {
        private static final long ROUGHLY_THE_LIMIT = 40L << 20;

        @Test
        void shouldDropAndCountPacketOutsWhenTheSwitchDoesNotRead() throws Exception {
            logic.onPacketIn((output, packetIn) -> {
                for (int i = 0; i < 16; i++) {
                    output.packetOut(1, 3, ByteBuffer.allocate(60000), 0, 60000);
                }
            });
            try (FakeSwitch fake = ready(1);
                    FakeSwitch other = ready(2)) {
                Await.until("packet-outs are dropped", () -> {
                    fake.send(FakeSwitch.packetIn(1, frame(60)));
                    return counters.value(ControllerCounter.PACKET_OUTS_DROPPED_SLOW_SWITCH) > 1000;
                });
                assertThat(counters.value(ControllerCounter.PACKET_OUTS_SENT) * 60000)
                        .isLessThan(ROUGHLY_THE_LIMIT);
                other.assertAlive();
                // When it reads again, everything that was accepted is there, whole.
                for (long i = counters.value(ControllerCounter.PACKET_OUTS_SENT); i > 0; i--) {
                    fake.next(OFPacketOut.class);
                }
            }
        }

        @Test
        void shouldCloseWhenFlowModsPileUpBecauseTheyCannotBeDropped() throws Exception {
            logic.onPacketIn((output, packetIn) -> {
                for (int i = 0; i < 1000; i++) {
                    output.installConnection(1, CONNECTION + i, CLIENT_ADDRESS, 0);
                }
            });
            try (FakeSwitch fake = ready(1)) {
                long before = counters.value(ControllerCounter.FLOW_ADDS_SENT);
                Await.until("closed", () -> {
                    try {
                        fake.send(FakeSwitch.packetIn(1, frame(60)));
                    } catch (SocketException e) {
                        return true;
                    }
                    long sent = counters.value(ControllerCounter.FLOW_ADDS_SENT) - before;
                    assertThat(sent * 144).isLessThan(ROUGHLY_THE_LIMIT);
                    return counters.value(ControllerCounter.OPENFLOW_CONNECTIONS_CLOSED) == 1;
                });
                assertThat(counters.value(ControllerCounter.OPENFLOW_SLOW_SWITCHES_CLOSED))
                        .isEqualTo(1);
            }
        }

        @Test
        void shouldNotPileUpEchoRepliesNobodyReads() throws Exception {
            try (FakeSwitch fake = ready(1)) {
                byte[] request = FakeSwitch.bytes(FakeSwitch.OF13
                        .buildEchoRequest()
                        .setData(new byte[60000])
                        .build());
                long before = PooledByteBufAllocator.DEFAULT.metric().usedDirectMemory();
                for (int i = 0; i < 100 << 20; i += request.length) {
                    fake.send(request);
                }
                fake.send(FakeSwitch.packetIn(1, frame(60)));
                logic.nextPacketIn();
                assertThat(PooledByteBufAllocator.DEFAULT.metric().usedDirectMemory() - before)
                        .isLessThan(ROUGHLY_THE_LIMIT);
            }
        }
    }

    @Nested
    class Overload {
        @Test
        void shouldCountPacketInsBeyondTheSlotsAndServeTheRest() throws Exception {
            restart(8, OpenFlowConnection.SILENT_PERIOD_MS);
            CountDownLatch go = new CountDownLatch(1);
            logic.onPacketIn((output, packetIn) -> {
                try {
                    assertThat(go.await(10, TimeUnit.SECONDS)).isTrue();
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            });
            try (FakeSwitch fake = ready(1)) {
                for (int i = 0; i < 50; i++) {
                    fake.send(FakeSwitch.packetIn(i + 1, frame(60)));
                }
                awaitCount(ControllerCounter.PACKET_INS_RECEIVED, 50);
                // The network thread answers while the agent is stuck.
                fake.assertAlive();
                awaitCount(ControllerCounter.PACKET_INS_DROPPED_OVERLOAD, 42);
                go.countDown();
                for (int i = 0; i < 8; i++) {
                    assertThat(logic.nextPacketIn().inPort()).isEqualTo(i + 1);
                }
                fake.send(FakeSwitch.packetIn(77, frame(60)));
                assertThat(logic.nextPacketIn().inPort()).isEqualTo(77);
            }
        }
    }
}
