package org.dwsr.filter.host;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.dwsr.config.DwsrConfig;
import org.dwsr.packet.ConnectionKey;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class ControlChannelTest {
    private static final String CONFIG = "{\"vip\":\"10.0.0.100\",\"vmac\":\"02:00:5e:00:01:64\","
            + "\"services\":[{\"port\":80,\"contentTypes\":[{\"id\":\"018\",\"match\":[{\"path\":\"/*\"}],"
            + "\"pool\":\"all\"}],\"otherwise\":\"018\"}],"
            + "\"pools\":[{\"name\":\"all\",\"schedule\":\"rr\",\"servers\":[\"s1\"]}],"
            + "\"servers\":[{\"name\":\"s1\",\"id\":\"9C1\",\"mac\":\"02:00:00:00:00:01\","
            + "\"attachment\":\"of:0000000000000001/3\"}],"
            + "\"clients\":[\"of:0000000000000001/1\"],\"sessionCookies\":[\"PHPSESSID\"]}";
    private static final long KEY = ConnectionKey.of(0x0a000001, 40000, 80);

    /** A web switch that keeps requests until the test answers them. */
    private static final class FakeWebSwitch implements AutoCloseable {
        private final HttpServer server;
        private final ExecutorService threads = Executors.newCachedThreadPool();
        final BlockingQueue<Exchange> polls = new LinkedBlockingQueue<>();
        final BlockingQueue<Exchange> reports = new LinkedBlockingQueue<>();

        FakeWebSwitch() throws IOException {
            server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 16);
            server.setExecutor(threads);
            server.createContext("/filters/s1/config", exchange -> polls.add(new Exchange(exchange)));
            server.createContext("/filters/s1/report", exchange -> reports.add(new Exchange(exchange)));
            server.start();
        }

        URI address() {
            return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
        }

        @Override
        public void close() {
            server.stop(0);
            threads.shutdownNow();
        }
    }

    /** One request that waits for its answer. */
    private static final class Exchange {
        final HttpExchange http;
        final String body;

        Exchange(HttpExchange http) throws IOException {
            this.http = http;
            this.body = new String(http.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        }

        @Nullable
        String header(String name) {
            return http.getRequestHeaders().getFirst(name);
        }

        JsonNode json() throws IOException {
            return new ObjectMapper().readTree(body);
        }

        void answer(int code) throws IOException {
            http.sendResponseHeaders(code, -1);
            http.close();
        }

        void answerConfig(String etag, String config) throws IOException {
            http.getResponseHeaders().set("ETag", etag);
            byte[] bytes = ("{\"config\":" + config + "}").getBytes(StandardCharsets.UTF_8);
            http.sendResponseHeaders(200, bytes.length);
            http.getResponseBody().write(bytes);
            http.close();
        }
    }

    /** A filter with one live connection. */
    private static final class FakeFilter implements ControlChannel.Filter {
        final BlockingQueue<DwsrConfig> configs = new LinkedBlockingQueue<>();
        final BlockingQueue<Integer> endedSeqs = new LinkedBlockingQueue<>();

        @Override
        public void configure(DwsrConfig config) {
            configs.add(config);
        }

        @Override
        public CompletableFuture<ConnectionReport> report(boolean full, boolean counters) {
            ConnectionReport report = new ConnectionReport();
            if (full) {
                report.live(KEY, 0, 0xffff_0000_0000L | KEY >>> 32, 0xd652_0000_0001L, 0x0200_0000_0001L);
            }
            List<Integer> ended = new ArrayList<>();
            endedSeqs.drainTo(ended);
            ended.forEach(seq -> report.ended(KEY, 0, 0xffff_0000_0000L | KEY >>> 32, seq));
            if (counters) {
                report.counter("rebuilds", 3);
            }
            return CompletableFuture.completedFuture(report);
        }
    }

    private final FakeFilter filter = new FakeFilter();
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
    private FakeWebSwitch webSwitch;

    @BeforeEach
    void startWebSwitch() throws IOException {
        webSwitch = new FakeWebSwitch();
    }

    @AfterEach
    void stop() {
        timer.shutdownNow();
        webSwitch.close();
    }

    private ControlChannel start(URI... controllers) {
        HttpClient client =
                HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        ControlChannel channel = new ControlChannel(
                "s1", "b00t", "sekrit", new Controllers(List.of(controllers)), client, timer, filter);
        channel.start();
        return channel;
    }

    private static Exchange take(BlockingQueue<Exchange> queue) throws InterruptedException {
        Exchange exchange = queue.poll(10, TimeUnit.SECONDS);
        if (exchange == null) {
            throw new AssertionError("no request within 10 s");
        }
        return exchange;
    }

    @Test
    void shouldConfigureOnceAndPollOnWhenConfigurationArrives() throws Exception {
        ControlChannel channel = start(webSwitch.address());
        Exchange first = take(webSwitch.polls);
        assertThat(first.header("Authorization")).isEqualTo("Bearer sekrit");
        assertThat(first.header("If-None-Match")).isNull();
        assertThat(channel.configured()).isFalse();
        first.answerConfig("\"1\"", CONFIG);

        Exchange second = take(webSwitch.polls);
        assertThat(second.header("If-None-Match")).isEqualTo("\"1\"");
        assertThat(second.http.getRequestURI().getQuery()).isEqualTo("waitMs=20000");
        assertThat(channel.configured()).isTrue();
        assertThat(filter.configs).hasSize(1);
        second.answerConfig("\"2\"", CONFIG);

        Exchange third = take(webSwitch.polls);
        assertThat(third.header("If-None-Match")).isEqualTo("\"2\"");
        assertThat(filter.configs).as("same content again").hasSize(1);
        third.answer(304);
        assertThat(take(webSwitch.polls).header("If-None-Match")).isEqualTo("\"2\"");
    }

    @Test
    void shouldKeepRunningConfigurationWhenNewOneIsWrong() throws Exception {
        ControlChannel channel = start(webSwitch.address());
        take(webSwitch.polls).answerConfig("\"1\"", CONFIG);
        take(webSwitch.polls).answerConfig("\"2\"", "{\"vip\":\"nonsense\"}");
        Exchange third = take(webSwitch.polls);
        assertThat(third.header("If-None-Match")).isEqualTo("\"2\"");
        assertThat(filter.configs).hasSize(1);
        assertThat(channel.configured()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"null", "[]", "7", "{}", "{\"config\":null}"})
    void shouldFindNoConfigurationWhenTheAnswerHasNone(String body) throws Exception {
        assertThat(ControlChannel.tree(body)).isNull();
    }

    @Test
    void shouldPollOnWhenKeyIsRefusedOrAnswerIsNoJson() throws Exception {
        start(webSwitch.address());
        take(webSwitch.polls).answer(401);
        take(webSwitch.polls).answerConfig("\"1\"", "nonsense");
        take(webSwitch.polls).answerConfig("\"2\"", CONFIG);
        take(webSwitch.polls);
        assertThat(filter.configs).hasSize(1);
    }

    @Test
    void shouldStartWithFullReportThenSendEndsSoonAndHeartbeats() throws Exception {
        start(webSwitch.address());
        Exchange first = take(webSwitch.reports);
        assertThat(first.header("Authorization")).isEqualTo("Bearer sekrit");
        assertThat(first.json().path("boot").asText()).isEqualTo("b00t");
        assertThat(first.json().path("full").asBoolean()).isTrue();
        assertThat(first.json().path("live")).hasSize(1);
        assertThat(first.json().path("counters").path("rebuilds").asInt()).isEqualTo(3);
        first.answer(204);

        long endedNs = System.nanoTime();
        filter.endedSeqs.add(77);
        Exchange second = take(webSwitch.reports);
        assertThat(System.nanoTime() - endedNs).isLessThan(900_000_000L); // not the heartbeat
        assertThat(second.json().path("full").asBoolean()).isFalse();
        assertThat(second.json().path("live")).isEmpty();
        assertThat(second.json().path("ended")).hasSize(1);
        second.answer(204);

        Exchange heartbeat = take(webSwitch.reports);
        assertThat(heartbeat.json().path("ended")).isEmpty();
        assertThat(heartbeat.json().path("counters")).hasSize(1);
        heartbeat.answer(204);
    }

    @Test
    void shouldSendFullReportWhenWebSwitchHasNone() throws Exception {
        start(webSwitch.address());
        take(webSwitch.reports).answer(204);
        filter.endedSeqs.add(1);
        take(webSwitch.reports).answer(409);
        Exchange again = take(webSwitch.reports);
        assertThat(again.json().path("full").asBoolean()).isTrue();
        assertThat(again.json().path("live")).hasSize(1);
        assertThat(again.json().path("ended"))
                .as("the end told in the refused report")
                .hasSize(1);
        again.answer(204);
        filter.endedSeqs.add(2);
        Exchange last = take(webSwitch.reports);
        assertThat(last.json().path("full").asBoolean()).isFalse();
        assertThat(last.json().path("ended")).hasSize(1);
    }

    @Test
    void shouldTurnToOtherWebSwitchWithFullReportWhenFirstIsGone() throws Exception {
        try (FakeWebSwitch other = new FakeWebSwitch()) {
            ControlChannel channel = start(webSwitch.address(), other.address());
            take(webSwitch.polls).answerConfig("\"1\"", CONFIG);
            take(webSwitch.reports).answer(204);
            webSwitch.close();
            filter.endedSeqs.add(5);
            Exchange report = take(other.reports);
            assertThat(report.json().path("full").asBoolean()).isTrue();
            assertThat(report.json().path("ended")).hasSize(1);
            take(other.polls);
            assertThat(channel.configured()).isTrue();
        }
    }

    @Test
    void shouldConnectLaterWhenNoWebSwitchWasThere() throws Exception {
        int port = webSwitch.server.getAddress().getPort();
        webSwitch.close();
        ControlChannel channel = start(URI.create("http://127.0.0.1:" + port));
        HttpServer late = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 16);
        try {
            CompletableFuture<Boolean> asked = new CompletableFuture<>();
            late.createContext("/filters/s1/config", exchange -> asked.complete(true));
            late.start();
            assertThat(asked.get(10, TimeUnit.SECONDS)).isTrue();
            assertThat(channel.configured()).isFalse();
        } finally {
            late.stop(0);
        }
    }
}
