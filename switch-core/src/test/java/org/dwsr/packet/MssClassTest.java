package org.dwsr.packet;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MssClassTest {
    @ParameterizedTest
    @CsvSource({
        "0, 536",
        "1, 536",
        "535, 536",
        "536, 536",
        "1219, 536",
        "1220, 1220",
        "1299, 1220",
        "1300, 1300",
        "1359, 1300",
        "1360, 1360",
        "1399, 1360",
        "1400, 1400",
        "1439, 1400",
        "1440, 1440",
        "1459, 1440",
        "1460, 1460",
        "8959, 1460",
        "8960, 8960",
        "65535, 8960"
    })
    void shouldRoundDownToADocumentedSize(int mss, int bytes) {
        assertThat(MssClass.bytes(MssClass.of(mss))).isEqualTo(bytes);
    }

    @Test
    void shouldNeverPromiseMoreThanTheClientTakes() {
        // Below 536 nobody may go: every IPv4 host takes that much (RFC 9293 section 3.7.1).
        for (int mss = 536; mss <= 65535; mss++) {
            assertThat(MssClass.bytes(MssClass.of(mss))).isLessThanOrEqualTo(mss);
            assertThat(MssClass.of(mss)).isBetween(0, 7);
        }
    }

    @Test
    void shouldGiveBackEachClass() {
        for (int mssClass = 0; mssClass < 8; mssClass++) {
            assertThat(MssClass.of(MssClass.bytes(mssClass))).isEqualTo(mssClass);
        }
    }
}
