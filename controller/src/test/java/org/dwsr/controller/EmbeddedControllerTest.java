package org.dwsr.controller;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.dwsr.packet.IpAddress;
import org.dwsr.packet.SegmentBuilder;
import org.dwsr.packet.TcpFlags;
import org.dwsr.switching.FilterReport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.projectfloodlight.openflow.protocol.OFFlowAdd;
import org.projectfloodlight.openflow.protocol.OFMessage;
import org.projectfloodlight.openflow.protocol.OFPacketOut;
import org.projectfloodlight.openflow.protocol.match.MatchField;
import org.projectfloodlight.openflow.types.TransportPort;

@Timeout(60)
class EmbeddedControllerTest {
    private static final InetSocketAddress ANY_PORT = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    private static final long CLIENT_MAC = 0x0200_0000_00AAL;
    private static final int CLIENT = 0x0A00_0001;
    private static final int CLIENT_ISN = 0xFFFF_FFF0;

    @TempDir
    private Path folder;

    private final List<EmbeddedController> started = new ArrayList<>();
    private final HttpClient client = HttpClient.newHttpClient();
    private Path file;

    @BeforeEach
    void write() throws IOException {
        file = Files.writeString(folder.resolve("dwsr.json"), Documents.text(80));
    }

    @AfterEach
    void stop() {
        started.forEach(EmbeddedController::close);
    }

    private EmbeddedController start(String stateDir) throws IOException {
        KeyFile key = KeyFile.readOrCreate(folder.resolve(stateDir).resolve("filters.key"));
        ConfigFile config = new ConfigFile(file);
        EmbeddedController controller = new EmbeddedController(
                config, config.read(), SwitchingLogic.webSwitch(key.synCookieKey()), key.bearer(), ANY_PORT, ANY_PORT);
        started.add(controller);
        return controller;
    }

    private HttpRequest.Builder config(EmbeddedController controller, String stateDir, String query)
            throws IOException {
        return HttpRequest.newBuilder(
                        URI.create("http://127.0.0.1:" + controller.controlPort() + "/filters/s1/config" + query))
                .timeout(Duration.ofSeconds(20))
                .header(
                        "Authorization",
                        "Bearer "
                                + KeyFile.readOrCreate(folder.resolve(stateDir).resolve("filters.key"))
                                        .bearer());
    }

    private static void awaitCount(EmbeddedController controller, ControllerCounter counter, long count)
            throws Exception {
        Await.until(counter + " is " + count, () -> controller.counters().value(counter) == count);
    }

    @Nested
    class Reload {
        @Test
        void shouldFollowTheFileForSwitchesAndFilters() throws Exception {
            EmbeddedController controller = start("a");
            try (FakeSwitch fake = FakeSwitch.ready(controller.openFlowPort(), 1)) {
                String etag = client.send(config(controller, "a", "").build(), BodyHandlers.ofString())
                        .headers()
                        .firstValue("ETag")
                        .orElseThrow();
                CompletableFuture<HttpResponse<String>> held = client.sendAsync(
                        config(controller, "a", "?waitMs=60000")
                                .header("If-None-Match", etag)
                                .build(),
                        BodyHandlers.ofString());
                Files.writeString(file, Documents.text(80, 8080));
                assertThat(held.get(10, TimeUnit.SECONDS).body()).contains("8080");
                assertThat(fake.takeProgram()).anyMatch(add -> TransportPort.of(8080)
                        .equals(add.getMatch().get(MatchField.TCP_DST)));
                awaitCount(controller, ControllerCounter.CONFIGURATIONS_ACCEPTED, 1);
            }
        }

        @Test
        void shouldKeepTheRunningOneWhenTheNewOneIsWrongAndTakeTheNextRightOne() throws Exception {
            EmbeddedController controller = start("a");
            try (FakeSwitch fake = FakeSwitch.ready(controller.openFlowPort(), 1)) {
                long refused = 0;
                for (String wrong : List.of(
                        Documents.text(80, 8080).replace("\"rr\"", "\"fastest\""), "", "{", "[".repeat(50_000))) {
                    Files.writeString(file, wrong);
                    controller.reload();
                    refused++;
                    long expected = refused;
                    Await.until(
                            "refused",
                            () -> controller.counters().value(ControllerCounter.CONFIGURATIONS_REFUSED) >= expected);
                }
                assertThat(client.send(config(controller, "a", "").build(), BodyHandlers.ofString())
                                .body())
                        .doesNotContain("8080");
                fake.assertAlive();
                assertThat(controller.counters().value(ControllerCounter.CONFIGURATIONS_ACCEPTED))
                        .isZero();

                // Without a signal: the watching goes on after every refusal.
                Files.writeString(file, Documents.text(8080));
                awaitCount(controller, ControllerCounter.CONFIGURATIONS_ACCEPTED, 1);
                assertThat(fake.takeProgram()).isNotEmpty();
            }
        }

        @Test
        void shouldKeepRunningWhenTheFileIsGone() throws Exception {
            EmbeddedController controller = start("a");
            Files.delete(file);
            controller.reload();
            awaitCount(controller, ControllerCounter.CONFIGURATIONS_REFUSED, 1);
            assertThat(client.send(config(controller, "a", "").build(), BodyHandlers.ofString())
                            .statusCode())
                    .isEqualTo(200);
        }
    }

    @Nested
    class SynCookies {
        private final SegmentBuilder segments = new SegmentBuilder();

        private byte[] segment(int port, int seq, int ack, int flags, String payload) {
            segments.start();
            if ((flags & TcpFlags.SYN) != 0) {
                segments.mss(1460).sackPermitted().windowScale(7);
            }
            ByteBuffer bytes = ByteBuffer.wrap(payload.getBytes(StandardCharsets.US_ASCII));
            segments.payload(bytes, 0, bytes.capacity());
            segments.build(Documents.VMAC, CLIENT_MAC, CLIENT, Documents.VIP, port, 80, seq, ack, flags, 64240);
            return Arrays.copyOf(segments.frame().array(), segments.length());
        }

        /** The wseq with which a controller answers a SYN. */
        private int handshake(EmbeddedController controller) throws Exception {
            try (FakeSwitch fake = FakeSwitch.ready(controller.openFlowPort(), 1)) {
                fake.send(FakeSwitch.packetIn(1, segment(40000, CLIENT_ISN, 0, TcpFlags.SYN, "")));
                ByteBuffer answer = ByteBuffer.wrap(fake.next(OFPacketOut.class).getData());
                assertThat(answer.get(47)).isEqualTo((byte) (TcpFlags.SYN | TcpFlags.ACK));
                assertThat(answer.getInt(42)).isEqualTo(CLIENT_ISN + 1);
                return answer.getInt(38);
            }
        }

        /** What a controller that has never seen the SYN does about the request. */
        private List<OFMessage> request(EmbeddedController controller, int wseq) throws Exception {
            // Nothing is decided before every filter has told its live connections.
            for (String server : List.of("s1", "s2", "s3")) {
                long[] no = {};
                IpAddress[] nobody = {};
                FilterReport none = new FilterReport(server, "boot", true, no, nobody, no, no, no, nobody, new int[0]);
                assertThat(controller.agent().report(none).get()).isTrue();
            }
            try (FakeSwitch fake = FakeSwitch.ready(controller.openFlowPort(), 1)) {
                byte[] request = segment(
                        40000,
                        CLIENT_ISN + 1,
                        wseq + 1,
                        TcpFlags.ACK | TcpFlags.PSH,
                        "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                // The answer to another client's SYN marks the end of what the request causes.
                fake.send(
                        FakeSwitch.packetIn(1, request),
                        FakeSwitch.packetIn(1, segment(40001, CLIENT_ISN, 0, TcpFlags.SYN, "")));
                List<OFMessage> all = new ArrayList<>();
                OFMessage message = fake.next();
                while (!isSynAck(message)) {
                    all.add(message);
                    message = fake.next();
                }
                return all;
            }
        }

        private static boolean isSynAck(OFMessage message) {
            return message instanceof OFPacketOut out && out.getData()[47] == (TcpFlags.SYN | TcpFlags.ACK);
        }

        @Test
        void shouldBeAcceptedAfterARestartWithTheSameStateDirectory() throws Exception {
            EmbeddedController before = start("a");
            int wseq = handshake(before);
            before.close();
            assertThat(request(start("a"), wseq)).hasSize(3).satisfies(messages -> {
                // Where the client is, where its server is, and the request.
                assertThat(messages.get(0)).isInstanceOf(OFFlowAdd.class);
                assertThat(messages.get(1)).isInstanceOf(OFFlowAdd.class);
                assertThat(messages.get(2)).isInstanceOf(OFPacketOut.class);
            });
        }

        @Test
        void shouldBeAcceptedByAnotherControllerThatSharesIt() throws Exception {
            EmbeddedController one = start("a");
            EmbeddedController other = start("a");
            assertThat(request(other, handshake(one))).hasSize(3);
        }

        @Test
        void shouldChangeNothingAtAControllerWithAnotherKey() throws Exception {
            assertThat(request(start("b"), handshake(start("a")))).noneMatch(OFFlowAdd.class::isInstance);
        }
    }

    @Nested
    class End {
        @Test
        void shouldBeQuickAndLeaveTheFlows() throws Exception {
            EmbeddedController controller = start("a");
            try (FakeSwitch fake = FakeSwitch.ready(controller.openFlowPort(), 1)) {
                HttpResponse<String> known =
                        client.send(config(controller, "a", "").build(), BodyHandlers.ofString());
                CompletableFuture<HttpResponse<String>> held = client.sendAsync(
                        config(controller, "a", "?waitMs=60000")
                                .header(
                                        "If-None-Match",
                                        known.headers().firstValue("ETag").orElseThrow())
                                .build(),
                        BodyHandlers.ofString());
                assertThat(held).isNotDone();
                fake.assertAlive();
                long start = System.nanoTime();
                controller.close();
                assertThat(System.nanoTime() - start).isLessThan(1_000_000_000L);
                fake.assertClosedSilently();
            }
        }
    }

    @Nested
    class PortTaken {
        @Test
        void shouldSayWhichAndLeaveNothingRunning() throws Exception {
            ConfigFile config = new ConfigFile(file);
            try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
                InetSocketAddress address = (InetSocketAddress) taken.getLocalSocketAddress();
                int free;
                try (ServerSocket other = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
                    free = other.getLocalPort();
                }
                InetSocketAddress control = new InetSocketAddress(InetAddress.getLoopbackAddress(), free);
                assertThatThrownBy(() -> new EmbeddedController(
                                config, config.read(), new RecordingLogic().factory(), "key", address, control))
                        .isInstanceOf(IOException.class)
                        .hasMessageMatching("cannot listen on .*127\\.0\\.0\\.1:" + taken.getLocalPort()
                                + " for switches: .*[Aa]ddress already in use.*");
                assertThatThrownBy(() -> new EmbeddedController(
                                config, config.read(), new RecordingLogic().factory(), "key", control, address))
                        .isInstanceOf(IOException.class)
                        .hasMessageMatching("cannot listen on .*127\\.0\\.0\\.1:" + taken.getLocalPort()
                                + " for filters: Address already in use");
                new ServerSocket(free, 1, InetAddress.getLoopbackAddress()).close();
            }
        }
    }
}
