package org.dwsr.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class ConfigReaderPropertyTest {
    private static final @Nullable Object[] ODDITIES = {
        null,
        "",
        "s1",
        "018",
        "\u0000",
        "__Host-",
        "__Secure-DR",
        "DR",
        "DRDRDRDR",
        "of:",
        "of:0000000000000001/",
        "of:0000000000000001/2",
        "02:00:00:00:00:01",
        "999.0.0.1",
        "*",
        "/",
        "[",
        0,
        1,
        -1,
        Long.MIN_VALUE,
        1e300,
        Double.NaN,
        new java.math.BigInteger("99999999999999999999"),
        new java.math.BigDecimal("80"),
        true,
        List.of(),
        Map.of(),
        List.of(List.of()),
        Map.of("name", Map.of()),
        new Object()
    };

    @Test
    void shouldThrowNothingButConfigExceptionWhenTheDocumentIsMutated() {
        int[] accepted = {0};
        SeededRounds.forAll(20_000, random -> {
            Object tree = ConfigTrees.example();
            int mutations = 1 + random.nextInt(3);
            for (int i = 0; i < mutations; i++) {
                tree = mutate(tree, random, random.nextInt(6));
            }
            try {
                assertThat(ConfigReader.read(tree).tree()).isEqualTo(tree);
                accepted[0]++;
            } catch (ConfigException e) {
                assertThat(e.problems()).isNotEmpty().allSatisfy(problem -> assertThat(problem.path())
                        .startsWith("$"));
            }
        });
        // Both ways out were taken, so neither assertion stood idle.
        assertThat(accepted[0]).isBetween(100, 19_900);
    }

    /** The same tree with one change, {@code depth} levels down at most. */
    private static @Nullable Object mutate(@Nullable Object node, Random random, int depth) {
        if (depth > 0 && node instanceof Map && !((Map<?, ?>) node).isEmpty()) {
            Map<Object, @Nullable Object> copy = new LinkedHashMap<>((Map<?, ?>) node);
            Object key = new ArrayList<>(copy.keySet()).get(random.nextInt(copy.size()));
            switch (random.nextInt(8)) {
                case 0:
                    copy.remove(key);
                    break;
                case 1:
                    copy.put(key + "x", copy.get(key));
                    break;
                case 2:
                    copy.put(random.nextBoolean() ? (Object) 7 : "novel", oddity(random));
                    break;
                default:
                    copy.put(key, mutate(copy.get(key), random, depth - 1));
            }
            return copy;
        }
        if (depth > 0 && node instanceof List && !((List<?>) node).isEmpty()) {
            List<@Nullable Object> copy = new ArrayList<>((List<?>) node);
            int at = random.nextInt(copy.size());
            switch (random.nextInt(8)) {
                case 0:
                    copy.remove(at);
                    break;
                case 1:
                    copy.add(copy.get(at));
                    break;
                case 2:
                    copy.add(at, oddity(random));
                    break;
                default:
                    copy.set(at, mutate(copy.get(at), random, depth - 1));
            }
            return copy;
        }
        if (node instanceof String && random.nextInt(3) > 0) {
            StringBuilder text = new StringBuilder((String) node);
            int at = random.nextInt(text.length() + 1);
            if (random.nextBoolean() || at == text.length()) {
                text.insert(at, (char) (random.nextInt(20) == 0 ? random.nextInt(0x3000) : 33 + random.nextInt(94)));
            } else {
                text.deleteCharAt(at);
            }
            return text.toString();
        }
        return oddity(random);
    }

    private static @Nullable Object oddity(Random random) {
        return ODDITIES[random.nextInt(ODDITIES.length)];
    }
}
