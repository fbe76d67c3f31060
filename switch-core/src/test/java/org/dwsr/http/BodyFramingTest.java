package org.dwsr.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.util.Locale;
import java.util.Random;
import org.dwsr.config.SeededRounds;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class BodyFramingTest {
    private static final String[] TRAILING = {"", "G", "\r\n", "\n", "0\r\n\r\n", "\0"};

    private final BodyFraming body = new BodyFraming();

    private int consume(String text) {
        ByteBuffer buf = ByteBuffer.wrap(HeadFeeds.bytes("\n\n\n" + text));
        return body.consume(buf, 3, text.length());
    }

    private void beginChunked() {
        body.begin(BodyKind.CHUNKED, 0);
    }

    /** Whole, byte by byte, cut in two anywhere, and each with other bytes behind: a body that ends with the text. */
    private void assertWhole(String text) {
        for (String trailing : TRAILING) {
            for (int cut = 0; cut <= text.length(); cut++) {
                beginChunked();
                assertThat(consume(text.substring(0, cut)))
                        .as("%d bytes of %s", cut, text)
                        .isEqualTo(cut);
                assertThat(body.done()).isEqualTo(cut == text.length());
                assertThat(body.broken()).isFalse();
                assertThat(consume(text.substring(cut) + trailing))
                        .as("the rest behind %d bytes of %s", cut, text)
                        .isEqualTo(text.length() - cut);
                assertThat(body.done()).isTrue();
                assertThat(body.broken()).isFalse();
                assertThat(body.opaqueRemaining()).isZero();
            }
        }
        beginChunked();
        for (int i = 0; i < text.length(); i++) {
            assertThat(body.done()).isFalse();
            assertThat(consume(text.substring(i, i + 1))).isEqualTo(1);
        }
        assertThat(body.done()).isTrue();
    }

    /** Broken at exactly this byte however it is cut, and for good. */
    private void assertBroken(String text, int at) {
        for (int cut = 0; cut <= text.length(); cut++) {
            beginChunked();
            int first = consume(text.substring(0, cut));
            assertThat(first).as("%d bytes of %s", cut, text).isEqualTo(Math.min(cut, at));
            if (!body.broken()) {
                assertThat(first + consume(text.substring(cut)))
                        .as("cut at %d: %s", cut, text)
                        .isEqualTo(at);
            }
            assertBrokenForGood();
        }
    }

    private void assertBrokenForGood() {
        for (String more : new String[] {"\n", "\r\n", "0\r\n\r\n", "\n\r\n", "a: b\r\n\r\n", "x"}) {
            assertThat(body.broken()).isTrue();
            assertThat(body.done()).isFalse();
            assertThat(body.opaqueRemaining()).isZero();
            assertThat(consume(more)).isZero();
        }
    }

    @Nested
    class Chunked {
        @ParameterizedTest
        @ValueSource(
                strings = {
                    "0\r\n\r\n",
                    "000\r\n\r\n",
                    "0000000000000000\r\n\r\n",
                    "5\r\nhello\r\n0\r\n\r\n",
                    "1\r\n\r\r\n2\r\n\r\n\r\n0\r\n\r\n",
                    "a\r\n0123456789\r\nA\r\n0\r\n\r\n01234\r\n00\r\n\r\n",
                    "0005\r\nhello\r\n0\r\n\r\n",
                    "5;\r\nhello\r\n0;\r\n\r\n",
                    "5;a=b;c=\"d\\\"; \u00e9\"\t \r\nhello\r\n0;last\r\n\r\n",
                    "0\r\nA: b\r\n\r\n",
                    "0\r\nA:\r\nB-c_d:\u00e9 \t\"\r\n\r\n",
                    "2\r\nab\r\n0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                })
        void shouldEndWithItsBlankLineHoweverItIsCut(String text) {
            assertWhole(text);
        }

        @ParameterizedTest
        @CsvSource({
            "'|', 0",
            "' 5|', 0",
            "';|', 0",
            "'-1|', 0",
            "'+5|', 0",
            "'g|', 0",
            "'0x5|', 1",
            "'5 |', 1",
            "'5 ;a|', 1",
            "'5^|', 1",
            "'5g|', 1",
            "'5.|', 1",
            "'5,5|', 1",
            "'^', 0",
            "'5;a^', 3",
            "'5;a~', 3",
            "'5;a\u007f', 3",
            "'0^', 1"
        })
        void shouldBreakAtABadSizeLine(String text, int at) {
            assertBroken(text.replace("|", "\r\n").replace("^", "\n").replace("~", "\0"), at);
        }

        @Test
        void shouldBreakAtACarriageReturnAlone() {
            assertBroken("5\rhello", 2);
            assertBroken("5\r\r\n", 2);
            assertBroken("5;a\rb", 4);
            assertBroken("0\r\n\rx", 4);
            assertBroken("0\r\nA: b\rc", 8);
            assertBroken("0\r\nA: b\r\n\r\r", 10);
        }

        @Test
        void shouldBreakWhenTheDataIsLongerOrShorterThanItsSize() {
            assertBroken("5\r\nhello!\r\n", 8);
            assertBroken("5\r\nhello\n0\r\n\r\n", 8);
            assertBroken("5\r\nhello0\r\n\r\n", 8);
            assertBroken("5\r\nhell\r\n0\r\n\r\n", 8);
            assertBroken("5\r\nhello\rx", 9);
        }

        @Test
        void shouldBreakAtABadTrailer() {
            assertBroken("0\r\n\n", 3);
            assertBroken("0\r\n a: b\r\n", 3);
            assertBroken("0\r\n: b\r\n", 3);
            assertBroken("0\r\na : b\r\n", 4);
            assertBroken("0\r\nab\r\n", 5);
            assertBroken("0\r\na: b\n", 7);
            assertBroken("0\r\na: \0\r\n", 6);
            assertBroken("0\r\na: b\r\n c\r\n", 9);
            assertBroken("0\r\n\u00e9: b\r\n", 3);
        }

        @Test
        void shouldBreakAtASizeThatOverflows() {
            beginChunked();
            assertThat(consume("7fffffffffffffff\r\n")).isEqualTo(18);
            assertThat(body.opaqueRemaining()).isEqualTo(Long.MAX_VALUE);
            assertBroken("8000000000000000\r\n", 15);
            assertBroken("ffffffffffffffff\r\n", 15);
            assertBroken("00000000000000005\r\n", 16);
            assertBroken("10000000000000005\r\n", 16);
        }

        @Test
        void shouldBreakAtAnExtensionOneByteTooLong() {
            String longest = ";" + "x".repeat(BodyFraming.MAX_EXTENSION_BYTES);
            assertWhole("1" + longest + "\r\na\r\n0" + longest + "\r\n\r\n");
            beginChunked();
            assertThat(consume("1" + longest + "x\r\n")).isEqualTo(1 + longest.length());
            assertBrokenForGood();
        }

        @Test
        void shouldBreakAtTrailersOneByteTooLong() {
            String start = "0\r\nA: 1\r\nB: ";
            String longest = start + "x".repeat(BodyFraming.MAX_TRAILER_BYTES - (start.length() - 3) - 2);
            beginChunked();
            assertThat(consume(longest + "\r\n\r\n")).isEqualTo(longest.length() + 4);
            assertThat(body.done()).isTrue();
            beginChunked();
            assertThat(consume(longest + "x\r\n\r\n")).isEqualTo(longest.length() + 2);
            assertBrokenForGood();
        }

        @Test
        void shouldStartAnewAfterABrokenBody() {
            assertBroken("g", 0);
            assertWhole("1\r\na\r\n0\r\n\r\n");
        }

        @Test
        void shouldGiveBackWhatAnEncoderWroteHoweverItIsCut() {
            SeededRounds.forAll(500, random -> {
                StringBuilder text = new StringBuilder();
                int dataBytes = 0;
                for (int chunks = random.nextInt(4); chunks > 0; chunks--) {
                    int size = 1 + random.nextInt(40);
                    String digits = Integer.toHexString(size);
                    text.append("0".repeat(random.nextInt(3)))
                            .append(random.nextBoolean() ? digits.toUpperCase(Locale.ROOT) : digits)
                            .append(random.nextInt(3) == 0 ? ";a=\"b;c\"" : "")
                            .append("\r\n");
                    for (int i = 0; i < size; i++) {
                        text.append((char) random.nextInt(256));
                    }
                    text.append("\r\n");
                    dataBytes += size;
                }
                text.append("0\r\n")
                        .append(random.nextInt(3) == 0 ? "T: v\r\n" : "")
                        .append("\r\n");
                beginChunked();
                assertThat(dataIn(random, text + "GET / HTTP/1.1\r\n\r\n", text.length()))
                        .isEqualTo(dataBytes);
            });
        }

        /** Feeds pieces of random sizes, skipping as often as not; returns the bytes that were certainly data. */
        private long dataIn(Random random, String text, int bodyLength) {
            long data = 0;
            int at = 0;
            while (!body.done()) {
                long opaque = body.opaqueRemaining();
                int piece = Math.min(1 + random.nextInt(20), text.length() - at);
                if (opaque > 0 && random.nextBoolean()) {
                    long skipped = Math.min(opaque, piece);
                    body.skip(skipped);
                    data += skipped;
                    at += (int) skipped;
                } else {
                    int single = opaque > 0 ? (int) Math.min(opaque, piece) : 1;
                    assertThat(consume(text.substring(at, at + single))).isEqualTo(single);
                    data += opaque > 0 ? single : 0;
                    at += single;
                }
            }
            assertThat(at).isEqualTo(bodyLength);
            assertThat(consume(text.substring(at))).isZero();
            return data;
        }
    }

    @Nested
    class WithContentLength {
        @ParameterizedTest
        @ValueSource(longs = {1, 5, 100_000_000_000L})
        void shouldEndAfterExactlySoManyBytes(long length) {
            body.begin(BodyKind.LENGTH, length);
            assertThat(body.done()).isFalse();
            assertThat(body.opaqueRemaining()).isEqualTo(length);
            body.skip(length - 1);
            assertThat(body.done()).isFalse();
            assertThat(consume("\r\n")).isEqualTo(1);
            assertThat(body.done()).isTrue();
            assertThat(consume("\n")).isZero();
        }

        @Test
        void shouldTakeAnyBytes() {
            for (int cut = 0; cut <= 6; cut++) {
                body.begin(BodyKind.LENGTH, 6);
                String text = "0\r\n\r\n\0GET";
                assertThat(consume(text.substring(0, cut))).isEqualTo(cut);
                assertThat(consume(text.substring(cut))).isEqualTo(6 - cut);
                assertThat(body.done()).isTrue();
            }
        }

        @Test
        void shouldBeDoneAtOnceWhenEmpty() {
            body.begin(BodyKind.LENGTH, 0);
            assertThat(body.done()).isTrue();
            assertThat(consume("G")).isZero();
        }

        @Test
        void shouldRefuseANegativeLength() {
            assertThatThrownBy(() -> body.begin(BodyKind.LENGTH, -1)).isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Nested
    class OtherKinds {
        @Test
        void shouldBeDoneBeforeTheFirstBodyAndWithoutOne() {
            assertThat(body.done()).isTrue();
            assertThat(consume("0\r\n\r\n")).isZero();
            beginChunked();
            body.begin(BodyKind.NONE, 0);
            assertThat(body.done()).isTrue();
            assertThat(body.opaqueRemaining()).isZero();
        }

        @Test
        void shouldNeverBeDoneUntilTheClose() {
            body.begin(BodyKind.UNTIL_CLOSE, 0);
            assertThat(consume("0\r\n\r\n")).isEqualTo(5);
            body.skip(1L << 62);
            body.skip(1L << 62);
            assertThat(body.opaqueRemaining()).isEqualTo(Long.MAX_VALUE);
            assertThat(body.done()).isFalse();
            assertThat(body.broken()).isFalse();
        }
    }

    @Nested
    class Skipping {
        @Test
        void shouldRefuseMoreThanIsCertainlyData() {
            body.begin(BodyKind.LENGTH, 3);
            assertThatThrownBy(() -> body.skip(4)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> body.skip(-1)).isInstanceOf(IllegalArgumentException.class);
            assertThat(body.opaqueRemaining()).isEqualTo(3);
            beginChunked();
            assertThatThrownBy(() -> body.skip(1)).isInstanceOf(IllegalArgumentException.class);
            consume("3\r\na");
            assertThat(body.opaqueRemaining()).isEqualTo(2);
            assertThatThrownBy(() -> body.skip(3)).isInstanceOf(IllegalArgumentException.class);
            body.skip(2);
            assertThatThrownBy(() -> body.skip(1)).isInstanceOf(IllegalArgumentException.class);
            assertThat(consume("\r\n0\r\n\r\n")).isEqualTo(7);
            assertThat(body.done()).isTrue();
        }

        @Test
        void shouldChangeNothingWhenZero() {
            beginChunked();
            body.skip(0);
            assertThat(consume("0\r\n\r\n")).isEqualTo(5);
            body.skip(0);
            assertThat(body.done()).isTrue();
        }
    }
}
