package org.dwsr.filter;

import java.nio.ByteBuffer;
import org.dwsr.http.BodyFraming;
import org.dwsr.http.BodyKind;
import org.dwsr.http.ResponseHead;
import org.dwsr.session.PatchSink;
import org.dwsr.switching.RequestClassifier;

/**
 * Reads the server's responses: where each ends (only then may the next request move), and which session cookies they
 * set (their names are renamed).
 */
final class ResponseReader {
    private final ResponseHead head = new ResponseHead();
    private final FilterCounters counters;
    private final ExchangePool exchanges;
    private Patches patching = new Patches();
    private int patchBase;
    private final PatchSink rename = this::rename;

    ResponseReader(FilterCounters counters, ExchangePool exchanges) {
        this.counters = counters;
        this.exchanges = exchanges;
    }

    /**
     * Reads {@code length} bytes at {@code offset}, the first of which has the client's sequence number
     * {@code c.responseNext}, and advances it.
     *
     * @return false when a head is incomplete: from {@code c.responseNext} on the bytes must wait
     */
    boolean read(
            FilterSettings settings,
            RequestClassifier classifier,
            FilterConnection c,
            ByteBuffer bytes,
            int offset,
            int length) {
        int at = offset;
        int end = offset + length;
        while (at < end && !c.pinned) {
            if (c.inResponseBody) {
                at = readBody(c, exchanges.of(c).responseBody, bytes, at, end);
                continue;
            }
            if (c.outstanding() == 0) {
                pin(c);
                break;
            }
            int headLength = head.parse(bytes, at, end - at);
            if (headLength == ResponseHead.INCOMPLETE) {
                return false;
            }
            if (headLength == ResponseHead.REFUSED) {
                pin(c);
                break;
            }
            Exchange exchange = exchanges.of(c);
            patching = exchange.responsePatches;
            patchBase = c.responseNext - at;
            classifier.cookies().rename(bytes, head, exchange.outstandingType(), settings.server.id(), rename);
            c.responseNext += headLength;
            at += headLength;
            if (!head.isInterim()) {
                at = beginBody(c, exchange, at, end);
            }
        }
        return true;
    }

    private int beginBody(FilterConnection c, Exchange exchange, int at, int end) {
        boolean connect = exchange.outstandingIsConnect();
        BodyKind kind = head.bodyKind(exchange.outstandingIsHead(), connect);
        boolean upgraded = head.switchesProtocols(connect);
        exchange.popOutstanding();
        c.awaitsUpgrade = false;
        c.closing |= head.closes();
        if (upgraded) {
            pin(c);
        } else if (kind == BodyKind.LENGTH) {
            c.skipResponse(head.contentLength());
            return (int) Math.min(end, at + head.contentLength());
        } else if (kind == BodyKind.UNTIL_CLOSE) {
            pin(c);
        } else if (kind == BodyKind.CHUNKED) {
            exchange.responseBody.begin(kind, 0);
            c.inResponseBody = true;
        }
        return at;
    }

    private int readBody(FilterConnection c, BodyFraming body, ByteBuffer bytes, int at, int end) {
        int taken = body.consume(bytes, at, end - at);
        c.responseNext += taken;
        if (body.broken()) {
            pin(c);
        } else if (body.done()) {
            c.inResponseBody = false;
        } else {
            long opaque = body.opaqueRemaining();
            if (opaque > 0) {
                int ahead = (int) Math.min(opaque, 1 << 28);
                body.skip(ahead);
                c.responseNext += ahead;
            }
        }
        return at + taken;
    }

    /** From here on nobody can tell where a response ends, so the connection stays. */
    void pin(FilterConnection c) {
        if (!c.pinned) {
            c.pinned = true;
            c.closing = true;
            counters.increment(FilterCounter.CONNECTIONS_PINNED);
        }
    }

    private void rename(int offset, long replacement) {
        patching.add(patchBase + offset, replacement);
        counters.increment(FilterCounter.COOKIES_RENAMED);
    }
}
