package org.dwsr.filter;

import java.nio.ByteBuffer;
import org.dwsr.packet.FrameFlyweight;

/**
 * Makes a client's own SYN one that this server may answer: what it offers must be what another server can be offered
 * again, with nothing but a migration tag and the first request to know it from.
 */
final class GuessedSyn {
    private static final int END = 0;
    private static final int NOP = 1;
    private static final int MSS = 2;
    private static final int WINDOW_SCALE = 3;
    private static final int SACK_PERMITTED = 4;
    private static final int TIMESTAMPS = 8;
    private static final int DATA_OFFSET = 12;

    private GuessedSyn() {}

    /**
     * Turns every option but those that a tag carries into padding (Multipath TCP, Fast Open cookies, accurate ECN,
     * signatures), and clears the bits beside the data offset, the first of which would ask for accurate ECN.
     */
    static void clean(FrameFlyweight syn) {
        ByteBuffer buf = syn.buffer();
        int dataOffset = syn.tcpOffset() + DATA_OFFSET;
        if ((buf.get(dataOffset) & 0x0f) != 0) {
            syn.set8(dataOffset, buf.get(dataOffset) & 0xf0);
        }
        int end = syn.optionsOffset() + syn.optionsLength();
        int at = syn.optionsOffset();
        while (at < end && buf.get(at) != END) {
            int kind = buf.get(at) & 0xff;
            if (kind == NOP) {
                at++;
                continue;
            }
            int size = at + 1 < end ? buf.get(at + 1) & 0xff : 0;
            boolean sound = size >= 2 && at + size <= end;
            int next = sound ? at + size : end;
            if (!sound || !carried(kind)) {
                pad(syn, at, next);
            }
            at = next;
        }
    }

    private static boolean carried(int kind) {
        return kind == MSS || kind == WINDOW_SCALE || kind == SACK_PERMITTED || kind == TIMESTAMPS;
    }

    private static void pad(FrameFlyweight syn, int from, int to) {
        for (int i = from; i < to; i++) {
            syn.set8(i, NOP);
        }
    }
}
