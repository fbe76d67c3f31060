package org.dwsr.controller;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.dwsr.flow.PlainPipeline;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class ControlServerTest {
    private static final String KEY = "0123456789abcdef0123456789abcdef";
    private static final String EMPTY_REPORT = "{ \"boot\": \"b\", \"full\": true }";

    private final ControllerCounters counters = new ControllerCounters();
    private final RecordingLogic logic = new RecordingLogic();
    private final HttpClient client = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(10))
            .build();
    private WebSwitchAgent agent;
    private ControlServer server;

    @BeforeEach
    void start() throws IOException {
        agent = new WebSwitchAgent(logic.factory(), new PlainPipeline(), new HostClock(), counters);
        agent.start();
        server = new ControlServer(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), KEY, Documents.config(80), agent, counters);
    }

    @AfterEach
    void stop() {
        server.close();
        agent.close();
    }

    private HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.port() + path))
                .timeout(Duration.ofSeconds(20));
    }

    private HttpRequest.Builder keyed(String path) {
        return request(path).header("Authorization", "Bearer " + KEY);
    }

    private HttpResponse<String> send(HttpRequest.Builder request) throws IOException, InterruptedException {
        return client.send(request.build(), BodyHandlers.ofString());
    }

    private HttpResponse<String> report(String filter, String body) throws IOException, InterruptedException {
        return send(keyed("/filters/" + filter + "/report").POST(HttpRequest.BodyPublishers.ofString(body)));
    }

    private String etag() throws IOException, InterruptedException {
        return send(keyed("/filters/s1/config")).headers().firstValue("ETag").orElseThrow();
    }

    private CompletableFuture<HttpResponse<String>> longPoll(String filter, String etag, long waitMs) {
        return client.sendAsync(
                keyed("/filters/" + filter + "/config?waitMs=" + waitMs)
                        .header("If-None-Match", etag)
                        .build(),
                BodyHandlers.ofString());
    }

    @Nested
    class Configuration {
        @Test
        void shouldGiveTheWholeDocumentWithAnEtag() throws Exception {
            HttpResponse<String> response = send(keyed("/filters/s1/config"));
            assertThat(response.statusCode()).isEqualTo(200);
            assertThat(response.headers().firstValue("Content-Type")).contains("application/json");
            assertThat(response.headers().firstValue("ETag").orElseThrow()).matches("\"[0-9a-f]+\"");
            ObjectMapper json = new ObjectMapper();
            assertThat(json.readTree(response.body()).get("config")).isEqualTo(json.readTree(Documents.text(80)));
        }

        @Test
        void shouldSay304AtOnceWhenItIsKnownAndNobodyWantsToWait() throws Exception {
            String etag = etag();
            HttpResponse<String> response = send(keyed("/filters/s2/config").header("If-None-Match", etag));
            assertThat(response.statusCode()).isEqualTo(304);
            assertThat(response.headers().firstValue("ETag")).contains(etag);
            assertThat(response.body()).isEmpty();
            assertThat(send(keyed("/filters/s2/config?waitMs=10000").header("If-None-Match", "\"other\""))
                            .statusCode())
                    .isEqualTo(200);
        }

        @Test
        void shouldSay304AfterTheWait() throws Exception {
            long start = System.nanoTime();
            assertThat(longPoll("s1", etag(), 300).get(10, TimeUnit.SECONDS).statusCode())
                    .isEqualTo(304);
            assertThat(System.nanoTime() - start).isBetween(300_000_000L, 5_000_000_000L);
        }

        @Test
        void shouldAnswerEveryHeldRequestAtOnceWhenTheConfigurationChanges() throws Exception {
            String etag = etag();
            List<CompletableFuture<HttpResponse<String>>> held = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                held.add(longPoll("s" + (1 + i % 3), etag, 999_999_999));
            }
            Await.until("held", () -> server.waitingRequests() == 100);
            // Many requests held cost no thread that others need.
            assertThat(report("s1", EMPTY_REPORT).statusCode()).isEqualTo(204);
            server.offer(Documents.config(8080));
            for (CompletableFuture<HttpResponse<String>> one : held) {
                HttpResponse<String> response = one.get(10, TimeUnit.SECONDS);
                assertThat(response.statusCode()).isEqualTo(200);
                assertThat(response.body()).contains("8080");
                assertThat(response.headers().firstValue("ETag").orElseThrow()).isNotEqualTo(etag);
            }
            assertThat(server.waitingRequests()).isZero();
        }

        @Test
        void shouldKeepHoldingWhenTheSameConfigurationIsOfferedAgain() throws Exception {
            CompletableFuture<HttpResponse<String>> held = longPoll("s1", etag(), 1_000);
            Await.until("held", () -> server.waitingRequests() == 1);
            server.offer(Documents.config(80));
            assertThat(held.get(10, TimeUnit.SECONDS).statusCode()).isEqualTo(304);
        }
    }

    @Nested
    class Access {
        @ParameterizedTest
        @ValueSource(
                strings = {
                    "",
                    "Bearer",
                    "Bearer ",
                    "Bearer 0123456789abcdef0123456789abcdeg",
                    "Bearer 0123456789abcdef0123456789abcdef0",
                    "Basic 0123456789abcdef0123456789abcdef",
                    "0123456789abcdef0123456789abcdef"
                })
        void shouldSay401WithoutTheRightKey(String authorization) throws Exception {
            for (String path : List.of("/filters/s1/config", "/filters/unknown/config", "/filters/s1/report")) {
                HttpRequest.Builder request = request(path);
                if (!authorization.isEmpty()) {
                    request.header("Authorization", authorization);
                }
                HttpResponse<String> response = send(request);
                assertThat(response.statusCode()).isEqualTo(401);
                assertThat(response.headers().firstValue("WWW-Authenticate")).contains("Bearer");
                assertThat(response.body()).doesNotContain(KEY).contains("problem");
            }
            assertThat(counters.value(ControllerCounter.CONTROL_UNAUTHORIZED)).isEqualTo(3);
        }

        @ParameterizedTest
        @CsvSource({
            "GET, /filters/s9/config, 404, ",
            "POST, /filters/s9/report, 404, ",
            "GET, /filters/s1, 404, ",
            "GET, /filters/s1/config/more, 404, ",
            "GET, /, 404, ",
            "GET, /nothing, 404, ",
            "POST, /filters/s1/config, 405, GET",
            "GET, /filters/s1/report, 405, POST",
            "DELETE, /filters/s1/report, 405, POST",
            "POST, /metrics, 405, GET",
            "POST, /healthz, 405, GET",
            "PUT, /counters, 405, GET",
        })
        void shouldSayWhatIsWrongWithTheRequest(String method, String path, int status, String allow) throws Exception {
            HttpResponse<String> response = send(keyed(path).method(method, HttpRequest.BodyPublishers.ofString("")));
            assertThat(response.statusCode()).isEqualTo(status);
            assertThat(new ObjectMapper()
                            .readTree(response.body())
                            .path("problem")
                            .isTextual())
                    .isTrue();
            assertThat(response.headers().firstValue("Allow").orElse(null)).isEqualTo(allow);
        }
    }

    @Nested
    class Report {
        @Test
        void shouldHandAFullReportAndADeltaToTheWebSwitch() throws Exception {
            assertThat(report("s1", ReportReaderTest.REPORT).statusCode()).isEqualTo(204);
            assertThat(report("s2", "{ \"boot\": \"b2\", \"full\": false }").statusCode())
                    .isEqualTo(204);
            assertThat(logic.reports()).hasSize(2);
            assertThat(logic.reports().get(0).server()).isEqualTo("s1");
            assertThat(logic.reports().get(0).full()).isTrue();
            assertThat(logic.reports().get(1).server()).isEqualTo("s2");
            assertThat(logic.reports().get(1).full()).isFalse();
        }

        @Test
        void shouldSay409WhenAFullReportIsWantedFirst() throws Exception {
            logic.wantsFull(true);
            assertThat(report("s1", "{ \"boot\": \"b\", \"full\": false }").statusCode())
                    .isEqualTo(409);
            assertThat(report("s1", EMPTY_REPORT).statusCode()).isEqualTo(204);
        }

        @Test
        void shouldSay400WithTheJsonPathWhenItIsWrong() throws Exception {
            HttpResponse<String> response = report("s1", ReportReaderTest.REPORT.replace("10.0.0.1:", "10.0.0.1"));
            assertThat(response.statusCode()).isEqualTo(400);
            assertThat(response.body()).contains("$.live[0].client");
            assertThat(logic.reports()).isEmpty();
        }

        @Test
        void shouldSay413WhenItIsTooLong() throws Exception {
            String longest = EMPTY_REPORT + " ".repeat(ControlServer.MAX_BODY_BYTES - EMPTY_REPORT.length());
            assertThat(report("s1", longest).statusCode()).isEqualTo(204);
            assertThat(report("s1", longest + " ").statusCode()).isEqualTo(413);
            assertThat(report("s1", longest + longest).statusCode()).isEqualTo(413);
            // Without Content-Length.
            assertThat(send(keyed("/filters/s1/report")
                                    .POST(HttpRequest.BodyPublishers.fromPublisher(
                                            HttpRequest.BodyPublishers.ofString(longest + " "))))
                            .statusCode())
                    .isEqualTo(413);
        }

        @Test
        void shouldTakeManyAtOnce() throws Exception {
            List<CompletableFuture<HttpResponse<String>>> all = new ArrayList<>();
            for (int i = 0; i < 300; i++) {
                all.add(client.sendAsync(
                        keyed("/filters/s" + (1 + i % 3) + "/report")
                                .POST(HttpRequest.BodyPublishers.ofString(
                                        EMPTY_REPORT.replace("}", ", \"counters\": { \"n\": " + i + " } }")))
                                .build(),
                        BodyHandlers.ofString()));
            }
            for (CompletableFuture<HttpResponse<String>> one : all) {
                assertThat(one.get(20, TimeUnit.SECONDS).statusCode()).isEqualTo(204);
            }
            assertThat(logic.reports()).hasSize(300);
        }

        @Test
        void shouldSay503WhenTheWebSwitchDoesNotAnswer() throws Exception {
            agent.close();
            assertThat(report("s1", EMPTY_REPORT).statusCode()).isEqualTo(503);
        }
    }

    @Nested
    class SlowPeers {
        /** Each has sent half a request and stays. */
        @ParameterizedTest
        @ValueSource(
                strings = {
                    "GET /filters/s1/conf",
                    "GET /filters/s1/config HTTP/1.1\r\nHost: a\r\nX-Slow: ",
                    "POST /filters/s1/report HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + KEY
                            + "\r\nContent-Length: 1000\r\n\r\n{"
                })
        void shouldNotKeepOthersWaiting(String half) throws Exception {
            List<Socket> slow = new ArrayList<>();
            try {
                for (int i = 0; i < 100; i++) {
                    Socket socket = new Socket(InetAddress.getLoopbackAddress(), server.port());
                    socket.getOutputStream().write(half.getBytes(StandardCharsets.US_ASCII));
                    slow.add(socket);
                }
                long start = System.nanoTime();
                assertThat(send(keyed("/filters/s2/config")).statusCode()).isEqualTo(200);
                assertThat(report("s3", EMPTY_REPORT).statusCode()).isEqualTo(204);
                assertThat(System.nanoTime() - start).isLessThan(5_000_000_000L);
            } finally {
                for (Socket socket : slow) {
                    socket.close();
                }
            }
        }
    }

    @Nested
    class ForPeopleAndMonitors {
        @Test
        void shouldShowHealthAndSwitchesWithoutAKey() throws Exception {
            HttpResponse<String> response = send(request("/healthz"));
            assertThat(response.statusCode()).isEqualTo(200);
            assertThat(response.body()).isEqualTo("{\"status\":\"ok\",\"datapaths\":[]}");
        }

        @Test
        void shouldShowCountersOfSwitchControllerAndFilters() throws Exception {
            report("s1", ReportReaderTest.REPORT);
            JsonNode all =
                    new ObjectMapper().readTree(send(request("/counters")).body());
            assertThat(all.at("/switch/connections").asLong()).isEqualTo(7);
            assertThat(all.at("/controller/control_unauthorized").isNumber()).isTrue();
            assertThat(all.at("/filters/s1/rebuilds").asLong()).isEqualTo(3);
        }

        @Test
        void shouldShowThemToPrometheusWhateverAFilterCallsThem() throws Exception {
            report("s1", ReportReaderTest.REPORT.replace("\"bytes\"", "\"re.builds\": 1, \"re-builds\""));
            HttpResponse<String> response = send(request("/metrics"));
            assertThat(response.statusCode()).isEqualTo(200);
            assertThat(response.headers().firstValue("Content-Type").orElseThrow())
                    .startsWith("text/plain; version=0.0.4");
            assertThat(response.body())
                    .contains(
                            "dwsr_connections 7.0",
                            "dwsr_controller_agent_failures_total 0.0",
                            "dwsr_filter_rebuilds_total{server=\"s1\"} 3.0");
        }

        @Test
        void shouldForgetTheCountersOfAServerThatIsGone() throws Exception {
            report("s3", ReportReaderTest.REPORT);
            assertThat(send(request("/metrics")).body()).contains("server=\"s3\"");
            server.offer(Documents.config(
                    Documents.text(80).replace(", \"s3\" ]", " ]").replaceAll(",\\s+\\{ \"name\": \"s3\"[^}]*}", "")));
            assertThat(send(request("/metrics")).body()).doesNotContain("server=\"s3\"");
            assertThat(send(keyed("/filters/s3/config")).statusCode()).isEqualTo(404);
        }
    }
}
