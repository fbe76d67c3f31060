package org.dwsr.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.filter.FilterFixture.GET;
import static org.dwsr.filter.FilterFixture.next;

import java.nio.ByteBuffer;
import org.dwsr.packet.Checksum;
import org.dwsr.packet.FrameFlyweight;
import org.dwsr.packet.Mac;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** ICMP errors about segments of the server's: path MTU discovery through the masquerade (RFC 1191, RFC 8201, RFC 5927). */
class FilterCoreIcmpTest {
    private static final String HEAD = "HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n";
    private static final int ICMP = 34;
    private static final int SEQ = ICMP + 28 + 4;

    private final FilterFixture f = new FilterFixture();
    private final int c2 = f.c(next(GET));

    /** Fragmentation needed about a segment with these numbers; the first eight bytes and the ack are quoted. */
    private static ByteBuffer needsFragmentation(int seq, int ack) {
        ByteBuffer buf = ByteBuffer.allocate(34 + 28 + 12);
        Mac.put(buf, 0, Packet.SERVER);
        Mac.put(buf, 6, 0x0200_0000_00feL);
        buf.position(12);
        buf.putShort((short) 0x0800)
                .putShort((short) 0x4500)
                .putShort((short) 60)
                .putInt(0);
        buf.put((byte) 64).put((byte) 1).putShort((short) 0).putInt(0x0a0000fe).putInt(PacketCodec.VIP);
        buf.putInt(0x0304_0000).putInt(1000);
        buf.putShort((short) 0x4500)
                .putShort((short) 1500)
                .putInt(0x4000)
                .put((byte) 63)
                .put((byte) 6);
        buf.putShort((short) 0).putInt(PacketCodec.VIP).putInt(PacketCodec.CLIENT_ADDRESS);
        buf.putShort((short) PacketCodec.SERVICE_PORT).putShort((short) PacketCodec.CLIENT_PORT);
        buf.putInt(seq).putInt(ack);
        buf.putShort(ICMP + 2, (short) Checksum.of(buf, ICMP, 40, 0));
        return buf;
    }

    private int in(ByteBuffer message) {
        return f.core.onNetworkFrame(message, 0, message.capacity(), false, f.nowNs());
    }

    private void downloading() {
        f.active(GET);
        f.in(Packet.kernel(f.r(1), c2, HEAD + "x".repeat(3_000)));
        f.in(Packet.client(c2, f.w(next(HEAD)), ""));
    }

    @Test
    void shouldReachTheServerInItsOwnNumbersWhenTheSegmentIsOnItsWay() {
        downloading();
        for (int at : new int[] {next(HEAD), next(HEAD) + 2_999}) {
            ByteBuffer message = needsFragmentation(f.w(at), c2);

            assertThat(in(message)).isEqualTo(PacketCore.FORWARD);
            assertThat(message.getInt(SEQ)).isEqualTo(f.r(at));
            assertThat(message.getInt(SEQ + 4)).isEqualTo(c2);
            assertThat(Checksum.fold(Checksum.sum(message, ICMP, 40, 0))).isEqualTo(0xffff);
        }
        assertThat(f.count(FilterCounter.ICMP_ERRORS_PASSED)).isEqualTo(2);
    }

    @Test
    void shouldDropWhenTheSegmentIsAcknowledgedOrWasNeverSent() {
        downloading();
        assertThat(in(needsFragmentation(f.w(next(HEAD) - 1), c2))).isEqualTo(PacketCore.DROP);
        assertThat(in(needsFragmentation(f.w(next(HEAD) + 3_000), c2))).isEqualTo(PacketCore.DROP);
        assertThat(in(needsFragmentation(f.r(next(HEAD)), c2))).isEqualTo(PacketCore.DROP);
        assertThat(f.count(FilterCounter.DROPPED_ICMP_ERROR)).isEqualTo(3);
    }

    @Test
    void shouldDropWhenTheConnectionIsUnknownOrSilent() {
        assertThat(in(needsFragmentation(f.w(1), c2))).isEqualTo(PacketCore.DROP);
        f.silent();
        assertThat(in(needsFragmentation(f.w(1), c2))).isEqualTo(PacketCore.DROP);
        assertThat(f.count(FilterCounter.DROPPED_ICMP_ERROR)).isEqualTo(2);
    }

    @Test
    void shouldLetPassWhatIsAboutOtherTraffic() {
        ByteBuffer message = needsFragmentation(f.w(1), c2);
        message.putInt(ICMP + 8 + 12, 0x0a00_0002);
        assertThat(in(message)).isEqualTo(PacketCore.FORWARD);
        ByteBuffer port = needsFragmentation(f.w(1), c2);
        port.putShort(ICMP + 28, (short) 22);
        assertThat(in(port)).isEqualTo(PacketCore.FORWARD);
    }

    /** Packet too big, RFC 4443 section 3.2. */
    @Nested
    class OverIpv6 {
        private static final int ICMP_AT = 54;
        private static final int SEQ_AT = ICMP_AT + 8 + 40 + 4;
        private static final int LENGTH = 8 + 40 + 12;
        private final FilterFixture six = FilterFixture.overIpv6();
        private final int client = six.c(next(GET));

        private ByteBuffer tooBig(long to, int seq, int ack) {
            ByteBuffer buf = ByteBuffer.allocate(ICMP_AT + LENGTH);
            Mac.put(buf, 0, Packet.SERVER);
            Mac.put(buf, 6, 0x0200_0000_00feL);
            buf.position(12);
            buf.putShort((short) 0x86dd).putInt(0x6000_0000).putShort((short) LENGTH);
            buf.put((byte) 58).put((byte) 64);
            buf.putLong(PacketCodec.NET6).putLong(0xfe);
            buf.putLong(PacketCodec.NET6).putLong(PacketCodec.VIP6);
            buf.putInt(0x0200_0000).putInt(1300);
            buf.putInt(0x6000_0000).putInt(0x05b4_063f);
            buf.putLong(PacketCodec.NET6).putLong(PacketCodec.VIP6);
            buf.putLong(PacketCodec.NET6).putLong(to);
            buf.putShort((short) PacketCodec.SERVICE_PORT).putShort((short) PacketCodec.CLIENT_PORT);
            buf.putInt(seq).putInt(ack);
            buf.putShort(ICMP_AT + 2, (short) Checksum.of(buf, ICMP_AT, LENGTH, pseudoHeader()));
            return buf;
        }

        private long pseudoHeader() {
            return Checksum.pseudoHeader(
                    PacketCodec.NET6, 0xfe, PacketCodec.NET6, PacketCodec.VIP6, FrameFlyweight.ICMPV6_PROTOCOL, LENGTH);
        }

        private int arrives(ByteBuffer message) {
            return six.core.onNetworkFrame(message, 0, message.capacity(), false, six.nowNs());
        }

        private void downloading() {
            six.active(GET);
            six.in(Packet.kernel(six.r(1), client, HEAD + "x".repeat(3_000)));
            six.in(Packet.client(client, six.w(next(HEAD)), ""));
        }

        @Test
        void shouldReachTheServerInItsOwnNumbersWhenTheSegmentIsOnItsWay() {
            downloading();
            ByteBuffer message = tooBig(PacketCodec.CLIENT6, six.w(next(HEAD)), client);

            assertThat(arrives(message)).isEqualTo(PacketCore.FORWARD);
            assertThat(message.getInt(SEQ_AT)).isEqualTo(six.r(next(HEAD)));
            assertThat(message.getInt(SEQ_AT + 4)).isEqualTo(client);
            assertThat(Checksum.fold(Checksum.sum(message, ICMP_AT, LENGTH, pseudoHeader())))
                    .isEqualTo(0xffff);
            assertThat(six.count(FilterCounter.ICMP_ERRORS_PASSED)).isOne();
        }

        @Test
        void shouldDropWhenTheSegmentIsNotOnItsWayOrAnothers() {
            downloading();
            assertThat(arrives(tooBig(PacketCodec.CLIENT6, six.w(next(HEAD) - 1), client)))
                    .isEqualTo(PacketCore.DROP);
            assertThat(arrives(tooBig(PacketCodec.CLIENT6, six.r(next(HEAD)), client)))
                    .isEqualTo(PacketCore.DROP);
            assertThat(arrives(tooBig(PacketCodec.CLIENT6 + 1, six.w(next(HEAD)), client)))
                    .isEqualTo(PacketCore.DROP);
            assertThat(six.count(FilterCounter.DROPPED_ICMP_ERROR)).isEqualTo(3);
        }
    }
}
