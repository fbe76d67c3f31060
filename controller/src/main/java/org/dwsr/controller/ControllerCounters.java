package org.dwsr.controller;

import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import org.dwsr.switching.CounterSink;

/** The controller's counters; any thread counts, any thread reads. */
final class ControllerCounters {
    private final Map<ControllerCounter, LongAdder> adders = new EnumMap<>(ControllerCounter.class);

    ControllerCounters() {
        for (ControllerCounter counter : ControllerCounter.values()) {
            adders.put(counter, new LongAdder());
        }
    }

    void increment(ControllerCounter counter) {
        adder(counter).increment();
    }

    void add(ControllerCounter counter, long count) {
        adder(counter).add(count);
    }

    long value(ControllerCounter counter) {
        return adder(counter).sum();
    }

    void report(CounterSink sink) {
        adders.forEach((counter, adder) -> sink.counter(counter.key(), adder.sum()));
    }

    private LongAdder adder(ControllerCounter counter) {
        LongAdder adder = adders.get(counter);
        if (adder == null) {
            throw new AssertionError(counter);
        }
        return adder;
    }
}
