package org.dwsr.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.filter.FilterFixture.ELSEWHERE;
import static org.dwsr.filter.FilterFixture.GET;
import static org.dwsr.filter.FilterFixture.OK;
import static org.dwsr.filter.FilterFixture.next;
import static org.dwsr.packet.TcpFlags.ACK;
import static org.dwsr.packet.TcpFlags.FIN;
import static org.dwsr.packet.TcpFlags.PSH;
import static org.dwsr.packet.TcpFlags.RST;
import static org.dwsr.packet.TcpFlags.SYN;

import java.nio.ByteBuffer;
import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** The table in {@link FilterCore}'s comment, cell by cell; {@link FilterCoreLaterStatesTest} has its other half. */
class FilterCoreTest {
    private final FilterFixture f = new FilterFixture();
    /** Where the second request and the second response start. */
    private final int c2 = f.c(next(GET));

    private final int w2 = f.w(next(OK));
    private final int r2 = f.r(next(OK));

    @Nested
    class Unknown {
        @Test
        void shouldReplayHandshakeTwiceWhenTaggedRequestComes() {
            assertThat(f.in(Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), GET)))
                    .containsExactly(Packet.synToKernel(f.c(0)), Packet.synToKernel(f.c(0)));
        }

        @Test
        void shouldReplayHandshakeWhenMovedRequestComes() {
            assertThat(f.in(Packet.tagged(MigrationTag.MOVED, f.c(700), f.w(80), GET)))
                    .containsExactly(Packet.synToKernel(f.c(699)), Packet.synToKernel(f.c(699)));
        }

        @Test
        void shouldReplayHandshakeWithoutConfirmingWhenHeldRequestComes() {
            assertThat(f.in(Packet.tagged(MigrationTag.HELD, f.c(1), f.w(1), GET)))
                    .containsExactly(Packet.synToKernel(f.c(0)), Packet.synToKernel(f.c(0)));
        }

        @Test
        void shouldDropTaggedPacketWhenItHasNoPayload() {
            assertThat(f.in(Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), "")))
                    .isEmpty();
            assertThat(f.count(FilterCounter.DROPPED_STALE_TAG)).isOne();
        }

        @Test
        void shouldDropTagWhenOnlyFiltersMaySendIt() {
            assertThat(f.in(Packet.tagged(MigrationTag.REFUSED, f.c(1), f.w(1), GET)))
                    .isEmpty();
            assertThat(f.count(FilterCounter.DROPPED_FORGED_TAG)).isOne();
        }

        @Test
        void shouldBounceSynUntagged() {
            assertThat(f.in(Packet.syn(f.c(0))))
                    .containsExactly(Packet.syn(f.c(0)).bounced());
            assertThat(f.count(FilterCounter.SYNS_BOUNCED)).isOne();
        }

        @Test
        void shouldBouncePayloadUntaggedWhenItHasWaitedFiveMs() {
            Packet segment = Packet.client(f.c(1), f.w(1), GET);
            assertThat(f.in(segment)).isEmpty();
            assertThat(f.after(4)).isEmpty();
            assertThat(f.after(1)).containsExactly(segment.bouncedLate());
            assertThat(f.after(10)).isEmpty();
            assertThat(f.count(FilterCounter.UNKNOWN_BOUNCED)).isOne();
        }

        @Test
        void shouldCompleteChecksumWhenWaitingPayloadHasPartialOne() {
            Packet segment = Packet.client(f.c(1), f.w(1), GET);
            assertThat(f.inPartial(segment)).isEmpty();
            assertThat(f.after(5)).containsExactly(segment.bouncedLate());
        }

        @Test
        void shouldDropPayloadWhenPoolIsFull() {
            for (int i = 0; i < 128; i++) {
                assertThat(f.in(Packet.client(f.c(1 + i), f.w(1), "x"))).isEmpty();
            }
            assertThat(f.count(FilterCounter.DROPPED_EARLY_FULL)).isZero();
            assertThat(f.in(Packet.client(f.c(200), f.w(1), "x"))).isEmpty();
            assertThat(f.count(FilterCounter.DROPPED_EARLY_FULL)).isOne();
            assertThat(f.after(5)).hasSize(128);
        }

        @Test
        void shouldDropBareAck() {
            assertThat(f.in(Packet.client(f.c(1), f.w(1), ""))).isEmpty();
            assertThat(f.after(10)).isEmpty();
            assertThat(f.count(FilterCounter.DROPPED_UNKNOWN_ACK)).isOne();
        }

        @Test
        void shouldDropReset() {
            assertThat(f.in(Packet.client(f.c(1), f.w(1), "").rst())).isEmpty();
            assertThat(f.count(FilterCounter.DROPPED_UNKNOWN_ACK)).isOne();
        }

        @Test
        void shouldBounceFinSoThatItsClientHearsOfTheLoss() {
            Packet fin = Packet.client(f.c(1), f.w(1), "").fin();
            assertThat(f.in(fin)).containsExactly(fin.bounced());
            assertThat(f.count(FilterCounter.UNKNOWN_BOUNCED)).isOne();
        }

        @Test
        void shouldDropSilenceAndConfirm() {
            assertThat(f.in(Packet.silence(f.c(1), f.w(1)))).isEmpty();
            assertThat(f.in(Packet.tagged(MigrationTag.CONFIRM, f.c(1), f.w(1), "")))
                    .isEmpty();
            assertThat(f.report()).isEmpty();
        }

        @Test
        void shouldResetServerWhenItSpeaksWithoutState() {
            assertThat(f.in(Packet.kernel(f.r(1), f.c(1), OK)))
                    .containsExactly(Packet.toKernel(f.c(1), 0, RST, "").window(0));
            assertThat(f.count(FilterCounter.STRAY_HOST_RESET)).isOne();
        }

        @Test
        void shouldDropResetOfServer() {
            assertThat(f.in(Packet.kernel(f.r(1), f.c(1), "").flags(RST | ACK))).isEmpty();
            assertThat(f.in(Packet.kernel(f.r(1), 0, "").rst())).isEmpty();
        }
    }

    @Nested
    class Rebuilding {
        @Test
        void shouldPassRequestOnceWhenServerAnswersSyn() {
            f.rebuilding(GET);
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1))))
                    .containsExactly(
                            Packet.toKernel(f.c(1), f.r(1), ACK, ""), Packet.toKernel(f.c(1), f.r(1), ACK | PSH, GET));
            assertThat(f.count(FilterCounter.REBUILDS_DONE)).isOne();
        }

        @Test
        void shouldGatherWhenTaggedRequestIsRepeated() {
            f.rebuilding(GET);
            assertThat(f.rebuilding(GET)).isEmpty();
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1)))).hasSize(2);
        }

        @Test
        void shouldStartAnewWhenOtherFreshRequestComes() {
            f.rebuilding(GET);
            assertThat(f.in(Packet.tagged(MigrationTag.FRESH, f.c(90_001), f.w(7_001), GET)))
                    .containsExactly(Packet.synToKernel(f.c(90_000)), Packet.synToKernel(f.c(90_000)));
        }

        @Test
        void shouldGatherClientSegments() {
            String post = "POST /img/a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n";
            f.rebuilding(post);
            assertThat(f.in(Packet.client(f.c(next(post)), f.w(1), "body"))).isEmpty();
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1))))
                    .containsExactly(
                            Packet.toKernel(f.c(1), f.r(1), ACK, ""),
                            Packet.toKernel(f.c(1), f.r(1), ACK | PSH, post + "body"));
        }

        @Test
        void shouldResetServerWhenSilenced() {
            f.rebuilding(GET);
            // Without ACK: a half-open socket ignores a reset that acknowledges anything but its own SYN.
            assertThat(f.in(Packet.silence(f.c(1), f.w(1)))).containsExactly(Packet.toKernel(f.c(1), 0, RST, ""));
            assertThat(f.report()).isEmpty();
        }

        @Test
        void shouldResetServerWhenClientResets() {
            f.rebuilding(GET);
            assertThat(f.in(Packet.client(f.c(next(GET)), 0, "").rst()))
                    .containsExactly(Packet.toKernel(f.c(1), 0, RST, ""));
            assertThat(f.report()).containsExactly("ended 1");
        }

        @Test
        void shouldIgnoreResetWhenItsNumberIsForeign() {
            f.rebuilding(GET);
            assertThat(f.in(Packet.client(f.c(5_000), 0, "").rst())).isEmpty();
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1)))).hasSize(2);
        }

        @Test
        void shouldBounceSynAndGoOn() {
            f.rebuilding(GET);
            assertThat(f.in(Packet.syn(f.c(0))))
                    .containsExactly(Packet.syn(f.c(0)).bounced());
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1)))).hasSize(2);
        }

        @Test
        void shouldBounceAsRefusedWhenServerResets() {
            f.rebuilding(GET);
            assertThat(f.in(Packet.kernel(0, f.c(1), "").flags(RST | ACK)))
                    .containsExactly(Packet.toSwitch(MigrationTag.REFUSED, f.c(1), f.w(1), GET));
            assertThat(f.report()).isEmpty();
        }

        @Test
        void shouldReportItLive() {
            f.rebuilding(GET);
            assertThat(f.report()).hasSize(1).first().asString().startsWith("live 0");
        }
    }

    @Nested
    class Active {
        @Test
        void shouldStartAnewAndResetServerWhenOtherFreshRequestComes() {
            f.answered();
            assertThat(f.in(Packet.tagged(MigrationTag.FRESH, f.c(90_001), f.w(7_001), GET)))
                    .containsExactly(
                            Packet.toKernel(c2, r2, RST | ACK, ""),
                            Packet.synToKernel(f.c(90_000)),
                            Packet.synToKernel(f.c(90_000)));
        }

        @Test
        void shouldTakeTaggedRequestForRetransmissionWhenItIsKnown() {
            f.active(GET);
            assertThat(f.rebuilding(GET))
                    .containsExactly(Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), GET)
                            .from(Packet.VMAC)
                            .forwarded(f.c(1), f.r(1)));
        }

        @Test
        void shouldPassRequestWhenItBelongsHere() {
            f.answered();
            Packet request = Packet.client(c2, w2, GET);
            assertThat(f.in(request)).containsExactly(request.forwarded(c2, r2));
        }

        @Test
        void shouldBounceRequestAndAcknowledgeResponseWhenItBelongsElsewhere() {
            f.answered();
            Packet request = Packet.client(c2, w2, ELSEWHERE);
            assertThat(f.in(request)).containsExactly(Packet.toKernel(c2, r2, ACK, ""), request.bouncedTagged());
            assertThat(f.count(FilterCounter.REQUESTS_BOUNCED)).isOne();
        }

        @Test
        void shouldHoldRequestWhenItBelongsElsewhereAndResponseIsOut() {
            f.active(GET);
            assertThat(f.in(Packet.client(c2, f.w(1), ELSEWHERE))).isEmpty();
            assertThat(f.count(FilterCounter.REQUESTS_HELD)).isEqualTo(2);
        }

        @Test
        void shouldMasqueradeBareAck() {
            f.active(GET);
            Packet bare = Packet.client(c2, f.w(1), "");
            assertThat(f.in(bare)).containsExactly(bare.forwarded(c2, f.r(1)));
        }

        @Test
        void shouldBecomeSilentWhenSilenced() {
            f.answered();
            assertThat(f.in(Packet.silence(c2, w2))).containsExactly(Packet.toKernel(c2, r2, ACK, ""));
            assertThat(f.in(Packet.kernel(r2, c2, ""))).isEmpty();
            assertThat(f.count(FilterCounter.SILENT_SWALLOWED)).isOne();
        }

        @Test
        void shouldMasqueradeResponse() {
            f.active(GET);
            Packet response = Packet.kernel(f.r(1), c2, OK);
            assertThat(f.in(response)).containsExactly(response.forwarded(f.w(1), c2));
        }

        @Test
        void shouldDropRepeatedSynAck() {
            f.active(GET);
            assertThat(f.in(Packet.synAck(f.r(0), f.c(1)))).isEmpty();
        }

        @Test
        void shouldBounceSynAndGoOn() {
            f.answered();
            assertThat(f.in(Packet.syn(f.c(90_000))))
                    .containsExactly(Packet.syn(f.c(90_000)).bounced());
            Packet request = Packet.client(c2, w2, GET);
            assertThat(f.in(request)).containsExactly(request.forwarded(c2, r2));
        }

        @Test
        void shouldReportItLiveWithClientsMac() {
            f.answered();
            assertThat(f.report()).containsExactly("live 0 200000000c1");
        }
    }

    @Nested
    class NotOurs {
        @Test
        void shouldPassWhatIsNotForAService() {
            byte[] arp = new byte[42];
            arp[12] = 8;
            arp[13] = 6;
            ByteBuffer buf = ByteBuffer.wrap(arp);
            assertThat(f.core.onNetworkFrame(buf, 0, arp.length, false, f.nowNs()))
                    .isEqualTo(PacketCore.FORWARD);
            assertThat(f.core.onHostFrame(buf, 0, arp.length, false, f.nowNs())).isEqualTo(PacketCore.FORWARD);
        }

        @Test
        void shouldDropFrameOfServerWhenItForgesATag() {
            f.answered();
            assertThat(f.in(Packet.kernel(r2, c2, "").from(Packet.TAG))).isEmpty();
            assertThat(f.in(Packet.kernel(r2, c2, "").flags(SYN).from(Packet.TAG)))
                    .isEmpty();
            assertThat(f.count(FilterCounter.DROPPED_FORGED_TAG)).isEqualTo(2);
        }

        @Test
        void shouldDropFragmentForTheVip() {
            byte[] frame = PacketCodec.encode(Packet.client(f.c(1), f.w(1), GET), true, false);
            frame[20] = 0x20;
            assertThat(f.core.onNetworkFrame(ByteBuffer.wrap(frame), 0, frame.length, false, f.nowNs()))
                    .isEqualTo(PacketCore.DROP);
            assertThat(f.count(FilterCounter.DROPPED_FRAGMENT)).isOne();
        }

        @Test
        void shouldDropEverythingTcpWhenUnconfigured() {
            FilterCore core = new FilterCore("s1", f);
            byte[] frame = PacketCodec.encode(Packet.client(f.c(1), f.w(1), GET).flags(FIN | ACK), true, false);
            ByteBuffer buf = ByteBuffer.wrap(frame);
            assertThat(core.onNetworkFrame(buf, 0, frame.length, false, 0)).isEqualTo(PacketCore.DROP);
            assertThat(core.onHostFrame(buf, 0, frame.length, false, 0)).isEqualTo(PacketCore.DROP);
        }
    }
}
