package org.dwsr.packet;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ArpFlyweightTest {
    private final ArpFlyweight arp = new ArpFlyweight();

    private static ByteBuffer request(int margin) {
        byte[] who = TcpFrame.bytes(
                0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 0x11, 0x08, 0x06, // Ethernet
                0, 1, 0x08, 0, 6, 4, 0, 1, // Ethernet, IPv4, request
                0x02, 0, 0, 0, 0, 0x11, 10, 0, 0, 1, // sender
                0, 0, 0, 0, 0, 0, 10, 0, 0, 100); // target
        ByteBuffer buf = ByteBuffer.allocate(margin + who.length);
        for (int i = 0; i < who.length; i++) {
            buf.put(margin + i, who[i]);
        }
        return buf;
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 7})
    void shouldReadARequestAtAnyOffset(int margin) {
        assertThat(arp.wrap(request(margin), margin, 42)).isTrue();
        assertThat(arp.operation()).isEqualTo(ArpFlyweight.REQUEST);
        assertThat(arp.senderMac()).isEqualTo(0x0200_0000_0011L);
        assertThat(arp.senderAddress()).isEqualTo(0x0a00_0001);
        assertThat(arp.targetAddress()).isEqualTo(0x0a00_0064);
    }

    @Test
    void shouldRefuseEveryTruncatedFrame() {
        for (int length = 0; length < ArpFlyweight.FRAME_LENGTH; length++) {
            ByteBuffer part = request(0);
            part.limit(length);
            assertThat(arp.wrap(part, 0, length)).as("%d bytes", length).isFalse();
        }
    }

    @Test
    void shouldAcceptPadding() {
        ByteBuffer padded = ByteBuffer.allocate(60).put(request(0));
        assertThat(arp.wrap(padded, 0, 60)).isTrue();
    }

    @ParameterizedTest
    @ValueSource(ints = {12, 13, 14, 15, 16, 17, 18, 19})
    void shouldRefuseOtherLinksAndProtocols(int at) {
        ByteBuffer buf = request(0);
        buf.put(at, (byte) (buf.get(at) + 1));
        assertThat(arp.wrap(buf, 0, 42)).isFalse();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 3})
    void shouldWriteACompleteReply(int margin) {
        ByteBuffer buf = ByteBuffer.allocate(margin + ArpFlyweight.FRAME_LENGTH);
        ArpFlyweight.writeReply(buf, margin, 0x0200_5e00_0164L, 0x0a00_0064, 0x0200_0000_0011L, 0x0a00_0001);
        byte[] expected = TcpFrame.bytes(
                0x02, 0, 0, 0, 0, 0x11, 0x02, 0, 0x5e, 0, 0x01, 0x64, 0x08, 0x06, //
                0, 1, 0x08, 0, 6, 4, 0, 2, //
                0x02, 0, 0x5e, 0, 0x01, 0x64, 10, 0, 0, 100, //
                0x02, 0, 0, 0, 0, 0x11, 10, 0, 0, 1);
        byte[] written = new byte[expected.length];
        buf.position(margin);
        buf.get(written);
        assertThat(written).isEqualTo(expected);
        assertThat(arp.wrap(buf, margin, 42)).isTrue();
        assertThat(arp.operation()).isEqualTo(ArpFlyweight.REPLY);
    }
}
