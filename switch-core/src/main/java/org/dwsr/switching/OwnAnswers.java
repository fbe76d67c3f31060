package org.dwsr.switching;

import org.dwsr.http.ErrorResponse;
import org.dwsr.packet.FrameFlyweight;
import org.dwsr.packet.TcpFlags;
import org.dwsr.packet.TcpSeq;
import org.dwsr.switching.ConnectionEntry.State;

/**
 * The state ANSWERED: what the web switch says itself (docs/contract.md), as a TCP that sends one segment and closes.
 *
 * <p>The answer carries the FIN and a window of 0. Whatever the client still sends is acknowledged and the answer
 * repeated, until the client has acknowledged it and closed too, or 10 s have gone.
 */
final class OwnAnswers {
    /** In place of an answer's status: every segment is answered with RST; see {@link ConnectionTable}. */
    static final int RESET = 0;

    private static final long ANSWERED_NS = 10_000_000_000L;
    private static final int WINDOW = 1 << 16;

    private final ConnectionTable connections;
    private final VipResponder responder;
    private final SwitchCounters counters;

    OwnAnswers(ConnectionTable connections, VipResponder responder, SwitchCounters counters) {
        this.connections = connections;
        this.responder = responder;
        this.counters = counters;
    }

    /** Takes the connection from its servers, if it has any, and answers what {@code answerAck} says was received. */
    void open(RunningConfig config, ConnectionEntry entry, ErrorResponse response, long nowNs) {
        connections.removeFlow(entry);
        if (entry.server != ConnectionEntry.NO_SERVER) {
            config.load.closed(entry.server);
            if (!entry.refused) {
                connections.silence(config, entry, entry.server, entry.requestSeq, entry.requestAck);
                connections.silence(config, entry, entry.server, entry.requestSeq, entry.requestAck);
            }
            entry.server = ConnectionEntry.NO_SERVER;
        }
        connections.endSilentServers(config, entry, ConnectionEntry.NO_SERVER, nowNs);
        connections.heads().release(entry);
        entry.state = State.ANSWERED;
        entry.answerSeq = entry.requestAck;
        entry.answerStatus = response.status();
        entry.answerFinAcknowledged = false;
        entry.answeredUntilNs = nowNs + ANSWERED_NS;
        connections.keepAnswered(entry);
        count(response);
        send(config, entry, response);
    }

    private void count(ErrorResponse response) {
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

    private void send(RunningConfig config, ConnectionEntry entry, ErrorResponse response) {
        if (entry.clientMac == 0) {
            counters.increment(SwitchCounter.DROPPED_UNKNOWN_CLIENT);
        } else {
            responder.answer(config.config, entry, response);
        }
    }

    /** Acknowledges whatever still comes, repeats the answer until the client has it, and lets the client close. */
    void onSegment(RunningConfig config, ConnectionEntry entry, FrameFlyweight frame) {
        counters.increment(SwitchCounter.SEGMENTS_AFTER_ANSWER);
        if (entry.lost()) {
            // A filter's bounce bears a tag; the RST goes to the client.
            frame.ethSource(entry.clientMac);
            responder.reset(config.config, entry.ingressDatapath, entry.ingressPort, frame);
            connections.remove(entry);
            return;
        }
        int end = end(entry);
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
                send(config, entry, response(entry));
            }
        } else if (entry.answerFinAcknowledged) {
            // With window 0 a client keeps even its FIN back, for minutes (RFC 9293 section 3.8.6.1). This is room for
            // a FIN and hardly for more of an upload: segments with payload are still acknowledged with window 0.
            responder.acknowledge(config.config, entry, end, entry.answerAck, 1);
        }
        if (frame.hasFlag(TcpFlags.FIN) && entry.answerAck == received) {
            entry.answerFinReceived = true;
        }
        if (entry.answerFinReceived && entry.answerFinAcknowledged) {
            connections.remove(entry);
        }
    }

    /** Tells whether a segment can be the answered client's. */
    static boolean acceptable(ConnectionEntry entry, FrameFlyweight frame) {
        if (entry.lost()) {
            return true;
        }
        int from = TcpSeq.distance(entry.answerAck, frame.seq());
        return from >= -WINDOW
                && from <= WINDOW
                && TcpSeq.isAtOrAfter(frame.ack(), entry.answerSeq)
                && TcpSeq.isBeforeOrAt(frame.ack(), end(entry));
    }

    private static int end(ConnectionEntry entry) {
        return entry.answerSeq + response(entry).lengthBytes() + 1;
    }

    private static ErrorResponse response(ConnectionEntry entry) {
        for (ErrorResponse response : ErrorResponse.values()) {
            if (response.status() == entry.answerStatus) {
                return response;
            }
        }
        return ErrorResponse.BAD_REQUEST;
    }
}
