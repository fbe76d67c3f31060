package org.dwsr.http;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * What request and response heads share: the verdicts, and the header lines found by the last successful parse.
 *
 * <p>A head is a reusable view: it keeps a reference to the buffer it last parsed and offsets into it, which hold until
 * the next parse or until those bytes change. All offsets are absolute in that buffer. Not for use by several threads.
 */
public abstract class MessageHead {
    /** Parse result: the bytes so far are a proper prefix of a head; parse again from its start with more. */
    public static final int INCOMPLETE = 0;
    /** Parse result: no continuation of these bytes is an acceptable head; see {@link #refusal()}. */
    public static final int REFUSED = -1;
    /** The most header lines a head may have. */
    public static final int MAX_HEADERS = 128;

    /** Internal: the bytes ended inside the element being parsed; positions are never negative. */
    static final int MORE = -2;

    static final byte[] CONTENT_LENGTH = Octets.ascii("content-length");
    static final byte[] TRANSFER_ENCODING = Octets.ascii("transfer-encoding");
    static final byte[] CONNECTION = Octets.ascii("connection");
    static final byte[] UPGRADE = Octets.ascii("upgrade");
    static final byte[] CHUNKED = Octets.ascii("chunked");
    private static final byte[] CLOSE = Octets.ascii("close");
    private static final byte[] KEEP_ALIVE = Octets.ascii("keep-alive");
    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

    private final int[] nameOffsets = new int[MAX_HEADERS];
    private final int[] nameLengths = new int[MAX_HEADERS];
    private final int[] valueOffsets = new int[MAX_HEADERS];
    private final int[] valueLengths = new int[MAX_HEADERS];
    private int headerCount;
    private ByteBuffer parsed = NOTHING;
    private @Nullable HttpRefusal refusal;

    int minorVersion;
    boolean chunked;
    /** -1 without Content-Length. */
    long contentLength;

    boolean transferEncodingSeen;
    boolean connectionUpgrade;
    boolean upgradeSeen;
    private boolean connectionClose;
    private boolean connectionKeepAlive;

    MessageHead() {}

    final void start(ByteBuffer buf) {
        parsed = buf;
        refusal = null;
        headerCount = 0;
        minorVersion = 0;
        chunked = false;
        contentLength = -1;
        transferEncodingSeen = false;
        connectionClose = false;
        connectionKeepAlive = false;
        connectionUpgrade = false;
        upgradeSeen = false;
    }

    final int refuse(HttpRefusal reason) {
        refusal = reason;
        return REFUSED;
    }

    final void addHeader(int nameOffset, int nameLength, int valueOffset, int valueLength) {
        int i = headerCount++;
        nameOffsets[i] = nameOffset;
        nameLengths[i] = nameLength;
        valueOffsets[i] = valueOffset;
        valueLengths[i] = valueLength;
    }

    /** Why the last parse returned {@link #REFUSED}; an error if it did not. */
    public final HttpRefusal refusal() {
        HttpRefusal reason = refusal;
        if (reason == null) {
            throw new IllegalStateException("the last head was not refused");
        }
        return reason;
    }

    /** The buffer of the last parse, in which all offsets are. */
    public final ByteBuffer buffer() {
        return parsed;
    }

    /** 0 or 1: the minor HTTP version. */
    public final int minorVersion() {
        return minorVersion;
    }

    /** The number of header lines. */
    public final int headerCount() {
        return headerCount;
    }

    /** Where the name of header line {@code index} starts. */
    public final int nameOffset(int index) {
        return nameOffsets[index];
    }

    /** The length of the name of header line {@code index}, in bytes, at least 1. */
    public final int nameLength(int index) {
        return nameLengths[index];
    }

    /** Where the value of header line {@code index} starts, without leading white space. */
    public final int valueOffset(int index) {
        return valueOffsets[index];
    }

    /** The length of the value of header line {@code index}, in bytes, without trailing white space. */
    public final int valueLength(int index) {
        return valueLengths[index];
    }

    /** Whether header line {@code index} has this name, given in lower case. */
    public final boolean isHeader(int index, byte[] lowerName) {
        return Octets.equalsLower(parsed, nameOffsets[index], nameLengths[index], lowerName);
    }

    /** The first header line with this name, given in lower case, or -1. */
    public final int findHeader(byte[] lowerName) {
        return findHeader(lowerName, 0);
    }

    /** The first header line at or after {@code from} with this name, given in lower case, or -1. */
    public final int findHeader(byte[] lowerName, int from) {
        for (int i = from; i < headerCount; i++) {
            if (nameLengths[i] == lowerName.length && isHeader(i, lowerName)) {
                return i;
            }
        }
        return -1;
    }

    /** The Content-Length, in bytes, or -1 without one. */
    public final long contentLength() {
        return contentLength;
    }

    /**
     * Whether the sender announces that the connection ends after this message: {@code Connection: close}, or HTTP/1.0
     * without {@code keep-alive} (RFC 9112 section 9.3).
     */
    public final boolean closes() {
        return connectionClose || (minorVersion == 0 && !connectionKeepAlive);
    }

    /** Notes the options of one Connection line; several lines add up. */
    final void readConnection(ByteBuffer buf, int offset, int length) {
        int end = offset + length;
        int p = offset;
        while (p < end) {
            int comma = p;
            while (comma < end && Octets.at(buf, comma) != ',') {
                comma++;
            }
            int from = skipBlanks(buf, p, comma);
            int to = trimBlanks(buf, from, comma);
            connectionClose |= Octets.equalsLower(buf, from, to - from, CLOSE);
            connectionKeepAlive |= Octets.equalsLower(buf, from, to - from, KEEP_ALIVE);
            connectionUpgrade |= Octets.equalsLower(buf, from, to - from, UPGRADE);
            p = comma + 1;
        }
    }

    /** The value of plain decimal digits without leading zeros, below 10^18, or -1. */
    static long decimal(ByteBuffer buf, int offset, int length) {
        if (length < 1 || length > 18 || (length > 1 && Octets.at(buf, offset) == '0')) {
            return -1;
        }
        long value = 0;
        for (int p = offset; p < offset + length; p++) {
            int octet = Octets.at(buf, p);
            if (!Octets.isDigit(octet)) {
                return -1;
            }
            value = value * 10 + (octet - '0');
        }
        return value;
    }

    /** The first position in {@code from..end} that is neither blank nor part of a folded line's end. */
    static int skipBlanks(ByteBuffer buf, int from, int end) {
        int p = from;
        while (p < end && isSpace(Octets.at(buf, p))) {
            p++;
        }
        return p;
    }

    /** The end of {@code from..end} without trailing blanks. */
    static int trimBlanks(ByteBuffer buf, int from, int end) {
        int p = end;
        while (p > from && isSpace(Octets.at(buf, p - 1))) {
            p--;
        }
        return p;
    }

    /** Line ends occur inside a value only where a response's lines are folded; there they count as white space. */
    private static boolean isSpace(int octet) {
        return Octets.isBlank(octet) || octet == Octets.CR || octet == Octets.LF;
    }
}
