package org.dwsr.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ErrorResponseTest {
    private static final int MARGIN = 3;

    @ParameterizedTest
    @EnumSource(ErrorResponse.class)
    void shouldBeACompleteResponseThatCloses(ErrorResponse response) {
        ByteBuffer buf = ByteBuffer.allocate(MARGIN + response.lengthBytes());
        assertThat(response.writeTo(buf, MARGIN)).isEqualTo(response.lengthBytes());
        ResponseHead head = new ResponseHead();
        int headLength = head.parse(buf, MARGIN, response.lengthBytes());
        assertThat(headLength).isEqualTo(response.headLengthBytes());
        assertThat(head.status()).isEqualTo(response.status());
        assertThat(head.closes()).isTrue();
        assertThat(head.minorVersion()).isEqualTo(1);
        assertThat(head.bodyKind(false, false)).isEqualTo(BodyKind.LENGTH);
        assertThat(headLength + head.contentLength()).isEqualTo(response.lengthBytes());
        String body = HeadFeeds.text(head, MARGIN + headLength, (int) head.contentLength());
        assertThat(body).startsWith(response.status() + " ").endsWith("\n");
        // RFC 9111 section 4.2.2: nobody may keep the answer for the next client.
        assertThat(head.findHeader(HeadFeeds.bytes("cache-control"))).isNotNegative();
    }

    @ParameterizedTest
    @EnumSource(ErrorResponse.class)
    void shouldFitTheSmallestSegment(ErrorResponse response) {
        assertThat(response.lengthBytes()).isLessThanOrEqualTo(536);
    }

    @ParameterizedTest
    @EnumSource(HttpRefusal.class)
    void shouldAnswerARefusalWithItsStatus(HttpRefusal refusal) {
        assertThat(ErrorResponse.to(refusal).status()).isEqualTo(refusal.status());
    }

    @Test
    void shouldCountEveryRefusalByANameOfItsOwn() {
        Set<String> counters = new HashSet<>();
        for (HttpRefusal refusal : HttpRefusal.values()) {
            assertThat(refusal.counter()).matches("[a-z0-9_]+");
            assertThat(counters.add(refusal.counter())).isTrue();
        }
        assertThat(HttpRefusal.CL_AND_TE.counter()).isEqualTo("cl_and_te");
    }
}
