package org.dwsr.switching;

import static org.assertj.core.api.Assertions.assertThat;

import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What comes of a connection after its end. */
class EndedConnectionsTest {
    private static final String IMAGE = "GET /img/a HTTP/1.1\r\nHost: a\r\n\r\n";
    private static final String PAGE = "GET /a.php HTTP/1.1\r\nHost: a\r\n\r\n";
    private static final int END = 1 + IMAGE.length();

    private final SwitchLab lab = new SwitchLab();
    private final LabClient c1 = lab.client(1);

    @BeforeEach
    void begin() {
        c1.connectAndAsk(IMAGE);
    }

    private void end() {
        lab.report("s1").ended(c1, 1).send();
        lab.happened();
    }

    @Test
    void shouldResetInsteadOfRunningTheFirstRequestAgain() {
        end();
        c1.data(1, IMAGE).ack(1).send();
        assertThat(lab.happened()).containsExactly("c1 R seq=w+1 win=0", "+ended_requests_reset");
    }

    @Test
    void shouldRunAFirstRequestAgainOnlyWhenItsCookieIsLongInvalid() {
        end();
        lab.pass(EndedConnections.KEPT_NS / SwitchLab.MS - 5);
        assertThat(lab.value("ended_connections")).isEqualTo(1);
        lab.pass(10);
        assertThat(lab.value("ended_connections")).isZero();
        c1.data(1, IMAGE).ack(1).send();
        assertThat(lab.happened()).containsExactly("+segments_waited");
    }

    @Test
    void shouldAcknowledgeARepeatedFin() {
        end();
        c1.packet("FA").seq(END).ack(500).send();
        assertThat(lab.happened()).containsExactly("c1 A seq=w+500 ack=c+" + (END + 1) + " win=0", "+fins_answered");
    }

    @Test
    void shouldNotAcknowledgeTheFinOfTheNextConnectionThatOvertookItsRequest() {
        end();
        c1.isn += 200_000;
        c1.packet("S").seq(0).send();
        lab.happened();
        c1.packet("FA").seq(END).ack(1).send();
        assertThat(lab.happened()).containsExactly("+dropped_unknown_fin");
    }

    @Test
    void shouldNotAcknowledgeAFinThatOvertookItsRequest() {
        LabClient c2 = lab.client(2);
        c2.packet("S").seq(0).send();
        lab.happened();
        c2.packet("FA").seq(END).ack(1).send();
        assertThat(lab.happened()).containsExactly("+dropped_unknown_fin");
    }

    @Test
    void shouldSilenceAHolderWhoseConfirmWasLost() {
        end();
        c1.data(END, PAGE).ack(500).bouncedBy("s2", MigrationTag.HELD).send();
        String silence = "s2 silence/000 RA seq=c+" + END + " ack=w+500 win=0";
        assertThat(lab.happened()).containsExactly(silence, silence, "+dropped_stale", "+silences_sent=2");
    }

    @Test
    void shouldForgetTheOldestWhenThereAreTooMany() {
        EndedConnections ended = new EndedConnections();
        for (int i = 0; i <= EndedConnections.LIMIT; i++) {
            ConnectionEntry entry = new ConnectionEntry(i, org.dwsr.packet.IpAddress.ofIpv4(1));
            entry.firstSeqKnown = true;
            entry.firstSeq = 7;
            ended.add(entry);
        }
        assertThat(ended.size()).isEqualTo(EndedConnections.LIMIT);
        assertThat(ended.hadFirstRequestAt(0, 7)).isFalse();
        assertThat(ended.hadFirstRequestAt(1, 7)).isTrue();
        assertThat(ended.hadFirstRequestAt(EndedConnections.LIMIT, 7)).isTrue();
    }

    @Test
    void shouldKnowTheFinsOfARestoredConnectionUntilTheNextSyn() {
        EndedConnections ended = new EndedConnections();
        ended.add(new ConnectionEntry(5, org.dwsr.packet.IpAddress.ofIpv4(1)));
        assertThat(ended.hadFirstRequestAt(5, 0)).isFalse();
        assertThat(ended.covers(5, -1_000)).isTrue();
        ended.onSyn(5, -1);
        assertThat(ended.covers(5, -1_000)).isFalse();
    }

    @Test
    void shouldGiveTheTableBackWhenNoneIsLeft() {
        EndedConnections ended = new EndedConnections();
        int fresh = ended.capacity();
        for (int i = 0; i < EndedConnections.LIMIT; i++) {
            ended.add(new ConnectionEntry(i, org.dwsr.packet.IpAddress.ofIpv4(1)));
        }
        assertThat(ended.capacity()).isGreaterThan(fresh);
        ended.onTick(EndedConnections.KEPT_NS);
        assertThat(ended.size()).isZero();
        assertThat(ended.capacity()).isEqualTo(fresh);
        ended.add(new ConnectionEntry(5, org.dwsr.packet.IpAddress.ofIpv4(1)));
        assertThat(ended.covers(5, 0)).isTrue();
    }
}
