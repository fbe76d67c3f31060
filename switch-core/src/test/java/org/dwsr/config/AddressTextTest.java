package org.dwsr.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Locale;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AddressTextTest {
    @Nested
    class OfThreeCharIds {
        @Test
        void shouldDecodeToTheSameTextForEveryCode() {
            for (int code = 0; code <= ThreeCharId.MAX; code++) {
                String text = ThreeCharId.decode(code);
                assertThat(text).matches("[0-9A-Z]{3}");
                assertThat(ThreeCharId.encode(text)).isEqualTo(code);
            }
        }

        @Test
        void shouldCodeInBase36() {
            assertThat(ThreeCharId.encode("000")).isZero();
            assertThat(ThreeCharId.encode("018")).isEqualTo(36 + 8);
            assertThat(ThreeCharId.encode("ZZZ")).isEqualTo(46655);
        }

        @ParameterizedTest
        @ValueSource(strings = {"", "01", "0188", "01a", "0 1", "01-", "0\u06601", "Ⅷ01"})
        void shouldRefuseWhenMalformed(String text) {
            assertThat(ThreeCharId.wellFormed(text)).isFalse();
            assertThatThrownBy(() -> ThreeCharId.encode(text)).isInstanceOf(IllegalArgumentException.class);
        }

        @ParameterizedTest
        @ValueSource(ints = {-1, 46656, Integer.MIN_VALUE, Integer.MAX_VALUE})
        void shouldRefuseToDecodeWhenOutOfRange(int code) {
            assertThatThrownBy(() -> ThreeCharId.decode(code)).isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Nested
    class OfMacAddresses {
        @Test
        void shouldRoundTripWhenWellFormed() {
            SeededRounds.forAll(200, random -> {
                long mac = random.nextLong() & 0xFFFF_FFFF_FFFFL;
                assertThat(MacAddress.parse(MacAddress.format(mac))).isEqualTo(mac);
                assertThat(MacAddress.parse(MacAddress.format(mac).toUpperCase(Locale.ROOT)))
                        .isEqualTo(mac);
            });
        }

        @Test
        void shouldPutTheFirstByteHighest() {
            assertThat(MacAddress.parse("02:00:5e:00:01:64")).isEqualTo(0x0200_5e00_0164L);
            assertThat(MacAddress.format(0x0200_5e00_0164L)).isEqualTo("02:00:5e:00:01:64");
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "",
                    "02:00:5e:00:01",
                    "02:00:5e:00:01:6",
                    "02-00-5e-00-01-64",
                    "02:00:5e:00:01:64 ",
                    "0g:00:5e:00:01:64",
                    "02:00:5e:00:01:64:00",
                    "+2:00:5e:00:01:64"
                })
        void shouldRefuseWhenMalformed(String text) {
            assertThatThrownBy(() -> MacAddress.parse(text)).isInstanceOf(IllegalArgumentException.class);
        }

        @Test
        void shouldKnowTagsByTheir15BitPrefix() {
            assertThat(MacAddress.inTagRange(MacAddress.parse("d6:52:00:00:00:00")))
                    .isTrue();
            assertThat(MacAddress.inTagRange(MacAddress.parse("d6:53:ff:ff:ff:ff")))
                    .isTrue();
            assertThat(MacAddress.inTagRange(MacAddress.parse("d6:54:00:00:00:00")))
                    .isFalse();
            assertThat(MacAddress.inTagRange(MacAddress.parse("d6:51:ff:ff:ff:ff")))
                    .isFalse();
            assertThat(MacAddress.inTagRange(MacAddress.parse("d4:52:00:00:00:00")))
                    .isFalse();
        }
    }

    @Nested
    class OfAttachments {
        @Test
        void shouldRoundTripWhenWellFormed() {
            SeededRounds.forAll(200, random -> {
                Attachment attachment = new Attachment(random.nextLong(), random.nextInt(Integer.MAX_VALUE - 1) + 1);
                assertThat(Attachment.parse(attachment.format()))
                        .isEqualTo(attachment)
                        .hasSameHashCodeAs(attachment);
            });
        }

        @Test
        void shouldReadWhatOnosWrites() {
            Attachment attachment = Attachment.parse("of:00000000000000af/12");
            assertThat(attachment.datapath()).isEqualTo(0xaf);
            assertThat(attachment.port()).isEqualTo(12);
            assertThat(attachment).hasToString("of:00000000000000af/12");
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "",
                    "of:1/1",
                    "of:0000000000000001",
                    "of:0000000000000001/",
                    "of:0000000000000001/0",
                    "of:0000000000000001/01",
                    "of:0000000000000001/-1",
                    "of:0000000000000001/2147483648",
                    "of:0000000000000001/99999999999",
                    "of:000000000000000g/1",
                    "ov:0000000000000001/1",
                    "of:00000000000000001/1"
                })
        void shouldRefuseWhenMalformed(String text) {
            assertThatThrownBy(() -> Attachment.parse(text)).isInstanceOf(IllegalArgumentException.class);
        }
    }
}
