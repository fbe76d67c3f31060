package org.dwsr.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.dwsr.config.SeededRounds;
import org.dwsr.config.ThreeCharId;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CookieTagTest {
    static long eight(String text) {
        return ByteBuffer.wrap(text.getBytes(StandardCharsets.ISO_8859_1)).getLong();
    }

    @Test
    void shouldLookLikeThePapersFigure7() {
        assertThat(CookieTag.encode(ThreeCharId.encode("018"), ThreeCharId.encode("9C1")))
                .isEqualTo(eight("DR0189C1"));
    }

    @Test
    void shouldRoundTrip() {
        SeededRounds.forAll(1000, random -> {
            int contentType = random.nextInt(ThreeCharId.MAX + 1);
            int serverId = random.nextInt(ThreeCharId.MAX + 1);
            long tag = CookieTag.encode(contentType, serverId);
            assertThat(CookieTag.wellFormed(tag)).isTrue();
            assertThat(CookieTag.contentType(tag)).isEqualTo(contentType);
            assertThat(CookieTag.serverId(tag)).isEqualTo(serverId);
        });
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "PHPSESSI",
                "dr0189C1",
                "Dr0189C1",
                "DR0189c1",
                "DR01 9C1",
                "DR0189C=",
                "DR-189C1",
                "\u0000\u0000000000"
            })
    void shouldTellWhatIsNoTag(String text) {
        long tag = eight(text);
        assertThat(CookieTag.wellFormed(tag)).isFalse();
        assertThat(CookieTag.contentType(tag)).isEqualTo(CookieTag.MALFORMED);
        assertThat(CookieTag.serverId(tag)).isEqualTo(CookieTag.MALFORMED);
    }

    @Test
    void shouldRefuseToEncodeWhatIsNoCode() {
        assertThatThrownBy(() -> CookieTag.encode(-1, 0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> CookieTag.encode(0, 46656)).isInstanceOf(IllegalArgumentException.class);
    }
}
