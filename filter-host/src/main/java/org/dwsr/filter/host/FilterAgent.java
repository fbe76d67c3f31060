package org.dwsr.filter.host;

import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;
import org.dwsr.config.DwsrConfig;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one thread that owns all port pairs and their cores. After a frame it keeps looking for the next for a while,
 * then it sleeps in {@code poll}; a tick comes every millisecond. Other threads hand it commands.
 */
final class FilterAgent implements AutoCloseable {
    static final long TICK_NS = 1_000_000;

    private static final Logger LOG = LoggerFactory.getLogger(FilterAgent.class);
    private static final long SPIN_NS = 30_000;
    private static final int TURNS_PER_CLOCK = 32;
    private static final long INTERFACE_CHECK_NS = 250_000_000;
    private static final long BLOCKED_PARK_NS = 50_000;
    private static final int POLLFD_SIZE = 8;

    private final Libc libc;
    private final List<PortPair> pairs;
    private final LongSupplier clock;
    private final PortOpener opener;
    private final Queue<Runnable> commands = new ConcurrentLinkedQueue<>();
    private final NativeBytes pollFds;

    private final Thread thread = new Thread(this::run, "dwsr-agent");

    private volatile boolean running = true;
    private int pollCount;
    private long nextTickNs;
    private long nextInterfaceCheckNs;

    /**
     * An agent whose pairs have no ports yet.
     *
     * @param clock monotonic nanoseconds
     * @param ringMegabytes the size of each interface's receive ring
     */
    FilterAgent(Libc libc, List<PortPair> pairs, LongSupplier clock, int ringMegabytes) {
        this.libc = libc;
        this.pairs = List.copyOf(pairs);
        this.clock = clock;
        this.opener = new PortOpener(libc, ringMegabytes, this::attach);
        this.pollFds = NativeBytes.allocate(Math.max(1, pairs.size() * 2) * POLLFD_SIZE);
    }

    /** Opens an interface for a pair as soon as it exists, and again whenever it was gone. */
    void open(PortPair pair, PortSide side, String interfaceName) {
        opener.open(pair, side, interfaceName);
    }

    /** Has the agent's thread run {@code command} within about a millisecond, in the order of the calls. */
    void execute(Runnable command) {
        commands.add(command);
    }

    /** Gives a pair's core a new configuration. */
    void configure(PortPair pair, DwsrConfig config) {
        execute(() -> pair.configure(config, clock.getAsLong()));
    }

    /**
     * Asks a pair's core for a report.
     *
     * @param full whether live connections are told
     * @param counters whether the counters of core and ports are told
     */
    CompletableFuture<ConnectionReport> report(PortPair pair, boolean full, boolean counters) {
        CompletableFuture<ConnectionReport> told = new CompletableFuture<>();
        execute(() -> {
            ConnectionReport report = new ConnectionReport();
            try {
                pair.core().report(report, full);
                if (counters) {
                    pair.tellCounters(report);
                }
                told.complete(report);
            } catch (RuntimeException failure) {
                told.completeExceptionally(failure);
            }
        });
        return told;
    }

    /** Asks for a pair's counters, and for which of its interfaces are open. */
    CompletableFuture<PortPairStatus> status(PortPair pair) {
        CompletableFuture<PortPairStatus> told = new CompletableFuture<>();
        execute(() -> {
            Map<String, Long> counters = new LinkedHashMap<>();
            try {
                pair.tellCounters(counters::put);
                told.complete(new PortPairStatus(
                        pair.server(),
                        pair.port(PortSide.NETWORK) != null,
                        pair.port(PortSide.HOST) != null,
                        counters));
            } catch (RuntimeException failure) {
                told.completeExceptionally(failure);
            }
        });
        return told;
    }

    /** Starts the agent's thread. */
    void start() {
        thread.start();
    }

    /** Waits until the agent's thread has ended. */
    void awaitEnd() throws InterruptedException {
        thread.join();
    }

    /** Ends the agent's thread, which closes all ports, and waits for that. */
    @Override
    public void close() {
        running = false;
        try {
            thread.join();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        opener.close();
    }

    private void run() {
        nextTickNs = clock.getAsLong();
        nextInterfaceCheckNs = nextTickNs;
        try {
            while (running) {
                spinThenPoll();
            }
        } catch (RuntimeException failure) {
            LOG.error("the filter's agent ends", failure);
        } finally {
            closePorts();
        }
    }

    private void spinThenPoll() {
        long nowNs = clock.getAsLong();
        long spinUntilNs = nowNs;
        int turns = 0;
        while (running) {
            runCommands();
            int frames = 0;
            for (int i = 0; i < pairs.size(); i++) {
                frames += pairs.get(i).pump(nowNs);
            }
            if (frames == 0 && turns++ < TURNS_PER_CLOCK && nowNs - spinUntilNs < 0) {
                Thread.onSpinWait();
                continue;
            }
            turns = 0;
            nowNs = clock.getAsLong();
            if (nowNs - nextTickNs >= 0) {
                tick(nowNs);
            }
            if (frames > 0) {
                spinUntilNs = nowNs + SPIN_NS;
            } else if (nowNs - spinUntilNs >= 0) {
                await();
                nowNs = clock.getAsLong();
                if (nowNs - nextTickNs >= 0) {
                    tick(nowNs);
                }
            }
        }
    }

    private void await() {
        for (PortPair pair : pairs) {
            if (pair.blocked()) {
                // Frames that wait for room behind an interface are still in the ring: poll would not wait.
                LockSupport.parkNanos(BLOCKED_PARK_NS);
                return;
            }
        }
        int ready = libc.poll(pollFds.address(), pollCount, commands.isEmpty() ? 1 : 0);
        if (ready <= 0) {
            return;
        }
        ByteBuffer fds = pollFds.buffer();
        boolean failed = false;
        for (int i = 0; i < pollCount; i++) {
            failed |= (fds.getShort(i * POLLFD_SIZE + 6) & ~Libc.POLLIN) != 0;
        }
        if (failed) {
            clearErrors();
            nextInterfaceCheckNs = clock.getAsLong();
        }
    }

    private void clearErrors() {
        for (PortPair pair : pairs) {
            for (PortSide side : PortSide.values()) {
                AfPacketPort port = pair.port(side);
                if (port != null) {
                    port.clearError();
                }
            }
        }
    }

    private void tick(long nowNs) {
        nextTickNs = nowNs + TICK_NS;
        for (int i = 0; i < pairs.size(); i++) {
            pairs.get(i).tick(nowNs);
        }
        if (nowNs - nextInterfaceCheckNs >= 0) {
            nextInterfaceCheckNs = nowNs + INTERFACE_CHECK_NS;
            checkInterfaces();
        }
    }

    private void checkInterfaces() {
        for (PortPair pair : pairs) {
            for (PortSide side : PortSide.values()) {
                AfPacketPort port = pair.port(side);
                if (port != null && port.gone()) {
                    pair.detach(side);
                    refillPollFds();
                    opener.reopen(pair, side, port);
                }
            }
        }
    }

    private void runCommands() {
        for (Runnable command = commands.poll(); command != null; command = commands.poll()) {
            try {
                command.run();
            } catch (RuntimeException failure) {
                LOG.error("a command to the filter failed", failure);
            }
        }
    }

    private void attach(PortPair pair, PortSide side, AfPacketPort port) {
        execute(() -> {
            pair.attach(side, port);
            refillPollFds();
        });
    }

    private void refillPollFds() {
        pollCount = 0;
        for (PortPair pair : pairs) {
            for (PortSide side : PortSide.values()) {
                AfPacketPort port = pair.port(side);
                if (port != null) {
                    int at = pollCount++ * POLLFD_SIZE;
                    pollFds.buffer()
                            .putInt(at, port.receiveFd())
                            .putShort(at + 4, Libc.POLLIN)
                            .putShort(at + 6, (short) 0);
                }
            }
        }
    }

    private void closePorts() {
        runCommands();
        for (PortPair pair : pairs) {
            for (PortSide side : PortSide.values()) {
                AfPacketPort port = pair.detach(side);
                if (port != null) {
                    port.close();
                }
            }
        }
    }
}
