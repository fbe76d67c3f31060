package org.dwsr.filter.host;

import java.io.IOException;
import java.net.http.HttpClient;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import org.dwsr.config.DwsrConfig;

/** One filter process: the agent with all port pairs, their control channels, and the counters' endpoint. */
final class HostFilter implements AutoCloseable {
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(2);

    private final FilterAgent agent;
    private final CountersEndpoint endpoint;
    private final ScheduledExecutorService controlTimer = Executors.newSingleThreadScheduledExecutor(task -> {
        Thread thread = new Thread(task, "dwsr-control");
        thread.setDaemon(true);
        return thread;
    });

    /**
     * Starts a filter.
     *
     * @param key the shared key of the control channel
     * @throws IOException if the counters' address cannot be had
     */
    HostFilter(Libc libc, FilterConfig config, String key, CoreFactory cores) throws IOException {
        this(libc, config, key, cores, PortDecorator.NONE);
    }

    /** Starts a filter whose ports are decorated. */
    HostFilter(Libc libc, FilterConfig config, String key, CoreFactory cores, PortDecorator decorator)
            throws IOException {
        Map<FilterConfig.PortPairConfig, PortPair> pairs = new LinkedHashMap<>();
        for (FilterConfig.PortPairConfig port : config.ports()) {
            pairs.put(port, new PortPair(port.server(), cores, decorator));
        }
        List<PortPair> all = List.copyOf(pairs.values());
        agent = new FilterAgent(libc, all, System::nanoTime, config.ringMegabytes());

        Controllers controllers = new Controllers(config.controllers());
        HttpClient client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(CONNECT_TIMEOUT)
                .build();
        byte[] bootBytes = new byte[8];
        new SecureRandom().nextBytes(bootBytes);
        String boot = HexFormat.of().formatHex(bootBytes);
        Map<PortPair, ControlChannel> channels = new LinkedHashMap<>();
        for (PortPair pair : all) {
            channels.put(
                    pair,
                    new ControlChannel(
                            pair.server(), boot, key, controllers, client, controlTimer, new AgentFilter(agent, pair)));
        }

        endpoint = new CountersEndpoint(config.metrics(), "dwsr_filter_", agent, all, pair -> {
            ControlChannel channel = channels.get(pair);
            return channel != null && channel.configured();
        });
        pairs.forEach((port, pair) -> {
            agent.open(pair, PortSide.NETWORK, port.network());
            agent.open(pair, PortSide.HOST, port.host());
        });
        agent.start();
        new ArrayList<>(channels.values()).forEach(ControlChannel::start);
    }

    /** The port of the counters' endpoint. */
    int metricsPort() {
        return endpoint.port();
    }

    /** Waits until the filter was closed or its agent failed. */
    void awaitEnd() throws InterruptedException {
        agent.awaitEnd();
    }

    @Override
    public void close() {
        controlTimer.shutdownNow();
        endpoint.close();
        agent.close();
    }

    /** A control channel's view of one pair. */
    private record AgentFilter(FilterAgent agent, PortPair pair) implements ControlChannel.Filter {
        @Override
        public void configure(DwsrConfig config) {
            agent.configure(pair, config);
        }

        @Override
        public CompletableFuture<ConnectionReport> report(boolean full, boolean counters) {
            return agent.report(pair, full, counters);
        }
    }
}
