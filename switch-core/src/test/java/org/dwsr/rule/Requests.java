package org.dwsr.rule;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.dwsr.http.RequestHead;

/** A request head's text, parsed somewhere inside a buffer. */
public final class Requests {
    private static final int MARGIN = 13;

    /** The bytes, with a margin before and behind the head. */
    public final ByteBuffer buf;

    /** The parsed head. */
    public final RequestHead head = new RequestHead();

    private Requests(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
        buf = ByteBuffer.allocate(bytes.length + 2 * MARGIN);
        for (int i = 0; i < bytes.length; i++) {
            buf.put(MARGIN + i, bytes[i]);
        }
        int length = head.parse(buf, MARGIN, bytes.length);
        if (length != bytes.length) {
            throw new AssertionError("the test's head does not parse (" + length + "): " + text);
        }
    }

    /** A request with a Host header and these further header lines. */
    public static Requests request(String method, String target, String host, String... headers) {
        StringBuilder text = new StringBuilder(method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n");
        for (String header : headers) {
            text.append(header).append("\r\n");
        }
        return new Requests(text.append("\r\n").toString());
    }

    /** A request as it stands. */
    public static Requests raw(String text) {
        return new Requests(text);
    }
}
