package org.dwsr.packet;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;
import org.dwsr.config.SeededRounds;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class ChecksumTest {
    @Nested
    class Whole {
        @Test
        void shouldEqualTheExampleOfRfc1071() {
            ByteBuffer buf = ByteBuffer.wrap(TcpFrame.bytes(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7));
            assertThat(Checksum.fold(Checksum.sum(buf, 0, 8, 0))).isEqualTo(0xddf2);
            assertThat(Checksum.of(buf, 0, 8, 0)).isEqualTo(0x220d);
        }

        @Test
        void shouldEqualTheReferenceAtAnyOffsetAndLength() {
            SeededRounds.forAll(2_000, random -> {
                byte[] bytes = new byte[random.nextInt(200)];
                random.nextBytes(bytes);
                int offset = random.nextInt(bytes.length + 1);
                int length = random.nextInt(bytes.length - offset + 1);
                ByteBuffer buf = ByteBuffer.wrap(bytes);
                assertThat(Checksum.of(buf, offset, length, 0)).isEqualTo(ReferenceChecksum.of(buf, offset, length));
            });
        }

        @Test
        void shouldCarryAroundWhenEveryWordIsFull() {
            byte[] bytes = new byte[65_535];
            Arrays.fill(bytes, (byte) 0xff);
            ByteBuffer buf = ByteBuffer.wrap(bytes);
            assertThat(Checksum.of(buf, 0, 65_534, 0)).isEqualTo(0);
            assertThat(Checksum.of(buf, 0, 65_535, 0)).isEqualTo(ReferenceChecksum.of(buf, 0, 65_535));
        }

        @Test
        void shouldBeAllOnesWhenAllBytesAreZero() {
            assertThat(Checksum.of(ByteBuffer.allocate(9), 0, 9, 0)).isEqualTo(0xffff);
        }

        @Test
        void shouldSumInPartsWhenThePartsAreEven() {
            ByteBuffer buf = new TcpFrame().payload(77).write();
            long first = Checksum.sum(buf, 0, 30, 0);
            assertThat(Checksum.of(buf, 30, buf.capacity() - 30, first))
                    .isEqualTo(ReferenceChecksum.of(buf, 0, buf.capacity()));
        }

        @Test
        void shouldFoldWhatHasCarriesInEveryHalf() {
            assertThat(Checksum.fold(0)).isZero();
            assertThat(Checksum.fold(0xffff)).isEqualTo(0xffff);
            assertThat(Checksum.fold(0x1_0000)).isEqualTo(1);
            assertThat(Checksum.fold(0xffff_ffffL)).isEqualTo(0xffff);
            assertThat(Checksum.fold(Long.MAX_VALUE)).isEqualTo((int) (Long.MAX_VALUE % 0xffff));
        }

        @Test
        void shouldTakeAddressesOfThePseudoHeaderAsUnsigned() {
            int length = 0x1234;
            ByteBuffer buf = ByteBuffer.allocate(12);
            buf.putInt(0, 0xffff_fffe)
                    .putInt(4, 0x8000_0001)
                    .putShort(8, (short) 6)
                    .putShort(10, (short) length);
            assertThat(~Checksum.fold(Checksum.pseudoHeader(0xffff_fffe, 0x8000_0001, 6, length)) & 0xffff)
                    .isEqualTo(ReferenceChecksum.of(buf, 0, 12));
        }
    }

    @Nested
    class Incremental {
        @Test
        void shouldEqualTheExampleOfRfc1624() {
            // Section 4: the older equation 2 gives 0xffff here.
            assertThat(Checksum.update16(0xdd2f, 0x5555, 0x3285)).isEqualTo(0x0000);
        }

        @Test
        void shouldKeepTheChecksumWhenNothingChanges() {
            for (int word : new int[] {0, 1, 0x7fff, 0x8000, 0xffff}) {
                for (int checksum : new int[] {0, 1, 0x8000, 0xfffe}) {
                    assertThat(Checksum.update16(checksum, word, word)).isEqualTo(checksum);
                }
            }
        }

        @Test
        void shouldTellZeroFromAllOnesAsTheWholeSumDoes() {
            // A word between 0 and 0xffff adds nothing in ones' complement; which of the two is written matters.
            int zero = Checksum.update16(0x1234, 0xffff, 0x0000);
            int ones = Checksum.update16(0x1234, 0x0000, 0xffff);
            assertThat(zero).isEqualTo(0x1234);
            assertThat(ones).isEqualTo(0x1234);
            ByteBuffer buf = ByteBuffer.allocate(4).putInt(0, 0x1234_0000);
            int before = Checksum.of(buf, 0, 4, 0);
            buf.putInt(0, 0x1234_edcb);
            assertThat(Checksum.update16(before, 0, 0xedcb))
                    .isEqualTo(Checksum.of(buf, 0, 4, 0))
                    .isEqualTo(0);
        }

        @Test
        void shouldIgnoreWhatStandsAboveThe16BitsOfAWord() {
            assertThat(Checksum.update16(0x1234, 0xffff_5555, 0xffff_3285))
                    .isEqualTo(Checksum.update16(0x1234, 0x5555, 0x3285));
        }

        @Test
        void shouldEqualTheWholeSumWhenAnyWordChanges() {
            SeededRounds.forAll(4_000, random -> {
                ByteBuffer buf = randomBytes(random);
                int before = ReferenceChecksum.of(buf, 0, buf.capacity());
                int at = 2 * random.nextInt(buf.capacity() / 2 - 1);
                int old = buf.getShort(at) & 0xffff;
                int value = extreme(random);
                buf.putShort(at, (short) value);
                assertThat(Checksum.update16(before, old, value))
                        .isEqualTo(ReferenceChecksum.of(buf, 0, buf.capacity()));
            });
        }

        @Test
        void shouldEqualTheWholeSumWhenAny32BitsChangeAtAnyOffset() {
            SeededRounds.forAll(4_000, random -> {
                ByteBuffer buf = randomBytes(random);
                int before = ReferenceChecksum.of(buf, 0, buf.capacity());
                int at = random.nextInt(buf.capacity() - 3);
                int old = buf.getInt(at);
                int value = extreme(random);
                buf.putInt(at, value);
                assertThat(Checksum.update32(before, old, value, at % 2 != 0))
                        .isEqualTo(ReferenceChecksum.of(buf, 0, buf.capacity()));
            });
        }

        @Test
        void shouldEqualTheWholeSumWhenAny64BitsChangeAtAnyOffset() {
            SeededRounds.forAll(4_000, random -> {
                ByteBuffer buf = randomBytes(random);
                int before = ReferenceChecksum.of(buf, 0, buf.capacity());
                int at = random.nextInt(buf.capacity() - 7);
                long old = buf.getLong(at);
                long value = (long) extreme(random) << 32 | (extreme(random) & 0xffff_ffffL);
                buf.putLong(at, value);
                assertThat(Checksum.update64(before, old, value, at % 2 != 0))
                        .isEqualTo(ReferenceChecksum.of(buf, 0, buf.capacity()));
            });
        }

        /** At least 20 bytes, an odd number of them as often as not, never all zero but for what changes. */
        private ByteBuffer randomBytes(Random random) {
            byte[] bytes = new byte[20 + random.nextInt(41)];
            if (random.nextBoolean()) {
                random.nextBytes(bytes);
            }
            bytes[0] = 0x45;
            bytes[10] = 0x06;
            return ByteBuffer.wrap(bytes);
        }

        private int extreme(Random random) {
            int[] values = {0, -1, 0xffff, 0xffff_0000, 0x00ff_ff00, random.nextInt()};
            return values[random.nextInt(values.length)];
        }
    }
}
