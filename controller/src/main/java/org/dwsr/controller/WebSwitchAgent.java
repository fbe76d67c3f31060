package org.dwsr.controller;

import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.dwsr.config.DwsrConfig;
import org.dwsr.config.ServerConfig;
import org.dwsr.config.ServiceConfig;
import org.dwsr.flow.ActionTemplate;
import org.dwsr.flow.DatapathLayout;
import org.dwsr.flow.FlowCookie;
import org.dwsr.flow.FlowTemplate;
import org.dwsr.flow.MatchTemplate;
import org.dwsr.flow.Pipeline;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.IpAddress;
import org.dwsr.switching.CounterSink;
import org.dwsr.switching.FilterReport;
import org.dwsr.switching.SwitchOutput;
import org.jspecify.annotations.Nullable;
import org.projectfloodlight.openflow.protocol.OFConfigFlags;
import org.projectfloodlight.openflow.protocol.OFFlowRemoved;
import org.projectfloodlight.openflow.protocol.OFFlowRemovedReason;
import org.projectfloodlight.openflow.protocol.OFFlowStatsEntry;
import org.projectfloodlight.openflow.protocol.OFFlowStatsReply;
import org.projectfloodlight.openflow.protocol.OFPortDescStatsReply;
import org.projectfloodlight.openflow.protocol.OFPortReason;
import org.projectfloodlight.openflow.protocol.OFPortStatus;
import org.projectfloodlight.openflow.protocol.OFStatsReplyFlags;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The single writer: one thread that owns the web switch's state, the connected switches and everything that goes to
 * them. Other threads hand it events; it handles a batch, then sends each switch what came of it in one piece, so that
 * the order of the web switch's calls is the order on the wire.
 *
 * <p>Overload: packet-ins travel in a fixed number of slots; with none free a packet-in is dropped and counted (TCP
 * sends it again). Other events are never dropped.
 */
final class WebSwitchAgent implements SwitchOutput, AutoCloseable {
    /** How many packet-ins may wait. */
    static final int PACKET_IN_SLOTS = 2048;

    private static final Logger LOG = LoggerFactory.getLogger(WebSwitchAgent.class);
    private static final long TICK_NS = 5_000_000L;
    private static final int BATCH = 64;
    private static final int WHOLE_PACKET = 0xFFFF;

    private final ControllerCounters counters;
    private final Pipeline pipeline;
    private final HostClock clock;
    private final SwitchingLogic logic;
    private final LogLimiter failureLog = new LogLimiter();
    private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
    private final BlockingQueue<PacketInSlot> free;
    private final Map<Long, Datapath> datapaths = new HashMap<>();
    private final Thread thread = new Thread(this::run, "web-switch");
    private @Nullable DwsrConfig config;
    private long nextTickNs;
    private volatile boolean running = true;

    /** Something for the agent's thread to do. */
    @FunctionalInterface
    interface Event {
        void happen(long nowNs);
    }

    WebSwitchAgent(SwitchingLogic.Factory factory, Pipeline pipeline, HostClock clock, ControllerCounters counters) {
        this(factory, pipeline, clock, counters, PACKET_IN_SLOTS);
    }

    WebSwitchAgent(
            SwitchingLogic.Factory factory,
            Pipeline pipeline,
            HostClock clock,
            ControllerCounters counters,
            int packetInSlots) {
        this.counters = counters;
        this.pipeline = pipeline;
        this.clock = clock;
        free = new ArrayBlockingQueue<>(packetInSlots);
        for (int i = 0; i < packetInSlots; i++) {
            free.add(new PacketInSlot(this));
        }
        logic = factory.create(this);
    }

    void start() {
        thread.start();
    }

    @Override
    public void close() {
        running = false;
        events.add(nowNs -> {});
        try {
            thread.join(5_000);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    // ---- the thread ----------------------------------------------------------------------------------------------

    private void run() {
        nextTickNs = clock.nowNs() + TICK_NS;
        while (running) {
            try {
                Event first = events.poll(Math.max(0, nextTickNs - clock.nowNs()), TimeUnit.NANOSECONDS);
                turn(first);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
        datapaths.values().forEach(Datapath::flush);
    }

    /** Handles a batch that begins with {@code first}, ticks if it is time, and flushes. */
    void turn(@Nullable Event first) {
        int handled = 0;
        for (Event event = first; event != null; event = ++handled < BATCH ? events.poll() : null) {
            happen(event);
        }
        long nowNs = clock.nowNs();
        if (nowNs - nextTickNs >= 0) {
            nextTickNs = nowNs + TICK_NS;
            happen(logic::onTick);
        }
        for (Datapath datapath : datapaths.values()) {
            datapath.flush();
        }
    }

    /** Handles everything that waits; for tests without a thread. */
    void turnUntilIdle() {
        for (Event event = events.poll(); event != null; event = events.poll()) {
            turn(event);
        }
    }

    /** A fault in the handling of one event must not stop the switch for everybody else. */
    private void happen(Event event) {
        try {
            event.happen(clock.nowNs());
        } catch (RuntimeException e) {
            counters.increment(ControllerCounter.AGENT_FAILURES);
            failureLog.log(heldBack -> LOG.error("an event failed ({} more held back)", heldBack, e));
        }
    }

    SwitchingLogic logic() {
        return logic;
    }

    void release(PacketInSlot slot) {
        free.add(slot);
    }

    // ---- from other threads --------------------------------------------------------------------------------------

    /** Hands in a frame; the bytes are copied before this returns. */
    void onPacketIn(long datapath, int inPort, ByteBuf message, int offset, int length) {
        PacketInSlot slot = free.poll();
        if (slot == null) {
            counters.increment(ControllerCounter.PACKET_INS_DROPPED_OVERLOAD);
            return;
        }
        slot.fill(datapath, inPort, message, offset, length);
        events.add(slot);
    }

    void onConnected(OpenFlowConnection connection) {
        events.add(nowNs -> connected(connection, nowNs));
    }

    void onDisconnected(OpenFlowConnection connection) {
        events.add(nowNs -> disconnected(connection, nowNs));
    }

    void onFlowRemoved(OpenFlowConnection connection, OFFlowRemoved removed) {
        events.add(nowNs -> flowRemoved(connection, removed, nowNs));
    }

    void onFlowsRead(OpenFlowConnection connection, OFFlowStatsReply reply) {
        events.add(nowNs -> flowsRead(connection, reply, nowNs));
    }

    void onBarrier(OpenFlowConnection connection, long xid) {
        events.add(nowNs -> {
            Datapath datapath = current(connection);
            if (datapath != null && datapath.endProgramming(xid)) {
                LOG.info("{} has its static flows", Datapath.format(datapath.id()));
            }
        });
    }

    void onPorts(OpenFlowConnection connection, OFPortDescStatsReply reply) {
        events.add(nowNs -> {
            Datapath datapath = current(connection);
            if (datapath != null) {
                reply.getEntries().forEach(datapath::port);
                if (!reply.getFlags().contains(OFStatsReplyFlags.REPLY_MORE)) {
                    warnOfMissingPorts(datapath);
                }
            }
        });
    }

    void onPortStatus(OpenFlowConnection connection, OFPortStatus status) {
        events.add(nowNs -> {
            Datapath datapath = current(connection);
            if (datapath == null) {
                return;
            }
            LOG.info(
                    "{} port {} {}: {} {}",
                    Datapath.format(datapath.id()),
                    status.getDesc().getPortNo(),
                    status.getDesc().getName(),
                    status.getReason(),
                    status.getDesc().getState());
            if (status.getReason() == OFPortReason.DELETE) {
                datapath.portDeleted(status.getDesc());
            } else {
                datapath.port(status.getDesc());
            }
        });
    }

    /** Makes the web switch and every connected switch use a configuration; connections live on. */
    void configure(DwsrConfig next) {
        events.add(nowNs -> {
            config = next;
            logic.configure(next, nowNs);
            datapaths.values().forEach(datapath -> program(datapath, next));
        });
    }

    /** Hands in a filter's report; false when a full one is wanted. */
    CompletableFuture<Boolean> report(FilterReport report) {
        CompletableFuture<Boolean> result = new CompletableFuture<>();
        events.add(nowNs -> complete(result, () -> logic.onFilterReport(report, nowNs)));
        return result;
    }

    /** The web switch's counters in its own order. */
    CompletableFuture<Map<String, Long>> counters() {
        CompletableFuture<Map<String, Long>> result = new CompletableFuture<>();
        events.add(nowNs -> complete(result, () -> {
            Map<String, Long> values = new LinkedHashMap<>();
            CounterSink sink = values::put;
            logic.counters(sink);
            return values;
        }));
        return result;
    }

    /** A connected switch, for people. */
    record DatapathStatus(String id, boolean programmed, Map<Integer, String> ports) {}

    CompletableFuture<List<DatapathStatus>> status() {
        CompletableFuture<List<DatapathStatus>> result = new CompletableFuture<>();
        events.add(nowNs -> complete(result, () -> {
            List<DatapathStatus> all = new ArrayList<>();
            for (Datapath datapath : datapaths.values()) {
                all.add(new DatapathStatus(
                        Datapath.format(datapath.id()), datapath.isProgrammed(), Map.copyOf(datapath.ports())));
            }
            return all;
        }));
        return result;
    }

    private static <T> void complete(CompletableFuture<T> result, Supplier<T> value) {
        try {
            result.complete(value.get());
        } catch (RuntimeException e) {
            result.completeExceptionally(e);
            throw e;
        }
    }

    // ---- switches --------------------------------------------------------------------------------------------------

    private @Nullable Datapath current(OpenFlowConnection connection) {
        Datapath datapath = datapaths.get(connection.datapath());
        return datapath != null && datapath.connection() == connection ? datapath : null;
    }

    private void connected(OpenFlowConnection connection, long nowNs) {
        Datapath datapath = new Datapath(connection);
        Datapath former = datapaths.put(connection.datapath(), datapath);
        if (former != null) {
            // A switch that lost its connection is back before we noticed.
            former.giveUp();
            logic.onDatapath(datapath.id(), false, nowNs);
        }
        LOG.info(
                "{} connected from {}",
                Datapath.format(datapath.id()),
                connection.channel().remoteAddress());
        datapath.send(OpenFlowFlows.OF13
                .buildSetConfig()
                .setFlags(Set.of(OFConfigFlags.FRAG_NORMAL))
                .setMissSendLen(WHOLE_PACKET)
                .build());
        datapath.send(OpenFlowFlows.OF13
                .buildPortDescStatsRequest()
                .setXid(datapath.takeXid())
                .build());
        logic.onDatapath(datapath.id(), true, nowNs);
        DwsrConfig running = config;
        if (running != null) {
            program(datapath, running);
        }
    }

    private void disconnected(OpenFlowConnection connection, long nowNs) {
        Datapath datapath = current(connection);
        if (datapath == null) {
            return;
        }
        datapaths.remove(datapath.id());
        datapath.discard();
        LOG.warn("{} disconnected; its flows stay", Datapath.format(datapath.id()));
        logic.onDatapath(datapath.id(), false, nowNs);
    }

    /** Adds the static flows without flushing anything, then reads back to find connections and stale flows. */
    private void program(Datapath datapath, DwsrConfig running) {
        for (FlowTemplate flow : staticFlows(datapath.id(), running)) {
            datapath.send(OpenFlowFlows.add(flow));
            counters.increment(ControllerCounter.FLOW_ADDS_SENT);
        }
        datapath.send(OpenFlowFlows.OF13
                .buildBarrierRequest()
                .setXid(datapath.beginProgramming())
                .build());
        datapath.send(OpenFlowFlows.readOurs(datapath.beginRead()));
    }

    private List<FlowTemplate> staticFlows(long datapathId, DwsrConfig running) {
        DatapathLayout layout = DatapathLayout.of(running.vip(), running.vmac());
        IpAddress vip6 = running.vip6();
        if (vip6 != null) {
            layout = layout.withVip6(vip6.high(), vip6.low());
        }
        for (ServiceConfig service : running.services()) {
            layout = layout.withService(service.port());
        }
        for (ServerConfig server : running.servers()) {
            if (server.attachment().datapath() == datapathId) {
                layout = layout.withServer(server.attachment().port(), server.mac());
            }
        }
        return pipeline.staticFlows(layout);
    }

    private void warnOfMissingPorts(Datapath datapath) {
        DwsrConfig running = config;
        if (running == null) {
            return;
        }
        for (ServerConfig server : running.servers()) {
            if (server.attachment().datapath() == datapath.id()
                    && !datapath.ports().containsKey(server.attachment().port())) {
                LOG.warn("server {} is attached at {}, which the switch does not have", server, server.attachment());
            }
        }
    }

    private void flowsRead(OpenFlowConnection connection, OFFlowStatsReply reply, long nowNs) {
        Datapath datapath = current(connection);
        DwsrConfig running = config;
        if (datapath == null || running == null || !datapath.addRead(reply.getXid(), reply.getEntries())) {
            return;
        }
        if (reply.getFlags().contains(OFStatsReplyFlags.REPLY_MORE)) {
            return;
        }
        List<FlowTemplate> wanted = staticFlows(datapath.id(), running);
        int stale = 0;
        int connections = 0;
        int returns = 0;
        for (OFFlowStatsEntry entry : datapath.flowsRead()) {
            long cookie = entry.getCookie().getValue();
            MatchTemplate match = OpenFlowField.template(entry.getMatch());
            if (FlowCookie.isConnection(cookie) && match != null && OpenFlowFlows.isConnection(match, running)) {
                connections++;
                logic.onFlowRead(
                        datapath.id(),
                        OpenFlowFlows.connectionKey(match),
                        OpenFlowFlows.client(match),
                        OpenFlowFlows.serverMac(entry),
                        nowNs);
            } else if (FlowCookie.isClientReturn(cookie)
                    && match != null
                    && OpenFlowFlows.isClientReturn(match, running)) {
                returns++;
                logic.onReturnRead(
                        datapath.id(), OpenFlowFlows.clientMac(match), match.isIpv6(), OpenFlowFlows.outputPort(entry));
            } else if (FlowCookie.isOurs(cookie) && !isWanted(wanted, entry.getPriority(), match)) {
                stale++;
                datapath.send(OpenFlowFlows.deleteStrict(entry.getPriority(), entry.getMatch()));
            }
        }
        datapath.endRead();
        counters.add(ControllerCounter.FLOWS_READ_BACK, connections);
        counters.add(ControllerCounter.RETURN_FLOWS_READ_BACK, returns);
        counters.add(ControllerCounter.STALE_FLOWS_DELETED, stale);
        LOG.info(
                "{}: {} static flows, {} connection flows and {} return flows read back, {} stale flows deleted",
                Datapath.format(datapath.id()),
                wanted.size(),
                connections,
                returns,
                stale);
    }

    private static boolean isWanted(List<FlowTemplate> wanted, int priority, @Nullable MatchTemplate match) {
        for (FlowTemplate flow : wanted) {
            if (flow.priority() == priority && flow.match().equals(match)) {
                return true;
            }
        }
        return false;
    }

    private void flowRemoved(OpenFlowConnection connection, OFFlowRemoved removed, long nowNs) {
        Datapath datapath = current(connection);
        DwsrConfig running = config;
        MatchTemplate match = OpenFlowField.template(removed.getMatch());
        if (datapath == null || running == null || match == null) {
            return;
        }
        long cookie = removed.getCookie().getValue();
        if (FlowCookie.isConnection(cookie) && OpenFlowFlows.isConnection(match, running)) {
            long key = OpenFlowFlows.connectionKey(match);
            if (isNews(datapath, key, removed)) {
                logic.onFlowRemoved(datapath.id(), key, nowNs);
            }
        } else if (FlowCookie.isClientReturn(cookie) && OpenFlowFlows.isClientReturn(match, running)) {
            long clientMac = OpenFlowFlows.clientMac(match);
            if (isNews(datapath, returnKey(clientMac, match.isIpv6()), removed)) {
                logic.onReturnRemoved(datapath.id(), clientMac, match.isIpv6());
            }
        }
    }

    /** A client's MAC and family, which is no connection: it would have a client address in 0.0.0.0/15. */
    private static long returnKey(long clientMac, boolean ipv6) {
        return ipv6 ? clientMac | 1L << 48 : clientMac;
    }

    /**
     * Counts the end of a flow, and tells whether it was not our doing.
     *
     * @param key the connection, or the {@link #returnKey}
     */
    private boolean isNews(Datapath datapath, long key, OFFlowRemoved removed) {
        if (removed.getReason() == OFFlowRemovedReason.IDLE_TIMEOUT) {
            counters.increment(ControllerCounter.FLOWS_REMOVED_IDLE);
            return true;
        }
        if (datapath.takeDeleted(key)) {
            return false;
        }
        counters.increment(ControllerCounter.FLOWS_REMOVED_BY_OTHERS);
        return true;
    }

    // ---- what the web switch decides -------------------------------------------------------------------------------

    /** The switch if it is connected and reads what it is sent; one that does not is disconnected here. */
    private @Nullable Datapath reachable(long datapathId) {
        Datapath datapath = datapaths.get(datapathId);
        if (datapath == null || datapath.isGivenUp()) {
            return null;
        }
        if (datapath.isFull()) {
            counters.increment(ControllerCounter.OPENFLOW_SLOW_SWITCHES_CLOSED);
            LOG.warn("{} does not read what it is sent: closing", Datapath.format(datapathId));
            datapath.giveUp();
            return null;
        }
        return datapath;
    }

    @Override
    public void packetOut(long datapathId, int port, ByteBuffer frame, int offset, int length) {
        Datapath datapath = reachable(datapathId);
        if (datapath == null) {
            counters.increment(ControllerCounter.PACKET_OUTS_DROPPED_NO_DATAPATH);
        } else if (length > OpenFlowWire.MAX_FRAME_LENGTH) {
            counters.increment(ControllerCounter.PACKET_OUTS_DROPPED_TOO_LONG);
        } else if (!datapath.isWritable()) {
            counters.increment(ControllerCounter.PACKET_OUTS_DROPPED_SLOW_SWITCH);
        } else {
            datapath.packetOut(port == PORT_NORMAL ? OpenFlowWire.PORT_NORMAL : port, frame, offset, length);
            counters.increment(ControllerCounter.PACKET_OUTS_SENT);
        }
    }

    @Override
    public void installConnection(long datapathId, long connectionKey, IpAddress client, int serverIndex) {
        Datapath datapath = reachable(datapathId);
        DwsrConfig running = config;
        if (datapath == null || running == null) {
            counters.increment(ControllerCounter.FLOW_MODS_DROPPED_NO_DATAPATH);
            return;
        }
        datapath.send(OpenFlowFlows.add(connectionFlow(running, datapathId, connectionKey, client, serverIndex)));
        counters.increment(ControllerCounter.FLOW_ADDS_SENT);
    }

    @Override
    public void removeConnection(long datapathId, long connectionKey, IpAddress client) {
        Datapath datapath = reachable(datapathId);
        DwsrConfig running = config;
        if (datapath == null || running == null) {
            counters.increment(ControllerCounter.FLOW_MODS_DROPPED_NO_DATAPATH);
            return;
        }
        FlowTemplate flow = connectionFlow(running, datapathId, connectionKey, client, 0);
        datapath.noteDeleted(connectionKey);
        datapath.send(OpenFlowFlows.deleteStrict(flow.priority(), OpenFlowField.match(flow.match())));
        counters.increment(ControllerCounter.FLOW_DELETES_SENT);
    }

    @Override
    public void installReturn(long datapathId, long clientMac, boolean ipv6, int port) {
        Datapath datapath = reachable(datapathId);
        DwsrConfig running = config;
        if (datapath == null || running == null) {
            counters.increment(ControllerCounter.FLOW_MODS_DROPPED_NO_DATAPATH);
            return;
        }
        datapath.send(OpenFlowFlows.add(returnFlow(running, clientMac, ipv6, Integer.toUnsignedLong(port))));
        counters.increment(ControllerCounter.FLOW_ADDS_SENT);
    }

    @Override
    public void removeReturn(long datapathId, long clientMac, boolean ipv6) {
        Datapath datapath = reachable(datapathId);
        DwsrConfig running = config;
        if (datapath == null || running == null) {
            counters.increment(ControllerCounter.FLOW_MODS_DROPPED_NO_DATAPATH);
            return;
        }
        FlowTemplate flow = returnFlow(running, clientMac, ipv6, 0);
        datapath.noteDeleted(returnKey(clientMac, ipv6));
        datapath.send(OpenFlowFlows.deleteStrict(flow.priority(), OpenFlowField.match(flow.match())));
        counters.increment(ControllerCounter.FLOW_DELETES_SENT);
    }

    private FlowTemplate returnFlow(DwsrConfig running, long clientMac, boolean ipv6, long port) {
        IpAddress vip = running.vip(ipv6);
        return ipv6
                ? pipeline.clientReturnFlow6(vip.high(), vip.low(), clientMac, port)
                : pipeline.clientReturnFlow(running.vip(), clientMac, port);
    }

    private FlowTemplate connectionFlow(
            DwsrConfig running, long datapathId, long connectionKey, IpAddress client, int serverIndex) {
        ServerConfig server = running.servers().get(serverIndex);
        boolean here = server.attachment().datapath() == datapathId;
        long port = here ? server.attachment().port() : ActionTemplate.PORT_NORMAL;
        int clientPort = ConnectionKey.clientPort(connectionKey);
        int servicePort = ConnectionKey.servicePort(connectionKey);
        IpAddress vip = running.vip(client.isIpv6());
        return client.isIpv6()
                ? pipeline.connectionFlow6(
                        vip.high(), vip.low(), client.high(), client.low(), clientPort, servicePort, server.mac(), port)
                : pipeline.connectionFlow(running.vip(), client.alias(), clientPort, servicePort, server.mac(), port);
    }
}
