package org.dwsr.benchmark;

import java.util.Collection;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.Options;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Runs the JMH benchmarks at full length and prints one table, the paper's Table III beside it. */
@Command(
        name = "dwsr bench filter",
        mixinStandardHelpOptions = true,
        description = {
            "Measures what the filter's core and the web switch's core cost per packet (JMH), without system calls.",
            "Columns: median of all iterations and the error of the mean (99.9 %%) in ns, bytes allocated, and the "
                    + "paper's figure (Table III: Linux 2.4 kernel module, Athlon XP)."
        })
public final class BenchMain implements Callable<Integer> {
    @Option(names = "--forks", defaultValue = "2", description = "JVMs per benchmark (default: ${DEFAULT-VALUE})")
    private int forks;

    @Option(
            names = "--iterations",
            defaultValue = "5",
            description = "measured iterations of a second per JVM (default: ${DEFAULT-VALUE})")
    private int iterations;

    @Option(names = "--only", defaultValue = ".*", description = "a regular expression on the benchmarks' names")
    private String only = ".*";

    private BenchMain() {}

    public static void main(String[] args) {
        System.exit(new CommandLine(new BenchMain()).execute(args));
    }

    /** The options of a run: which benchmarks, how many JVMs (0: this one), how many iterations of how long. */
    static Options options(String only, int forks, int warmups, int iterations, TimeValue each) {
        return new OptionsBuilder()
                .include("org\\.dwsr\\.benchmark\\.[A-Za-z]*" + only)
                .forks(forks)
                .warmupIterations(warmups)
                .warmupTime(each)
                .measurementIterations(iterations)
                .measurementTime(each)
                .addProfiler(GCProfiler.class)
                .verbosity(VerboseMode.SILENT)
                .shouldFailOnError(true)
                .build();
    }

    /** Bytes allocated per operation. */
    static double bytesPerOperation(RunResult result) {
        Result<?> found = result.getSecondaryResults().get("gc.alloc.rate.norm");
        if (found == null) {
            throw new IllegalStateException("the GC profiler told nothing");
        }
        return found.getScore();
    }

    @Override
    public Integer call() throws RunnerException {
        Collection<RunResult> results = new Runner(options(only, forks, 3, iterations, TimeValue.seconds(1))).run();
        System.out.printf("%-34s %10s %10s %10s   %s%n", "per operation", "ns", "+- ns", "bytes", "paper, ns");
        for (RunResult result : results) {
            String name = result.getParams().getBenchmark();
            String method = name.substring(name.lastIndexOf('.') + 1);
            Result<?> time = result.getPrimaryResult();
            System.out.printf(
                    Locale.ROOT,
                    "%-34s %10.1f %10.1f %10.3f   %s%n",
                    method,
                    time.getStatistics().getPercentile(50),
                    time.getScoreError(),
                    bytesPerOperation(result),
                    paper(method));
        }
        return 0;
    }

    private static String paper(String method) {
        switch (method) {
            case "rebuild":
                return "101,390 (with the kernel's part)";
            case "responseSegment":
            case "clientAck":
                return "3,540";
            case "responseHeadWithCookie":
            case "guardedRequestWithCookie":
                return "4,470 (the name alone)";
            default:
                return "-";
        }
    }
}
