package org.dwsr.filter.host;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SlotSizeTest {
    @ParameterizedTest
    @CsvSource({"68, 2048", "1500, 2048", "1920, 2048", "1921, 4096", "9000, 16384", "65535, 69632"})
    void shouldHoldFrameAndHeadersWhenMtuIs(int mtuBytes, int slotBytes) {
        assertThat(SlotSize.bytes(mtuBytes)).isEqualTo(slotBytes);
        assertThat(SlotSize.blockBytes(slotBytes) % slotBytes).isZero();
        assertThat(SlotSize.blockBytes(slotBytes) % 4096).isZero();
    }
}
