package org.dwsr.switching;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.dwsr.config.DwsrConfig;
import org.dwsr.config.Handshake;
import org.dwsr.config.RequestMode;
import org.dwsr.config.ServerConfig;
import org.dwsr.http.ErrorResponse;
import org.dwsr.http.HttpRefusal;
import org.dwsr.http.RequestHead;
import org.dwsr.packet.ArpFlyweight;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.FrameFlyweight;
import org.dwsr.packet.IcmpEcho;
import org.dwsr.packet.IcmpError;
import org.dwsr.packet.Icmpv6;
import org.dwsr.packet.IpAddress;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.MssClass;
import org.dwsr.packet.TcpFlags;
import org.dwsr.packet.TcpOptions;
import org.dwsr.packet.TcpSeq;
import org.dwsr.stream.ReassemblyBuffer;
import org.dwsr.switching.ConnectionEntry.State;
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
 *             | MIGRATED, else wait 200 ms;      |                               |
 *             | SYN, preallocate: GUESSED        |                               |
 *  GUESSED    | forward; same SYN: send again;   | tagged: MOVING or MIGRATED;   | forward
 *             | cookie valid: as new             | refused SYN: no entry; else   |
 *             |                                  | drop                          |
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
    private static final long HEAD_TIMEOUT_NS = 60_000 * NANOS_PER_MS;
    private static final int MAX_CONNECTIONS = 1 << 20;

    private final SynCookie synCookie;
    private final SwitchOutput output;
    private final VipResponder responder;
    private final SwitchCounters counters = new SwitchCounters();
    private final ConnectionTable connections;
    private final OwnAnswers answers;
    private final ReturnFlows returns;
    private final List<ConnectionEntry> timed = new ArrayList<>();
    private final WaitingSegments waiting = new WaitingSegments();
    private final FrameFlyweight frame = new FrameFlyweight();
    private final ArpFlyweight arp = new ArpFlyweight();
    private final IcmpError icmpError = new IcmpError();
    private final TcpOptions options = new TcpOptions();
    private final RequestHead head = new RequestHead();
    private @Nullable RunningConfig running;
    private @Nullable ServerAvailability availability;
    private @Nullable ServerChoice choice;

    /** A web switch without configuration: until {@link #configure} it drops and counts everything. */
    public WebSwitch(SynCookie synCookie, SwitchOutput output) {
        this(synCookie, output, MAX_CONNECTIONS, GatheringHeads.LIMIT);
    }

    /** The same with other limits, for tests. */
    WebSwitch(SynCookie synCookie, SwitchOutput output, int maxConnections, int maxHeads) {
        this.synCookie = synCookie;
        this.output = output;
        responder = new VipResponder(output);
        returns = new ReturnFlows(output, counters, ReturnFlows.LIMIT);
        connections = new ConnectionTable(output, responder, counters, returns, maxConnections, maxHeads);
        answers = new OwnAnswers(connections, responder, counters);
    }

    /** Takes a (valid) configuration; connections of servers that are still in it stay. */
    public void configure(DwsrConfig config, long nowNs) {
        RunningConfig next = new RunningConfig(config);
        ServerAvailability known = availability == null
                ? new ServerAvailability(config, nowNs)
                : new ServerAvailability(config, availability);
        connections.configure(next, known, nowNs);
        returns.configure(config);
        frame.vip(config.vip(), config.vip6());
        running = next;
        availability = known;
        choice = new ServerChoice(next, known);
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
            case IPV6:
                onOtherIpv6(config, datapath, inPort);
                break;
            case IPV6_REFUSED:
                counters.increment(SwitchCounter.DROPPED_IPV6_HEADERS);
                break;
            case TCP:
                if (frame.ipChecksumValid() && frame.tcpChecksumValid()) {
                    onTcp(config, datapath, inPort, nowNs);
                } else {
                    // RFC 9293 section 3.1; what is gathered leaves with a new checksum, which would hide the fault.
                    counters.increment(SwitchCounter.DROPPED_BAD_CHECKSUM);
                }
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
        if (frame.ipDestination() != config.config.vip()) {
            counters.increment(SwitchCounter.DROPPED_NOT_FOR_VIP);
        } else if (IcmpEcho.isRequest(frame)) {
            responder.echoReply(config.config, datapath, inPort, frame);
            counters.increment(SwitchCounter.ECHO_REPLIES);
        } else if (icmpError.wrap(frame)) {
            onIcmpError(config);
        } else {
            counters.increment(SwitchCounter.DROPPED_NOT_FOR_VIP);
        }
    }

    /**
     * A router's message about a segment that a server sent in the VIP's name: to the server that has the connection,
     * whose filter knows whether it can be true (path MTU discovery, RFC 1191 and RFC 8201, lives from it).
     */
    private void onIcmpError(RunningConfig config) {
        long key = ConnectionKey.of(
                icmpError.quotedDestination(), icmpError.quotedDestinationPort(), icmpError.quotedSourcePort());
        ConnectionEntry entry = connections.get(key);
        boolean ours = icmpError.quotedSource() == config.config.vip()
                && frame.ipChecksumValid()
                && icmpError.checksumValid()
                && !MigrationTag.isTag(frame.ethSource());
        boolean known = entry != null && icmpError.isQuotedTo(entry.client.high(), entry.client.low());
        if (!ours || entry == null || !known || entry.server == ConnectionEntry.NO_SERVER) {
            counters.increment(SwitchCounter.DROPPED_ICMP_ERROR);
            return;
        }
        ServerConfig server = config.server(entry.server);
        frame.ethDestination(server.mac());
        sendTo(server);
        counters.increment(SwitchCounter.ICMP_ERRORS_FORWARDED);
    }

    private void onOtherIpv6(RunningConfig config, long datapath, int inPort) {
        IpAddress vip = config.config.vip(true);
        boolean toVip = frame.ipDestination() == config.config.vip();
        if (config.config.vip6() != null && Icmpv6.isSolicitationFor(frame, vip)) {
            responder.advertise(config.config, datapath, inPort, frame);
            counters.increment(SwitchCounter.NEIGHBOUR_ADVERTISEMENTS);
        } else if (toVip && Icmpv6.isEchoRequest(frame)) {
            responder.echoReply(config.config, datapath, inPort, frame);
            counters.increment(SwitchCounter.ECHO_REPLIES);
        } else if (toVip && icmpError.wrap(frame)) {
            onIcmpError(config);
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
        if (frame.hasReservedSource()) {
            counters.increment(SwitchCounter.DROPPED_RESERVED_SOURCE);
            return;
        }
        int server = config.serverAt(datapath, inPort);
        boolean tagged = MigrationTag.isTag(frame.ethSource());
        RequestClassifier classifier = config.classifier(frame.destinationPort());
        if (classifier == null) {
            onClosedPort(config, datapath, inPort, tagged);
            return;
        }
        long key = ConnectionKey.of(frame.ipSource(), frame.sourcePort(), frame.destinationPort());
        ConnectionEntry known = connections.get(key);
        if (known != null && !frame.isFrom(known.client.high(), known.client.low())) {
            counters.increment(SwitchCounter.DROPPED_ALIAS_COLLISION);
            return;
        }
        if (server != RunningConfig.NO_SERVER) {
            onBounce(config, classifier, key, server, tagged, nowNs);
        } else if (tagged) {
            counters.increment(SwitchCounter.DROPPED_FORGED_TAG);
        } else {
            onClientSegment(config, classifier, key, datapath, inPort, nowNs);
        }
    }

    private void onClosedPort(RunningConfig config, long datapath, int inPort, boolean tagged) {
        if (tagged) {
            counters.increment(SwitchCounter.DROPPED_FORGED_TAG);
        } else if (frame.hasFlag(TcpFlags.RST)) {
            counters.increment(SwitchCounter.DROPPED_RESET);
        } else {
            responder.reset(config.config, datapath, inPort, frame);
            counters.increment(SwitchCounter.CLOSED_PORT_RESETS);
        }
    }

    // ---- from a client ---------------------------------------------------------------------------------------

    private void onClientSegment(
            RunningConfig config, RequestClassifier classifier, long key, long datapath, int port, long nowNs) {
        ConnectionEntry entry = connections.get(key);
        if (frame.hasFlag(TcpFlags.SYN)) {
            onSyn(config, classifier, key, datapath, port, nowNs);
        } else if (frame.hasFlag(TcpFlags.RST)) {
            onClientReset(config, entry);
        } else if (!frame.hasFlag(TcpFlags.ACK)) {
            // RFC 9293 section 3.10.7.4: after the handshake every segment acknowledges.
            counters.increment(SwitchCounter.DROPPED_UNEXPECTED_FLAGS);
        } else if (entry == null) {
            onUnknown(config, classifier, key, datapath, port, nowNs);
        } else {
            onKnown(config, classifier, entry, datapath, port, nowNs);
        }
    }

    /** Tells whether only the peer of an entry's handshake can have sent this; a server's TCP checks for itself. */
    private boolean acceptable(ConnectionEntry entry) {
        ReassemblyBuffer gather = entry.gather;
        if (entry.state == State.GATHERING && gather != null) {
            int from = TcpSeq.distance(gather.base(), frame.seq());
            // Nothing but the SYN-ACK was sent to this client, so there is nothing else it could acknowledge.
            return frame.ack() == entry.requestAck && from + frame.seqLength() >= 0 && from <= gather.capacity();
        }
        return entry.state != State.ANSWERED || OwnAnswers.acceptable(entry, frame);
    }

    /** Notes where the client is; a sender with another MAC is believed only if it proved to be the client. */
    private void locate(ConnectionEntry entry, long datapath, int port) {
        boolean unproved = entry.server != ConnectionEntry.NO_SERVER;
        if (unproved && entry.clientMac != 0 && entry.clientMac != frame.ethSource()) {
            return;
        }
        entry.clientMac = frame.ethSource();
        if (entry.ingressDatapath != datapath) {
            // A flow in another switch stays: the packet may have come through it.
            entry.flowInstalled = false;
        }
        entry.ingressDatapath = datapath;
        entry.ingressPort = port;
    }

    private void onSyn(
            RunningConfig config, RequestClassifier classifier, long key, long datapath, int port, long nowNs) {
        if (frame.hasFlag(TcpFlags.ACK) || frame.hasFlag(TcpFlags.RST) || frame.hasFlag(TcpFlags.FIN)) {
            counters.increment(SwitchCounter.DROPPED_UNEXPECTED_FLAGS);
            return;
        }
        connections.ended().onSyn(key, frame.seq());
        options.parse(frame.buffer(), frame.optionsOffset(), frame.optionsLength());
        boolean guesses = classifier.service().handshake() == Handshake.PREALLOCATE;
        if (!guesses || !guess(config, classifier, key, datapath, port, nowNs)) {
            answerSyn(config, key, datapath, port, nowNs);
        }
    }

    /**
     * Paper figures 3 and 4: the SYN goes to the server that the connection will most likely need, and the flow with it,
     * so that a right guess costs the web switch this one packet.
     *
     * @return false when the SYN should rather be answered here
     */
    private boolean guess(
            RunningConfig config, RequestClassifier classifier, long key, long datapath, int port, long nowNs) {
        ServerChoice servers = choice;
        ConnectionEntry known = connections.get(key);
        if (known != null && known.state == State.GUESSED && known.requestSeq == frame.seq() + 1) {
            sendGuess(config, known);
            counters.increment(SwitchCounter.GUESSES_REPEATED);
            return true;
        }
        boolean possible = known == null
                && port != SwitchOutput.PORT_NORMAL
                && frame.payloadLength() == 0
                && synced(nowNs)
                && !connections.guesses().full()
                && connections.hasRoom();
        ConnectionEntry entry = new ConnectionEntry(key, IpAddress.of(frame.sourceHigh(), frame.sourceLow()));
        int contentType = connections.guesses().contentType(classifier);
        entry.server = possible && servers != null
                ? servers.guess(entry, classifier.pool(contentType), nowNs)
                : ServerChoice.NONE;
        if (entry.server == ServerChoice.NONE) {
            counters.increment(SwitchCounter.GUESSES_DECLINED);
            return false;
        }
        entry.state = State.GUESSED;
        long offered = MigrationTag.of(
                MssClass.of(options.mss()), options.windowScale(), TcpOptions.NO_WINDOW_SCALE, options.sackPermitted());
        boolean ecn = frame.hasFlag(TcpFlags.ECE) && frame.hasFlag(TcpFlags.CWR);
        entry.tag = MigrationTag.with(
                MigrationTag.with(offered, options.timestampsOffset() != 0, ecn), contentType, MigrationTag.GUESS);
        entry.requestSeq = frame.seq() + 1;
        entry.offsetSeq = entry.requestSeq;
        entry.offsetSeqKnown = true;
        entry.firstSeq = entry.requestSeq;
        entry.firstSeqKnown = true;
        entry.unasked = true;
        entry.vouched = true;
        entry.migratedAtNs = nowNs;
        entry.seenNs = nowNs;
        locate(entry, datapath, port);
        connections.guess(config, entry);
        connections.install(config, classifier, entry);
        sendGuess(config, entry);
        counters.increment(SwitchCounter.GUESSES);
        return true;
    }

    private void sendGuess(RunningConfig config, ConnectionEntry entry) {
        ServerConfig server = config.server(entry.server);
        frame.ethDestination(server.mac());
        frame.ethSource(entry.tag);
        sendTo(server);
    }

    /** A guessed server did not take the SYN: before the client notices, it gets the proxy handshake. */
    private void onRefusedGuess(RunningConfig config, @Nullable ConnectionEntry entry, int server, long nowNs) {
        if (entry == null
                || entry.state != State.GUESSED
                || entry.server != server
                || entry.requestSeq != frame.seq() + 1) {
            counters.increment(SwitchCounter.DROPPED_STALE);
            return;
        }
        counters.increment(SwitchCounter.GUESSES_REFUSED);
        refused(entry, server, nowNs);
        connections.giveUp(config, entry, false);
        frame.ethSource(entry.clientMac);
        options.parse(frame.buffer(), frame.optionsOffset(), frame.optionsLength());
        answerSyn(config, entry.key, entry.ingressDatapath, entry.ingressPort, nowNs);
    }

    /** Paper figure 2, steps 1 and 2. */
    private void answerSyn(RunningConfig config, long key, long datapath, int port, long nowNs) {
        IpAddress vip = config.config.vip(frame.ipv6());
        int wseq = synCookie.issue(frame.sourceHigh(), frame.sourceLow(), (int) key, vip, frame.seq(), options, nowNs);
        responder.synAck(config.config, datapath, port, frame, options, wseq);
        counters.increment(SwitchCounter.SYNS_ANSWERED);
    }

    /** A client's RST goes straight through to its server; without a server only the very next byte's number counts. */
    private void onClientReset(RunningConfig config, @Nullable ConnectionEntry entry) {
        if (entry != null && entry.server != ConnectionEntry.NO_SERVER) {
            forward(config, entry);
        } else if (entry != null && (entry.lost() || frame.seq() == nextExpected(entry))) {
            connections.remove(entry);
            counters.increment(SwitchCounter.CLIENT_RESETS);
        } else {
            counters.increment(SwitchCounter.DROPPED_RESET);
        }
    }

    /** The sequence number that a blind sender would have to guess (RFC 5961 section 3.2). */
    private static int nextExpected(ConnectionEntry entry) {
        return entry.gather == null ? entry.answerAck : receivedEnd(entry.gather);
    }

    private static int receivedEnd(ReassemblyBuffer gather) {
        return gather.end() + (gather.finished() ? 1 : 0);
    }

    private void onUnknown(
            RunningConfig config, RequestClassifier classifier, long key, long datapath, int port, long nowNs) {
        if (frame.payloadLength() == 0) {
            onUnknownWithoutPayload(config, key, datapath, port, nowNs);
        } else if (!synced(nowNs)) {
            counters.increment(SwitchCounter.DROPPED_UNSYNCED);
        } else if (connections.ended().hadFirstRequestAt(key, frame.seq())) {
            // It ran, and whoever repeats it has not heard of the end.
            responder.reset(config.config, datapath, port, frame);
            counters.increment(SwitchCounter.ENDED_REQUESTS_RESET);
        } else if (provesHandshake(config, key, nowNs)) {
            ConnectionEntry entry = open(key, datapath, port);
            if (entry == null) {
                counters.increment(SwitchCounter.DROPPED_TABLE_FULL);
                return;
            }
            onRequestSegment(config, classifier, entry, MigrationTag.FRESH, nowNs);
            releaseWaiting(config, classifier, entry, nowNs);
        } else {
            await(key, datapath, port, nowNs);
        }
    }

    private void onUnknownWithoutPayload(RunningConfig config, long key, long datapath, int port, long nowNs) {
        if (!frame.hasFlag(TcpFlags.FIN)) {
            counters.increment(SwitchCounter.HANDSHAKE_ACKS);
        } else if (provesHandshake(config, key, nowNs)) {
            responder.finAck(config.config, datapath, port, frame, true);
            counters.increment(SwitchCounter.FINS_ANSWERED);
        } else if (connections.ended().covers(key, frame.seq())) {
            responder.finAck(config.config, datapath, port, frame, false);
            counters.increment(SwitchCounter.FINS_ANSWERED);
        } else if (synced(nowNs)) {
            // It may have overtaken its request, which an acknowledgment would cover too.
            counters.increment(SwitchCounter.DROPPED_UNKNOWN_FIN);
        } else {
            counters.increment(SwitchCounter.DROPPED_UNSYNCED);
        }
    }

    private boolean synced(long nowNs) {
        return availability != null && availability.synced(nowNs);
    }

    /** Only who answered our SYN-ACK knows a cookie that is valid for its own initial sequence number. */
    private boolean provesHandshake(RunningConfig config, long key, long nowNs) {
        IpAddress vip = config.config.vip(frame.ipv6());
        return frame.hasFlag(TcpFlags.ACK)
                && synCookie.accepts(
                        frame.sourceHigh(), frame.sourceLow(), (int) key, vip, frame.seq() - 1, frame.ack() - 1, nowNs);
    }

    private @Nullable ConnectionEntry open(long key, long datapath, int port) {
        return connections.hasRoom() ? opened(key, datapath, port) : null;
    }

    private ConnectionEntry opened(long key, long datapath, int port) {
        ConnectionEntry entry = new ConnectionEntry(key, IpAddress.of(frame.sourceHigh(), frame.sourceLow()));
        entry.tag = SynCookie.tag(frame.ack() - 1, VipResponder.SERVER_SCALE);
        entry.requestSeq = frame.seq();
        entry.requestAck = frame.ack();
        entry.firstSeq = frame.seq();
        entry.firstSeqKnown = true;
        locate(entry, datapath, port);
        connections.put(entry);
        return entry;
    }

    private void releaseWaiting(RunningConfig config, RequestClassifier classifier, ConnectionEntry entry, long nowNs) {
        waiting.release(entry.key, (datapath, port, buf, length) -> {
            if (frame.wrap(buf, 0, length, false) != FrameFlyweight.Kind.TCP) {
                return;
            }
            if (frame.isFrom(entry.client.high(), entry.client.low())) {
                onKnown(config, classifier, entry, datapath, port, nowNs);
            } else {
                counters.increment(SwitchCounter.DROPPED_ALIAS_COLLISION);
            }
        });
    }

    private void onKnown(
            RunningConfig config,
            RequestClassifier classifier,
            ConnectionEntry entry,
            long datapath,
            int port,
            long nowNs) {
        if (startsAnew(config, entry, nowNs)) {
            restart(config, classifier, entry, datapath, port, nowNs);
            return;
        }
        if (!acceptable(entry)) {
            counters.increment(SwitchCounter.DROPPED_OUT_OF_WINDOW);
            return;
        }
        locate(entry, datapath, port);
        entry.seenNs = nowNs;
        switch (entry.state) {
            case GUESSED:
                onGuessed(config, classifier, entry);
                break;
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
                answers.onSegment(config, entry, frame);
                break;
        }
    }

    /**
     * Tells whether this is the first request of a new connection on the ports of an old one. The old one's own first
     * request proves its handshake, too, for a minute or two: a late duplicate of it must not start it again.
     */
    private boolean startsAnew(RunningConfig config, ConnectionEntry entry, long nowNs) {
        if (entry.state == State.GUESSED) {
            // Its own segments acknowledge the server's number; the client has taken an earlier SYN-ACK of ours.
            return frame.payloadLength() > 0 && provesHandshake(config, entry.key, nowNs);
        }
        return frame.payloadLength() > 0
                && frame.seq() != entry.requestSeq
                && !(entry.firstSeqKnown && frame.seq() == entry.firstSeq)
                && entry.state != State.MOVING
                && provesHandshake(config, entry.key, nowNs);
    }

    private void restart(
            RunningConfig config,
            RequestClassifier classifier,
            ConnectionEntry old,
            long datapath,
            int port,
            long nowNs) {
        int formerServer = old.server;
        if (formerServer != ConnectionEntry.NO_SERVER) {
            config.load.closed(formerServer);
        }
        connections.remove(old);
        ConnectionEntry entry = opened(old.key, datapath, port);
        entry.flowInstalled = old.flowInstalled && old.ingressDatapath == datapath;
        if (!old.firstSeqKnown && formerServer != ConnectionEntry.NO_SERVER) {
            // Restored: this may be the first request once more, and the filter that has it knows a duplicate.
            entry.silent(formerServer, nowNs);
        }
        onRequestSegment(config, classifier, entry, MigrationTag.FRESH, nowNs);
        if (formerServer != ConnectionEntry.NO_SERVER && formerServer != entry.server) {
            connections.silence(config, old, formerServer, old.requestSeq, old.requestAck);
            connections.silence(config, old, formerServer, old.requestSeq, old.requestAck);
        }
        connections.endSilentServers(config, old, entry.server, nowNs);
    }

    /** The flow was not live yet, or is gone, or there is none in this request mode. */
    private void onGuessed(RunningConfig config, RequestClassifier classifier, ConnectionEntry entry) {
        if (!entry.flowInstalled) {
            connections.install(config, classifier, entry);
        }
        forward(config, entry);
    }

    /** A packet that came here although its connection has a server: the flow was not live yet, or is gone. */
    private void onMigrated(RunningConfig config, RequestClassifier classifier, ConnectionEntry entry, long nowNs) {
        returns.install(entry, false);
        if (!entry.flowInstalled) {
            connections.install(config, classifier, entry);
        }
        if (frame.payloadLength() > 0) {
            if (isRequestStart(entry) && nowNs - entry.migratedAtNs > NANOS_PER_MS) {
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
            RunningConfig config, RequestClassifier classifier, long key, int server, boolean tagged, long nowNs) {
        ConnectionEntry entry = connections.get(key);
        if (entry != null) {
            entry.seenNs = nowNs;
        }
        if (!tagged) {
            onUntaggedBounce(config, classifier, key, entry, server, nowNs);
            return;
        }
        int kind = MigrationTag.kind(frame.ethSource());
        if (frame.hasFlag(TcpFlags.SYN)) {
            if (kind == MigrationTag.REFUSED) {
                onRefusedGuess(config, entry, server, nowNs);
            } else {
                counters.increment(SwitchCounter.DROPPED_FORGED_TAG);
            }
            return;
        }
        if (entry != null && entry.server == server) {
            connections.prove(config, entry, frame.ethSource());
        }
        if (entry != null && !entry.vouched && entry.state == State.MIGRATED) {
            connections.adopt(config, entry, server, frame.ethSource());
        }
        if (kind == MigrationTag.CONFIRM) {
            onConfirm(config, entry, server);
        } else if (kind != MigrationTag.FRESH && kind != MigrationTag.SILENCE) {
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
            long nowNs) {
        // A bounce does not tell where the client is attached; its flow is there, not at the server's switch.
        long clientDatapath = entry != null ? entry.ingressDatapath : config.defaultIngress(server);
        int clientPort = entry != null ? entry.ingressPort : SwitchOutput.PORT_NORMAL;
        if (frame.hasFlag(TcpFlags.SYN)) {
            onSyn(config, classifier, key, clientDatapath, clientPort, nowNs);
        } else if (frame.hasFlag(TcpFlags.RST)) {
            onBouncedReset(config, entry, server);
        } else if (!frame.hasFlag(TcpFlags.ACK)) {
            counters.increment(SwitchCounter.DROPPED_UNEXPECTED_FLAGS);
        } else if (frame.payloadLength() == 0) {
            onBouncedEnd(config, key, entry, server, clientDatapath, clientPort, nowNs);
        } else if (entry == null) {
            onUnknown(config, classifier, key, clientDatapath, clientPort, nowNs);
        } else if (startsAnew(config, entry, nowNs)) {
            onKnown(config, classifier, entry, clientDatapath, clientPort, nowNs);
        } else if (entry.state == State.GUESSED && entry.server == server) {
            // The SYN has not reached that filter yet, or is lost.
            counters.increment(SwitchCounter.DROPPED_CURRENT_SERVER_BOUNCE);
        } else if (entry.state != State.MIGRATED) {
            onKnown(config, classifier, entry, clientDatapath, clientPort, nowNs);
        } else if (entry.server != server) {
            forward(config, entry);
        } else if (isRequestStart(entry)) {
            resendTagged(config, entry);
        } else if (isOfDecidedRequest(entry)) {
            counters.increment(SwitchCounter.DROPPED_CURRENT_SERVER_BOUNCE);
        } else {
            // A later piece of a request on the move; Open vSwitch brought it before the tagged first one.
            await(key, clientDatapath, clientPort, nowNs);
        }
    }

    /** A FIN that a filter knows no connection for: on to the one that should, unless that is just this one. */
    private void onBouncedEnd(
            RunningConfig config,
            long key,
            @Nullable ConnectionEntry entry,
            int server,
            long clientDatapath,
            int clientPort,
            long nowNs) {
        if (entry == null && frame.hasFlag(TcpFlags.FIN)) {
            onUnknownWithoutPayload(config, key, clientDatapath, clientPort, nowNs);
        } else if (entry == null || entry.state != State.MIGRATED || !frame.hasFlag(TcpFlags.FIN)) {
            counters.increment(SwitchCounter.DROPPED_STALE);
        } else if (entry.server != server) {
            forward(config, entry);
        } else {
            connections.unknownToItsFilter(config, entry, nowNs);
        }
    }

    /** It followed a flow that was no longer the connection's to a silent server: the server that has it must know. */
    private void onBouncedReset(RunningConfig config, @Nullable ConnectionEntry entry, int server) {
        if (entry != null && entry.server != ConnectionEntry.NO_SERVER && entry.server != server) {
            forward(config, entry);
        } else {
            counters.increment(SwitchCounter.DROPPED_RESET);
        }
    }

    private void await(long key, long datapath, int port, long nowNs) {
        boolean taken = waiting.offer(key, datapath, port, frame.buffer(), frame.offset(), frame.frameLength(), nowNs);
        counters.increment(taken ? SwitchCounter.SEGMENTS_WAITED : SwitchCounter.DROPPED_WAITING_FULL);
    }

    private void onTaggedBounce(
            RunningConfig config,
            RequestClassifier classifier,
            long key,
            @Nullable ConnectionEntry entry,
            int server,
            int kind,
            long nowNs) {
        if (entry == null && connections.ended().covers(key, frame.seq())) {
            endHolder(config, key, server);
            return;
        }
        if (entry == null) {
            IpAddress client = IpAddress.of(frame.sourceHigh(), frame.sourceLow());
            entry = connections.restore(config, key, client, server, frame.ethSource(), nowNs);
            if (entry == null) {
                counters.increment(SwitchCounter.DROPPED_TABLE_FULL);
                return;
            }
        }
        if (entry.state == State.ANSWERED) {
            answers.onSegment(config, entry, frame);
        } else if (entry.state == State.GATHERING) {
            counters.increment(SwitchCounter.DROPPED_STALE);
        } else if (entry.server != server) {
            onLateBounce(config, entry, server, kind);
        } else if (frame.payloadLength() == 0 || isBeforeRequest(entry)) {
            counters.increment(SwitchCounter.DROPPED_STALE);
        } else if (kind == MigrationTag.REFUSED) {
            onRefused(config, classifier, entry, server, nowNs);
        } else if (kind == MigrationTag.BROKEN) {
            onBrokenBody(config, entry, nowNs);
        } else if (isOfDecidedRequest(entry)) {
            onReturnedBounce(config, entry);
        } else {
            if (entry.state == State.MIGRATED) {
                entry.tag = frame.ethSource();
            }
            entry.wrongGuess |= kind == MigrationTag.GUESS;
            // To its next server it is the connection's first request, whatever was on these ports before.
            int onward = kind == MigrationTag.GUESS ? MigrationTag.FRESH : kind;
            onRequestSegment(config, classifier, entry, onward, nowNs);
            releaseWaiting(config, classifier, entry, nowNs);
        }
    }

    /** A filter that still holds a request of an ended connection has not heard of the end: another one ran it. */
    private void endHolder(RunningConfig config, long key, int server) {
        counters.increment(SwitchCounter.DROPPED_STALE);
        ConnectionEntry over = new ConnectionEntry(key, IpAddress.of(frame.sourceHigh(), frame.sourceLow()));
        over.tag = frame.ethSource();
        connections.silence(config, over, server, frame.seq(), frame.ack());
        connections.silence(config, over, server, frame.seq(), frame.ack());
    }

    private boolean isBeforeRequest(ConnectionEntry entry) {
        return entry.offsetSeqKnown && TcpSeq.isBefore(frame.seq(), entry.offsetSeq);
    }

    /** A server answers at least a byte before its filter bounces another request, and the client acknowledges it. */
    private boolean isOfDecidedRequest(ConnectionEntry entry) {
        return entry.state == State.MIGRATED
                && entry.offsetSeqKnown
                && !entry.unasked
                && TcpSeq.isBeforeOrAt(frame.ack(), entry.requestAck);
    }

    /**
     * The start of a request that was sent back to the server whose filter bounced it: its tag is late or lost. Anything
     * else of it is not forwarded: the filter would bounce it again, and again.
     */
    private void onReturnedBounce(RunningConfig config, ConnectionEntry entry) {
        if (isRequestStart(entry)) {
            resendTagged(config, entry);
        } else {
            counters.increment(SwitchCounter.DROPPED_CURRENT_SERVER_BOUNCE);
        }
    }

    /** The server waits for the rest of a body that nobody can read, so nobody but the web switch can answer. */
    private void onBrokenBody(RunningConfig config, ConnectionEntry entry, long nowNs) {
        counters.refused(HttpRefusal.BAD_CHUNK);
        entry.requestAck = frame.ack();
        answer(config, entry, ErrorResponse.BAD_REQUEST, null, nowNs);
    }

    private boolean isRequestStart(ConnectionEntry entry) {
        return entry.offsetSeqKnown && !entry.unasked && frame.seq() == entry.offsetSeq;
    }

    /** The server's TCP did not take the request; what kind of request it is says the tag it was sent with. */
    private void onRefused(
            RunningConfig config, RequestClassifier classifier, ConnectionEntry entry, int server, long nowNs) {
        refused(entry, server, nowNs);
        entry.refused = true;
        int sent = MigrationTag.kind(entry.tag);
        int kind = sent == MigrationTag.REFUSED ? MigrationTag.MOVED : sent;
        ReassemblyBuffer gather = entry.gather;
        if (entry.state == State.MIGRATED && entry.awaitsConfirm && gather != null) {
            // The refusing filter need not have all the bytes that were acknowledged; we have.
            head.parse(gather.bytes(), 0, gather.length());
            decide(config, classifier, entry, kind, gather, nowNs);
        } else {
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
    private void onLateBounce(RunningConfig config, ConnectionEntry entry, int server, int kind) {
        boolean start = isRequestStart(entry);
        if (kind == MigrationTag.REFUSED && start || kind == MigrationTag.BROKEN) {
            counters.increment(SwitchCounter.DROPPED_STALE);
        } else if (kind == MigrationTag.HELD && start) {
            // Its confirmation was lost, or is on its way: it waits for another one.
            entry.heldBy = server;
            resendTagged(config, entry);
        } else if (kind == MigrationTag.HELD && isBeforeRequest(entry)) {
            // A later request could only come because this one was answered. Else its holder would repeat it beyond
            // the connection's end, and an unknown connection's request runs.
            ServerConfig holder = config.server(server);
            frame.ethDestination(holder.mac());
            frame.ethSource(MigrationTag.with(entry.tag, MigrationTag.contentType(entry.tag), MigrationTag.CONFIRM));
            sendTo(holder);
            counters.increment(SwitchCounter.CONFIRMS_RELAYED);
        } else if (frame.payloadLength() > 0 || frame.hasFlag(TcpFlags.FIN)) {
            forward(config, entry);
        } else {
            counters.increment(SwitchCounter.DROPPED_STALE);
        }
    }

    /** The new server's filter has the bytes that somebody acknowledged: whoever holds them may let go. */
    private void onConfirm(RunningConfig config, @Nullable ConnectionEntry entry, int server) {
        boolean wanted = entry != null && (entry.awaitsConfirm || entry.heldBy != ConnectionEntry.NO_SERVER);
        if (entry == null || entry.server != server || !wanted) {
            counters.increment(SwitchCounter.DROPPED_STALE);
            return;
        }
        if (entry.awaitsConfirm) {
            counters.increment(SwitchCounter.CONFIRMS_TAKEN);
            entry.awaitsConfirm = false;
            connections.heads().release(entry);
        }
        if (entry.heldBy != ConnectionEntry.NO_SERVER) {
            ServerConfig holder = config.server(entry.heldBy);
            frame.ethDestination(holder.mac());
            sendTo(holder);
            counters.increment(SwitchCounter.CONFIRMS_RELAYED);
            entry.heldBy = ConnectionEntry.NO_SERVER;
        }
    }

    // ---- gathering and deciding ------------------------------------------------------------------------------

    private void onRequestSegment(
            RunningConfig config, RequestClassifier classifier, ConnectionEntry entry, int kind, long nowNs) {
        if (entry.state == State.MIGRATED) {
            connections.heads().release(entry);
            entry.awaitsConfirm = false;
            entry.acknowledged = false;
            entry.state = State.MOVING;
            entry.requestSeq = frame.seq();
            // The client has acknowledged the whole previous response, so this stays the same for the whole request.
            entry.requestAck = frame.ack();
        }
        entry.window = frame.window();
        noteTimestamps(entry);
        if (frame.payloadLength() > 0) {
            entry.lastArrivalNs = nowNs;
        }
        if (entry.gather == null && frame.seq() == entry.requestSeq) {
            int parsed = head.parse(frame.buffer(), frame.payloadOffset(), frame.payloadLength());
            if (parsed > 0) {
                decide(config, classifier, entry, kind, null, nowNs);
                return;
            }
            if (parsed == RequestHead.REFUSED && startsHere(entry)) {
                refuse(config, entry, null, nowNs);
                return;
            }
        }
        gather(config, classifier, entry, kind, nowNs);
    }

    private void noteTimestamps(ConnectionEntry entry) {
        if (MigrationTag.timestamps(entry.tag)) {
            options.parse(frame.buffer(), frame.optionsOffset(), frame.optionsLength());
            int at = options.timestampsOffset();
            if (at != 0) {
                entry.timestamp = frame.buffer().getInt(at);
                entry.timestampEcho = frame.buffer().getInt(at + 4);
            }
        }
    }

    private void gather(
            RunningConfig config, RequestClassifier classifier, ConnectionEntry entry, int kind, long nowNs) {
        ReassemblyBuffer gather = bufferOf(config, entry, nowNs);
        if (gather == null) {
            counters.increment(SwitchCounter.DROPPED_HEADS_FULL);
            if (entry.server == ConnectionEntry.NO_SERVER) {
                connections.remove(entry);
            } else {
                entry.state = State.MIGRATED;
            }
            return;
        }
        if (frame.seq() == gather.base()) {
            entry.startKnown = startsHere(entry);
        }
        int keptKind = MigrationTag.kind(entry.tag) == MigrationTag.HELD ? MigrationTag.HELD : kind;
        entry.tag = MigrationTag.with(entry.tag, MigrationTag.contentType(entry.tag), keptKind);
        time(entry);
        counters.increment(SwitchCounter.SEGMENTS_GATHERED);
        gather.insert(frame.seq(), frame.buffer(), frame.payloadOffset(), frame.payloadLength());
        if (frame.hasFlag(TcpFlags.FIN)) {
            gather.fin(frame.seq() + frame.payloadLength());
        }
        int parsed = head.parse(gather.bytes(), 0, gather.length());
        if (parsed > 0) {
            decide(config, classifier, entry, keptKind, gather, nowNs);
        } else if (parsed == RequestHead.REFUSED) {
            refuse(config, entry, gather, nowNs);
        } else if (gather.finished()) {
            counters.increment(SwitchCounter.HEADS_CUT_SHORT);
            answer(config, entry, ErrorResponse.BAD_REQUEST, gather, nowNs);
        }
    }

    /** Whether the frame at hand is a request's first segment: a handshake's cookie proves it, or a filter's tag. */
    private boolean startsHere(ConnectionEntry entry) {
        return entry.state != State.MOVING || MigrationTag.isTag(frame.ethSource());
    }

    /** The buffer in which an entry's head is gathered, null when there is none left. */
    private @Nullable ReassemblyBuffer bufferOf(RunningConfig config, ConnectionEntry entry, long nowNs) {
        ReassemblyBuffer gather = entry.gather;
        if (gather != null) {
            // Bounced segments may come in another order; the first one of a handshake is known by its cookie.
            boolean bounced = entry.state == State.MOVING && MigrationTag.isTag(frame.ethSource());
            if (!bounced || entry.acknowledged || !TcpSeq.isBefore(frame.seq(), gather.base())) {
                return gather;
            }
            connections.heads().release(entry);
            entry.requestSeq = frame.seq();
        }
        ConnectionEntry oldest = connections.heads().oldest();
        if (connections.heads().full() && oldest != null && oldest.gather != null) {
            counters.increment(SwitchCounter.HEADS_EVICTED);
            answer(config, oldest, ErrorResponse.SERVICE_UNAVAILABLE, oldest.gather, nowNs);
        }
        return connections.heads().full() ? null : connections.heads().open(entry, frame.seq(), nowNs);
    }

    private void refuse(RunningConfig config, ConnectionEntry entry, @Nullable ReassemblyBuffer gather, long nowNs) {
        counters.refused(head.refusal());
        answer(config, entry, ErrorResponse.to(head.refusal()), gather, nowNs);
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
            answer(config, entry, ErrorResponse.SERVICE_UNAVAILABLE, gather, nowNs);
            return;
        }
        if (servers.byCookie()) {
            counters.increment(SwitchCounter.REQUESTS_BY_COOKIE);
        }
        int former = entry.server;
        boolean leaves = former != ConnectionEntry.NO_SERVER && former != server && !entry.refused;
        boolean first = former == ConnectionEntry.NO_SERVER || entry.wrongGuess;
        if (first && !entry.refused) {
            connections.guesses().count(classifier, contentType);
        }
        count(entry, former, server, nowNs);
        // The guessed server's filter has met this first request already, and would take a fresh one for a copy.
        int told = entry.wrongGuess && former == server ? MigrationTag.MOVED : kind;
        entry.tag = MigrationTag.with(entry.tag, contentType, entry.acknowledged ? MigrationTag.HELD : told);
        entry.server = server;
        entry.state = State.MIGRATED;
        entry.migratedAtNs = nowNs;
        entry.seenNs = nowNs;
        entry.vouched = true;
        entry.offsetSeq = entry.requestSeq;
        entry.offsetSeqKnown = true;
        entry.unasked = false;
        // What a filter vouches for was proven when it came from the client, and may be from where it was then.
        returns.install(entry, former == ConnectionEntry.NO_SERVER);
        if (former != server || !entry.flowInstalled) {
            connections.install(config, classifier, entry);
        }
        // Only now, so that what the client sends next does not meet a silent server.
        if (leaves) {
            connections.silence(config, entry, former, entry.requestSeq, entry.requestAck);
            // A wrongly guessed server has answered nothing, and its filter ends it at once (paper figure 4).
            if (!entry.wrongGuess) {
                entry.silent(former, nowNs);
            }
        }
        entry.wrongGuess = false;
        entry.notSilent(server);
        if (!entry.refused) {
            entry.heldBy = kind == MigrationTag.HELD && leaves ? former : ConnectionEntry.NO_SERVER;
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
            if (entry.acknowledged) {
                connections.heads().whole(entry);
            } else {
                connections.heads().release(entry);
            }
        }
        if (!entry.refused) {
            entry.refusedBy = null;
        }
        entry.refused = false;
    }

    private void count(ConnectionEntry entry, int former, int server, long nowNs) {
        RunningConfig config = running;
        if (config != null && former != server) {
            if (former != ConnectionEntry.NO_SERVER) {
                config.load.closed(former);
            }
            config.load.opened(server);
        }
        if (entry.refused) {
            counters.increment(SwitchCounter.REQUESTS_RETRIED);
        } else if (former == ConnectionEntry.NO_SERVER) {
            counters.increment(SwitchCounter.REQUESTS_MIGRATED);
        } else if (former == server) {
            counters.increment(SwitchCounter.REQUESTS_RETURNED);
        } else if (entry.wrongGuess) {
            counters.increment(SwitchCounter.GUESSES_WRONG);
        } else {
            counters.increment(SwitchCounter.REQUESTS_MOVED);
            for (int i = 0; i < entry.silentCount(); i++) {
                if (entry.silentServer(i, nowNs, ConnectionTable.SILENT_NS) == server) {
                    counters.increment(SwitchCounter.REQUESTS_SWITCHED_BACK);
                }
            }
        }
    }

    private void sendGathered(RunningConfig config, ConnectionEntry entry, ReassemblyBuffer gather) {
        ServerConfig server = config.server(entry.server);
        int room = MssClass.bytes(MigrationTag.mssClass(entry.tag));
        int segment = Math.min(
                MssClass.segment(MigrationTag.mssClass(entry.tag), entry.client.isIpv6()),
                MigrationTag.timestamps(entry.tag) ? room - 12 : room);
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

    // ---- the web switch's own answers --------------------------------------------------------------------------

    /** Answers what was gathered, or the frame at hand, and closes. */
    private void answer(
            RunningConfig config,
            ConnectionEntry entry,
            ErrorResponse response,
            @Nullable ReassemblyBuffer gather,
            long nowNs) {
        entry.answerAck = gather == null ? frame.seq() + frame.seqLength() : receivedEnd(gather);
        entry.answerFinReceived = gather == null ? frame.hasFlag(TcpFlags.FIN) : gather.finished();
        answers.open(config, entry, response, nowNs);
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
        connections.onTick(config, nowNs);
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
            case GUESSED:
            case ANSWERED:
                return false;
        }
        return false;
    }

    /** Acknowledges a partial head after 40 ms: a sender limited by Nagle's algorithm waits for that. */
    private boolean gatherTimer(RunningConfig config, ConnectionEntry entry, long nowNs) {
        ReassemblyBuffer gather = entry.gather;
        if (gather == null) {
            return false;
        }
        if (nowNs - entry.gatheringSinceNs >= HEAD_TIMEOUT_NS) {
            answer(config, entry, ErrorResponse.REQUEST_TIMEOUT, gather, nowNs);
            return false;
        }
        boolean due = nowNs - entry.lastArrivalNs >= PARTIAL_HEAD_NS && gather.length() > 0;
        // A bounced head whose tagged first segment is lost must not hide that from its client by an acknowledgment.
        if (due && entry.startKnown && entry.resendAtNs != entry.lastArrivalNs && entry.clientMac != 0) {
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
                connections.heads().release(entry);
                counters.increment(SwitchCounter.CONFIRMS_MISSED);
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
        returns.onDatapath(datapath);
        if (!connected) {
            connections.onDatapathGone(datapath, nowNs);
        }
    }

    /** Takes notice that a client's return flow timed out, or that somebody else took it away. */
    public void onReturnRemoved(long datapath, long clientMac, boolean ipv6) {
        returns.onRemoved(datapath, clientMac, ipv6);
    }

    /** Takes notice of a return flow found in a switch after (re)connecting to it. */
    public void onReturnRead(long datapath, long clientMac, boolean ipv6, int port) {
        returns.onRead(datapath, clientMac, ipv6, port);
    }

    /** Takes notice that a connection's flow timed out; the entry stays, because its filter has not ended it. */
    public void onFlowRemoved(long datapath, long connectionKey, long nowNs) {
        connections.onFlowRemoved(datapath, connectionKey, nowNs);
    }

    /** Takes notice of a connection flow found in a switch after (re)connecting to it. */
    public void onFlowRead(long datapath, long connectionKey, IpAddress client, long serverMac, long nowNs) {
        connections.onFlowRead(datapath, connectionKey, client, serverMac, nowNs);
    }

    /**
     * Takes a filter's report.
     *
     * @return false when a full report is wanted: this filter process is new to us, or its last full report could not
     *     tell about connections that were young then
     */
    public boolean onFilterReport(FilterReport report, long nowNs) {
        return connections.onFilterReport(report, nowNs);
    }

    /** The number of connections that a server (its index in the configuration) has now. */
    int load(int server) {
        return connections.load(server);
    }

    /** The number of entries of a server, by walking the table: what {@link #load} must always equal. */
    int entriesOf(int server) {
        return connections.entriesOf(server);
    }

    /** Reports every counter, and the sizes of the tables. */
    public void counters(CounterSink sink) {
        counters.report(sink);
        sink.counter("connections", connections.size());
        sink.counter("waiting_segments", waiting.size());
        sink.counter("gathering_heads", connections.heads().size());
        sink.counter("return_flows", returns.size());
        sink.counter("open_guesses", connections.guesses().open());
        sink.counter("ended_connections", connections.ended().size());
    }
}
