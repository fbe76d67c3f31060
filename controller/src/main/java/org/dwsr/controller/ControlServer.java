package org.dwsr.controller;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dwsr.config.DwsrConfig;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The control channel that filters use, and what people and monitors read; HTTP/1.1, JSON.
 *
 * <pre>
 *  GET  /filters/SERVER/config   key   200 {"config": …} with ETag; If-None-Match and ?waitMs=N: 304 after N ms
 *  POST /filters/SERVER/report   key   204; 409: a full report is wanted
 *  GET  /healthz                       200 and the connected switches; 503 while the web switch does not answer
 *  GET  /counters                      200 {"switch": {…}, "controller": {…}, "filters": {SERVER: {…}}}
 *  GET  /metrics                       200, the same for Prometheus
 * </pre>
 *
 * Refusals are {@code {"problem": "…"}} with 400, 401, 404, 405, 413, 500 or 503.
 */
final class ControlServer implements AutoCloseable {
    /** The longest body of a report. */
    static final int MAX_BODY_BYTES = 8 << 20;
    /** The longest time a request for the configuration is held. */
    static final long MAX_WAIT_MS = 60_000;

    private static final Logger LOG = LoggerFactory.getLogger(ControlServer.class);
    private static final Pattern FILTER_PATH = Pattern.compile("/filters/([A-Za-z0-9._-]{1,64})/(config|report)");
    private static final Pattern WAIT = Pattern.compile("(?:.*&)?waitMs=([0-9]{1,9})(?:&.*)?");
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final long AGENT_TIMEOUT_MS = 5_000;
    /** A request occupies a thread while it arrives: so many half requests keep others waiting, no fewer. */
    private static final int MAX_THREADS = 256;
    /** What of a refused body is read nevertheless, so that its sender gets to read the refusal. */
    private static final long MAX_DISCARDED_BYTES = 64L << 20;

    private static final String JSON_TYPE = "application/json";

    static {
        // Without it a response waits for the acknowledgement of its own head: 40 ms on a kept-alive connection.
        System.setProperty("sun.net.httpserver.nodelay", "true");
        // Seconds that a request may take to arrive; without it half a request is waited for forever.
        System.setProperty("sun.net.httpserver.maxReqTime", "15");
    }

    private final WebSwitchAgent agent;
    private final ControllerCounters counters;
    private final long agentTimeoutMs;
    private final byte[] authorization;
    private final HttpServer server;
    private final ThreadPoolExecutor threads = new ThreadPoolExecutor(
            MAX_THREADS,
            MAX_THREADS,
            10,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(),
            new DefaultThreadFactory("control"));
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(new DefaultThreadFactory("control-timer"));
    private final Map<String, Map<String, Long>> filterCounters = new ConcurrentHashMap<>();
    private final List<Waiting> waiting = new ArrayList<>();
    private Published published;

    /** A configuration as filters get it. */
    private record Published(DwsrConfig config, String body, String etag) {}

    /** A request for the configuration that is held until there is a new one. */
    private record Waiting(HttpExchange exchange, String server) {}

    /**
     * Listens at once.
     *
     * @throws IOException if the address cannot be listened on
     */
    ControlServer(
            InetSocketAddress address,
            String bearer,
            DwsrConfig config,
            WebSwitchAgent agent,
            ControllerCounters counters)
            throws IOException {
        this(address, bearer, config, agent, counters, AGENT_TIMEOUT_MS);
    }

    ControlServer(
            InetSocketAddress address,
            String bearer,
            DwsrConfig config,
            WebSwitchAgent agent,
            ControllerCounters counters,
            long agentTimeoutMs)
            throws IOException {
        this.agentTimeoutMs = agentTimeoutMs;
        this.agent = agent;
        this.counters = counters;
        authorization = ("Bearer " + bearer).getBytes(StandardCharsets.UTF_8);
        published = publish(config);
        try {
            server = HttpServer.create(address, 128);
        } catch (IOException e) {
            throw new IOException("cannot listen on " + address + " for filters: " + e.getMessage(), e);
        }
        threads.allowCoreThreadTimeOut(true);
        server.setExecutor(threads);
        server.createContext("/", this::handle);
        server.start();
    }

    /** The port that is listened on. */
    int port() {
        return server.getAddress().getPort();
    }

    /** How many requests for the configuration are being held. */
    int waitingRequests() {
        synchronized (waiting) {
            return waiting.size();
        }
    }

    @Override
    public void close() {
        server.stop(0);
        timer.shutdownNow();
        threads.shutdownNow();
    }

    /** Makes filters get this configuration, also those whose request is being held. */
    void offer(DwsrConfig config) {
        Published next = publish(config);
        filterCounters.keySet().removeIf(filter -> config.server(filter) == null);
        List<Waiting> released;
        synchronized (waiting) {
            boolean same = published.etag.equals(next.etag);
            published = next;
            if (same) {
                return;
            }
            released = List.copyOf(waiting);
            waiting.clear();
        }
        for (Waiting held : released) {
            threads.execute(() -> guarded(held.exchange, () -> sendConfig(held.exchange, held.server, next)));
        }
    }

    private static Published publish(DwsrConfig config) {
        try {
            String body = JSON.writeValueAsString(Map.of("config", config.tree()));
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(body.getBytes(StandardCharsets.UTF_8));
            return new Published(config, body, '"' + HexFormat.of().formatHex(digest, 0, 12) + '"');
        } catch (JsonProcessingException | GeneralSecurityException e) {
            throw new IllegalStateException("a tree that came from JSON is JSON again", e);
        }
    }

    // ---- requests --------------------------------------------------------------------------------------------------

    /** Answers a request, or fails. */
    @FunctionalInterface
    private interface Answer {
        void give() throws IOException;
    }

    /** A request that fails is answered if that is still possible, and closed; nobody else notices. */
    private void guarded(HttpExchange exchange, Answer answer) {
        try {
            answer.give();
        } catch (IOException e) {
            LOG.debug("a control request broke off", e);
            exchange.close();
        } catch (RuntimeException e) {
            LOG.error("a control request failed", e);
            try {
                refuse(exchange, 500, "a fault of the controller: see its log");
            } catch (IOException late) {
                LOG.debug("an answer had begun", late);
            }
            exchange.close();
        }
    }

    private void handle(HttpExchange exchange) {
        guarded(exchange, () -> {
            String path = exchange.getRequestURI().getPath();
            Matcher filter = FILTER_PATH.matcher(path);
            if (filter.matches()) {
                onFilter(exchange, filter.group(1), filter.group(2).equals("config"));
            } else if (!List.of("/healthz", "/counters", "/metrics").contains(path)) {
                refuse(exchange, 404, "nothing at " + path);
            } else if (!isMethod(exchange, "GET")) {
                refuseMethod(exchange, "GET");
            } else if (path.equals("/healthz")) {
                health(exchange);
            } else if (path.equals("/counters")) {
                counters(exchange);
            } else {
                metrics(exchange);
            }
        });
    }

    private static boolean isMethod(HttpExchange exchange, String method) {
        return exchange.getRequestMethod().equals(method);
    }

    private void onFilter(HttpExchange exchange, String filter, boolean config) throws IOException {
        String method = config ? "GET" : "POST";
        if (!isAuthorized(exchange)) {
            counters.increment(ControllerCounter.CONTROL_UNAUTHORIZED);
            exchange.getResponseHeaders().set("WWW-Authenticate", "Bearer");
            refuse(exchange, 401, "the key of the key file is expected: Authorization: Bearer KEY");
        } else if (!isMethod(exchange, method)) {
            refuseMethod(exchange, method);
        } else if (current().config.server(filter) == null) {
            refuse(exchange, 404, "the configuration has no server " + filter);
        } else if (config) {
            config(exchange, filter);
        } else {
            report(exchange, filter);
        }
    }

    private boolean isAuthorized(HttpExchange exchange) {
        String given = exchange.getRequestHeaders().getFirst("Authorization");
        return given != null && MessageDigest.isEqual(given.getBytes(StandardCharsets.UTF_8), authorization);
    }

    private Published current() {
        synchronized (waiting) {
            return published;
        }
    }

    private void config(HttpExchange exchange, String filter) throws IOException {
        String known = exchange.getRequestHeaders().getFirst("If-None-Match");
        long waitMs = waitMs(exchange.getRequestURI().getRawQuery());
        Published now;
        Waiting held = new Waiting(exchange, filter);
        synchronized (waiting) {
            now = published;
            if (now.etag.equals(known) && waitMs > 0) {
                waiting.add(held);
                Future<?> unused = timer.schedule(() -> giveUp(held, now), waitMs, TimeUnit.MILLISECONDS);
                return;
            }
        }
        if (now.etag.equals(known)) {
            notModified(exchange, now);
        } else {
            sendConfig(exchange, filter, now);
        }
    }

    private static long waitMs(@Nullable String query) {
        Matcher wait = WAIT.matcher(query == null ? "" : query);
        return wait.matches() ? Math.min(Long.parseLong(wait.group(1)), MAX_WAIT_MS) : 0;
    }

    private void giveUp(Waiting held, Published now) {
        boolean stillWaiting;
        synchronized (waiting) {
            stillWaiting = waiting.remove(held);
        }
        if (stillWaiting) {
            threads.execute(() -> guarded(held.exchange, () -> notModified(held.exchange, now)));
        }
    }

    private static void notModified(HttpExchange exchange, Published now) throws IOException {
        exchange.getResponseHeaders().set("ETag", now.etag);
        exchange.sendResponseHeaders(304, -1);
        exchange.close();
    }

    private void sendConfig(HttpExchange exchange, String filter, Published now) throws IOException {
        if (now.config.server(filter) == null) {
            refuse(exchange, 404, "the configuration has no server " + filter + " any more");
            return;
        }
        exchange.getResponseHeaders().set("ETag", now.etag);
        send(exchange, 200, JSON_TYPE, now.body.getBytes(StandardCharsets.UTF_8));
    }

    private void report(HttpExchange exchange, String filter) throws IOException {
        byte[] body = exchange.getRequestBody().readNBytes(MAX_BODY_BYTES + 1);
        if (body.length > MAX_BODY_BYTES) {
            discard(exchange.getRequestBody());
            refuse(exchange, 413, "at most " + MAX_BODY_BYTES + " bytes");
            return;
        }
        ReportReader reader;
        try {
            reader = new ReportReader(filter, body);
        } catch (ReportReader.Malformed e) {
            refuse(exchange, 400, String.valueOf(e.getMessage()));
            return;
        }
        Boolean taken = await(agent.report(reader.report()));
        if (taken == null) {
            refuse(exchange, 503, "the web switch does not answer");
        } else if (!taken) {
            refuse(exchange, 409, "a full report is wanted");
        } else {
            if (!reader.counters().isEmpty()) {
                filterCounters.put(filter, reader.counters());
            }
            exchange.sendResponseHeaders(204, -1);
            exchange.close();
        }
    }

    private static void discard(InputStream body) throws IOException {
        byte[] piece = new byte[1 << 16];
        long discarded = 0;
        for (int read = 0; read >= 0 && discarded < MAX_DISCARDED_BYTES; read = body.read(piece)) {
            discarded += read;
        }
    }

    private void health(HttpExchange exchange) throws IOException {
        List<WebSwitchAgent.DatapathStatus> datapaths = await(agent.status());
        if (datapaths == null) {
            refuse(exchange, 503, "the web switch does not answer");
            return;
        }
        List<Map<String, Object>> list = new ArrayList<>();
        for (WebSwitchAgent.DatapathStatus datapath : datapaths) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("id", datapath.id());
            one.put("programmed", datapath.programmed());
            one.put("ports", datapath.ports());
            list.add(one);
        }
        Map<String, Object> health = new LinkedHashMap<>();
        health.put("status", "ok");
        health.put("datapaths", list);
        send(exchange, 200, JSON_TYPE, JSON.writeValueAsBytes(health));
    }

    private void counters(HttpExchange exchange) throws IOException {
        Map<String, Long> web = await(agent.counters());
        if (web == null) {
            refuse(exchange, 503, "the web switch does not answer");
            return;
        }
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("switch", web);
        Map<String, Long> own = new LinkedHashMap<>();
        counters.report(own::put);
        all.put("controller", own);
        all.put("filters", filterCounters);
        send(exchange, 200, JSON_TYPE, JSON.writeValueAsBytes(all));
    }

    private void metrics(HttpExchange exchange) throws IOException {
        Map<String, Long> web = await(agent.counters());
        if (web == null) {
            refuse(exchange, 503, "the web switch does not answer");
            return;
        }
        Map<String, Long> all = new LinkedHashMap<>();
        counters.report((name, value) -> all.put("controller_" + name, value));
        all.putAll(web);
        send(exchange, 200, CounterText.contentType(), CounterText.render(all, filterCounters));
    }

    /** The agent's answer, or null if it has none in time. */
    private <T> @Nullable T await(Future<T> answer) {
        try {
            return answer.get(agentTimeoutMs, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return null;
        } catch (ExecutionException | TimeoutException e) {
            LOG.warn("the web switch did not answer a control request: {}", e.toString());
            return null;
        }
    }

    private void refuseMethod(HttpExchange exchange, String allowed) throws IOException {
        exchange.getResponseHeaders().set("Allow", allowed);
        refuse(exchange, 405, allowed + " is expected");
    }

    private void refuse(HttpExchange exchange, int status, String problem) throws IOException {
        counters.increment(ControllerCounter.CONTROL_REFUSED);
        send(exchange, status, JSON_TYPE, JSON.writeValueAsBytes(Map.of("problem", problem)));
    }

    private static void send(HttpExchange exchange, int status, String type, byte[] body) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", type);
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }
}
