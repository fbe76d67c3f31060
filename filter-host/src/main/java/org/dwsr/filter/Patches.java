package org.dwsr.filter;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.dwsr.packet.FrameFlyweight;
import org.dwsr.packet.TcpSeq;

/**
 * The places of one direction of a stream where eight bytes were replaced (cookie names), kept until they are
 * acknowledged, so that a retransmission is changed in the same way however it is cut.
 *
 * <p>Sequence numbers are the client's.
 */
final class Patches {
    static final int LENGTH = 8;
    private static final int SMALL = 16;

    private int[] seqs = new int[2];
    private long[] replacements = new long[2];
    private int count;

    void add(int seq, long replacement) {
        for (int i = 0; i < count; i++) {
            if (seqs[i] == seq) {
                replacements[i] = replacement;
                return;
            }
        }
        if (count == seqs.length) {
            seqs = Arrays.copyOf(seqs, count * 2);
            replacements = Arrays.copyOf(replacements, count * 2);
        }
        seqs[count] = seq;
        replacements[count] = replacement;
        count++;
    }

    boolean isEmpty() {
        return count == 0;
    }

    /** Whether it has not needed room for unusually many. */
    boolean isSmall() {
        return seqs.length <= SMALL;
    }

    /** Forgets the patches that lie wholly before {@code seq}. */
    void forgetBefore(int seq) {
        int kept = 0;
        for (int i = 0; i < count; i++) {
            if (TcpSeq.isAfter(seqs[i] + LENGTH, seq)) {
                seqs[kept] = seqs[i];
                replacements[kept] = replacements[i];
                kept++;
            }
        }
        count = kept;
    }

    /** Changes {@code length} bytes at {@code offset} whose first has sequence number {@code seq}; no checksum. */
    void apply(ByteBuffer bytes, int offset, int length, int seq) {
        for (int i = 0; i < count; i++) {
            int at = TcpSeq.distance(seq, seqs[i]);
            for (int b = Math.max(0, -at); b < LENGTH && at + b < length; b++) {
                bytes.put(offset + at + b, byteOf(i, b));
            }
        }
    }

    /** Changes a frame whose payload starts at the client's sequence number {@code seq}, and mends its checksum. */
    void apply(FrameFlyweight frame, int seq) {
        int length = frame.payloadLength();
        for (int i = 0; i < count; i++) {
            int at = TcpSeq.distance(seq, seqs[i]);
            for (int b = Math.max(0, -at); b < LENGTH && at + b < length; b++) {
                frame.set8(frame.payloadOffset() + at + b, byteOf(i, b) & 0xff);
            }
        }
    }

    private byte byteOf(int i, int b) {
        return (byte) (replacements[i] >>> 56 - 8 * b);
    }
}
