package org.dwsr.stream;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;
import org.dwsr.config.SeededRounds;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ReassemblyBufferTest {
    private static final int CAPACITY = 64;

    private static void insert(ReassemblyBuffer buffer, int seq, String text) {
        ByteBuffer source = ByteBuffer.allocate(text.length() + 3);
        for (int i = 0; i < text.length(); i++) {
            source.put(3 + i, (byte) text.charAt(i));
        }
        buffer.insert(seq, source, 3, text.length());
    }

    private static String run(ReassemblyBuffer buffer) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < buffer.length(); i++) {
            text.append((char) buffer.bytes().get(i));
        }
        return text.toString();
    }

    /** At each of these bases sequence numbers wrap, signed or unsigned, inside the window. */
    @Nested
    class AcrossTheWrap {
        @ParameterizedTest
        @ValueSource(ints = {0, -1, -5, Integer.MAX_VALUE - 4, Integer.MIN_VALUE, 1_000_000})
        void shouldJoinPiecesThatComeInAnyOrder(int base) {
            ReassemblyBuffer buffer = new ReassemblyBuffer(CAPACITY, base);
            insert(buffer, base + 6, "ghi");
            assertThat(buffer.hasGap()).isTrue();
            assertThat(buffer.length()).isZero();
            insert(buffer, base, "abc");
            assertThat(run(buffer)).isEqualTo("abc");
            assertThat(buffer.end()).isEqualTo(base + 3);
            insert(buffer, base + 3, "def");
            assertThat(run(buffer)).isEqualTo("abcdefghi");
            assertThat(buffer.hasGap()).isFalse();
            buffer.fin(base + 9);
            assertThat(buffer.finished()).isTrue();
            buffer.discard(4);
            assertThat(buffer.base()).isEqualTo(base + 4);
            assertThat(run(buffer)).isEqualTo("efghi");
            assertThat(buffer.finished()).isTrue();
        }

        @ParameterizedTest
        @ValueSource(ints = {0, -1, Integer.MAX_VALUE, Integer.MIN_VALUE})
        void shouldIgnoreBytesOutsideTheWindowHoweverFar(int base) {
            ReassemblyBuffer buffer = new ReassemblyBuffer(CAPACITY, base);
            insert(buffer, base, "ab");
            int[] distances = {
                -3,
                -1_000,
                -65_536,
                Integer.MIN_VALUE,
                Integer.MIN_VALUE + 1,
                CAPACITY,
                CAPACITY + 1,
                65_536,
                Integer.MAX_VALUE,
                Integer.MAX_VALUE - 1
            };
            for (int distance : distances) {
                insert(buffer, base + distance, "xyz");
            }
            assertThat(run(buffer)).isEqualTo("ab");
            assertThat(buffer.hasGap()).isFalse();
        }
    }

    @Nested
    class WithOverlaps {
        private final ReassemblyBuffer buffer = new ReassemblyBuffer(CAPACITY, 100);

        @Test
        void shouldKeepTheFirstValueInTheRun() {
            insert(buffer, 100, "GET /safe");
            insert(buffer, 100, "GET /evil HTTP");
            assertThat(run(buffer)).isEqualTo("GET /safe HTTP");
        }

        @Test
        void shouldKeepTheFirstValueBeyondAGap() {
            insert(buffer, 104, "/safe");
            insert(buffer, 102, "xx/evil!");
            insert(buffer, 100, "GET ");
            assertThat(run(buffer)).isEqualTo("GExx/safe!");
        }

        @Test
        void shouldTakeWhatSticksOutOnBothSidesOfAPiece() {
            insert(buffer, 103, "d");
            insert(buffer, 100, "abcXefg");
            assertThat(run(buffer)).isEqualTo("abcdefg");
            assertThat(buffer.hasGap()).isFalse();
        }

        @Test
        void shouldTakeJustTheNewBytesOfAnOldSegment() {
            insert(buffer, 100, "abc");
            insert(buffer, 98, "yzABCde");
            assertThat(run(buffer)).isEqualTo("abcde");
        }

        @Test
        void shouldChangeNothingForAnEmptyOrRepeatedPiece() {
            insert(buffer, 100, "");
            insert(buffer, 105, "");
            assertThat(buffer.hasGap()).isFalse();
            insert(buffer, 105, "f");
            insert(buffer, 105, "F");
            insert(buffer, 100, "abcde");
            assertThat(run(buffer)).isEqualTo("abcdef");
        }
    }

    @Nested
    class AtItsLimits {
        @Test
        void shouldFillToTheLastByteAndCutTheRest() {
            ReassemblyBuffer buffer = new ReassemblyBuffer(8, 0);
            assertThat(buffer.capacity()).isEqualTo(8);
            insert(buffer, 5, "fghij");
            insert(buffer, 0, "abcde");
            assertThat(run(buffer)).isEqualTo("abcdefgh");
            insert(buffer, 8, "i");
            assertThat(buffer.length()).isEqualTo(8);
            buffer.discard(3);
            insert(buffer, 8, "ijk");
            assertThat(run(buffer)).isEqualTo("defghijk");
        }

        @Test
        void shouldLeaveTheNinthPieceForARetransmission() {
            ReassemblyBuffer buffer = new ReassemblyBuffer(CAPACITY, 0);
            for (int i = 1; i <= 9; i++) {
                insert(buffer, 2 * i, "x");
            }
            for (int i = 0; i <= 9; i++) {
                insert(buffer, 2 * i + 1, ".");
            }
            assertThat(buffer.length()).isZero();
            insert(buffer, 0, "x");
            // The pieces behind the eighth were not remembered, whatever came between.
            assertThat(run(buffer)).isEqualTo("x");
            for (int i = 0; i < 20; i++) {
                insert(buffer, i, i % 2 == 0 ? "X" : ".");
            }
            assertThat(run(buffer)).isEqualTo("x.x.x.x.x.x.x.x.x.X.");
        }

        @Test
        void shouldNotBeFinishedBeforeTheLastByteIsThere() {
            ReassemblyBuffer buffer = new ReassemblyBuffer(CAPACITY, 0);
            assertThat(buffer.finished()).isFalse();
            buffer.fin(3);
            assertThat(buffer.finished()).isFalse();
            insert(buffer, 1, "bc");
            assertThat(buffer.finished()).isFalse();
            insert(buffer, 0, "a");
            assertThat(buffer.finished()).isTrue();
        }

        @Test
        void shouldForgetEverythingWhenReset() {
            ReassemblyBuffer buffer = new ReassemblyBuffer(CAPACITY, 0);
            insert(buffer, 0, "a");
            insert(buffer, 2, "c");
            buffer.fin(1);
            buffer.reset(1_000);
            assertThat(buffer.base()).isEqualTo(1_000);
            assertThat(buffer.length()).isZero();
            assertThat(buffer.hasGap()).isFalse();
            assertThat(buffer.finished()).isFalse();
            insert(buffer, 1_000, "x");
            assertThat(run(buffer)).isEqualTo("x");
        }

        @Test
        void shouldKeepPiecesBeyondAGapWhenTheRunIsDiscarded() {
            ReassemblyBuffer buffer = new ReassemblyBuffer(8, 0);
            insert(buffer, 0, "abc");
            insert(buffer, 5, "fg");
            buffer.discard(3);
            assertThat(buffer.length()).isZero();
            assertThat(buffer.hasGap()).isTrue();
            insert(buffer, 3, "de");
            assertThat(run(buffer)).isEqualTo("defg");
        }
    }

    /** The window once more, byte by byte: what came first at each place of an endless stream. */
    private static final class Model {
        private static final int ABSENT = -1;
        private final int[] first = new int[4_096];
        private int base;
        private int end;

        Model() {
            Arrays.fill(first, ABSENT);
        }

        void insert(int from, byte[] bytes) {
            for (int i = 0; i < bytes.length; i++) {
                int at = from + i;
                if (at >= base && at < base + CAPACITY && first[at] == ABSENT) {
                    first[at] = bytes[i] & 0xff;
                }
            }
            while (first[end] != ABSENT) {
                end++;
            }
        }

        boolean hasGap() {
            for (int at = end; at < base + CAPACITY; at++) {
                if (first[at] != ABSENT) {
                    return true;
                }
            }
            return false;
        }
    }

    @Test
    void shouldAgreeWithAModelWhileThePiecesFit() {
        int[] gaps = {0};
        SeededRounds.forAll(1_500, random -> {
            Model model = new Model();
            int origin = random.nextBoolean() ? random.nextInt() : -random.nextInt(200);
            ReassemblyBuffer buffer = new ReassemblyBuffer(CAPACITY, origin);
            int pieces = 0;
            for (int step = 0; step < 60 && model.end < 3_900; step++) {
                if (random.nextInt(5) == 0 && model.end > model.base) {
                    int count = 1 + random.nextInt(model.end - model.base);
                    buffer.discard(count);
                    model.base += count;
                } else {
                    boolean inOrder = pieces == 8 || random.nextInt(3) == 0;
                    int from = inOrder ? model.end : model.base - 10 + random.nextInt(CAPACITY + 20);
                    byte[] bytes = new byte[random.nextInt(25)];
                    random.nextBytes(bytes);
                    if (from < 0) {
                        continue;
                    }
                    buffer.insert(origin + from, ByteBuffer.wrap(bytes), 0, bytes.length);
                    model.insert(from, bytes);
                    pieces = model.hasGap() ? pieces + (inOrder ? 0 : 1) : 0;
                    gaps[0] += model.hasGap() ? 1 : 0;
                }
                assertThat(buffer.base()).isEqualTo(origin + model.base);
                assertThat(buffer.length()).isEqualTo(model.end - model.base);
                assertThat(buffer.end()).isEqualTo(origin + model.end);
                assertThat(buffer.hasGap()).isEqualTo(model.hasGap());
                for (int i = 0; i < buffer.length(); i++) {
                    assertThat(buffer.bytes().get(i) & 0xff).isEqualTo(model.first[model.base + i]);
                }
            }
        });
        assertThat(gaps[0]).isGreaterThan(10_000);
    }

    @Test
    void shouldGiveTheStreamItselfWhateverWasLostRepeatedOrTooMuch() {
        SeededRounds.forAll(500, random -> {
            byte[] stream = new byte[300];
            random.nextBytes(stream);
            int origin = random.nextInt();
            ReassemblyBuffer buffer = new ReassemblyBuffer(CAPACITY, origin);
            ByteBuffer source = ByteBuffer.wrap(stream);
            int given = 0;
            for (int step = 0; given < stream.length; step++) {
                // The sender repeats from the run's end often enough, as TCP does.
                int from = step % 4 == 0 ? given + buffer.length() : given + random.nextInt(CAPACITY);
                from = Math.min(from, stream.length - 1);
                int count = Math.min(1 + random.nextInt(20), stream.length - from);
                buffer.insert(origin + from, source, from, count);
                for (int i = 0; i < buffer.length(); i++) {
                    assertThat(buffer.bytes().get(i)).isEqualTo(stream[given + i]);
                }
                int taken = take(random, buffer.length());
                buffer.discard(taken);
                given += taken;
                assertThat(buffer.base()).isEqualTo(origin + given);
                assertThat(step).as("steps to get 300 bytes across").isLessThan(5_000);
            }
        });
    }

    private static int take(Random random, int length) {
        return random.nextBoolean() ? length : random.nextInt(length + 1);
    }
}
