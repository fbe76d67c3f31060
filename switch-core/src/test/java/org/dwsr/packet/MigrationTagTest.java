package org.dwsr.packet;

import static org.assertj.core.api.Assertions.assertThat;

import org.dwsr.config.SeededRounds;
import org.dwsr.config.ThreeCharId;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MigrationTagTest {
    private static final int[] KINDS = {
        MigrationTag.FRESH,
        MigrationTag.MOVED,
        MigrationTag.HELD,
        MigrationTag.SILENCE,
        MigrationTag.REFUSED,
        MigrationTag.CONFIRM
    };

    /** A tag by the table of docs/wire-format.md: each field's bits written after another. */
    private static long byTheTable(
            int contentType, int mss, int clientScale, int serverScale, int sack, int timestamps, int ecn, int kind) {
        String bits = bits(0xd652 >> 1, 15)
                + bits(contentType, 16)
                + bits(mss, 3)
                + bits(clientScale, 4)
                + bits(serverScale, 4)
                + bits(sack, 1)
                + bits(timestamps, 1)
                + bits(ecn, 1)
                + bits(kind, 3);
        assertThat(bits).hasSize(48);
        return Long.parseLong(bits, 2);
    }

    private static String bits(int value, int width) {
        String digits = Integer.toBinaryString(value);
        return "0".repeat(width - digits.length()) + digits;
    }

    @Test
    void shouldEqualTheExampleOfTheDocumentation() {
        // docs/wire-format.md: content type 018, MSS class 6, scales 7 and 7, SACK, fresh.
        long tag = MigrationTag.with(MigrationTag.of(6, 7, 7, true), ThreeCharId.encode("018"), MigrationTag.FRESH);
        assertThat(tag).isEqualTo(0xd652_0059_9de0L);
        assertThat(ThreeCharId.encode("018")).isEqualTo(44);
        assertThat(ThreeCharId.encode("020")).isEqualTo(72);
    }

    @Test
    void shouldNumberTheKindsAsDocumented() {
        assertThat(KINDS).containsExactly(0, 1, 2, 3, 4, 5);
    }

    @Nested
    class RoundTrips {
        @Test
        void shouldKeepEveryFieldAndMatchTheDocumentedBits() {
            SeededRounds.forAll(3_000, random -> {
                int contentType = random.nextInt(46656);
                int mss = random.nextInt(8);
                int clientScale = random.nextInt(16);
                int serverScale = random.nextInt(16);
                boolean sack = random.nextBoolean();
                int kind = KINDS[random.nextInt(KINDS.length)];
                long tag = MigrationTag.with(MigrationTag.of(mss, clientScale, serverScale, sack), contentType, kind);
                assertThat(tag)
                        .isEqualTo(byTheTable(contentType, mss, clientScale, serverScale, sack ? 1 : 0, 0, 0, kind));
                assertThat(MigrationTag.isTag(tag)).isTrue();
                assertThat(MigrationTag.contentType(tag)).isEqualTo(contentType);
                assertThat(MigrationTag.mssClass(tag)).isEqualTo(mss);
                assertThat(MigrationTag.clientScale(tag)).isEqualTo(clientScale);
                assertThat(MigrationTag.serverScale(tag)).isEqualTo(serverScale);
                assertThat(MigrationTag.sack(tag)).isEqualTo(sack);
                assertThat(MigrationTag.timestamps(tag)).isFalse();
                assertThat(MigrationTag.ecn(tag)).isFalse();
                assertThat(MigrationTag.kind(tag)).isEqualTo(kind);
            });
        }

        @Test
        void shouldReadTheOptionsThatOnlyPreallocationNegotiates() {
            long timestamps = byTheTable(44, 6, 7, 7, 0, 1, 0, 1);
            assertThat(MigrationTag.timestamps(timestamps)).isTrue();
            assertThat(MigrationTag.ecn(timestamps)).isFalse();
            assertThat(MigrationTag.sack(timestamps)).isFalse();
            long ecn = byTheTable(44, 6, 7, 7, 0, 0, 1, 1);
            assertThat(MigrationTag.timestamps(ecn)).isFalse();
            assertThat(MigrationTag.ecn(ecn)).isTrue();
            assertThat(MigrationTag.kind(ecn)).isEqualTo(MigrationTag.MOVED);
        }

        @Test
        void shouldKeepTheConnectionsOptionsWhenContentTypeAndKindChange() {
            long before = byTheTable(46655, 7, 15, 0, 1, 1, 1, 5);
            assertThat(MigrationTag.with(before, 0, MigrationTag.FRESH)).isEqualTo(byTheTable(0, 7, 15, 0, 1, 1, 1, 0));
            long least = byTheTable(0, 0, 0, 0, 0, 0, 0, 0);
            assertThat(MigrationTag.with(least, 46655, MigrationTag.CONFIRM))
                    .isEqualTo(byTheTable(46655, 0, 0, 0, 0, 0, 0, 5));
        }

        @Test
        void shouldSurviveTheWayThroughAFramesSourceMac() {
            FrameFlyweight frame = new FrameFlyweight();
            var buf = new TcpFrame().payload(1).write();
            frame.wrap(buf, 0, buf.capacity(), false);
            long tag = byTheTable(46655, 7, 15, 15, 1, 1, 1, 5);
            frame.ethSource(tag);
            assertThat(frame.ethSource()).isEqualTo(tag);
        }
    }

    @Nested
    class Prefix {
        @ParameterizedTest
        @CsvSource({
            "d65200000000, true",
            "d652ffffffff, true",
            "d653ffffffff, true",
            "d65300000000, true",
            "d654ffffffff, false",
            "d651ffffffff, false",
            "d65000000000, false",
            "565200000000, false",
            "d75200000000, false",
            "d45200000000, false",
            "000000000000, false",
            "ffffffffffff, false"
        })
        void shouldBeExactlyFifteenBits(String mac, boolean isTag) {
            assertThat(MigrationTag.isTag(Long.parseLong(mac, 16))).isEqualTo(isTag);
        }

        @Test
        void shouldBeALocallyAdministeredUnicastAddress() {
            assertThat(MigrationTag.PREFIX >>> 40 & 3).isEqualTo(2);
            assertThat(MigrationTag.MASK).isEqualTo(0xfffe_0000_0000L);
            assertThat(MigrationTag.isTag(MigrationTag.PREFIX)).isTrue();
            assertThat(Long.bitCount(MigrationTag.MASK)).isEqualTo(15);
        }
    }
}
