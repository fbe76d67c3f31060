package org.dwsr.controller;

/** Nanoseconds since the epoch that never go back: the epoch at the start, advanced by the monotonic clock. */
final class HostClock {
    private final long startEpochNs = System.currentTimeMillis() * 1_000_000L;
    private final long startNs = System.nanoTime();

    long nowNs() {
        return startEpochNs + (System.nanoTime() - startNs);
    }
}
