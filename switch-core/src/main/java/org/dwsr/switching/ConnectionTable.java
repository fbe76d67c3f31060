package org.dwsr.switching;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.dwsr.config.DwsrConfig;
import org.dwsr.config.RequestMode;
import org.dwsr.config.ServerConfig;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.IpAddress;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.TcpOptions;
import org.dwsr.switching.ConnectionEntry.State;
import org.dwsr.table.LongKeyedTable;
import org.jspecify.annotations.Nullable;

/**
 * The connection table (the paper's figure 10): which server has a connection, its flow, who is silent for it, and how
 * it ends.
 *
 * <p>Filters are the authority on live connections (docs/contract.md): their reports restore entries after a restart,
 * correct what flows say, and end entries. What no filter will ever end expires. The sum of a server's entries is its
 * load; entries, flows and load change only here and where {@link WebSwitch} decides about a request.
 */
final class ConnectionTable {
    static final long SILENT_NS = 15_000_000_000L;

    private static final long NANOS_PER_MS = 1_000_000L;
    private static final long YOUNG_NS = 2_000 * NANOS_PER_MS;
    /** How long a client whose connection its filter has lost is asked, and answered with RST. */
    private static final long LOST_NS = 60_000 * NANOS_PER_MS;

    private static final long ASK_NS = 1_000 * NANOS_PER_MS;
    private static final int SWEPT_SLOTS = 1024;
    /** How long a connection without a flow is kept when its filter is not heard of either. */
    private static final long VANISHED_NS = 600_000 * NANOS_PER_MS;
    /** The same when the filter is heard; it ends idle connections itself after two hours. */
    private static final long FORGOTTEN_NS = 7_800_000 * NANOS_PER_MS;

    private final SwitchOutput output;
    private final VipResponder responder;
    private final SwitchCounters counters;
    private final int maxConnections;
    private final ReturnFlows returns;
    private final Guesses guesses = new Guesses(Guesses.LIMIT);
    private final GatheringHeads heads;
    private final LongKeyedTable<ConnectionEntry> connections = new LongKeyedTable<>();
    private final ArrayDeque<ConnectionEntry> answered = new ArrayDeque<>();
    /** Ordered by when each is asked next, because all wait equally long. */
    private final ArrayDeque<ConnectionEntry> lost = new ArrayDeque<>();

    private final EndedConnections ended = new EndedConnections();
    private int sweepSlot;
    private @Nullable RunningConfig running;
    private @Nullable ServerAvailability availability;

    ConnectionTable(
            SwitchOutput output,
            VipResponder responder,
            SwitchCounters counters,
            ReturnFlows returns,
            int maxConnections,
            int maxHeads) {
        this.output = output;
        this.returns = returns;
        this.responder = responder;
        this.counters = counters;
        this.maxConnections = maxConnections;
        heads = new GatheringHeads(maxHeads);
    }

    /** Takes a configuration; {@code known} says of its servers which are there. */
    void configure(RunningConfig next, ServerAvailability known, long nowNs) {
        if (running != null) {
            renumber(running.config, next, nowNs);
        }
        running = next;
        availability = known;
        guesses.configure();
        ended.onTick(nowNs);
    }

    private void renumber(DwsrConfig before, RunningConfig next, long nowNs) {
        int[] indexes = new int[before.servers().size()];
        for (ServerConfig server : before.servers()) {
            indexes[server.index()] = next.config.serverIndex(server.name());
        }
        // In two walks, because a removal moves other entries to slots already seen.
        List<ConnectionEntry> orphans = new ArrayList<>();
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
                orphans.add(entry);
            }
        }
        for (ConnectionEntry entry : orphans) {
            forget(next, entry, nowNs);
        }
    }

    // ---- rows --------------------------------------------------------------------------------------------------

    @Nullable
    ConnectionEntry get(long key) {
        return connections.get(key);
    }

    /** Puts an entry in the place of an earlier one of the same ports, or where {@link #hasRoom()} said there is room. */
    void put(ConnectionEntry entry) {
        connections.put(entry.key, entry);
    }

    void remove(ConnectionEntry entry) {
        settle(entry);
        heads.release(entry);
        connections.remove(entry.key);
        if (entry.state == State.ANSWERED) {
            ended.add(entry);
        }
    }

    /** The connections that have ended lately. */
    EndedConnections ended() {
        return ended;
    }

    int size() {
        return connections.size();
    }

    /** The buffers of incomplete heads. */
    GatheringHeads heads() {
        return heads;
    }

    /** The open guesses. */
    Guesses guesses() {
        return guesses;
    }

    /** Takes an entry that is about to leave the state GUESSED, or the table, off the open guesses. */
    private void settle(ConnectionEntry entry) {
        if (entry.state == State.GUESSED) {
            entry.state = State.MIGRATED;
            guesses.settled();
        }
    }

    /** Whether one more entry fits; one that was answered gives way, because nothing but courtesy keeps it. */
    boolean hasRoom() {
        while (connections.size() >= maxConnections && !answered.isEmpty()) {
            forgetAnswered(answered.remove());
        }
        return connections.size() < maxConnections;
    }

    /** Keeps an entry that the web switch has answered until its time is over. */
    void keepAnswered(ConnectionEntry entry) {
        answered.add(entry);
    }

    private void forgetAnswered(ConnectionEntry entry) {
        if (entry.state == State.ANSWERED && connections.get(entry.key) == entry) {
            remove(entry);
        }
    }

    @Nullable
    ConnectionEntry restore(RunningConfig config, long key, IpAddress client, int server, long tag, long nowNs) {
        if (!hasRoom()) {
            return null;
        }
        ConnectionEntry entry = new ConnectionEntry(key, client);
        entry.state = State.MIGRATED;
        entry.server = server;
        entry.tag = tag;
        entry.ingressDatapath = config.defaultIngress(server);
        entry.migratedAtNs = nowNs;
        entry.seenNs = nowNs;
        entry.vouched = true;
        connections.put(key, entry);
        config.load.opened(server);
        counters.increment(SwitchCounter.CONNECTIONS_RESTORED);
        return entry;
    }

    /** The number of connections that a server (its index in the configuration) has now. */
    int load(int server) {
        return running == null ? 0 : running.load.active(server);
    }

    /** The number of entries of a server, by walking the table: what {@link #load} must always equal. */
    int entriesOf(int server) {
        int found = 0;
        for (int i = connections.capacity() - 1; i >= 0; i--) {
            ConnectionEntry entry = connections.slot(i);
            found += entry != null && entry.server == server ? 1 : 0;
        }
        return found;
    }

    // ---- guesses -------------------------------------------------------------------------------------------------

    /** Puts an entry whose SYN goes to its server. */
    void guess(RunningConfig config, ConnectionEntry entry) {
        put(entry);
        config.load.opened(entry.server);
        guesses.opened(entry);
    }

    /** Takes a filter's word that the client of a guess has completed the handshake with its server. */
    void prove(RunningConfig config, ConnectionEntry entry, long tag) {
        if (entry.state != State.GUESSED) {
            return;
        }
        settle(entry);
        entry.tag = tag;
        returns.install(entry, true);
        RequestClassifier classifier = config.classifier(ConnectionKey.servicePort(entry.key));
        if (classifier != null && classifier.hasContentType(MigrationTag.contentType(tag))) {
            guesses.count(classifier, MigrationTag.contentType(tag));
        }
    }

    /** Gives a guess up; its server, if it may still answer, is told so. */
    void giveUp(RunningConfig config, ConnectionEntry entry, boolean silence) {
        config.load.closed(entry.server);
        removeFlow(entry);
        if (silence) {
            silence(config, entry, entry.server, entry.requestSeq, 0);
        }
        remove(entry);
    }

    private void expireGuesses(RunningConfig config, long nowNs) {
        ServerAvailability known = availability;
        while (known != null) {
            ConnectionEntry entry = guesses.overdue(this, known, nowNs);
            if (entry == null) {
                return;
            }
            counters.increment(SwitchCounter.GUESSES_EXPIRED);
            giveUp(config, entry, true);
        }
    }

    // ---- flows and silence ---------------------------------------------------------------------------------------

    void install(RunningConfig config, RequestClassifier classifier, ConnectionEntry entry) {
        if (classifier.service().requests() == RequestMode.SWITCH) {
            return;
        }
        if (entry.ingressDatapath == 0) {
            entry.ingressDatapath = config.defaultIngress(entry.server);
        }
        output.installConnection(entry.ingressDatapath, entry.key, entry.client, entry.server);
        entry.flowInstalled = true;
        counters.increment(SwitchCounter.FLOWS_INSTALLED);
    }

    void removeFlow(ConnectionEntry entry) {
        if (entry.flowInstalled) {
            output.removeConnection(entry.ingressDatapath, entry.key, entry.client);
            entry.flowInstalled = false;
            counters.increment(SwitchCounter.FLOWS_REMOVED);
        }
    }

    private void dropFlow(long datapath, long key, IpAddress client) {
        output.removeConnection(datapath, key, client);
        counters.increment(SwitchCounter.FLOWS_REMOVED);
    }

    void silence(RunningConfig config, ConnectionEntry entry, int server, int seq, int ack) {
        responder.silence(config.config, entry, config.server(server), seq, ack);
        counters.increment(SwitchCounter.SILENCES_SENT);
    }

    /** A second silence ends at once what the first one kept for a switch-back. */
    void endSilentServers(RunningConfig config, ConnectionEntry entry, int except, long nowNs) {
        for (int i = 0; i < entry.silentCount(); i++) {
            int silent = entry.silentServer(i, nowNs, SILENT_NS);
            if (silent != ConnectionEntry.NO_SERVER && silent != except) {
                silence(config, entry, silent, entry.requestSeq, entry.requestAck);
                entry.notSilent(silent);
            }
        }
    }

    // ---- switches ------------------------------------------------------------------------------------------------

    /** Takes notice that a switch has gone; its flows stay as they are. */
    void onDatapathGone(long datapath, long nowNs) {
        for (int i = connections.capacity() - 1; i >= 0; i--) {
            ConnectionEntry entry = connections.slot(i);
            if (entry != null && entry.ingressDatapath == datapath) {
                entry.flowInstalled = false;
                entry.seenNs = nowNs;
            }
        }
    }

    /** Takes notice that a connection's flow timed out; the entry stays, because its filter has not ended it. */
    void onFlowRemoved(long datapath, long connectionKey, long nowNs) {
        ConnectionEntry entry = connections.get(connectionKey);
        if (entry != null && entry.ingressDatapath == datapath) {
            entry.flowInstalled = false;
            entry.seenNs = nowNs;
        }
    }

    /** Takes notice of a connection flow found in a switch after (re)connecting to it. */
    void onFlowRead(long datapath, long connectionKey, IpAddress client, long serverMac, long nowNs) {
        RunningConfig config = running;
        if (config == null) {
            return;
        }
        ServerConfig server = serverByMac(config, serverMac);
        RequestClassifier classifier = config.classifier(ConnectionKey.servicePort(connectionKey));
        boolean wanted = classifier != null && classifier.service().requests() == RequestMode.GUARD;
        ConnectionEntry entry = connections.get(connectionKey);
        if (entry == null && wanted && server != null && !reported(server.index())) {
            entry = restoreFromFlow(config, connectionKey, client, server.index(), datapath, nowNs);
        }
        if (entry != null && !entry.client.equals(client)) {
            // Two clients with one key: the entry's own flow stays, and what this one sends is dropped.
            counters.increment(SwitchCounter.DROPPED_ALIAS_COLLISION);
            dropFlow(datapath, connectionKey, client);
            return;
        }
        if (entry == null || !wanted || entry.server == ConnectionEntry.NO_SERVER) {
            dropFlow(datapath, connectionKey, client);
            onFlowRemoved(datapath, connectionKey, nowNs);
            return;
        }
        boolean right = server != null && entry.server == server.index();
        if (entry.ingressDatapath != datapath && entry.ingressPort != SwitchOutput.PORT_NORMAL) {
            if (!right) {
                dropFlow(datapath, connectionKey, client);
            }
            return;
        }
        entry.ingressDatapath = datapath;
        entry.flowInstalled = true;
        if (!right && classifier != null) {
            install(config, classifier, entry);
        }
    }

    private static @Nullable ServerConfig serverByMac(RunningConfig config, long mac) {
        for (ServerConfig server : config.config.servers()) {
            if (server.mac() == mac) {
                return server;
            }
        }
        return null;
    }

    private boolean reported(int server) {
        return availability != null && availability.reported(server);
    }

    private @Nullable ConnectionEntry restoreFromFlow(
            RunningConfig config, long key, IpAddress client, int server, long datapath, long nowNs) {
        int none = TcpOptions.NO_WINDOW_SCALE;
        ConnectionEntry entry = restore(config, key, client, server, MigrationTag.of(0, none, none, false), nowNs);
        if (entry != null) {
            entry.ingressDatapath = datapath;
            entry.vouched = false;
            // Not young: the first report that does not name it ends it.
            entry.migratedAtNs = nowNs - YOUNG_NS - 1;
        }
        return entry;
    }

    // ---- filters -------------------------------------------------------------------------------------------------

    /**
     * Takes a filter's report.
     *
     * @return false when a full report is wanted: this filter process is new to us, and nothing of the report was
     *     taken, or its last full report came too early to judge some connections by, and this one was taken
     */
    boolean onFilterReport(FilterReport report, long nowNs) {
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
        for (int i = 0; i < report.liveCount() && !report.full(); i++) {
            // Before the ended ones: a short connection may be among both.
            onLiveConnection(config, report, i, server, nowNs);
        }
        for (int i = 0; i < report.endedCount(); i++) {
            onEnded(config, report, i, server, nowNs);
        }
        boolean again = known.recheckDue(server, nowNs);
        if (report.full()) {
            boolean young = onLive(config, report, server, nowNs);
            known.recheckAt(server, young && !again, nowNs + YOUNG_NS);
        }
        return report.full() || !again;
    }

    private void onEnded(RunningConfig config, FilterReport report, int i, int server, long nowNs) {
        ConnectionEntry entry = connections.get(report.endedKey(i));
        if (entry == null || !entry.client.equals(report.endedClient(i))) {
            return;
        }
        boolean same = !entry.offsetSeqKnown || entry.offsetSeq == report.endedSeq(i);
        if (entry.server == server && same) {
            prove(config, entry, entry.tag);
            end(config, entry, nowNs);
        }
    }

    /**
     * Takes a full report: what it does not name its filter has lost.
     *
     * @return whether it lacks connections whose request may have been on its way to the filter. A filter that was
     *     killed just after such a connection ended has not told of the end, and no other will.
     */
    private boolean onLive(RunningConfig config, FilterReport report, int server, long nowNs) {
        LongKeyedTable<IpAddress> live = new LongKeyedTable<>();
        for (int i = 0; i < report.liveCount(); i++) {
            live.put(report.liveKey(i), report.liveClient(i));
            onLiveConnection(config, report, i, server, nowNs);
        }
        boolean young = false;
        List<ConnectionEntry> gone = new ArrayList<>();
        for (int i = connections.capacity() - 1; i >= 0; i--) {
            ConnectionEntry entry = connections.slot(i);
            if (entry == null || entry.server != server || entry.client.equals(live.get(entry.key))) {
                continue;
            }
            if (nowNs - entry.migratedAtNs > YOUNG_NS) {
                gone.add(entry);
            } else {
                young = true;
            }
        }
        for (ConnectionEntry entry : gone) {
            lose(config, entry, nowNs);
        }
        return young;
    }

    private void onLiveConnection(RunningConfig config, FilterReport report, int i, int server, long nowNs) {
        ConnectionEntry entry = connections.get(report.liveKey(i));
        if (entry == null) {
            entry = restore(config, report.liveKey(i), report.liveClient(i), server, report.liveTag(i), nowNs);
            if (entry == null) {
                counters.increment(SwitchCounter.DROPPED_TABLE_FULL);
                return;
            }
        } else if (!entry.client.equals(report.liveClient(i))) {
            counters.increment(SwitchCounter.DROPPED_ALIAS_COLLISION);
            return;
        } else if (entry.state == State.GUESSED && entry.server == server) {
            prove(config, entry, report.liveTag(i));
        } else if (entry.state == State.MIGRATED && !entry.vouched) {
            adopt(config, entry, server, report.liveTag(i));
        }
        if (entry.server == server) {
            entry.seenNs = nowNs;
            if (entry.clientMac == 0) {
                entry.clientMac = report.liveClientMac(i);
            }
        }
    }

    /** Believes the filter that has a connection, whatever the flow that was found says. */
    void adopt(RunningConfig config, ConnectionEntry entry, int server, long tag) {
        boolean elsewhere = entry.server != server;
        if (elsewhere) {
            config.load.closed(entry.server);
            config.load.opened(server);
            entry.server = server;
        }
        entry.tag = tag;
        entry.vouched = true;
        RequestClassifier classifier = config.classifier(ConnectionKey.servicePort(entry.key));
        if (elsewhere && classifier != null) {
            install(config, classifier, entry);
        }
    }

    // ---- ends ----------------------------------------------------------------------------------------------------

    private void end(RunningConfig config, ConnectionEntry entry, long nowNs) {
        config.load.closed(entry.server);
        forget(config, entry, nowNs);
    }

    private void forget(RunningConfig config, ConnectionEntry entry, long nowNs) {
        settle(entry);
        removeFlow(entry);
        endSilentServers(config, entry, entry.server, nowNs);
        heads.release(entry);
        connections.remove(entry.key);
        ended.add(entry);
        counters.increment(SwitchCounter.CONNECTIONS_ENDED);
    }

    /** A filter does not know a connection that it should: it was restarted, unless the request is still on its way. */
    void unknownToItsFilter(RunningConfig config, ConnectionEntry entry, long nowNs) {
        if (nowNs - entry.migratedAtNs > YOUNG_NS) {
            lose(config, entry, nowNs);
        } else {
            counters.increment(SwitchCounter.DROPPED_STALE);
        }
    }

    /**
     * Ends a connection that its filter no longer knows, because it was restarted. Nobody knows the client's numbers any
     * more, and without an end it would wait for ever. So it is asked: every TCP answers a segment from before its
     * window with an ACK (RFC 9293 section 3.10.7.4), and that has the number an RST needs.
     */
    private void lose(RunningConfig config, ConnectionEntry entry, long nowNs) {
        if (entry.state != State.MIGRATED || !entry.offsetSeqKnown || entry.clientMac == 0) {
            end(config, entry, nowNs);
            return;
        }
        config.load.closed(entry.server);
        removeFlow(entry);
        endSilentServers(config, entry, entry.server, nowNs);
        heads.release(entry);
        counters.increment(SwitchCounter.CONNECTIONS_ENDED);
        counters.increment(SwitchCounter.CONNECTIONS_LOST);
        entry.server = ConnectionEntry.NO_SERVER;
        entry.state = State.ANSWERED;
        entry.answerStatus = OwnAnswers.RESET;
        entry.answeredUntilNs = nowNs + LOST_NS;
        lost.add(entry);
        ask(config, entry, nowNs);
    }

    private void ask(RunningConfig config, ConnectionEntry entry, long nowNs) {
        entry.resendAtNs = nowNs + ASK_NS;
        responder.acknowledge(config.config, entry, entry.requestAck - 1, entry.requestSeq, 0);
    }

    /** Asks again every second: the answer may have followed a flow that was not gone yet. */
    private void askLost(RunningConfig config, long nowNs) {
        for (ConnectionEntry entry = lost.peek(); entry != null && nowNs - entry.resendAtNs >= 0; entry = lost.peek()) {
            lost.remove();
            boolean current = entry.state == State.ANSWERED && connections.get(entry.key) == entry;
            if (current && nowNs - entry.answeredUntilNs >= 0) {
                connections.remove(entry.key);
            } else if (current) {
                ask(config, entry, nowNs);
                lost.add(entry);
            }
        }
    }

    /** Lets time pass: answered entries go, and so do those that no filter will ever end. */
    void onTick(RunningConfig config, long nowNs) {
        ended.onTick(nowNs);
        askLost(config, nowNs);
        expireGuesses(config, nowNs);
        for (ConnectionEntry entry = answered.peek();
                entry != null && nowNs - entry.answeredUntilNs >= 0;
                entry = answered.peek()) {
            forgetAnswered(answered.remove());
        }
        sweep(config, nowNs);
    }

    /**
     * Ends connections that no filter will ever end: an entry outlives its flow, but not a filter that has vanished or
     * forgotten it. A piece of the table at each tick.
     */
    private void sweep(RunningConfig config, long nowNs) {
        for (int i = Math.min(SWEPT_SLOTS, connections.capacity()); i > 0; i--) {
            sweepSlot = (sweepSlot <= 0 ? connections.capacity() : sweepSlot) - 1;
            ConnectionEntry entry = connections.slot(sweepSlot);
            if (entry != null && entry.server != ConnectionEntry.NO_SERVER && !entry.flowInstalled) {
                boolean reachable = availability != null && availability.reachable(entry.server, nowNs);
                if (nowNs - entry.seenNs >= (reachable ? FORGOTTEN_NS : VANISHED_NS)) {
                    counters.increment(SwitchCounter.CONNECTIONS_EXPIRED);
                    end(config, entry, nowNs);
                }
            }
        }
    }
}
