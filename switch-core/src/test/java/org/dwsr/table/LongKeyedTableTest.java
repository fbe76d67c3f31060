package org.dwsr.table;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.dwsr.config.SeededRounds;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class LongKeyedTableTest {
    private final LongKeyedTable<Long> table = new LongKeyedTable<>();

    @Nested
    class WithoutElements {
        @Test
        void shouldFindAndRemoveNothing() {
            assertThat(table.size()).isZero();
            assertThat(table.get(0)).isNull();
            assertThat(table.remove(0)).isNull();
            table.put(5, 5L);
            table.clear();
            assertThat(table.size()).isZero();
            assertThat(table.get(5)).isNull();
            table.put(5, 6L);
            assertThat(table.get(5)).isEqualTo(6);
        }
    }

    @Nested
    class WithElements {
        @Test
        void shouldKeepKeysWithTheSameHalves() {
            long[] keys = {0, 1, -1, 1L << 32, 0xffff_ffffL, 0xffff_ffff_0000_0000L, Long.MIN_VALUE, Long.MAX_VALUE};
            for (long key : keys) {
                table.put(key, key);
            }
            assertThat(table.size()).isEqualTo(keys.length);
            for (long key : keys) {
                assertThat(table.get(key)).isEqualTo(key);
            }
        }

        @Test
        void shouldReplaceTheValueOfAKeyThatIsThere() {
            table.put(7, 1L);
            table.put(7, 2L);
            assertThat(table.size()).isEqualTo(1);
            assertThat(table.get(7)).isEqualTo(2);
            assertThat(table.remove(7)).isEqualTo(2);
            assertThat(table.get(7)).isNull();
        }

        @Test
        void shouldAlwaysHaveAFreeSlotSoThatASearchEnds() {
            for (long key = 0; key < 10_000; key++) {
                table.put(key, key);
                assertThat(table.size()).isLessThan(table.capacity());
                assertThat(table.get(-1 - key)).isNull();
            }
        }
    }

    @Test
    void shouldAgreeWithAHashMap() {
        int[] hits = {0};
        SeededRounds.forAll(600, random -> {
            LongKeyedTable<Long> table = new LongKeyedTable<>();
            Map<Long, Long> model = new HashMap<>();
            // Few keys in a small table: runs wrap around its end, and holes are filled across it.
            int keys = 5 + random.nextInt(40);
            long spread = random.nextBoolean() ? 1 : 0x1_0000_0001L;
            for (int step = 0; step < 200; step++) {
                long key = random.nextInt(keys) * spread;
                switch (random.nextInt(40) == 0 ? 3 : random.nextInt(3)) {
                    case 0:
                        table.put(key, (long) step);
                        model.put(key, (long) step);
                        break;
                    case 1:
                        hits[0] += model.containsKey(key) ? 1 : 0;
                        assertThat(table.remove(key)).isEqualTo(model.remove(key));
                        break;
                    case 2:
                        assertThat(table.get(key)).isEqualTo(model.get(key));
                        break;
                    default:
                        if (random.nextInt(4) == 0) {
                            table.clear();
                            model.clear();
                        }
                        break;
                }
                assertThat(table.size()).isEqualTo(model.size());
            }
            for (long i = 0; i < keys; i++) {
                assertThat(table.get(i * spread)).isEqualTo(model.get(i * spread));
            }
            Map<Long, Long> walked = new HashMap<>();
            for (int i = table.capacity() - 1; i >= 0; i--) {
                Long value = table.slot(i);
                if (value != null) {
                    walked.put(value, value);
                }
            }
            assertThat(walked.keySet()).isEqualTo(new HashSet<>(model.values()));
        });
        assertThat(hits[0]).isGreaterThan(5_000);
    }

    @Nested
    class WalkedWhileItsElementsAreRemoved {
        private LongKeyedTable<Long> tableOf(Random random, Set<Long> keys) {
            LongKeyedTable<Long> table = new LongKeyedTable<>();
            for (int i = 1 + random.nextInt(60); i > 0; i--) {
                long key = random.nextLong();
                table.put(key, key);
                keys.add(key);
            }
            return table;
        }

        @Test
        void shouldVisitEveryElementOnce() {
            SeededRounds.forAll(3_000, random -> {
                Set<Long> keys = new HashSet<>();
                LongKeyedTable<Long> table = tableOf(random, keys);
                int outOf = 1 + random.nextInt(4);
                Set<Long> visited = new HashSet<>();
                Set<Long> kept = new HashSet<>();
                int free = table.freeSlot();
                assertThat(table.slot(free)).isNull();
                for (int i = free + table.capacity() - 1; i > free; i--) {
                    Long key = table.slot(i);
                    if (key == null) {
                        continue;
                    }
                    assertThat(visited.add(key)).as("first visit").isTrue();
                    if (random.nextInt(outOf) == 0) {
                        assertThat(table.remove(key)).isEqualTo(key);
                    } else {
                        kept.add(key);
                    }
                }
                assertThat(visited).isEqualTo(keys);
                assertThat(table.size()).isEqualTo(kept.size());
                for (long key : keys) {
                    assertThat(table.get(key)).isEqualTo(kept.contains(key) ? key : null);
                }
            });
        }
    }
}
