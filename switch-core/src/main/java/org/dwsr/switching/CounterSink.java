package org.dwsr.switching;

/** Takes named counters. */
@FunctionalInterface
public interface CounterSink {
    /** One counter's name (snake case) and its value since the start, or the size of something right now. */
    void counter(String name, long value);
}
