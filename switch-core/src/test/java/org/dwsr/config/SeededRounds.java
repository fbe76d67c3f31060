package org.dwsr.config;

import java.util.Random;
import java.util.function.Consumer;

/** Runs a property with many random generators and names the seed of the one that failed. */
public final class SeededRounds {
    private static final long FIRST_SEED = 20050101;

    private SeededRounds() {}

    /** Runs the property once for each of this many seeds. */
    public static void forAll(int rounds, Consumer<Random> property) {
        for (long seed = FIRST_SEED; seed < FIRST_SEED + rounds; seed++) {
            try {
                property.accept(new Random(seed));
            } catch (RuntimeException | AssertionError e) {
                throw new AssertionError("seed " + seed + ": " + e.getMessage(), e);
            }
        }
    }
}
