package org.dwsr.switching;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import org.dwsr.packet.IpAddress;
import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** What the web switch answers or drops for the VIP as an address, before any connection matters (docs/contract.md). */
class WebSwitchOwnAddressTest {
    private static final long[] NONE = {};
    private static final IpAddress[] NOBODY = {};

    private static final String IMAGE = "GET /img/a HTTP/1.1\r\nHost: a\r\n\r\n";

    private final SwitchLab lab = new SwitchLab();
    private final LabClient c1 = lab.client(1);

    private void receiveHex(String hex) {
        String digits = hex.replace(" ", "");
        ByteBuffer buf = ByteBuffer.allocate(digits.length() / 2);
        for (int i = 0; i < digits.length(); i += 2) {
            buf.put((byte) Integer.parseInt(digits.substring(i, i + 2), 16));
        }
        lab.receive(SwitchLab.DATAPATH, 1, buf, digits.length() / 2);
    }

    @Nested
    class Arp {
        private static final String ASK =
                "ffffffffffff 02000000c101 0806 0001 0800 06 04 %s 02000000c101 0a000101 000000000000 %s";

        @Test
        void shouldAnswerWithTheVmacWhenTheVipIsAskedFor() {
            receiveHex(String.format(ASK, "0001", "0a000064"));

            assertThat(lab.happened())
                    .containsExactly(
                            "1:1 ARP 02000000c101" + "02005e000164" + "0806" + "0001080006040002" + "02005e000164"
                                    + "0a000064" + "02000000c101" + "0a000101",
                            "+arp_replies");
        }

        @Test
        void shouldStaySilentWhenAnotherAddressIsAskedFor() {
            receiveHex(String.format(ASK, "0001", "0a000065"));

            assertThat(lab.happened()).containsExactly("+dropped_not_for_vip");
        }

        @Test
        void shouldStaySilentWhenItIsAReply() {
            receiveHex(String.format(ASK, "0002", "0a000064"));

            assertThat(lab.happened()).containsExactly("+dropped_not_for_vip");
        }

        @Test
        void shouldStaySilentWhenItIsCutShort() {
            receiveHex("ffffffffffff 02000000c101 0806 0001 0800");

            assertThat(lab.happened()).containsExactly("+dropped_not_for_vip");
        }
    }

    @Nested
    class Icmp {
        private static final String IP = "02005e000164 02000000c101 0800 4500 0020 0001 0000 40 01 6578 0a000101 %s %s";

        @Test
        void shouldAnswerWhenTheVipIsPinged() {
            receiveHex(String.format(IP, "0a000064", "0800 e597 1234 0001 6869 6869".replace(" ", "")));

            assertThat(lab.happened())
                    .containsExactly(
                            "1:1 IPV4 02000000c101" + "02005e000164" + "0800" + "45000020000100004001" + "6578"
                                    + "0a000064" + "0a000101" + "0000ed97123400016869" + "6869",
                            "+echo_replies");
        }

        @Test
        void shouldStaySilentWhenAnotherAddressIsPinged() {
            receiveHex(String.format(IP, "0a000065", "0800 e597 1234 0001 6869 6869".replace(" ", "")));

            assertThat(lab.happened()).containsExactly("+dropped_not_for_vip");
        }

        @Test
        void shouldStaySilentWhenItIsAnEchoReply() {
            receiveHex(String.format(IP, "0a000064", "0000 ed97 1234 0001 6869 6869".replace(" ", "")));

            assertThat(lab.happened()).containsExactly("+dropped_not_for_vip");
        }
    }

    @Nested
    class IcmpErrors {
        /** From a router: fragmentation needed, MTU 1000; quotes 10.0.0.100:80 to 10.0.1.1:40000. */
        private static final String NEEDED = "02005e000164 02000000c1fe 0800 4500 0038 0001 0000 40 01 6463 0a0001fe"
                + "0a000064 0304 %s 000003e8 4500 05dc 0001 4000 3f 06 0000 %s 0a000101 0050 9c40 %08x";

        private void receive(String source, int seq, String port) {
            String text = String.format(NEEDED, "0000", source, seq).replace(" ", "");
            String hex = text.replace("00509c40", "0050" + port);
            int sum = 0;
            for (int i = 68; i < hex.length(); i += 4) {
                sum += Integer.parseInt(hex.substring(i, i + 4), 16);
            }
            sum = (sum & 0xffff) + (sum >>> 16);
            String checksum = String.format("%04x", ~((sum & 0xffff) + (sum >>> 16)) & 0xffff);
            receiveHex(hex.substring(0, 72) + checksum + hex.substring(76));
        }

        @Test
        void shouldGoToTheServerOfTheConnectionWhenOneHasIt() {
            c1.connectAndAsk(IMAGE);
            receive("0a000064", 77, "9c40");

            assertThat(lab.happened())
                    .containsExactly(
                            "1:3 IPV4 020000000001" + "02000000c1fe"
                                    + "0800450000380001000040016463" + "0a0001fe0a000064" + "03047ced000003e8"
                                    + "450005dc000140003f060000" + "0a0000640a000101" + "00509c400000004d",
                            "+icmp_errors_forwarded");
        }

        @Test
        void shouldBeDroppedWhenNoServerHasTheConnection() {
            c1.connectAndAsk(IMAGE);
            receive("0a000064", 77, "9c41");
            receive("0a000065", 77, "9c40");
            receiveHex(String.format(NEEDED, "1234", "0a000064", 77));

            assertThat(lab.happened()).containsExactly("+dropped_icmp_error=3");
        }
    }

    @Nested
    class ClosedPort {
        private final LabClient c1 = lab.client(2);

        ClosedPort() {
            c1.servicePort = 443;
        }

        @Test
        void shouldResetWithAnAckWhenASynArrives() {
            c1.syn().send();

            assertThat(lab.happened()).containsExactly("c2 RA seq=w+0 ack=c+1 win=0", "+closed_port_resets");
        }

        @Test
        void shouldResetAtTheAcknowledgedNumberWhenASegmentArrives() {
            c1.data(1, IMAGE).ack(7).send();

            assertThat(lab.happened()).containsExactly("c2 R seq=w+7 win=0", "+closed_port_resets");
        }

        @Test
        void shouldNotAnswerWhenAResetArrives() {
            c1.packet("R").send();

            assertThat(lab.happened()).containsExactly("+dropped_reset");
        }

        @Test
        void shouldNotAnswerWhenTheSourceIsATag() {
            c1.syn().ethSource(LabPacket.tag(MigrationTag.FRESH)).send();

            assertThat(lab.happened()).containsExactly("+dropped_forged_tag");
        }
    }

    @Nested
    class Tags {
        @Test
        void shouldDropAndCountWhenAClientForgesAnyTag() {
            c1.connect();
            for (int kind = 0; kind < 8; kind++) {
                c1.data(1, IMAGE).ethSource(LabPacket.tag(kind)).send();
                c1.packet("RA").ethSource(LabPacket.tag(kind)).send();
                c1.syn().ethSource(LabPacket.tag(kind)).send();
            }

            assertThat(lab.happened()).containsExactly("+dropped_forged_tag=24");
            assertThat(lab.value("connections")).isZero();
        }

        @Test
        void shouldDropAndCountWhenAFilterSendsATagThatFiltersDoNotSend() {
            c1.connectAndAsk(IMAGE);
            for (int kind : new int[] {MigrationTag.FRESH, MigrationTag.SILENCE}) {
                c1.data(50, IMAGE).bouncedBy("s1", kind).send();
            }

            assertThat(lab.happened()).containsExactly("+dropped_forged_tag=2");
        }
    }

    @Nested
    class Unusable {
        @Test
        void shouldDropAndCountWhenItIsAFragment() {
            c1.connect();
            c1.data(1, IMAGE).sendSpoiled(frame -> frame.putShort(20, (short) 0x2000));
            c1.data(1, IMAGE).sendSpoiled(frame -> frame.putShort(20, (short) 0x0001));

            assertThat(lab.happened()).containsExactly("+dropped_fragment=2");
        }

        @Test
        void shouldDropAndCountWhenLengthsContradict() {
            c1.connect();
            c1.data(1, IMAGE).sendSpoiled(frame -> frame.putShort(16, (short) 2000));
            c1.data(1, IMAGE).sendSpoiled(frame -> frame.put(46, (byte) 0x40));
            receiveHex("00");

            assertThat(lab.happened()).containsExactly("+dropped_malformed=3");
        }

        @Test
        void shouldDropAndCountWhenAChecksumIsWrong() {
            c1.connect();
            c1.data(1, IMAGE).sendSpoiled(frame -> frame.put(60, (byte) (frame.get(60) ^ 1)));
            c1.data(1, IMAGE).sendSpoiled(frame -> frame.put(22, (byte) 3));

            assertThat(lab.happened()).containsExactly("+dropped_bad_checksum=2");
        }

        @Test
        void shouldDropAndCountWhenItIsNotIp() {
            receiveHex("02005e000164 02000000c101 88cc 6000");

            assertThat(lab.happened()).containsExactly("+dropped_not_for_vip");
        }

        @Test
        void shouldDropAndCountWhenItIsForAnotherAddress() {
            c1.syn().to(0x0a00_0001).send();

            assertThat(lab.happened()).containsExactly("+dropped_not_for_vip");
        }

        @Test
        void shouldCountAloneWhenAResponseByteArrives() {
            c1.packet("PA")
                    .fromVip()
                    .payload("HTTP/1.1 200 OK\r\n")
                    .bouncedBy("s1")
                    .send();
            c1.packet("A").fromVip().bouncedBy("s1").send();

            assertThat(lab.happened()).containsExactly("+dropped_not_for_vip", "+response_segments_seen");
        }

        @Test
        void shouldDropAndCountWhenNotConfigured() {
            WebSwitch bare = new WebSwitch(new SynCookie(SwitchLab.KEY), lab);
            bare.onPacketIn(1, 1, ByteBuffer.allocate(60), 0, 60, lab.nowNs);
            bare.onTick(lab.nowNs);

            assertThat(bare.onFilterReport(
                            new FilterReport("s1", "b", true, NONE, NOBODY, NONE, NONE, NONE, NOBODY, new int[0]),
                            lab.nowNs))
                    .isFalse();
            assertThat(lab.happened()).isEmpty();
            assertThat(countOf(bare, "dropped_not_configured")).isEqualTo(1);
        }

        private long countOf(WebSwitch of, String name) {
            long[] found = new long[1];
            of.counters((counter, value) -> found[0] = counter.equals(name) ? value : found[0]);
            return found[0];
        }
    }
}
