package org.dwsr.controller;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import org.dwsr.config.DwsrConfig;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.IpAddress;
import org.dwsr.switching.CounterSink;
import org.dwsr.switching.FilterReport;
import org.dwsr.switching.SwitchOutput;
import org.jspecify.annotations.Nullable;

/** Logic that writes down what it is told and reacts to packet-ins as a test wants. */
final class RecordingLogic implements SwitchingLogic {
    /** A frame that arrived. */
    static final class PacketIn {
        private final long datapath;
        private final int inPort;
        private final byte[] frame;

        private PacketIn(long datapath, int inPort, byte[] frame) {
            this.datapath = datapath;
            this.inPort = inPort;
            this.frame = frame;
        }

        long datapath() {
            return datapath;
        }

        int inPort() {
            return inPort;
        }

        byte[] frame() {
            return frame;
        }
    }

    private final BlockingQueue<String> events = new LinkedBlockingQueue<>();
    private final BlockingQueue<PacketIn> packetIns = new LinkedBlockingQueue<>();
    private final List<FilterReport> reports = new ArrayList<>();
    private volatile BiConsumer<SwitchOutput, PacketIn> reaction = (output, packetIn) -> {};
    private volatile boolean wantsFull;
    private volatile @Nullable SwitchOutput output;

    Factory factory() {
        return sink -> {
            output = sink;
            return this;
        };
    }

    /** What happens at a packet-in, on the agent's thread. */
    void onPacketIn(BiConsumer<SwitchOutput, PacketIn> next) {
        reaction = next;
    }

    void wantsFull(boolean wanted) {
        wantsFull = wanted;
    }

    /** The next event: configure, up, down, flow, removed, return, return removed. */
    String next() throws InterruptedException {
        String event = events.poll(Await.DEADLINE_MS, TimeUnit.MILLISECONDS);
        if (event == null) {
            throw new AssertionError("no event");
        }
        return event;
    }

    /** Whether an event is waiting to be read. */
    boolean hasNext() {
        return !events.isEmpty();
    }

    PacketIn nextPacketIn() throws InterruptedException {
        PacketIn packetIn = packetIns.poll(Await.DEADLINE_MS, TimeUnit.MILLISECONDS);
        if (packetIn == null) {
            throw new AssertionError("no packet-in");
        }
        return packetIn;
    }

    synchronized List<FilterReport> reports() {
        return List.copyOf(reports);
    }

    @Override
    public void configure(DwsrConfig config, long nowNs) {
        events.add("configure " + config.services().size());
    }

    @Override
    public void onPacketIn(long datapath, int inPort, ByteBuffer frame, int offset, int length, long nowNs) {
        byte[] bytes = new byte[length];
        frame.get(offset, bytes);
        PacketIn packetIn = new PacketIn(datapath, inPort, bytes);
        packetIns.add(packetIn);
        SwitchOutput sink = output;
        if (sink != null) {
            reaction.accept(sink, packetIn);
        }
    }

    @Override
    public void onFlowRemoved(long datapath, long connectionKey, long nowNs) {
        events.add("removed " + datapath + " " + ConnectionKey.format(connectionKey));
    }

    @Override
    public void onFlowRead(long datapath, long connectionKey, IpAddress client, long serverMac, long nowNs) {
        events.add("flow " + datapath + " " + client + ":" + ConnectionKey.clientPort(connectionKey) + ">"
                + ConnectionKey.servicePort(connectionKey) + " " + Long.toHexString(serverMac));
    }

    @Override
    public void onReturnRemoved(long datapath, long clientMac, boolean ipv6) {
        events.add((ipv6 ? "return6 removed " : "return removed ") + datapath + " " + Long.toHexString(clientMac));
    }

    @Override
    public void onReturnRead(long datapath, long clientMac, boolean ipv6, int port) {
        events.add((ipv6 ? "return6 " : "return ") + datapath + " " + Long.toHexString(clientMac) + " " + port);
    }

    @Override
    public void onDatapath(long datapath, boolean connected, long nowNs) {
        events.add((connected ? "up " : "down ") + datapath);
    }

    @Override
    public synchronized boolean onFilterReport(FilterReport report, long nowNs) {
        if (wantsFull && !report.full()) {
            return false;
        }
        reports.add(report);
        return true;
    }

    @Override
    public void onTick(long nowNs) {}

    @Override
    public void counters(CounterSink sink) {
        sink.counter("packet_ins", packetIns.size());
        sink.counter("connections", 7);
    }
}
