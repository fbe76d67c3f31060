package org.dwsr.filter.host;

import java.nio.ByteBuffer;

/** A way out on which some frames get lost, go twice or go late. */
final class FaultySink implements FrameSink {
    private static final int COPY_BYTES = 1 << 20;
    private static final int COPY_FRAMES = 16;

    private final FrameSink sink;
    private final FaultDice dice;
    private final PortCounters counters;
    private final FrameFifo copies = new FrameFifo(COPY_BYTES, COPY_FRAMES);

    FaultySink(FrameSink sink, FaultDice dice, PortCounters counters) {
        this.sink = sink;
        this.dice = dice;
        this.counters = counters;
    }

    @Override
    public int room() {
        return sink.room();
    }

    @Override
    public boolean fits(int length) {
        return sink.fits(length);
    }

    @Override
    public boolean blocked() {
        return sink.blocked();
    }

    @Override
    public void forward(FrameSource source, long nowNs) {
        switch (dice.throwOnce()) {
            case LOSE -> source.release(source.slot());
            case HOLD -> {
                if (dice.held().add(source, dice.dueNs(nowNs), dice.dueCount())) {
                    source.release(source.slot());
                } else {
                    dice.overflow();
                    sink.forward(source, nowNs);
                }
            }
            case DUPLICATE -> {
                if (!copies.add(source, nowNs, 0)) {
                    dice.overflow();
                }
                sink.forward(source, nowNs);
                copies.sendTo(sink, nowNs);
            }
            case PASS -> sink.forward(source, nowNs);
        }
        sendDue(nowNs);
    }

    @Override
    public void inject(ByteBuffer from, int offset, int length, long nowNs) {
        switch (dice.throwOnce()) {
            case LOSE -> {}
            case HOLD -> {
                if (!dice.held().addInjected(from, offset, length, dice.dueNs(nowNs), dice.dueCount())) {
                    dice.overflow();
                    sink.inject(from, offset, length, nowNs);
                }
            }
            case DUPLICATE -> {
                sink.inject(from, offset, length, nowNs);
                sink.inject(from, offset, length, nowNs);
            }
            case PASS -> sink.inject(from, offset, length, nowNs);
        }
        sendDue(nowNs);
    }

    private void sendDue(long nowNs) {
        while (dice.heldIsDue(nowNs)) {
            dice.held().sendTo(sink, nowNs);
        }
    }

    @Override
    public boolean flush(long nowNs) {
        sendDue(nowNs);
        return sink.flush(nowNs);
    }

    @Override
    public void dropAll(PortCounter reason) {
        dice.held().dropAll(counters, reason);
        sink.dropAll(reason);
    }
}
