package org.dwsr.packet;

import static org.assertj.core.api.Assertions.assertThat;

import org.dwsr.config.SeededRounds;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TcpSeqTest {
    @Nested
    class AroundTheWrap {
        /** The numbers at which a signed or an unsigned comparison would turn over. */
        @ParameterizedTest
        @ValueSource(ints = {0, -1, 1, Integer.MAX_VALUE, Integer.MIN_VALUE, 0x1234_5678})
        void shouldKeepTheOrderWhenTheLaterNumberWraps(int a) {
            for (int ahead : new int[] {1, 2, 0x1_0000, 0x7fff_ffff}) {
                int b = a + ahead;
                assertThat(TcpSeq.isBefore(a, b)).isTrue();
                assertThat(TcpSeq.isBefore(b, a)).isFalse();
                assertThat(TcpSeq.isBeforeOrAt(a, b)).isTrue();
                assertThat(TcpSeq.isBeforeOrAt(b, a)).isFalse();
                assertThat(TcpSeq.isAfter(b, a)).isTrue();
                assertThat(TcpSeq.isAfter(a, b)).isFalse();
                assertThat(TcpSeq.isAtOrAfter(b, a)).isTrue();
                assertThat(TcpSeq.isAtOrAfter(a, b)).isFalse();
                assertThat(TcpSeq.latest(a, b)).isEqualTo(b);
                assertThat(TcpSeq.latest(b, a)).isEqualTo(b);
                assertThat(TcpSeq.earliest(a, b)).isEqualTo(a);
                assertThat(TcpSeq.earliest(b, a)).isEqualTo(a);
                assertThat(TcpSeq.distance(a, b)).isEqualTo(ahead);
                assertThat(TcpSeq.distance(b, a)).isEqualTo(-ahead);
            }
        }

        @ParameterizedTest
        @ValueSource(ints = {0, -1, 1, Integer.MAX_VALUE, Integer.MIN_VALUE})
        void shouldFindANumberNeitherBeforeNorAfterItself(int a) {
            assertThat(TcpSeq.isBefore(a, a)).isFalse();
            assertThat(TcpSeq.isAfter(a, a)).isFalse();
            assertThat(TcpSeq.isBeforeOrAt(a, a)).isTrue();
            assertThat(TcpSeq.isAtOrAfter(a, a)).isTrue();
            assertThat(TcpSeq.latest(a, a)).isEqualTo(a);
            assertThat(TcpSeq.earliest(a, a)).isEqualTo(a);
            assertThat(TcpSeq.distance(a, a)).isZero();
        }
    }

    @Test
    void shouldAgreeWithTheShorterWayRoundTheCircle() {
        SeededRounds.forAll(2_000, random -> {
            int a = random.nextInt();
            int b = random.nextBoolean() ? random.nextInt() : a + random.nextInt(5) - 2;
            long forward = (b & 0xffff_ffffL) - (a & 0xffff_ffffL);
            forward += forward < 0 ? 1L << 32 : 0;
            boolean before = forward != 0 && forward < 1L << 31;
            boolean after = forward > 1L << 31;
            if (forward != 1L << 31) {
                assertThat(TcpSeq.isBefore(a, b)).isEqualTo(before);
                assertThat(TcpSeq.isAfter(a, b)).isEqualTo(after);
                assertThat(TcpSeq.isBeforeOrAt(a, b)).isEqualTo(!after);
                assertThat(TcpSeq.isAtOrAfter(a, b)).isEqualTo(!before);
                assertThat(TcpSeq.latest(a, b)).isEqualTo(before ? b : a);
                assertThat(TcpSeq.earliest(a, b)).isEqualTo(after ? b : a);
            }
        });
    }
}
