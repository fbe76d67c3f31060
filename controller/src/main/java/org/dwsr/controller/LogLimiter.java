package org.dwsr.controller;

import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;

/** Lets one log line per second through and tells how many were held back. */
final class LogLimiter {
    private static final long INTERVAL_NS = 1_000_000_000L;

    private final AtomicLong nextNs = new AtomicLong(System.nanoTime());
    private final AtomicLong heldBack = new AtomicLong();

    /** Calls {@code line} with the number of lines held back since the last one, or holds this one back. */
    void log(LongConsumer line) {
        long now = System.nanoTime();
        long next = nextNs.get();
        if (now - next >= 0 && nextNs.compareAndSet(next, now + INTERVAL_NS)) {
            line.accept(heldBack.getAndSet(0));
        } else {
            heldBack.incrementAndGet();
        }
    }
}
