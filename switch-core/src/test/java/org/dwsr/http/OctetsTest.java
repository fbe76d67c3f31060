package org.dwsr.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import org.dwsr.config.SeededRounds;
import org.junit.jupiter.api.Test;

class OctetsTest {
    @Test
    void shouldClassEveryByteAsTheRfcsDo() {
        for (int octet = 0; octet < 256; octet++) {
            String character = String.valueOf((char) octet);
            assertThat(Octets.is(octet, Octets.TOKEN)).isEqualTo(character.matches("[!#$%&'*+\\-.^_`|~0-9A-Za-z]"));
            assertThat(Octets.is(octet, Octets.METHOD)).isEqualTo(character.matches("[A-Z_-]"));
            assertThat(Octets.is(octet, Octets.VALUE)).isEqualTo(character.matches("[\t -~\u0080-\u00ff]"));
            assertThat(Octets.is(octet, Octets.PATH)).isEqualTo(character.matches("[!-~\u0080-\u00ff&&[^#?%/.]]"));
            assertThat(Octets.is(octet, Octets.QUERY)).isEqualTo(character.matches("[!-~\u0080-\u00ff&&[^#]]"));
            assertThat(Octets.is(octet, Octets.NAME)).isEqualTo(character.matches("[A-Za-z0-9._~-]"));
            assertThat(Octets.is(octet, Octets.HEX)).isEqualTo(character.matches("[0-9A-Fa-f]"));
            assertThat(Octets.hexValue(octet)).isEqualTo(octet < 128 ? Character.digit(octet, 16) : -1);
            assertThat(Octets.isDigit(octet)).isEqualTo(character.matches("[0-9]"));
            assertThat(Octets.isBlank(octet)).isEqualTo(character.matches("[ \t]"));
            boolean upper = character.matches("[A-Z]");
            assertThat(Octets.lower(octet)).isEqualTo(upper ? Character.toLowerCase(octet) : octet);
        }
    }

    @Test
    void shouldNeverSkipAControlByteWhateverStandsBesideIt() {
        int[] skipped = {0};
        SeededRounds.forAll(5_000, random -> {
            byte[] bytes = new byte[random.nextInt(40)];
            int control = random.nextInt(4) == 0 ? -1 : random.nextInt(Math.max(1, bytes.length));
            for (int i = 0; i < bytes.length; i++) {
                int[] octets = {0x20, 0x7e, 0x80, 0xff, 0xa0, 0x20 + random.nextInt(0x5f), 0x80 + random.nextInt(0x80)};
                int[] controls = {0, 1, 9, 10, 13, 0x1f, 0x7f};
                bytes[i] = (byte)
                        (i == control
                                ? controls[random.nextInt(controls.length)]
                                : octets[random.nextInt(octets.length)]);
            }
            int from = random.nextInt(bytes.length + 1);
            int end = Octets.skipPrintable(ByteBuffer.wrap(bytes), from, bytes.length);
            assertThat(end).isBetween(from, bytes.length);
            if (control >= from) {
                assertThat(end).isLessThanOrEqualTo(control);
            } else {
                // Nothing stopped it: only what does not fill eight bytes is left.
                assertThat(bytes.length - end).isLessThan(8);
            }
            skipped[0] += end - from;
        });
        assertThat(skipped[0]).isGreaterThan(10_000);
    }
}
