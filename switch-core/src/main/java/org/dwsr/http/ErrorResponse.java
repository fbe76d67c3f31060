package org.dwsr.http;

import java.nio.ByteBuffer;

/**
 * The web switch's own answers: complete HTTP/1.1 responses with {@code Connection: close}, built once.
 *
 * <p>They are the same bytes every time; there is no Date because the switching logic has no clock.
 */
public enum ErrorResponse {
    /** 400: the request is not HTTP, or no two parsers agree on it. */
    BAD_REQUEST(400, "Bad Request", "The request is malformed."),
    /** 408: the rest of a request head did not come in time. */
    REQUEST_TIMEOUT(408, "Request Timeout", "The request did not arrive in time."),
    /** 431: the head is too long or has too many lines. */
    HEAD_TOO_LARGE(431, "Request Header Fields Too Large", "The request head is too large."),
    /** 503: no server of the pool is available. */
    SERVICE_UNAVAILABLE(503, "Service Unavailable", "No server is available."),
    /** 505: only HTTP/1.0 and HTTP/1.1 are spoken here. */
    VERSION_NOT_SUPPORTED(505, "HTTP Version Not Supported", "Only HTTP/1.0 and HTTP/1.1 are supported.");

    private final int status;
    /** Head and body, one ASCII character per byte; a string because an enum's fields should not be mutable. */
    private final String response;

    private final int headLengthBytes;

    ErrorResponse(int status, String reason, String text) {
        this.status = status;
        String body = status + " " + reason + "\n" + text + "\n";
        String head = "HTTP/1.1 " + status + " " + reason + "\r\n"
                + "Content-Type: text/plain; charset=us-ascii\r\n"
                + "Content-Length: " + body.length() + "\r\n"
                + "Cache-Control: no-store\r\n"
                + "Connection: close\r\n"
                + "\r\n";
        this.headLengthBytes = head.length();
        this.response = head + body;
    }

    /** The answer to a request refused for this reason. */
    public static ErrorResponse to(HttpRefusal refusal) {
        switch (refusal.status()) {
            case 431:
                return HEAD_TOO_LARGE;
            case 505:
                return VERSION_NOT_SUPPORTED;
            default:
                return BAD_REQUEST;
        }
    }

    /** The status code. */
    public int status() {
        return status;
    }

    /** The length of head and body, in bytes; all answers fit one TCP segment of 536 bytes. */
    public int lengthBytes() {
        return response.length();
    }

    /** The length of the head alone, in bytes: the whole answer to a HEAD request. */
    public int headLengthBytes() {
        return headLengthBytes;
    }

    /** Writes head and body at {@code offset}; returns {@link #lengthBytes()}. */
    public int writeTo(ByteBuffer buf, int offset) {
        for (int i = 0; i < response.length(); i++) {
            buf.put(offset + i, (byte) response.charAt(i));
        }
        return response.length();
    }
}
