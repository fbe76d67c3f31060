package org.dwsr.filter;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ExchangePoolTest {
    private final ExchangePool pool = new ExchangePool();
    private final FilterConnection c = new FilterConnection(1, 0, 0xffff_0a00_0001L);

    private Exchange withPatches(int count) {
        Exchange exchange = pool.of(c);
        for (int i = 0; i < count; i++) {
            exchange.requestPatches.add(8 * i, 0);
        }
        return exchange;
    }

    private Exchange again() {
        c.exchange = null;
        return pool.of(c);
    }

    @Test
    void shouldLendTheSameAgainWhenNothingIsUnderWay() {
        Exchange exchange = withPatches(16);
        exchange.requestPatches.forgetBefore(1_000);
        pool.releaseIfIdle(c);
        assertThat(c.exchange).isNull();
        assertThat(again()).isSameAs(exchange);
    }

    @Test
    void shouldNotKeepOneThatHasGrown() {
        Exchange exchange = withPatches(17);
        exchange.requestPatches.forgetBefore(1_000);
        pool.releaseIfIdle(c);
        assertThat(c.exchange).isNull();
        assertThat(again()).isNotSameAs(exchange);
    }

    @Test
    void shouldLeaveItWhileSomethingIsUnderWay() {
        Exchange exchange = withPatches(1);
        pool.releaseIfIdle(c);
        assertThat(c.exchange).isSameAs(exchange);
        exchange.requestPatches.forgetBefore(1_000);
        exchange.responsePatches.add(0, 0);
        pool.releaseIfIdle(c);
        assertThat(c.exchange).isSameAs(exchange);
        exchange.responsePatches.forgetBefore(1_000);
        exchange.pushOutstanding(0, false, false);
        pool.releaseIfIdle(c);
        assertThat(c.exchange).isSameAs(exchange);
        exchange.popOutstanding();
        c.inChunked = true;
        pool.releaseIfIdle(c);
        assertThat(c.exchange).isSameAs(exchange);
        c.inChunked = false;
        c.inResponseBody = true;
        pool.releaseIfIdle(c);
        assertThat(c.exchange).isSameAs(exchange);
    }

    @Test
    void shouldKeepNoMoreThanItsLimit() {
        FilterConnection[] many = new FilterConnection[ExchangePool.LIMIT + 1];
        for (int i = 0; i < many.length; i++) {
            many[i] = new FilterConnection(i, 0, 0xffff_0a00_0001L);
            pool.of(many[i]);
        }
        Exchange last = pool.of(many[ExchangePool.LIMIT]);
        for (FilterConnection each : many) {
            pool.releaseIfIdle(each);
        }
        for (int i = 0; i < many.length; i++) {
            assertThat(pool.of(many[i])).isNotSameAs(last);
        }
    }

    @Test
    void shouldTellAnswersInOrderWhenTheRingTurns() {
        Exchange exchange = pool.of(c);
        for (int i = 0; i < 3 * Exchange.MAX_OUTSTANDING; i++) {
            exchange.pushOutstanding(46_655 - i, i % 2 == 0, i % 3 == 0);
            exchange.pushOutstanding(1, false, false);
            assertThat(exchange.outstanding()).isEqualTo(2);
            assertThat(exchange.outstandingType()).isEqualTo(46_655 - i);
            assertThat(exchange.outstandingIsHead()).isEqualTo(i % 2 == 0);
            assertThat(exchange.outstandingIsConnect()).isEqualTo(i % 3 == 0);
            exchange.popOutstanding();
            exchange.popOutstanding();
        }
    }
}
