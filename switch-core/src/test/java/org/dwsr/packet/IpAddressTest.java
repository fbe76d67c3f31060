package org.dwsr.packet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.dwsr.config.SeededRounds;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class IpAddressTest {
    @Test
    void shouldRoundTripWhenWellFormed() {
        SeededRounds.forAll(500, random -> {
            // Runs of zeros of every length at every place.
            long high = random.nextLong() & -1L << random.nextInt(64) & -1L >>> random.nextInt(64);
            long low = random.nextLong() & -1L << random.nextInt(64) & -1L >>> random.nextInt(64);
            IpAddress address = IpAddress.of(high, low);
            assertThat(IpAddress.parse(address.toString())).isEqualTo(address);
            IpAddress ipv4 = IpAddress.ofIpv4(random.nextInt());
            assertThat(IpAddress.parse(ipv4.toString())).isEqualTo(ipv4);
        });
    }

    @ParameterizedTest
    @CsvSource({
        "2001:db8:0:0:8:800:200c:417a, 20010db800000000, 00080800200c417a",
        "2001:DB8::8:800:200C:417A, 20010db800000000, 00080800200c417a",
        "ff01::101, ff01000000000000, 0000000000000101",
        "::1, 0000000000000000, 0000000000000001",
        "::, 0000000000000000, 0000000000000000",
        "fd00::, fd00000000000000, 0000000000000000",
        "1:2:3:4:5:6:7:8, 0001000200030004, 0005000600070008",
        "::2:3:4:5:6:7:8, 0000000200030004, 0005000600070008",
        "1:2:3:4:5:6:7::, 0001000200030004, 0005000600070000",
        "64:ff9b::192.0.2.33, 0064ff9b00000000, 00000000c0000221",
        "1:2:3:4:5:6:1.2.3.4, 0001000200030004, 0005000601020304",
        "0001:0002::0010, 0001000200000000, 0000000000000010"
    })
    void shouldReadEveryFormOfRfc4291(String text, String high, String low) {
        IpAddress address = IpAddress.parse(text);
        assertThat(String.format("%016x", address.high())).isEqualTo(high);
        assertThat(String.format("%016x", address.low())).isEqualTo(low);
        assertThat(address.isIpv6()).isTrue();
    }

    @ParameterizedTest
    @CsvSource({
        "2001:0db8::0001, 2001:db8::1",
        "2001:db8:0:0:0:0:2:1, 2001:db8::2:1",
        "2001:db8:0:1:1:1:1:1, 2001:db8:0:1:1:1:1:1",
        "2001:0:0:1:0:0:0:1, 2001:0:0:1::1",
        "2001:db8:0:0:1:0:0:1, 2001:db8::1:0:0:1",
        "0:0:0:0:0:0:0:0, ::",
        "0:0:0:0:0:0:0:1, ::1",
        "1:0:0:0:0:0:0:0, 1::",
        "2001:DB8::A:B, 2001:db8::a:b"
    })
    void shouldWriteTheFormOfRfc5952(String text, String expected) {
        assertThat(IpAddress.parse(text).toString()).isEqualTo(expected);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                ".",
                "10.0.0",
                "10.0.0.",
                "10.0.0.256",
                "10.0.0.1.",
                "10.0.0.1.2",
                "10.0.0.01",
                "10.0.0.-1",
                " 10.0.0.1",
                "10..0.1",
                "10.0.0.1000",
                "a.b.c.d",
                ":",
                ":::",
                "1:",
                ":1",
                "1::2::3",
                "1:2:3:4:5:6:7",
                "1:2:3:4:5:6:7:8:9",
                "::1:2:3:4:5:6:7:8",
                "1:2:3:4:5:6:7:8::",
                "12345::",
                "g::",
                "fe80::1%eth0",
                " ::1",
                "::1 ",
                "[::1]",
                "::1/64",
                "1::2:",
                "::ffff:10.0.0.1",
                "::ffff:a00:1",
                "1.2.3.4::",
                "::1.2.3",
                "::1.2.3.4:5",
                "1:2:3:4:5:6:7:1.2.3.4",
                "::1.2.3.256",
                "::-1",
                "\u0661::"
            })
    void shouldRefuseWhenMalformed(String text) {
        assertThatThrownBy(() -> IpAddress.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(text);
    }

    @Test
    void shouldKeepAnIpv4AddressInItsMappedForm() {
        IpAddress address = IpAddress.parse("192.0.2.1");
        assertThat(address.high()).isZero();
        assertThat(address.low()).isEqualTo(0xffff_c000_0201L);
        assertThat(address.isIpv6()).isFalse();
        assertThat(address.alias()).isEqualTo(0xc000_0201);
        assertThat(address).isEqualTo(IpAddress.ofIpv4(0xc000_0201)).isNotEqualTo(IpAddress.ofIpv4(0xc000_0202));
        assertThat(IpAddress.of(1, 0xffff_c000_0201L)).isNotEqualTo(address);
        assertThat(IpAddress.of(1, 0xffff_c000_0201L).isIpv6()).isTrue();
    }
}
