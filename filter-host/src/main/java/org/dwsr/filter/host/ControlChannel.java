package org.dwsr.filter.host;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.dwsr.config.ConfigException;
import org.dwsr.config.ConfigReader;
import org.dwsr.config.DwsrConfig;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One server's line to the web switch (docs/configuration.md): fetches the configuration by long poll and posts reports.
 * While nobody answers, the last configuration stays and ended connections are kept for later.
 *
 * <p>Runs on one control thread; asks the agent by futures, so that neither waits for the other.
 */
final class ControlChannel {
    /** The filter's side of the channel. */
    interface Filter {
        /** Takes a new valid configuration. */
        void configure(DwsrConfig config);

        /** Tells live connections, when {@code full}, those ended since the last call, and counters if asked. */
        CompletableFuture<ConnectionReport> report(boolean full, boolean counters);
    }

    /** Connections beyond this many are not kept for a web switch that is away: it gets a full report. */
    static final int MAX_KEPT = 65_536;

    private static final Logger LOG = LoggerFactory.getLogger(ControlChannel.class);
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final long TURN_MS = 50;
    private static final long HEARTBEAT_NS = 800_000_000;
    private static final int POLL_WAIT_MS = 20_000;
    private static final Duration POLL_TIMEOUT = Duration.ofSeconds(30);
    private static final Duration REPORT_TIMEOUT = Duration.ofSeconds(5);
    private static final long AGENT_TIMEOUT_MS = 2000;
    private static final long RETRY_MS = 250;
    private static final long LAST_RETRY_MS = 1000;

    private final String server;
    private final String boot;
    private final String key;
    private final Controllers controllers;
    private final HttpClient client;
    private final ScheduledExecutorService timer;
    private final Filter filter;
    private final Notice configNotice;
    private final Notice reportNotice;

    private @Nullable String etag;
    private @Nullable Object acceptedTree;
    private int pollFailures;
    private volatile boolean configured;

    private boolean reporting;
    private boolean fullNeeded = true;
    private @Nullable URI reportedTo;
    private ConnectionReport kept = new ConnectionReport();
    private int reportFailures;
    private long lastReportNs;
    private long nextReportNs;

    /**
     * A channel that does nothing until it is started.
     *
     * @param boot the random word of this process
     * @param key the shared key
     * @param timer its one thread is the control thread
     */
    ControlChannel(
            String server,
            String boot,
            String key,
            Controllers controllers,
            HttpClient client,
            ScheduledExecutorService timer,
            Filter filter) {
        this.server = server;
        this.boot = boot;
        this.key = key;
        this.controllers = controllers;
        this.client = client;
        this.timer = timer;
        this.filter = filter;
        this.configNotice = new Notice(server);
        this.reportNotice = new Notice(server);
        this.lastReportNs = System.nanoTime() - HEARTBEAT_NS;
        this.nextReportNs = lastReportNs;
    }

    /** Starts polling and reporting, until the timer is shut down. */
    void start() {
        timer.execute(this::poll);
        reportLater();
    }

    /** Whether a configuration has arrived. */
    boolean configured() {
        return configured;
    }

    // Configuration.

    private void poll() {
        URI controller = controllers.current();
        String path = "/filters/" + server + "/config";
        HttpRequest.Builder request;
        if (etag == null) {
            request = request(controller, path);
        } else {
            request = request(controller, path + "?waitMs=" + POLL_WAIT_MS).header("If-None-Match", etag);
        }
        long startNs = System.nanoTime();
        onControlThread(
                client.sendAsync(request.timeout(POLL_TIMEOUT).GET().build(), HttpResponse.BodyHandlers.ofString()),
                (response, failure) -> {
                    boolean quick = System.nanoTime() - startNs < TimeUnit.MILLISECONDS.toNanos(RETRY_MS);
                    long delayMs = LAST_RETRY_MS;
                    try {
                        delayMs = response == null ? pollFailed(controller, failure) : answered(response, quick);
                    } finally {
                        pollLater(delayMs);
                    }
                });
    }

    private void pollLater(long delayMs) {
        CompletableFuture.delayedExecutor(delayMs, TimeUnit.MILLISECONDS, timer).execute(this::poll);
    }

    /** Returns the milliseconds to wait before the next poll. */
    private long pollFailed(URI controller, @Nullable Throwable failure) {
        if (++pollFailures > 1) {
            controllers.failed(controller);
            configNotice.say("no web switch answers, going on with " + (configured ? "the last" : "no")
                    + " configuration: " + reason(failure));
        }
        return Math.min(RETRY_MS * (pollFailures - 1), LAST_RETRY_MS);
    }

    private long answered(HttpResponse<String> response, boolean quick) {
        pollFailures = 0;
        switch (response.statusCode()) {
            case 200 -> {
                etag = response.headers().firstValue("ETag").orElse(null);
                configNotice.say(accept(response.body()));
                // Without a tag the web switch cannot hold the next poll back.
                return etag == null ? LAST_RETRY_MS : 0;
            }
            case 304 -> {
                return quick ? LAST_RETRY_MS : 0;
            }
            case 401 -> configNotice.say("the web switch refuses the key");
            case 404 -> configNotice.say("the web switch knows no server of this name");
            default ->
                configNotice.say(
                        "the web switch answers the request for the configuration with " + response.statusCode());
        }
        return LAST_RETRY_MS;
    }

    /** Returns what became of it. */
    private String accept(String body) {
        try {
            Object tree = tree(body);
            if (tree != null && tree.equals(acceptedTree)) {
                return "configuration unchanged";
            }
            DwsrConfig config = ConfigReader.read(tree);
            if (config.server(server) == null) {
                return "the configuration does not name this server, ignored";
            }
            filter.configure(config);
            acceptedTree = tree;
            configured = true;
            return "configuration taken, " + (etag == null ? "no version" : "version " + etag);
        } catch (JsonProcessingException notJson) {
            return "the configuration is not JSON, ignored: " + notJson.getOriginalMessage();
        } catch (ConfigException wrong) {
            return "the configuration is wrong, ignored: " + wrong.getMessage();
        }
    }

    /** The configuration within the web switch's answer, null when there is none. */
    static @Nullable Object tree(String body) throws JsonProcessingException {
        return MAPPER.readValue(body, Object.class) instanceof Map<?, ?> root ? root.get("config") : null;
    }

    // Reports.

    private void reportLater() {
        CompletableFuture.delayedExecutor(TURN_MS, TimeUnit.MILLISECONDS, timer).execute(this::reportTurn);
    }

    private void reportTurn() {
        reportLater();
        long nowNs = System.nanoTime();
        if (reporting || nowNs - nextReportNs < 0) {
            return;
        }
        URI controller = controllers.current();
        boolean full = fullNeeded || !controller.equals(reportedTo);
        boolean heartbeat = full || nowNs - lastReportNs >= HEARTBEAT_NS;
        reporting = true;
        onControlThread(
                filter.report(full, heartbeat).orTimeout(AGENT_TIMEOUT_MS, TimeUnit.MILLISECONDS),
                (report, failure) -> {
                    if (report == null) {
                        reporting = false;
                        reportNotice.say("the filter's agent does not answer: " + reason(failure));
                        return;
                    }
                    report.prepend(kept, full);
                    kept = report;
                    if (heartbeat || report.endedCount() + report.liveCount() > 0) {
                        post(controller, report, full);
                    } else {
                        reporting = false;
                    }
                });
    }

    private void post(URI controller, ConnectionReport report, boolean full) {
        HttpRequest request = request(controller, "/filters/" + server + "/report")
                .timeout(REPORT_TIMEOUT)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofByteArray(report.toJson(boot, full)))
                .build();
        onControlThread(client.sendAsync(request, HttpResponse.BodyHandlers.discarding()), (response, failure) -> {
            reporting = false;
            if (response == null) {
                reportFailed(controller, failure);
            } else {
                reported(controller, response.statusCode(), full);
            }
            if (kept.endedCount() + kept.liveCount() > MAX_KEPT) {
                kept = new ConnectionReport();
                fullNeeded = true;
            }
        });
    }

    private void reported(URI controller, int status, boolean full) {
        reportFailures = 0;
        long nowNs = System.nanoTime();
        switch (status) {
            case 200, 204 -> {
                kept = new ConnectionReport();
                fullNeeded = false;
                reportedTo = controller;
                lastReportNs = nowNs;
                reportNotice.say("reporting to " + controller);
                return;
            }
            case 409 -> {
                fullNeeded = true;
                if (!full) {
                    return; // the next turn posts a full one
                }
                reportNotice.say("the web switch does not take a full report");
            }
            case 401 -> reportNotice.say("the web switch refuses the key");
            default -> reportNotice.say("the web switch answers a report with " + status);
        }
        nextReportNs = nowNs + TimeUnit.MILLISECONDS.toNanos(LAST_RETRY_MS);
    }

    private void reportFailed(URI controller, @Nullable Throwable failure) {
        // The first failure may only be a kept-alive connection that the other side closed: try at once.
        if (++reportFailures > 1) {
            controllers.failed(controller);
            nextReportNs = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(RETRY_MS);
            reportNotice.say("no web switch takes reports: " + reason(failure));
        }
    }

    // Both.

    private HttpRequest.Builder request(URI controller, String path) {
        String base = controller.toString();
        return HttpRequest.newBuilder(
                        URI.create((base.endsWith("/") ? base.substring(0, base.length() - 1) : base) + path))
                .header("Authorization", "Bearer " + key);
    }

    /** What to do with a result, or with null and the reason why there is none. */
    @FunctionalInterface
    private interface Outcome<T> {
        void take(@Nullable T result, @Nullable Throwable failure);
    }

    private <T> void onControlThread(CompletableFuture<T> future, Outcome<T> outcome) {
        Executor controlThread = timer;
        CompletableFuture<?> handled = future.handleAsync(
                (result, failure) -> {
                    try {
                        outcome.take(result, failure);
                    } catch (RuntimeException bug) {
                        LOG.error("{}: the control channel failed", server, bug);
                        reporting = false;
                    }
                    return true;
                },
                controlThread);
        assert handled != null;
    }

    private static String reason(@Nullable Throwable failure) {
        Throwable cause = failure;
        while (cause instanceof CompletionException && cause.getCause() != null) {
            cause = cause.getCause();
        }
        if (cause == null) {
            return "no reason known";
        }
        if (cause instanceof ConnectException) {
            return "no connection";
        }
        String message = cause.getMessage();
        return cause.getClass().getSimpleName() + (message == null ? "" : ": " + message);
    }

    /** A line of the log that is written only when it differs from the last. */
    private static final class Notice {
        private final String server;
        private String last = "";

        Notice(String server) {
            this.server = server;
        }

        void say(String text) {
            if (!text.equals(last)) {
                last = text;
                LOG.info("{}: {}", server, text);
            }
        }
    }
}
