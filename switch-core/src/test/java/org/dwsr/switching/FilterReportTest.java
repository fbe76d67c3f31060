package org.dwsr.switching;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import org.dwsr.packet.IpAddress;
import org.junit.jupiter.api.Test;

class FilterReportTest {
    private static FilterReport report(long[] keys, long[] tags, long[] macs, long[] ended, int[] seqs) {
        return report(keys, clients(keys.length), tags, macs, ended, clients(ended.length), seqs);
    }

    private static FilterReport report(
            long[] keys,
            IpAddress[] clients,
            long[] tags,
            long[] macs,
            long[] ended,
            IpAddress[] endedClients,
            int[] seqs) {
        return new FilterReport("s1", "boot", true, keys, clients, tags, macs, ended, endedClients, seqs);
    }

    private static IpAddress[] clients(int count) {
        IpAddress[] clients = new IpAddress[count];
        Arrays.setAll(clients, i -> IpAddress.ofIpv4(i));
        return clients;
    }

    @Test
    void shouldKeepWhatItWasGivenWhenTheCallersArraysChange() {
        long[] keys = {1};
        int[] seqs = {5};
        FilterReport report = report(keys, new long[] {2}, new long[] {3}, new long[] {4}, seqs);
        keys[0] = 9;
        seqs[0] = 9;

        assertThat(report.liveKey(0)).isEqualTo(1);
        assertThat(report.liveTag(0)).isEqualTo(2);
        assertThat(report.liveClientMac(0)).isEqualTo(3);
        assertThat(report.endedKey(0)).isEqualTo(4);
        assertThat(report.endedSeq(0)).isEqualTo(5);
    }

    @Test
    void shouldRefuseArraysWhenTheirLengthsDiffer() {
        long[] one = {1};
        long[] two = {1, 2};

        assertThatThrownBy(() -> report(one, two, one, one, new int[1])).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> report(one, one, two, one, new int[1])).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> report(one, one, one, two, new int[1])).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> report(one, clients(2), one, one, one, clients(1), new int[1]))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> report(one, clients(1), one, one, one, clients(2), new int[1]))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
