package org.dwsr.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.filter.FilterFixture.ELSEWHERE;
import static org.dwsr.filter.FilterFixture.GET;
import static org.dwsr.filter.FilterFixture.OK;
import static org.dwsr.filter.FilterFixture.next;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.dwsr.packet.AddressAlias;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.TcpFlags;
import org.junit.jupiter.api.Test;

/**
 * The filter over IPv6: the same decisions, in frames of that family. {@link PacketCodec} checks addresses, lengths and
 * checksums of every frame that leaves.
 */
class FilterCoreIpv6Test {
    private final FilterFixture f = FilterFixture.overIpv6();

    @Test
    void shouldRebuildAndMasquerade() {
        List<Packet> syns = f.rebuilding(GET);
        assertThat(syns).containsExactly(Packet.synToKernel(f.c(0)), Packet.synToKernel(f.c(0)));
        assertThat(f.in(Packet.synAck(f.r(0), f.c(1))))
                .containsExactly(
                        Packet.toKernel(f.c(1), f.r(1), TcpFlags.ACK, ""),
                        Packet.toKernel(f.c(1), f.r(1), TcpFlags.ACK | TcpFlags.PSH, GET));
        Packet response = Packet.kernel(f.r(1), f.c(next(GET)), OK);
        assertThat(f.in(response)).containsExactly(response.forwarded(f.w(1), f.c(next(GET))));
        Packet ack = Packet.client(f.c(next(GET)), f.w(next(OK)), "");
        assertThat(f.in(ack)).containsExactly(ack.forwarded(f.c(next(GET)), f.r(next(OK))));
    }

    @Test
    void shouldKeepPartialChecksumsAndSackBlocksRight() {
        f.active(GET);
        Packet response = Packet.kernel(f.r(1), f.c(next(GET)), OK);
        assertThat(f.inPartial(response)).containsExactly(response.forwarded(f.w(1), f.c(next(GET))));
        String block = PacketCodec.sackBlock(f.w(5), f.w(9));
        String translated = PacketCodec.sackBlock(f.r(5), f.r(9));
        Packet sack = Packet.client(f.c(next(GET)), f.w(1), "").options("sack=" + block);
        assertThat(f.in(sack))
                .containsExactly(sack.forwarded(f.c(next(GET)), f.r(1)).options("sack=" + translated));
    }

    @Test
    void shouldRenameCookies() {
        f.active(GET);
        String named = "HTTP/1.1 200 OK\r\nSet-Cookie: PHPSESSID=1\r\nContent-Length: 0\r\n\r\n";
        Packet response = Packet.kernel(f.r(1), f.c(next(GET)), named);
        assertThat(f.in(response))
                .containsExactly(
                        response.forwarded(f.w(1), f.c(next(GET))).payload(named.replace("PHPSESSID", "DR0189C1D")));
    }

    @Test
    void shouldBounceBeSilentAndSwitchBack() {
        f.answered();
        Packet elsewhere = Packet.client(f.c(next(GET)), f.w(next(OK)), ELSEWHERE);
        List<Packet> left = f.in(elsewhere);
        assertThat(left)
                .containsExactly(
                        Packet.toKernel(f.c(next(GET)), f.r(next(OK)), TcpFlags.ACK, ""), elsewhere.bouncedTagged());
        assertThat(f.in(Packet.silence(f.c(next(GET)), f.w(next(OK))))).isEmpty();
        assertThat(f.report()).isEmpty();
        int seq = f.c(next(GET, ELSEWHERE));
        int ack = f.w(next(OK) + 5000);
        Packet back = Packet.tagged(MigrationTag.MOVED, seq, ack, GET);
        assertThat(f.in(back)).containsExactly(back.from(Packet.VMAC).forwarded(f.c(next(GET)), f.r(next(OK))));
    }

    @Test
    void shouldWriteSegmentsThatFitAnEthernetFrame() {
        String head = "GET /img/a HTTP/1.1\r\nHost: h\r\nX-Long: " + "x".repeat(2000) + "\r\n\r\n";
        long jumbo = MigrationTag.with(MigrationTag.of(7, 7, 7, true), Packet.IMAGES, MigrationTag.FRESH);
        f.in(Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), head).from(jumbo));
        List<Packet> left = f.in(Packet.synAck(f.r(0), f.c(1)));
        assertThat(left)
                .containsExactly(
                        Packet.toKernel(f.c(1), f.r(1), TcpFlags.ACK, ""),
                        Packet.toKernel(f.c(1), f.r(1), TcpFlags.ACK, head.substring(0, 1428)),
                        Packet.toKernel(f.c(1429), f.r(1), TcpFlags.ACK | TcpFlags.PSH, head.substring(1428)));
    }

    @Test
    void shouldResetAStrayServer() {
        assertThat(f.in(Packet.kernel(f.r(1), f.c(1), OK)))
                .containsExactly(Packet.toKernel(f.c(1), 0, TcpFlags.RST, "").window(0));
    }

    @Test
    void shouldBounceWhatIsUnknown() {
        Packet syn = Packet.syn(f.c(0));
        assertThat(f.in(syn)).containsExactly(syn.bounced());
        Packet unknown = Packet.client(f.c(1), f.w(1), GET);
        assertThat(f.in(unknown)).isEmpty();
        assertThat(f.after(6)).containsExactly(unknown.bouncedLate());
    }

    private static byte[] frame() {
        return PacketCodec.encode(Packet.client(1, 1, GET), true, false, true);
    }

    /** A frame with eight bytes of an extension header before its TCP. */
    private static byte[] extended(int type) {
        byte[] plain = frame();
        ByteBuffer longer = ByteBuffer.allocate(plain.length + 8);
        longer.put(plain, 0, 54).put((byte) 6).put(new byte[7]).put(plain, 54, plain.length - 54);
        longer.putShort(18, (short) (longer.getShort(18) + 8)).put(20, (byte) type);
        return longer.array();
    }

    @Test
    void shouldLetNothingUnreadReachTheServersTcp() {
        assertThat(f.network(extended(44))).isEqualTo(PacketCore.DROP);
        assertThat(f.count(FilterCounter.DROPPED_FRAGMENT)).isEqualTo(1);
        assertThat(f.network(extended(43))).isEqualTo(PacketCore.DROP);
        byte[] mapped = frame();
        Arrays.fill(mapped, 22, 32, (byte) 0);
        mapped[32] = -1;
        mapped[33] = -1;
        assertThat(f.network(mapped)).isEqualTo(PacketCore.DROP);
        assertThat(f.count(FilterCounter.DROPPED_IPV6_HEADERS)).isEqualTo(2);
        byte[] group = frame();
        group[22] = -1;
        assertThat(f.network(group)).isEqualTo(PacketCore.DROP);
        byte[] reserved = PacketCodec.encode(Packet.client(1, 1, GET), true, false, false);
        reserved[26] = (byte) 0xf1;
        assertThat(f.network(reserved)).isEqualTo(PacketCore.DROP);
        assertThat(f.count(FilterCounter.DROPPED_RESERVED_SOURCE)).isEqualTo(2);
    }

    @Test
    void shouldPassWhatIsNotForTheVipOrNotTcpUntouched() {
        byte[] other = extended(43);
        other[53] ^= 1;
        byte[] before = other.clone();
        assertThat(f.network(other)).isEqualTo(PacketCore.FORWARD);
        assertThat(other).isEqualTo(before);
        byte[] neighbour = frame();
        neighbour[20] = 58;
        assertThat(f.network(neighbour)).isEqualTo(PacketCore.FORWARD);
    }

    @Test
    void shouldPassFramesOfAVlanUntouchedInBothDirections() {
        f.answered();
        for (int type : new int[] {0x8100, 0x88a8}) {
            for (boolean ipv6 : new boolean[] {false, true}) {
                byte[] plain = PacketCodec.encode(Packet.client(f.c(1), f.w(1), ELSEWHERE), true, false, ipv6);
                ByteBuffer tagged = ByteBuffer.allocate(plain.length + 4);
                tagged.put(plain, 0, 12)
                        .putShort((short) type)
                        .putShort((short) 7)
                        .put(plain, 12, plain.length - 12);
                byte[] bytes = tagged.array();
                byte[] before = bytes.clone();
                assertThat(f.network(bytes)).isEqualTo(PacketCore.FORWARD);
                assertThat(f.core.onHostFrame(ByteBuffer.wrap(bytes), 0, bytes.length, false, f.nowNs()))
                        .isEqualTo(PacketCore.FORWARD);
                assertThat(bytes).isEqualTo(before);
            }
        }
        assertThat(f.report()).hasSize(1);
    }

    // ---- two addresses with one key ----------------------------------------------------------------------------

    /** An address of which the process's random key makes the same alias as of another one, and that one. */
    private static long[] colliding() {
        Map<Integer, Long> byAlias = new HashMap<>();
        for (long low = 1L << 32; ; low++) {
            Long other = byAlias.put(AddressAlias.of(PacketCodec.NET6, low), low);
            if (other != null) {
                return new long[] {other, low};
            }
        }
    }

    private static byte[] from(Packet packet, long clientLow) {
        byte[] bytes = PacketCodec.encode(packet, true, false, true);
        ByteBuffer frame = ByteBuffer.wrap(bytes).putLong(30, clientLow).putShort(70, (short) 0);
        int sum = 6 + bytes.length - 54;
        for (int i = 22; i < bytes.length; i += 2) {
            sum += (bytes[i] & 255) * 256 + (i + 1 < bytes.length ? bytes[i + 1] & 255 : 0);
        }
        sum = (sum & 0xffff) + (sum >>> 16);
        frame.putShort(70, (short) ~((sum & 0xffff) + (sum >>> 16)));
        return bytes;
    }

    @Test
    void shouldNeverMixUpTwoClientsOfOneKey() {
        long[] two = colliding();
        // The fixture knows one client, so only the address is looked at of what leaves.
        List<Long> made = new ArrayList<>();
        FilterCore core = new FilterCore("s1", new FilterOutput() {
            @Override
            public void toHost(ByteBuffer frame, int offset, int length) {
                made.add(frame.getLong(30));
            }

            @Override
            public void toNetwork(ByteBuffer frame, int offset, int length) {
                throw new AssertionError("nothing is for the network");
            }
        });
        core.configure(FilterFixture.CONFIG, 0);
        // The other one's segment waits for its tag, and is not given to the first one's request.
        byte[] early = from(Packet.client(1 + GET.length(), 1, "y"), two[1]);
        assertThat(core.onNetworkFrame(ByteBuffer.wrap(early), 0, early.length, false, 0))
                .isEqualTo(PacketCore.DROP);
        byte[] fresh = from(Packet.tagged(MigrationTag.FRESH, 1, 1, GET), two[0]);
        assertThat(core.onNetworkFrame(ByteBuffer.wrap(fresh), 0, fresh.length, false, 0))
                .isEqualTo(PacketCore.DROP);
        assertThat(made).containsExactly(two[0], two[0]);
        assertThat(collisions(core)).isEqualTo(1);
        byte[] other = from(Packet.tagged(MigrationTag.FRESH, 1, 1, GET), two[1]);
        assertThat(core.onNetworkFrame(ByteBuffer.wrap(other), 0, other.length, false, 0))
                .isEqualTo(PacketCore.DROP);
        byte[] syn = from(Packet.syn(0), two[1]);
        assertThat(core.onNetworkFrame(ByteBuffer.wrap(syn), 0, syn.length, false, 0))
                .isEqualTo(PacketCore.DROP);
        assertThat(collisions(core)).isEqualTo(3);
        // What the server says to the other one is not taken for the answer to the first one's handshake.
        byte[] stray = PacketCodec.encode(Packet.synAck(900, 1), false, false, true);
        ByteBuffer.wrap(stray).putLong(46, two[1]);
        assertThat(core.onHostFrame(ByteBuffer.wrap(stray), 0, stray.length, false, 0))
                .isEqualTo(PacketCore.DROP);
        assertThat(made).containsExactly(two[0], two[0], two[1]);
        byte[] answer = PacketCodec.encode(Packet.synAck(900, 1), false, false, true);
        ByteBuffer.wrap(answer).putLong(46, two[0]);
        core.onHostFrame(ByteBuffer.wrap(answer), 0, answer.length, false, 0);
        assertThat(made).containsExactly(two[0], two[0], two[1], two[0], two[0]);
    }

    private static long collisions(FilterCore core) {
        long[] found = new long[1];
        core.counters((name, value) -> found[0] = name.equals("dropped_alias_collision") ? value : found[0]);
        return found[0];
    }

    @Test
    void shouldReportTheWholeAddress() {
        f.answered();
        String[] told = new String[2];
        PacketCore.ReportSink sink = new PacketCore.ReportSink() {
            @Override
            public void live(long connectionKey, long clientHigh, long clientLow, long tagMac, long clientMac) {
                told[0] = Long.toHexString(clientHigh) + " " + Long.toHexString(clientLow);
            }

            @Override
            public void ended(long connectionKey, long clientHigh, long clientLow, int seq) {
                told[1] = Long.toHexString(clientHigh) + " " + Long.toHexString(clientLow);
            }
        };
        f.core.report(sink, true);
        f.in(Packet.client(f.c(next(GET)), 0, "").rst());
        f.core.report(sink, false);
        assertThat(told).containsExactly("fd00000000000000 10001", "fd00000000000000 10001");
    }
}
