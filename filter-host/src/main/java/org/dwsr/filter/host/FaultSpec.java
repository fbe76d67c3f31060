package org.dwsr.filter.host;

import java.util.List;
import java.util.Locale;

/**
 * Which frames suffer on their way, for tests: {@code loss=2%,reorder=5%,duplicate=2%,seed=7}.
 *
 * <p>Each frame of each direction meets one of the three fates or none. A frame of segmentation offload, which stands
 * for many segments, is one frame.
 *
 * @param loss the probability, 0 to 1, that a frame is dropped
 * @param duplicate the probability that a frame goes twice
 * @param reorder the probability that a frame is held back
 * @param behind how many later frames of its direction overtake a frame that is held back
 * @param holdMs how long it waits for them at most, milliseconds
 * @param seed of the dice
 */
record FaultSpec(double loss, double duplicate, double reorder, int behind, int holdMs, long seed) {
    private static final String EXAMPLE = "loss=2%,reorder=5%,duplicate=2%,seed=7";
    private static final List<String> KEYS = List.of("loss", "duplicate", "reorder", "behind", "hold", "seed");
    private static final int DEFAULT_BEHIND = 3;
    private static final int DEFAULT_HOLD_MS = 10;
    private static final int MAX_BEHIND = 32;
    private static final int MAX_HOLD_MS = 1000;

    /**
     * Reads the text form.
     *
     * @throws IllegalArgumentException if it has another one, or the probabilities sum up to more than 100 %
     */
    static FaultSpec parse(String text) {
        double[] chances = new double[3];
        long behind = DEFAULT_BEHIND;
        long holdMs = DEFAULT_HOLD_MS;
        long seed = 1;
        for (String part : text.split(",", -1)) {
            int equals = part.indexOf('=');
            String key = equals < 0 ? part : part.substring(0, equals);
            String value = equals < 0 ? "" : part.substring(equals + 1);
            int number = KEYS.indexOf(key);
            switch (number) {
                case 0, 1, 2 -> chances[number] = percentage(part, value);
                case 3 -> behind = whole(part, value, 1, MAX_BEHIND);
                case 4 -> holdMs = milliseconds(part, value);
                case 5 -> seed = whole(part, value, Long.MIN_VALUE, Long.MAX_VALUE);
                default -> throw wrong(part, "one of " + String.join(", ", KEYS));
            }
        }
        if (chances[0] + chances[1] + chances[2] > 1) {
            throw new IllegalArgumentException("faults \"" + text + "\": the percentages sum up to more than 100");
        }
        return new FaultSpec(chances[0], chances[1], chances[2], (int) behind, (int) holdMs, seed);
    }

    private static double percentage(String part, String value) {
        if (value.endsWith("%")) {
            try {
                double percent = Double.parseDouble(value.substring(0, value.length() - 1));
                if (percent >= 0 && percent <= 100) {
                    return percent / 100;
                }
            } catch (NumberFormatException notANumber) {
                // falls through to the one message
            }
        }
        throw wrong(part, "0% to 100%");
    }

    private static long milliseconds(String part, String value) {
        if (!value.endsWith("ms")) {
            throw wrong(part, "milliseconds such as 10ms");
        }
        return whole(part, value.substring(0, value.length() - 2), 1, MAX_HOLD_MS);
    }

    private static long whole(String part, String value, long least, long most) {
        try {
            long number = Long.parseLong(value);
            if (number >= least && number <= most) {
                return number;
            }
        } catch (NumberFormatException notANumber) {
            // falls through to the one message
        }
        throw wrong(part, "a whole number from " + least + " to " + most);
    }

    private static IllegalArgumentException wrong(String part, String wanted) {
        return new IllegalArgumentException(
                "faults: \"" + part + "\": expected " + wanted + "; an example: " + EXAMPLE);
    }

    @Override
    public String toString() {
        return String.format(
                Locale.ROOT,
                "loss=%s%%,duplicate=%s%%,reorder=%s%%,behind=%d,hold=%dms,seed=%d",
                loss * 100,
                duplicate * 100,
                reorder * 100,
                behind,
                holdMs,
                seed);
    }
}
