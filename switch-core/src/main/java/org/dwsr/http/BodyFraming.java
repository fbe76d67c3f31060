package org.dwsr.http;

import java.nio.ByteBuffer;

/**
 * Where in a message body a stream is: counts Content-Length, walks chunks, and says when the body has ended.
 *
 * <p>One per direction of a connection, begun anew for each message; a few fields and no buffer. Bytes may come in
 * pieces of any size. Chunk syntax is strict (RFC 9112 section 7.1): one to sixteen hexadecimal digits, no white space
 * before the line's end or the extension, every line ended by CRLF, extensions of at most {@link #MAX_EXTENSION_BYTES},
 * trailers of at most {@link #MAX_TRAILER_BYTES} with proper names.
 */
public final class BodyFraming {
    /** The longest chunk extension accepted in one chunk, in bytes. */
    public static final int MAX_EXTENSION_BYTES = 256;
    /** The longest trailer section accepted, in bytes, without its blank line. */
    public static final int MAX_TRAILER_BYTES = 8192;

    private static final int MAX_SIZE_DIGITS = 16;

    private enum State {
        DONE,
        BROKEN,
        LENGTH,
        UNTIL_CLOSE,
        SIZE,
        EXTENSION,
        SIZE_LF,
        DATA,
        DATA_CR,
        DATA_LF,
        TRAILER_START,
        TRAILER_NAME,
        TRAILER_VALUE,
        TRAILER_LF,
        LAST_LF
    }

    private State state = State.DONE;
    /** Bytes left of the body (LENGTH) or of the chunk (DATA), or the chunk's size so far (SIZE). */
    private long remaining;
    /** Digits, extension bytes or trailer bytes so far. */
    private int count;

    /** No body: done until begun. */
    public BodyFraming() {}

    /**
     * Begins a body at the next byte.
     *
     * @param lengthBytes the Content-Length for LENGTH, otherwise ignored
     */
    public void begin(BodyKind kind, long lengthBytes) {
        remaining = 0;
        count = 0;
        switch (kind) {
            case NONE:
                state = State.DONE;
                break;
            case LENGTH:
                if (lengthBytes < 0) {
                    throw new IllegalArgumentException("negative body length: " + lengthBytes);
                }
                remaining = lengthBytes;
                state = lengthBytes == 0 ? State.DONE : State.LENGTH;
                break;
            case CHUNKED:
                state = State.SIZE;
                break;
            case UNTIL_CLOSE:
                state = State.UNTIL_CLOSE;
                break;
        }
    }

    /**
     * Takes the next bytes of the stream.
     *
     * @return how many of them belong to the body: all, or fewer if it ends there ({@link #done()}) or breaks at the
     *     next byte ({@link #broken()}); 0 once done or broken
     */
    public int consume(ByteBuffer buf, int offset, int length) {
        int end = offset + length;
        int p = offset;
        while (p < end) {
            long opaque = opaqueRemaining();
            if (opaque > 0) {
                int taken = (int) Math.min(opaque, end - p);
                skip(taken);
                p += taken;
            } else if (state == State.DONE || !step(Octets.at(buf, p))) {
                break;
            } else {
                p++;
            }
        }
        return p - offset;
    }

    /** Whether the body has ended; then the next byte of the stream starts the next message. */
    public boolean done() {
        return state == State.DONE;
    }

    /** Whether the chunk syntax is broken; where the body ends is then unknown for good ({@link HttpRefusal#BAD_CHUNK}). */
    public boolean broken() {
        return state == State.BROKEN;
    }

    /**
     * The number of next bytes that are certainly body data, whatever they are: the rest of the Content-Length or of the
     * chunk, Long.MAX_VALUE until close, else 0.
     */
    public long opaqueRemaining() {
        switch (state) {
            case LENGTH:
            case DATA:
                return remaining;
            case UNTIL_CLOSE:
                return Long.MAX_VALUE;
            default:
                return 0;
        }
    }

    /** Takes the next {@code lengthBytes}, at most {@link #opaqueRemaining()}, without looking at them. */
    public void skip(long lengthBytes) {
        if (lengthBytes < 0 || lengthBytes > opaqueRemaining()) {
            throw new IllegalArgumentException("not certainly body data: " + lengthBytes + " bytes");
        }
        if (state == State.LENGTH || state == State.DATA) {
            remaining -= lengthBytes;
            if (remaining == 0) {
                state = state == State.LENGTH ? State.DONE : State.DATA_CR;
            }
        }
    }

    /** Takes one byte of chunk syntax; false if it breaks the body. */
    private boolean step(int octet) {
        switch (state) {
            case BROKEN:
                return false;
            case SIZE:
                return size(octet);
            case EXTENSION:
                if (octet == Octets.CR) {
                    return to(State.SIZE_LF);
                }
                return (Octets.is(octet, Octets.VALUE) && ++count <= MAX_EXTENSION_BYTES) || to(State.BROKEN);
            case SIZE_LF:
                count = 0;
                return toIf(octet == Octets.LF, remaining == 0 ? State.TRAILER_START : State.DATA);
            case DATA_CR:
                return toIf(octet == Octets.CR, State.DATA_LF);
            case DATA_LF:
                return toIf(octet == Octets.LF, State.SIZE);
            case LAST_LF:
                return toIf(octet == Octets.LF, State.DONE);
            default:
                return trailer(octet);
        }
    }

    private boolean size(int octet) {
        int digit = Octets.hexValue(octet);
        if (digit >= 0) {
            // The shift must stay positive, and leading zeros must not go on for ever.
            if (++count > MAX_SIZE_DIGITS || remaining > Long.MAX_VALUE >> 4) {
                return to(State.BROKEN);
            }
            remaining = remaining << 4 | digit;
            return true;
        }
        if (count == 0) {
            return to(State.BROKEN);
        }
        count = 0;
        if (octet == Octets.CR) {
            return to(State.SIZE_LF);
        }
        return to(octet == ';' ? State.EXTENSION : State.BROKEN);
    }

    private boolean trailer(int octet) {
        if (state == State.TRAILER_START && octet == Octets.CR) {
            return to(State.LAST_LF);
        }
        if (++count > MAX_TRAILER_BYTES) {
            return to(State.BROKEN);
        }
        switch (state) {
            case TRAILER_START:
                return to(Octets.is(octet, Octets.TOKEN) ? State.TRAILER_NAME : State.BROKEN);
            case TRAILER_NAME:
                return octet == ':' ? to(State.TRAILER_VALUE) : Octets.is(octet, Octets.TOKEN) || to(State.BROKEN);
            case TRAILER_VALUE:
                return octet == Octets.CR ? to(State.TRAILER_LF) : Octets.is(octet, Octets.VALUE) || to(State.BROKEN);
            default:
                return to(octet == Octets.LF ? State.TRAILER_START : State.BROKEN);
        }
    }

    /** Goes to a state; false if it is BROKEN. */
    private boolean to(State next) {
        state = next;
        return next != State.BROKEN;
    }

    private boolean toIf(boolean expected, State next) {
        return to(expected ? next : State.BROKEN);
    }
}
