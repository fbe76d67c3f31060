package org.dwsr.controller;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.IpAddress;
import org.dwsr.switching.FilterReport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ReportReaderTest {
    static final String REPORT = """
            { "boot": "b1", "full": true,
              "live": [ { "client": "10.0.0.1:40000", "port": 80, "tag": "d6:52:00:00:00:07",
                          "clientMac": "02:00:00:00:00:aa" } ],
              "ended": [ { "client": "255.255.255.255:65535", "port": 8080, "seq": 4294967295 } ],
              "counters": { "rebuilds": 3, "bytes": 9223372036854775807 },
              "of a later version": [ 1 ] }""";

    private static ReportReader read(String text) throws ReportReader.Malformed {
        return new ReportReader("s1", text.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void shouldReadAWholeReport() throws Exception {
        ReportReader reader = read(REPORT);
        FilterReport report = reader.report();
        assertThat(report.server()).isEqualTo("s1");
        assertThat(report.boot()).isEqualTo("b1");
        assertThat(report.full()).isTrue();
        assertThat(report.liveCount()).isEqualTo(1);
        assertThat(report.liveKey(0)).isEqualTo(ConnectionKey.of(0x0A00_0001, 40000, 80));
        assertThat(report.liveTag(0)).isEqualTo(0xD652_0000_0007L);
        assertThat(report.liveClientMac(0)).isEqualTo(0x0200_0000_00AAL);
        assertThat(report.endedCount()).isEqualTo(1);
        assertThat(report.endedKey(0)).isEqualTo(ConnectionKey.of(-1, 65535, 8080));
        assertThat(report.endedSeq(0)).isEqualTo(-1);
        assertThat(reader.counters()).hasSize(2).containsEntry("rebuilds", 3L).containsEntry("bytes", Long.MAX_VALUE);
    }

    @Test
    void shouldReadTheAddressesOfIpv6Clients() throws Exception {
        FilterReport report = read(REPORT.replace("10.0.0.1:40000", "[2001:db8::1]:40000")
                        .replace("255.255.255.255:65535", "[fd00::2]:1"))
                .report();
        assertThat(report.liveClient(0)).isEqualTo(IpAddress.parse("2001:db8::1"));
        assertThat(report.liveKey(0))
                .isEqualTo(ConnectionKey.of(report.liveClient(0).alias(), 40000, 80));
        assertThat(report.endedClient(0)).isEqualTo(IpAddress.parse("fd00::2"));
        assertThat(report.endedKey(0))
                .isEqualTo(ConnectionKey.of(report.endedClient(0).alias(), 1, 8080));
        assertThat(read(REPORT).report().liveClient(0)).isEqualTo(IpAddress.parse("10.0.0.1"));
    }

    @Test
    void shouldReadAReportWithNothingToTell() throws Exception {
        ReportReader reader = read("{ \"boot\": \"b\", \"full\": false }");
        assertThat(reader.report().full()).isFalse();
        assertThat(reader.report().liveCount() + reader.report().endedCount()).isZero();
        assertThat(reader.counters()).isEmpty();
    }

    /** What is replaced by what, and what the refusal begins with. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{ \"boot\"|[ \"boot\"|not JSON: ",
                "[ 1 ] }|[ 1 ] } }|not JSON: ",
                "\"b1\"|7|$.boot: a string is expected",
                "\"b1\"|\"\"|$.boot: 1 to 64 characters are expected",
                "true|1|$.full: true or false is expected",
                "\"live\": [|\"live\": 7, \"x\": [|$.live: a list is expected",
                "\"live\": [|\"live\": [ null, |$.live[0].client: a string is expected",
                "10.0.0.1:40000|2001:db8::1:40000|$.live[0].client: brackets around an IPv6 address, and only there",
                "10.0.0.1:40000|[10.0.0.1]:40000|$.live[0].client: brackets around an IPv6 address, and only there",
                "10.0.0.1:40000|[::ffff:10.0.0.1]:40000|$.live[0].client: an address and a port are expected",
                "10.0.0.1:40000|[2001:db8::1]|$.live[0].client: an address and a port are expected",
                "10.0.0.1:40000|10.0.0.1|$.live[0].client: an address and a port are expected",
                "10.0.0.1:40000|10.0.0.1:|$.live[0].client: a port from 1 to 65535 is expected",
                "10.0.0.1:40000|:40000|$.live[0].client: an address and a port are expected",
                "10.0.0.1:40000|10.0.0.256:40000|$.live[0].client: an address and a port are expected",
                "10.0.0.1:40000|10.0.0.1:0|$.live[0].client: a port from 1 to 65535 is expected",
                "10.0.0.1:40000|10.0.0.1:+40|$.live[0].client: a port from 1 to 65535 is expected",
                "\"port\": 80,|\"port\": 65536,|$.live[0].port: a number from 1 to 65535 is expected",
                "\"port\": 80,|\"port\": 0,|$.live[0].port: a number from 1 to 65535 is expected",
                "\"port\": 80,|\"port\": \"80\",|$.live[0].port: a number from 1 to 65535 is expected",
                "\"port\": 80,||$.live[0].port: a number from 1 to 65535 is expected",
                "d6:52:00:00:00:07|02:00:00:00:00:07|$.live[0].tag: a migration tag (d6:52… or d6:53…) is expected",
                "d6:52:00:00:00:07|d6:52|$.live[0].tag: ",
                "02:00:00:00:00:aa|zz|$.live[0].clientMac: ",
                "\"seq\": 4294967295|\"seq\": 4294967296|$.ended[0].seq: a number from 0 to 4294967295 is expected",
                "\"seq\": 4294967295|\"seq\": -1|$.ended[0].seq: a number from 0 to 4294967295 is expected",
                "\"seq\": 4294967295|\"seq\": 1.5|$.ended[0].seq: a number from 0 to 4294967295 is expected",
                "\"rebuilds\": 3|\"rebuilds\": -3|$.counters.rebuilds: a number from 0 to",
                "{ \"rebuilds\": 3, \"bytes\": 9223372036854775807 }|[ ]|$.counters: an object is expected",
            })
    void shouldSayWhereAndWhyWhenItIsWrong(String what, String by, String problem) {
        String text = REPORT.replace(what, by == null ? "" : by);
        assertThat(text).isNotEqualTo(REPORT);
        assertThatThrownBy(() -> read(text))
                .isInstanceOf(ReportReader.Malformed.class)
                .hasMessageStartingWith(problem);
    }

    @Test
    void shouldRefuseEverythingElseAsMalformed() {
        for (String text : new String[] {"", " ", "null", "[]", "7", "\"x\"", "[".repeat(50_000), "\u0000", "{}x"}) {
            assertThatThrownBy(() -> read(text)).as(text).isInstanceOf(ReportReader.Malformed.class);
        }
    }

    @Test
    void shouldNeverFailOtherwiseWhenBytesAreChanged() {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        for (int round = 0; round < 5_000; round++) {
            byte[] bytes = REPORT.getBytes(StandardCharsets.UTF_8);
            for (int i = random.nextInt(3); i >= 0; i--) {
                bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
            }
            try {
                new ReportReader("s1", bytes);
            } catch (ReportReader.Malformed e) {
                assertThat(e.getMessage()).as("seed %d", seed).isNotEmpty();
            }
        }
    }
}
