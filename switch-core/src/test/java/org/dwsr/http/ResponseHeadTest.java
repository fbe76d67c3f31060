package org.dwsr.http;

import static org.assertj.core.api.Assertions.assertThat;

import org.dwsr.config.SeededRounds;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ResponseHeadTest {
    private final ResponseHead head = new ResponseHead();

    private void accept(String text) {
        HeadFeeds.assertAccepted(head, head::parse, text);
    }

    private void refuse(String text, HttpRefusal reason) {
        HeadFeeds.assertRefused(head, head::parse, text, reason);
    }

    private static String with(int status, String... lines) {
        StringBuilder text = new StringBuilder("HTTP/1.1 " + status + " R\r\n");
        for (String line : lines) {
            text.append(line).append("\r\n");
        }
        return text + "\r\n";
    }

    private String value(int index) {
        return HeadFeeds.text(head, head.valueOffset(index), head.valueLength(index));
    }

    @Nested
    class StatusLine {
        @ParameterizedTest
        @CsvSource({
            "'HTTP/1.1 200 OK', 200, 1",
            "'HTTP/1.0 404 Not Found', 404, 0",
            "'HTTP/1.1 200 ', 200, 1",
            "'HTTP/1.1 200', 200, 1",
            "'HTTP/1.1 999 \u00e9 \t(', 999, 1",
            "'HTTP/1.1 100 Continue', 100, 1"
        })
        void shouldGiveStatusAndVersion(String line, int status, int minor) {
            accept(line + "\r\n\r\n");
            assertThat(head.status()).isEqualTo(status);
            assertThat(head.minorVersion()).isEqualTo(minor);
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "HTTP/2 200\r\n", "HTTP/2.0 200 OK\r\n", "http/1.1 200 OK\r\n", "HTTP/1.1  200 OK\r\n",
                    "HTTP/1.1 20 OK\r\n", "HTTP/1.1 2000 OK\r\n", "HTTP/1.1 099 OK\r\n", "HTTP/1.1 -20 OK\r\n",
                    "HTTP/1.1\t200 OK\r\n", "HTTP/1.x 200 OK\r\n", "ICY 200 OK\r\n", "\r\nHTTP/1.1 200 OK\r\n",
                    "HTTP/1.1 200OK\r\n", "<html>"
                })
        void shouldRefuseWhatIsNoStatusLine(String line) {
            refuse(line, HttpRefusal.BAD_STATUS_LINE);
        }
    }

    @Nested
    class HeaderLines {
        @Test
        void shouldBeReadAsLenientlyAsClientsDo() {
            accept("HTTP/1.1 200 OK\nA: 1\nB(: \u00012\r\nC:\r\nD: 3\r\n  4\r\n\t5 \nE:6\n\n");
            assertThat(head.headerCount()).isEqualTo(5);
            assertThat(value(0)).isEqualTo("1");
            assertThat(value(1)).isEqualTo("\u00012");
            assertThat(value(2)).isEmpty();
            assertThat(value(3)).isEqualTo("3\r\n  4\r\n\t5");
            assertThat(value(4)).isEqualTo("6");
        }

        @Test
        void shouldBeRefusedWhereClientsCouldDisagree() {
            refuse(with(200, "A : 1"), HttpRefusal.SPACE_BEFORE_COLON);
            refuse(with(200, " A: 1"), HttpRefusal.OBS_FOLD);
            refuse(with(200, "A"), HttpRefusal.BAD_HEADER_NAME);
            refuse(with(200, ": 1"), HttpRefusal.BAD_HEADER_NAME);
            refuse(with(200, "A: 1\0"), HttpRefusal.BAD_HEADER_VALUE);
            refuse(with(200, "A: 1\r2"), HttpRefusal.BARE_CR);
            refuse("HTTP/1.1 200 OK\r\nA: 1\r\n\rB", HttpRefusal.BARE_CR);
            refuse(with(200, "A: 1\r\n".repeat(128) + "A: 1"), HttpRefusal.TOO_MANY_HEADERS);
        }

        @ParameterizedTest
        @CsvSource({
            "1, close, true",
            "1, keep-alive, false",
            "1, '', false",
            "0, '', true",
            "0, keep-alive, false",
            "1, 'a, Close', true"
        })
        void shouldTellWhetherTheServerWillClose(int minor, String connection, boolean closes) {
            accept("HTTP/1." + minor + " 200 OK\r\nConnection: " + connection + "\r\n\r\n");
            assertThat(head.closes()).isEqualTo(closes);
        }

        @Test
        void shouldFillNoMoreThanTheLongestHead() {
            String start = "HTTP/1.1 200 OK\r\nX: ";
            String longest = start + "a".repeat(ResponseHead.MAX_HEAD_BYTES - start.length() - 4) + "\r\n\r\n";
            assertThat(HeadFeeds.parse(head::parse, longest)).isEqualTo(ResponseHead.MAX_HEAD_BYTES);
            String tooLong = start + "a" + longest.substring(start.length());
            assertThat(HeadFeeds.parse(head::parse, tooLong)).isEqualTo(MessageHead.REFUSED);
            assertThat(head.refusal()).isEqualTo(HttpRefusal.HEAD_TOO_LONG);
        }
    }

    @Nested
    class Framing {
        private BodyKind kind(boolean isHead, boolean isConnect) {
            return head.bodyKind(isHead, isConnect);
        }

        @Test
        void shouldTakeContentLengthAndEqualRepetitions() {
            accept(with(200, "Content-Length: 5", "content-length:  5 "));
            assertThat(kind(false, false)).isEqualTo(BodyKind.LENGTH);
            assertThat(head.contentLength()).isEqualTo(5);
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "Transfer-Encoding: chunked",
                    "transfer-encoding: Chunked",
                    "Transfer-Encoding: gzip, chunked",
                    "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
                    "Transfer-Encoding:\r\n chunked",
                    "Transfer-Encoding: , chunked ,"
                })
        void shouldTakeChunkedWhenItIsTheLastCoding(String lines) {
            accept(with(200, lines));
            assertThat(kind(false, false)).isEqualTo(BodyKind.CHUNKED);
        }

        @Test
        void shouldReadUntilTheCloseWithoutEither() {
            accept(with(200));
            assertThat(kind(false, false)).isEqualTo(BodyKind.UNTIL_CLOSE);
            accept("HTTP/1.0 200 OK\r\n\r\n");
            assertThat(kind(false, false)).isEqualTo(BodyKind.UNTIL_CLOSE);
            accept(with(200, "Transfer-Encoding: gzip"));
            assertThat(kind(false, false)).isEqualTo(BodyKind.UNTIL_CLOSE);
            accept(with(205));
            assertThat(kind(false, false)).isEqualTo(BodyKind.UNTIL_CLOSE);
        }

        @ParameterizedTest
        @ValueSource(ints = {100, 101, 102, 103, 199, 204, 304})
        void shouldFindNoBodyForStatusesWithoutOne(int status) {
            accept(with(status, "Content-Length: 5"));
            assertThat(kind(false, false)).isEqualTo(BodyKind.NONE);
            accept(with(status, "Transfer-Encoding: chunked"));
            assertThat(kind(false, false)).isEqualTo(BodyKind.NONE);
            accept(with(status));
            assertThat(kind(false, false)).isEqualTo(BodyKind.NONE);
        }

        @ParameterizedTest
        @ValueSource(strings = {"Content-Length: 5", "Transfer-Encoding: chunked", "X: a"})
        void shouldFindNoBodyInAnswerToHead(String line) {
            accept(with(200, line));
            assertThat(kind(true, false)).isEqualTo(BodyKind.NONE);
        }

        @ParameterizedTest
        @CsvSource({"199, true, false", "200, true, true", "299, true, true", "300, true, false", "200, false, false"})
        void shouldEndHttpWithASuccessfulConnect(int status, boolean connect, boolean switches) {
            accept(with(status, "Content-Length: 5"));
            assertThat(head.switchesProtocols(connect)).isEqualTo(switches);
            if (switches) {
                assertThat(kind(false, connect)).isEqualTo(BodyKind.NONE);
            }
        }

        @Test
        void shouldEndHttpWith101() {
            accept(with(101, "Upgrade: websocket", "Connection: upgrade"));
            assertThat(head.switchesProtocols(false)).isTrue();
            assertThat(head.isInterim()).isFalse();
        }

        @Test
        void shouldTakeARefusedConnectForAnOrdinaryResponse() {
            accept(with(405, "Content-Length: 5"));
            assertThat(kind(false, true)).isEqualTo(BodyKind.LENGTH);
        }

        @ParameterizedTest
        @CsvSource({"100, true", "102, true", "103, true", "199, true", "101, false", "200, false", "304, false"})
        void shouldTellInterimResponses(int status, boolean interim) {
            accept(with(status));
            assertThat(head.isInterim()).isEqualTo(interim);
        }

        @Test
        void shouldBeRefusedWhereClientsCouldDisagree() {
            refuse(with(200, "Content-Length: 5", "Content-Length: 6"), HttpRefusal.REPEATED_CL);
            refuse(with(200, "Content-Length: 5", "Transfer-Encoding: chunked"), HttpRefusal.CL_AND_TE);
            refuse(with(200, "Transfer-Encoding: chunked", "Content-Length: 5"), HttpRefusal.CL_AND_TE);
            refuse(with(200, "Transfer-Encoding: gzip", "Content-Length: 5"), HttpRefusal.CL_AND_TE);
            refuse(with(200, "Transfer-Encoding: chunked, gzip"), HttpRefusal.BAD_TE);
            refuse(with(200, "Transfer-Encoding: chunked, chunked"), HttpRefusal.BAD_TE);
            refuse(with(200, "Transfer-Encoding: chunked", "Transfer-Encoding: gzip"), HttpRefusal.BAD_TE);
            refuse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HttpRefusal.BAD_TE);
            for (String value : new String[] {"", "+5", "-5", "05", "0x5", "5 5", "5, 5", "5a", "1".repeat(19)}) {
                refuse(with(200, "Content-Length: " + value), HttpRefusal.BAD_CL);
            }
        }

        @Test
        void shouldForgetTheHeadBefore() {
            accept(with(200, "Content-Length: 5", "Connection: close"));
            accept(with(200));
            assertThat(head.contentLength()).isEqualTo(-1);
            assertThat(head.closes()).isFalse();
            accept(with(200, "Transfer-Encoding: chunked"));
            accept(with(200));
            assertThat(kind(false, false)).isEqualTo(BodyKind.UNTIL_CLOSE);
        }
    }

    @Test
    void shouldNeverChangeAVerdictWhenMoreBytesCome() {
        String alphabet = "\0\t\n\r ,-/0159:;AHTaehnt\u007f\u0080";
        int[] accepted = {0};
        SeededRounds.forAll(3_000, random -> {
            StringBuilder text =
                    new StringBuilder("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n c\r\nB:\n\r\nhello");
            for (int i = random.nextInt(3); i >= 0; i--) {
                text.setCharAt(random.nextInt(text.length()), alphabet.charAt(random.nextInt(alphabet.length())));
            }
            int verdict = MessageHead.INCOMPLETE;
            for (int length = 0; length <= text.length(); length++) {
                int now = HeadFeeds.parse(head::parse, text.substring(0, length));
                if (verdict != MessageHead.INCOMPLETE) {
                    assertThat(now).isEqualTo(verdict);
                } else if (now > 0) {
                    assertThat(now).isEqualTo(length);
                }
                verdict = now;
            }
            accepted[0] += verdict > 0 ? 1 : 0;
        });
        assertThat(accepted[0]).isBetween(200, 2_800);
    }
}
