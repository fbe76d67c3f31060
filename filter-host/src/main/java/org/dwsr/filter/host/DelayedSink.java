package org.dwsr.filter.host;

import java.nio.ByteBuffer;

/** A way out that takes a fixed time: first in, first out, bounded; what finds no room is dropped and counted. */
final class DelayedSink implements FrameSink {
    private static final int STORE_BYTES = 16 << 20;
    private static final int STORE_FRAMES = 1 << 15;
    /** What the caller may always queue. */
    private static final int ROOM = TransmitQueue.CAPACITY;

    private final FrameSink sink;
    private final long delayNs;
    private final PortCounters counters;
    private final FrameFifo waiting;

    DelayedSink(FrameSink sink, long delayNs, PortCounters counters) {
        this(sink, delayNs, counters, new FrameFifo(STORE_BYTES, STORE_FRAMES));
    }

    DelayedSink(FrameSink sink, long delayNs, PortCounters counters, FrameFifo waiting) {
        this.sink = sink;
        this.delayNs = delayNs;
        this.counters = counters;
        this.waiting = waiting;
    }

    @Override
    public int room() {
        return ROOM;
    }

    @Override
    public boolean fits(int length) {
        return true;
    }

    @Override
    public boolean blocked() {
        return sink.blocked();
    }

    @Override
    public void forward(FrameSource source, long nowNs) {
        count(waiting.add(source, nowNs + delayNs, Long.MAX_VALUE));
        source.release(source.slot());
    }

    @Override
    public void inject(ByteBuffer from, int offset, int length, long nowNs) {
        count(waiting.addInjected(from, offset, length, nowNs + delayNs, Long.MAX_VALUE));
    }

    private void count(boolean taken) {
        counters.increment(taken ? PortCounter.DELAYED : PortCounter.DELAY_OVERFLOW);
    }

    @Override
    public boolean flush(long nowNs) {
        while (waiting.isDue(nowNs, 0)) {
            if (sink.room() == 0 && !sink.flush(nowNs)) {
                return false;
            }
            waiting.sendTo(sink, nowNs);
        }
        return sink.flush(nowNs);
    }

    @Override
    public void dropAll(PortCounter reason) {
        waiting.dropAll(counters, reason);
        sink.dropAll(reason);
    }
}
