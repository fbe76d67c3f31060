package org.dwsr.filter.host;

import java.nio.ByteBuffer;

/** A ring of which some frames get lost, come twice or come late. */
final class FaultySource implements FrameSource {
    private static final int COPY_BYTES = 1 << 20;
    private static final int COPY_FRAMES = 16;
    private static final int ORIGINS = 3;

    private final FrameSource[] origins;
    private final FrameSource ring;
    private final FrameFifo copies = new FrameFifo(COPY_BYTES, COPY_FRAMES);
    private final FaultDice dice;
    private int origin;

    FaultySource(FrameSource ring, FaultDice dice) {
        this.ring = ring;
        this.dice = dice;
        origins = new FrameSource[] {ring, copies, dice.held()};
    }

    @Override
    public boolean next(long nowNs) {
        if (copies.next(nowNs)) {
            return give(1);
        }
        while (true) {
            if (dice.heldIsDue(nowNs) && dice.held().next(nowNs)) {
                return give(2);
            }
            if (!ring.next(nowNs)) {
                return false;
            }
            switch (dice.throwOnce()) {
                case LOSE -> ring.release(ring.slot());
                case HOLD -> {
                    if (!dice.held().add(ring, dice.dueNs(nowNs), dice.dueCount())) {
                        dice.overflow();
                        return give(0);
                    }
                    ring.release(ring.slot());
                }
                case DUPLICATE -> {
                    if (!copies.add(ring, nowNs, 0)) {
                        dice.overflow();
                    }
                    return give(0);
                }
                case PASS -> {
                    return give(0);
                }
            }
        }
    }

    private boolean give(int from) {
        origin = from;
        return true;
    }

    @Override
    public ByteBuffer buffer() {
        return origins[origin].buffer();
    }

    @Override
    public int slot() {
        return origins[origin].slot() * ORIGINS + origin;
    }

    @Override
    public int offset() {
        return origins[origin].offset();
    }

    @Override
    public int length() {
        return origins[origin].length();
    }

    @Override
    public long virtioAddress() {
        return origins[origin].virtioAddress();
    }

    @Override
    public boolean partialChecksum() {
        return origins[origin].partialChecksum();
    }

    @Override
    public void release(int slot) {
        origins[slot % ORIGINS].release(slot / ORIGINS);
    }
}
