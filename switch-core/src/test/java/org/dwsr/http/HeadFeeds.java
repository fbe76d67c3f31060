package org.dwsr.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * Feeds a head to a parser in every way the network can: whole, byte by byte, with bytes behind it, at odd places of
 * heap and direct buffers that end where the bytes end.
 */
final class HeadFeeds {
    /** A parse method of either kind of head. */
    interface Parser {
        int parse(ByteBuffer buf, int offset, int length);
    }

    private static final int MARGIN = 5;
    private static final String[] TRAILING = {"G", "GET / HTTP/1.1\r\nHost: b\r\n\r\n", "\r\n", "\n", "\0", " ", ":"};

    private HeadFeeds() {}

    /** Asserts that the text is a head that is complete with its last byte; the head is left parsed from its whole. */
    static void assertAccepted(MessageHead head, Parser parser, String text) {
        for (int length = 0; length < text.length(); length++) {
            assertThat(parse(parser, text.substring(0, length)))
                    .as("the first %d bytes of %s", length, text)
                    .isEqualTo(MessageHead.INCOMPLETE);
        }
        for (String trailing : TRAILING) {
            assertThat(parse(parser, text + trailing))
                    .as("with %s behind %s", trailing, text)
                    .isEqualTo(text.length());
        }
        ByteBuffer direct = ByteBuffer.allocateDirect(text.length()).put(bytes(text));
        assertThat(parser.parse(direct, 0, text.length())).as(text).isEqualTo(text.length());
        assertThat(parse(parser, text)).as(text).isEqualTo(text.length());
        assertThat(head.buffer().get(MARGIN)).isEqualTo((byte) text.charAt(0));
    }

    /** Asserts that the text is refused for this reason, from some byte on and then however it goes on. */
    static void assertRefused(MessageHead head, Parser parser, String text, HttpRefusal reason) {
        boolean refused = false;
        for (int length = 0; length <= text.length(); length++) {
            int result = parse(parser, text.substring(0, length));
            if (!refused) {
                assertThat(result)
                        .as("the first %d bytes of %s", length, text)
                        .isIn(MessageHead.INCOMPLETE, MessageHead.REFUSED);
                refused = result == MessageHead.REFUSED;
            }
            if (refused) {
                assertThat(result).as(text).isEqualTo(MessageHead.REFUSED);
                assertThat(head.refusal()).as(text).isEqualTo(reason);
            }
        }
        assertThat(refused).as("refused: %s", text).isTrue();
        for (String trailing : TRAILING) {
            assertThat(parse(parser, text + trailing)).as(text).isEqualTo(MessageHead.REFUSED);
            assertThat(head.refusal()).as("with %s behind %s", trailing, text).isEqualTo(reason);
        }
    }

    /** Parses the text at an offset in a buffer whose limit is its end, so that a read beyond it fails. */
    static int parse(Parser parser, String text) {
        ByteBuffer buf = ByteBuffer.allocate(MARGIN + text.length());
        for (int i = 0; i < MARGIN; i++) {
            buf.put(i, (byte) '\r');
        }
        for (int i = 0; i < text.length(); i++) {
            buf.put(MARGIN + i, (byte) text.charAt(i));
        }
        return parser.parse(buf, MARGIN, text.length());
    }

    /** What stands at a place of the buffer last parsed, one character per byte. */
    static String text(MessageHead head, int offset, int length) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < length; i++) {
            text.append((char) (head.buffer().get(offset + i) & 0xff));
        }
        return text.toString();
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }
}
