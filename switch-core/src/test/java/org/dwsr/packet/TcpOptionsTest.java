package org.dwsr.packet;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.dwsr.config.SeededRounds;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TcpOptionsTest {
    private final TcpOptions options = new TcpOptions();

    private void parse(int... octets) {
        options.parse(ByteBuffer.wrap(TcpFrame.bytes(octets)), 0, octets.length);
    }

    private void assertNothingFound() {
        assertThat(options.mss()).isZero();
        assertThat(options.windowScale()).isEqualTo(TcpOptions.NO_WINDOW_SCALE);
        assertThat(options.sackPermitted()).isFalse();
        assertThat(options.sackBlocks()).isZero();
        assertThat(options.timestampsOffset()).isZero();
    }

    @Nested
    class OfASyn {
        /** As Linux writes them. */
        private final int[] linux = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7};

        @Test
        void shouldFindAllFour() {
            parse(linux);
            assertThat(options.mss()).isEqualTo(1460);
            assertThat(options.sackPermitted()).isTrue();
            assertThat(options.timestampsOffset()).isEqualTo(8);
            assertThat(options.windowScale()).isEqualTo(7);
            assertThat(options.sackBlocks()).isZero();
        }

        @Test
        void shouldFindJustWhatIsCompleteWhenTruncatedAtAnyLength() {
            for (int length = 0; length <= linux.length; length++) {
                // The rest is there in memory, but not in the segment.
                options.parse(ByteBuffer.wrap(TcpFrame.bytes(linux)), 0, length);
                assertThat(options.mss()).isEqualTo(length >= 4 ? 1460 : 0);
                assertThat(options.sackPermitted()).isEqualTo(length >= 6);
                assertThat(options.timestampsOffset()).isEqualTo(length >= 16 ? 8 : 0);
                assertThat(options.windowScale()).isEqualTo(length >= 20 ? 7 : TcpOptions.NO_WINDOW_SCALE);
            }
        }

        @Test
        void shouldForgetTheLastSegmentsOptions() {
            parse(linux);
            parse(1, 5, 10, 1, 1, 1, 1, 1, 1, 1, 1, 1);
            parse();
            assertNothingFound();
        }

        @ParameterizedTest
        @CsvSource({"0, 0", "14, 14", "15, 14", "255, 14"})
        void shouldTakeALargerWindowScaleFor14(int sent, int counted) {
            parse(3, 3, sent, 0); // RFC 7323 section 2.3
            assertThat(options.windowScale()).isEqualTo(counted);
        }

        @Test
        void shouldReadTheMssAsUnsigned() {
            parse(2, 4, 0xff, 0xff);
            assertThat(options.mss()).isEqualTo(65535);
        }

        @Test
        void shouldTakeTheLastOfARepeatedOption() {
            parse(2, 4, 0x02, 0x18, 2, 4, 0x05, 0xb4);
            assertThat(options.mss()).isEqualTo(1460);
        }
    }

    @Nested
    class OfAMalformedList {
        @ParameterizedTest
        @ValueSource(ints = {2, 3, 4, 5, 8, 30, 254})
        void shouldStopAtALengthOfZeroOrOne(int kind) {
            for (int length = 0; length < 2; length++) {
                parse(kind, length, 5, 0xb4, 2, 4, 5, 0xb4);
                assertNothingFound();
            }
        }

        @Test
        void shouldStopAtALengthBeyondTheEndAndKeepWhatStoodBefore() {
            parse(4, 2, 2, 5, 5, 0xb4);
            assertThat(options.sackPermitted()).isTrue();
            assertThat(options.mss()).isZero();
        }

        @Test
        void shouldStopAtTheEndOption() {
            parse(0, 2, 4, 5, 0xb4, 4, 2, 0);
            assertNothingFound();
        }

        @Test
        void shouldStepOverKnownKindsOfAnotherLength() {
            parse(2, 3, 9, 3, 4, 7, 7, 4, 3, 0, 8, 4, 1, 1, 2, 4, 5, 0xb4);
            assertThat(options.mss()).isEqualTo(1460);
            assertThat(options.windowScale()).isEqualTo(TcpOptions.NO_WINDOW_SCALE);
            assertThat(options.sackPermitted()).isFalse();
            assertThat(options.timestampsOffset()).isZero();
        }

        @Test
        void shouldStepOverUnknownKinds() {
            parse(254, 4, 0xf9, 0x89, 30, 3, 0, 1, 255, 2, 3, 3, 9);
            assertThat(options.windowScale()).isEqualTo(9);
        }

        @Test
        void shouldNeverLookOutsideTheList() {
            SeededRounds.forAll(5_000, random -> {
                int length = random.nextInt(41);
                byte[] bytes = new byte[length];
                for (int i = 0; i < length; i++) {
                    bytes[i] = (byte) (random.nextInt(3) == 0 ? random.nextInt(256) : random.nextInt(12));
                }
                options.parse(ByteBuffer.wrap(bytes), 0, length);
                if (options.sackBlocks() > 0) {
                    assertThat(options.sackOffset() + 8 * options.sackBlocks()).isLessThanOrEqualTo(length);
                }
                if (options.timestampsOffset() != 0) {
                    assertThat(options.timestampsOffset() + 8).isLessThanOrEqualTo(length);
                }
                assertThat(options.windowScale()).isBetween(0, 15);
            });
        }
    }

    @Nested
    class OfSelectiveAcknowledgments {
        @ParameterizedTest
        @ValueSource(ints = {1, 2, 3, 4})
        void shouldFindEveryBlockAtOddAndEvenOffsets(int blocks) {
            for (int nops = 0; nops < 4; nops++) {
                int[] octets = new int[nops + 2 + 8 * blocks];
                Arrays.fill(octets, 0, nops, 1);
                octets[nops] = 5;
                octets[nops + 1] = 2 + 8 * blocks;
                parse(octets);
                assertThat(options.sackOffset()).isEqualTo(nops + 2);
                assertThat(options.sackBlocks()).isEqualTo(blocks);
            }
        }

        @ParameterizedTest
        @ValueSource(ints = {3, 9, 11, 17})
        void shouldIgnoreAPartOfABlock(int length) {
            int[] octets = new int[20];
            octets[0] = 5;
            octets[1] = length;
            parse(octets);
            assertThat(options.sackBlocks()).isZero();
        }

        @Test
        void shouldFindThemBesideTimestamps() {
            parse(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 5, 10, 0, 0, 0, 3, 0, 0, 0, 4);
            assertThat(options.timestampsOffset()).isEqualTo(4);
            assertThat(options.sackOffset()).isEqualTo(16);
            assertThat(options.sackBlocks()).isEqualTo(1);
        }
    }
}
