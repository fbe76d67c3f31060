package org.dwsr.packet;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.LongStream;
import org.dwsr.config.SeededRounds;
import org.junit.jupiter.api.Test;

class AddressAliasTest {
    /** The reference vector of SipHash-2-4 for the key 00..0f and the input 00..0f. */
    @Test
    void shouldBeSipHash() {
        long key0 = 0x0706_0504_0302_0100L;
        long key1 = 0x0f0e_0d0c_0b0a_0908L;
        assertThat(AddressAlias.sipHash(key0, key1, key0, key1)).isEqualTo(0x3f2a_cc7f_57c2_9bdbL);
    }

    @Test
    void shouldBeTheAddressItselfOfIpv4AndInTheReservedRangeOfIpv6() {
        SeededRounds.forAll(200, random -> {
            int ipv4 = random.nextInt();
            assertThat(AddressAlias.of(0, IpAddress.mapped(ipv4))).isEqualTo(ipv4);
            long high = random.nextLong();
            long low = random.nextLong();
            int alias = AddressAlias.of(high, low);
            assertThat(alias >>> 28).isEqualTo(15);
            assertThat(AddressAlias.of(high, low)).isEqualTo(alias);
        });
    }

    @Test
    void shouldCollideSoRarelyThatOnlyManyAddressesDo() {
        // 2,000 addresses have 2 million pairs, of which one in 268 million collides.
        assertThat(LongStream.range(0, 2000)
                        .mapToInt(i -> AddressAlias.of(0xfd00_0000_0000_0000L, i))
                        .distinct()
                        .count())
                .isGreaterThanOrEqualTo(1998);
    }
}
