package org.dwsr.controller;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class CounterTextTest {
    private static String render(Map<String, Long> own, Map<String, Map<String, Long>> filters) throws Exception {
        return new String(CounterText.render(own, filters), StandardCharsets.UTF_8);
    }

    @Test
    void shouldRenderCountersSizesAndFilters() throws Exception {
        String text = render(
                Map.of("packet_ins", 5L, "connections", 7L),
                Map.of("s1", Map.of("rebuilds", 1L), "s2", Map.of("rebuilds", 2L)));
        assertThat(text)
                .contains("# TYPE dwsr_packet_ins_total counter", "dwsr_packet_ins_total 5.0")
                .contains("# TYPE dwsr_connections gauge", "dwsr_connections 7.0")
                .contains("dwsr_filter_rebuilds_total{server=\"s1\"} 1.0")
                .contains("dwsr_filter_rebuilds_total{server=\"s2\"} 2.0");
    }

    /** Filters are of other versions at times: no name of theirs may take the metrics away. */
    @Test
    void shouldRenderWhateverNamesAFilterSends() throws Exception {
        Map<String, Long> names = new LinkedHashMap<>();
        for (String name : new String[] {
            "",
            "_total",
            "a_total",
            "a_created",
            "a_info_total",
            "a.b",
            "a_b",
            "a-b",
            "1",
            "ü",
            "x y",
            "_",
            "__",
            "a{b}"
        }) {
            names.put(name, 1L);
        }
        assertThat(render(Map.of(), Map.of("s1", names, "s2", names)))
                .contains("dwsr_filter_a_b_total{server=\"s1\"} 3.0");
    }

    @Test
    void shouldRenderControllerCountersUnderNamesOfTheirOwn() throws Exception {
        Map<String, Long> own = new LinkedHashMap<>();
        new ControllerCounters().report((name, value) -> own.put("controller_" + name, value));
        String text = render(own, Map.of());
        assertThat(text.lines().filter(line -> line.startsWith("dwsr_controller_")))
                .hasSize(ControllerCounter.values().length);
    }
}
