package org.dwsr.filter;

import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/**
 * Thousands of simulated networks ({@link SimulatedNetwork}), each from a seed of its own.
 *
 * <p>{@code -Ddwsr.cases=N} runs N of them, {@code -Ddwsr.seed=S} starts at seed S ({@code random}: anywhere); without,
 * it is the same cases every time. {@code -Ddwsr.trace=true} prints every packet.
 */
class MigrationSimulationTest {
    private static final int CASES = 10_000;
    private static final int SHRINKS = 2_000;

    @Test
    void shouldDeliverEveryByteOnceWhateverTheNetworkDoes() {
        int cases = Integer.getInteger("dwsr.cases", CASES);
        String given = System.getProperty("dwsr.seed", "1");
        long first = given.equals("random") ? System.nanoTime() : Long.parseLong(given);
        Optional<String> failure = LongStream.range(first, first + cases)
                .parallel()
                .mapToObj(MigrationSimulationTest::failure)
                .flatMap(Optional::stream)
                .findAny();
        failure.ifPresent(text -> {
            throw new AssertionError(text);
        });
    }

    private static Optional<String> failure(long seed) {
        SimulationCase generated = SimulationCase.of(seed);
        Throwable first = outcome(generated);
        if (first == null) {
            return Optional.empty();
        }
        SimulationCase smallest = generated;
        Throwable failure = first;
        int tries = 0;
        boolean smaller = true;
        while (smaller && tries < SHRINKS) {
            smaller = false;
            for (SimulationCase candidate : smallest.simpler()) {
                Throwable still = outcome(candidate);
                tries++;
                if (still != null) {
                    smallest = candidate;
                    failure = still;
                    smaller = true;
                    break;
                }
            }
        }
        return Optional.of(String.format(
                "seed %d: %s%n  to run it again: mvn -pl filter-host -am test -Dtest=MigrationSimulationTest"
                        + " -Dsurefire.failIfNoSpecifiedTests=false -Ddwsr.cases=1 -Ddwsr.seed=%d%n"
                        + "made smaller by %d further runs:%n%s%nwhich fails with: %s%n  %s",
                seed,
                first,
                seed,
                tries,
                smallest,
                failure,
                List.of(failure.getStackTrace()).subList(0, Math.min(8, failure.getStackTrace().length))));
    }

    private static @Nullable Throwable outcome(SimulationCase what) {
        try {
            new SimulatedNetwork(what).run();
            return null;
        } catch (AssertionError | RuntimeException e) {
            return e;
        }
    }
}
