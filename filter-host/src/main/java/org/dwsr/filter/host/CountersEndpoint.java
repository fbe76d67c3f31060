package org.dwsr.filter.host;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.prometheus.metrics.exporter.httpserver.MetricsHandler;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * The HTTP server for those who watch: {@code /metrics} in Prometheus's text format, and {@code /healthz}, which is 200
 * as long as the agent answers and otherwise 503.
 */
final class CountersEndpoint implements AutoCloseable {
    private static final long AGENT_TIMEOUT_MS = 2000;

    private final HttpServer server;
    private final ExecutorService executor = Executors.newFixedThreadPool(2, task -> {
        Thread thread = new Thread(task, "dwsr-metrics");
        thread.setDaemon(true);
        return thread;
    });
    private final FilterAgent agent;
    private final List<PortPair> pairs;
    private final Function<PortPair, Boolean> configured;

    /**
     * Starts to listen.
     *
     * @param prefix what the counters' names begin with
     * @param configured tells whether a pair has a configuration
     * @throws IOException if the address cannot be had
     */
    CountersEndpoint(
            HostPort address,
            String prefix,
            FilterAgent agent,
            List<PortPair> pairs,
            Function<PortPair, Boolean> configured)
            throws IOException {
        this.agent = agent;
        this.pairs = pairs;
        this.configured = configured;
        PrometheusRegistry registry = new PrometheusRegistry();
        registry.register(new CounterCollector(prefix, this::statuses));
        try {
            server = HttpServer.create(address.socketAddress(), 16);
        } catch (IOException failure) {
            throw new IOException("cannot listen on " + address + ": " + failure.getMessage(), failure);
        }
        server.setExecutor(executor);
        server.createContext("/metrics", new MetricsHandler(registry));
        server.createContext("/healthz", this::health);
        server.start();
    }

    /** The port it listens on. */
    int port() {
        return server.getAddress().getPort();
    }

    private List<PortPairStatus> statuses() {
        List<PortPairStatus> statuses = new ArrayList<>();
        for (PortPair pair : pairs) {
            statuses.add(agent.status(pair)
                    .orTimeout(AGENT_TIMEOUT_MS, TimeUnit.MILLISECONDS)
                    .join());
        }
        return statuses;
    }

    private void health(HttpExchange exchange) throws IOException {
        StringBuilder body = new StringBuilder();
        int code = 200;
        try {
            body.append("{\"status\":\"ok\",\"servers\":{");
            String comma = "";
            List<PortPairStatus> statuses = statuses();
            for (int i = 0; i < pairs.size(); i++) {
                PortPairStatus status = statuses.get(i);
                body.append(comma).append('"').append(status.server()).append("\":{\"network\":");
                body.append(status.networkOpen()).append(",\"host\":").append(status.hostOpen());
                body.append(",\"configured\":")
                        .append(configured.apply(pairs.get(i)))
                        .append('}');
                comma = ",";
            }
            body.append("}}\n");
        } catch (CompletionException agentSilent) {
            code = 503;
            body.setLength(0);
            body.append("{\"status\":\"the filter's agent does not answer\"}\n");
        }
        byte[] bytes = body.toString().getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(code, bytes.length);
        try (OutputStream out = exchange.getResponseBody()) {
            out.write(bytes);
        }
    }

    @Override
    public void close() {
        server.stop(0);
        executor.shutdownNow();
    }
}
