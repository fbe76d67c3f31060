package org.dwsr.filter;

import org.dwsr.switching.CounterSink;

/** The counts of one filter core. Single writer. */
final class FilterCounters {
    private final long[] counts = new long[FilterCounter.values().length];

    void increment(FilterCounter counter) {
        counts[counter.ordinal()]++;
    }

    long get(FilterCounter counter) {
        return counts[counter.ordinal()];
    }

    void report(CounterSink sink) {
        for (FilterCounter counter : FilterCounter.values()) {
            sink.counter(counter.reportedName(), counts[counter.ordinal()]);
        }
    }
}
