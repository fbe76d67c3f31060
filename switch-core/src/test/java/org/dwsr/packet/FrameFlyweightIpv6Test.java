package org.dwsr.packet;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import org.dwsr.packet.FrameFlyweight.Kind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FrameFlyweightIpv6Test {
    private static final int VIP = 0x0a00_0064;

    private final FrameFlyweight frame = new FrameFlyweight();

    private static Ipv6Frame request() {
        return new Ipv6Frame().tcp(40_000, 80, 0x0102_0304, 0xf102_0304, TcpFlags.ACK | TcpFlags.PSH, 11);
    }

    private Kind wrap(Ipv6Frame described) {
        return wrap(described, described.write());
    }

    private Kind wrap(Ipv6Frame described, ByteBuffer bytes) {
        return frame.wrap(bytes, described.margin, described.length(), false);
    }

    @Test
    void shouldReadEveryField() {
        frame.vip(VIP, Ipv6Frame.VIP);
        Ipv6Frame described = request().margin(7);
        assertThat(wrap(described)).isEqualTo(Kind.TCP);
        assertThat(frame.ipv6()).isTrue();
        assertThat(frame.ethSource()).isEqualTo(TcpFrame.CLIENT_MAC);
        assertThat(frame.ethDestination()).isEqualTo(TcpFrame.SERVER_MAC);
        assertThat(frame.isFrom(Ipv6Frame.CLIENT.high(), Ipv6Frame.CLIENT.low()))
                .isTrue();
        assertThat(frame.isTo(Ipv6Frame.VIP.high(), Ipv6Frame.VIP.low())).isTrue();
        assertThat(frame.isFrom(Ipv6Frame.CLIENT.high(), Ipv6Frame.CLIENT.low() ^ 1))
                .isFalse();
        assertThat(frame.isFrom(Ipv6Frame.CLIENT.high() ^ 1, Ipv6Frame.CLIENT.low()))
                .isFalse();
        assertThat(frame.isTo(Ipv6Frame.VIP.high(), Ipv6Frame.VIP.low() ^ 1)).isFalse();
        assertThat(frame.isTo(Ipv6Frame.VIP.high() ^ 1, Ipv6Frame.VIP.low())).isFalse();
        assertThat(frame.ipSource()).isEqualTo(Ipv6Frame.CLIENT.alias());
        assertThat(frame.ipDestination()).isEqualTo(VIP);
        assertThat(frame.ipProtocol()).isEqualTo(6);
        assertThat(frame.sourcePort()).isEqualTo(40_000);
        assertThat(frame.destinationPort()).isEqualTo(80);
        assertThat(frame.seq()).isEqualTo(0x0102_0304);
        assertThat(frame.ack()).isEqualTo(0xf102_0304);
        assertThat(frame.window()).isEqualTo(0x4321);
        assertThat(frame.payloadLength()).isEqualTo(11);
        assertThat(frame.payloadOffset()).isEqualTo(7 + 14 + 40 + 20);
        assertThat(frame.frameLength()).isEqualTo(described.length());
        assertThat(frame.tcpChecksumValid()).isTrue();
        assertThat(frame.ipChecksumValid()).isTrue();
        assertThat(frame.hasReservedSource()).isFalse();
    }

    @Test
    void shouldNotTakeAnyAddressForTheVipWhenThereIsNoneOfIpv6() {
        frame.vip(VIP, null);
        wrap(request().to(IpAddress.of(0, 0)));
        assertThat(frame.ipDestination()).isNotEqualTo(VIP);
        wrap(request());
        assertThat(frame.ipDestination()).isEqualTo(Ipv6Frame.VIP.alias());
    }

    @Test
    void shouldSayOfIpv4WhereItComesFromInItsMappedForm() {
        TcpFrame described = new TcpFrame();
        assertThat(frame.wrap(described.write(), 0, described.length(), false)).isEqualTo(Kind.TCP);
        assertThat(frame.ipv6()).isFalse();
        assertThat(frame.isFrom(0, 0xffff_0a00_0001L)).isTrue();
        assertThat(frame.isTo(0, 0xffff_0a00_0064L)).isTrue();
    }

    @Test
    void shouldCountNoPaddingAsPayload() {
        Ipv6Frame described = request().padding(9);
        assertThat(wrap(described)).isEqualTo(Kind.TCP);
        assertThat(frame.payloadLength()).isEqualTo(11);
        assertThat(frame.frameLength()).isEqualTo(described.length() - 9);
        assertThat(frame.tcpChecksumValid()).isTrue();
    }

    @Test
    void shouldFindTcpBehindOptions() {
        Ipv6Frame described = request().extension(0, 8).extension(60, 24).extension(60, 8);
        assertThat(wrap(described)).isEqualTo(Kind.TCP);
        assertThat(frame.ipProtocol()).isEqualTo(6);
        assertThat(frame.tcpOffset()).isEqualTo(14 + 40 + 40);
        assertThat(frame.payloadLength()).isEqualTo(11);
        assertThat(frame.tcpChecksumValid()).isTrue();
        assertThat(frame.frameLength()).isEqualTo(described.length());
    }

    @Test
    void shouldRefuseMoreOptionsThanABound() {
        assertThat(wrap(request().extension(0, 128).extension(60, 128))).isEqualTo(Kind.TCP);
        assertThat(wrap(request().extension(0, 128).extension(60, 136))).isEqualTo(Kind.IPV6_REFUSED);
    }

    @Test
    void shouldRefuseARoutingHeader() {
        assertThat(wrap(request().extension(43, 24))).isEqualTo(Kind.IPV6_REFUSED);
        assertThat(wrap(request().extension(0, 8).extension(43, 24))).isEqualTo(Kind.IPV6_REFUSED);
    }

    @Test
    void shouldBeAFragmentWithAFragmentHeaderEvenWhenItIsTheOnlyOne() {
        frame.vip(VIP, Ipv6Frame.VIP);
        assertThat(wrap(request().extension(44, 8))).isEqualTo(Kind.FRAGMENT);
        assertThat(wrap(request().extension(60, 8).extension(44, 8))).isEqualTo(Kind.FRAGMENT);
        assertThat(frame.ipDestination()).isEqualTo(VIP);
    }

    @Test
    void shouldRefuseIpv4MappedAddresses() {
        frame.vip(VIP, Ipv6Frame.VIP);
        assertThat(wrap(request().from(IpAddress.ofIpv4(0x0a00_0001)))).isEqualTo(Kind.IPV6_REFUSED);
        assertThat(frame.ipDestination()).isEqualTo(VIP);
        assertThat(wrap(request().to(IpAddress.ofIpv4(VIP)))).isEqualTo(Kind.IPV6_REFUSED);
    }

    @ParameterizedTest
    @ValueSource(ints = {17, 50, 51, 58, 59, 135, 139})
    void shouldBeIpv6WhenItCarriesSomethingElse(int protocol) {
        Ipv6Frame described = new Ipv6Frame().message(protocol, 2, 1, 2, 0, 0, 3, 4, 5, 6);
        assertThat(wrap(described)).isEqualTo(Kind.IPV6);
        assertThat(frame.ipProtocol()).isEqualTo(protocol);
        assertThat(frame.payloadOffset()).isEqualTo(54);
        assertThat(frame.payloadLength()).isEqualTo(8);
    }

    @Test
    void shouldBeMalformedWhenLengthsContradict() {
        Ipv6Frame described = request();
        ByteBuffer bytes = described.write();
        for (int length = 0; length < described.length(); length++) {
            assertThat(frame.wrap(bytes, 0, length, false)).isEqualTo(Kind.MALFORMED);
        }
        assertThat(wrap(described, described.write().putShort(18, (short) 32))).isEqualTo(Kind.MALFORMED);
        assertThat(wrap(described, described.write().putShort(18, (short) 19))).isEqualTo(Kind.MALFORMED);
        // A jumbogram's.
        assertThat(wrap(described, described.write().putShort(18, (short) 0))).isEqualTo(Kind.MALFORMED);
        assertThat(wrap(described, described.write().put(14, (byte) 0x40))).isEqualTo(Kind.MALFORMED);
        assertThat(wrap(described, described.write().put(66, (byte) 0x40))).isEqualTo(Kind.MALFORMED);
        assertThat(wrap(described, described.write().put(66, (byte) 0x80))).isEqualTo(Kind.MALFORMED);
    }

    @Test
    void shouldBeMalformedWhenAnExtensionHeaderRunsPastTheEnd() {
        Ipv6Frame described = request().extension(60, 8);
        assertThat(wrap(described, described.write().put(55, (byte) 5))).isEqualTo(Kind.MALFORMED);
        Ipv6Frame message =
                new Ipv6Frame().message(58, 2, 128, 0, 0, 0, 0, 0, 0, 0).extension(60, 8);
        assertThat(wrap(message)).isEqualTo(Kind.IPV6);
        assertThat(wrap(message, message.write().put(55, (byte) 5))).isEqualTo(Kind.MALFORMED);
        Ipv6Frame short_ = new Ipv6Frame().message(60, 2, 6, 0, 0, 0);
        assertThat(wrap(short_)).isEqualTo(Kind.MALFORMED);
    }

    @Test
    void shouldKeepTheChecksumWhenFieldsChange() {
        Ipv6Frame described = request();
        ByteBuffer bytes = described.write();
        wrap(described, bytes);
        frame.seq(7);
        frame.ack(-9);
        frame.window(1);
        frame.set8(frame.payloadOffset() + 10, 0x41);
        frame.set8(frame.payloadOffset() + 3, 0x42);
        assertThat(frame.tcpChecksumValid()).isTrue();
        bytes.put(described.length() - 1, (byte) 0x40);
        assertThat(frame.tcpChecksumValid()).isFalse();
    }

    @Test
    void shouldSumTheAddressesToo() {
        Ipv6Frame described = request();
        ByteBuffer bytes = described.write();
        wrap(described, bytes);
        for (int at = 22; at < 54; at++) {
            bytes.put(at, (byte) (bytes.get(at) ^ 1));
            assertThat(frame.tcpChecksumValid()).as("byte %d", at).isFalse();
            bytes.put(at, (byte) (bytes.get(at) ^ 1));
        }
        assertThat(frame.tcpChecksumValid()).isTrue();
    }

    @Test
    void shouldCompleteAPartialChecksum() {
        Ipv6Frame described = request();
        ByteBuffer whole = described.write();
        ByteBuffer bytes = described.write();
        wrap(described, bytes);
        // What a kernel leaves in the field: the pseudo-header's sum, not complemented.
        bytes.putShort(70, (short) Checksum.fold(frame.pseudoHeader()));
        frame.wrap(bytes, 0, described.length(), true);
        assertThat(frame.tcpChecksumValid()).isTrue();
        frame.completeTcpChecksum();
        assertThat(Icmpv6Test.hex(bytes, described.length())).isEqualTo(Icmpv6Test.hex(whole, described.length()));
    }

    @ParameterizedTest
    @ValueSource(strings = {"ff02::1", "ff00::", "::", "::1", "::10.0.0.1"})
    void shouldTellSourcesThatNoTcpHas(String address) {
        assertThat(wrap(request().from(IpAddress.parse(address)))).isEqualTo(Kind.TCP);
        assertThat(frame.hasReservedSource()).isTrue();
    }

    @Test
    void shouldTellIpv4SourcesThatNoTcpHas() {
        TcpFrame described = new TcpFrame();
        for (int first : new int[] {224, 239, 240, 255}) {
            frame.wrap(described.write().put(26, (byte) first), 0, described.length(), false);
            assertThat(frame.hasReservedSource()).isTrue();
        }
        frame.wrap(described.write().put(26, (byte) 223), 0, described.length(), false);
        assertThat(frame.hasReservedSource()).isFalse();
    }
}
