package org.dwsr.filter.host;

import java.util.Random;

/** Decides the fate of one frame after the other, the same for the same seed, and keeps what is held back. */
final class FaultDice {
    /** What happens to a frame. */
    enum Fate {
        PASS,
        LOSE,
        DUPLICATE,
        HOLD
    }

    private static final int STORE_BYTES = 4 << 20;
    private static final int STORE_FRAMES = 64;
    private static final long NANOS_PER_MS = 1_000_000L;

    private final FaultSpec spec;
    private final Random random;
    private final PortCounters counters;
    private final FrameFifo held = new FrameFifo(STORE_BYTES, STORE_FRAMES);
    private long frames;

    /**
     * Dice for one direction of one port.
     *
     * @param stream tells the direction; each has dice of its own
     */
    FaultDice(FaultSpec spec, String stream, PortCounters counters) {
        this.spec = spec;
        this.random = new Random(spec.seed() * 31 + stream.hashCode());
        this.counters = counters;
    }

    /** The next frame's fate, which is counted. */
    Fate throwOnce() {
        frames++;
        double dice = random.nextDouble();
        if (dice < spec.loss()) {
            counters.increment(PortCounter.FAULT_LOST);
            return Fate.LOSE;
        }
        if (dice < spec.loss() + spec.duplicate()) {
            counters.increment(PortCounter.FAULT_DUPLICATED);
            return Fate.DUPLICATE;
        }
        if (dice < spec.loss() + spec.duplicate() + spec.reorder()) {
            counters.increment(PortCounter.FAULT_REORDERED);
            return Fate.HOLD;
        }
        return Fate.PASS;
    }

    /** The frames that are held back. */
    FrameFifo held() {
        return held;
    }

    /** When a frame that is held back from now on leaves at the latest. */
    long dueNs(long nowNs) {
        return nowNs + spec.holdMs() * NANOS_PER_MS;
    }

    /** After which frame it leaves otherwise. */
    long dueCount() {
        return frames + spec.behind();
    }

    /** Whether the oldest frame that is held back may go. */
    boolean heldIsDue(long nowNs) {
        return held.isDue(nowNs, frames);
    }

    /** Counts a frame for which there was no room; it passes. */
    void overflow() {
        counters.increment(PortCounter.FAULT_OVERFLOW);
    }
}
