package org.dwsr.filter.host;

import org.dwsr.switching.CounterSink;

/** The counters of one interface, which outlive its sockets. Written and read by the agent's thread only. */
@SuppressWarnings("EnumOrdinal") // an index into an array that never leaves this class
final class PortCounters {
    private static final PortCounter[] ALL = PortCounter.values();

    private final long[] values = new long[ALL.length];

    void increment(PortCounter counter) {
        values[counter.ordinal()]++;
    }

    void add(PortCounter counter, long n) {
        values[counter.ordinal()] += n;
    }

    long get(PortCounter counter) {
        return values[counter.ordinal()];
    }

    /** Tells every counter under its snake-case name, after {@code prefix}. */
    void tell(String prefix, CounterSink sink) {
        for (PortCounter counter : ALL) {
            sink.counter(prefix + counter.key(), values[counter.ordinal()]);
        }
    }
}
