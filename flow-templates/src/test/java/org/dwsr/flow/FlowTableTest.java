package org.dwsr.flow;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import org.dwsr.flow.FlowTemplate.Scope;
import org.junit.jupiter.api.Test;

class FlowTableTest {
    private static final long SECOND = 1_000_000_000L;
    private final FlowTable table = new FlowTable();
    private final ByteBuffer frame = Frames.ipv4(1, 2, 6, 3, 4);

    private static FlowTemplate toPort(int row, int priority, long port) {
        return FlowTemplate.permanent(
                "row" + row,
                Scope.DATAPATH,
                row,
                priority,
                MatchTemplate.ANY.with(MatchField.IN_PORT, 1),
                ActionTemplate.output(FieldValue.of(port)));
    }

    @Test
    void shouldReplaceWhenPriorityAndMatchAreTheSame() {
        table.add(toPort(1, 10, 5), 0);
        table.add(toPort(2, 10, 6), 0);
        assertThat(table.flows()).hasSize(1);
        assertThat(table.lookup(1, frame, 0, 60, 0).ports()).containsExactly(6L);
    }

    @Test
    void shouldUseHighestPriorityWhateverTheOrderOfAdding() {
        table.add(toPort(1, 10, 5), 0);
        table.add(toPort(2, 20, 6), 0);
        table.add(toPort(3, 5, 7), 0);
        assertThat(table.lookup(1, frame, 0, 60, 0).row()).isEqualTo("row2");
        assertThat(table.remove(toPort(2, 20, 99))).isTrue();
        assertThat(table.remove(toPort(2, 20, 99))).isFalse();
        assertThat(table.lookup(1, frame, 0, 60, 0).row()).isEqualTo("row1");
    }

    @Test
    void shouldMissWhenNothingMatches() {
        table.add(toPort(1, 10, 5), 0);
        FlowTable.Verdict verdict = table.lookup(2, frame, 0, 60, 0);
        assertThat(verdict.row()).isEqualTo("miss");
        assertThat(verdict.isDropped()).isTrue();
    }

    @Test
    void shouldDropWhenOutputIsTheIncomingPort() {
        table.add(toPort(1, 10, 1), 0);
        assertThat(table.lookup(1, frame, 0, 60, 0).isDropped()).isTrue();
    }

    @Test
    void shouldRemoveOnlyThoseWhoseCookieAgreesUnderTheMask() {
        table.add(toPort(1, 10, 5), 0);
        table.add(toPort(2, 20, 6), 0);
        assertThat(table.removeByCookie(FlowCookie.of(2), -1L)).isEqualTo(1);
        assertThat(table.removeByCookie(FlowCookie.PREFIX, FlowCookie.PREFIX_MASK))
                .isEqualTo(1);
        assertThat(table.flows()).isEmpty();
    }

    @Test
    void shouldExpireWhenIdleAndLiveOnWhenUsed() {
        table.add(toPort(1, 10, 5).idleTimeoutSeconds(30), 0);
        table.add(toPort(2, 5, 5), 0);
        assertThat(table.expire(29 * SECOND)).isEmpty();
        table.lookup(1, frame, 0, 60, 29 * SECOND);
        assertThat(table.expire(58 * SECOND)).isEmpty();
        assertThat(table.expire(59 * SECOND)).extracting(FlowTemplate::name).containsExactly("row1");
        assertThat(table.flows()).hasSize(1);
    }

    @Test
    void shouldBeAnErrorWhenTwoFlowsOfOnePriorityDisagree() {
        table.add(toPort(1, 10, 5), 0);
        table.add(
                FlowTemplate.permanent("ip", Scope.DATAPATH, 2, 10, MatchTemplate.ipv4(), ActionTemplate.normal()), 0);
        assertThatThrownBy(() -> table.lookup(1, frame, 0, 60, 0))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("undefined in OpenFlow");
    }

    @Test
    void shouldRefuseAFieldWhenItsPrerequisiteIsMissing() {
        assertThatThrownBy(() -> MatchTemplate.ANY.with(MatchField.IPV4_DST, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("ETH_TYPE=0x800");
        assertThatThrownBy(() -> MatchTemplate.ipv4().with(MatchField.TCP_DST, 1))
                .hasMessageContaining("IP_PROTO=0x6");
        assertThatThrownBy(() -> MatchTemplate.ipv4().with(MatchField.ARP_SPA, 1))
                .hasMessageContaining("ETH_TYPE=0x806");
    }

    @Test
    void shouldRefuseAValueWhenItHasBitsOutsideItsMask() {
        assertThatThrownBy(() -> MatchTemplate.ANY.with(MatchField.ETH_SRC, FieldValue.of(3), 2))
                .hasMessageContaining("outside its mask");
        assertThatThrownBy(() -> MatchTemplate.ANY.with(MatchField.ETH_TYPE, 0x10000))
                .hasMessageContaining("outside its mask");
        assertThatThrownBy(() -> MatchTemplate.ANY
                        .with(MatchField.ETH_TYPE, FieldValue.parameter("t"))
                        .bind(FlowParameters.NONE.with("t", 0x10000)))
                .hasMessageContaining("outside its mask");
        assertThatThrownBy(() -> MatchTemplate.ANY
                        .with(MatchField.ETH_TYPE, FieldValue.parameter("t"))
                        .bind(FlowParameters.NONE))
                .hasMessageContaining("$t");
    }
}
