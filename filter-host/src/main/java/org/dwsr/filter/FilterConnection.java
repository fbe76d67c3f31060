package org.dwsr.filter;

import java.nio.ByteBuffer;
import org.dwsr.packet.FrameFlyweight;
import org.dwsr.packet.IpAddress;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.TcpOptions;
import org.dwsr.packet.TcpSeq;
import org.dwsr.stream.ReassemblyBuffer;
import org.jspecify.annotations.Nullable;

/**
 * What the filter knows of one connection.
 *
 * <p>Sequence numbers without "kernel" in their name are those the client knows. The server's own TCP counts
 * differently: client bytes are {@link #inOffset} further there, server bytes {@link #ackOffset}.
 */
final class FilterConnection {
    /** What a client may have sent before the server's first window is known. */
    private static final int HANDSHAKE_SLACK = 65_535;
    /** How far back a late duplicate may be, in bytes. */
    private static final int RECENT = 1 << 20;

    /** Where a connection stands with its server. */
    enum State {
        /** The server's TCP answers the client's own SYN; the client has not completed the handshake. */
        GUESSED,
        /** The handshake is being replayed. */
        REBUILDING,
        /** Client and server talk, masqueraded. */
        ACTIVE,
        /** A request went back to the web switch; the server's TCP is kept silent. */
        BOUNCED,
        /** Another server has the connection; this one may get it back for 15 s. */
        SILENT,
        /** Both sides have closed; late packets still pass for a moment. */
        ENDED
    }

    private static final int STEP = 1 << 29;
    private static final int NEAR = 1 << 28;

    final long key;
    /** The client's address, as in {@link IpAddress}; {@link #key} has only the alias of an IPv6 one. */
    final long clientHigh;

    final long clientLow;
    State state = State.REBUILDING;
    long tag;
    long clientMac;
    int inOffset;
    int ackOffset;

    /** The first byte of the request that set the offsets last. */
    int requestSeq;

    /** Whether the numbers are still those of the client's own handshake with this server. */
    boolean guessed;
    /** Whether the guessed server has answered the SYN. */
    boolean synAcked;

    /** The timestamps of both sides, null when the connection has none. */
    @Nullable
    TimestampMasquerade timestamps;

    /** ECN flags of held segments, for the next one that is sent in their place. */
    int heldEcn;

    boolean freshKnown;
    int freshSeq;
    boolean synBounced;
    int bouncedIsn;

    // client to server
    /** Bytes before this one belong to accepted requests. */
    int accepted;
    /** Body bytes that belong to the accepted request beyond {@link #accepted}. */
    long acceptedMore;

    /** The body of the request read last is chunked and not over. */
    boolean inChunked;
    /** The next request was sent here by the web switch: no second opinion. */
    boolean tagAccepted;

    int tagContentType;

    @Nullable
    ReassemblyBuffer held;

    boolean heldAcknowledged;
    boolean wantsMove;
    boolean awaitsConfirm;
    /** Somebody else holds acknowledged bytes of the current request until we say that all of its head is here. */
    boolean owesConfirm;

    long heldAtNs;
    long resendAtNs;
    byte resends;
    int clientAck;
    int clientWindow;
    /** The highest client sequence number seen. */
    int clientNext;

    boolean clientFin;
    int clientFinSeq;

    // server to client
    /** Response bytes before this one have been read, or need not be. */
    int responseNext;

    long responseMore;
    /** A chunked response is not over. */
    boolean inResponseBody;

    @Nullable
    ReassemblyBuffer heldResponse;

    boolean awaitsUpgrade;
    /** Neither direction is read any more: another protocol, or a response without a known end. */
    boolean pinned;
    /** The server closes: nothing is bounced after that. */
    boolean closing;

    boolean serverFin;
    int serverFinSeq;

    /** Null when nothing is under way; lent by {@link ExchangePool}. */
    @Nullable
    Exchange exchange;

    // the server's own TCP
    int kernelAck;
    int kernelNext;
    int kernelWindow;
    byte kernelScale = TcpOptions.NO_WINDOW_SCALE;
    boolean kernelGone;
    byte handshakeTries;
    /** When the state ends by itself, but for ACTIVE. */
    long untilNs;

    long seenNs;
    boolean armed;

    FilterConnection(long key, long clientHigh, long clientLow) {
        this.key = key;
        this.clientHigh = clientHigh;
        this.clientLow = clientLow;
    }

    boolean ipv6() {
        return IpAddress.isIpv6(clientHigh, clientLow);
    }

    /** Whether this server was guessed and has got no request yet. */
    boolean unused() {
        return guessed && accepted == requestSeq;
    }

    /** How many requests lack their answer's head. */
    int outstanding() {
        Exchange known = exchange;
        return known == null ? 0 : known.outstanding();
    }

    /** Repeats what was replaced in a request's bytes; {@code seq} is the first one's sequence number. */
    void patchRequest(ByteBuffer bytes, int offset, int length, int seq) {
        Exchange known = exchange;
        if (known != null) {
            known.requestPatches.apply(bytes, offset, length, seq);
        }
    }

    void patchRequest(FrameFlyweight frame, int seq) {
        Exchange known = exchange;
        if (known != null) {
            known.requestPatches.apply(frame, seq);
        }
    }

    /** The same for a response. */
    void patchResponse(ByteBuffer bytes, int offset, int length, int seq) {
        Exchange known = exchange;
        if (known != null) {
            known.responsePatches.apply(bytes, offset, length, seq);
        }
    }

    void patchResponse(FrameFlyweight frame, int seq) {
        Exchange known = exchange;
        if (known != null) {
            known.responsePatches.apply(frame, seq);
        }
    }

    /** What the server's TCP has acknowledged is not repeated any more. */
    void forgetRequestPatches(int seq) {
        Exchange known = exchange;
        if (known != null) {
            known.requestPatches.forgetBefore(seq);
        }
    }

    /** What the client has acknowledged is not repeated any more. */
    void forgetResponsePatches(int seq) {
        Exchange known = exchange;
        if (known != null) {
            known.responsePatches.forgetBefore(seq);
        }
    }

    /** Accepts {@code lengthBytes} more body bytes; {@link #accepted} itself stays within half of the number circle. */
    void acceptBody(long lengthBytes) {
        acceptedMore = lengthBytes;
        int step = (int) Math.min(acceptedMore, STEP);
        accepted += step;
        acceptedMore -= step;
    }

    /** Moves {@link #accepted} on when a long body comes near it. */
    void extendAccepted(int seq) {
        while (acceptedMore > 0 && TcpSeq.distance(seq, accepted) < NEAR) {
            int step = (int) Math.min(acceptedMore, STEP);
            accepted += step;
            acceptedMore -= step;
        }
    }

    /** Skips {@code lengthBytes} of response body; see {@link #acceptBody}. */
    void skipResponse(long lengthBytes) {
        responseMore = lengthBytes;
        int step = (int) Math.min(responseMore, STEP);
        responseNext += step;
        responseMore -= step;
    }

    void extendResponse(int seq) {
        while (responseMore > 0 && TcpSeq.distance(seq, responseNext) < NEAR) {
            int step = (int) Math.min(responseMore, STEP);
            responseNext += step;
            responseMore -= step;
        }
    }

    /** Whether every answer is complete and the client has acknowledged all of it: only then may a request move. */
    boolean movable() {
        return outstanding() == 0
                && !inResponseBody
                && responseMore == 0
                && !awaitsUpgrade
                && clientAck == responseNext;
    }

    /**
     * Whether a client segment that ends at {@code seq} is not beyond what the server's window allows: a forged one
     * must not widen the range in which an RST is believed.
     */
    boolean isWithinWindow(int seq) {
        if (state == State.REBUILDING || state == State.GUESSED) {
            return TcpSeq.distance(requestSeq, seq) <= HANDSHAKE_SLACK;
        }
        int scale = MigrationTag.serverScale(tag);
        long window = (long) kernelWindow << (scale == TcpOptions.NO_WINDOW_SCALE ? 0 : scale);
        return TcpSeq.distance(kernelAck - inOffset, seq) <= window + HANDSHAKE_SLACK;
    }

    /** The scale of the client's windows; none when what was promised to it, or its own SYN, has none (RFC 7323). */
    int clientScale() {
        boolean promised = MigrationTag.serverScale(tag) != TcpOptions.NO_WINDOW_SCALE;
        return promised ? MigrationTag.clientScale(tag) : TcpOptions.NO_WINDOW_SCALE;
    }

    /** A client's window field as the server's TCP reads it, which takes no scaled ones unless it offers a scale itself. */
    int windowForKernel(int window) {
        int scale = clientScale();
        boolean offered =
                state == State.REBUILDING || state == State.GUESSED || kernelScale != TcpOptions.NO_WINDOW_SCALE;
        return offered || scale == TcpOptions.NO_WINDOW_SCALE ? window : Math.min(window << scale, 0xffff);
    }

    /** Whether a client that sends this sequence number can be the one we know, or a packet of its recent past. */
    boolean isPlausible(int seq) {
        return isWithinWindow(seq) && TcpSeq.distance(kernelAck - inOffset, seq) >= -RECENT;
    }

    /** Whether a byte of the server's, in the client's numbers, was sent and is not acknowledged. */
    boolean isOnItsWay(int seq) {
        return TcpSeq.isAtOrAfter(seq, clientAck) && TcpSeq.isBefore(seq, kernelNext - ackOffset);
    }

    /** Whether the request read last has a chunked body that is broken. */
    boolean inBrokenBody() {
        Exchange known = exchange;
        return inChunked && known != null && known.requestBody.broken();
    }

    /** Whether only the request read last lacks its answer, and no byte of that has come. */
    boolean unanswered() {
        return outstanding() == 1
                && !inResponseBody
                && responseMore == 0
                && clientAck == responseNext
                && kernelNext == responseNext + ackOffset;
    }

    /** Whether the server's TCP can take a request again: alive, and with nothing outstanding in either direction. */
    boolean reusable() {
        return !kernelGone
                && !serverFin
                && !closing
                && outstanding() == 0
                && !inResponseBody
                && responseMore == 0
                && kernelAck == accepted + inOffset
                && kernelNext == responseNext + ackOffset;
    }
}
