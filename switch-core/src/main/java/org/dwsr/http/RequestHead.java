package org.dwsr.http;

import java.nio.ByteBuffer;

/**
 * A strict parser of HTTP/1.x request heads, and the view of the head it parsed last.
 *
 * <p>It reads request line and header lines through the blank line in one pass over contiguous bytes and keeps nothing
 * between calls: when more bytes have come, the head is parsed again from its start. It never allocates. Bytes are
 * refused at the first byte that no acceptable head could have there, so an incomplete head may already be refused, and
 * what has been refused stays refused however it goes on. Every shape on which two parsers could disagree is refused;
 * {@link HttpRefusal} lists them. Choices that RFC 9112 leaves open:
 *
 * <ul>
 *   <li>An empty line before the request line is refused (section 2.2 would allow to skip it).
 *   <li>Methods are upper case letters, {@code -} and {@code _}, at most 24 bytes, as nginx has them.
 *   <li>Targets may hold the visible ASCII bytes browsers send unescaped and bytes above 0x7f, but no {@code #}, and in the
 *       path no {@code %} without two hexadecimal digits and no {@code %00}. Dot segments and escapes are not resolved.
 *   <li>Absolute-form targets must be {@code http} and their authority must equal Host byte for byte, case ignored.
 *   <li>Host is {@code name[:port]}, {@code a.b.c.d[:port]} or {@code [v6][:port]}, never empty.
 *   <li>Host, Content-Length and Transfer-Encoding may have spaces around their value but no tabs, which not every
 *       server trims; {@code _} for {@code -} in the latter two is refused because CGI cannot tell them apart.
 *   <li>HTTP/1.0 may come without Host; then there is no host ({@link #hostOffset()} is -1).
 * </ul>
 */
public final class RequestHead extends MessageHead {
    /** The longest head accepted, in bytes, blank line included. */
    public static final int MAX_HEAD_BYTES = 16384;

    private static final int MAX_METHOD_BYTES = 24;

    private static final byte[] SCHEME = Octets.ascii("http://");
    private static final byte[] VERSION = Octets.ascii("HTTP/1.");
    private static final byte[] HOST = Octets.ascii("host");
    private static final byte[] EXPECT = Octets.ascii("expect");
    private static final byte[] CONTINUE = Octets.ascii("100-continue");

    private static final byte[] GET = Octets.ascii("GET");
    private static final byte[] HEAD = Octets.ascii("HEAD");
    private static final byte[] POST = Octets.ascii("POST");
    private static final byte[] CONNECT = Octets.ascii("CONNECT");
    private static final byte[] OPTIONS = Octets.ascii("OPTIONS");
    private static final byte[] PRI = Octets.ascii("PRI");

    private int methodOffset;
    private int methodLength;
    private boolean connect;
    private int targetOffset;
    private int targetLength;
    private int pathOffset;
    private int pathLength;
    private int queryOffset;
    private int queryLength;
    private int extensionOffset;
    private int extensionLength;
    private int authorityOffset;
    private int authorityLength;
    private int hostOffset;
    private int hostLength;
    private boolean hostSeen;
    private boolean expectsContinue;

    /** A parser that has parsed nothing yet. */
    public RequestHead() {}

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
        connect = false;
        targetOffset = offset;
        targetLength = 0;
        queryOffset = -1;
        queryLength = 0;
        authorityOffset = -1;
        authorityLength = 0;
        hostOffset = -1;
        hostLength = 0;
        hostSeen = false;
        expectsContinue = false;

        int end = offset + Math.min(length, MAX_HEAD_BYTES);
        int p = parseMethod(buf, offset, end);
        if (p >= 0) {
            p = parseTarget(buf, p, end);
        }
        if (p >= 0) {
            p = parseVersion(buf, p, end);
        }
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

    /** Reads the method and its space; returns where the target starts. */
    private int parseMethod(ByteBuffer buf, int from, int end) {
        methodOffset = from;
        int p = from;
        while (p < end && Octets.is(Octets.at(buf, p), Octets.METHOD)) {
            p++;
            if (p - from > MAX_METHOD_BYTES) {
                return refuse(HttpRefusal.BAD_METHOD);
            }
        }
        if (p == end) {
            return MORE;
        }
        methodLength = p - from;
        int octet = Octets.at(buf, p);
        if (methodLength == 0) {
            return refuse(refusalOfFirstByte(octet));
        }
        if (octet != Octets.SP) {
            return refuse(inRequestLine(octet, HttpRefusal.BAD_METHOD));
        }
        // RFC 9113 section 3.4: the preface's method is reserved so that HTTP/1 servers stop here.
        if (methodEquals(PRI)) {
            return refuse(HttpRefusal.HTTP2_PREFACE);
        }
        connect = methodEquals(CONNECT);
        return p + 1;
    }

    private static HttpRefusal refusalOfFirstByte(int octet) {
        if (octet == 0x16) {
            return HttpRefusal.TLS;
        }
        if (octet == Octets.CR || octet == Octets.LF) {
            return HttpRefusal.LEADING_EMPTY_LINE;
        }
        if (Octets.isBlank(octet)) {
            return HttpRefusal.REQUEST_LINE_SPACE;
        }
        return Octets.is(octet, Octets.TOKEN) ? HttpRefusal.BAD_METHOD : HttpRefusal.NOT_HTTP;
    }

    /** The reason to refuse this byte in the request line, {@code otherwise} if it is neither white space nor LF. */
    private static HttpRefusal inRequestLine(int octet, HttpRefusal otherwise) {
        if (Octets.isBlank(octet)) {
            return HttpRefusal.REQUEST_LINE_SPACE;
        }
        return octet == Octets.LF ? HttpRefusal.BARE_LF : otherwise;
    }

    /** The reason to refuse this byte in the target: a line's end there is a version missing, as in HTTP/0.9. */
    private static HttpRefusal inTarget(int octet) {
        return inRequestLine(octet, octet == Octets.CR ? HttpRefusal.BAD_VERSION : HttpRefusal.BAD_TARGET);
    }

    /** Reads the target and its space (RFC 9112 section 3.2); returns where the version starts. */
    private int parseTarget(ByteBuffer buf, int from, int end) {
        if (from == end) {
            return MORE;
        }
        targetOffset = from;
        int p;
        int first = Octets.at(buf, from);
        if (connect) {
            p = parseConnect(buf, from, end);
        } else if (first == '/') {
            p = parsePath(buf, from, end);
        } else if (first == '*') {
            p = parseAsterisk(buf, from, end);
        } else {
            p = parseAbsolute(buf, from, end);
        }
        if (p < 0) {
            return p;
        }
        targetLength = p - from;
        return p + 1;
    }

    private int parseConnect(ByteBuffer buf, int from, int end) {
        int p = parseAuthority(buf, from, end);
        if (p < 0) {
            return p;
        }
        if (Octets.at(buf, p) != Octets.SP) {
            return refuse(inTarget(Octets.at(buf, p)));
        }
        setPath(p, p, -1);
        return p;
    }

    private int parseAsterisk(ByteBuffer buf, int from, int end) {
        if (!methodEquals(OPTIONS)) {
            return refuse(HttpRefusal.BAD_TARGET);
        }
        int p = from + 1;
        if (p == end) {
            return MORE;
        }
        if (Octets.at(buf, p) != Octets.SP) {
            return refuse(inTarget(Octets.at(buf, p)));
        }
        setPath(from, p, -1);
        return p;
    }

    private int parseAbsolute(ByteBuffer buf, int from, int end) {
        int p = from;
        for (byte expected : SCHEME) {
            if (p == end) {
                return MORE;
            }
            int octet = Octets.at(buf, p);
            if (Octets.lower(octet) != expected) {
                return refuse(inTarget(octet));
            }
            p++;
        }
        p = parseAuthority(buf, p, end);
        if (p < 0) {
            return p;
        }
        int octet = Octets.at(buf, p);
        if (octet == '/') {
            return parsePath(buf, p, end);
        }
        if (octet != '?' && octet != Octets.SP) {
            return refuse(inTarget(octet));
        }
        // An empty path means "/" (RFC 9110 section 4.2.3); the scheme's last slash stands in for it.
        int slash = from + SCHEME.length - 1;
        setPath(slash, slash + 1, -1);
        return octet == '?' ? parseQuery(buf, p + 1, end) : p;
    }

    /** Reads {@code host[:port]}; returns the position of the first byte behind it. */
    private int parseAuthority(ByteBuffer buf, int from, int end) {
        int p = from;
        while (p < end && isAuthority(Octets.at(buf, p))) {
            p++;
        }
        if (p == end) {
            return MORE;
        }
        authorityOffset = from;
        authorityLength = p - from;
        hostLength = Octets.hostLength(buf, from, authorityLength, connect);
        if (hostLength < 0) {
            return refuse(HttpRefusal.BAD_TARGET);
        }
        hostOffset = from;
        return p;
    }

    private static boolean isAuthority(int octet) {
        return Octets.is(octet, Octets.NAME) || octet == ':' || octet == '[' || octet == ']';
    }

    /** Reads path and query; returns the position of the space behind them. */
    private int parsePath(ByteBuffer buf, int from, int end) {
        int dot = -1;
        for (int p = from; p < end; p++) {
            int octet = Octets.at(buf, p);
            if (Octets.is(octet, Octets.PATH)) {
                continue;
            }
            switch (octet) {
                case '/':
                    dot = -1;
                    break;
                case '.':
                    dot = p;
                    break;
                case '%':
                    if (p + 1 == end) {
                        return MORE;
                    }
                    if (!Octets.is(Octets.at(buf, p + 1), Octets.HEX)) {
                        return refuse(inTarget(Octets.at(buf, p + 1)));
                    }
                    if (p + 2 == end) {
                        return MORE;
                    }
                    if (!Octets.is(Octets.at(buf, p + 2), Octets.HEX)) {
                        return refuse(inTarget(Octets.at(buf, p + 2)));
                    }
                    if (Octets.at(buf, p + 1) == '0' && Octets.at(buf, p + 2) == '0') {
                        return refuse(HttpRefusal.BAD_TARGET);
                    }
                    p += 2;
                    break;
                case '?':
                    setPath(from, p, dot);
                    return parseQuery(buf, p + 1, end);
                case Octets.SP:
                    setPath(from, p, dot);
                    return p;
                default:
                    return refuse(inTarget(octet));
            }
        }
        return MORE;
    }

    private void setPath(int from, int to, int dot) {
        pathOffset = from;
        pathLength = to - from;
        extensionOffset = dot < 0 ? to : dot + 1;
        extensionLength = to - extensionOffset;
    }

    private int parseQuery(ByteBuffer buf, int from, int end) {
        int p = from;
        while (p < end && Octets.is(Octets.at(buf, p), Octets.QUERY)) {
            p++;
        }
        if (p == end) {
            return MORE;
        }
        if (Octets.at(buf, p) != Octets.SP) {
            return refuse(inTarget(Octets.at(buf, p)));
        }
        queryOffset = from;
        queryLength = p - from;
        return p;
    }

    /** Reads the version and the line's end; returns where the header lines start. */
    private int parseVersion(ByteBuffer buf, int from, int end) {
        int p = from;
        for (byte expected : VERSION) {
            if (p == end) {
                return MORE;
            }
            int octet = Octets.at(buf, p);
            if (octet != expected) {
                boolean otherMajor = expected == '1' && Octets.isDigit(octet);
                return refuse(
                        otherMajor ? HttpRefusal.UNSUPPORTED_VERSION : inRequestLine(octet, HttpRefusal.BAD_VERSION));
            }
            p++;
        }
        if (p == end) {
            return MORE;
        }
        int minor = Octets.at(buf, p);
        if (minor != '0' && minor != '1') {
            return refuse(
                    Octets.isDigit(minor)
                            ? HttpRefusal.UNSUPPORTED_VERSION
                            : inRequestLine(minor, HttpRefusal.BAD_VERSION));
        }
        minorVersion = minor - '0';
        p++;
        if (p == end) {
            return MORE;
        }
        if (Octets.at(buf, p) != Octets.CR) {
            return refuse(inRequestLine(Octets.at(buf, p), HttpRefusal.BAD_VERSION));
        }
        return parseLineFeed(buf, p + 1, end);
    }

    /** Reads the LF that must follow a CR; returns the position behind it. */
    private int parseLineFeed(ByteBuffer buf, int at, int end) {
        if (at == end) {
            return MORE;
        }
        return Octets.at(buf, at) == Octets.LF ? at + 1 : refuse(HttpRefusal.BARE_CR);
    }

    /** Reads the header lines and the blank line; returns the position behind it. */
    private int parseHeaders(ByteBuffer buf, int from, int end) {
        int p = from;
        while (p >= 0) {
            if (p == end) {
                return MORE;
            }
            int octet = Octets.at(buf, p);
            if (octet == Octets.CR) {
                p = parseLineFeed(buf, p + 1, end);
                return p >= 0 ? finish(p) : p;
            }
            p = parseHeader(buf, p, end);
        }
        return p;
    }

    private int finish(int headEnd) {
        return minorVersion == 1 && !hostSeen ? refuse(HttpRefusal.MISSING_HOST) : headEnd;
    }

    /** Reads one header line; returns where the next one starts. */
    private int parseHeader(ByteBuffer buf, int from, int end) {
        int p = from;
        while (p < end && Octets.is(Octets.at(buf, p), Octets.TOKEN)) {
            p++;
        }
        if (p == end) {
            return MORE;
        }
        int octet = Octets.at(buf, p);
        if (octet != ':' || p == from) {
            return refuse(inName(octet, p == from));
        }
        if (headerCount() == MAX_HEADERS) {
            return refuse(HttpRefusal.TOO_MANY_HEADERS);
        }
        int nameEnd = p;
        p++;
        while (p < end && Octets.isBlank(Octets.at(buf, p))) {
            p++;
        }
        int valueOffset = p;
        p = Octets.skipPrintable(buf, p, end);
        while (p < end && Octets.is(Octets.at(buf, p), Octets.VALUE)) {
            p++;
        }
        if (p == end) {
            return MORE;
        }
        octet = Octets.at(buf, p);
        if (octet != Octets.CR) {
            return refuse(octet == Octets.LF ? HttpRefusal.BARE_LF : HttpRefusal.BAD_HEADER_VALUE);
        }
        int valueEnd = p;
        p = parseLineFeed(buf, p + 1, end);
        if (p < 0) {
            return p;
        }
        while (valueEnd > valueOffset && Octets.isBlank(Octets.at(buf, valueEnd - 1))) {
            valueEnd--;
        }
        addHeader(from, nameEnd - from, valueOffset, valueEnd - valueOffset);
        return readHeader(buf, from, nameEnd - from, valueOffset, valueEnd - valueOffset, p);
    }

    private static HttpRefusal inName(int octet, boolean first) {
        if (Octets.isBlank(octet)) {
            return first ? HttpRefusal.OBS_FOLD : HttpRefusal.SPACE_BEFORE_COLON;
        }
        return octet == Octets.LF ? HttpRefusal.BARE_LF : HttpRefusal.BAD_HEADER_NAME;
    }

    /** Acts on the header lines that matter for framing; returns {@code next} or refuses. */
    private int readHeader(ByteBuffer buf, int name, int nameLength, int value, int valueLength, int next) {
        switch (nameLength) {
            case 4:
                if (Octets.equalsLower(buf, name, 4, HOST)) {
                    return readHost(buf, name + 5, value, valueLength, next);
                }
                break;
            case 6:
                if (Octets.equalsLower(buf, name, 6, EXPECT)) {
                    expectsContinue |= Octets.equalsLower(buf, value, valueLength, CONTINUE);
                }
                break;
            case 7:
                if (Octets.equalsLower(buf, name, 7, UPGRADE)) {
                    upgradeSeen |= valueLength > 0;
                }
                break;
            case 10:
                if (Octets.equalsLower(buf, name, 10, CONNECTION)) {
                    readConnection(buf, value, valueLength);
                }
                break;
            case 14:
                if (equalsDashed(buf, name, CONTENT_LENGTH)) {
                    return readContentLength(buf, name, value, valueLength, next);
                }
                break;
            case 17:
                if (equalsDashed(buf, name, TRANSFER_ENCODING)) {
                    return readTransferEncoding(buf, name, value, valueLength, next);
                }
                break;
            default:
                break;
        }
        return next;
    }

    /** Whether the name is this one, {@code _} taken for {@code -}. */
    private static boolean equalsDashed(ByteBuffer buf, int offset, byte[] lower) {
        for (int i = 0; i < lower.length; i++) {
            int octet = Octets.at(buf, offset + i);
            if ((octet == '_' ? '-' : Octets.lower(octet)) != lower[i]) {
                return false;
            }
        }
        return true;
    }

    private static boolean has(ByteBuffer buf, int from, int end, int wanted) {
        for (int p = from; p < end; p++) {
            if (Octets.at(buf, p) == wanted) {
                return true;
            }
        }
        return false;
    }

    private int readHost(ByteBuffer buf, int afterColon, int value, int valueLength, int next) {
        if (hostSeen) {
            return refuse(HttpRefusal.REPEATED_HOST);
        }
        hostSeen = true;
        int length = Octets.hostLength(buf, value, valueLength, false);
        if (length < 0 || has(buf, afterColon, next, Octets.HTAB)) {
            return refuse(HttpRefusal.BAD_HOST);
        }
        if (authorityOffset >= 0 && !sameAuthority(buf, value, valueLength)) {
            return refuse(HttpRefusal.HOST_MISMATCH);
        }
        hostOffset = value;
        hostLength = length;
        return next;
    }

    private boolean sameAuthority(ByteBuffer buf, int value, int valueLength) {
        if (valueLength != authorityLength) {
            return false;
        }
        for (int i = 0; i < valueLength; i++) {
            if (Octets.lower(Octets.at(buf, value + i)) != Octets.lower(Octets.at(buf, authorityOffset + i))) {
                return false;
            }
        }
        return true;
    }

    private int readContentLength(ByteBuffer buf, int name, int value, int valueLength, int next) {
        int nameEnd = name + CONTENT_LENGTH.length;
        if (has(buf, name, nameEnd, '_')) {
            return refuse(HttpRefusal.BAD_HEADER_NAME);
        }
        if (chunked) {
            return refuse(HttpRefusal.CL_AND_TE);
        }
        if (contentLength >= 0 || has(buf, value, value + valueLength, ',')) {
            return refuse(HttpRefusal.REPEATED_CL);
        }
        contentLength = decimal(buf, value, valueLength);
        if (contentLength < 0 || has(buf, nameEnd, next, Octets.HTAB)) {
            return refuse(HttpRefusal.BAD_CL);
        }
        return connect && contentLength > 0 ? refuse(HttpRefusal.BODY_ON_CONNECT) : next;
    }

    private int readTransferEncoding(ByteBuffer buf, int name, int value, int valueLength, int next) {
        int nameEnd = name + TRANSFER_ENCODING.length;
        if (has(buf, name, nameEnd, '_')) {
            return refuse(HttpRefusal.BAD_HEADER_NAME);
        }
        if (contentLength >= 0) {
            return refuse(HttpRefusal.CL_AND_TE);
        }
        if (chunked
                || minorVersion == 0
                || !Octets.equalsLower(buf, value, valueLength, CHUNKED)
                || has(buf, nameEnd, next, Octets.HTAB)) {
            return refuse(HttpRefusal.BAD_TE);
        }
        chunked = true;
        return connect ? refuse(HttpRefusal.BODY_ON_CONNECT) : next;
    }

    /** Where the method starts. */
    public int methodOffset() {
        return methodOffset;
    }

    /** The method's length, in bytes. */
    public int methodLength() {
        return methodLength;
    }

    /** Whether the method is this one, case included. */
    public boolean methodEquals(byte[] method) {
        if (methodLength != method.length) {
            return false;
        }
        for (int i = 0; i < method.length; i++) {
            if (buffer().get(methodOffset + i) != method[i]) {
                return false;
            }
        }
        return true;
    }

    /** Whether the method is GET. */
    public boolean isGet() {
        return methodEquals(GET);
    }

    /** Whether the method is HEAD, whose response has no body. */
    public boolean isHead() {
        return methodEquals(HEAD);
    }

    /** Whether the method is POST. */
    public boolean isPost() {
        return methodEquals(POST);
    }

    /** Whether the method is CONNECT, whose 2xx response ends HTTP on the connection. */
    public boolean isConnect() {
        return connect;
    }

    /** Where the request target starts. */
    public int targetOffset() {
        return targetOffset;
    }

    /** The request target's length, in bytes. */
    public int targetLength() {
        return targetLength;
    }

    /** Where the path starts: {@code /...}, {@code *} for OPTIONS *, empty for CONNECT; escapes are as sent. */
    public int pathOffset() {
        return pathOffset;
    }

    /** The path's length without the query, in bytes; 0 only for CONNECT. */
    public int pathLength() {
        return pathLength;
    }

    /** Where the query starts, behind its {@code ?}, or -1 without one. */
    public int queryOffset() {
        return queryOffset;
    }

    /** The query's length, in bytes; may be 0 with or without one. */
    public int queryLength() {
        return queryLength;
    }

    /** Where the extension starts, behind the last dot of the path's last segment; the path's end without one. */
    public int extensionOffset() {
        return extensionOffset;
    }

    /** The extension's length, in bytes; 0 without one. */
    public int extensionLength() {
        return extensionLength;
    }

    /** Where the host starts, in Host or else in the target, or -1 without one (HTTP/1.0 only). */
    public int hostOffset() {
        return hostOffset;
    }

    /** The host's length without port and colon, in bytes; an IPv6 address has its brackets; 0 without one. */
    public int hostLength() {
        return hostLength;
    }

    /** How the end of the request's body is found: NONE, LENGTH or CHUNKED. */
    public BodyKind bodyKind() {
        if (chunked) {
            return BodyKind.CHUNKED;
        }
        return contentLength >= 0 ? BodyKind.LENGTH : BodyKind.NONE;
    }

    /** Whether the client asks for another protocol: {@code Connection: upgrade} and Upgrade, in either version. */
    public boolean upgrades() {
        return connectionUpgrade && upgradeSeen;
    }

    /** Whether the client may wait for 100 (Continue) before it sends the body; never so in HTTP/1.0. */
    public boolean expectsContinue() {
        return expectsContinue && minorVersion == 1;
    }
}
