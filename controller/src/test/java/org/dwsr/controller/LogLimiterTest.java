package org.dwsr.controller;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class LogLimiterTest {
    @Test
    void shouldLetOneLinePerSecondThroughAndTellOfTheOthers() throws Exception {
        LogLimiter limiter = new LogLimiter();
        List<Long> lines = new ArrayList<>();
        long start = System.nanoTime();
        long calls = 0;
        while (lines.size() < 2) {
            limiter.log(lines::add);
            calls++;
            assertThat(System.nanoTime() - start).isLessThan(10_000_000_000L);
        }
        assertThat(System.nanoTime() - start).isGreaterThanOrEqualTo(1_000_000_000L);
        assertThat(lines).containsExactly(0L, calls - 2);
    }
}
