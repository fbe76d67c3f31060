package org.dwsr.filter;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dwsr.config.DwsrConfig;
import org.dwsr.config.ServerConfig;
import org.dwsr.filter.FilterConnection.State;
import org.dwsr.http.RequestHead;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.FrameFlyweight;
import org.dwsr.packet.IcmpError;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.MssClass;
import org.dwsr.packet.TcpFlags;
import org.dwsr.packet.TcpOptions;
import org.dwsr.packet.TcpSeq;
import org.dwsr.stream.ReassemblyBuffer;
import org.dwsr.switching.CounterSink;
import org.dwsr.switching.RequestClassifier;
import org.dwsr.table.LongKeyedTable;
import org.jspecify.annotations.Nullable;

/**
 * The host filter of one server (paper figure 10, right): frames and time in, frames out.
 *
 * <p>It replays the handshake with the server's own TCP from one tagged request (paper figure 2, steps 6 to 9),
 * masquerades sequence numbers both ways (step 10), keeps a server silent that may get its connection back (figure 6),
 * renames session cookies (figure 7), and guards later requests.
 *
 * <pre>
 *            | tagged request               | client segment          | RST tagged silence | server's segment
 *  ----------+------------------------------+-------------------------+--------------------+-----------------
 *  unknown   | REBUILDING; SYN: GUESSED     | payload: wait 5 ms,     | -                  | drop, reset it
 *            |                              | bounce; else drop       |                    |
 *  GUESSED   | REBUILDING; SYN: pass        | right ack: ACTIVE; same | end                | SYN-ACK: pass
 *            |                              | SYN: pass; RST: pass,   |                    | RST, none in 300 ms:
 *            |                              | end; payload: bounce    |                    | bounce as refused
 *  REBUILDING| new fresh: anew; else gather | gather; RST: ENDED      | end                | SYN-ACK: ACTIVE
 *            |                              |                         |                    | RST: bounce as refused
 *            |                              |                         |                    | else: clear old socket
 *  ACTIVE    | new fresh: anew; else as     | guard: pass, hold or    | SILENT             | masquerade, rename
 *            | client segment               | bounce (BOUNCED)        |                    | last FIN, RST: ENDED
 *  BOUNCED   | ACTIVE (reuse) or REBUILDING | request, ACK, FIN:      | SILENT             | swallow; FIN: reset it
 *            |                              | bounce tagged; payload  |                    |
 *            |                              | behind: wait, bounce    |                    |
 *  SILENT    | ACTIVE (reuse) or REBUILDING | payload: wait 5 ms,     | end                | swallow; FIN: end
 *            |                              | bounce; ACK: absorb;    |                    |
 *            |                              | RST: bounce             |                    |
 *  ENDED     | fresh known: drop; else      | pass; after RST: drop,  | end                | pass; after RST: reset
 *            | REBUILDING                   | RST: bounce             |                    |
 * </pre>
 *
 * <p>In every state an untagged SYN is bounced and changes nothing but what is remembered of it.
 */
public final class FilterCore implements PacketCore {
    private static final long NANOS_PER_MS = 1_000_000L;
    private static final long SYN_RETRY_NS = 200 * NANOS_PER_MS;
    private static final long REBUILD_LIMIT_NS = 1_000 * NANOS_PER_MS;
    /** A client repeats its SYN after a second; before that another server should have answered. */
    private static final long SYN_ACK_LIMIT_NS = 300 * NANOS_PER_MS;
    /** Longer than the web switch waits for a guess to be proved. */
    private static final long GUESS_LIMIT_NS = 15_000 * NANOS_PER_MS;
    /** In place of a content type while no request has been read; no configured one has this number. */
    private static final int NO_CONTENT_TYPE = 0xffff;

    private static final long SILENT_NS = 15_000 * NANOS_PER_MS;
    private static final long BOUNCED_LIMIT_NS = 120_000 * NANOS_PER_MS;
    private static final long LINGER_NS = 2_000 * NANOS_PER_MS;
    private static final long IDLE_NS = 7_200_000 * NANOS_PER_MS;
    private static final long CLOSED_IDLE_NS = 120_000 * NANOS_PER_MS;
    /** A TCP with something unacknowledged repeats it at least every 120 s (Linux: TCP_RTO_MAX). */
    private static final long UNACKNOWLEDGED_IDLE_NS = 150_000 * NANOS_PER_MS;

    private static final long PARTIAL_HEAD_NS = 40 * NANOS_PER_MS;
    private static final long CONFIRM_NS = 200 * NANOS_PER_MS;
    private static final int MAX_RESENDS = 25;
    private static final long SWEEP_NS = 250 * NANOS_PER_MS;
    private static final int HELD_BYTES = RequestHead.MAX_HEAD_BYTES + 4096;
    private static final int HELD_RESPONSE_BYTES = 1 << 17;
    /** How long a server's TCP may repeat an incomplete head in vain. */
    private static final long HELD_RESPONSE_NS = 1_000 * NANOS_PER_MS;
    /** RFC 6928: what a TCP sends at least before it needs an acknowledgment. */
    private static final int INITIAL_WINDOW_SEGMENTS = 10;

    private static final int FAR = 1 << 20;
    private static final int NEW_ISN_RANGE = 1 << 16;
    private static final int MAX_HANDSHAKE_TRIES = 8;
    private static final int MAX_CONNECTIONS = 1 << 19;
    /** Requests that may wait at once, 20 KB each. */
    private static final int MAX_HELD = 4096;
    /** Response heads that may come in pieces at once, 128 KB each. */
    private static final int MAX_HELD_RESPONSES = 256;

    private static final int MAX_UNREPORTED = 1 << 16;
    private static final int POOLED_BUFFERS = 256;

    private final String serverName;
    private final int maxConnections;
    private final int maxHeld;
    private final int maxHeldResponses;
    private final SegmentSender sender;
    private final FilterCounters counters = new FilterCounters();
    private final LongKeyedTable<FilterConnection> connections = new LongKeyedTable<>();
    private final List<FilterConnection> armed = new ArrayList<>();
    private final EarlySegments early = new EarlySegments();
    private int heldRequests;
    private int heldResponses;
    private final ArrayDeque<ReassemblyBuffer> freeBuffers = new ArrayDeque<>();
    private final FrameFlyweight frame = new FrameFlyweight();
    private final TcpOptions options = new TcpOptions();
    private final IcmpError icmpError = new IcmpError();
    private final ExchangePool exchanges = new ExchangePool();
    private final RequestGuard guard = new RequestGuard(counters, exchanges);
    private final ResponseReader responses = new ResponseReader(counters, exchanges);
    private final EarlySegments.Receiver bounceEarly = this::bounceEarly;
    /** Whether the client segment at hand tells the server's TCP more than its payload: an acknowledgment, a window. */
    private boolean clientNews;

    private long[] provedKeys = new long[64];
    private int proved;
    private long[] endedKeys = new long[64];
    private int[] endedSeqs = new int[64];
    /** Two halves of each client's address. */
    private long[] endedClients = new long[128];

    private int ended;
    private long sweptNs;
    private @Nullable FilterSettings settings;

    /** A filter for the server of that configured name; without configuration it passes only what is not TCP. */
    public FilterCore(String serverName, FilterOutput output) {
        this(serverName, output, MAX_CONNECTIONS, MAX_HELD, MAX_HELD_RESPONSES);
    }

    /** The same with other limits, for tests. */
    FilterCore(String serverName, FilterOutput output, int maxConnections, int maxHeld, int maxHeldResponses) {
        this.serverName = serverName;
        this.maxConnections = maxConnections;
        this.maxHeld = maxHeld;
        this.maxHeldResponses = maxHeldResponses;
        sender = new SegmentSender(output);
    }

    @Override
    public void configure(DwsrConfig config, long nowNs) {
        ServerConfig server = config.server(serverName);
        if (server != null) {
            settings = new FilterSettings(config, server);
            frame.vip(config.vip(), config.vip6());
        }
    }

    // ---- from the network --------------------------------------------------------------------------------------

    @Override
    public int onNetworkFrame(ByteBuffer buf, int offset, int length, boolean partialChecksum, long nowNs) {
        FrameFlyweight.Kind kind = frame.wrap(buf, offset, length, partialChecksum);
        FilterSettings known = settings;
        if (kind == FrameFlyweight.Kind.FRAGMENT && known != null && frame.ipDestination() == known.config.vip()) {
            // Its numbers cannot be masqueraded, so the server must not see it.
            return drop(FilterCounter.DROPPED_FRAGMENT);
        }
        if (kind != FrameFlyweight.Kind.TCP && known != null && icmpError.wrap(frame)) {
            return onIcmpError(known);
        }
        if (kind == FrameFlyweight.Kind.IPV6_REFUSED && known != null && frame.ipDestination() == known.config.vip()) {
            return drop(FilterCounter.DROPPED_IPV6_HEADERS);
        }
        if (kind != FrameFlyweight.Kind.TCP) {
            return FORWARD;
        }
        if (known == null) {
            counters.increment(FilterCounter.DROPPED_UNCONFIGURED);
            return DROP;
        }
        RequestClassifier classifier =
                frame.ipDestination() == known.config.vip() ? known.classifier(frame.destinationPort()) : null;
        boolean tagged = MigrationTag.isTag(frame.ethSource());
        if (classifier == null) {
            return tagged ? drop(FilterCounter.DROPPED_FORGED_TAG) : FORWARD;
        }
        if (frame.hasReservedSource()) {
            return drop(FilterCounter.DROPPED_RESERVED_SOURCE);
        }
        long key = ConnectionKey.of(frame.ipSource(), frame.sourcePort(), frame.destinationPort());
        FilterConnection c = connections.get(key);
        if (c != null && !frame.isFrom(c.clientHigh, c.clientLow)) {
            return drop(FilterCounter.DROPPED_ALIAS_COLLISION);
        }
        if (tagged) {
            return onTagged(known, classifier, key, c, nowNs);
        }
        if (frame.hasFlag(TcpFlags.SYN)) {
            boolean again = c != null && c.state == State.GUESSED && c.requestSeq == frame.seq() + 1;
            return again ? passSyn() : bounceSyn(known, c);
        }
        if (c == null || isOfBouncedSyn(c)) {
            return onUnknown(known, key, c, nowNs);
        }
        noteClientMac(known, c);
        int verdict = onClientSegment(known, classifier, c, nowNs);
        confirm(known, c);
        return verdict;
    }

    /** What the web switch forwards may bear its own MAC. */
    private void noteClientMac(FilterSettings known, FilterConnection c) {
        long source = frame.ethSource();
        if (source != known.config.vmac()) {
            c.clientMac = source;
        }
    }

    /**
     * A router's message about a segment of the server's (RFC 1191, RFC 8201): in the server's own numbers it goes on, if the
     * quoted byte is on its way to the client (RFC 5927 section 4.1); anybody can send one about any other.
     */
    private int onIcmpError(FilterSettings known) {
        if (icmpError.quotedSource() != known.config.vip() || known.classifier(icmpError.quotedSourcePort()) == null) {
            return FORWARD;
        }
        FilterConnection c = connections.get(ConnectionKey.of(
                icmpError.quotedDestination(), icmpError.quotedDestinationPort(), icmpError.quotedSourcePort()));
        boolean theirs = c != null && icmpError.isQuotedTo(c.clientHigh, c.clientLow);
        if (c == null || !theirs || c.state != State.ACTIVE || !c.isOnItsWay(icmpError.quotedSeq())) {
            return drop(FilterCounter.DROPPED_ICMP_ERROR);
        }
        icmpError.moveQuoted(c.ackOffset, c.inOffset);
        counters.increment(FilterCounter.ICMP_ERRORS_PASSED);
        return FORWARD;
    }

    private int drop(FilterCounter reason) {
        counters.increment(reason);
        return DROP;
    }

    /** Every SYN is the web switch's to answer; whatever connection there was keeps its state. */
    private int bounceSyn(FilterSettings known, @Nullable FilterConnection c) {
        if (c != null) {
            c.synBounced = true;
            c.bouncedIsn = frame.seq();
        }
        counters.increment(FilterCounter.SYNS_BOUNCED);
        frame.ethDestination(known.config.vmac());
        return RETURN;
    }

    /** Tells whether a segment belongs to the connection whose SYN was bounced, not to the one we know. */
    private boolean isOfBouncedSyn(FilterConnection c) {
        return c.synBounced
                && c.bouncedIsn + 1 != c.requestSeq
                // A keep-alive probe bears the SYN's own number.
                && Integer.compareUnsigned(TcpSeq.distance(c.bouncedIsn, frame.seq()), NEW_ISN_RANGE) < 0
                && !(TcpSeq.isBeforeOrAt(c.requestSeq, frame.seq()) && TcpSeq.isBeforeOrAt(frame.seq(), c.clientNext));
    }

    private int onUnknown(FilterSettings known, long key, @Nullable FilterConnection c, long nowNs) {
        // A client that closes a connection that was lost with an earlier filter would repeat its FIN in vain.
        boolean lostEnd = c == null && frame.hasFlag(TcpFlags.FIN);
        if (frame.payloadLength() == 0 && !lostEnd) {
            return drop(FilterCounter.DROPPED_UNKNOWN_ACK);
        }
        if (frame.payloadLength() == 0 || c != null && frame.seq() == c.bouncedIsn + 1) {
            counters.increment(FilterCounter.UNKNOWN_BOUNCED);
            frame.ethDestination(known.config.vmac());
            return RETURN;
        }
        return waitForTag(key, nowNs);
    }

    /** The request's tagged first segment comes from the web switch, and may come after its second. */
    private int waitForTag(long key, long nowNs) {
        frame.completeTcpChecksum();
        boolean taken = early.offer(key, frame.buffer(), frame.offset(), frame.frameLength(), nowNs);
        return taken ? DROP : drop(FilterCounter.DROPPED_EARLY_FULL);
    }

    private void bounceEarly(ByteBuffer buf, int offset, int length) {
        FilterSettings known = settings;
        if (known != null && frame.wrap(buf, offset, length, false) == FrameFlyweight.Kind.TCP) {
            counters.increment(FilterCounter.UNKNOWN_BOUNCED);
            frame.ethDestination(known.config.vmac());
            sender.output().toNetwork(buf, offset, length);
        }
    }

    // ---- tagged packets ----------------------------------------------------------------------------------------

    private int onTagged(
            FilterSettings known, RequestClassifier classifier, long key, @Nullable FilterConnection c, long nowNs) {
        long tag = frame.ethSource();
        frame.ethSource(known.config.vmac());
        int kind = MigrationTag.kind(tag);
        switch (kind) {
            case MigrationTag.SILENCE:
                return c != null && frame.hasFlag(TcpFlags.RST)
                        ? onSilence(known, c, nowNs)
                        : drop(FilterCounter.DROPPED_STALE_TAG);
            case MigrationTag.CONFIRM:
                if (c != null && c.awaitsConfirm) {
                    c.awaitsConfirm = false;
                    releaseHeld(c);
                }
                return DROP;
            case MigrationTag.GUESS:
                return frame.hasFlag(TcpFlags.SYN)
                        ? onGuess(known, key, c, tag, nowNs)
                        : drop(FilterCounter.DROPPED_FORGED_TAG);
            case MigrationTag.FRESH:
            case MigrationTag.MOVED:
            case MigrationTag.HELD:
                return frame.payloadLength() > 0
                        ? onTaggedRequest(known, classifier, key, c, tag, kind, nowNs)
                        : drop(FilterCounter.DROPPED_STALE_TAG);
            default:
                return drop(FilterCounter.DROPPED_FORGED_TAG);
        }
    }

    // ---- a guessed server's own handshake ------------------------------------------------------------------------

    /** Paper figures 3 and 4: the server's own TCP answers the client's own SYN. */
    private int onGuess(FilterSettings known, long key, @Nullable FilterConnection c, long tag, long nowNs) {
        if (c != null && c.requestSeq == frame.seq() + 1 && (c.state == State.GUESSED || c.guessed)) {
            return c.state == State.GUESSED ? passSyn() : drop(FilterCounter.DROPPED_STALE_TAG);
        }
        boolean busy =
                c != null && (c.state == State.ACTIVE || c.state == State.BOUNCED || c.state == State.REBUILDING);
        if (busy || connections.size() >= MAX_CONNECTIONS) {
            // Only a request that proves its handshake may end what there is.
            counters.increment(FilterCounter.GUESSES_REFUSED);
            frame.ethDestination(known.config.vmac());
            frame.ethSource(MigrationTag.with(tag, 0, MigrationTag.REFUSED));
            return RETURN;
        }
        if (c != null) {
            if (c.state != State.ENDED) {
                endKernel(known, c);
            }
            forget(c);
        }
        counters.increment(FilterCounter.GUESSES_TAKEN);
        FilterConnection created = new FilterConnection(key, frame.sourceHigh(), frame.sourceLow());
        created.state = State.GUESSED;
        created.guessed = true;
        created.tag = MigrationTag.with(tag, NO_CONTENT_TYPE, MigrationTag.FRESH);
        created.requestSeq = frame.seq() + 1;
        created.accepted = created.requestSeq;
        created.clientNext = created.requestSeq;
        created.kernelAck = created.requestSeq;
        created.clientWindow = frame.window();
        int at = MigrationTag.timestamps(tag) ? TimestampMasquerade.at(frame, options) : 0;
        if (at != 0) {
            TimestampMasquerade timestamps = new TimestampMasquerade();
            timestamps.request(frame.buffer(), at, frame.seq() + 1);
            created.timestamps = timestamps;
        }
        created.freshKnown = true;
        created.freshSeq = created.requestSeq;
        created.untilNs = nowNs + SYN_ACK_LIMIT_NS;
        created.seenNs = nowNs;
        connections.put(key, created);
        arm(created);
        return passSyn();
    }

    private int passSyn() {
        GuessedSyn.clean(frame);
        return FORWARD;
    }

    private int onGuessedHostFrame(FilterSettings known, FilterConnection c, long nowNs) {
        boolean ours = frame.ack() == c.requestSeq;
        if (frame.hasFlag(TcpFlags.SYN)) {
            return ours ? onGuessedSynAck(c, nowNs) : DROP;
        }
        if (frame.hasFlag(TcpFlags.RST)) {
            if (c.synAcked) {
                // Whether there is a client to be spared is not proved yet.
                c.kernelGone = true;
            } else if (ours) {
                refuseGuess(known, c);
            }
        } else if (!c.synAcked) {
            // An old socket or TIME_WAIT. The web switch's own handshake comes with a rebuild, which clears it.
            counters.increment(FilterCounter.OLD_SOCKETS_CLEARED);
            sender.control(known, c, frame.ack(), 0, TcpFlags.RST);
            refuseGuess(known, c);
        }
        return DROP;
    }

    /** Straight to the client, with the server's own number and options; the tag says them to whoever is next. */
    private int onGuessedSynAck(FilterConnection c, long nowNs) {
        if (c.synAcked && frame.seq() + 1 == c.kernelNext) {
            return FORWARD;
        }
        options.parse(frame.buffer(), frame.optionsOffset(), frame.optionsLength());
        if (!c.synAcked) {
            c.synAcked = true;
            c.untilNs = nowNs + GUESS_LIMIT_NS;
        }
        c.kernelScale = (byte) options.windowScale();
        TimestampMasquerade timestamps = c.timestamps;
        int at = options.timestampsOffset();
        if (timestamps != null && at != 0) {
            timestamps.start(frame.buffer().getInt(at));
        } else {
            timestamps = null;
            c.timestamps = null;
        }
        boolean ecn = MigrationTag.ecn(c.tag) && frame.hasFlag(TcpFlags.ECE) && !frame.hasFlag(TcpFlags.CWR);
        long agreed = MigrationTag.of(
                MigrationTag.mssClass(c.tag),
                MigrationTag.clientScale(c.tag),
                options.windowScale(),
                MigrationTag.sack(c.tag) && options.sackPermitted());
        c.tag = MigrationTag.with(
                MigrationTag.with(agreed, timestamps != null, ecn), NO_CONTENT_TYPE, MigrationTag.FRESH);
        c.clientMac = frame.ethDestination();
        c.kernelNext = frame.seq() + 1;
        c.clientAck = c.kernelNext;
        c.responseNext = c.kernelNext;
        c.kernelWindow = promisedWindowOfSyn(c, frame.window());
        return FORWARD;
    }

    /** Only who has seen the server's SYN-ACK acknowledges it; whatever else comes is not for the server's TCP. */
    private int onGuessedSegment(FilterSettings known, RequestClassifier classifier, FilterConnection c, long nowNs) {
        int from = TcpSeq.distance(c.requestSeq, frame.seq());
        if (frame.hasFlag(TcpFlags.RST)) {
            if (from != 0) {
                return drop(FilterCounter.DROPPED_UNPROVED);
            }
            forget(c);
            return FORWARD;
        }
        boolean proves = c.synAcked && frame.hasFlag(TcpFlags.ACK) && frame.ack() == c.kernelNext && from >= 0;
        if (proves && c.isWithinWindow(frame.seq() + frame.seqLength())) {
            c.state = State.ACTIVE;
            noteProved(c);
            if (c.kernelGone) {
                loseUnused(c, nowNs);
                return onSegmentAfterBounce(known, c, nowNs);
            }
            return onActiveSegment(known, classifier, c, nowNs);
        }
        counters.increment(FilterCounter.DROPPED_UNPROVED);
        if (frame.payloadLength() == 0) {
            return DROP;
        }
        // It may prove a handshake with the web switch, which had answered the same SYN before.
        frame.ethDestination(known.config.vmac());
        return RETURN;
    }

    private void noteProved(FilterConnection c) {
        if (proved == MAX_UNREPORTED) {
            return;
        }
        if (proved == provedKeys.length) {
            provedKeys = Arrays.copyOf(provedKeys, proved * 2);
        }
        provedKeys[proved++] = c.key;
    }

    /** The guessed server does not answer: the web switch does. */
    private void refuseGuess(FilterSettings known, FilterConnection c) {
        counters.increment(FilterCounter.GUESSES_REFUSED);
        sender.refusedSyn(known, c);
        forget(c);
    }

    /** The server has given the connection up before it got a request: the client need not notice, others can serve it. */
    private void loseUnused(FilterConnection c, long nowNs) {
        counters.increment(FilterCounter.GUESSES_REFUSED);
        c.kernelGone = true;
        bouncedFrom(c, nowNs);
    }

    private int onTaggedRequest(
            FilterSettings known,
            RequestClassifier classifier,
            long key,
            @Nullable FilterConnection c,
            long tag,
            int kind,
            long nowNs) {
        if (heldRequests >= maxHeld && (c == null || c.held == null)) {
            return drop(FilterCounter.DROPPED_BUFFERS_FULL);
        }
        if (c == null) {
            if (connections.size() >= maxConnections) {
                return drop(FilterCounter.DROPPED_TABLE_FULL);
            }
            FilterConnection created = new FilterConnection(key, frame.sourceHigh(), frame.sourceLow());
            connections.put(key, created);
            return rebuild(known, created, tag, nowNs);
        }
        boolean duplicate = c.freshKnown && c.freshSeq == frame.seq();
        if (kind == MigrationTag.FRESH && !duplicate || c.state == State.GUESSED || isOfOtherConnection(c)) {
            return replace(known, c, tag, nowNs);
        }
        if (c.state == State.REBUILDING || c.state == State.ACTIVE) {
            c.owesConfirm |= kind == MigrationTag.HELD;
            int verdict = onClientSegment(known, classifier, c, nowNs);
            confirm(known, c);
            return verdict;
        }
        boolean stale = TcpSeq.isBefore(frame.seq(), c.accepted) || kind == MigrationTag.FRESH;
        if (stale) {
            return drop(FilterCounter.DROPPED_STALE_TAG);
        }
        if (c.state != State.ENDED && c.reusable()) {
            return switchBack(known, classifier, c, tag, nowNs);
        }
        return replace(known, c, tag, nowNs);
    }

    /**
     * Tells whether a tagged request is the first one of another connection on these ports although its tag does not
     * say fresh, because the web switch had to acknowledge its head in parts (held), or another server refused it
     * (moved). Requests of one connection lie close to each other in at least one direction: who uploads much between
     * two requests gets little, and a new connection has other numbers in both.
     */
    private boolean isOfOtherConnection(FilterConnection c) {
        if (c.synBounced && frame.seq() == c.bouncedIsn + 1 && frame.seq() != c.requestSeq) {
            return true;
        }
        // A silent server's connection may have gone far on with other servers, but not back.
        return (c.state != State.SILENT || TcpSeq.isBefore(frame.seq(), c.requestSeq))
                && isFar(frame.seq(), c.clientNext)
                && isFar(frame.seq(), c.requestSeq)
                && isFar(frame.ack(), c.clientAck);
    }

    private static boolean isFar(int a, int b) {
        return Math.abs((long) TcpSeq.distance(a, b)) > FAR;
    }

    /** A new connection on the ports of an old one, or an old one whose TCP cannot be used again. */
    private int replace(FilterSettings known, FilterConnection c, long tag, long nowNs) {
        boolean kernelLives = c.state != State.ENDED && c.state != State.REBUILDING && !c.kernelGone;
        if (c.state == State.GUESSED) {
            endKernel(known, c);
        } else if (kernelLives) {
            sender.control(known, c, c.kernelAck, c.kernelNext, TcpFlags.RST | TcpFlags.ACK);
        }
        releaseHeld(c);
        releaseHeldResponse(c);
        FilterConnection created = new FilterConnection(c.key, c.clientHigh, c.clientLow);
        created.clientMac = c.clientMac;
        connections.put(c.key, created);
        return rebuild(known, created, tag, nowNs);
    }

    /** Paper figure 2, step 6: the request carries all the state the server's TCP needs. */
    private int rebuild(FilterSettings known, FilterConnection c, long tag, long nowNs) {
        counters.increment(FilterCounter.REBUILDS_STARTED);
        c.state = State.REBUILDING;
        c.kernelAck = frame.seq();
        takeTag(c, tag);
        if (MigrationTag.kind(tag) == MigrationTag.FRESH) {
            c.freshKnown = true;
            c.freshSeq = frame.seq();
        }
        c.untilNs = nowNs + REBUILD_LIMIT_NS;
        c.resendAtNs = nowNs + SYN_RETRY_NS;
        c.seenNs = nowNs;
        ReassemblyBuffer held = hold(c, frame.seq(), nowNs);
        insertFrame(c, held);
        gatherEarly(known, c, held);
        arm(c);
        sender.syn(known, c);
        return DROP;
    }

    /** Takes what had to wait for the tag; afterwards {@link #frame} is no longer the packet that came. */
    private void gatherEarly(FilterSettings known, FilterConnection c, ReassemblyBuffer held) {
        early.release(c.key, (buf, offset, length) -> {
            if (frame.wrap(buf, offset, length, false) != FrameFlyweight.Kind.TCP) {
                return;
            }
            if (!frame.isFrom(c.clientHigh, c.clientLow)) {
                counters.increment(FilterCounter.DROPPED_ALIAS_COLLISION);
            } else {
                noteClientMac(known, c);
                noteClient(c);
                insertFrame(c, held);
            }
        });
    }

    private void takeTag(FilterConnection c, long tag) {
        int at = MigrationTag.timestamps(tag) ? TimestampMasquerade.at(frame, options) : 0;
        if (at != 0) {
            TimestampMasquerade known = c.timestamps;
            if (known == null && c.state == State.REBUILDING) {
                known = new TimestampMasquerade();
                c.timestamps = known;
            }
            if (known != null) {
                known.request(frame.buffer(), at, frame.seq() + frame.seqLength());
            }
        }
        c.tag = tag;
        c.guessed = false;
        c.requestSeq = frame.seq();
        c.accepted = frame.seq();
        c.acceptedMore = 0;
        c.inChunked = false;
        c.clientNext = frame.seq() + frame.seqLength();
        c.clientAck = frame.ack();
        c.clientWindow = frame.window();
        c.responseNext = frame.ack();
        c.responseMore = 0;
        c.inResponseBody = false;
        c.tagAccepted = true;
        c.tagContentType = MigrationTag.contentType(tag);
        c.owesConfirm = MigrationTag.kind(tag) == MigrationTag.HELD;
        c.wantsMove = false;
        c.heldAcknowledged = false;
        c.synBounced = false;
        c.forgetRequestPatches(c.accepted);
        c.forgetResponsePatches(c.responseNext);
    }

    /** Paper figure 6, step 36: the same TCP goes on, with new offsets in both directions. */
    private int switchBack(
            FilterSettings known, RequestClassifier classifier, FilterConnection c, long tag, long nowNs) {
        counters.increment(FilterCounter.SWITCH_BACKS);
        ReassemblyBuffer before = c.held;
        if (before != null && (!c.awaitsConfirm || before.base() != frame.seq())) {
            // Not the request that is coming back: a later one, so whoever got that one has it.
            releaseHeld(c);
        }
        c.awaitsConfirm = false;
        takeTag(c, tag);
        c.inOffset = c.kernelAck - frame.seq();
        c.ackOffset = c.kernelNext - frame.ack();
        TimestampMasquerade timestamps = c.timestamps;
        if (timestamps != null) {
            timestamps.switchBack();
        }
        c.state = State.ACTIVE;
        c.seenNs = nowNs;
        int verdict = DROP;
        if (early.holds(c.key)) {
            ReassemblyBuffer held = c.held != null ? c.held : hold(c, frame.seq(), nowNs);
            insertFrame(c, held);
            gatherEarly(known, c, held);
            release(known, classifier, c, nowNs);
        } else {
            verdict = onClientSegment(known, classifier, c, nowNs);
        }
        confirm(known, c);
        return verdict;
    }

    /**
     * Tells the holder of acknowledged bytes that they are here, once they all are: only a head is ever acknowledged
     * before its time, and it is whole when the guard has accepted it.
     */
    private void confirm(FilterSettings known, FilterConnection c) {
        if (!c.owesConfirm || c.state == State.REBUILDING || c.accepted == c.requestSeq) {
            return;
        }
        c.owesConfirm = false;
        counters.increment(FilterCounter.CONFIRMS_SENT);
        sender.bounce(known, c, MigrationTag.CONFIRM, c.requestSeq, c.clientAck, frame.buffer(), 0, 0, false);
    }

    /** Paper section III-A: the first silence begins the silent mode, the second ends the connection at once. */
    private int onSilence(FilterSettings known, FilterConnection c, long nowNs) {
        if (c.state != State.ENDED && TcpSeq.isBefore(frame.seq(), c.requestSeq)) {
            // Overtaken by a later request, which has come back to this server: its response must not be swallowed.
            return drop(FilterCounter.DROPPED_STALE_TAG);
        }
        counters.increment(FilterCounter.SILENCES);
        if (c.unused() && (c.state == State.ACTIVE || c.state == State.BOUNCED)) {
            // Guessed wrong (paper figure 4): nothing to switch back to.
            early.release(c.key, bounceEarly);
            endKernel(known, c);
            becomeSilent(c, nowNs);
            return DROP;
        }
        switch (c.state) {
            case ACTIVE:
                quiet(known, c);
                becomeSilent(c, nowNs);
                break;
            case BOUNCED:
                // What waited behind the bounced request is now known to belong to another server.
                early.release(c.key, bounceEarly);
                becomeSilent(c, nowNs);
                break;
            case SILENT:
                counters.increment(FilterCounter.SILENT_ENDED_BY_SILENCE);
                endKernel(known, c);
                // The connection is over: what is still held must not be sent any more.
                c.awaitsConfirm = false;
                releaseHeld(c);
                linger(c, nowNs);
                break;
            case GUESSED:
            case REBUILDING:
                endKernel(known, c);
                forget(c);
                break;
            case ENDED:
                forget(c);
                break;
        }
        return DROP;
    }

    private void becomeSilent(FilterConnection c, long nowNs) {
        c.state = State.SILENT;
        c.untilNs = nowNs + SILENT_NS;
        if (c.kernelGone) {
            linger(c, nowNs);
        }
    }

    /** A silent connection whose TCP is gone stays known for a moment: a duplicate of its request must not run again. */
    private static void linger(FilterConnection c, long nowNs) {
        if (!c.awaitsConfirm) {
            c.untilNs = nowNs + LINGER_NS;
        }
    }

    /** Gives the server's TCP the last acknowledgment it is owed, so that it has nothing to repeat while silent. */
    private void quiet(FilterSettings known, FilterConnection c) {
        if (!c.kernelGone) {
            sender.control(known, c, c.kernelAck, c.clientAck + c.ackOffset, TcpFlags.ACK);
        }
    }

    private void endKernel(FilterSettings known, FilterConnection c) {
        if (!c.kernelGone) {
            c.kernelGone = true;
            if (c.state == State.REBUILDING || c.state == State.GUESSED) {
                // Without ACK: we know no number to acknowledge, and a half-open socket ignores a reset with a wrong
                // one.
                sender.control(known, c, c.requestSeq, 0, TcpFlags.RST);
            } else {
                sender.control(known, c, c.kernelAck, c.kernelNext, TcpFlags.RST | TcpFlags.ACK);
            }
        }
    }

    // ---- client segments ---------------------------------------------------------------------------------------

    private int onClientSegment(FilterSettings known, RequestClassifier classifier, FilterConnection c, long nowNs) {
        c.seenNs = nowNs;
        switch (c.state) {
            case GUESSED:
                return onGuessedSegment(known, classifier, c, nowNs);
            case REBUILDING:
                return onSegmentWhileRebuilding(known, c, nowNs);
            case ACTIVE:
                int verdict = onActiveSegment(known, classifier, c, nowNs);
                exchanges.releaseIfIdle(c);
                return verdict;
            case BOUNCED:
            case SILENT:
                return onSegmentAfterBounce(known, c, nowNs);
            case ENDED:
                if (c.kernelGone && frame.hasFlag(TcpFlags.RST)) {
                    return handResetOn(known);
                }
                if (c.kernelGone || !c.isPlausible(frame.seq())) {
                    return drop(FilterCounter.DROPPED_STALE_SEGMENT);
                }
                c.patchRequest(frame, frame.seq());
                masqueradeIn(c, frame.seq());
                return FORWARD;
        }
        return DROP;
    }

    private int onSegmentWhileRebuilding(FilterSettings known, FilterConnection c, long nowNs) {
        if (frame.hasFlag(TcpFlags.RST)) {
            boolean exact =
                    TcpSeq.isAtOrAfter(frame.seq(), c.requestSeq) && TcpSeq.isBeforeOrAt(frame.seq(), c.clientNext);
            if (!exact) {
                return drop(FilterCounter.DROPPED_REBUILDING);
            }
            endKernel(known, c);
            finish(c, nowNs);
            return DROP;
        }
        noteClient(c);
        ReassemblyBuffer held = c.held;
        if (held != null) {
            insertFrame(c, held);
        }
        return DROP;
    }

    private void noteClient(FilterConnection c) {
        int end = frame.seq() + frame.seqLength();
        clientNews = false;
        if (!c.isWithinWindow(end)) {
            return;
        }
        TimestampMasquerade timestamps = c.timestamps;
        if (timestamps != null) {
            int at = TimestampMasquerade.at(frame, options);
            if (at != 0) {
                timestamps.noteClient(frame.buffer(), at, frame.seq(), end, c.kernelAck - c.inOffset);
            }
        }
        c.clientNext = TcpSeq.latest(c.clientNext, end);
        clientNews = c.clientWindow != frame.window();
        c.clientWindow = frame.window();
        // While the handshake is replayed nothing is sent, so what acknowledges more is late from another connection.
        boolean plausible = c.state != State.REBUILDING && TcpSeq.isBeforeOrAt(frame.ack() + c.ackOffset, c.kernelNext);
        if (frame.hasFlag(TcpFlags.ACK) && plausible && TcpSeq.isAfter(frame.ack(), c.clientAck)) {
            c.clientAck = frame.ack();
            clientNews = true;
            c.forgetResponsePatches(c.clientAck);
        }
    }

    /**
     * Before the web switch has answered a bounce everything goes there; afterwards only what it must still see.
     *
     * <p>Only the request's first segment bears the tag. By the time a later one arrives the web switch may have sent
     * the request back to this very server, and would take a tagged one for the start of the next request. For the same
     * reason payload waits a moment: until the request returns, the silence comes, or 5 ms are over.
     */
    private int onSegmentAfterBounce(FilterSettings known, FilterConnection c, long nowNs) {
        if (frame.hasFlag(TcpFlags.RST)) {
            boolean exact =
                    TcpSeq.isAtOrAfter(frame.seq(), c.accepted) && TcpSeq.isBeforeOrAt(frame.seq(), c.clientNext);
            if (exact && c.state == State.BOUNCED) {
                endKernel(known, c);
                finish(c, nowNs);
            }
            // A silent server's numbers are not those of the one that has the connection, whose end ends both.
            return handResetOn(known);
        }
        int length = frame.seqLength();
        if (length > 0 && TcpSeq.isBefore(frame.seq(), c.accepted)) {
            return drop(FilterCounter.DROPPED_STALE_SEGMENT);
        }
        if (c.isWithinWindow(frame.seq() + length)) {
            c.clientNext = TcpSeq.latest(c.clientNext, frame.seq() + length);
        }
        boolean silent = c.state == State.SILENT;
        if (silent && length == 0) {
            return DROP;
        }
        if (frame.payloadLength() == 0 || !silent && frame.seq() == c.accepted) {
            return bounceFrame(known, c);
        }
        return waitForTag(c.key, nowNs);
    }

    /** An RST may have followed a flow that is no longer the connection's; of several only one may have the number. */
    private int handResetOn(FilterSettings known) {
        counters.increment(FilterCounter.SEGMENTS_BOUNCED);
        frame.ethDestination(known.config.vmac());
        return RETURN;
    }

    private int bounceFrame(FilterSettings known, FilterConnection c) {
        counters.increment(FilterCounter.SEGMENTS_BOUNCED);
        frame.ethDestination(known.config.vmac());
        frame.ethSource(SegmentSender.tag(c, c.inBrokenBody() ? MigrationTag.BROKEN : movedKind(c)));
        return RETURN;
    }

    private static int movedKind(FilterConnection c) {
        return c.unused() ? MigrationTag.GUESS : MigrationTag.MOVED;
    }

    private void bouncedFrom(FilterConnection c, long nowNs) {
        c.state = State.BOUNCED;
        c.untilNs = nowNs + BOUNCED_LIMIT_NS;
    }

    private void bounceRequest(FilterSettings known, FilterConnection c, long nowNs) {
        counters.increment(FilterCounter.REQUESTS_BOUNCED);
        if (c.unused()) {
            counters.increment(FilterCounter.GUESSES_WRONG);
        }
        bouncedFrom(c, nowNs);
        quiet(known, c);
    }

    private int onActiveSegment(FilterSettings known, RequestClassifier classifier, FilterConnection c, long nowNs) {
        if (frame.hasFlag(TcpFlags.RST)) {
            return onClientReset(c, nowNs);
        }
        if (frame.seqLength() == 0 && !c.isPlausible(frame.seq())) {
            // A new connection's handshake on the same ports: a server whose TCP has given up would answer with just
            // the RST that ends it.
            return drop(FilterCounter.DROPPED_STALE_SEGMENT);
        }
        if (frame.hasFlag(TcpFlags.URG) && !c.pinned) {
            clearUrgent();
        }
        noteClient(c);
        int seq = frame.seq();
        int payload = frame.payloadLength();
        int end = seq + payload;
        boolean fin = frame.hasFlag(TcpFlags.FIN);
        if (payload == 0 && !fin) {
            masqueradeIn(c, seq);
            if (c.held != null) {
                release(known, classifier, c, nowNs);
            }
            endWhenClosed(c, nowNs);
            return c.state == State.BOUNCED ? DROP : FORWARD;
        }
        ReassemblyBuffer held = c.held;
        if (held == null || TcpSeq.isBeforeOrAt(end, held.base()) && !fin) {
            if (RequestGuard.passes(c, end)) {
                return pass(c, end, fin);
            }
            if (held == null && TcpSeq.isBeforeOrAt(seq, c.accepted)) {
                return guardWholeFrame(known, classifier, c, end, fin, nowNs);
            }
        }
        return holdFrame(known, classifier, c, nowNs);
    }

    private int onClientReset(FilterConnection c, long nowNs) {
        boolean exact = TcpSeq.isAtOrAfter(frame.seq(), c.kernelAck - c.inOffset)
                && TcpSeq.isBeforeOrAt(frame.seq(), c.clientNext);
        // Who answers what the server sent before it had the FIN: Linux believes it too (tcp_reset_check).
        exact |= c.clientFin && frame.seq() == c.clientFinSeq && c.kernelAck - c.inOffset == c.clientFinSeq + 1;
        int seq = exact ? c.kernelAck - c.inOffset : frame.seq();
        masqueradeIn(c, seq);
        if (exact) {
            finish(c, nowNs);
        }
        return FORWARD;
    }

    /** The whole segment belongs to accepted requests: on to the server, masqueraded (paper figure 2, step 12). */
    private int pass(FilterConnection c, int end, boolean fin) {
        if (fin) {
            c.clientFin = true;
            c.clientFinSeq = end;
        }
        c.patchRequest(frame, frame.seq());
        masqueradeIn(c, frame.seq());
        return FORWARD;
    }

    /**
     * Takes the urgent pointer away: a TCP may give the urgent byte out of its line, so that the server would read
     * another request than the guard has read. In line it is what RFC 6093 recommends, and held bytes are.
     */
    private void clearUrgent() {
        counters.increment(FilterCounter.URGENT_CLEARED);
        frame.clearUrgent();
    }

    /** The common case: a segment in which the next request or chunk starts, and nothing is held. */
    private int guardWholeFrame(
            FilterSettings known, RequestClassifier classifier, FilterConnection c, int end, boolean fin, long nowNs) {
        int before = TcpSeq.distance(frame.seq(), c.accepted);
        RequestGuard.Stop stop = guard.read(
                known, classifier, c, frame.buffer(), frame.payloadOffset() + before, frame.payloadLength() - before);
        if (stop == RequestGuard.Stop.ALL_ACCEPTED) {
            return pass(c, end, fin);
        }
        boolean whole = c.accepted == frame.seq();
        boolean current = frame.ack() == c.clientAck;
        if (stop == RequestGuard.Stop.ELSEWHERE && whole && current && c.movable()) {
            bounceRequest(known, c, nowNs);
            return bounceFrame(known, c);
        }
        int passed = TcpSeq.distance(frame.seq(), c.accepted);
        if (passed > 0) {
            sender.stream(known, c, frame.seq(), c.clientAck, frame.buffer(), frame.payloadOffset(), passed, false);
        } else {
            passNews(known, c);
        }
        if (heldRequests >= maxHeld) {
            return drop(FilterCounter.DROPPED_BUFFERS_FULL);
        }
        ReassemblyBuffer held = hold(c, c.accepted, nowNs);
        insertFrame(c, held);
        afterStop(known, classifier, c, stop, nowNs);
        return DROP;
    }

    private int holdFrame(FilterSettings known, RequestClassifier classifier, FilterConnection c, long nowNs) {
        ReassemblyBuffer held = c.held;
        if (held == null) {
            if (heldRequests >= maxHeld) {
                return drop(FilterCounter.DROPPED_BUFFERS_FULL);
            }
            held = hold(c, c.accepted, nowNs);
        }
        insertFrame(c, held);
        c.heldAtNs = nowNs;
        int before = Math.min(TcpSeq.distance(frame.seq(), held.base()), frame.payloadLength());
        if (before > 0) {
            // The end of an earlier request, which the server may still lack.
            sender.stream(known, c, frame.seq(), c.clientAck, frame.buffer(), frame.payloadOffset(), before, false);
        } else {
            passNews(known, c);
        }
        release(known, classifier, c, nowNs);
        return DROP;
    }

    /** A held segment's payload waits, its acknowledgment and window must not: the server may be blocked on them. */
    private void passNews(FilterSettings known, FilterConnection c) {
        if (clientNews) {
            sender.control(known, c, c.kernelAck, c.clientAck + c.ackOffset, TcpFlags.ACK);
        }
    }

    private void insertFrame(FilterConnection c, ReassemblyBuffer held) {
        if (MigrationTag.ecn(c.tag)) {
            c.heldEcn |= frame.flags() & (TcpFlags.ECE | TcpFlags.CWR);
        }
        int end = frame.seq() + frame.payloadLength();
        if (TcpSeq.distance(held.base(), end) > held.capacity()) {
            counters.increment(FilterCounter.DROPPED_HELD_FULL);
        }
        held.insert(frame.seq(), frame.buffer(), frame.payloadOffset(), frame.payloadLength());
        if (frame.hasFlag(TcpFlags.FIN)) {
            held.fin(frame.seq() + frame.payloadLength());
        }
    }

    private ReassemblyBuffer hold(FilterConnection c, int base, long nowNs) {
        ReassemblyBuffer held = freeBuffers.poll();
        if (held == null) {
            held = new ReassemblyBuffer(HELD_BYTES, base);
        } else {
            held.reset(base);
        }
        c.held = held;
        c.heldAtNs = nowNs;
        heldRequests++;
        counters.increment(FilterCounter.REQUESTS_HELD);
        return held;
    }

    private void releaseHeld(FilterConnection c) {
        ReassemblyBuffer held = c.held;
        if (held != null) {
            c.held = null;
            heldRequests--;
            if (freeBuffers.size() < POOLED_BUFFERS) {
                freeBuffers.add(held);
            }
        }
        c.wantsMove = false;
        c.heldAcknowledged = false;
    }

    /** Looks again at held bytes: passes what is accepted by now, moves what can move. */
    private void release(FilterSettings known, RequestClassifier classifier, FilterConnection c, long nowNs) {
        ReassemblyBuffer held = c.held;
        if (held == null || c.state != State.ACTIVE) {
            return;
        }
        if (c.wantsMove && !c.closing) {
            tryMove(known, c, held, nowNs);
            return;
        }
        RequestGuard.Stop stop = RequestGuard.Stop.ALL_ACCEPTED;
        int end = held.end();
        if (!RequestGuard.passes(c, end)) {
            int from = TcpSeq.distance(held.base(), c.accepted);
            stop = guard.read(known, classifier, c, held.bytes(), from, held.length() - from);
        }
        int count = c.pinned ? held.length() : Math.min(held.length(), TcpSeq.distance(held.base(), c.accepted));
        boolean fin = count == held.length() && held.finished() && stop == RequestGuard.Stop.ALL_ACCEPTED;
        if (count > 0 || fin) {
            sender.stream(known, c, held.base(), c.clientAck, held.bytes(), 0, count, fin);
            held.discard(count);
        }
        if (fin) {
            c.clientFin = true;
            c.clientFinSeq = held.base();
        }
        if (held.length() == 0 && !held.hasGap()) {
            releaseHeld(c);
        } else {
            afterStop(known, classifier, c, stop, nowNs);
        }
    }

    private void afterStop(
            FilterSettings known,
            RequestClassifier classifier,
            FilterConnection c,
            RequestGuard.Stop stop,
            long nowNs) {
        arm(c);
        ReassemblyBuffer held = c.held;
        boolean cutOff = stop == RequestGuard.Stop.INCOMPLETE && held != null && held.finished();
        boolean webSwitchDecides = cutOff || stop == RequestGuard.Stop.ELSEWHERE || stop == RequestGuard.Stop.BROKEN;
        if (webSwitchDecides && held != null) {
            if (c.closing) {
                // Nothing is bounced any more: the server gets it as the client sent it, and closes.
                c.pinned = true;
                release(known, classifier, c, nowNs);
            } else {
                c.wantsMove = true;
                tryMove(known, c, held, nowNs);
            }
        }
    }

    /** Moves a held request once its connection may move: paper figure 5 from the filter's side. */
    private void tryMove(FilterSettings known, FilterConnection c, ReassemblyBuffer held, long nowNs) {
        boolean broken = c.inBrokenBody();
        if (!c.movable() && !(broken && c.unanswered())) {
            return;
        }
        bounceRequest(known, c, nowNs);
        if (broken) {
            // The server waits for the rest of this body and will never answer: the web switch does.
            bounceHeld(known, c, held, MigrationTag.BROKEN);
            releaseHeld(c);
            return;
        }
        bounceHeld(known, c, held, c.heldAcknowledged ? MigrationTag.HELD : movedKind(c));
        if (c.heldAcknowledged) {
            c.awaitsConfirm = true;
            c.resends = 0;
            c.resendAtNs = nowNs + CONFIRM_NS;
            arm(c);
        } else {
            releaseHeld(c);
        }
    }

    private void bounceHeld(FilterSettings known, FilterConnection c, ReassemblyBuffer held, int kind) {
        sender.bounce(known, c, kind, held.base(), c.clientAck, held.bytes(), 0, held.length(), held.finished());
    }

    private void masqueradeIn(FilterConnection c, int clientSeq) {
        frame.seq(clientSeq + c.inOffset);
        int window = c.windowForKernel(frame.window());
        if (window != frame.window()) {
            frame.window(window);
        }
        TimestampMasquerade timestamps = c.timestamps;
        if (timestamps != null) {
            int at = TimestampMasquerade.at(frame, options);
            if (at != 0) {
                timestamps.in(frame, at);
            }
        }
        if (!frame.hasFlag(TcpFlags.ACK)) {
            return;
        }
        frame.ack(frame.ack() + c.ackOffset);
        if (c.ackOffset != 0 && frame.optionsLength() > 0) {
            moveSack(c.ackOffset);
        }
    }

    private void moveSack(int offset) {
        options.parse(frame.buffer(), frame.optionsOffset(), frame.optionsLength());
        int at = options.sackOffset();
        for (int i = 0; i < options.sackBlocks() * 2; i++) {
            frame.set32(at + 4 * i, frame.buffer().getInt(at + 4 * i) + offset);
        }
    }

    // ---- from the server ---------------------------------------------------------------------------------------

    @Override
    public int onHostFrame(ByteBuffer buf, int offset, int length, boolean partialChecksum, long nowNs) {
        FrameFlyweight.Kind kind = frame.wrap(buf, offset, length, partialChecksum);
        // OVS lets tags pass from this port toward VMAC because they are the filter's own; so none may be the server's.
        if (length >= FrameFlyweight.ETHERNET_LENGTH && MigrationTag.isTag(frame.ethSource())) {
            return drop(FilterCounter.DROPPED_FORGED_TAG);
        }
        if (kind != FrameFlyweight.Kind.TCP) {
            return FORWARD;
        }
        FilterSettings known = settings;
        if (known == null) {
            counters.increment(FilterCounter.DROPPED_UNCONFIGURED);
            return DROP;
        }
        RequestClassifier classifier =
                frame.ipSource() == known.config.vip() ? known.classifier(frame.sourcePort()) : null;
        if (classifier == null) {
            return FORWARD;
        }
        long key = ConnectionKey.of(frame.ipDestination(), frame.destinationPort(), frame.sourcePort());
        FilterConnection c = connections.get(key);
        if (c == null || !frame.isTo(c.clientHigh, c.clientLow)) {
            return onStrayHostFrame(known, key);
        }
        c.seenNs = nowNs;
        switch (c.state) {
            case GUESSED:
                return onGuessedHostFrame(known, c, nowNs);
            case REBUILDING:
                return onHandshakeFrame(known, classifier, c, nowNs);
            case ACTIVE:
                int verdict = onResponse(known, classifier, c, nowNs);
                exchanges.releaseIfIdle(c);
                return verdict;
            case BOUNCED:
            case SILENT:
                return c.kernelGone ? onStrayHostFrame(known, key) : onSilentHostFrame(known, c, nowNs);
            case ENDED:
                if (c.kernelGone) {
                    return onStrayHostFrame(known, key);
                }
                c.patchResponse(frame, frame.seq() - c.ackOffset);
                masqueradeOut(c);
                return FORWARD;
        }
        return DROP;
    }

    /** A connection the filter has forgotten (it was restarted): the client must not hear of it in numbers it does not
     * know, and the server should stop. */
    private int onStrayHostFrame(FilterSettings known, long key) {
        if (!frame.hasFlag(TcpFlags.RST) && frame.hasFlag(TcpFlags.ACK)) {
            counters.increment(FilterCounter.STRAY_HOST_RESET);
            FilterConnection unknown = new FilterConnection(key, frame.destinationHigh(), frame.destinationLow());
            sender.control(known, unknown, frame.ack(), 0, TcpFlags.RST);
        }
        return DROP;
    }

    /** Paper figure 2, steps 7 to 9. */
    private int onHandshakeFrame(FilterSettings known, RequestClassifier classifier, FilterConnection c, long nowNs) {
        boolean ours = frame.ack() == c.requestSeq;
        if (frame.hasFlag(TcpFlags.RST)) {
            if (ours) {
                refuse(known, c);
            }
            return DROP;
        }
        if (!frame.hasFlag(TcpFlags.SYN) || !ours) {
            clearOldSocket(known, c);
            return DROP;
        }
        counters.increment(FilterCounter.REBUILDS_DONE);
        options.parse(frame.buffer(), frame.optionsOffset(), frame.optionsLength());
        c.kernelScale = (byte) options.windowScale();
        TimestampMasquerade timestamps = c.timestamps;
        if (timestamps != null && options.timestampsOffset() != 0) {
            timestamps.rebuilt(frame.buffer().getInt(options.timestampsOffset()));
        } else {
            c.timestamps = null;
        }
        c.clientMac = frame.ethDestination();
        c.inOffset = 0;
        c.ackOffset = frame.seq() + 1 - c.responseNext;
        c.kernelNext = frame.seq() + 1;
        c.kernelAck = frame.ack();
        c.kernelWindow = promisedWindowOfSyn(c, frame.window());
        c.state = State.ACTIVE;
        sender.handshakeAck(known, c);
        release(known, classifier, c, nowNs);
        confirm(known, c);
        return DROP;
    }

    /** An old socket or TIME_WAIT answers the replayed SYN with a bare ACK; an RST with that very number clears it. */
    private void clearOldSocket(FilterSettings known, FilterConnection c) {
        if (++c.handshakeTries > MAX_HANDSHAKE_TRIES) {
            refuse(known, c);
            return;
        }
        counters.increment(FilterCounter.OLD_SOCKETS_CLEARED);
        sender.control(known, c, frame.ack(), 0, TcpFlags.RST);
        sender.syn(known, c);
    }

    /** The server does not take it: the web switch looks for another. */
    private void refuse(FilterSettings known, FilterConnection c) {
        counters.increment(FilterCounter.REBUILDS_REFUSED);
        ReassemblyBuffer held = c.held;
        if (held != null) {
            bounceHeld(known, c, held, MigrationTag.REFUSED);
        }
        forget(c);
    }

    private int onResponse(FilterSettings known, RequestClassifier classifier, FilterConnection c, long nowNs) {
        if (frame.hasFlag(TcpFlags.SYN)) {
            // The server's TCP has not got the client's acknowledgment, which only the client can repeat.
            return c.guessed ? FORWARD : DROP;
        }
        if (frame.hasFlag(TcpFlags.RST) && c.unused() && !c.clientFin && !c.serverFin) {
            loseUnused(c, nowNs);
            return DROP;
        }
        noteKernel(c);
        if (frame.hasFlag(TcpFlags.RST)) {
            if (c.heldResponse != null) {
                // The client believes only the very next number, and an incomplete head is not for it.
                frame.seq(c.heldResponse.base() + c.ackOffset);
            }
            masqueradeOut(c);
            finish(c, nowNs);
            return FORWARD;
        }
        int seq = frame.seq() - c.ackOffset;
        int payload = frame.payloadLength();
        boolean fin = frame.hasFlag(TcpFlags.FIN);
        int verdict = FORWARD;
        if (payload > 0 && !c.pinned) {
            verdict = onResponsePayload(known, classifier, c, seq, payload, fin, nowNs);
        } else if (fin && c.heldResponse != null) {
            flushResponse(known, c);
        }
        if (fin) {
            c.serverFin = true;
            c.closing = true;
            c.serverFinSeq = seq + payload;
        }
        if (c.pinned && c.heldResponse != null) {
            flushResponse(known, c);
        }
        if (c.held != null && (c.closing || c.pinned || !c.awaitsUpgrade)) {
            releaseAfterResponse(known, classifier, c, nowNs);
        }
        if (verdict == FORWARD) {
            c.patchResponse(frame, seq);
            masqueradeOut(c);
        }
        endWhenClosed(c, nowNs);
        return verdict;
    }

    private void releaseAfterResponse(
            FilterSettings known, RequestClassifier classifier, FilterConnection c, long nowNs) {
        if (c.pinned || c.wantsMove && c.closing) {
            c.pinned = true;
            release(known, classifier, c, nowNs);
        } else if (!c.wantsMove) {
            release(known, classifier, c, nowNs);
        }
    }

    private void noteServerClock(FilterConnection c) {
        TimestampMasquerade timestamps = c.timestamps;
        int at = timestamps == null ? 0 : TimestampMasquerade.at(frame, options);
        if (timestamps != null && at != 0) {
            timestamps.noteServer(frame.buffer().getInt(at));
        }
    }

    private void noteKernel(FilterConnection c) {
        noteServerClock(c);
        if (frame.hasFlag(TcpFlags.ACK) && TcpSeq.isAfter(frame.ack(), c.kernelAck)) {
            c.kernelAck = frame.ack();
            c.forgetRequestPatches(c.kernelAck - c.inOffset);
        }
        c.kernelNext = TcpSeq.latest(c.kernelNext, frame.seq() + frame.seqLength());
        c.kernelWindow = promisedWindow(c, frame.window());
    }

    private int onResponsePayload(
            FilterSettings known,
            RequestClassifier classifier,
            FilterConnection c,
            int seq,
            int payload,
            boolean fin,
            long nowNs) {
        int end = seq + payload;
        ReassemblyBuffer held = c.heldResponse;
        if (held != null) {
            int before = Math.min(TcpSeq.distance(seq, held.base()), payload);
            if (before == payload) {
                // A repetition of what the client lacks; the head at hand may be incomplete just for want of it.
                return FORWARD;
            }
            if (before > 0) {
                passResponse(known, c, seq, before);
            }
            int had = held.length();
            held.insert(seq, frame.buffer(), frame.payloadOffset(), payload);
            boolean inVain = held.length() == had && nowNs - exchanges.of(c).responseHeldNs >= HELD_RESPONSE_NS;
            readHeldResponse(known, classifier, c, held, fin, inVain);
            return DROP;
        }
        c.extendResponse(end);
        if (TcpSeq.isBeforeOrAt(end, c.responseNext)) {
            return FORWARD;
        }
        int from = TcpSeq.distance(seq, c.responseNext);
        if (from < 0) {
            return drop(FilterCounter.DROPPED_RESPONSE_GAP);
        }
        boolean complete =
                responses.read(known, classifier, c, frame.buffer(), frame.payloadOffset() + from, payload - from);
        if (complete) {
            return FORWARD;
        }
        if (heldResponses >= maxHeldResponses || blocksServer(c, TcpSeq.distance(c.responseNext, end))) {
            responses.pin(c);
            return FORWARD;
        }
        counters.increment(FilterCounter.RESPONSE_HEADS_HELD);
        int passed = TcpSeq.distance(seq, c.responseNext);
        if (passed > 0) {
            passResponse(known, c, seq, passed);
        }
        held = new ReassemblyBuffer(HELD_RESPONSE_BYTES, c.responseNext);
        held.insert(seq, frame.buffer(), frame.payloadOffset(), payload);
        c.heldResponse = held;
        heldResponses++;
        exchanges.of(c).responseHeldNs = nowNs;
        if (fin) {
            held.fin(end);
            flushResponse(known, c);
        }
        return DROP;
    }

    private void passResponse(FilterSettings known, FilterConnection c, int seq, int count) {
        int ack = frame.ack() - c.inOffset;
        sender.toClient(known, c, seq, ack, frame.buffer(), frame.payloadOffset(), count, false);
    }

    private void readHeldResponse(
            FilterSettings known,
            RequestClassifier classifier,
            FilterConnection c,
            ReassemblyBuffer held,
            boolean fin,
            boolean inVain) {
        if (fin) {
            held.fin(frame.seq() - c.ackOffset + frame.payloadLength());
        }
        int from = TcpSeq.distance(held.base(), c.responseNext);
        boolean complete = responses.read(known, classifier, c, held.bytes(), from, held.length() - from);
        boolean full = held.length() == held.capacity();
        if (!complete && (full || inVain || blocksServer(c, held.length()))) {
            responses.pin(c);
        }
        if (complete || c.pinned || held.finished()) {
            flushResponse(known, c);
        }
    }

    /**
     * Tells whether the server's TCP may need an acknowledgment of {@code heldBytes} before it sends another segment. The
     * client acknowledges only what it gets, so nobody must wait for the rest of the head. After losses, or to a client
     * with a small window, a TCP is blocked earlier: then it repeats itself.
     */
    private static boolean blocksServer(FilterConnection c, int heldBytes) {
        return heldBytes > (INITIAL_WINDOW_SEGMENTS - 1) * MssClass.bytes(MigrationTag.mssClass(c.tag));
    }

    private void releaseHeldResponse(FilterConnection c) {
        if (c.heldResponse != null) {
            c.heldResponse = null;
            heldResponses--;
        }
    }

    private void flushResponse(FilterSettings known, FilterConnection c) {
        ReassemblyBuffer held = c.heldResponse;
        if (held == null) {
            return;
        }
        releaseHeldResponse(c);
        int ack = c.kernelAck - c.inOffset;
        sender.toClient(known, c, held.base(), ack, held.bytes(), 0, held.length(), held.finished());
    }

    private int onSilentHostFrame(FilterSettings known, FilterConnection c, long nowNs) {
        counters.increment(FilterCounter.SILENT_SWALLOWED);
        noteServerClock(c);
        if (frame.hasFlag(TcpFlags.ACK) && TcpSeq.isAfter(frame.ack(), c.kernelAck)) {
            c.kernelAck = frame.ack();
        }
        if (frame.hasFlag(TcpFlags.RST)) {
            c.kernelGone = true;
            lingerIfSilent(c, nowNs);
            return DROP;
        }
        int end = frame.seq() + frame.seqLength();
        if (frame.hasFlag(TcpFlags.FIN) || TcpSeq.isAfter(end, c.kernelNext)) {
            counters.increment(FilterCounter.SILENT_ENDED_BY_SERVER);
            c.kernelNext = TcpSeq.latest(c.kernelNext, end);
            endKernel(known, c);
            lingerIfSilent(c, nowNs);
        }
        return DROP;
    }

    private static void lingerIfSilent(FilterConnection c, long nowNs) {
        if (c.state == State.SILENT) {
            linger(c, nowNs);
        }
    }

    private void masqueradeOut(FilterConnection c) {
        frame.seq(frame.seq() - c.ackOffset);
        TimestampMasquerade timestamps = c.timestamps;
        if (timestamps != null) {
            int at = TimestampMasquerade.at(frame, options);
            if (at != 0) {
                timestamps.out(frame, at);
            }
        }
        if (frame.hasFlag(TcpFlags.ACK)) {
            frame.ack(frame.ack() - c.inOffset);
            if (c.inOffset != 0 && frame.optionsLength() > 0) {
                moveSack(-c.inOffset);
            }
        }
        int promised = promisedWindow(c, frame.window());
        if (promised != frame.window()) {
            frame.window(promised);
        }
    }

    /** The window field in the scale the web switch promised the client, which need not be the server's own. */
    private static int promisedWindow(FilterConnection c, int window) {
        int promised = MigrationTag.serverScale(c.tag);
        int own = c.kernelScale == TcpOptions.NO_WINDOW_SCALE ? 0 : c.kernelScale;
        int wanted = promised == TcpOptions.NO_WINDOW_SCALE ? 0 : promised;
        return own == wanted ? window : Math.min((int) ((long) window << own >> wanted), 0xffff);
    }

    /** A SYN's window is never scaled (RFC 7323 section 2.2), all later ones are. */
    private static int promisedWindowOfSyn(FilterConnection c, int window) {
        int promised = MigrationTag.serverScale(c.tag);
        return promised == TcpOptions.NO_WINDOW_SCALE ? window : window >>> promised;
    }

    // ---- ends --------------------------------------------------------------------------------------------------

    private void endWhenClosed(FilterConnection c, long nowNs) {
        if (c.state == State.ACTIVE
                && c.clientFin
                && c.serverFin
                && TcpSeq.isAfter(c.kernelAck - c.inOffset, c.clientFinSeq)
                && TcpSeq.isAfter(c.clientAck, c.serverFinSeq)) {
            end(c, nowNs);
        }
    }

    /**
     * An RST of either side ends it for both. It is remembered for a moment: its request may still come again, tagged,
     * and must not run twice.
     */
    private void finish(FilterConnection c, long nowNs) {
        c.kernelGone = true;
        end(c, nowNs);
    }

    private void end(FilterConnection c, long nowNs) {
        c.state = State.ENDED;
        c.untilNs = nowNs + LINGER_NS;
        releaseHeld(c);
        releaseHeldResponse(c);
        reportEnded(c);
    }

    private void reportEnded(FilterConnection c) {
        counters.increment(FilterCounter.CONNECTIONS_ENDED);
        if (ended == MAX_UNREPORTED) {
            return;
        }
        if (ended == endedKeys.length) {
            endedKeys = Arrays.copyOf(endedKeys, ended * 2);
            endedSeqs = Arrays.copyOf(endedSeqs, ended * 2);
            endedClients = Arrays.copyOf(endedClients, ended * 4);
        }
        endedKeys[ended] = c.key;
        endedSeqs[ended] = c.requestSeq;
        endedClients[ended * 2] = c.clientHigh;
        endedClients[ended * 2 + 1] = c.clientLow;
        ended++;
    }

    private void forget(FilterConnection c) {
        releaseHeld(c);
        releaseHeldResponse(c);
        if (connections.get(c.key) == c) {
            connections.remove(c.key);
        }
    }

    // ---- time --------------------------------------------------------------------------------------------------

    private void arm(FilterConnection c) {
        if (!c.armed) {
            c.armed = true;
            armed.add(c);
        }
    }

    @Override
    public void onTick(long nowNs) {
        FilterSettings known = settings;
        if (known == null) {
            return;
        }
        early.expire(nowNs, bounceEarly);
        int size = armed.size();
        int kept = 0;
        for (int i = 0; i < size; i++) {
            FilterConnection c = armed.get(i);
            if (connections.get(c.key) == c && stillArmed(known, c, nowNs)) {
                armed.set(kept++, c);
            } else {
                c.armed = false;
            }
        }
        for (int i = size; i < armed.size(); i++) {
            armed.set(kept++, armed.get(i));
        }
        while (armed.size() > kept) {
            armed.remove(armed.size() - 1);
        }
        if (nowNs - sweptNs >= SWEEP_NS) {
            sweptNs = nowNs;
            sweep(known, nowNs);
        }
    }

    private boolean stillArmed(FilterSettings known, FilterConnection c, long nowNs) {
        if (c.state == State.REBUILDING) {
            return rebuildTimer(known, c, nowNs);
        }
        if (c.state == State.GUESSED && !c.synAcked) {
            if (nowNs - c.untilNs >= 0) {
                // It may have taken the SYN, and not know yet how to reach the client.
                endKernel(known, c);
                refuseGuess(known, c);
                return false;
            }
            return true;
        }
        if (c.state == State.ACTIVE && c.held != null) {
            partialHeadTimer(known, c, nowNs);
            return c.held != null;
        }
        return c.awaitsConfirm && confirmTimer(known, c, nowNs);
    }

    private boolean rebuildTimer(FilterSettings known, FilterConnection c, long nowNs) {
        if (nowNs - c.untilNs >= 0) {
            refuse(known, c);
            return false;
        }
        if (nowNs - c.resendAtNs >= 0) {
            c.resendAtNs = nowNs + SYN_RETRY_NS;
            sender.syn(known, c);
        }
        return true;
    }

    private void partialHeadTimer(FilterSettings known, FilterConnection c, long nowNs) {
        ReassemblyBuffer held = c.held;
        boolean due = held != null
                && !c.wantsMove
                && held.length() > 0
                && c.outstanding() < Exchange.MAX_OUTSTANDING
                // An acknowledgment covers all before it, and of that only the server's TCP may be the judge.
                && TcpSeq.isAtOrAfter(c.kernelAck - c.inOffset, held.base())
                && nowNs - c.heldAtNs >= PARTIAL_HEAD_NS
                && c.resendAtNs != c.heldAtNs;
        if (due && held != null) {
            c.resendAtNs = c.heldAtNs;
            c.heldAcknowledged = true;
            counters.increment(FilterCounter.PARTIAL_HEADS_ACKNOWLEDGED);
            int seq = c.kernelNext - c.ackOffset;
            sender.toClient(known, c, seq, held.end(), held.bytes(), 0, 0, false);
        }
    }

    private boolean confirmTimer(FilterSettings known, FilterConnection c, long nowNs) {
        ReassemblyBuffer held = c.held;
        if (held == null) {
            c.awaitsConfirm = false;
            return false;
        }
        if (nowNs - c.resendAtNs >= 0) {
            if (++c.resends > MAX_RESENDS) {
                c.awaitsConfirm = false;
                releaseHeld(c);
                return false;
            }
            c.resendAtNs = nowNs + CONFIRM_NS;
            counters.increment(FilterCounter.HELD_RESENT);
            bounceHeld(known, c, held, MigrationTag.HELD);
        }
        return true;
    }

    private void sweep(FilterSettings known, long nowNs) {
        int free = connections.freeSlot();
        for (int i = free + connections.capacity() - 1; i > free; i--) {
            FilterConnection c = connections.slot(i);
            if (c == null) {
                continue;
            }
            boolean over = nowNs - c.untilNs >= 0;
            if (c.state == State.SILENT && over) {
                if (!c.kernelGone) {
                    counters.increment(FilterCounter.SILENT_ENDED_BY_TIME);
                }
                endKernel(known, c);
                forget(c);
            } else if (c.state == State.GUESSED && over) {
                counters.increment(FilterCounter.GUESSES_EXPIRED);
                endKernel(known, c);
                reportEnded(c);
                forget(c);
            } else if (c.state == State.ENDED && over) {
                forget(c);
            } else if (c.state == State.BOUNCED && over || nowNs - c.seenNs >= idleLimitNs(c)) {
                counters.increment(FilterCounter.CONNECTIONS_EXPIRED);
                endKernel(known, c);
                reportEnded(c);
                forget(c);
            }
        }
    }

    /**
     * Both sides have closed, or the server waits for an acknowledgment, and nobody repeats himself: one of them is gone.
     * A server's TCP that gives a vanished client up does so without a word.
     */
    private static long idleLimitNs(FilterConnection c) {
        if (c.clientFin && c.serverFin) {
            return CLOSED_IDLE_NS;
        }
        boolean serverWaits = c.state == State.ACTIVE && TcpSeq.isAfter(c.kernelNext - c.ackOffset, c.clientAck);
        return serverWaits ? UNACKNOWLEDGED_IDLE_NS : IDLE_NS;
    }

    // ---- reports -----------------------------------------------------------------------------------------------

    @Override
    public void report(ReportSink sink, boolean full) {
        for (int i = 0; i < ended; i++) {
            sink.ended(endedKeys[i], endedClients[i * 2], endedClients[i * 2 + 1], endedSeqs[i]);
        }
        ended = 0;
        for (int i = 0; i < proved && !full; i++) {
            FilterConnection c = connections.get(provedKeys[i]);
            if (c != null && (c.state == State.ACTIVE || c.state == State.BOUNCED)) {
                sink.live(c.key, c.clientHigh, c.clientLow, c.tag, c.clientMac);
            }
        }
        proved = 0;
        if (!full) {
            return;
        }
        for (int i = connections.capacity() - 1; i >= 0; i--) {
            FilterConnection c = connections.slot(i);
            if (c != null && isLive(c)) {
                sink.live(c.key, c.clientHigh, c.clientLow, c.tag, c.clientMac);
            }
        }
    }

    private static boolean isLive(FilterConnection c) {
        switch (c.state) {
            case GUESSED:
                return c.synAcked;
            case ACTIVE:
            case BOUNCED:
            case REBUILDING:
                return true;
            default:
                return false;
        }
    }

    @Override
    public void counters(CounterSink sink) {
        counters.report(sink);
        sink.counter("connections", connections.size());
        int silent = 0;
        for (int i = connections.capacity() - 1; i >= 0; i--) {
            FilterConnection c = connections.slot(i);
            silent += c != null && c.state == State.SILENT ? 1 : 0;
        }
        sink.counter("silent_connections", silent);
    }
}
