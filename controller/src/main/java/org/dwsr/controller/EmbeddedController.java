package org.dwsr.controller;

import io.netty.util.concurrent.DefaultThreadFactory;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.dwsr.config.ControlConfig;
import org.dwsr.config.DwsrConfig;
import org.dwsr.flow.PlainPipeline;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The whole controller: agent, switch port, control channel, and the configuration file they follow. */
final class EmbeddedController implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(EmbeddedController.class);
    private static final long WATCH_MS = 1_000;

    private final ControllerCounters counters = new ControllerCounters();
    private final ConfigFile file;
    private final WebSwitchAgent agent;
    private DwsrConfig running;
    private final OpenFlowListener listener;
    private final ControlServer control;
    private final ScheduledExecutorService watch =
            Executors.newSingleThreadScheduledExecutor(new DefaultThreadFactory("config-watch"));

    /**
     * Starts everything.
     *
     * @param config what {@code file} holds
     * @throws IOException if an address cannot be listened on; nothing runs then
     */
    EmbeddedController(
            ConfigFile file,
            DwsrConfig config,
            SwitchingLogic.Factory logic,
            String bearer,
            InetSocketAddress openFlow,
            InetSocketAddress controlChannel)
            throws IOException {
        this.file = file;
        running = config;
        agent = new WebSwitchAgent(logic, new PlainPipeline(), new HostClock(), counters);
        agent.configure(config);
        control = new ControlServer(controlChannel, bearer, config, agent, counters);
        try {
            listener = new OpenFlowListener(openFlow, agent, counters);
        } catch (IOException e) {
            control.close();
            throw e;
        }
        agent.start();
        Future<?> unused =
                watch.scheduleWithFixedDelay(this::reloadIfChanged, WATCH_MS, WATCH_MS, TimeUnit.MILLISECONDS);
    }

    int openFlowPort() {
        return listener.port();
    }

    int controlPort() {
        return control.port();
    }

    ControllerCounters counters() {
        return counters;
    }

    WebSwitchAgent agent() {
        return agent;
    }

    /** Reads the file again, on the watching thread; a wrong document is refused whole and the running one stays. */
    void reload() {
        watch.execute(this::reloadNow);
    }

    private void reloadIfChanged() {
        if (file.isChanged()) {
            reloadNow();
        }
    }

    private void reloadNow() {
        DwsrConfig next;
        try {
            next = file.read();
        } catch (IOException e) {
            counters.increment(ControllerCounter.CONFIGURATIONS_REFUSED);
            LOG.error("the new configuration is refused, the running one stays: {}", e.getMessage());
            return;
        }
        counters.increment(ControllerCounter.CONFIGURATIONS_ACCEPTED);
        LOG.info(
                "a new configuration: {} services, {} servers",
                next.services().size(),
                next.servers().size());
        if (!channel(next).equals(channel(running))) {
            LOG.warn("the new control section ({}) is used after a restart", channel(next));
        }
        running = next;
        agent.configure(next);
        control.offer(next);
    }

    private static String channel(DwsrConfig config) {
        ControlConfig channel = config.control();
        return channel == null ? "none" : channel.listen() + ", " + channel.keyFile();
    }

    @Override
    public void close() {
        watch.shutdownNow();
        control.close();
        agent.close();
        listener.close();
    }
}
