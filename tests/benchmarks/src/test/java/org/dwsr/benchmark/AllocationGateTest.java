package org.dwsr.benchmark;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Collection;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.TimeValue;

/** No allocation per packet: a short run of the benchmarks of the steady state, in this JVM, with JMH's GC profiler. */
class AllocationGateTest {
    static {
        // Allocation, unlike time, does not depend on other benchmarks that run on the machine.
        System.setProperty("jmh.ignoreLock", "true");
    }

    private static final double LIMIT_BYTES = 0.01;
    private static final double SMALLEST_OBJECT_BYTES = 16;

    /**
     * JMH itself allocates some 10 KB per iteration, which only many operations make small. So a benchmark above the
     * limit is run again for longer: its own allocations stay the same per operation.
     */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "responseSegment",
                "uploadSegmentAndAck",
                "clientAckWithSack",
                "guardedRequestWithCookie",
                "responseHeadWithCookie"
            })
    void shouldAllocateNothingPerPacketInSteadyState(String name) throws RunnerException {
        double bytes = bytesPerOperation(name, 1);
        for (int seconds = 4; bytes >= LIMIT_BYTES && bytes < SMALLEST_OBJECT_BYTES && seconds <= 64; seconds *= 4) {
            bytes = bytesPerOperation(name, seconds);
        }
        assertThat(bytes).as("bytes per " + name).isLessThan(LIMIT_BYTES);
    }

    private static double bytesPerOperation(String name, int seconds) throws RunnerException {
        RunResult result = new Runner(
                        BenchMain.options("Benchmark\\." + name + "$", 0, 1, 1, TimeValue.seconds(seconds)))
                .runSingle();
        return BenchMain.bytesPerOperation(result);
    }

    @Test
    void shouldSeeAnAllocationWhereThereIsOne() throws RunnerException {
        Collection<RunResult> results =
                new Runner(BenchMain.options("RebuildBenchmark.*", 0, 1, 1, TimeValue.milliseconds(200))).run();
        assertThat(results).hasSize(1).allMatch(result -> BenchMain.bytesPerOperation(result) > 16);
    }

    @Test
    void shouldChangeCookiesInWhatItMeasures() {
        KeepAliveBenchmark benchmark = new KeepAliveBenchmark();
        benchmark.begin();
        benchmark.guardedRequest();
        benchmark.responseHead();
        assertThat(benchmark.cookiesChanged()).isZero();
        benchmark.guardedRequestWithCookie();
        assertThat(benchmark.cookiesChanged()).isEqualTo(16);
        benchmark.responseHeadWithCookie();
        assertThat(benchmark.cookiesChanged()).isEqualTo(32);
    }

    @Test
    void shouldMeasureWholeRebuilds() {
        RebuildBenchmark benchmark = new RebuildBenchmark();
        for (int i = 0; i < 200; i++) {
            benchmark.rebuild();
        }
        assertThat(benchmark.segmentsPerRebuild()).isEqualTo(4.0);
    }

    @Test
    void shouldMeasureWholeDecisions() {
        DecisionBenchmark benchmark = new DecisionBenchmark();
        for (int i = 0; i < 3; i++) {
            benchmark.firstRequest();
        }
        assertThat(benchmark.packets()).isEqualTo(3 * 1_024);
        assertThat(benchmark.flows()).isZero();
        benchmark.synAck();
        assertThat(benchmark.packets()).isEqualTo(4 * 1_024);
    }
}
