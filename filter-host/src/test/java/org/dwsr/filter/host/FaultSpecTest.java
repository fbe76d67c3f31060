package org.dwsr.filter.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FaultSpecTest {
    @Test
    void shouldTakeEveryKeyWhenAllAreGiven() {
        assertThat(FaultSpec.parse("loss=2%,reorder=5%,duplicate=2.5%,behind=4,hold=20ms,seed=-7"))
                .isEqualTo(new FaultSpec(0.02, 0.025, 0.05, 4, 20, -7));
    }

    @Test
    void shouldTakeDefaultsWhenOnlyLossIsGiven() {
        assertThat(FaultSpec.parse("loss=100%")).isEqualTo(new FaultSpec(1, 0, 0, 3, 10, 1));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "''|expected one of loss, duplicate, reorder, behind, hold, seed",
                "lost=2%|\"lost=2%\": expected one of",
                "loss=2|\"loss=2\": expected 0% to 100%",
                "loss=101%|expected 0% to 100%",
                "loss=-1%|expected 0% to 100%",
                "loss=x%|expected 0% to 100%",
                "loss=2%,|expected one of",
                "reorder=5%,behind=0|\"behind=0\": expected a whole number from 1 to 32",
                "reorder=5%,hold=10|\"hold=10\": expected milliseconds such as 10ms",
                "reorder=5%,hold=2000ms|expected a whole number from 1 to 1000",
                "seed=seven|\"seed=seven\": expected a whole number",
                "loss=50%,duplicate=30%,reorder=30%|the percentages sum up to more than 100"
            })
    void shouldRefuseWhenTextIsWrong(String text, String message) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> FaultSpec.parse(text))
                .withMessageContaining(message);
    }
}
