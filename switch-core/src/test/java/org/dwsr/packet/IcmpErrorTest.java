package org.dwsr.packet;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class IcmpErrorTest {
    private static final int START = 3;
    private static final int ICMP = START + 34;
    private static final int QUOTED = ICMP + 28;

    private final FrameFlyweight frame = new FrameFlyweight();
    private final IcmpError error = new IcmpError();

    /** Fragmentation needed, MTU 1000, about a segment of 10.0.0.100:80 to 10.0.0.1:40000, of which so much is quoted. */
    private static ByteBuffer message(int type, int quotedBytes) {
        ByteBuffer buf = ByteBuffer.allocate(START + 34 + 28 + quotedBytes + 4);
        buf.position(START + 12);
        buf.putShort((short) 0x0800);
        buf.putShort((short) 0x4500).putShort((short) (20 + 28 + quotedBytes)).putInt(0);
        buf.put((byte) 64).put((byte) 1).putShort((short) 0).putInt(0x0a0000fe).putInt(0x0a000064);
        buf.put((byte) type).put((byte) 4).putShort((short) 0).putInt(1000);
        buf.putShort((short) 0x4500).putShort((short) 1500).putInt(0x4000);
        buf.put((byte) 63)
                .put((byte) 6)
                .putShort((short) 0x1234)
                .putInt(0x0a000064)
                .putInt(0x0a000001);
        ByteBuffer tcp = ByteBuffer.allocate(60);
        tcp.putShort((short) 80).putShort((short) 40_000).putInt(0x10203040).putInt(0x50607080);
        tcp.putInt(0x8010_01f6).putShort((short) 0xbeef).putShort((short) 0);
        buf.put(tcp.array(), 0, quotedBytes);
        buf.putShort(ICMP + 2, (short) Checksum.of(buf, ICMP, 28 + quotedBytes, 0));
        return buf;
    }

    private boolean wrap(ByteBuffer buf, int quotedBytes) {
        frame.wrap(buf, START, 34 + 28 + quotedBytes, false);
        return error.wrap(frame);
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 11, 12})
    void shouldReadTheQuotedSegmentWhenATcpActsOnTheError(int type) {
        assertThat(wrap(message(type, 8), 8)).isTrue();
        assertThat(error.checksumValid()).isTrue();
        assertThat(error.quotedSource()).isEqualTo(0x0a000064);
        assertThat(error.quotedDestination()).isEqualTo(0x0a000001);
        assertThat(error.quotedSourcePort()).isEqualTo(80);
        assertThat(error.quotedDestinationPort()).isEqualTo(40_000);
        assertThat(error.quotedSeq()).isEqualTo(0x10203040);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 4, 5, 8, 13})
    void shouldRefuseWhenItIsAnotherMessage(int type) {
        assertThat(wrap(message(type, 8), 8)).isFalse();
    }

    @Test
    void shouldRefuseWhenFewerThanEightBytesAreQuoted() {
        assertThat(wrap(message(3, 7), 7)).isFalse();
        for (int bytes = 0; bytes < 28 + 8; bytes++) {
            ByteBuffer buf = message(3, 8);
            buf.putShort(START + 16, (short) (20 + bytes));
            frame.wrap(buf, START, 34 + bytes, false);
            assertThat(error.wrap(frame)).isFalse();
        }
    }

    @Test
    void shouldRefuseWhenTheQuoteIsNoTcpHeader() {
        ByteBuffer udp = message(3, 8);
        udp.put(ICMP + 8 + 9, (byte) 17);
        assertThat(wrap(udp, 8)).isFalse();
        ByteBuffer fragment = message(3, 8);
        fragment.putShort(ICMP + 8 + 6, (short) 100);
        assertThat(wrap(fragment, 8)).isFalse();
        ByteBuffer six = message(3, 8);
        six.put(ICMP + 8, (byte) 0x65);
        assertThat(wrap(six, 8)).isFalse();
        ByteBuffer shortHeader = message(3, 8);
        shortHeader.put(ICMP + 8, (byte) 0x44);
        assertThat(wrap(shortHeader, 8)).isFalse();
        ByteBuffer longHeader = message(3, 8);
        longHeader.put(ICMP + 8, (byte) 0x4f);
        assertThat(wrap(longHeader, 8)).isFalse();
    }

    @Test
    void shouldSeeAWrongChecksum() {
        ByteBuffer buf = message(3, 8);
        buf.put(QUOTED, (byte) 9);
        wrap(buf, 8);
        assertThat(error.checksumValid()).isFalse();
    }

    @ParameterizedTest
    @CsvSource({"8, 0x60708090", "11, 0x60708090", "12, 0x60708090", "17, 0x60708090", "18, 0x60708090", "40, -7"})
    void shouldMoveWhatIsQuotedAndKeepBothChecksums(int quotedBytes, String offset) {
        int by = Integer.decode(offset);
        ByteBuffer buf = message(3, quotedBytes);
        wrap(buf, quotedBytes);
        int segmentBefore = quotedBytes >= 18 ? Checksum.fold(Checksum.sum(buf, QUOTED, 18, 0)) : 0;

        error.moveQuoted(by, 5);

        assertThat(error.checksumValid()).isTrue();
        assertThat(error.quotedSeq()).isEqualTo(0x10203040 + by);
        if (quotedBytes >= 12) {
            assertThat(buf.getInt(QUOTED + 8)).isEqualTo(0x50607085);
        }
        if (quotedBytes >= 18) {
            assertThat(Checksum.fold(Checksum.sum(buf, QUOTED, 18, 0))).isEqualTo(segmentBefore);
        } else if (quotedBytes == 17) {
            assertThat(buf.get(QUOTED + 16)).isEqualTo((byte) 0xbe);
        }
    }

    /** RFC 4443 section 3.2, RFC 8201. */
    @Nested
    class OverIpv6 {
        private static final int QUOTED_AT = 54 + 8 + 40;
        private final IpAddress vip = Ipv6Frame.VIP;

        OverIpv6() {
            frame.vip(0x0a000064, vip);
        }

        /** Too big for 1300 bytes: a segment of the VIP's port 80 to CLIENT:40000, of which so much is quoted. */
        private ByteBuffer tooBig(int type, int nextHeader, int quotedBytes) {
            ByteBuffer text = ByteBuffer.allocate(8 + 40 + 60);
            text.put((byte) type).put((byte) 0).putShort((short) 0).putInt(1300);
            text.putInt(0x6000_0000)
                    .putShort((short) 1460)
                    .put((byte) nextHeader)
                    .put((byte) 63);
            text.putLong(vip.high()).putLong(vip.low());
            text.putLong(Ipv6Frame.CLIENT.high()).putLong(Ipv6Frame.CLIENT.low());
            text.putShort((short) 80)
                    .putShort((short) 40_000)
                    .putInt(0x10203040)
                    .putInt(0x50607080);
            text.putInt(0x8010_01f6).putShort((short) 0xbeef).putShort((short) 0);
            int[] octets = new int[8 + 40 + quotedBytes];
            for (int i = 0; i < octets.length; i++) {
                octets[i] = text.get(i) & 0xff;
            }
            return new Ipv6Frame()
                    .from(IpAddress.parse("fd00::fe"))
                    .message(58, 2, octets)
                    .write();
        }

        private boolean wrapped(ByteBuffer buf) {
            frame.wrap(buf, 0, buf.capacity(), false);
            return error.wrap(frame);
        }

        @ParameterizedTest
        @ValueSource(ints = {1, 2, 3, 4})
        void shouldReadTheQuotedSegmentWhenATcpActsOnTheError(int type) {
            assertThat(wrapped(tooBig(type, 6, 8))).isTrue();
            assertThat(error.checksumValid()).isTrue();
            assertThat(error.quotedSource()).isEqualTo(0x0a000064);
            IpAddress client = Ipv6Frame.CLIENT;
            assertThat(error.quotedDestination()).isEqualTo(AddressAlias.of(client.high(), client.low()));
            assertThat(error.isQuotedTo(client.high(), client.low())).isTrue();
            assertThat(error.isQuotedTo(client.high(), client.low() + 1)).isFalse();
            assertThat(error.isQuotedTo(client.high() + 1, client.low())).isFalse();
            assertThat(error.quotedSourcePort()).isEqualTo(80);
            assertThat(error.quotedDestinationPort()).isEqualTo(40_000);
            assertThat(error.quotedSeq()).isEqualTo(0x10203040);
        }

        @ParameterizedTest
        @CsvSource({"0, 6, 8", "5, 6, 8", "128, 6, 8", "135, 6, 8", "2, 17, 8", "2, 44, 8", "2, 6, 7", "2, 6, 0"})
        void shouldRefuseWhenItIsNoErrorAboutASegment(int type, int nextHeader, int quotedBytes) {
            assertThat(wrapped(tooBig(type, nextHeader, quotedBytes))).isFalse();
        }

        @Test
        void shouldRefuseWhenTheQuoteIsNoIpv6Header() {
            ByteBuffer four = tooBig(2, 6, 8);
            four.put(54 + 8, (byte) 0x45);
            assertThat(wrapped(four)).isFalse();
            assertThat(wrapped(new Ipv6Frame()
                            .message(58, 2, 2, 0, 0, 0, 0, 0, 5, 0)
                            .write()))
                    .isFalse();
        }

        @Test
        void shouldSeeAWrongChecksum() {
            ByteBuffer buf = tooBig(2, 6, 8);
            buf.put(54 + 7, (byte) 9);
            wrapped(buf);
            assertThat(error.checksumValid()).isFalse();
        }

        @ParameterizedTest
        @CsvSource({"8, 0x60708090", "12, 0x60708090", "17, 0x60708090", "18, 0x60708090", "40, -7"})
        void shouldMoveWhatIsQuotedAndKeepBothChecksums(int quotedBytes, String offset) {
            int by = Integer.decode(offset);
            ByteBuffer buf = tooBig(2, 6, quotedBytes);
            wrapped(buf);
            int segmentBefore = quotedBytes >= 18 ? Checksum.fold(Checksum.sum(buf, QUOTED_AT, 18, 0)) : 0;

            error.moveQuoted(by, 5);

            assertThat(error.checksumValid()).isTrue();
            assertThat(error.quotedSeq()).isEqualTo(0x10203040 + by);
            if (quotedBytes >= 12) {
                assertThat(buf.getInt(QUOTED_AT + 8)).isEqualTo(0x50607085);
            }
            if (quotedBytes >= 18) {
                assertThat(Checksum.fold(Checksum.sum(buf, QUOTED_AT, 18, 0))).isEqualTo(segmentBefore);
            }
        }
    }
}
