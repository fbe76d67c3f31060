package org.dwsr.filter.host;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.dwsr.config.DwsrConfig;
import org.dwsr.filter.FilterOutput;
import org.dwsr.filter.PacketCore;
import org.dwsr.switching.CounterSink;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Ports and agent on real interfaces: needs root and {@code ip}. */
@Timeout(60)
class AfPacketPortTest {
    private static final long MEGABYTE = 1_000_000;

    /** Experimental EtherTypes (IEEE 802), so that nobody else's frame is taken for ours. */
    private static final int FORWARDED = 0x88b5;

    private static final int RETURNED = 0x88b6;
    private static final int FAILING = 0x88b7;
    private static final int BURST = 0x88b8;

    private final Libc libc = Libc.get();

    @Test
    void shouldRefuseClearlyWhenInterfaceIsMissing() {
        assertThatThrownBy(() -> AfPacketPort.open(libc, "dwio-none", 16, new PortCounters()))
                .isInstanceOf(IOException.class)
                .hasMessage("no such interface");
    }

    @Nested
    class BetweenTwoNamespaces {
        @Test
        void shouldCarryPingAndTransfersWhenNothingIsChanged() throws IOException {
            try (VethLab lab = new VethLab()) {
                lab.namespace("dwio-client");
                lab.namespace("dwio-server");
                lab.veth("dwio-n", "dwio-c");
                lab.veth("dwio-h", "dwio-s");
                lab.move("dwio-c", "dwio-client", "10.99.0.1/24");
                lab.move("dwio-s", "dwio-server", "10.99.0.2/24");
                try (RunningPair running = new RunningPair((server, output) -> new PassThroughCore())) {
                    running.awaitPorts();
                    transfer("ping", 3);
                    lab.start("dwio-server", VethLab.java(Transfer.class, "serve", "10.99.0.2", "8000"));
                    transfer("fetch", 20 * MEGABYTE);
                    transfer("send", 20 * MEGABYTE);
                    String fetch = transfer("fetch", 1000 * MEGABYTE);
                    String send = transfer("send", 1000 * MEGABYTE);
                    System.out.println("pass-through: fetch " + fetch + " Mbit/s, send " + send + " Mbit/s");

                    Map<String, Long> counters = running.counters();
                    // Offloads kept: far fewer frames than 1448-byte segments.
                    assertThat(value(counters, "network_tx_bytes") / value(counters, "network_tx_frames"))
                            .isGreaterThan(1514);
                    assertThat(value(counters, "frames_to_host"))
                            .isEqualTo(value(counters, "network_rx_frames"))
                            .isEqualTo(value(counters, "host_tx_frames") + dropped(counters, "host"));
                    assertThat(value(counters, "frames_to_network"))
                            .isEqualTo(value(counters, "host_rx_frames"))
                            .isEqualTo(value(counters, "network_tx_frames") + dropped(counters, "network"));
                }
            }
        }

        private String transfer(String direction, long bytes) {
            List<String> command = new ArrayList<>(List.of("ip", "netns", "exec", "dwio-client"));
            command.addAll(List.of(VethLab.java(Transfer.class, direction, "10.99.0.2", "8000", "" + bytes)));
            return VethLab.run(command.toArray(String[]::new));
        }

        private long dropped(Map<String, Long> counters, String side) {
            return counters.entrySet().stream()
                    .filter(entry -> entry.getKey().startsWith(side + "_tx_dropped_"))
                    .mapToLong(Map.Entry::getValue)
                    .sum();
        }
    }

    /** Outer ends dwio-c and dwio-s are opened by the test itself. */
    @Nested
    @SuppressWarnings("try") // a lab is there to be closed
    class WithRawEnds {
        @Test
        void shouldKeepVlanTagWhenFrameIsForwarded() throws IOException {
            try (VethLab lab = pairs();
                    RunningPair running = new RunningPair((server, output) -> new PassThroughCore());
                    RawEnd client = new RawEnd("dwio-c");
                    RawEnd server = new RawEnd("dwio-s")) {
                running.awaitPorts();
                ByteBuffer tagged = frame(0x8100, 0x2007, FORWARDED, 0x1234);
                client.send(tagged);
                assertThat(server.receive(1)).containsExactly(tagged);
                assertThat(running.counter("network_rx_vlan")).isEqualTo(1);
            }
        }

        @Test
        void shouldKeepOrderWhenCoreInjectsReturnsAndDrops() throws IOException {
            try (VethLab lab = pairs();
                    RunningPair running = new RunningPair((server, output) -> new TellingCore(output));
                    RawEnd client = new RawEnd("dwio-c");
                    RawEnd server = new RawEnd("dwio-s")) {
                running.awaitPorts();
                List<ByteBuffer> expectedAtServer = new ArrayList<>();
                List<ByteBuffer> expectedAtClient = new ArrayList<>();
                for (int i = 0; i < 100; i++) {
                    client.send(frame(FORWARDED, i));
                    client.send(frame(RETURNED, i));
                    expectedAtServer.add(frame(FORWARDED, i + 1000));
                    expectedAtServer.add(frame(FORWARDED, i));
                    expectedAtClient.add(frame(RETURNED, i + 1000));
                    expectedAtClient.add(frame(RETURNED, i));
                }
                assertThat(server.receive(200)).isEqualTo(expectedAtServer);
                assertThat(client.receive(200)).isEqualTo(expectedAtClient);
            }
        }

        @Test
        void shouldPassFramesAgainWhenInterfaceWasRecreated() throws IOException {
            try (VethLab lab = pairs();
                    RunningPair running = new RunningPair((server, output) -> new PassThroughCore());
                    RawEnd client = new RawEnd("dwio-c")) {
                running.awaitPorts();
                lab.veth("dwio-h", "dwio-s");
                try (RawEnd server = new RawEnd("dwio-s")) {
                    running.await("host port opened again", () -> running.counter("host_opened") == 2);
                    ByteBuffer sent = frame(FORWARDED, 1);
                    client.send(sent);
                    assertThat(server.receive(1)).containsExactly(sent);
                }
            }
        }

        @Test
        void shouldCountFramesWhenOtherInterfaceIsMissing() throws IOException {
            try (VethLab lab = new VethLab()) {
                lab.veth("dwio-n", "dwio-c");
                try (RunningPair running = new RunningPair((server, output) -> new PassThroughCore());
                        RawEnd client = new RawEnd("dwio-c")) {
                    running.await("network port opened", () -> running.counter("network_opened") == 1);
                    client.send(frame(FORWARDED, 1));
                    running.await("frame counted", () -> running.counter("host_tx_dropped_down") == 1);
                }
            }
        }

        @Test
        void shouldSendThemAllInOrderWhenCoreInjectsMoreThanQueueHolds() throws IOException {
            try (VethLab lab = pairs();
                    RunningPair running = new RunningPair((server, output) -> new TellingCore(output));
                    RawEnd client = new RawEnd("dwio-c");
                    RawEnd server = new RawEnd("dwio-s")) {
                running.awaitPorts();
                client.send(frame(BURST, 700));
                List<ByteBuffer> expected = new ArrayList<>();
                for (int i = 0; i < 700; i++) {
                    expected.add(frame(BURST, i));
                }
                expected.add(frame(BURST, 700));
                assertThat(server.receive(701)).isEqualTo(expected);
            }
        }

        @Test
        void shouldDropOnlyThatFrameWhenCoreFails() throws IOException {
            try (VethLab lab = pairs();
                    RunningPair running = new RunningPair((server, output) -> new TellingCore(output));
                    RawEnd client = new RawEnd("dwio-c");
                    RawEnd server = new RawEnd("dwio-s")) {
                running.awaitPorts();
                client.send(frame(FAILING, 1));
                client.send(frame(FORWARDED, 2));
                assertThat(server.receive(2)).containsExactly(frame(FORWARDED, 1002), frame(FORWARDED, 2));
                assertThat(running.counter("core_failures")).isEqualTo(1);
            }
        }

        @Test
        void shouldSegmentInjectedFrameWhenItExceedsMtu() throws IOException {
            try (VethLab lab = new VethLab()) {
                lab.veth("dwio-n", "dwio-c");
                VethLab.run("ip", "link", "set", "dwio-n", "gso_max_size", "2000");
                try (RawEnd network = new RawEnd("dwio-n");
                        RawEnd client = new RawEnd("dwio-c")) {
                    ByteBuffer large = TestFrames.tcp(0x0a630001, 0x0a630002, 40000, 80, 1000, 4000);
                    network.send(large);
                    List<ByteBuffer> segments = client.receive(3);
                    assertThat(segments).extracting(TestFrames::seq).containsExactly(1000, 2460, 3920);
                    assertThat(segments).allMatch(TestFrames::checksumsValid);
                    assertThat(segments.stream()
                                    .mapToInt(TestFrames::payloadLength)
                                    .sum())
                            .isEqualTo(4000);
                }
            }
        }

        private VethLab pairs() {
            VethLab lab = new VethLab();
            lab.veth("dwio-n", "dwio-c");
            lab.veth("dwio-h", "dwio-s");
            return lab;
        }
    }

    /** A broadcast frame of 60 bytes: 16-bit words after the addresses, EtherType first, then zeros. */
    private static ByteBuffer frame(int... words) {
        ByteBuffer frame = ByteBuffer.allocate(60);
        frame.putShort((short) 0xffff)
                .putInt(0xffff_ffff)
                .putShort((short) 0x0200)
                .putInt(7);
        for (int word : words) {
            frame.putShort((short) word);
        }
        return frame.clear();
    }

    /** Puts a frame with its number plus 1000 before every frame of ours, returns RETURNED, fails at FAILING. */
    private static final class TellingCore implements PacketCore {
        private final FilterOutput output;

        TellingCore(FilterOutput output) {
            this.output = output;
        }

        @Override
        public int onNetworkFrame(ByteBuffer buf, int offset, int length, boolean partialChecksum, long nowNs) {
            int etherType = buf.getShort(offset + 12) & 0xffff;
            ByteBuffer told = frame(etherType, buf.getShort(offset + 14) + 1000);
            if (etherType == FORWARDED) {
                output.toHost(told, 0, 60);
                return FORWARD;
            }
            if (etherType == RETURNED) {
                output.toNetwork(told, 0, 60);
                return RETURN;
            }
            if (etherType == BURST) {
                for (int i = 0; i < buf.getShort(offset + 14); i++) {
                    output.toHost(frame(BURST, i), 0, 60);
                }
                return FORWARD;
            }
            if (etherType == FAILING) {
                throw new IllegalStateException("a test's fault");
            }
            return DROP;
        }

        @Override
        public int onHostFrame(ByteBuffer buf, int offset, int length, boolean partialChecksum, long nowNs) {
            return DROP;
        }

        @Override
        public void onTick(long nowNs) {}

        @Override
        public void configure(DwsrConfig config, long nowNs) {}

        @Override
        public void report(ReportSink sink, boolean full) {}

        @Override
        public void counters(CounterSink sink) {}
    }

    private static long value(Map<String, Long> counters, String name) {
        return requireNonNull(counters.get(name), name);
    }

    /** An agent with one pair, dwio-n and dwio-h. */
    private final class RunningPair implements AutoCloseable {
        private final PortPair pair;
        private final FilterAgent agent;

        RunningPair(CoreFactory factory) {
            pair = new PortPair("s1", factory);
            agent = new FilterAgent(libc, List.of(pair), System::nanoTime, 16);
            agent.open(pair, PortSide.NETWORK, "dwio-n");
            agent.open(pair, PortSide.HOST, "dwio-h");
            agent.start();
        }

        void awaitPorts() {
            await("both ports open", () -> counter("network_opened") == 1 && counter("host_opened") == 1);
        }

        long counter(String name) {
            return value(counters(), name);
        }

        Map<String, Long> counters() {
            CompletableFuture<Map<String, Long>> told = new CompletableFuture<>();
            agent.execute(() -> {
                Map<String, Long> counters = new HashMap<>();
                pair.tellCounters(counters::put);
                told.complete(counters);
            });
            return told.orTimeout(5, TimeUnit.SECONDS).join();
        }

        void await(String what, BooleanSupplier condition) {
            long deadlineNs = System.nanoTime() + 10_000_000_000L;
            while (!condition.getAsBoolean()) {
                assertThat(System.nanoTime() - deadlineNs).as(what).isNegative();
                Thread.onSpinWait();
            }
        }

        @Override
        public void close() {
            agent.close();
        }
    }

    /** The outer end of a veth pair, used by the test's own thread. */
    private final class RawEnd implements AutoCloseable {
        private final AfPacketPort port;

        RawEnd(String name) throws IOException {
            port = AfPacketPort.open(libc, name, 16, new PortCounters());
        }

        void send(ByteBuffer frame) {
            port.queue().inject(frame, 0, frame.capacity());
            assertThat(port.queue().flush(System.nanoTime())).isTrue();
        }

        /** The next frames of ours; others (the kernel's own) are skipped. */
        List<ByteBuffer> receive(int count) {
            List<ByteBuffer> frames = new ArrayList<>();
            long deadlineNs = System.nanoTime() + 5_000_000_000L;
            while (frames.size() < count) {
                assertThat(System.nanoTime() - deadlineNs)
                        .as("%s of %s frames at %s: %s", frames.size(), count, port.name(), frames)
                        .isNegative();
                ReceiveRing ring = port.ring();
                if (ring.next()) {
                    ByteBuffer frame = ByteBuffer.allocate(ring.length());
                    frame.put(0, ring.buffer(), ring.offset(), ring.length());
                    if (ring.partialChecksum()) {
                        TestFrames.completeTcpChecksum(frame);
                    }
                    ring.release(ring.slot());
                    if ((frame.getShort(6) & 0xffff) == 0x0200) {
                        frames.add(frame);
                    }
                }
            }
            return frames;
        }

        @Override
        public void close() {
            port.close();
        }
    }
}
