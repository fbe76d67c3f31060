package org.dwsr.filter.host;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The program {@code dwsr wire}: joins pairs of interfaces, as a filter does, and passes every frame. */
@Command(
        name = "dwsr wire",
        mixinStandardHelpOptions = true,
        version = "dwsr 0.1.0",
        sortOptions = false,
        description = "For tests: joins interfaces in pairs like a long or a bad cable.",
        footer = {
            "",
            "Needs root, or CAP_NET_RAW and CAP_NET_ADMIN. Ends at SIGTERM and SIGINT.",
            "Exit status: 1 failure, 2 wrong arguments."
        })
public final class WireMain implements Callable<Integer> {
    private static final Logger LOG = LoggerFactory.getLogger(WireMain.class);
    private static final Pattern PAIR = Pattern.compile("([A-Za-z0-9._-]{1,64})=([^/,\\s]{1,15}),([^/,\\s]{1,15})");
    private static final long NANOS_PER_MS = 1_000_000L;
    private static final long MAX_DELAY_MS = 10_000;
    private static final int RING_MEGABYTES = 16;

    @Option(
            names = "--pair",
            required = true,
            paramLabel = "NAME=NETWORK,HOST",
            description = "two interfaces to join, the first toward the switch; may be given again")
    @Nullable
    List<String> pairs;

    @Option(
            names = "--delay-ms",
            paramLabel = "N",
            description = "how much longer a round trip takes, half in each direction; default 0")
    long delayMs;

    @Option(
            names = "--faults",
            paramLabel = "SPEC",
            description = "let frames suffer, e.g. loss=2%%,reorder=5%%,duplicate=2%%,seed=7; as in dwsr filter")
    @Nullable
    String faults;

    @Option(
            names = "--metrics",
            paramLabel = "HOST:PORT",
            defaultValue = "127.0.0.1:8791",
            description = "where to serve /metrics and /healthz; default 127.0.0.1:8791")
    @Nullable
    String metrics;

    /** Runs the program and ends the process. */
    public static void main(String[] args) {
        System.exit(new CommandLine(new WireMain()).execute(args));
    }

    @Override
    public Integer call() throws InterruptedException {
        List<Matcher> ends;
        Impairments impairments;
        HostPort address;
        try {
            ends = ends(pairs == null ? List.of() : pairs);
            if (delayMs < 0 || delayMs > MAX_DELAY_MS) {
                throw new IllegalArgumentException("--delay-ms " + delayMs + ": expected 0 to " + MAX_DELAY_MS);
            }
            impairments = new Impairments(faults == null ? null : FaultSpec.parse(faults), delayMs * NANOS_PER_MS);
            address = HostPort.parse(metrics == null ? "" : metrics);
        } catch (IllegalArgumentException wrong) {
            System.err.println("dwsr wire: " + wrong.getMessage());
            return CommandLine.ExitCode.USAGE;
        }
        Libc libc = Libc.get();
        List<PortPair> all = new ArrayList<>();
        for (Matcher end : ends) {
            all.add(new PortPair(end.group(1), (name, output) -> new PassThroughCore(), impairments));
        }
        FilterAgent agent = new FilterAgent(libc, all, System::nanoTime, RING_MEGABYTES);
        CountersEndpoint endpoint;
        try {
            AfPacketPort.checkPermission(libc);
            endpoint = new CountersEndpoint(address, "dwsr_wire_", agent, all, pair -> true);
        } catch (IOException failure) {
            System.err.println("dwsr wire: " + failure.getMessage());
            return 1;
        }
        for (int i = 0; i < ends.size(); i++) {
            agent.open(all.get(i), PortSide.NETWORK, ends.get(i).group(2));
            agent.open(all.get(i), PortSide.HOST, ends.get(i).group(3));
        }
        Runtime.getRuntime()
                .addShutdownHook(new Thread(
                        () -> {
                            endpoint.close();
                            agent.close();
                        },
                        "dwsr-shutdown"));
        agent.start();
        LOG.info("joining {}, delay {} ms, faults {}; counters at {}", pairs, delayMs, faults, address);
        agent.awaitEnd();
        return 1; // a signal ends the process without coming here
    }

    private static List<Matcher> ends(List<String> pairs) {
        List<Matcher> ends = new ArrayList<>();
        Set<String> seen = new HashSet<>();
        for (String pair : pairs) {
            Matcher match = PAIR.matcher(pair);
            if (!match.matches()) {
                throw new IllegalArgumentException(
                        "--pair \"" + pair + "\": expected NAME=INTERFACE,INTERFACE such as c1=dw-c1n,dw-c1h");
            }
            for (String one : List.of("=" + match.group(1), match.group(2), match.group(3))) {
                if (!seen.add(one)) {
                    throw new IllegalArgumentException("--pair \"" + pair + "\": a name or an interface is used twice");
                }
            }
            ends.add(match);
        }
        return ends;
    }
}
