package org.dwsr.switching;

import java.util.EnumMap;
import java.util.Map;
import org.dwsr.http.HttpRefusal;

/** The counts of one web switch: {@link SwitchCounter}s, and refusals by reason. Single writer. */
final class SwitchCounters {
    private final long[] counts = new long[SwitchCounter.values().length];
    private final Map<HttpRefusal, long[]> refusals = new EnumMap<>(HttpRefusal.class);

    void increment(SwitchCounter counter) {
        counts[counter.ordinal()]++;
    }

    void add(SwitchCounter counter, long count) {
        counts[counter.ordinal()] += count;
    }

    void refused(HttpRefusal refusal) {
        refusals.computeIfAbsent(refusal, r -> new long[1])[0]++;
    }

    long get(SwitchCounter counter) {
        return counts[counter.ordinal()];
    }

    void report(CounterSink sink) {
        for (SwitchCounter counter : SwitchCounter.values()) {
            sink.counter(counter.reportedName(), counts[counter.ordinal()]);
        }
        for (Map.Entry<HttpRefusal, long[]> refusal : refusals.entrySet()) {
            sink.counter("refused_" + refusal.getKey().counter(), refusal.getValue()[0]);
        }
    }
}
