package org.dwsr.filter.host;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.dwsr.filter.FilterCore;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The program {@code dwsr filter}. */
@Command(
        name = "dwsr filter",
        mixinStandardHelpOptions = true,
        version = "dwsr 0.1.0",
        sortOptions = false,
        description = "The host filter: stands between servers and their switch ports, rebuilds migrated connections"
                + " and masks them.",
        footer = {
            "",
            "The configuration is JSON:",
            "  {\"controllers\": [\"http://127.0.0.1:8780\"], \"keyFile\": \"FILE\",",
            "   \"metrics\": \"127.0.0.1:8790\",",
            "   \"ports\": [{\"server\": \"s1\", \"network\": \"INTERFACE\", \"host\": \"INTERFACE\"}]}",
            "network is the interface toward the switch, host the one toward the server.",
            "Needs root, or CAP_NET_RAW and CAP_NET_ADMIN. Ends at SIGTERM and SIGINT.",
            "Exit status: 1 failure, 2 wrong arguments or configuration."
        })
public final class FilterMain implements Callable<Integer> {
    private static final Logger LOG = LoggerFactory.getLogger(FilterMain.class);

    @Option(names = "--config", required = true, paramLabel = "FILE", description = "the filter's configuration")
    @Nullable
    Path configFile;

    @Option(
            names = "--metrics",
            paramLabel = "HOST:PORT",
            description = "where to serve /metrics and /healthz, instead of the configuration's address")
    @Nullable
    String metrics;

    @Option(
            names = "--pass-through",
            description = "forward every frame untouched, to see what the interfaces alone do")
    boolean passThrough;

    @Option(
            names = "--faults",
            paramLabel = "SPEC",
            description = {
                "FOR TESTS ONLY: let frames from and to the network suffer, each by its own chance, e.g."
                        + " loss=2%%,reorder=5%%,duplicate=2%%,seed=7; behind=N (default 3) and hold=Nms (default 10ms)"
                        + " say how many frames overtake one that is held back, and how long it waits at most"
            })
    @Nullable
    String faults;

    /** Runs the program and ends the process. */
    public static void main(String[] args) {
        System.exit(new CommandLine(new FilterMain()).execute(args));
    }

    @Override
    public Integer call() throws InterruptedException {
        FilterConfig config;
        String key;
        PortDecorator decorator = PortDecorator.NONE;
        try {
            config = FilterConfig.read(given(configFile));
            if (metrics != null) {
                config = new FilterConfig(
                        config.controllers(),
                        config.keyFile(),
                        HostPort.parse(metrics),
                        config.ringMegabytes(),
                        config.ports());
            }
            key = config.readKey();
            if (faults != null) {
                decorator = new Impairments(FaultSpec.parse(faults), 0);
            }
        } catch (FilterConfigException | IllegalArgumentException wrong) {
            System.err.println("dwsr filter: " + wrong.getMessage());
            return CommandLine.ExitCode.USAGE;
        }
        Libc libc = Libc.get();
        HostFilter filter;
        try {
            AfPacketPort.checkPermission(libc);
            filter = new HostFilter(
                    libc, config, key, passThrough ? (server, output) -> new PassThroughCore() : cores(), decorator);
        } catch (IOException failure) {
            System.err.println("dwsr filter: " + failure.getMessage());
            return 1;
        }
        Runtime.getRuntime().addShutdownHook(new Thread(filter::close, "dwsr-shutdown"));
        if (decorator != PortDecorator.NONE) {
            LOG.warn("FOR TESTS ONLY: frames suffer on purpose: {}", faults);
        }
        LOG.info("filtering for {}; counters at {}", servers(config), config.metrics());
        filter.awaitEnd();
        return 1; // a signal ends the process without coming here
    }

    private static CoreFactory cores() {
        return FilterCore::new;
    }

    private static String servers(FilterConfig config) {
        return String.join(
                ", ",
                config.ports().stream().map(FilterConfig.PortPairConfig::server).toList());
    }

    private static <T> T given(@Nullable T value) {
        if (value == null) {
            throw new IllegalStateException("picocli did not fill in a required value");
        }
        return value;
    }
}
