package org.dwsr.switching;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import org.dwsr.config.ConfigTrees;
import org.dwsr.http.ErrorResponse;
import org.dwsr.packet.CollidingAddresses;
import org.dwsr.packet.IpAddress;
import org.dwsr.packet.Ipv6Frame;
import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** The web switch over IPv6: nothing but addresses and segment sizes differs, and addresses are never mixed up. */
class WebSwitchIpv6Test {
    private static final String IMAGE = "GET /img/a HTTP/1.1\r\nHost: a\r\n\r\n";
    private static final String PAGE = "GET /a.php HTTP/1.1\r\nHost: a\r\n\r\n";
    private static final int END = 1 + IMAGE.length();

    private final SwitchLab lab = new SwitchLab(dualStack());
    private final LabClient c1 = lab.client(1, IpAddress.parse("fd00::1:1"));

    private static Map<String, Object> dualStack() {
        Map<String, Object> tree = ConfigTrees.example();
        tree.put("vip6", "fd00::100");
        return tree;
    }

    private void receive(Ipv6Frame frame) {
        lab.receive(SwitchLab.DATAPATH, 1, frame.write(), frame.length());
    }

    @Nested
    class Connections {
        @Test
        void shouldAnswerASynWithWhatFitsAnIpv6Segment() {
            c1.syn().send();

            assertThat(lab.happened())
                    .containsExactly("c1 SA seq=w+0 ack=c+1 win=16384 mss=1440 sack ws=7", "+syns_answered");
        }

        @Test
        void shouldMigrateAndMoveAsOverIpv4() {
            c1.connect();
            c1.data(1, IMAGE).send();
            assertThat(lab.happened())
                    .containsExactly(
                            "flow c1>s1",
                            "s1 fresh/018 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(IMAGE),
                            "+flows_installed",
                            "+requests_migrated");

            c1.data(END, PAGE).ack(101).bouncedBy("s1", MigrationTag.MOVED).send();
            assertThat(lab.happened())
                    .containsExactly(
                            "flow c1>s3",
                            "s1 silence/000 RA seq=c+" + END + " ack=w+101 win=0",
                            "s3 moved/020 PA seq=c+" + END + " ack=w+101 win=502 " + SwitchLab.quote(PAGE),
                            "+flows_installed",
                            "+requests_moved",
                            "+silences_sent");
        }

        @Test
        void shouldMigrateNothingWhoseCookieIsAnotherAddresss() {
            LabClient c2 = lab.client(2, IpAddress.parse("fd00::1:2"));
            c1.connect();
            c2.isn = c1.isn;
            c2.wseq = c1.wseq;
            c2.data(1, IMAGE).send();

            assertThat(lab.happened()).containsExactly("+segments_waited");
        }

        @Test
        void shouldNotMistakeAnIpv4HandshakeForAnIpv6One() {
            LabClient c4 = lab.client(4);
            c4.connect();
            c1.isn = c4.isn;
            c1.wseq = c4.wseq;
            c1.data(1, IMAGE).send();

            assertThat(lab.happened()).containsExactly("+segments_waited");
        }

        @Test
        void shouldServeBothFamiliesAtATime() {
            LabClient c4 = lab.client(4);
            c4.connectAndAsk(IMAGE);
            c1.connectAndAsk(IMAGE);

            assertThat(lab.value("connections")).isEqualTo(2);
        }

        @Test
        void shouldSendAGatheredHeadInPiecesThatFit() {
            String head = "GET /img/a HTTP/1.1\r\nHost: a\r\nX-Long: " + "x".repeat(3000) + "\r\n\r\n";
            c1.syn().mss(8940).send();
            c1.packet("A").send();
            lab.happened();
            c1.data(1, head.substring(0, 1400)).send();
            c1.data(1401, head.substring(1400, 2800)).send();
            c1.data(2801, head.substring(2800)).send();

            List<String> sent = lab.decisions();
            // 40 + 20 + 12 + 1428 bytes are an Ethernet frame's 1500.
            assertThat(sent).hasSize(4);
            assertThat(sent.get(2)).startsWith("s1 c1 A seq=c+1429 ");
            assertThat(sent.get(3)).startsWith("s1 c1 PA seq=c+2857 ");
        }

        @Test
        void shouldAnswerMalformedRequestsItself() {
            c1.connect();
            c1.data(1, "nonsense\r\n\r\n").send();

            assertThat(lab.decisions()).containsExactly(SwitchLab.answer(c1, ErrorResponse.BAD_REQUEST, 13));
        }

        @Test
        void shouldResetAClosedPort() {
            c1.servicePort = 81;
            c1.packet("S").seq(0).send();

            assertThat(lab.happened()).containsExactly("c1 RA seq=w+0 ack=c+1 win=0", "+closed_port_resets");
        }

        @Test
        void shouldInstallAReturnFlowOfItsOwnFamily() {
            LabClient c4 = lab.client(1 + 3);
            c1.connectAndAsk(IMAGE);
            c4.connectAndAsk(IMAGE);
            assertThat(lab.returns()).containsExactly("return6 c1>1", "return c4>1");

            lab.webSwitch.onReturnRemoved(SwitchLab.DATAPATH, c1.mac, false);
            c1.data(END, "x").send();
            assertThat(lab.returns()).isEmpty();
            lab.webSwitch.onReturnRemoved(SwitchLab.DATAPATH, c1.mac, true);
            c1.data(END, "x").send();
            assertThat(lab.returns()).containsExactly("return6 c1>1");
        }

        @Test
        void shouldTakeAwayAReturnFlowOfTheRightFamilyWhenTheClientMoves() {
            lab.webSwitch.onReturnRead(2, c1.mac, true, 7);
            lab.webSwitch.onReturnRead(2, c1.mac, false, 7);
            c1.connectAndAsk(IMAGE);

            assertThat(lab.returns()).containsExactly("return6 c1>1", "unreturn6 c1@2");
        }

        @Test
        void shouldRestoreFromAReport() {
            SwitchLab restarted = new SwitchLab(dualStack());
            LabClient known = restarted.client(1, IpAddress.parse("fd00::1:1"));
            restarted
                    .report("s1")
                    .boot("boot-2")
                    .full()
                    .live(known, LabPacket.tag(MigrationTag.FRESH))
                    .send();
            assertThat(restarted.happened()).containsExactly("+connections_restored");
            known.data(7, "more").send();
            assertThat(restarted.decisions()).containsExactly("flow c1>s1", "s1 c1 PA seq=c+7 ack=w+1 win=502 'more'");
            restarted.report("s1").boot("boot-2").ended(known, 0).send();
            assertThat(restarted.happened()).containsExactly("unflow c1", "+connections_ended", "+flows_removed");
        }

        @Test
        void shouldRestoreFromAFlow() {
            SwitchLab restarted = SwitchLab.unsynced();
            restarted.configure(dualStack());
            LabClient known = restarted.client(1, IpAddress.parse("fd00::1:1"));
            restarted.webSwitch.onFlowRead(
                    SwitchLab.DATAPATH,
                    known.key(),
                    known.ip,
                    restarted.server("s1").mac(),
                    restarted.nowNs);
            known.data(7, "more").send();
            assertThat(restarted.decisions()).containsExactly("s1 c1 PA seq=c+7 ack=w+1 win=502 'more'");
        }

        @Test
        void shouldSendNothingToAnAddressWhenTheVipIsGone() {
            c1.connectAndAsk(IMAGE);
            lab.configure(ConfigTrees.example());
            lab.passWithoutReports(100);
            c1.data(END, PAGE).send();

            assertThat(lab.happened()).containsExactly("+dropped_not_for_vip");
        }

        @Test
        void shouldHashTheAddressForASchedule() {
            Map<String, Object> tree = dualStack();
            ConfigTrees.objectAt(tree, "pools", 0).put("schedule", "sourceHash");
            for (int run = 0; run < 2; run++) {
                SwitchLab one = new SwitchLab(tree);
                int toFirst = 0;
                for (int i = 0; i < 40; i++) {
                    LabClient client = one.client(i, IpAddress.of(0xfd00_0000_0000_0000L, 0x1_0000 + i));
                    client.connect();
                    client.data(1, IMAGE).send();
                    toFirst += one.decisions().contains("flow c" + i + ">s1") ? 1 : 0;
                }
                // The same in every process, whatever key its aliases have.
                assertThat(toFirst).isEqualTo(TO_FIRST);
            }
        }

        private static final int TO_FIRST = 21;
    }

    @Nested
    class Collisions {
        private final CollidingAddresses two = new CollidingAddresses();
        private final LabClient a = lab.client(7, two.first);
        private final LabClient b = lab.client(8, two.second);

        @Test
        void shouldDropWhatComesFromAnotherAddressThanTheEntrys() {
            assertThat(a.key()).isEqualTo(b.key());
            a.connectAndAsk(IMAGE);
            b.syn().send();
            b.data(1, IMAGE).send();
            b.packet("R").seq(END).send();
            b.data(END, PAGE).bouncedBy("s1", MigrationTag.MOVED).send();

            assertThat(lab.happened()).containsExactly("+dropped_alias_collision=4");
        }

        @Test
        void shouldServeTheOtherOnceTheFirstHasEnded() {
            a.connectAndAsk(IMAGE);
            lab.report("s1").ended(a, 1).send();
            lab.happened();
            b.connectAndAsk(IMAGE);

            assertThat(lab.value("connections")).isEqualTo(1);
            b.data(END, "x").send();
            assertThat(lab.decisions()).containsExactly("s2 c8 PA seq=c+" + END + " ack=w+1 win=502 'x'");
        }

        @Test
        void shouldKeepApartWhatWaits() {
            a.connect();
            b.data(END, "of b").send();
            a.data(1, IMAGE).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "flow c7>s1",
                            "s1 fresh/018 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(IMAGE),
                            "+dropped_alias_collision",
                            "+flows_installed",
                            "+requests_migrated",
                            "+segments_waited");
        }

        @Test
        void shouldNotEndAnotherAddresssConnectionByAReport() {
            a.connectAndAsk(IMAGE);
            lab.report("s1").ended(b, (int) (1L + a.isn - b.isn)).send();
            assertThat(lab.happened()).isEmpty();

            lab.nowNs += 3_000 * SwitchLab.MS;
            lab.report("s1").full().live(b, LabPacket.tag(MigrationTag.FRESH)).send();
            assertThat(lab.counters()).contains("+dropped_alias_collision", "+connections_lost");
        }

        @Test
        void shouldTakeAwayAnotherAddresssFlow() {
            a.connectAndAsk(IMAGE);
            lab.webSwitch.onFlowRead(
                    SwitchLab.DATAPATH, b.key(), b.ip, lab.server("s1").mac(), lab.nowNs);

            assertThat(lab.happened()).containsExactly("unflow c8", "+dropped_alias_collision", "+flows_removed");
        }
    }

    @Nested
    class OwnAddress {
        private final IpAddress asker = IpAddress.parse("fd00::1:1");
        private final IpAddress group = IpAddress.parse("ff02::1:ff00:100");

        private int[] solicitation(int lastOctet) {
            int[] octets = new int[24];
            octets[0] = 135;
            octets[8] = 0xfd;
            octets[22] = 1;
            octets[23] = lastOctet;
            return octets;
        }

        private Ipv6Frame asked(int lastOctet) {
            return new Ipv6Frame()
                    .ethDestination(0x3333_ff00_0100L)
                    .from(asker)
                    .to(group)
                    .hopLimit(255)
                    .message(58, 2, solicitation(lastOctet));
        }

        @Test
        void shouldAnswerASolicitationWithTheVmac() {
            receive(asked(0));

            assertThat(lab.happened())
                    .containsExactly(
                            "1:1 IPV6 020000000011" + "02005e000164" + "86dd" + "60000000" + "00203aff"
                                    + "fd000000000000000000000000000100" + "fd000000000000000000000000010001"
                                    + "8800bb3a" + "60000000" + "fd000000000000000000000000000100"
                                    + "020102005e000164",
                            "+neighbour_advertisements");
        }

        @Test
        void shouldStaySilentWhenAnotherAddressIsAskedForOrTheQuestionIsNotValid() {
            receive(asked(1));
            receive(asked(0).hopLimit(64));

            assertThat(lab.happened()).containsExactly("+dropped_not_for_vip=2");
        }

        @Test
        void shouldStaySilentWhenThereIsNoIpv6Vip() {
            lab.configure(ConfigTrees.example());
            receive(asked(0));
            receive(new Ipv6Frame().message(58, 2, 128, 0, 0, 0, 0, 0, 0, 0));
            // Nor is the unspecified address ours then.
            int[] unspecified = new int[24];
            unspecified[0] = 135;
            receive(new Ipv6Frame().from(asker).to(group).hopLimit(255).message(58, 2, unspecified));

            assertThat(lab.happened()).containsExactly("+dropped_not_for_vip=3");
        }

        @Test
        void shouldAnswerAPing() {
            receive(new Ipv6Frame().message(58, 2, 128, 0, 0, 0, 0x12, 0x34, 0, 1, 0x68));

            Ipv6Frame reply = new Ipv6Frame()
                    .ethDestination(0x0200_0000_0011L)
                    .ethSource(SwitchLab.VMAC)
                    .from(Ipv6Frame.VIP)
                    .to(Ipv6Frame.CLIENT)
                    .message(58, 2, 129, 0, 0, 0, 0x12, 0x34, 0, 1, 0x68);
            StringBuilder hex = new StringBuilder();
            for (byte b : reply.write().array()) {
                hex.append(String.format("%02x", b));
            }
            assertThat(lab.happened()).containsExactly("1:1 IPV6 " + hex, "+echo_replies");
        }

        /** From a router: too big for 1300 bytes; quotes a segment of an address's port 80 to another's 40000. */
        private Ipv6Frame tooBig(IpAddress source, IpAddress destination) {
            ByteBuffer text = ByteBuffer.allocate(8 + 40 + 8);
            text.putInt(0x0200_0000).putInt(1300);
            text.putInt(0x6000_0000).putInt(0x05b4_063f);
            text.putLong(source.high()).putLong(source.low());
            text.putLong(destination.high()).putLong(destination.low());
            text.putShort((short) 80).putShort((short) 40_000).putInt(77);
            int[] octets = new int[text.capacity()];
            for (int i = 0; i < octets.length; i++) {
                octets[i] = text.get(i) & 0xff;
            }
            return new Ipv6Frame()
                    .from(IpAddress.parse("fd00::fe"))
                    .ethDestination(SwitchLab.VMAC)
                    .message(58, 2, octets);
        }

        @Test
        void shouldSendAPathMtuMessageToTheServerOfTheConnection() {
            c1.connectAndAsk(IMAGE);
            lab.happened();
            Ipv6Frame message = tooBig(Ipv6Frame.VIP, IpAddress.parse("fd00::1:1"));
            receive(message);

            StringBuilder hex = new StringBuilder();
            for (byte b : message.ethDestination(0x0200_0000_0001L).write().array()) {
                hex.append(String.format("%02x", b));
            }
            assertThat(lab.happened()).containsExactly("1:3 IPV6 " + hex, "+icmp_errors_forwarded");
        }

        @Test
        void shouldDropAPathMtuMessageWhenNoServerHasTheConnection() {
            c1.connectAndAsk(IMAGE);
            lab.happened();
            receive(tooBig(Ipv6Frame.VIP, IpAddress.parse("fd00::1:2")));
            receive(tooBig(IpAddress.parse("fd00::101"), IpAddress.parse("fd00::1:1")));
            ByteBuffer spoiled =
                    tooBig(Ipv6Frame.VIP, IpAddress.parse("fd00::1:1")).write();
            spoiled.put(spoiled.capacity() - 1, (byte) 78);
            lab.receive(SwitchLab.DATAPATH, 1, spoiled, spoiled.capacity());

            assertThat(lab.happened()).containsExactly("+dropped_icmp_error=3");
        }

        @Test
        void shouldCountWhatItDrops() {
            receive(new Ipv6Frame().message(58, 2, 2, 0, 0, 0, 0, 0, 5, 0));
            receive(new Ipv6Frame().message(17, 6, 0, 80, 0, 80, 0, 8, 0, 0));
            receive(new Ipv6Frame().to(IpAddress.parse("fd00::2")).message(58, 2, 128, 0, 0, 0, 0, 0, 0, 0));
            receive(new Ipv6Frame().to(IpAddress.parse("fd00::2")).message(58, 2, 2, 0, 0, 0, 0, 0, 5, 0));
            receive(new Ipv6Frame().tcp(4, 80, 0, 0, 2, 0).extension(43, 8));
            receive(new Ipv6Frame().tcp(4, 80, 0, 0, 2, 0).extension(44, 8));
            receive(new Ipv6Frame().from(IpAddress.parse("ff02::1")).tcp(4, 80, 0, 0, 2, 0));
            ByteBuffer spoiled = new Ipv6Frame().tcp(4, 80, 0, 0, 2, 0).write();
            spoiled.put(73, (byte) 1);
            lab.receive(SwitchLab.DATAPATH, 1, spoiled, spoiled.capacity());

            assertThat(lab.happened())
                    .containsExactly(
                            "+dropped_bad_checksum",
                            "+dropped_fragment",
                            "+dropped_ipv6_headers",
                            "+dropped_not_for_vip=4",
                            "+dropped_reserved_source");
        }

        @Test
        void shouldDropIpv4FromTheRangeOfAliases() {
            LabClient reserved = lab.client(9, IpAddress.ofIpv4(0xf000_0001));
            reserved.syn().send();

            assertThat(lab.happened()).containsExactly("+dropped_reserved_source");
        }

        @Test
        void shouldAnswerTheHandshakeBehindOptions() {
            receive(new Ipv6Frame()
                    .ethSource(c1.mac)
                    .from(asker)
                    .tcp(40_000, 80, c1.isn, 0, 2, 0)
                    .extension(60, 8));

            assertThat(lab.happened()).containsExactly("c1 SA seq=w+0 ack=c+1 win=16384 mss=1440", "+syns_answered");
        }
    }
}
