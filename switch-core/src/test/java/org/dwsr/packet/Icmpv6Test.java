package org.dwsr.packet;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class Icmpv6Test {
    private static final long VMAC = 0x0200_5e00_0164L;
    private static final IpAddress NOBODY = IpAddress.of(0, 0);
    private static final IpAddress GROUP = IpAddress.parse("ff02::1:ff00:100");

    private final FrameFlyweight frame = new FrameFlyweight();

    private void wrap(Ipv6Frame described) {
        assertThat(frame.wrap(described.write(), 0, described.length(), false)).isEqualTo(FrameFlyweight.Kind.IPV6);
    }

    static String hex(ByteBuffer buf, int length) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < length; i++) {
            text.append(String.format("%02x", buf.get(i)));
        }
        return text.toString();
    }

    private static int[] solicitation(IpAddress target, int... options) {
        int[] octets = new int[24 + options.length];
        octets[0] = 135;
        for (int i = 0; i < 16; i++) {
            octets[8 + i] = (int) ((i < 8 ? target.high() : target.low()) >>> 56 - i % 8 * 8) & 255;
        }
        System.arraycopy(options, 0, octets, 24, options.length);
        return octets;
    }

    private static Ipv6Frame asked(int... octets) {
        return new Ipv6Frame().to(GROUP).hopLimit(255).message(58, 2, octets);
    }

    @Nested
    class Solicitations {
        private boolean valid(Ipv6Frame described) {
            wrap(described);
            return Icmpv6.isSolicitationFor(frame, Ipv6Frame.VIP);
        }

        @Test
        void shouldBeValidWithAndWithoutTheAskersMac() {
            assertThat(valid(asked(solicitation(Ipv6Frame.VIP, 1, 1, 2, 0, 0, 0, 0, 0x11))))
                    .isTrue();
            assertThat(valid(asked(solicitation(Ipv6Frame.VIP)))).isTrue();
            // To the address itself: is it still there?
            assertThat(valid(new Ipv6Frame().hopLimit(255).message(58, 2, solicitation(Ipv6Frame.VIP))))
                    .isTrue();
            // A probe for duplicates.
            assertThat(valid(new Ipv6Frame()
                            .from(NOBODY)
                            .to(GROUP)
                            .hopLimit(255)
                            .message(58, 2, solicitation(Ipv6Frame.VIP, 14, 1, 1, 2, 3, 4, 5, 6))))
                    .isTrue();
        }

        @Test
        void shouldBeRefusedFromBeyondARouter() {
            assertThat(valid(asked(solicitation(Ipv6Frame.VIP)).hopLimit(254))).isFalse();
        }

        @Test
        void shouldBeRefusedForAnotherTarget() {
            assertThat(valid(asked(solicitation(IpAddress.parse("fd00::101"))))).isFalse();
            assertThat(valid(asked(solicitation(IpAddress.parse("fd01::100"))))).isFalse();
        }

        @Test
        void shouldBeRefusedWithAnotherTypeOrCode() {
            int[] octets = solicitation(Ipv6Frame.VIP);
            octets[0] = 136;
            assertThat(valid(asked(octets))).isFalse();
            octets[0] = 135;
            octets[1] = 1;
            assertThat(valid(asked(octets))).isFalse();
        }

        @Test
        void shouldBeRefusedWithAWrongChecksum() {
            Ipv6Frame described = asked(solicitation(Ipv6Frame.VIP));
            described.message[2] ^= 1;
            assertThat(valid(described)).isFalse();
        }

        @Test
        void shouldBeRefusedWhenTooShort() {
            assertThat(valid(asked(Arrays.copyOf(solicitation(Ipv6Frame.VIP), 23))))
                    .isFalse();
        }

        @Test
        void shouldBeRefusedWithAnOptionWithoutLengthOrPastTheEnd() {
            assertThat(valid(asked(solicitation(Ipv6Frame.VIP, 1, 0, 0, 0, 0, 0, 0, 0))))
                    .isFalse();
            assertThat(valid(asked(solicitation(Ipv6Frame.VIP, 1, 2, 0, 0, 0, 0, 0, 0))))
                    .isFalse();
            assertThat(valid(asked(solicitation(Ipv6Frame.VIP, 1)))).isFalse();
        }

        @Test
        void shouldBeRefusedWhenAProbeNamesAMacOrDoesNotAskTheGroup() {
            assertThat(valid(new Ipv6Frame()
                            .from(NOBODY)
                            .to(GROUP)
                            .hopLimit(255)
                            .message(58, 2, solicitation(Ipv6Frame.VIP, 1, 1, 2, 0, 0, 0, 0, 0x11))))
                    .isFalse();
            assertThat(valid(new Ipv6Frame().from(NOBODY).hopLimit(255).message(58, 2, solicitation(Ipv6Frame.VIP))))
                    .isFalse();
        }

        @Test
        void shouldBeAnsweredToWhoAsked() {
            assertThat(valid(asked(solicitation(Ipv6Frame.VIP)))).isTrue();
            ByteBuffer answer = ByteBuffer.allocate(Icmpv6.ADVERTISEMENT_FRAME_LENGTH);
            Icmpv6.writeAdvertisement(answer, frame, Ipv6Frame.VIP, VMAC);
            Ipv6Frame expected = new Ipv6Frame()
                    .ethDestination(TcpFrame.CLIENT_MAC)
                    .ethSource(VMAC)
                    .from(Ipv6Frame.VIP)
                    .to(Ipv6Frame.CLIENT)
                    .hopLimit(255)
                    .message(58, 2, advertisement(0x60));
            // Without the flow label of the test's frames.
            ByteBuffer bytes = expected.write().putInt(14, 0x6000_0000);
            assertThat(hex(answer, answer.capacity())).isEqualTo(hex(bytes, expected.length()));
        }

        @Test
        void shouldBeAnsweredToEverybodyWhenItIsAProbe() {
            Ipv6Frame probe =
                    new Ipv6Frame().from(NOBODY).to(GROUP).hopLimit(255).message(58, 2, solicitation(Ipv6Frame.VIP));
            assertThat(valid(probe)).isTrue();
            ByteBuffer answer = ByteBuffer.allocate(Icmpv6.ADVERTISEMENT_FRAME_LENGTH);
            Icmpv6.writeAdvertisement(answer, frame, Ipv6Frame.VIP, VMAC);
            Ipv6Frame expected = new Ipv6Frame()
                    .ethDestination(0x3333_0000_0001L)
                    .ethSource(VMAC)
                    .from(Ipv6Frame.VIP)
                    .to(IpAddress.parse("ff02::1"))
                    .hopLimit(255)
                    .message(58, 2, advertisement(0x20));
            ByteBuffer bytes = expected.write().putInt(14, 0x6000_0000);
            assertThat(hex(answer, answer.capacity())).isEqualTo(hex(bytes, expected.length()));
        }

        private int[] advertisement(int flags) {
            int[] octets = solicitation(Ipv6Frame.VIP, 2, 1, 0x02, 0x00, 0x5e, 0x00, 0x01, 0x64);
            octets[0] = 136;
            octets[4] = flags;
            return octets;
        }
    }

    @Nested
    class Echo {
        @Test
        void shouldSwapAddressesAndKeepTheRest() {
            wrap(new Ipv6Frame().message(58, 2, 128, 0, 0, 0, 1, 2, 3, 4, 5));
            assertThat(Icmpv6.isEchoRequest(frame)).isTrue();
            Icmpv6.toEchoReply(frame);
            Ipv6Frame expected = new Ipv6Frame()
                    .ethDestination(TcpFrame.CLIENT_MAC)
                    .ethSource(TcpFrame.SERVER_MAC)
                    .from(Ipv6Frame.VIP)
                    .to(Ipv6Frame.CLIENT)
                    .message(58, 2, 129, 0, 0, 0, 1, 2, 3, 4, 5);
            assertThat(hex(frame.buffer(), frame.frameLength())).isEqualTo(hex(expected.write(), expected.length()));
        }

        @Test
        void shouldNotTakeOtherMessagesForARequest() {
            wrap(new Ipv6Frame().message(58, 2, 129, 0, 0, 0, 1, 2, 3, 4));
            assertThat(Icmpv6.isEchoRequest(frame)).isFalse();
            wrap(new Ipv6Frame().message(58, 2, 128, 1, 0, 0, 1, 2, 3, 4));
            assertThat(Icmpv6.isEchoRequest(frame)).isFalse();
            wrap(new Ipv6Frame().message(58, 2, 128, 0, 0, 0, 1, 2, 3));
            assertThat(Icmpv6.isEchoRequest(frame)).isFalse();
            wrap(new Ipv6Frame().message(17, 6, 128, 0, 0, 0, 1, 2, 3, 4));
            assertThat(Icmpv6.isEchoRequest(frame)).isFalse();
            wrap(new Ipv6Frame().message(58, 1, 2, 0, 0));
            assertThat(Icmpv6.type(frame)).isEqualTo(-1);
        }
    }
}
