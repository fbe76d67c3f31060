package org.dwsr.filter.host;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.dwsr.packet.ConnectionKey;
import org.junit.jupiter.api.Test;

class ConnectionReportTest {
    @Test
    void shouldWriteDocumentedShapeWhenEverythingIsTold() {
        ConnectionReport report = new ConnectionReport();
        report.live(
                ConnectionKey.of(0x0a000001, 40000, 80), 0, 0xffff_0a00_0001L, 0xd652_0000_0001L, 0x0200_0000_0001L);
        report.ended(ConnectionKey.of(0xc0a801fe, 65535, 8080), 0, 0xffff_c0a8_01feL, -1);
        report.live(ConnectionKey.of(0xf000_0001, 40000, 80), 0x2001_0db8_0000_0000L, 1, 0xd652_0000_0001L, 1);
        report.ended(ConnectionKey.of(0xf000_0002, 1, 80), 0xfd00_0000_0000_0000L, 0, 7);
        report.counter("rebuilds", 7);
        assertThat(new String(report.toJson("b00t", true), StandardCharsets.UTF_8))
                .isEqualTo("{\"boot\":\"b00t\",\"full\":true,"
                        + "\"live\":[{\"client\":\"10.0.0.1:40000\",\"port\":80,\"tag\":\"d6:52:00:00:00:01\","
                        + "\"clientMac\":\"02:00:00:00:00:01\"},"
                        + "{\"client\":\"[2001:db8::1]:40000\",\"port\":80,\"tag\":\"d6:52:00:00:00:01\","
                        + "\"clientMac\":\"00:00:00:00:00:01\"}],"
                        + "\"ended\":[{\"client\":\"192.168.1.254:65535\",\"port\":8080,\"seq\":4294967295},"
                        + "{\"client\":\"[fd00::]:1\",\"port\":80,\"seq\":7}],"
                        + "\"counters\":{\"rebuilds\":7}}");
    }

    @Test
    void shouldKeepEveryEntryWhenThereAreMany() throws IOException {
        ConnectionReport report = new ConnectionReport();
        for (int i = 0; i < 1000; i++) {
            report.live(i, i, i, i, i);
            report.ended(i, i, i, i);
        }
        var tree = new ObjectMapper().readTree(report.toJson("b", false));
        assertThat(tree.path("full").asBoolean()).isFalse();
        assertThat(tree.path("live")).hasSize(1000);
        assertThat(tree.path("ended")).hasSize(1000);
        assertThat(tree.path("ended").get(999).path("seq").asInt()).isEqualTo(999);
    }

    @Test
    void shouldTakeOverLiveConnectionsUnlessAllAreToldAnyway() throws IOException {
        for (boolean full : new boolean[] {false, true}) {
            ConnectionReport older = new ConnectionReport();
            older.live(1L << 32 | 1 << 16, 0, 0xffff_0000_0001L, 1, 1);
            ConnectionReport newer = new ConnectionReport();
            newer.live(2L << 32 | 1 << 16, 0, 0xffff_0000_0002L, 2, 2);
            newer.prepend(older, full);
            newer.live(3L << 32 | 1 << 16, 0, 0xffff_0000_0003L, 3, 3);
            assertThat(new ObjectMapper().readTree(newer.toJson("b", full)).path("live"))
                    .extracting(node -> node.path("client").asText())
                    .containsExactlyElementsOf(
                            full ? List.of("0.0.0.2:1", "0.0.0.3:1") : List.of("0.0.0.1:1", "0.0.0.2:1", "0.0.0.3:1"));
        }
    }

    @Test
    void shouldPutOlderEndsFirstWhenTheyArePrepended() throws IOException {
        ConnectionReport older = new ConnectionReport();
        older.ended(1, 1L << 63, 1, 1);
        older.ended(2, 1L << 63, 2, 2);
        ConnectionReport newer = new ConnectionReport();
        newer.ended(3, 1L << 63, 3, 3);
        newer.prepend(older, true);
        newer.ended(4, 1L << 63, 4, 4);
        assertThat(new ObjectMapper().readTree(newer.toJson("b", false)).path("ended"))
                .extracting(node -> node.path("seq").asInt())
                .containsExactly(1, 2, 3, 4);
        assertThat(new ObjectMapper().readTree(newer.toJson("b", false)).path("ended"))
                .extracting(node -> node.path("client").asText())
                .containsExactly("[8000::1]:0", "[8000::2]:0", "[8000::3]:0", "[8000::4]:0");
    }
}
