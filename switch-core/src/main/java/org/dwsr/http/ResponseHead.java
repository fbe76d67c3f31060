package org.dwsr.http;

import java.nio.ByteBuffer;

/**
 * A parser of HTTP/1.x response heads as real servers send them, and the view of the head it parsed last.
 *
 * <p>Lenient where clients agree: bare LF line ends, no reason phrase, folded header lines (the value then contains the
 * line ends), control bytes other than NUL in values, odd bytes in names, equal repeated Content-Length. Refused where
 * clients could disagree on where the response ends: differing or malformed Content-Length, Content-Length with
 * Transfer-Encoding, chunked not last, Transfer-Encoding in HTTP/1.0, bare CR, white space before a colon. Who gets a
 * refusal knows no message boundaries on this connection any more. Never allocates, keeps nothing between calls.
 */
public final class ResponseHead extends MessageHead {
    /** The longest head accepted, in bytes, blank line included. */
    public static final int MAX_HEAD_BYTES = 65536;

    private static final byte[] VERSION = Octets.ascii("HTTP/1.");

    private int status;

    /** A parser that has parsed nothing yet. */
    public ResponseHead() {}

    /**
     * Parses the head that starts at {@code offset}; bytes behind the head are not looked at.
     *
     * @param buf the bytes, heap or direct; position and limit are not used, but the limit must not be below
     *     {@code offset + length}
     * @param offset where the head starts
     * @param length the number of bytes there are
     * @return the head's length in bytes through its blank line, {@link #INCOMPLETE} or {@link #REFUSED}
     */
    public int parse(ByteBuffer buf, int offset, int length) {
        start(buf);
        status = 0;
        int end = offset + Math.min(length, MAX_HEAD_BYTES);
        int p = parseStatusLine(buf, offset, end);
        if (p >= 0) {
            p = parseHeaders(buf, p, end);
        }
        if (p >= 0) {
            return p - offset;
        }
        if (p == MORE) {
            return length >= MAX_HEAD_BYTES ? refuse(HttpRefusal.HEAD_TOO_LONG) : INCOMPLETE;
        }
        return REFUSED;
    }

    private int parseStatusLine(ByteBuffer buf, int from, int end) {
        int p = from;
        for (byte expected : VERSION) {
            if (p == end) {
                return MORE;
            }
            if (Octets.at(buf, p) != expected) {
                return refuse(HttpRefusal.BAD_STATUS_LINE);
            }
            p++;
        }
        // The minor version, a space, three digits.
        for (int i = 0; i < 5; i++, p++) {
            if (p == end) {
                return MORE;
            }
            int octet = Octets.at(buf, p);
            if (i == 1 ? octet != Octets.SP : !Octets.isDigit(octet)) {
                return refuse(HttpRefusal.BAD_STATUS_LINE);
            }
            if (i == 0) {
                minorVersion = octet == '0' ? 0 : 1;
            } else if (i > 1) {
                status = status * 10 + octet - '0';
            }
        }
        if (status < 100) {
            return refuse(HttpRefusal.BAD_STATUS_LINE);
        }
        if (p == end) {
            return MORE;
        }
        int octet = Octets.at(buf, p);
        if (octet != Octets.SP && octet != Octets.CR && octet != Octets.LF) {
            return refuse(HttpRefusal.BAD_STATUS_LINE);
        }
        return parseLine(buf, p, end);
    }

    /** Goes to the end of the line; returns the position behind it. */
    private int parseLine(ByteBuffer buf, int from, int end) {
        int p = from;
        while (true) {
            p = Octets.skipPrintable(buf, p, end);
            // Byte by byte to the control byte that stopped the skipping, or to the end.
            while (p < end && Octets.is(Octets.at(buf, p), Octets.VALUE)) {
                p++;
            }
            if (p == end) {
                return MORE;
            }
            int octet = Octets.at(buf, p++);
            if (octet == Octets.LF) {
                return p;
            }
            if (octet == Octets.CR) {
                if (p == end) {
                    return MORE;
                }
                return Octets.at(buf, p) == Octets.LF ? p + 1 : refuse(HttpRefusal.BARE_CR);
            }
            if (octet == 0) {
                return refuse(HttpRefusal.BAD_HEADER_VALUE);
            }
        }
    }

    private int parseHeaders(ByteBuffer buf, int from, int end) {
        int p = from;
        while (p >= 0) {
            if (p == end) {
                return MORE;
            }
            int octet = Octets.at(buf, p);
            if (octet == Octets.LF) {
                return p + 1;
            }
            if (octet == Octets.CR) {
                if (p + 1 == end) {
                    return MORE;
                }
                return Octets.at(buf, p + 1) == Octets.LF ? p + 2 : refuse(HttpRefusal.BARE_CR);
            }
            p = parseHeader(buf, p, end);
        }
        return p;
    }

    private int parseHeader(ByteBuffer buf, int from, int end) {
        int p = from;
        while (p < end && isName(Octets.at(buf, p))) {
            p++;
        }
        if (p == end) {
            return MORE;
        }
        int octet = Octets.at(buf, p);
        if (octet != ':' || p == from) {
            return refuse(refusalInName(octet, p == from));
        }
        if (headerCount() == MAX_HEADERS) {
            return refuse(HttpRefusal.TOO_MANY_HEADERS);
        }
        int nameLength = p - from;
        int value = p + 1;
        p = value;
        do {
            p = parseLine(buf, p, end);
            if (p < 0) {
                return p;
            }
            // Only the next line's first byte tells whether this one goes on (RFC 9112 section 5.2).
            if (p == end) {
                return MORE;
            }
        } while (Octets.isBlank(Octets.at(buf, p)));
        int valueOffset = skipBlanks(buf, value, p);
        int valueLength = trimBlanks(buf, valueOffset, p) - valueOffset;
        addHeader(from, nameLength, valueOffset, valueLength);
        return readHeader(buf, from, nameLength, valueOffset, valueLength, p);
    }

    private static boolean isName(int octet) {
        return octet > Octets.SP && octet != ':' && octet != 0x7f;
    }

    private static HttpRefusal refusalInName(int octet, boolean first) {
        if (Octets.isBlank(octet)) {
            return first ? HttpRefusal.OBS_FOLD : HttpRefusal.SPACE_BEFORE_COLON;
        }
        return HttpRefusal.BAD_HEADER_NAME;
    }

    private int readHeader(ByteBuffer buf, int name, int nameLength, int value, int valueLength, int next) {
        switch (nameLength) {
            case 10:
                if (Octets.equalsLower(buf, name, 10, CONNECTION)) {
                    readConnection(buf, value, valueLength);
                }
                break;
            case 14:
                if (Octets.equalsLower(buf, name, 14, CONTENT_LENGTH)) {
                    return readContentLength(buf, value, valueLength, next);
                }
                break;
            case 17:
                if (Octets.equalsLower(buf, name, 17, TRANSFER_ENCODING)) {
                    return readTransferEncoding(buf, value, valueLength, next);
                }
                break;
            default:
                break;
        }
        return next;
    }

    private int readContentLength(ByteBuffer buf, int value, int valueLength, int next) {
        if (transferEncodingSeen) {
            return refuse(HttpRefusal.CL_AND_TE);
        }
        long length = decimal(buf, value, valueLength);
        if (length < 0) {
            return refuse(HttpRefusal.BAD_CL);
        }
        if (contentLength >= 0 && length != contentLength) {
            return refuse(HttpRefusal.REPEATED_CL);
        }
        contentLength = length;
        return next;
    }

    private int readTransferEncoding(ByteBuffer buf, int value, int valueLength, int next) {
        if (contentLength >= 0) {
            return refuse(HttpRefusal.CL_AND_TE);
        }
        if (minorVersion == 0) {
            return refuse(HttpRefusal.BAD_TE);
        }
        transferEncodingSeen = true;
        int end = value + valueLength;
        int p = value;
        while (p < end) {
            int comma = p;
            while (comma < end && Octets.at(buf, comma) != ',') {
                comma++;
            }
            int from = skipBlanks(buf, p, comma);
            int to = trimBlanks(buf, from, comma);
            if (to > from) {
                if (chunked) {
                    return refuse(HttpRefusal.BAD_TE);
                }
                chunked = Octets.equalsLower(buf, from, to - from, CHUNKED);
            }
            p = comma + 1;
        }
        return next;
    }

    /** The status code, 100 to 999. */
    public int status() {
        return status;
    }

    /** Whether this is an interim response (1xx but 101): the final one to the same request follows its head. */
    public boolean isInterim() {
        return status < 200 && status != 101;
    }

    /**
     * Whether HTTP ends on this connection with this head: 101, or 2xx to CONNECT.
     *
     * @param connect whether the request was CONNECT
     */
    public boolean switchesProtocols(boolean connect) {
        return status == 101 || (connect && status >= 200 && status < 300);
    }

    /**
     * How the end of the response's body is found (RFC 9112 section 6.3).
     *
     * @param head whether the request was HEAD
     * @param connect whether the request was CONNECT
     */
    public BodyKind bodyKind(boolean head, boolean connect) {
        if (head || status < 200 || status == 204 || status == 304 || switchesProtocols(connect)) {
            return BodyKind.NONE;
        }
        if (chunked) {
            return BodyKind.CHUNKED;
        }
        if (transferEncodingSeen) {
            return BodyKind.UNTIL_CLOSE;
        }
        return contentLength >= 0 ? BodyKind.LENGTH : BodyKind.UNTIL_CLOSE;
    }
}
