package org.dwsr.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.filter.FilterFixture.ELSEWHERE;
import static org.dwsr.filter.FilterFixture.GET;
import static org.dwsr.filter.FilterFixture.OK;
import static org.dwsr.filter.FilterFixture.next;
import static org.dwsr.packet.TcpFlags.ACK;
import static org.dwsr.packet.TcpFlags.CWR;
import static org.dwsr.packet.TcpFlags.ECE;
import static org.dwsr.packet.TcpFlags.RST;
import static org.dwsr.packet.TcpFlags.SYN;

import java.util.List;
import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** A guessed server (paper figures 3 and 4): its own TCP answers the client's own SYN, so w and r are the same. */
class FilterCorePreallocateTest {
    private static final int NONE = 0xffff;

    private final FilterFixture f = new FilterFixture(1_000, 900_000, 900_000);
    private final int c2 = f.c(next(GET));

    private Packet guess() {
        return Packet.tagged(MigrationTag.GUESS, f.c(0), 0, "").flags(SYN).options(Packet.SYN_OPTIONS);
    }

    private Packet synAck() {
        return Packet.synAck(f.r(0), f.c(1));
    }

    private Packet handshakeAck() {
        return Packet.client(f.c(1), f.w(1), "");
    }

    private void guessed() {
        f.in(guess());
        f.in(synAck());
    }

    private void proved() {
        guessed();
        f.in(handshakeAck());
    }

    private static Packet refused(Packet syn, int contentType) {
        return syn.bounced().from(MigrationTag.with(Packet.TAG, contentType, MigrationTag.REFUSED));
    }

    /** What a filter sends back when it does not have the SYN any more. */
    private Packet refusedLater() {
        return new Packet(
                Packet.Way.TO_NETWORK,
                MigrationTag.with(MigrationTag.of(6, 7, 7, true), NONE, MigrationTag.REFUSED),
                Packet.VMAC,
                f.c(0),
                0,
                SYN,
                Packet.SYN_WINDOW,
                Packet.SYN_OPTIONS,
                "");
    }

    private static Packet wrongGuess(Packet request) {
        return request.bounced().from(MigrationTag.with(Packet.TAG, NONE, MigrationTag.GUESS));
    }

    @Nested
    class Handshake {
        @Test
        void shouldPassTheSynAndTheSynAckWithTheServersOwnNumbers() {
            assertThat(f.in(guess())).containsExactly(guess().from(Packet.VMAC).forwarded(f.c(0), 0));
            assertThat(f.in(synAck())).containsExactly(synAck().forwarded(f.r(0), f.c(1)));
            assertThat(f.in(handshakeAck())).containsExactly(handshakeAck().forwarded(f.c(1), f.r(1)));
            assertThat(f.count(FilterCounter.GUESSES_TAKEN)).isEqualTo(1);
        }

        @Test
        void shouldPadOptionsThatNoTagCarries() {
            Packet syn = guess().options("mss=1460 raw=1e0c00818877665544332211 sackok raw=2204abcd wscale=7 raw=ac02");
            assertThat(f.in(syn)).containsExactly(guess().from(Packet.VMAC).forwarded(f.c(0), 0));
        }

        @Test
        void shouldPadOptionsThatRunPastTheirEnd() {
            for (String broken : List.of("mss=1460 raw=08", "mss=1460 raw=1e00", "mss=1460 raw=0504aa")) {
                FilterFixture g = new FilterFixture(1_000, 900_000, 900_000);
                assertThat(g.in(guess().options(broken)))
                        .containsExactly(
                                guess().from(Packet.VMAC).options("mss=1460").forwarded(f.c(0), 0));
            }
        }

        @Test
        void shouldPassTheSameSynAgain() {
            guessed();
            assertThat(f.in(guess())).containsExactly(guess().from(Packet.VMAC).forwarded(f.c(0), 0));
            Packet untagged = Packet.syn(f.c(0)).options(Packet.SYN_OPTIONS);
            assertThat(f.in(untagged)).containsExactly(untagged.forwarded(f.c(0), 0));
            assertThat(f.in(synAck())).containsExactly(synAck().forwarded(f.r(0), f.c(1)));
            f.in(handshakeAck());
            assertThat(f.in(guess())).isEmpty();
        }

        @Test
        void shouldPassTheSynAckAgainWhenOnlyTheServerLacksTheAcknowledgment() {
            proved();
            assertThat(f.in(synAck())).containsExactly(synAck().forwarded(f.r(0), f.c(1)));
        }

        @Test
        void shouldNotLetSegmentsPassThatDoNotAcknowledgeTheServer() {
            f.in(guess());
            assertThat(f.in(handshakeAck())).isEmpty();
            f.in(synAck());
            Packet spoofed = Packet.client(f.c(1), f.w(2), GET);
            assertThat(f.in(spoofed)).containsExactly(spoofed.bounced());
            assertThat(f.in(Packet.client(f.c(1), f.w(2), ""))).isEmpty();
            assertThat(f.in(Packet.client(f.c(0), f.w(1), ""))).isEmpty();
            assertThat(f.in(Packet.client(f.c(1) + 900_000, f.w(1), ""))).isEmpty();
            assertThat(f.in(Packet.client(f.c(2), 0, "").flags(RST))).isEmpty();
            assertThat(f.count(FilterCounter.DROPPED_UNPROVED)).isEqualTo(6);
            assertThat(f.in(handshakeAck())).containsExactly(handshakeAck().forwarded(f.c(1), f.r(1)));
        }

        @Test
        void shouldForgetWhenTheClientRefuses() {
            guessed();
            Packet reset = Packet.client(f.c(1), 0, "").flags(RST);
            assertThat(f.in(reset)).containsExactly(reset.forwarded(f.c(1), 0));
            assertThat(f.report()).isEmpty();
        }

        @Test
        void shouldTellTheWebSwitchOnceTheHandshakeIsCompleted() {
            guessed();
            assertThat(f.reportNews()).isEmpty();
            f.in(handshakeAck());
            assertThat(f.reportNews()).containsExactly("live 0 " + Long.toHexString(Packet.CLIENT));
            assertThat(f.reportNews()).isEmpty();
            assertThat(f.report()).hasSize(1);
        }

        @Test
        void shouldTellOfAHandshakeThatHasBegunOnlyInAFullReport() {
            f.in(guess());
            assertThat(f.report()).isEmpty();
            f.in(synAck());
            assertThat(f.report()).containsExactly("live 0 " + Long.toHexString(Packet.CLIENT));
        }

        @Test
        void shouldEndTheHalfOpenSocketWhenTheClientNeverAnswers() {
            guessed();
            assertThat(f.after(14_900)).isEmpty();
            assertThat(f.after(400)).containsExactly(Packet.toKernel(f.c(1), 0, RST, ""));
            assertThat(f.count(FilterCounter.GUESSES_EXPIRED)).isEqualTo(1);
        }

        @Test
        void shouldEndTheHalfOpenSocketWhenTheWebSwitchGivesUp() {
            guessed();
            assertThat(f.in(Packet.silence(f.c(1), 0))).containsExactly(Packet.toKernel(f.c(1), 0, RST, ""));
            assertThat(f.report()).isEmpty();
        }
    }

    @Nested
    class RightGuess {
        @Test
        void shouldChangeNothingOnTheWay() {
            proved();
            Packet request = Packet.client(f.c(1), f.w(1), GET);
            assertThat(f.in(request)).containsExactly(request.forwarded(f.c(1), f.r(1)));
            Packet response = Packet.kernel(f.r(1), c2, OK).options("sack=" + PacketCodec.sackBlock(1, 2));
            assertThat(f.in(response)).containsExactly(response.forwarded(f.w(1), c2));
            assertThat(f.count(FilterCounter.GUESSES_RIGHT)).isEqualTo(1);
            assertThat(f.count(FilterCounter.GUESSES_WRONG)).isZero();
        }

        @Test
        void shouldProveAndPassWhenTheAcknowledgmentIsLostBeforeTheRequest() {
            guessed();
            Packet request = Packet.client(f.c(1), f.w(1), GET);
            assertThat(f.in(request)).containsExactly(request.forwarded(f.c(1), f.r(1)));
            assertThat(f.reportNews()).hasSize(1);
        }

        @Test
        void shouldBounceALaterRequestAsAnyOther() {
            proved();
            f.in(Packet.client(f.c(1), f.w(1), GET));
            f.in(Packet.kernel(f.r(1), c2, OK));
            Packet later = Packet.client(c2, f.w(next(OK)), ELSEWHERE);
            assertThat(f.in(later)).endsWith(later.bouncedTagged());
            assertThat(f.in(Packet.silence(c2, f.w(next(OK))))).isEmpty();
            // Still there to switch back to.
            Packet back = Packet.tagged(MigrationTag.MOVED, c2 + 40, f.w(next(OK)) + 70, GET);
            assertThat(f.in(back)).containsExactly(back.from(Packet.VMAC).forwarded(c2, f.r(next(OK))));
        }

        @Test
        void shouldNotScaleWindowsTheServerPromisedItself() {
            f.in(guess());
            f.in(synAck().options("mss=1460 sackok wscale=9"));
            f.in(handshakeAck());
            f.in(Packet.client(f.c(1), f.w(1), GET));
            Packet response = Packet.kernel(f.r(1), c2, OK);
            assertThat(f.in(response)).containsExactly(response.forwarded(f.w(1), c2));
            Packet later = Packet.client(c2, f.w(next(OK)), ELSEWHERE);
            assertThat(f.in(later))
                    .endsWith(later.bounced()
                            .from(MigrationTag.with(
                                    MigrationTag.of(6, 7, 9, true), Packet.IMAGES, MigrationTag.MOVED)));
        }

        @Test
        void shouldTellOthersOnlyWhatTheServerAgreedTo() {
            f.in(guess());
            f.in(synAck().options("mss=1460"));
            Packet request = Packet.client(f.c(1), f.w(1), ELSEWHERE);
            assertThat(f.in(request))
                    .endsWith(request.bounced()
                            .from(MigrationTag.with(MigrationTag.of(6, 7, 15, false), NONE, MigrationTag.GUESS)));
        }
    }

    @Nested
    class WrongGuess {
        @Test
        void shouldBounceTheFirstRequestAndEndTheServersTcpAtTheSilence() {
            proved();
            Packet request = Packet.client(f.c(1), f.w(1), ELSEWHERE);
            assertThat(f.in(request)).containsExactly(Packet.toKernel(f.c(1), f.r(1), ACK, ""), wrongGuess(request));
            assertThat(f.in(Packet.silence(f.c(1), f.w(1))))
                    .containsExactly(Packet.toKernel(f.c(1), f.r(1), RST | ACK, ""));
            assertThat(f.report()).isEmpty();
            assertThat(f.count(FilterCounter.GUESSES_WRONG)).isEqualTo(1);
            assertThat(f.count(FilterCounter.GUESSES_RIGHT)).isZero();
        }

        @Test
        void shouldBounceWhenTheSessionIsAnotherServers() {
            proved();
            Packet request =
                    Packet.client(f.c(1), f.w(1), "GET /img/a HTTP/1.1\r\nHost: h\r\nCookie: DR0189C2D=v\r\n\r\n");
            assertThat(f.in(request)).endsWith(wrongGuess(request));
        }

        @Test
        void shouldBounceTheGatheredHead() {
            proved();
            f.in(Packet.client(f.c(1), f.w(1), ELSEWHERE.substring(0, 9)));
            List<Packet> all = f.in(Packet.client(f.c(10), f.w(1), ELSEWHERE.substring(9)));
            assertThat(all)
                    .endsWith(new Packet(
                            Packet.Way.TO_NETWORK,
                            MigrationTag.with(Packet.TAG, NONE, MigrationTag.GUESS),
                            Packet.VMAC,
                            f.c(1),
                            f.w(1),
                            ACK | 8,
                            Packet.CLIENT_WINDOW,
                            "",
                            ELSEWHERE));
        }

        @Test
        void shouldTakeTheRequestAfterAllWhenTheWebSwitchSendsItBack() {
            proved();
            f.in(Packet.client(f.c(1), f.w(1), ELSEWHERE));
            Packet back = Packet.tagged(MigrationTag.MOVED, f.c(1), f.w(1), ELSEWHERE);
            assertThat(f.in(back)).containsExactly(back.from(Packet.VMAC).forwarded(f.c(1), f.r(1)));
        }
    }

    @Nested
    class Refused {
        @Test
        void shouldTellTheWebSwitchWhenTheServerResetsTheSyn() {
            f.in(guess());
            assertThat(f.in(Packet.kernel(0, f.c(1), "").flags(RST | ACK))).containsExactly(refusedLater());
            assertThat(f.report()).isEmpty();
            assertThat(f.count(FilterCounter.GUESSES_REFUSED)).isEqualTo(1);
        }

        @Test
        void shouldTellTheWebSwitchWhenTheServerDoesNotAnswer() {
            f.in(guess());
            assertThat(f.after(299)).isEmpty();
            assertThat(f.after(1)).containsExactly(Packet.toKernel(f.c(1), 0, RST, ""), refusedLater());
            // What comes too late is reset.
            assertThat(f.in(synAck()))
                    .containsExactly(Packet.toKernel(f.c(1), 0, RST, "").window(0));
        }

        @Test
        void shouldClearAnOldSocketAndTellTheWebSwitch() {
            f.in(guess());
            assertThat(f.in(Packet.kernel(f.r(77), f.c(-99), "")))
                    .containsExactly(Packet.toKernel(f.c(-99), 0, RST, ""), refusedLater());
        }

        @Test
        void shouldKeepALiveConnectionOfTheSamePorts() {
            f.answered();
            Packet syn = guess().payload("");
            Packet other = new Packet(
                    syn.way(), syn.ethSource(), syn.ethDestination(), f.c(70_000), 0, SYN, 500, syn.options(), "");
            assertThat(f.in(other)).containsExactly(refused(other, 0));
            Packet later = Packet.client(c2, f.w(next(OK)), GET);
            assertThat(f.in(later)).containsExactly(later.forwarded(c2, f.r(next(OK))));
        }

        @Test
        void shouldReplaceWhatIsSilentOrEnded() {
            f.silent();
            assertThat(f.in(guess()))
                    .containsExactly(
                            Packet.toKernel(c2, f.r(next(OK)), RST | ACK, ""),
                            guess().from(Packet.VMAC).forwarded(f.c(0), 0));
            FilterFixture g = new FilterFixture(1_000, 900_000, 900_000);
            g.ended();
            Packet syn = Packet.tagged(MigrationTag.GUESS, f.c(9_000), 0, "").flags(SYN);
            assertThat(g.in(syn)).containsExactly(syn.from(Packet.VMAC).forwarded(f.c(9_000), 0));
        }

        @Test
        void shouldReplaceAGuessByANewerOne() {
            guessed();
            Packet newer = Packet.tagged(MigrationTag.GUESS, f.c(9_000), 0, "").flags(SYN);
            assertThat(f.in(newer))
                    .containsExactly(
                            Packet.toKernel(f.c(1), 0, RST, ""),
                            newer.from(Packet.VMAC).forwarded(f.c(9_000), 0));
        }

        @Test
        void shouldReplaceAGuessByAProvedRequest() {
            guessed();
            Packet fresh = Packet.tagged(MigrationTag.FRESH, f.c(1), 555, GET);
            assertThat(f.in(fresh))
                    .containsExactly(
                            Packet.toKernel(f.c(1), 0, RST, ""),
                            Packet.synToKernel(f.c(0)),
                            Packet.synToKernel(f.c(0)));
        }

        @Test
        void shouldSpareTheClientAServerThatGoesBeforeItsFirstRequest() {
            proved();
            assertThat(f.in(Packet.kernel(f.r(1), f.c(1), "").flags(RST))).isEmpty();
            Packet request = Packet.client(f.c(1), f.w(1), GET);
            assertThat(f.in(request)).containsExactly(wrongGuess(request));
            // Nothing is left to silence, and the request may come back.
            assertThat(f.in(Packet.silence(f.c(1), f.w(1)))).isEmpty();
        }

        @Test
        void shouldSpareTheClientOnlyAfterItsHandshake() {
            guessed();
            assertThat(f.in(Packet.kernel(f.r(1), f.c(1), "").flags(RST))).isEmpty();
            Packet spoofed = Packet.client(f.c(1), f.w(7), GET);
            assertThat(f.in(spoofed)).containsExactly(spoofed.bounced());
            Packet request = Packet.client(f.c(1), f.w(1), GET);
            assertThat(f.in(request)).containsExactly(wrongGuess(request));
        }

        @Test
        void shouldPassTheServersResetAfterARequest() {
            proved();
            f.in(Packet.client(f.c(1), f.w(1), GET));
            Packet reset = Packet.kernel(f.r(1), c2, "").flags(RST);
            assertThat(f.in(reset)).containsExactly(reset.forwarded(f.w(1), c2));
        }

        @Test
        void shouldDropAGuessThatIsNoSyn() {
            assertThat(f.in(Packet.tagged(MigrationTag.GUESS, f.c(1), f.w(1), GET)))
                    .isEmpty();
            assertThat(f.count(FilterCounter.DROPPED_FORGED_TAG)).isEqualTo(1);
        }
    }

    @Nested
    class Ecn {
        @Test
        void shouldPassTheOffer() {
            Packet syn = guess().flags(SYN | ECE | CWR);
            assertThat(f.in(syn)).containsExactly(syn.from(Packet.VMAC).forwarded(f.c(0), 0));
        }
    }
}
