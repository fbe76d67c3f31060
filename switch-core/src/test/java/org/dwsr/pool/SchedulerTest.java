package org.dwsr.pool;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;
import org.dwsr.config.ConfigTrees;
import org.dwsr.config.DwsrConfig;
import org.dwsr.config.SeededRounds;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SchedulerTest {
    private static boolean any(int server) {
        return server >= 0;
    }

    private static Scheduler scheduler(String schedule, int... weights) {
        return scheduler(ConfigTrees.withPool(schedule, weights));
    }

    private static Scheduler scheduler(Map<String, Object> tree) {
        DwsrConfig config = ConfigTrees.read(tree);
        return new Scheduler(config, config.pools().get(0));
    }

    private static List<Integer> choose(Scheduler scheduler, int rounds, IntPredicate eligible) {
        List<Integer> chosen = new ArrayList<>();
        ServerLoad load = new ServerLoad(16);
        for (int i = 0; i < rounds; i++) {
            chosen.add(scheduler.choose(i, eligible, load));
        }
        return chosen;
    }

    @ParameterizedTest
    @ValueSource(strings = {"rr", "wrr", "lc", "wlc", "sourceHash"})
    void shouldChooseOnlyEligibleServers(String schedule) {
        SeededRounds.forAll(50, random -> {
            int[] weights = random.ints(1 + random.nextInt(8), 1, 1001).toArray();
            Scheduler scheduler = scheduler(schedule, weights);
            ServerLoad load = new ServerLoad(weights.length);
            for (int i = 0; i < 200; i++) {
                int up = random.nextInt(1 << weights.length);
                int chosen = scheduler.choose(random.nextInt(), server -> (up >> server & 1) != 0, load);
                if (up == 0) {
                    assertThat(chosen).isEqualTo(Scheduler.NONE);
                } else {
                    assertThat(up >> chosen & 1).isEqualTo(1);
                    load.opened(chosen);
                }
                load.closed(random.nextInt(weights.length));
            }
        });
    }

    @ParameterizedTest
    @ValueSource(strings = {"rr", "wrr", "lc", "wlc"})
    void shouldUseBothServersWhenIdle(String schedule) {
        assertThat(choose(scheduler(schedule, 1, 1), 20, SchedulerTest::any))
                .containsOnly(0, 1)
                .filteredOn(i -> i == 0)
                .hasSize(10);
    }

    @Nested
    class WithRoundRobin {
        @Test
        void shouldGoInOrderAndIgnoreWeights() {
            assertThat(choose(scheduler("rr", 5, 1, 1), 7, SchedulerTest::any)).containsExactly(0, 1, 2, 0, 1, 2, 0);
        }

        @Test
        void shouldSkipThoseNotEligible() {
            assertThat(choose(scheduler("rr", 1, 1, 1, 1), 5, server -> server == 1 || server == 2))
                    .containsExactly(1, 2, 1, 2, 1);
        }
    }

    @Nested
    class WithWeightedRoundRobin {
        @Test
        void shouldSpreadTheHeavyOnesTurns() {
            assertThat(choose(scheduler("wrr", 5, 1, 1), 14, SchedulerTest::any))
                    .containsExactly(0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0);
        }

        @Test
        void shouldChooseEachAsOftenAsItsWeightInEverySumOfRounds() {
            SeededRounds.forAll(50, random -> {
                int[] weights = random.ints(1 + random.nextInt(6), 1, 20).toArray();
                Scheduler scheduler = scheduler("wrr", weights);
                for (int cycle = 0; cycle < 3; cycle++) {
                    int sum = 0;
                    for (int weight : weights) {
                        sum += weight;
                    }
                    List<Integer> chosen = choose(scheduler, sum, SchedulerTest::any);
                    for (int i = 0; i < weights.length; i++) {
                        int server = i;
                        assertThat(chosen).filteredOn(c -> c == server).hasSize(weights[i]);
                    }
                }
            });
        }
    }

    @Nested
    class WithLeastConnections {
        @Test
        void shouldChooseTheLeastLoaded() {
            ServerLoad load = new ServerLoad(3);
            load.opened(0);
            load.opened(0);
            load.opened(2);
            assertThat(scheduler("lc", 1, 1, 1).choose(0, SchedulerTest::any, load))
                    .isEqualTo(1);
            load.opened(1);
            load.opened(1);
            assertThat(scheduler("lc", 1, 1, 1).choose(0, SchedulerTest::any, load))
                    .isEqualTo(2);
        }

        @Test
        void shouldKeepConnectionsInProportionToWeightsWhenWeighted() {
            Scheduler scheduler = scheduler("wlc", 1, 2, 5);
            ServerLoad load = new ServerLoad(3);
            for (int i = 0; i < 800; i++) {
                load.opened(scheduler.choose(0, SchedulerTest::any, load));
            }
            assertThat(load.active(0)).isEqualTo(100);
            assertThat(load.active(1)).isEqualTo(200);
            assertThat(load.active(2)).isEqualTo(500);
        }

        @Test
        void shouldFollowWeightsWhenIdle() {
            assertThat(choose(scheduler("wlc", 1, 3), 40, SchedulerTest::any))
                    .filteredOn(i -> i == 1)
                    .hasSize(30);
        }

        @Test
        void shouldFillUpAServerThatComesBack() {
            Scheduler scheduler = scheduler("lc", 1, 1);
            ServerLoad load = new ServerLoad(2);
            for (int i = 0; i < 10; i++) {
                load.opened(scheduler.choose(0, server -> server == 0, load));
            }
            for (int i = 0; i < 10; i++) {
                load.opened(scheduler.choose(0, SchedulerTest::any, load));
            }
            assertThat(load.active(0)).isEqualTo(10);
            assertThat(load.active(1)).isEqualTo(10);
        }
    }

    @Nested
    class WithSourceHash {
        private static final int CLIENTS = 20_000;

        private int[] serversOf(Scheduler scheduler, IntPredicate eligible) {
            int[] servers = new int[CLIENTS];
            for (int i = 0; i < CLIENTS; i++) {
                servers[i] = scheduler.choose(0x0a000000 + i, eligible, new ServerLoad(8));
            }
            return servers;
        }

        @Test
        void shouldKeepAClientAtItsServer() {
            assertThat(serversOf(scheduler("sourceHash", 1, 1, 1), SchedulerTest::any))
                    .isEqualTo(serversOf(scheduler("sourceHash", 1, 1, 1), SchedulerTest::any));
        }

        @Test
        void shouldMoveOnlyItsClientsWhenAServerGoes() {
            Scheduler scheduler = scheduler("sourceHash", 1, 2, 3, 4);
            int[] before = serversOf(scheduler, SchedulerTest::any);
            int[] after = serversOf(scheduler, server -> server != 2);
            int moved = 0;
            for (int i = 0; i < CLIENTS; i++) {
                if (before[i] == 2) {
                    assertThat(after[i]).isNotEqualTo(2);
                    moved++;
                } else {
                    assertThat(after[i]).isEqualTo(before[i]);
                }
            }
            assertThat(moved).isPositive();
        }

        @Test
        void shouldShareConsecutiveClientsByWeight() {
            int[] counts = new int[3];
            for (int server : serversOf(scheduler("sourceHash", 1, 2, 5), SchedulerTest::any)) {
                counts[server]++;
            }
            // Three standard deviations of 20000 draws are at most 213.
            assertThat(counts[0]).isBetween(2500 - 213, 2500 + 213);
            assertThat(counts[1]).isBetween(5000 - 213, 5000 + 213);
            assertThat(counts[2]).isBetween(12500 - 213, 12500 + 213);
        }

        @Test
        void shouldNotDependOnTheOrderOfTheDocument() {
            Map<String, Object> reversed = ConfigTrees.withPool("sourceHash", 1, 1, 1);
            reversed.put(
                    "servers", ConfigTrees.list(ConfigTrees.server(3), ConfigTrees.server(2), ConfigTrees.server(1)));
            int[] before = serversOf(scheduler("sourceHash", 1, 1, 1), SchedulerTest::any);
            int[] after = serversOf(scheduler(reversed), SchedulerTest::any);
            for (int i = 0; i < CLIENTS; i++) {
                assertThat(after[i]).isEqualTo(2 - before[i]);
            }
        }
    }

    @Nested
    class WithLoad {
        @Test
        void shouldNotCountBelowZero() {
            ServerLoad load = new ServerLoad(2);
            load.closed(1);
            load.opened(1);
            assertThat(load.active(1)).isEqualTo(1);
            assertThat(load.active(0)).isZero();
            assertThat(load.servers()).isEqualTo(2);
        }
    }
}
