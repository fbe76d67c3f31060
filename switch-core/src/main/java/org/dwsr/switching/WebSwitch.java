package org.dwsr.switching;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.dwsr.config.DwsrConfig;
import org.dwsr.config.RequestMode;
import org.dwsr.config.ServerConfig;
import org.dwsr.http.ErrorResponse;
import org.dwsr.http.RequestHead;
import org.dwsr.packet.ArpFlyweight;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.FrameFlyweight;
import org.dwsr.packet.IcmpEcho;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.MssClass;
import org.dwsr.packet.TcpFlags;
import org.dwsr.packet.TcpOptions;
import org.dwsr.packet.TcpSeq;
import org.dwsr.stream.ReassemblyBuffer;
import org.dwsr.switching.ConnectionEntry.State;
import org.dwsr.table.LongKeyedTable;
import org.jspecify.annotations.Nullable;

/**
 * The web switch (paper figure 10, left): packets and time in, decisions out.
 *
 * <p>It answers the handshake without keeping state ({@link SynCookie}), gathers a request's head, finds the server
 * by rule table, session cookie and schedule, and sends the request, tagged, to that server's host filter. Later
 * requests come back only when a filter bounces them (or, in request mode {@code switch}, always pass through here).
 *
 * <pre>
 *             | client segment                   | bounce of the current server  | bounce of another server
 *  -----------+----------------------------------+-------------------------------+--------------------------
 *  no entry   | cookie valid: GATHERING or       | MOVING or MIGRATED            | -
 *             | MIGRATED, else wait 200 ms       |                               |
 *  GATHERING  | gather; head whole: MIGRATED     | gather                        | -
 *  MIGRATED   | forward; new handshake: as new   | tagged: MOVING or MIGRATED    | forward to the current one
 *             |                                  | untagged: re-send or drop     |
 *  MOVING     | gather; head whole: MIGRATED     | gather                        | forward
 *  ANSWERED   | acknowledge, answer again        | acknowledge, answer again     | the same
 * </pre>
 *
 * <p>One thread calls everything. {@code nowNs} is in nanoseconds since the epoch and never goes back.
 */
public final class WebSwitch {
    private static final long NANOS_PER_MS = 1_000_000L;
    private static final long PARTIAL_HEAD_NS = 40 * NANOS_PER_MS;
    private static final long CONFIRM_NS = 200 * NANOS_PER_MS;
    private static final int MAX_RESENDS = 25;
    private static final long ANSWERED_NS = 10_000 * NANOS_PER_MS;
    private static final long HEAD_TIMEOUT_NS = 60_000 * NANOS_PER_MS;
    private static final long YOUNG_NS = 2_000 * NANOS_PER_MS;
    private static final int GATHER_BYTES = RequestHead.MAX_HEAD_BYTES + 2048;
    private static final int MAX_CONNECTIONS = 1 << 20;
    private static final long SILENT_NS = 15_000 * NANOS_PER_MS;

    private final SynCookie synCookie;
    private final SwitchOutput output;
    private final VipResponder responder;
    private final SwitchCounters counters = new SwitchCounters();
    private final LongKeyedTable<ConnectionEntry> connections = new LongKeyedTable<>();
    private final List<ConnectionEntry> timed = new ArrayList<>();
    private final WaitingSegments waiting = new WaitingSegments();
    private final FrameFlyweight frame = new FrameFlyweight();
    private final ArpFlyweight arp = new ArpFlyweight();
    private final TcpOptions options = new TcpOptions();
    private final RequestHead head = new RequestHead();
    private @Nullable RunningConfig running;
    private @Nullable ServerAvailability availability;
    private @Nullable ServerChoice choice;

    /** A web switch without configuration: until {@link #configure} it drops and counts everything. */
    public WebSwitch(SynCookie synCookie, SwitchOutput output) {
        this.synCookie = synCookie;
        this.output = output;
        responder = new VipResponder(output);
    }

    /** Takes a (valid) configuration; connections of servers that are still in it stay. */
    public void configure(DwsrConfig config, long nowNs) {
        RunningConfig before = running;
        RunningConfig next = new RunningConfig(config);
        ServerAvailability known = availability == null
                ? new ServerAvailability(config, nowNs)
                : new ServerAvailability(config, availability);
        if (before != null) {
            renumber(before.config, next);
        }
        running = next;
        availability = known;
        choice = new ServerChoice(next, known);
    }

    private void renumber(DwsrConfig before, RunningConfig next) {
        int[] indexes = new int[before.servers().size()];
        for (ServerConfig server : before.servers()) {
            indexes[server.index()] = next.config.serverIndex(server.name());
        }
        for (int i = connections.capacity() - 1; i >= 0; i--) {
            ConnectionEntry entry = connections.slot(i);
            if (entry == null) {
                continue;
            }
            boolean hadServer = entry.server != ConnectionEntry.NO_SERVER;
            entry.renumberServers(indexes);
            if (entry.server != ConnectionEntry.NO_SERVER) {
                next.load.opened(entry.server);
            } else if (hadServer) {
                removeFlow(entry);
                connections.remove(entry.key);
            }
        }
    }

    // ---- packets ---------------------------------------------------------------------------------------------

    /** Takes a packet-in: a whole frame and where it entered. The frame may be edited, and is free afterwards. */
    public void onPacketIn(long datapath, int inPort, ByteBuffer buf, int offset, int length, long nowNs) {
        counters.increment(SwitchCounter.PACKET_INS);
        RunningConfig config = running;
        if (config == null) {
            counters.increment(SwitchCounter.DROPPED_NOT_CONFIGURED);
            return;
        }
        switch (frame.wrap(buf, offset, length, false)) {
            case MALFORMED:
                counters.increment(SwitchCounter.DROPPED_MALFORMED);
                break;
            case FRAGMENT:
                counters.increment(SwitchCounter.DROPPED_FRAGMENT);
                break;
            case ARP:
                onArp(config, datapath, inPort, buf, offset, length);
                break;
            case IPV4:
                onOtherIp(config, datapath, inPort);
                break;
            case TCP:
                onTcp(config, datapath, inPort, nowNs);
                break;
            case OTHER:
                counters.increment(SwitchCounter.DROPPED_NOT_FOR_VIP);
                break;
        }
    }

    private void onArp(RunningConfig config, long datapath, int inPort, ByteBuffer buf, int offset, int length) {
        if (arp.wrap(buf, offset, length)
                && arp.operation() == ArpFlyweight.REQUEST
                && arp.targetAddress() == config.config.vip()) {
            responder.arpReply(config.config, datapath, inPort, arp);
            counters.increment(SwitchCounter.ARP_REPLIES);
        } else {
            counters.increment(SwitchCounter.DROPPED_NOT_FOR_VIP);
        }
    }

    private void onOtherIp(RunningConfig config, long datapath, int inPort) {
        if (frame.ipDestination() == config.config.vip() && IcmpEcho.isRequest(frame)) {
            responder.echoReply(config.config, datapath, inPort, frame);
            counters.increment(SwitchCounter.ECHO_REPLIES);
        } else {
            counters.increment(SwitchCounter.DROPPED_NOT_FOR_VIP);
        }
    }

    private void onTcp(RunningConfig config, long datapath, int inPort, long nowNs) {
        if (frame.ipDestination() != config.config.vip()) {
            boolean response = frame.ipSource() == config.config.vip() && frame.payloadLength() > 0;
            counters.increment(response ? SwitchCounter.RESPONSE_SEGMENTS_SEEN : SwitchCounter.DROPPED_NOT_FOR_VIP);
            return;
        }
        int server = config.serverAt(datapath, inPort);
        boolean tagged = MigrationTag.isTag(frame.ethSource());
        RequestClassifier classifier = config.classifier(frame.destinationPort());
        if (classifier == null) {
            if (!frame.hasFlag(TcpFlags.RST) && !tagged) {
                responder.reset(config.config, datapath, inPort, frame);
                counters.increment(SwitchCounter.CLOSED_PORT_RESETS);
            }
            return;
        }
        long key = ConnectionKey.of(frame.ipSource(), frame.sourcePort(), frame.destinationPort());
        if (server != RunningConfig.NO_SERVER) {
            onBounce(config, classifier, key, server, tagged, datapath, nowNs);
        } else if (tagged) {
            counters.increment(SwitchCounter.DROPPED_FORGED_TAG);
        } else {
            onClientSegment(config, classifier, key, datapath, inPort, nowNs);
        }
    }

    // ---- from a client ---------------------------------------------------------------------------------------

    private void onClientSegment(
            RunningConfig config, RequestClassifier classifier, long key, long datapath, int port, long nowNs) {
        ConnectionEntry entry = connections.get(key);
        if (frame.hasFlag(TcpFlags.SYN)) {
            onSyn(config, key, datapath, port, nowNs);
        } else if (frame.hasFlag(TcpFlags.RST)) {
            onClientReset(config, entry);
        } else if (entry == null) {
            onUnknown(config, classifier, key, datapath, port, nowNs);
        } else {
            locate(entry, datapath, port);
            onKnown(config, classifier, entry, nowNs);
        }
    }

    private void locate(ConnectionEntry entry, long datapath, int port) {
        entry.clientMac = frame.ethSource();
        if (entry.ingressDatapath != datapath) {
            entry.flowInstalled = false;
        }
        entry.ingressDatapath = datapath;
        entry.ingressPort = port;
    }

    /** Paper figure 2, steps 1 and 2. */
    private void onSyn(RunningConfig config, long key, long datapath, int port, long nowNs) {
        if (frame.hasFlag(TcpFlags.ACK) || frame.hasFlag(TcpFlags.RST) || frame.hasFlag(TcpFlags.FIN)) {
            counters.increment(SwitchCounter.DROPPED_UNEXPECTED_FLAGS);
            return;
        }
        options.parse(frame.buffer(), frame.optionsOffset(), frame.optionsLength());
        int wseq = synCookie.issue(key, config.config.vip(), frame.seq(), options, nowNs);
        responder.synAck(config.config, datapath, port, frame, options, wseq);
        counters.increment(SwitchCounter.SYNS_ANSWERED);
    }

    /** A client's RST goes straight through to its server. */
    private void onClientReset(RunningConfig config, @Nullable ConnectionEntry entry) {
        if (entry == null) {
            return;
        }
        if (entry.state == State.MIGRATED || entry.state == State.MOVING) {
            forward(config, entry);
        } else if (entry.state == State.ANSWERED || frame.seq() == entry.requestSeq || entry.gather != null) {
            connections.remove(entry.key);
        }
    }

    private void onUnknown(
            RunningConfig config, RequestClassifier classifier, long key, long datapath, int port, long nowNs) {
        if (frame.payloadLength() == 0) {
            onUnknownWithoutPayload(config, key, datapath, port, nowNs);
        } else if (!synced(nowNs)) {
            counters.increment(SwitchCounter.DROPPED_UNSYNCED);
        } else if (provesHandshake(config, key, nowNs)) {
            ConnectionEntry entry = open(key, datapath, port);
            if (entry == null) {
                counters.increment(SwitchCounter.DROPPED_TABLE_FULL);
                return;
            }
            onRequestSegment(config, classifier, entry, MigrationTag.FRESH, nowNs);
            releaseWaiting(config, classifier, entry, nowNs);
        } else if (waiting.offer(key, datapath, port, frame.buffer(), frame.offset(), frame.frameLength(), nowNs)) {
            counters.increment(SwitchCounter.DROPPED_INVALID_COOKIE);
            counters.add(SwitchCounter.DROPPED_INVALID_COOKIE, -1);
        } else {
            counters.increment(SwitchCounter.DROPPED_WAITING_FULL);
        }
    }

    private void onUnknownWithoutPayload(RunningConfig config, long key, long datapath, int port, long nowNs) {
        if (!frame.hasFlag(TcpFlags.FIN)) {
            counters.increment(SwitchCounter.HANDSHAKE_ACKS);
        } else if (provesHandshake(config, key, nowNs)) {
            responder.finAck(config.config, datapath, port, frame, true);
            counters.increment(SwitchCounter.FINS_ANSWERED);
        } else if (synced(nowNs) && frame.hasFlag(TcpFlags.ACK)) {
            responder.finAck(config.config, datapath, port, frame, false);
            counters.increment(SwitchCounter.FINS_ANSWERED);
        }
    }

    private boolean synced(long nowNs) {
        return availability != null && availability.synced(nowNs);
    }

    /** Only who answered our SYN-ACK knows a cookie that is valid for its own initial sequence number. */
    private boolean provesHandshake(RunningConfig config, long key, long nowNs) {
        return frame.hasFlag(TcpFlags.ACK)
                && synCookie.accepts(key, config.config.vip(), frame.seq() - 1, frame.ack() - 1, nowNs);
    }

    private @Nullable ConnectionEntry open(long key, long datapath, int port) {
        if (connections.size() >= MAX_CONNECTIONS) {
            return null;
        }
        ConnectionEntry entry = new ConnectionEntry(key);
        entry.tag = SynCookie.tag(frame.ack() - 1, VipResponder.SERVER_SCALE);
        entry.requestSeq = frame.seq();
        locate(entry, datapath, port);
        connections.put(key, entry);
        return entry;
    }

    private void releaseWaiting(RunningConfig config, RequestClassifier classifier, ConnectionEntry entry, long nowNs) {
        waiting.release(entry.key, (datapath, port, buf, length) -> {
            if (frame.wrap(buf, 0, length, false) == FrameFlyweight.Kind.TCP) {
                onKnown(config, classifier, entry, nowNs);
            }
        });
    }

    private void onKnown(RunningConfig config, RequestClassifier classifier, ConnectionEntry entry, long nowNs) {
        if (startsAnew(config, entry, nowNs)) {
            restart(config, classifier, entry, nowNs);
            return;
        }
        switch (entry.state) {
            case GATHERING:
                onRequestSegment(config, classifier, entry, MigrationTag.FRESH, nowNs);
                break;
            case MOVING:
                onRequestSegment(config, classifier, entry, MigrationTag.kind(entry.tag), nowNs);
                break;
            case MIGRATED:
                onMigrated(config, classifier, entry, nowNs);
                break;
            case ANSWERED:
                onAnswered(config, entry);
                break;
        }
    }

    /** Tells whether this is the first request of a new connection on the ports of an old one. */
    private boolean startsAnew(RunningConfig config, ConnectionEntry entry, long nowNs) {
        return frame.payloadLength() > 0
                && frame.seq() != entry.requestSeq
                && entry.state != State.MOVING
                && provesHandshake(config, entry.key, nowNs);
    }

    private void restart(RunningConfig config, RequestClassifier classifier, ConnectionEntry old, long nowNs) {
        int formerServer = old.server;
        if (formerServer != ConnectionEntry.NO_SERVER) {
            config.load.closed(formerServer);
        }
        ConnectionEntry entry = open(old.key, old.ingressDatapath, old.ingressPort);
        if (entry == null) {
            counters.increment(SwitchCounter.DROPPED_TABLE_FULL);
            return;
        }
        entry.flowInstalled = old.flowInstalled;
        onRequestSegment(config, classifier, entry, MigrationTag.FRESH, nowNs);
        if (formerServer != ConnectionEntry.NO_SERVER && formerServer != entry.server) {
            silence(config, old, formerServer, old.requestSeq, old.requestAck);
            silence(config, old, formerServer, old.requestSeq, old.requestAck);
        }
        endSilentServers(config, old, entry.server, nowNs);
    }

    /** A packet that came here although its connection has a server: the flow was not live yet, or is gone. */
    private void onMigrated(RunningConfig config, RequestClassifier classifier, ConnectionEntry entry, long nowNs) {
        if (!entry.flowInstalled) {
            install(config, classifier, entry);
        }
        if (frame.payloadLength() > 0) {
            if (frame.seq() == entry.requestSeq && nowNs - entry.migratedAtNs > NANOS_PER_MS) {
                resendTagged(config, entry);
                return;
            }
            countSwitchedRequest(classifier);
        }
        forward(config, entry);
    }

    /** In request mode {@code switch} every request is read here (paper step 23), whoever decides about it. */
    private void countSwitchedRequest(RequestClassifier classifier) {
        if (classifier.service().requests() == RequestMode.SWITCH
                && head.parse(frame.buffer(), frame.payloadOffset(), frame.payloadLength()) > 0) {
            counters.increment(SwitchCounter.REQUESTS_SWITCHED);
        }
    }

    private void forward(RunningConfig config, ConnectionEntry entry) {
        ServerConfig server = config.server(entry.server);
        frame.ethDestination(server.mac());
        if (MigrationTag.isTag(frame.ethSource())) {
            frame.ethSource(entry.clientMac != 0 ? entry.clientMac : config.config.vmac());
        }
        sendTo(server);
        counters.increment(SwitchCounter.SEGMENTS_FORWARDED);
    }

    private void resendTagged(RunningConfig config, ConnectionEntry entry) {
        ServerConfig server = config.server(entry.server);
        frame.ethDestination(server.mac());
        frame.ethSource(entry.tag);
        sendTo(server);
        counters.increment(SwitchCounter.REQUESTS_RESENT);
    }

    private void sendTo(ServerConfig server) {
        output.packetOut(
                server.attachment().datapath(),
                server.attachment().port(),
                frame.buffer(),
                frame.offset(),
                frame.frameLength());
    }

    // ---- from a filter ---------------------------------------------------------------------------------------

    private void onBounce(
            RunningConfig config,
            RequestClassifier classifier,
            long key,
            int server,
            boolean tagged,
            long datapath,
            long nowNs) {
        ConnectionEntry entry = connections.get(key);
        if (!tagged) {
            onUntaggedBounce(config, classifier, key, entry, server, datapath, nowNs);
            return;
        }
        int kind = MigrationTag.kind(frame.ethSource());
        if (kind == MigrationTag.CONFIRM) {
            onConfirm(config, entry, server);
        } else if (kind == MigrationTag.MOVED || kind == MigrationTag.HELD || kind == MigrationTag.REFUSED) {
            onTaggedBounce(config, classifier, key, entry, server, kind, nowNs);
        } else {
            counters.increment(SwitchCounter.DROPPED_FORGED_TAG);
        }
    }

    /** A filter bounces untagged what it knows no connection for, and every SYN. */
    private void onUntaggedBounce(
            RunningConfig config,
            RequestClassifier classifier,
            long key,
            @Nullable ConnectionEntry entry,
            int server,
            long datapath,
            long nowNs) {
        boolean located = entry != null && entry.ingressPort != SwitchOutput.PORT_NORMAL;
        long clientDatapath = located && entry != null ? entry.ingressDatapath : datapath;
        int clientPort = located && entry != null ? entry.ingressPort : SwitchOutput.PORT_NORMAL;
        if (frame.hasFlag(TcpFlags.SYN)) {
            onSyn(config, key, clientDatapath, clientPort, nowNs);
        } else if (frame.payloadLength() == 0) {
            counters.increment(SwitchCounter.DROPPED_STALE);
        } else if (entry == null) {
            onUnknown(config, classifier, key, clientDatapath, clientPort, nowNs);
        } else if (entry.state != State.MIGRATED || startsAnew(config, entry, nowNs)) {
            onKnown(config, classifier, entry, nowNs);
        } else if (entry.server != server) {
            forward(config, entry);
        } else if (frame.seq() == entry.requestSeq) {
            resendTagged(config, entry);
        } else {
            counters.increment(SwitchCounter.DROPPED_CURRENT_SERVER_BOUNCE);
        }
    }

    private void onTaggedBounce(
            RunningConfig config,
            RequestClassifier classifier,
            long key,
            @Nullable ConnectionEntry entry,
            int server,
            int kind,
            long nowNs) {
        if (entry == null) {
            entry = restore(config, key, server, frame.ethSource(), nowNs);
            if (entry == null) {
                counters.increment(SwitchCounter.DROPPED_TABLE_FULL);
                return;
            }
        }
        if (entry.state == State.ANSWERED) {
            onAnswered(config, entry);
        } else if (entry.state == State.GATHERING) {
            counters.increment(SwitchCounter.DROPPED_STALE);
        } else if (entry.server != server) {
            onLateBounce(config, entry, kind);
        } else if (frame.payloadLength() == 0) {
            counters.increment(SwitchCounter.DROPPED_STALE);
        } else {
            if (kind == MigrationTag.REFUSED) {
                refused(entry, server, nowNs);
            } else if (entry.state == State.MIGRATED) {
                entry.tag = frame.ethSource();
            }
            onRequestSegment(config, classifier, entry, kind, nowNs);
        }
    }

    private void refused(ConnectionEntry entry, int server, long nowNs) {
        if (!entry.wasRefusedBy(server)) {
            counters.increment(SwitchCounter.SERVERS_REFUSED);
        }
        entry.refusedBy(server);
        if (availability != null) {
            availability.refused(server, nowNs);
        }
    }

    /** What an earlier server's filter bounces belongs to the current one. */
    private void onLateBounce(RunningConfig config, ConnectionEntry entry, int kind) {
        if (kind == MigrationTag.REFUSED) {
            counters.increment(SwitchCounter.DROPPED_STALE);
        } else if (kind == MigrationTag.HELD && frame.seq() == entry.requestSeq) {
            resendTagged(config, entry);
        } else if (frame.payloadLength() > 0 || frame.hasFlag(TcpFlags.FIN)) {
            forward(config, entry);
        }
    }

    /** The new server's filter has the bytes that somebody acknowledged: whoever holds them may let go. */
    private void onConfirm(RunningConfig config, @Nullable ConnectionEntry entry, int server) {
        if (entry == null || entry.server != server) {
            counters.increment(SwitchCounter.DROPPED_STALE);
            return;
        }
        if (entry.awaitsConfirm) {
            entry.awaitsConfirm = false;
            entry.gather = null;
        }
        if (entry.heldBy != ConnectionEntry.NO_SERVER) {
            ServerConfig holder = config.server(entry.heldBy);
            frame.ethDestination(holder.mac());
            sendTo(holder);
            counters.increment(SwitchCounter.CONFIRMS_RELAYED);
            entry.heldBy = ConnectionEntry.NO_SERVER;
        }
    }

    private @Nullable ConnectionEntry restore(RunningConfig config, long key, int server, long tag, long nowNs) {
        if (connections.size() >= MAX_CONNECTIONS) {
            return null;
        }
        ConnectionEntry entry = new ConnectionEntry(key);
        entry.state = State.MIGRATED;
        entry.server = server;
        entry.tag = tag;
        entry.ingressDatapath = config.defaultIngress(server);
        entry.migratedAtNs = nowNs;
        connections.put(key, entry);
        config.load.opened(server);
        counters.increment(SwitchCounter.CONNECTIONS_RESTORED);
        return entry;
    }

    // ---- gathering and deciding ------------------------------------------------------------------------------

    private void onRequestSegment(
            RunningConfig config, RequestClassifier classifier, ConnectionEntry entry, int kind, long nowNs) {
        ReassemblyBuffer gather = entry.gather;
        if (entry.state == State.MIGRATED) {
            gather = null;
            entry.gather = null;
            entry.awaitsConfirm = false;
            entry.acknowledged = false;
            entry.state = State.MOVING;
            entry.requestSeq = frame.seq();
        }
        entry.window = frame.window();
        entry.requestAck = frame.ack();
        entry.lastArrivalNs = nowNs;
        if (frame.payloadLength() == 0 && gather == null) {
            return;
        }
        if (gather == null && frame.seq() == entry.requestSeq) {
            int parsed = head.parse(frame.buffer(), frame.payloadOffset(), frame.payloadLength());
            if (parsed > 0) {
                decide(config, classifier, entry, kind, null, nowNs);
                return;
            }
            if (parsed == RequestHead.REFUSED) {
                refuse(config, entry, frame.seq() + frame.seqLength(), nowNs);
                return;
            }
        }
        gather(config, classifier, entry, kind, nowNs);
    }

    private void gather(
            RunningConfig config, RequestClassifier classifier, ConnectionEntry entry, int kind, long nowNs) {
        ReassemblyBuffer gather = entry.gather;
        if (gather == null || TcpSeq.isBefore(frame.seq(), gather.base()) && !entry.acknowledged) {
            entry.requestSeq = frame.seq();
            gather = new ReassemblyBuffer(GATHER_BYTES, frame.seq());
            entry.gather = gather;
        }
        entry.tag = MigrationTag.with(entry.tag, MigrationTag.contentType(entry.tag), kind);
        time(entry);
        gather.insert(frame.seq(), frame.buffer(), frame.payloadOffset(), frame.payloadLength());
        if (frame.hasFlag(TcpFlags.FIN)) {
            gather.fin(frame.seq() + frame.payloadLength());
        }
        int parsed = head.parse(gather.bytes(), 0, gather.length());
        if (parsed > 0) {
            decide(config, classifier, entry, kind, gather, nowNs);
        } else if (parsed == RequestHead.REFUSED) {
            refuse(config, entry, gather.end(), nowNs);
        }
    }

    private void refuse(RunningConfig config, ConnectionEntry entry, int receivedSeq, long nowNs) {
        counters.refused(head.refusal());
        answer(config, entry, ErrorResponse.to(head.refusal()), receivedSeq, nowNs);
    }

    /** Paper figure 2, step 4, and figure 5, step 23: which server, then on with it. */
    private void decide(
            RunningConfig config,
            RequestClassifier classifier,
            ConnectionEntry entry,
            int kind,
            @Nullable ReassemblyBuffer gather,
            long nowNs) {
        ServerChoice servers = choice;
        if (servers == null) {
            return;
        }
        ByteBuffer bytes = gather == null ? frame.buffer() : gather.bytes();
        int contentType = classifier.contentType(bytes, head);
        int server = servers.choose(entry, classifier, bytes, head, contentType, nowNs);
        if (server == ServerChoice.NONE) {
            int received = gather == null ? frame.seq() + frame.seqLength() : gather.end();
            answer(config, entry, ErrorResponse.SERVICE_UNAVAILABLE, received, nowNs);
            return;
        }
        if (servers.byCookie()) {
            counters.increment(SwitchCounter.REQUESTS_BY_COOKIE);
        }
        int sentKind = sentKind(entry, kind);
        int former = entry.server;
        boolean silent = former != ConnectionEntry.NO_SERVER && former != server;
        if (silent && kind != MigrationTag.REFUSED) {
            silence(config, entry, former, entry.requestSeq, entry.requestAck);
            entry.silent(former, nowNs);
        }
        count(entry, former, server, kind, nowNs);
        entry.notSilent(server);
        entry.heldBy = kind == MigrationTag.HELD && silent ? former : ConnectionEntry.NO_SERVER;
        entry.tag = MigrationTag.with(entry.tag, contentType, sentKind);
        entry.server = server;
        entry.state = State.MIGRATED;
        entry.migratedAtNs = nowNs;
        if (former != server || !entry.flowInstalled) {
            install(config, classifier, entry);
        }
        if (gather == null) {
            ServerConfig target = config.server(server);
            frame.ethDestination(target.mac());
            frame.ethSource(entry.tag);
            sendTo(target);
        } else {
            sendGathered(config, entry, gather);
            entry.awaitsConfirm = entry.acknowledged;
            entry.resendAtNs = nowNs + CONFIRM_NS;
            entry.resends = 0;
            if (!entry.acknowledged) {
                entry.gather = null;
            }
        }
        if (kind != MigrationTag.REFUSED) {
            entry.refusedBy = null;
        }
    }

    /** What the receiving filter is told: a refused request is what it was when the first server got it. */
    private static int sentKind(ConnectionEntry entry, int kind) {
        if (entry.acknowledged || kind == MigrationTag.HELD) {
            return MigrationTag.HELD;
        }
        return kind == MigrationTag.REFUSED ? MigrationTag.MOVED : kind;
    }

    private void count(ConnectionEntry entry, int former, int server, int kind, long nowNs) {
        RunningConfig config = running;
        if (config != null && former != server) {
            if (former != ConnectionEntry.NO_SERVER) {
                config.load.closed(former);
            }
            config.load.opened(server);
        }
        if (kind == MigrationTag.FRESH || kind == MigrationTag.REFUSED) {
            counters.increment(SwitchCounter.REQUESTS_MIGRATED);
        } else if (former == server) {
            counters.increment(SwitchCounter.REQUESTS_RETURNED);
        } else {
            counters.increment(SwitchCounter.REQUESTS_MOVED);
            for (int i = 0; i < entry.silentCount(); i++) {
                if (entry.silentServer(i, nowNs, SILENT_NS) == server) {
                    counters.increment(SwitchCounter.REQUESTS_SWITCHED_BACK);
                }
            }
        }
    }

    private void sendGathered(RunningConfig config, ConnectionEntry entry, ReassemblyBuffer gather) {
        ServerConfig server = config.server(entry.server);
        int segment = Math.min(1448, MssClass.bytes(MigrationTag.mssClass(entry.tag)));
        int length = gather.length();
        long follower = entry.clientMac != 0 ? entry.clientMac : config.config.vmac();
        for (int at = 0; at < length; at += segment) {
            int bytes = Math.min(segment, length - at);
            boolean last = at + bytes == length;
            int flags = TcpFlags.ACK | (last ? TcpFlags.PSH : 0) | (last && gather.finished() ? TcpFlags.FIN : 0);
            long source = at == 0 ? entry.tag : follower;
            responder.requestPiece(
                    config.config, entry, server, source, gather.base() + at, gather.bytes(), at, bytes, flags);
        }
    }

    private void install(RunningConfig config, RequestClassifier classifier, ConnectionEntry entry) {
        if (classifier.service().requests() == RequestMode.SWITCH) {
            return;
        }
        if (entry.ingressDatapath == 0) {
            entry.ingressDatapath = config.defaultIngress(entry.server);
        }
        output.installConnection(entry.ingressDatapath, entry.key, entry.server);
        entry.flowInstalled = true;
        counters.increment(SwitchCounter.FLOWS_INSTALLED);
    }

    private void removeFlow(ConnectionEntry entry) {
        if (entry.flowInstalled) {
            output.removeConnection(entry.ingressDatapath, entry.key);
            entry.flowInstalled = false;
            counters.increment(SwitchCounter.FLOWS_REMOVED);
        }
    }

    private void silence(RunningConfig config, ConnectionEntry entry, int server, int seq, int ack) {
        responder.silence(config.config, entry, config.server(server), seq, ack);
        counters.increment(SwitchCounter.SILENCES_SENT);
    }

    /** A second silence ends at once what the first one kept for a switch-back. */
    private void endSilentServers(RunningConfig config, ConnectionEntry entry, int except, long nowNs) {
        for (int i = 0; i < entry.silentCount(); i++) {
            int silent = entry.silentServer(i, nowNs, SILENT_NS);
            if (silent != ConnectionEntry.NO_SERVER && silent != except) {
                silence(config, entry, silent, entry.requestSeq, entry.requestAck);
                entry.notSilent(silent);
            }
        }
    }

    // ---- the web switch's own answers --------------------------------------------------------------------------

    private void answer(
            RunningConfig config, ConnectionEntry entry, ErrorResponse response, int receivedSeq, long nowNs) {
        removeFlow(entry);
        if (entry.server != ConnectionEntry.NO_SERVER) {
            config.load.closed(entry.server);
            silence(config, entry, entry.server, entry.requestSeq, entry.requestAck);
            silence(config, entry, entry.server, entry.requestSeq, entry.requestAck);
            entry.server = ConnectionEntry.NO_SERVER;
        }
        endSilentServers(config, entry, ConnectionEntry.NO_SERVER, nowNs);
        entry.state = State.ANSWERED;
        entry.gather = null;
        entry.answerSeq = entry.requestAck;
        entry.answerAck = receivedSeq;
        entry.answerStatus = response.status();
        entry.answerFinAcknowledged = false;
        entry.answeredUntilNs = nowNs + ANSWERED_NS;
        time(entry);
        countAnswer(response);
        sendAnswer(config, entry, response);
    }

    private void countAnswer(ErrorResponse response) {
        switch (response) {
            case BAD_REQUEST:
                counters.increment(SwitchCounter.ANSWERED_400);
                break;
            case HEAD_TOO_LARGE:
                counters.increment(SwitchCounter.ANSWERED_431);
                break;
            case SERVICE_UNAVAILABLE:
                counters.increment(SwitchCounter.ANSWERED_503);
                break;
            default:
                counters.increment(SwitchCounter.ANSWERED_OTHER);
        }
    }

    private void sendAnswer(RunningConfig config, ConnectionEntry entry, ErrorResponse response) {
        if (entry.clientMac == 0) {
            counters.increment(SwitchCounter.DROPPED_UNKNOWN_CLIENT);
        } else {
            responder.answer(config.config, entry, response);
        }
    }

    /** Acknowledges whatever still comes, repeats the answer until the client has it, and lets the client close. */
    private void onAnswered(RunningConfig config, ConnectionEntry entry) {
        ErrorResponse response = answerOf(entry.answerStatus);
        int end = entry.answerSeq + response.lengthBytes() + 1;
        int received = frame.seq() + frame.seqLength();
        boolean contiguous = TcpSeq.isBeforeOrAt(frame.seq(), entry.answerAck);
        if (contiguous && TcpSeq.isAfter(received, entry.answerAck)) {
            entry.answerAck = received;
        }
        if (frame.hasFlag(TcpFlags.ACK) && TcpSeq.isAtOrAfter(frame.ack(), end)) {
            entry.answerFinAcknowledged = true;
        }
        if (frame.seqLength() > 0) {
            if (entry.answerFinAcknowledged) {
                responder.acknowledge(config.config, entry, end, entry.answerAck, 0);
            } else {
                sendAnswer(config, entry, response);
            }
        } else if (entry.answerFinAcknowledged) {
            // With window 0 a client keeps even its FIN back, for minutes (RFC 9293 section 3.8.6.1). This is room for
            // a FIN and hardly for more of an upload: segments with payload are still acknowledged with window 0.
            responder.acknowledge(config.config, entry, end, entry.answerAck, 1);
        }
        boolean closed = frame.hasFlag(TcpFlags.FIN) && entry.answerAck == received;
        if (closed && entry.answerFinAcknowledged) {
            connections.remove(entry.key);
        }
    }

    private static ErrorResponse answerOf(int status) {
        for (ErrorResponse response : ErrorResponse.values()) {
            if (response.status() == status) {
                return response;
            }
        }
        return ErrorResponse.BAD_REQUEST;
    }

    // ---- time ------------------------------------------------------------------------------------------------

    private void time(ConnectionEntry entry) {
        if (!entry.timed) {
            entry.timed = true;
            timed.add(entry);
        }
    }

    /** Lets time pass; call it about every 5 ms. */
    public void onTick(long nowNs) {
        RunningConfig config = running;
        if (config == null) {
            return;
        }
        counters.add(SwitchCounter.DROPPED_WAITED_TOO_LONG, waiting.expire(nowNs));
        int kept = 0;
        for (int i = 0; i < timed.size(); i++) {
            ConnectionEntry entry = timed.get(i);
            if (connections.get(entry.key) == entry && stillTimed(config, entry, nowNs)) {
                timed.set(kept++, entry);
            } else {
                entry.timed = false;
            }
        }
        timed.subList(kept, timed.size()).clear();
    }

    private boolean stillTimed(RunningConfig config, ConnectionEntry entry, long nowNs) {
        switch (entry.state) {
            case GATHERING:
            case MOVING:
                return gatherTimer(config, entry, nowNs);
            case MIGRATED:
                return confirmTimer(config, entry, nowNs);
            case ANSWERED:
                if (nowNs - entry.answeredUntilNs >= 0) {
                    connections.remove(entry.key);
                    return false;
                }
                return true;
        }
        return false;
    }

    /** Acknowledges a partial head after 40 ms: a sender limited by Nagle's algorithm waits for that. */
    private boolean gatherTimer(RunningConfig config, ConnectionEntry entry, long nowNs) {
        ReassemblyBuffer gather = entry.gather;
        if (gather == null) {
            return false;
        }
        if (nowNs - entry.lastArrivalNs >= HEAD_TIMEOUT_NS) {
            answer(config, entry, ErrorResponse.REQUEST_TIMEOUT, gather.end(), nowNs);
            return true;
        }
        boolean due = nowNs - entry.lastArrivalNs >= PARTIAL_HEAD_NS && gather.length() > 0;
        if (due && entry.resendAtNs != entry.lastArrivalNs && entry.clientMac != 0) {
            entry.resendAtNs = entry.lastArrivalNs;
            entry.acknowledged = true;
            int window = VipResponder.HANDSHAKE_WINDOW;
            responder.acknowledge(config.config, entry, entry.requestAck, gather.end(), scaled(entry, window));
            counters.increment(SwitchCounter.PARTIAL_HEADS_ACKNOWLEDGED);
        }
        return true;
    }

    private static int scaled(ConnectionEntry entry, int windowBytes) {
        int scale = MigrationTag.serverScale(entry.tag);
        return scale == TcpOptions.NO_WINDOW_SCALE ? windowBytes : windowBytes >> scale;
    }

    private boolean confirmTimer(RunningConfig config, ConnectionEntry entry, long nowNs) {
        ReassemblyBuffer gather = entry.gather;
        if (!entry.awaitsConfirm || gather == null) {
            return false;
        }
        if (nowNs - entry.resendAtNs >= 0) {
            if (++entry.resends > MAX_RESENDS) {
                entry.awaitsConfirm = false;
                entry.gather = null;
                return false;
            }
            entry.resendAtNs = nowNs + CONFIRM_NS;
            sendGathered(config, entry, gather);
            counters.increment(SwitchCounter.REQUESTS_RESENT);
        }
        return true;
    }

    // ---- switches and filters ----------------------------------------------------------------------------------

    /** Takes notice that a switch has connected or gone; its flows stay as they are. */
    public void onDatapath(long datapath, boolean connected, long nowNs) {
        if (connected) {
            return;
        }
        for (int i = connections.capacity() - 1; i >= 0; i--) {
            ConnectionEntry entry = connections.slot(i);
            if (entry != null && entry.ingressDatapath == datapath) {
                entry.flowInstalled = false;
            }
        }
    }

    /** Takes notice that a connection's flow timed out; the entry stays, because its filter has not ended it. */
    public void onFlowRemoved(long datapath, long connectionKey, long nowNs) {
        ConnectionEntry entry = connections.get(connectionKey);
        if (entry != null && entry.ingressDatapath == datapath) {
            entry.flowInstalled = false;
        }
    }

    /** Takes notice of a connection flow found in a switch after (re)connecting to it. */
    public void onFlowRead(long datapath, long connectionKey, long serverMac, long nowNs) {
        RunningConfig config = running;
        if (config == null) {
            return;
        }
        ConnectionEntry entry = connections.get(connectionKey);
        if (entry == null) {
            for (ServerConfig server : config.config.servers()) {
                if (server.mac() == serverMac) {
                    entry = restore(
                            config,
                            connectionKey,
                            server.index(),
                            MigrationTag.of(0, TcpOptions.NO_WINDOW_SCALE, TcpOptions.NO_WINDOW_SCALE, false),
                            nowNs);
                }
            }
        }
        if (entry != null) {
            boolean right = entry.server != ConnectionEntry.NO_SERVER
                    && config.server(entry.server).mac() == serverMac;
            entry.ingressDatapath = datapath;
            entry.flowInstalled = right;
        }
    }

    /**
     * Takes a filter's report.
     *
     * @return false when a full report is wanted first: this filter process is new to us
     */
    public boolean onFilterReport(FilterReport report, long nowNs) {
        RunningConfig config = running;
        ServerAvailability known = availability;
        if (config == null || known == null) {
            return false;
        }
        int server = config.config.serverIndex(report.server());
        if (server < 0 || !known.heard(server, report.boot(), report.full(), nowNs)) {
            return false;
        }
        counters.increment(SwitchCounter.FILTER_REPORTS);
        for (int i = 0; i < report.endedCount(); i++) {
            onEnded(config, report.endedKey(i), report.endedSeq(i), server, nowNs);
        }
        if (report.full()) {
            onLive(config, report, server, nowNs);
        }
        return true;
    }

    private void onEnded(RunningConfig config, long key, int requestSeq, int server, long nowNs) {
        ConnectionEntry entry = connections.get(key);
        if (entry == null) {
            return;
        }
        if (entry.server == server && entry.requestSeq == requestSeq && entry.state == State.MIGRATED) {
            end(config, entry, nowNs);
        }
    }

    private void end(RunningConfig config, ConnectionEntry entry, long nowNs) {
        removeFlow(entry);
        config.load.closed(entry.server);
        endSilentServers(config, entry, entry.server, nowNs);
        connections.remove(entry.key);
        counters.increment(SwitchCounter.CONNECTIONS_ENDED);
    }

    private void onLive(RunningConfig config, FilterReport report, int server, long nowNs) {
        LongKeyedTable<Boolean> live = new LongKeyedTable<>();
        for (int i = 0; i < report.liveCount(); i++) {
            long key = report.liveKey(i);
            live.put(key, Boolean.TRUE);
            ConnectionEntry entry = connections.get(key);
            if (entry == null) {
                entry = restore(config, key, server, report.liveTag(i), nowNs);
            } else if (entry.server == server && entry.clientMac == 0) {
                entry.tag = report.liveTag(i);
            }
            if (entry != null && entry.clientMac == 0) {
                entry.clientMac = report.liveClientMac(i);
            }
        }
        for (int i = connections.capacity() - 1; i >= 0; i--) {
            ConnectionEntry entry = connections.slot(i);
            boolean gone = entry != null
                    && entry.server == server
                    && entry.state == State.MIGRATED
                    && nowNs - entry.migratedAtNs > YOUNG_NS
                    && live.get(entry.key) == null;
            if (gone && entry != null) {
                end(config, entry, nowNs);
            }
        }
    }

    /** Reports every counter, and the sizes of the tables. */
    public void counters(CounterSink sink) {
        counters.report(sink);
        sink.counter("connections", connections.size());
        sink.counter("waiting_segments", waiting.size());
    }
}
