package org.dwsr.controller;

import io.prometheus.metrics.expositionformats.ExpositionFormats;
import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** Counters in Prometheus's text format: {@code dwsr_NAME_total}, filters' as {@code dwsr_filter_NAME_total}. */
final class CounterText {
    /** Names that are the size of something right now. */
    private static final Set<String> SIZES =
            Set.of("connections", "waiting_segments", "gathering_heads", "return_flows", "open_guesses");

    private static final ExpositionFormats FORMATS = ExpositionFormats.init();

    private CounterText() {}

    static String contentType() {
        return FORMATS.getPrometheusTextFormatWriter().getContentType();
    }

    /**
     * All counters as text.
     *
     * @param own the web switch's and the controller's
     * @param filters by server, as last reported
     */
    static byte[] render(Map<String, Long> own, Map<String, Map<String, Long>> filters) throws IOException {
        List<MetricSnapshot> metrics = new ArrayList<>();
        own.forEach((name, value) -> metrics.add(SIZES.contains(name) ? size(name, value) : counter(name, value)));
        // Names that become the same are added up: a name of a filter's must not take the metrics away.
        Map<String, Map<String, Long>> byName = new TreeMap<>();
        filters.forEach((server, counters) -> counters.forEach(
                (name, value) -> byName.computeIfAbsent("dwsr_filter_" + legal(name), metric -> new TreeMap<>())
                        .merge(server, value, CounterText::sum)));
        byName.forEach((name, values) -> {
            CounterSnapshot.Builder metric = CounterSnapshot.builder().name(name);
            values.forEach((server, value) -> metric.dataPoint(CounterSnapshot.CounterDataPointSnapshot.builder()
                    .labels(Labels.of("server", server))
                    .value((double) value)
                    .build()));
            metrics.add(metric.build());
        });
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        FORMATS.getPrometheusTextFormatWriter().write(out, new MetricSnapshots(metrics));
        return out.toByteArray();
    }

    /** Never negative: counters are not, and must not become it. */
    private static long sum(long a, long b) {
        return a > Long.MAX_VALUE - b ? Long.MAX_VALUE : a + b;
    }

    private static MetricSnapshot counter(String name, long value) {
        return CounterSnapshot.builder()
                .name("dwsr_" + legal(name))
                .dataPoint(CounterSnapshot.CounterDataPointSnapshot.builder()
                        .value((double) value)
                        .build())
                .build();
    }

    private static MetricSnapshot size(String name, long value) {
        return GaugeSnapshot.builder()
                .name("dwsr_" + name)
                .dataPoint(GaugeSnapshot.GaugeDataPointSnapshot.builder()
                        .value((double) value)
                        .build())
                .build();
    }

    /** The name with only the characters Prometheus allows, and without the suffix that its library adds. */
    private static String legal(String name) {
        String legal = name.replaceAll("[^a-zA-Z0-9_]", "_");
        for (String reserved : List.of("_total", "_created", "_bucket", "_info")) {
            if (legal.endsWith(reserved)) {
                return legal(legal.substring(0, legal.length() - reserved.length()) + "_");
            }
        }
        return legal;
    }
}
