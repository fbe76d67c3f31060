package org.dwsr.filter.host;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import picocli.CommandLine;

/** A whole filter without web switch and without interfaces: it waits for both. */
@Timeout(30)
class HostFilterTest {
    private static final FilterConfig CONFIG = new FilterConfig(
            List.of(URI.create("http://127.0.0.1:9")),
            Path.of("unused"),
            new HostPort("127.0.0.1", 0),
            1,
            List.of(
                    new FilterConfig.PortPairConfig("s1", "dwio-none1", "dwio-none2"),
                    new FilterConfig.PortPairConfig("s2", "dwio-none3", "dwio-none4")));

    private static HttpResponse<String> get(HostFilter filter, String path) throws IOException, InterruptedException {
        URI uri = URI.create("http://127.0.0.1:" + filter.metricsPort() + path);
        return HttpClient.newHttpClient()
                .send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
    }

    @Test
    void shouldServeHealthAndCountersWhenNothingElseIsThere() throws Exception {
        try (HostFilter filter =
                new HostFilter(Libc.get(), CONFIG, "sekrit", (server, output) -> new PassThroughCore())) {
            HttpResponse<String> health = get(filter, "/healthz");
            assertThat(health.statusCode()).isEqualTo(200);
            assertThat(health.body())
                    .isEqualTo("{\"status\":\"ok\",\"servers\":{"
                            + "\"s1\":{\"network\":false,\"host\":false,\"configured\":false},"
                            + "\"s2\":{\"network\":false,\"host\":false,\"configured\":false}}}\n");
            HttpResponse<String> metrics = get(filter, "/metrics");
            assertThat(metrics.statusCode()).isEqualTo(200);
            assertThat(metrics.body())
                    .contains("dwsr_filter_network_rx_frames{server=\"s1\"} 0.0\n")
                    .contains("dwsr_filter_host_tx_dropped_busy{server=\"s2\"} 0.0\n")
                    .contains("dwsr_filter_frames_to_host{server=\"s2\"} 0.0\n");
        }
    }

    @Test
    void shouldExitWithUsageCodeWhenConfigurationIsMissing() {
        assertThat(new CommandLine(new FilterMain()).execute("--config", "/does/not/exist.json"))
                .isEqualTo(2);
    }
}
