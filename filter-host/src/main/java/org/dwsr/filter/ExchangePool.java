package org.dwsr.filter;

import java.util.ArrayDeque;

/** Lends {@link Exchange}s to connections, so that idle ones need no memory for it and busy ones allocate nothing. */
final class ExchangePool {
    /** Exchanges kept for later; connections that need one more get it from the heap. */
    static final int LIMIT = 1024;

    private final ArrayDeque<Exchange> free = new ArrayDeque<>();

    /** The connection's exchange; it gets one if it has none. */
    Exchange of(FilterConnection c) {
        Exchange exchange = c.exchange;
        if (exchange == null) {
            Exchange pooled = free.poll();
            exchange = pooled == null ? new Exchange() : pooled;
            c.exchange = exchange;
        }
        return exchange;
    }

    /** Takes the exchange back from a connection on which nothing is under way. */
    void releaseIfIdle(FilterConnection c) {
        Exchange exchange = c.exchange;
        if (exchange == null || c.inChunked || c.inResponseBody || !exchange.isIdle()) {
            return;
        }
        c.exchange = null;
        if (free.size() < LIMIT && exchange.isSmall()) {
            free.push(exchange);
        }
    }
}
