package org.dwsr.packet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import org.dwsr.config.SeededRounds;
import org.junit.jupiter.api.Test;

class SegmentBuilderTest {
    private final SegmentBuilder builder = new SegmentBuilder();
    private final FrameFlyweight frame = new FrameFlyweight();
    private final TcpOptions options = new TcpOptions();

    private void build(int seq, int ack, int flags, int window) {
        builder.build(
                TcpFrame.SERVER_MAC,
                TcpFrame.CLIENT_MAC,
                TcpFrame.CLIENT,
                TcpFrame.VIP,
                65535,
                80,
                seq,
                ack,
                flags,
                window);
        assertThat(frame.wrap(builder.frame(), 0, builder.length(), false)).isEqualTo(FrameFlyweight.Kind.TCP);
        assertThat(frame.frameLength()).isEqualTo(builder.length());
        assertThat(frame.tcpChecksum()).isEqualTo(ReferenceChecksum.ofTcp(builder.frame(), 0));
        assertThat(ReferenceChecksum.of(builder.frame(), 14, 20)).isZero();
        options.parse(builder.frame(), frame.optionsOffset(), frame.optionsLength());
    }

    @Test
    void shouldWriteEveryFieldOfABareSegment() {
        builder.start();
        build(-1, 0x8000_0000, TcpFlags.ACK | TcpFlags.FIN, 65535);
        assertThat(builder.length()).isEqualTo(54);
        assertThat(frame.ethSource()).isEqualTo(TcpFrame.CLIENT_MAC);
        assertThat(frame.ethDestination()).isEqualTo(TcpFrame.SERVER_MAC);
        assertThat(frame.ipSource()).isEqualTo(TcpFrame.CLIENT);
        assertThat(frame.ipDestination()).isEqualTo(TcpFrame.VIP);
        assertThat(frame.sourcePort()).isEqualTo(65535);
        assertThat(frame.destinationPort()).isEqualTo(80);
        assertThat(frame.seq()).isEqualTo(-1);
        assertThat(frame.ack()).isEqualTo(0x8000_0000);
        assertThat(frame.flags()).isEqualTo(TcpFlags.ACK | TcpFlags.FIN);
        assertThat(frame.window()).isEqualTo(65535);
        assertThat(frame.optionsLength()).isZero();
        assertThat(frame.payloadLength()).isZero();
        // Never fragmented on its way, and from where any host is reached.
        assertThat(builder.frame().getShort(20)).isEqualTo((short) 0x4000);
        assertThat(builder.frame().get(22)).isEqualTo((byte) 64);
    }

    @Test
    void shouldWriteTheOptionsOfASynThatAParserFinds() {
        builder.start().mss(8960).sackPermitted().windowScale(14);
        build(7, 0, TcpFlags.SYN, 65535);
        assertThat(frame.optionsLength()).isEqualTo(12);
        assertThat(options.mss()).isEqualTo(8960);
        assertThat(options.sackPermitted()).isTrue();
        assertThat(options.windowScale()).isEqualTo(14);
    }

    @Test
    void shouldForgetOptionsAndPayloadOfTheLastSegment() {
        builder.start().mss(1460).payload(ByteBuffer.wrap(new byte[100]), 0, 100);
        build(1, 1, TcpFlags.ACK, 1);
        builder.start();
        build(1, 1, TcpFlags.ACK, 1);
        assertThat(builder.length()).isEqualTo(54);
        assertThat(options.mss()).isZero();
    }

    @Test
    void shouldCarryPayloadOfAnyLengthInSeveralParts() {
        SeededRounds.forAll(300, random -> {
            byte[] bytes = new byte[random.nextInt(3000)];
            random.nextBytes(bytes);
            int cut = random.nextInt(bytes.length + 1);
            builder.start();
            if (random.nextBoolean()) {
                builder.windowScale(random.nextInt(15));
            }
            builder.payload(ByteBuffer.wrap(bytes), 0, cut);
            builder.payload(ByteBuffer.wrap(bytes), cut, bytes.length - cut);
            build(random.nextInt(), random.nextInt(), TcpFlags.ACK, random.nextInt(65536));
            assertThat(frame.payloadLength()).isEqualTo(bytes.length);
            for (int i = 0; i < bytes.length; i++) {
                assertThat(builder.frame().get(frame.payloadOffset() + i)).isEqualTo(bytes[i]);
            }
        });
    }

    @Test
    void shouldTakeTheLongestPayloadAndNotOneByteMore() {
        ByteBuffer payload = ByteBuffer.allocate(SegmentBuilder.MAX_PAYLOAD + 1);
        builder.start().mss(1).sackPermitted().windowScale(1).payload(payload, 0, SegmentBuilder.MAX_PAYLOAD);
        build(1, 1, TcpFlags.ACK, 1);
        assertThat(frame.payloadLength()).isEqualTo(SegmentBuilder.MAX_PAYLOAD);
        assertThatThrownBy(() -> builder.payload(payload, 0, 1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> builder.start().payload(payload, 0, SegmentBuilder.MAX_PAYLOAD + 1))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void shouldWriteEveryFieldOfASegmentOverIpv6() {
        Ipv6Frame expected = new Ipv6Frame().tcp(65535, 80, -1, 0x8000_0000, TcpFlags.ACK, 7);
        byte[] payload = new byte[7];
        System.arraycopy(expected.message, 20, payload, 0, 7);
        builder.start(true).payload(ByteBuffer.wrap(payload), 0, 7);
        builder.build(
                TcpFrame.SERVER_MAC,
                TcpFrame.CLIENT_MAC,
                Ipv6Frame.CLIENT.high(),
                Ipv6Frame.CLIENT.low(),
                Ipv6Frame.VIP.high(),
                Ipv6Frame.VIP.low(),
                65535,
                80,
                -1,
                0x8000_0000,
                TcpFlags.ACK,
                0x4321);
        ByteBuffer bytes = expected.write().putInt(14, 0x6000_0000);
        assertThat(Icmpv6Test.hex(builder.frame(), builder.length()))
                .isEqualTo(Icmpv6Test.hex(bytes, expected.length()));
    }

    @Test
    void shouldPutOptionsBehindAnIpv6HeaderAndForgetTheFamily() {
        builder.start(true).mss(1440).sackPermitted();
        long high = Ipv6Frame.CLIENT.high();
        builder.build(1, 2, high, 1, high, 2, 3, 4, 5, 6, TcpFlags.SYN, 8);
        assertThat(frame.wrap(builder.frame(), 0, builder.length(), false)).isEqualTo(FrameFlyweight.Kind.TCP);
        options.parse(builder.frame(), frame.optionsOffset(), frame.optionsLength());
        assertThat(options.mss()).isEqualTo(1440);
        assertThat(options.sackPermitted()).isTrue();
        assertThat(frame.tcpChecksumValid()).isTrue();
        builder.start();
        build(1, 1, TcpFlags.ACK, 1);
        assertThat(builder.length()).isEqualTo(54);
    }

    @Test
    void shouldRefuseAnAddressOfTheOtherFamily() {
        long high = Ipv6Frame.CLIENT.high();
        builder.start();
        assertThatThrownBy(() -> builder.build(1, 2, high, 1, high, 2, 3, 4, 5, 6, 0, 8))
                .isInstanceOf(IllegalStateException.class);
        builder.start(true);
        assertThatThrownBy(() -> builder.build(1, 2, 1, 2, 3, 4, 5, 6, 0, 8)).isInstanceOf(IllegalStateException.class);
    }
}
