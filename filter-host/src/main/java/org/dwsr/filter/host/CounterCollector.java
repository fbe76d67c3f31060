package org.dwsr.filter.host;

import io.prometheus.metrics.model.registry.MultiCollector;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import io.prometheus.metrics.model.snapshots.PrometheusNaming;
import io.prometheus.metrics.model.snapshots.UnknownSnapshot;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;

/** Turns counters into Prometheus metrics such as {@code dwsr_filter_NAME{server="..."}} at each scrape. */
final class CounterCollector implements MultiCollector {
    private final String prefix;
    private final Supplier<List<PortPairStatus>> statuses;

    /** A collector of what {@code statuses} tells, under names that begin with {@code prefix}. */
    CounterCollector(String prefix, Supplier<List<PortPairStatus>> statuses) {
        this.prefix = prefix;
        this.statuses = statuses;
    }

    @Override
    public MetricSnapshots collect() {
        // Untyped: the core tells sums and sizes through the same sink.
        Map<String, UnknownSnapshot.Builder> metrics = new TreeMap<>();
        for (PortPairStatus status : statuses.get()) {
            for (Map.Entry<String, Long> counter : status.counters().entrySet()) {
                String name = PrometheusNaming.sanitizeMetricName(prefix + counter.getKey());
                metrics.computeIfAbsent(
                                name, n -> UnknownSnapshot.builder().name(n).help(help(counter.getKey())))
                        .dataPoint(UnknownSnapshot.UnknownDataPointSnapshot.builder()
                                .labels(Labels.of("server", status.server()))
                                .value(counter.getValue())
                                .build());
            }
        }
        MetricSnapshots.Builder all = MetricSnapshots.builder();
        metrics.values().forEach(metric -> all.metricSnapshot(metric.build()));
        return all.build();
    }

    private static String help(String name) {
        for (PortSide side : PortSide.values()) {
            for (PortCounter counter : PortCounter.values()) {
                if (name.equals(side.key() + "_" + counter.key())) {
                    return "Interface toward the " + side.key() + ": " + counter.help();
                }
            }
        }
        return name.replace('_', ' ').toLowerCase(Locale.ROOT);
    }
}
