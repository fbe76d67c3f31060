package org.dwsr.stream;

import java.nio.ByteBuffer;
import org.dwsr.packet.TcpSeq;

/**
 * A bounded window over one direction of a TCP stream: bytes go in by sequence number in any order, and come out as
 * one run from {@link #base()}.
 *
 * <p>Bytes that overlap keep their first value, so a retransmission cannot rewrite what was already looked at. Up to
 * {@value #MAX_RANGES} pieces beyond the run are remembered; what does not fit is left for a retransmission.
 */
public final class ReassemblyBuffer {
    private static final int MAX_RANGES = 8;

    private final ByteBuffer bytes;
    private final int[] rangeStart = new int[MAX_RANGES];
    private final int[] rangeEnd = new int[MAX_RANGES];
    private int ranges;
    private int base;
    private int length;
    private boolean finKnown;
    private int finSeq;

    /** A window of {@code capacity} bytes whose first byte has sequence number {@code base}. */
    public ReassemblyBuffer(int capacity, int base) {
        bytes = ByteBuffer.allocate(capacity);
        this.base = base;
    }

    /** Empties the window and lets it start at another sequence number. */
    public void reset(int newBase) {
        base = newBase;
        length = 0;
        ranges = 0;
        finKnown = false;
    }

    /** The sequence number of the first byte held. */
    public int base() {
        return base;
    }

    /** The number of bytes of the run that starts at {@link #base()}. */
    public int length() {
        return length;
    }

    /** The sequence number after the run. */
    public int end() {
        return base + length;
    }

    public int capacity() {
        return bytes.capacity();
    }

    /** The bytes: the run stands at offset 0. */
    public ByteBuffer bytes() {
        return bytes;
    }

    /** Tells whether bytes beyond a gap are held. */
    public boolean hasGap() {
        return ranges > 0;
    }

    /** Tells whether a FIN stands right after the run. */
    public boolean finished() {
        return finKnown && finSeq == end();
    }

    /** Notes that the stream ends at sequence number {@code seq}. */
    public void fin(int seq) {
        finKnown = true;
        finSeq = seq;
    }

    /** Inserts bytes that start at {@code seq}; parts outside the window are ignored. */
    public void insert(int seq, ByteBuffer source, int offset, int count) {
        int from = TcpSeq.distance(base, seq);
        int to = from + count;
        int skip = from < length ? length - from : 0;
        from += skip;
        to = Math.min(to, bytes.capacity());
        if (skip > count || from >= to) {
            return;
        }
        if (from > length && !remember(from, to)) {
            return;
        }
        copyAbsent(from, to, source, offset + skip);
        if (from == length) {
            length = to;
            joinRanges();
        }
    }

    /** Drops {@code count} bytes from the front of the run. */
    public void discard(int count) {
        int highest = length;
        for (int i = 0; i < ranges; i++) {
            highest = Math.max(highest, rangeEnd[i]);
            rangeStart[i] -= count;
            rangeEnd[i] -= count;
        }
        for (int i = count; i < highest; i++) {
            bytes.put(i - count, bytes.get(i));
        }
        base += count;
        length -= count;
    }

    private void copyAbsent(int from, int to, ByteBuffer source, int offset) {
        for (int i = from; i < to; i++) {
            if (!heldBeyondRun(i, from, to)) {
                bytes.put(i, source.get(offset + i - from));
            }
        }
    }

    /** Tells whether position i was held before the piece [from, to) came. */
    private boolean heldBeyondRun(int i, int from, int to) {
        for (int r = 0; r < ranges; r++) {
            boolean isNewPiece = rangeStart[r] == from && rangeEnd[r] == to;
            if (!isNewPiece && i >= rangeStart[r] && i < rangeEnd[r]) {
                return true;
            }
        }
        return false;
    }

    private boolean remember(int from, int to) {
        for (int r = 0; r < ranges; r++) {
            if (rangeStart[r] <= from && to <= rangeEnd[r]) {
                return false;
            }
        }
        if (ranges == MAX_RANGES) {
            return false;
        }
        rangeStart[ranges] = from;
        rangeEnd[ranges] = to;
        ranges++;
        return true;
    }

    private void joinRanges() {
        boolean joined = true;
        while (joined) {
            joined = false;
            for (int r = 0; r < ranges; r++) {
                if (rangeStart[r] <= length) {
                    length = Math.max(length, rangeEnd[r]);
                    ranges--;
                    rangeStart[r] = rangeStart[ranges];
                    rangeEnd[r] = rangeEnd[ranges];
                    joined = true;
                    break;
                }
            }
        }
    }
}
