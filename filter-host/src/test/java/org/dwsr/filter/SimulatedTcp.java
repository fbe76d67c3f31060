package org.dwsr.filter;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.dwsr.packet.TcpFlags;
import org.dwsr.packet.TcpOptions;

/**
 * One end of a TCP connection, byte for byte (RFC 9293): it cuts its stream anew at every transmission, repeats what is
 * not acknowledged, puts in order what arrives, and checks that no byte it may still use arrives with two values.
 *
 * <p>Offsets count from the first byte of a stream; a FIN takes the offset after the last.
 */
final class SimulatedTcp {
    static final int WINDOW = 60_000;
    private static final int CONGESTION_WINDOW = 12_000;
    private static final long MS = 1_000_000;
    private static final int MAX_RANGES = 16;
    private static final byte[] NONE = new byte[0];

    private final Wire wire;
    private final SplittableRandom random;
    private final int maxSegment;
    private final boolean passive;
    final int iss;
    private final int scale;
    /** No other connection was on these ports, so numbers that are not ours come from an error. */
    private final boolean strict;

    int irs;
    boolean established;
    boolean reset;

    private byte[] out = new byte[512];
    private int written;
    private boolean closing;
    private int una;
    private int nxt;
    private int repeated;
    private long retransmitAtNs;
    private int duplicateAcks;
    private int peerWindow = WINDOW;
    private int peerScale;
    private boolean peerSynSeen;

    byte[] in = new byte[512];
    int received;
    private final int[] ranges = new int[2 * MAX_RANGES];
    private int edges;
    private int finAt = -1;
    private long acknowledgeAtNs;

    /** Takes the segments an end sends. */
    interface Wire {
        void send(int seq, int ack, int flags, int window, byte[] options, byte[] data, int offset, int length);
    }

    SimulatedTcp(
            Wire wire, SplittableRandom random, int iss, int scale, int maxSegment, boolean passive, boolean strict) {
        this.wire = wire;
        this.random = random;
        this.iss = iss;
        this.scale = scale;
        this.maxSegment = maxSegment;
        this.passive = passive;
        this.strict = strict;
    }

    // ---- the application's side --------------------------------------------------------------------------------

    void connect(long nowNs) {
        retransmitAtNs = nowNs + 1_000 * MS;
        byte[] options = scale == TcpOptions.NO_WINDOW_SCALE
                ? SimulatedFrame.synOptions(8_960)
                : SimulatedFrame.synOptions(1_460, scale);
        wire.send(iss, 0, TcpFlags.SYN, WINDOW, options, NONE, 0, 0);
    }

    void accept(int peerIss, int window, int windowScale) {
        irs = peerIss;
        peerScale = windowScale;
        peerWindow = window;
        peerSynSeen = true;
        synAck();
    }

    private void synAck() {
        wire.send(
                iss, irs + 1, TcpFlags.SYN | TcpFlags.ACK, WINDOW, SimulatedFrame.synOptions(1_460, scale), NONE, 0, 0);
    }

    void write(byte[] bytes) {
        if (written + bytes.length > out.length) {
            out = Arrays.copyOf(out, Math.max(out.length * 2, written + bytes.length));
        }
        System.arraycopy(bytes, 0, out, written, bytes.length);
        written += bytes.length;
    }

    void close() {
        closing = true;
    }

    /** Ends the connection at once, as a close with unread bytes or a killed process does. */
    void abort() {
        reset = true;
        wire.send(iss + 1 + nxt, irs + 1 + received, TcpFlags.RST | TcpFlags.ACK, 0, NONE, NONE, 0, 0);
    }

    boolean closing() {
        return closing;
    }

    boolean peerClosed() {
        return finAt >= 0 && received == finAt;
    }

    boolean closed() {
        return reset || peerClosed() && finAcknowledged();
    }

    private boolean finAcknowledged() {
        return closing && una == written + 1;
    }

    /** A keep-alive probe (RFC 9293 section 3.8.4): the last byte's number again, without the byte. */
    void probe() {
        if (established && una == nxt) {
            wire.send(iss + nxt, ackNumber(), TcpFlags.ACK, window(), NONE, NONE, 0, 0);
        }
    }

    // ---- sending -----------------------------------------------------------------------------------------------

    void tick(long nowNs) {
        if (reset) {
            return;
        }
        if (!established) {
            if (nowNs >= retransmitAtNs && !passive) {
                connect(nowNs);
            } else if (passive && nowNs >= retransmitAtNs && peerSynSeen) {
                retransmitAtNs = nowNs + 1_000 * MS;
                synAck();
            }
            return;
        }
        if (una < nxt && nowNs >= retransmitAtNs) {
            repeat(nowNs);
        }
        send(nowNs);
        if (acknowledgeAtNs != 0 && nowNs >= acknowledgeAtNs) {
            acknowledge();
        }
    }

    private void repeat(long nowNs) {
        repeated++;
        int to = Math.min(Math.min(nxt, written), una + segmentSize());
        boolean fin = nxt > written && to == written;
        retransmitAtNs = nowNs + (100 + random.nextInt(100)) * MS;
        emit(una, to, fin);
    }

    void send(long nowNs) {
        int window = Math.min(CONGESTION_WINDOW, peerWindow);
        boolean idle = una == nxt;
        while (nxt < written && nxt - una < window) {
            // A slow or Nagle-limited sender lets time pass between segments.
            if (!passive && random.nextInt(8) == 0) {
                break;
            }
            int to = Math.min(Math.min(written, nxt + segmentSize()), una + window);
            boolean fin = closing && to == written && random.nextBoolean();
            emit(nxt, to, fin);
            nxt = fin ? to + 1 : to;
        }
        if (closing && nxt == written) {
            emit(nxt, nxt, true);
            nxt++;
        }
        if (idle && una < nxt) {
            retransmitAtNs = nowNs + (100 + random.nextInt(100)) * MS;
        }
    }

    private int segmentSize() {
        switch (random.nextInt(4)) {
            case 0:
                return 1 + random.nextInt(16);
            case 1:
                return 1 + random.nextInt(1_448);
            case 2:
                return 1_448;
            default:
                return maxSegment;
        }
    }

    private void emit(int from, int to, boolean fin) {
        int flags = TcpFlags.ACK | (to == written && to > from ? TcpFlags.PSH : 0) | (fin ? TcpFlags.FIN : 0);
        acknowledgeAtNs = 0;
        wire.send(iss + 1 + from, ackNumber(), flags, window(), NONE, out, from, to - from);
    }

    private void acknowledge() {
        acknowledgeAtNs = 0;
        byte[] options = NONE;
        if (edges > 0) {
            int count = Math.min(edges, 6);
            int[] blocks = new int[count];
            for (int i = 0; i < count; i++) {
                blocks[i] = irs + 1 + ranges[i];
            }
            options = SimulatedFrame.sackOption(blocks, count);
        }
        wire.send(iss + 1 + nxt, ackNumber(), TcpFlags.ACK, window(), options, NONE, 0, 0);
    }

    private int ackNumber() {
        return irs + 1 + received + (peerClosed() ? 1 : 0);
    }

    private int window() {
        return scale == TcpOptions.NO_WINDOW_SCALE || peerScale == TcpOptions.NO_WINDOW_SCALE
                ? WINDOW
                : WINDOW >> scale;
    }

    // ---- receiving ---------------------------------------------------------------------------------------------

    void receive(SimulatedFrame frame, long nowNs) {
        if (reset) {
            if (!frame.has(TcpFlags.RST)) {
                wire.send(frame.ack, 0, TcpFlags.RST, 0, NONE, NONE, 0, 0);
            }
            return;
        }
        if (!peerSynSeen) {
            onFirstAnswer(frame);
            return;
        }
        int offset = frame.seq - irs - 1;
        if (frame.has(TcpFlags.RST)) {
            if (offset == received + (peerClosed() ? 1 : 0)) {
                reset = true;
            } else if (established && offset > received && offset < received + WINDOW) {
                acknowledge();
            }
            return;
        }
        if (frame.has(TcpFlags.SYN)) {
            if (established) {
                acknowledge();
            } else if (frame.seq == irs) {
                synAck();
            }
            return;
        }
        int end = offset + frame.payloadLength;
        if (end < 0 && offset != -1 || end > received + WINDOW + 1) {
            check(!strict, "sequence number " + offset + " with " + received + " received");
            acknowledge();
            return;
        }
        if (!onAcknowledgment(frame, nowNs)) {
            return;
        }
        established = true;
        onPayload(frame, offset, end, nowNs);
    }

    private void onFirstAnswer(SimulatedFrame frame) {
        if (frame.has(TcpFlags.SYN) && frame.has(TcpFlags.ACK) && frame.ack == iss + 1) {
            irs = frame.seq;
            peerSynSeen = true;
            established = true;
            boolean scaled = scale != TcpOptions.NO_WINDOW_SCALE && frame.windowScale != TcpOptions.NO_WINDOW_SCALE;
            peerScale = scaled ? frame.windowScale : TcpOptions.NO_WINDOW_SCALE;
            peerWindow = frame.window;
            acknowledge();
        } else if (!frame.has(TcpFlags.RST) && frame.has(TcpFlags.ACK)) {
            // RFC 9293 section 3.10.7.3: something old.
            wire.send(frame.ack, 0, TcpFlags.RST, 0, NONE, NONE, 0, 0);
        }
    }

    private boolean onAcknowledgment(SimulatedFrame frame, long nowNs) {
        check(frame.has(TcpFlags.ACK), "segment without acknowledgment");
        int acknowledged = frame.ack - iss - 1;
        if (acknowledged > nxt || acknowledged < -1) {
            check(!strict, "acknowledgment of " + acknowledged + " when " + nxt + " were sent");
            if (!established) {
                wire.send(frame.ack, 0, TcpFlags.RST, 0, NONE, NONE, 0, 0);
            }
            return false;
        }
        for (int i = 0; i < frame.sackEdges; i += 2) {
            int left = frame.sack[i] - iss - 1;
            int right = frame.sack[i + 1] - iss - 1;
            boolean sent = left >= acknowledged && left < right && right <= nxt;
            if (!sent) {
                check(!strict, "SACK block " + left + "-" + right + " when " + nxt + " were sent");
            }
        }
        int shift = peerScale == TcpOptions.NO_WINDOW_SCALE ? 0 : peerScale;
        peerWindow = frame.window << shift;
        if (acknowledged > una) {
            una = acknowledged;
            duplicateAcks = 0;
            repeated = 0;
            retransmitAtNs = nowNs + (100 + random.nextInt(100)) * MS;
        } else if (acknowledged == una && una < nxt && frame.payloadLength == 0 && ++duplicateAcks == 3) {
            repeat(nowNs);
        }
        return true;
    }

    private void onPayload(SimulatedFrame frame, int offset, int end, long nowNs) {
        if (frame.payloadLength == 0 && !frame.has(TcpFlags.FIN)) {
            if (offset < received) {
                acknowledge();
            }
            return;
        }
        boolean inOrder = offset <= received && edges == 0 && end > received;
        insert(frame, offset, end);
        if (frame.has(TcpFlags.FIN)) {
            check(finAt < 0 || finAt == end, "FIN at " + end + " and at " + finAt);
            finAt = end;
        }
        check(finAt < 0 || end <= finAt, "bytes behind the FIN");
        if (inOrder && !peerClosed() && random.nextInt(3) == 0) {
            acknowledgeAtNs = nowNs + 30 * MS;
        } else {
            acknowledge();
        }
    }

    private void insert(SimulatedFrame frame, int offset, int end) {
        if (end > in.length) {
            in = Arrays.copyOf(in, Math.max(in.length * 2, end));
        }
        for (int i = Math.max(0, offset); i < end; i++) {
            byte value = frame.bytes[frame.payloadAt + i - offset];
            // What was delivered is trimmed off, whatever it is now: its patches may be forgotten.
            if (i >= received) {
                if (has(i) && in[i] != value) {
                    check(false, "byte " + i + " arrived with another value before");
                }
                in[i] = value;
            }
        }
        if (offset > received) {
            addRange(offset, end);
        } else if (end > received) {
            received = end;
            takeRanges();
        }
    }

    /** Whether a byte beyond the run has arrived. */
    private boolean has(int i) {
        for (int r = 0; r < edges; r += 2) {
            if (i >= ranges[r] && i < ranges[r + 1]) {
                return true;
            }
        }
        return false;
    }

    private void addRange(int from, int to) {
        int left = from;
        int right = to;
        int kept = 0;
        for (int r = 0; r < edges; r += 2) {
            if (ranges[r] <= right && left <= ranges[r + 1]) {
                left = Math.min(left, ranges[r]);
                right = Math.max(right, ranges[r + 1]);
            } else {
                ranges[kept] = ranges[r];
                ranges[kept + 1] = ranges[r + 1];
                kept += 2;
            }
        }
        if (kept < ranges.length && left < right) {
            ranges[kept] = left;
            ranges[kept + 1] = right;
            kept += 2;
        }
        edges = kept;
    }

    private void takeRanges() {
        boolean taken = true;
        while (taken) {
            taken = false;
            for (int r = 0; r < edges; r += 2) {
                if (ranges[r] <= received) {
                    received = Math.max(received, ranges[r + 1]);
                    edges -= 2;
                    ranges[r] = ranges[edges];
                    ranges[r + 1] = ranges[edges + 1];
                    taken = true;
                    break;
                }
            }
        }
    }

    private static void check(boolean right, String what) {
        if (!right) {
            throw new AssertionError(what);
        }
    }

    @Override
    public String toString() {
        return String.format(
                "wrote %d, sent %d, acknowledged %d, received %d, %s%s%s, last piece repeated %d times",
                written,
                nxt,
                una,
                received,
                closing ? "closing " : "",
                peerClosed() ? "peer closed " : "",
                reset ? "reset" : established ? "established" : "not established",
                repeated);
    }
}
