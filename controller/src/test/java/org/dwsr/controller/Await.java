package org.dwsr.controller;

import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** Waits for a condition, and fails when it does not come true in time. */
final class Await {
    static final long DEADLINE_MS = 10_000;

    private Await() {}

    static void until(String what, Callable<Boolean> condition) throws Exception {
        long start = System.nanoTime();
        while (!condition.call()) {
            if (System.nanoTime() - start > TimeUnit.MILLISECONDS.toNanos(DEADLINE_MS)) {
                throw new AssertionError("not within " + DEADLINE_MS + " ms: " + what);
            }
            LockSupport.parkNanos(1_000_000);
        }
    }
}
