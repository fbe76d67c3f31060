package org.dwsr.http;

import java.util.Locale;

/**
 * Why a message is refused: the reason that is counted and the status it is answered with.
 *
 * <p>Every request shape on which two HTTP parsers could disagree about where a message ends, whom it is for or what it
 * asks is a refusal here, because the host filter and the web server behind it must see the same requests
 * (RFC 9112 section 11.2).
 */
public enum HttpRefusal {
    /** The first byte cannot start an HTTP request. */
    NOT_HTTP(400),
    /** The first byte is that of a TLS handshake record. */
    TLS(400),
    /** The HTTP/2 connection preface, {@code PRI * HTTP/2.0} (RFC 9113 section 3.4). */
    HTTP2_PREFACE(505),
    /** An empty line before the request line: RFC 9112 section 2.2 lets a server ignore it, so servers differ. */
    LEADING_EMPTY_LINE(400),
    /** A method with other bytes than {@code A-Z}, {@code -} and {@code _}, or a very long one. */
    BAD_METHOD(400),
    /** White space in the request line other than its two single spaces. */
    REQUEST_LINE_SPACE(400),
    /** A request target of no known form, or not allowed with its method, or with forbidden bytes. */
    BAD_TARGET(400),
    /** No version, or not of the form {@code HTTP/d.d}; includes HTTP/0.9 simple requests. */
    BAD_VERSION(400),
    /** A well-formed version other than 1.0 and 1.1. */
    UNSUPPORTED_VERSION(505),
    /** A line feed without its carriage return. */
    BARE_LF(400),
    /** A carriage return without its line feed. */
    BARE_CR(400),
    /** A header line that starts with white space (RFC 9112 section 5.2). */
    OBS_FOLD(400),
    /** White space inside a header's name or before its colon (RFC 9112 section 5.1). */
    SPACE_BEFORE_COLON(400),
    /** An empty header name, a byte that is not a token's, no colon, or {@code _} written for {@code -} in a framing name. */
    BAD_HEADER_NAME(400),
    /** NUL, DEL or another control byte in a header's value. */
    BAD_HEADER_VALUE(400),
    /** HTTP/1.1 without Host. */
    MISSING_HOST(400),
    /** More than one Host. */
    REPEATED_HOST(400),
    /** A Host that is empty or not {@code host[:port]}. */
    BAD_HOST(400),
    /** The target names another authority than Host. */
    HOST_MISMATCH(400),
    /** Content-Length together with Transfer-Encoding. */
    CL_AND_TE(400),
    /** More than one Content-Length, or a list of them, equal or not. */
    REPEATED_CL(400),
    /** A Content-Length that is not plain decimal digits without leading zeros, or too large. */
    BAD_CL(400),
    /** A Transfer-Encoding other than one {@code chunked}, or any in HTTP/1.0. */
    BAD_TE(400),
    /** CONNECT with a body, which has no meaning (RFC 9110 section 9.3.6). */
    BODY_ON_CONNECT(400),
    /** Broken chunk syntax in a body ({@link BodyFraming#broken()}). */
    BAD_CHUNK(400),
    /** A response's status line that is not {@code HTTP/1.d ddd}. */
    BAD_STATUS_LINE(400),
    /** The client closed its side before the head's end. */
    HEAD_CUT_OFF(400),
    /** The head is longer than its limit. */
    HEAD_TOO_LONG(431),
    /** More header lines than {@link MessageHead#MAX_HEADERS}. */
    TOO_MANY_HEADERS(431);

    private final int status;
    private final String counter;

    HttpRefusal(int status) {
        this.status = status;
        this.counter = name().toLowerCase(Locale.ROOT);
    }

    /** The status code a request refused for this reason is answered with. */
    public int status() {
        return status;
    }

    /** The reason's name in counters: lower case, words joined by {@code _}. */
    public String counter() {
        return counter;
    }
}
