package org.dwsr.packet;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class IcmpEchoTest {
    private final FrameFlyweight frame = new FrameFlyweight();

    /** An echo request with this much data behind its eight bytes. */
    private static ByteBuffer request(int ipOptions, int data) {
        TcpFrame base = new TcpFrame().ipOptions(ipOptions).payload(data);
        ByteBuffer tcp = base.write();
        int ip = 14;
        int icmp = base.tcpOffset();
        ByteBuffer buf = ByteBuffer.allocate(icmp + 8 + data);
        for (int i = 0; i < icmp; i++) {
            buf.put(i, tcp.get(i));
        }
        buf.put(ip + 9, (byte) 1);
        buf.putShort(ip + 2, (short) (20 + ipOptions + 8 + data));
        buf.putShort(ip + 10, (short) 0);
        buf.putShort(ip + 10, (short) ReferenceChecksum.of(buf, ip, 20 + ipOptions));
        buf.put(icmp, (byte) 8);
        buf.putInt(icmp + 4, 0x1234_0001);
        for (int i = 0; i < data; i++) {
            buf.put(icmp + 8 + i, (byte) i);
        }
        buf.putShort(icmp + 2, (short) ReferenceChecksum.of(buf, icmp, 8 + data));
        return buf;
    }

    private void wrap(ByteBuffer buf) {
        frame.wrap(buf, 0, buf.capacity(), false);
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "0, 56", "0, 57", "8, 3", "0, 1472"})
    void shouldAnswerWithTheSameDataAndTheAddressesSwapped(int ipOptions, int data) {
        ByteBuffer buf = request(ipOptions, data);
        wrap(buf);
        assertThat(IcmpEcho.isRequest(frame)).isTrue();
        IcmpEcho.toReply(frame);
        assertThat(frame.ethSource()).isEqualTo(TcpFrame.SERVER_MAC);
        assertThat(frame.ethDestination()).isEqualTo(TcpFrame.CLIENT_MAC);
        assertThat(frame.ipSource()).isEqualTo(TcpFrame.VIP);
        assertThat(frame.ipDestination()).isEqualTo(TcpFrame.CLIENT);
        int icmp = frame.payloadOffset();
        assertThat(buf.getShort(icmp)).isEqualTo((short) 0);
        assertThat(buf.getInt(icmp + 4)).isEqualTo(0x1234_0001);
        for (int i = 0; i < data; i++) {
            assertThat(buf.get(icmp + 8 + i)).isEqualTo((byte) i);
        }
        assertThat(ReferenceChecksum.of(buf, icmp, 8 + data)).isZero();
        assertThat(frame.ipChecksumValid()).isTrue();
        assertThat(IcmpEcho.isRequest(frame)).isFalse();
    }

    @ParameterizedTest
    @ValueSource(ints = {0x0000, 0x0300, 0x0801, 0x0d00})
    void shouldAnswerNoOtherTypeOrCode(int typeAndCode) {
        ByteBuffer buf = request(0, 8);
        buf.putShort(34, (short) typeAndCode);
        wrap(buf);
        assertThat(IcmpEcho.isRequest(frame)).isFalse();
    }

    @Test
    void shouldAnswerNoRequestShorterThanItsHeader() {
        ByteBuffer buf = request(0, 0);
        for (int length = 0; length < 8; length++) {
            buf.putShort(16, (short) (20 + length));
            wrap(buf);
            assertThat(frame.kind()).isEqualTo(FrameFlyweight.Kind.IPV4);
            assertThat(IcmpEcho.isRequest(frame)).isFalse();
        }
    }

    @Test
    void shouldAnswerNoFragmentAndNoOtherProtocol() {
        ByteBuffer buf = request(0, 8);
        buf.put(23, (byte) 17);
        wrap(buf);
        assertThat(IcmpEcho.isRequest(frame)).isFalse();
        buf.put(23, (byte) 1);
        buf.putShort(20, (short) 0x2000);
        wrap(buf);
        assertThat(IcmpEcho.isRequest(frame)).isFalse();
        wrap(new TcpFrame().payload(8).write());
        assertThat(IcmpEcho.isRequest(frame)).isFalse();
    }
}
