package org.dwsr.http;

/** How the end of a message body is found (RFC 9112 section 6.3). */
public enum BodyKind {
    /** No body: the message ends with its head. */
    NONE,
    /** Exactly Content-Length bytes, possibly zero. */
    LENGTH,
    /** Chunked transfer coding, up to and including the blank line after the trailers. */
    CHUNKED,
    /** Everything until the server closes the connection; responses only. */
    UNTIL_CLOSE
}
