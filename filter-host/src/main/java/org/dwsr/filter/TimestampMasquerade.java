package org.dwsr.filter;

import java.nio.ByteBuffer;
import org.dwsr.packet.FrameFlyweight;
import org.dwsr.packet.TcpFlags;
import org.dwsr.packet.TcpOptions;
import org.dwsr.packet.TcpSeq;

/**
 * One connection's timestamps (RFC 7323), when the client got them from a guessed server.
 *
 * <p>Each server counts by a clock of its own, and to the client they are one. So the server's clock is moved by
 * {@link #offset} on its way to the client and the client's echo of it back. At each rebuild and switch-back the offset
 * is chosen so that the server's clock goes on where the request's echo says the last one stood: never back, which the
 * client would take for an old duplicate (section 5). The client's own clock is the same for all servers.
 */
final class TimestampMasquerade {
    /** What the server's TSval is ahead by on its way to the client. */
    private int offset;
    /** The server's last TSval, in its own clock. */
    private int serverValue;
    /** The client's last TSval. */
    private int clientValue;
    /** Before this byte nothing of the client's stream is missing. */
    private int contiguous;
    /** The last TSval, as the client knows it, that the client has echoed. */
    private int clientEcho;

    /** Where a segment's TSval stands (TSecr follows), 0 when it has none. */
    static int at(FrameFlyweight frame, TcpOptions options) {
        if (frame.optionsLength() == 0) {
            return 0;
        }
        options.parse(frame.buffer(), frame.optionsOffset(), frame.optionsLength());
        return options.timestampsOffset();
    }

    /** Takes the timestamps of a request that the web switch sent here; its last byte is before {@code seqEnd}. */
    void request(ByteBuffer buf, int at, int seqEnd) {
        contiguous = seqEnd;
        clientValue = buf.getInt(at);
        clientEcho = buf.getInt(at + 4);
    }

    /**
     * Takes notice of a client segment, if nothing is missing before it and something of it is new, as RFC 7323 section
     * 4.3 does: segments in the client's name must not be newer than the client's own that are still to come.
     *
     * @param acknowledged the next byte the server's TCP expects, in the client's numbers
     */
    void noteClient(ByteBuffer buf, int at, int seq, int seqEnd, int acknowledged) {
        contiguous = TcpSeq.latest(contiguous, acknowledged);
        if (TcpSeq.isAfter(seq, contiguous) || TcpSeq.isBefore(seqEnd, contiguous)) {
            return;
        }
        contiguous = seqEnd;
        clientValue = TcpSeq.latest(clientValue, buf.getInt(at));
        int echo = buf.getInt(at + 4);
        if (TcpSeq.isAfter(echo, clientEcho) && TcpSeq.isBeforeOrAt(echo, serverValue + offset)) {
            clientEcho = echo;
        }
    }

    void noteServer(int value) {
        serverValue = TcpSeq.latest(serverValue, value);
    }

    /** The server that answered a client's own SYN: its clock is the client's. */
    void start(int value) {
        serverValue = value;
        clientEcho = value;
    }

    /** Paper figure 2, step 7: the server's TCP has answered the replayed SYN with this TSval. */
    void rebuilt(int value) {
        serverValue = value;
        offset = clientEcho - value;
    }

    /** Paper figure 6, step 36: the server's clock has gone on since, which is no harm. */
    void switchBack() {
        offset = clientEcho - serverValue;
    }

    /** Turns the client's echo into the server's own clock. */
    void in(FrameFlyweight frame, int at) {
        if (offset != 0 && frame.hasFlag(TcpFlags.ACK)) {
            frame.set32(at + 4, frame.buffer().getInt(at + 4) - offset);
        }
    }

    /** Turns the server's clock into the one the client knows. */
    void out(FrameFlyweight frame, int at) {
        frame.set32(at, frame.buffer().getInt(at) + offset);
    }

    /** TSval of a segment in the client's name. */
    int clientValue() {
        return clientValue;
    }

    /** TSecr of a segment in the client's name for the web switch. */
    int clientEcho() {
        return clientEcho;
    }

    /** TSecr of a segment in the client's name for the server. */
    int echoToServer() {
        return clientEcho - offset;
    }

    /** TSval of a segment in the server's name. */
    int valueToClient() {
        return serverValue + offset;
    }
}
