package org.dwsr.filter.host;

import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Opens interfaces, again and again until they exist, on a thread of its own: opening and closing a ring takes the
 * kernel tens of milliseconds, in which the agent must not stand still.
 */
final class PortOpener implements AutoCloseable {
    /** Takes an opened port. */
    @FunctionalInterface
    interface OpenedPort {
        void opened(PortPair pair, PortSide side, AfPacketPort port);
    }

    private static final Logger LOG = LoggerFactory.getLogger(PortOpener.class);
    private static final long FIRST_RETRY_MS = 50;
    private static final long LAST_RETRY_MS = 1000;

    private final Libc libc;
    private final int ringMegabytes;
    private final OpenedPort openedPort;
    private final ExecutorService executor = Executors.newSingleThreadExecutor(task -> {
        Thread thread = new Thread(task, "dwsr-ports");
        thread.setDaemon(true);
        return thread;
    });

    /** Opens nothing yet. */
    PortOpener(Libc libc, int ringMegabytes, OpenedPort openedPort) {
        this.libc = libc;
        this.ringMegabytes = ringMegabytes;
        this.openedPort = openedPort;
    }

    /** Opens {@code interfaceName} as soon as that is possible. */
    void open(PortPair pair, PortSide side, String interfaceName) {
        executor.execute(() -> attempt(pair, side, interfaceName, FIRST_RETRY_MS));
    }

    /** Closes a port whose interface is gone, and opens its successor. */
    void reopen(PortPair pair, PortSide side, AfPacketPort port) {
        LOG.warn("{}: interface {} is gone", pair.server(), port.name());
        executor.execute(() -> {
            port.close();
            attempt(pair, side, port.name(), FIRST_RETRY_MS);
        });
    }

    private void attempt(PortPair pair, PortSide side, String interfaceName, long retryMs) {
        try {
            AfPacketPort port = AfPacketPort.open(libc, interfaceName, ringMegabytes, pair.counters(side));
            LOG.info("{}: interface {} is open toward the {}", pair.server(), interfaceName, side.key());
            openedPort.opened(pair, side, port);
        } catch (IOException failure) {
            if (retryMs == FIRST_RETRY_MS) {
                LOG.warn(
                        "{}: interface {} cannot be opened, trying on: {}",
                        pair.server(),
                        interfaceName,
                        failure.getMessage());
            }
            CompletableFuture.delayedExecutor(retryMs, TimeUnit.MILLISECONDS, executor)
                    .execute(() -> attempt(pair, side, interfaceName, Math.min(retryMs * 2, LAST_RETRY_MS)));
        }
    }

    @Override
    public void close() {
        executor.shutdownNow();
    }
}
