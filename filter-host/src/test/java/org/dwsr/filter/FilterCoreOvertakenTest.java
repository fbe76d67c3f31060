package org.dwsr.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.filter.FilterFixture.GET;
import static org.dwsr.filter.FilterFixture.OK;
import static org.dwsr.filter.FilterFixture.next;

import org.dwsr.packet.TcpFlags;
import org.junit.jupiter.api.Test;

/** Sequences of packets that the simulation found: one packet is lost or late, and another meets its state. */
class FilterCoreOvertakenTest {
    private static final String TWO = GET + GET;

    private final FilterFixture f = new FilterFixture();

    /** A pipelined second response whose head is cut: it is held. */
    private void heldSecondHead() {
        f.active(TWO);
        f.in(Packet.kernel(f.r(1), f.c(next(TWO)), OK));
        assertThat(f.in(Packet.kernel(f.r(next(OK)), f.c(next(TWO)), "HTTP/1.1 2")))
                .isEmpty();
    }

    @Test
    void shouldPassARepetitionOfTheResponseBeforeAHeldHead() {
        heldSecondHead();
        Packet repeated = Packet.kernel(f.r(1), f.c(next(TWO)), OK);
        assertThat(f.in(repeated)).containsExactly(repeated.forwarded(f.w(1), f.c(next(TWO))));
    }

    @Test
    void shouldPassThePartOfARepetitionThatLiesBeforeAHeldHead() {
        heldSecondHead();
        assertThat(f.in(Packet.kernel(f.r(1), f.c(next(TWO)), OK + "HTTP/1.1 2")))
                .containsExactly(Packet.toClient(f.w(1), f.c(next(TWO)), TcpFlags.ACK | TcpFlags.PSH, OK));
    }

    @Test
    void shouldResetTheClientAtTheByteItExpectsWhenAHeadIsHeld() {
        heldSecondHead();
        Packet reset = Packet.kernel(f.r(next(OK) + 10), 0, "").rst();
        assertThat(f.in(reset)).containsExactly(reset.forwarded(f.w(next(OK)), 0));
    }

    @Test
    void shouldNotPassAKeepAliveProbeBehindABouncedSyn() {
        f.ended();
        f.in(Packet.syn(f.c(500_000)));
        assertThat(f.in(Packet.client(f.c(500_000), f.w(900_000), ""))).isEmpty();
    }

    @Test
    void shouldNotBelieveAnAcknowledgmentWhileTheHandshakeIsReplayed() {
        f.rebuilding(GET);
        f.in(Packet.client(f.c(next(GET)), f.w(5_000), ""));
        assertThat(f.in(Packet.synAck(f.r(0), f.c(1))))
                .containsExactly(
                        Packet.toKernel(f.c(1), f.r(1), TcpFlags.ACK, ""),
                        Packet.toKernel(f.c(1), f.r(1), TcpFlags.ACK | TcpFlags.PSH, GET));
    }
}
