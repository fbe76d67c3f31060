package org.dwsr.filter;

import java.nio.ByteBuffer;
import org.dwsr.http.BodyFraming;
import org.dwsr.http.BodyKind;
import org.dwsr.http.RequestHead;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.TcpSeq;
import org.dwsr.session.PatchSink;
import org.dwsr.switching.RequestClassifier;

/**
 * The guard: reads every request of a connection with the web switch's own rule table, and says which bytes belong to
 * requests that may reach this server.
 *
 * <p>It works on one contiguous piece of the client's stream at a time and only ever advances
 * {@link FilterConnection#accepted}; what to do with the rest is the caller's business.
 */
final class RequestGuard {
    /** Why {@link #read} stopped. */
    enum Stop {
        /** Every byte given belongs to an accepted request. */
        ALL_ACCEPTED,
        /** The next request's head is not complete. */
        INCOMPLETE,
        /** The next request belongs to another server, or is none: the web switch decides. */
        ELSEWHERE,
        /** The chunks of a request's body are broken: what follows is no request, whatever it looks like. */
        BROKEN,
        /** The next request must wait for answers to earlier ones. */
        WAIT
    }

    private final RequestHead head = new RequestHead();
    private final FilterCounters counters;
    private final ExchangePool exchanges;
    private Patches patching = new Patches();
    private int patchBase;
    private final PatchSink restore = this::restore;

    RequestGuard(FilterCounters counters, ExchangePool exchanges) {
        this.counters = counters;
        this.exchanges = exchanges;
    }

    /**
     * Reads {@code length} bytes at {@code offset}, the first of which has sequence number {@code c.accepted}, and
     * advances {@code c.accepted} over what is accepted (for a Content-Length body beyond the bytes given).
     */
    Stop read(
            FilterSettings settings,
            RequestClassifier classifier,
            FilterConnection c,
            ByteBuffer bytes,
            int offset,
            int length) {
        int at = offset;
        int end = offset + length;
        while (at < end) {
            if (c.inChunked) {
                at = readChunks(c, exchanges.of(c).requestBody, bytes, at, end);
                if (c.inBrokenBody()) {
                    return Stop.BROKEN;
                }
                continue;
            }
            if (c.awaitsUpgrade || c.outstanding() == Exchange.MAX_OUTSTANDING) {
                return Stop.WAIT;
            }
            int headLength = head.parse(bytes, at, end - at);
            if (headLength == RequestHead.INCOMPLETE) {
                return Stop.INCOMPLETE;
            }
            if (headLength == RequestHead.REFUSED || !accepts(settings, classifier, c, bytes)) {
                return Stop.ELSEWHERE;
            }
            accept(settings, classifier, c, bytes, at, headLength);
            at += headLength;
            if (head.bodyKind() == BodyKind.LENGTH) {
                c.acceptBody(head.contentLength());
                at = (int) Math.min(end, at + head.contentLength());
            }
        }
        return Stop.ALL_ACCEPTED;
    }

    private static int readChunks(FilterConnection c, BodyFraming body, ByteBuffer bytes, int at, int end) {
        int taken = body.consume(bytes, at, end - at);
        c.accepted += taken;
        if (body.done() || body.broken()) {
            c.inChunked = !body.done();
        } else {
            long opaque = body.opaqueRemaining();
            if (opaque > 0) {
                int ahead = (int) Math.min(opaque, 1 << 28);
                body.skip(ahead);
                c.accepted += ahead;
            }
        }
        return at + taken;
    }

    private boolean accepts(
            FilterSettings settings, RequestClassifier classifier, FilterConnection c, ByteBuffer bytes) {
        if (c.tagAccepted || c.closing) {
            return true;
        }
        int contentType = classifier.contentType(bytes, head);
        int me = settings.server.index();
        if (!classifier.pool(contentType).contains(me)) {
            return false;
        }
        int named = classifier.cookieServer(bytes, head, contentType);
        return named == RequestClassifier.NO_SERVER || named == me;
    }

    private void accept(
            FilterSettings settings,
            RequestClassifier classifier,
            FilterConnection c,
            ByteBuffer bytes,
            int at,
            int headLength) {
        counters.increment(FilterCounter.REQUESTS_GUARDED);
        if (c.unused()) {
            counters.increment(FilterCounter.GUESSES_RIGHT);
        }
        boolean decided = c.tagAccepted && classifier.hasContentType(c.tagContentType);
        int contentType = decided ? c.tagContentType : classifier.contentType(bytes, head);
        c.tagAccepted = false;
        c.tag = MigrationTag.with(c.tag, contentType, MigrationTag.kind(c.tag));
        Exchange exchange = exchanges.of(c);
        patching = exchange.requestPatches;
        patchBase = c.accepted - at;
        classifier.cookies().restore(bytes, head, contentType, settings.server.id(), restore);
        exchange.pushOutstanding(contentType, head.isHead(), head.isConnect());
        c.accepted += headLength;
        c.awaitsUpgrade = head.upgrades() || head.isConnect();
        if (head.bodyKind() == BodyKind.CHUNKED) {
            exchange.requestBody.begin(BodyKind.CHUNKED, 0);
            c.inChunked = true;
        }
    }

    private void restore(int offset, long replacement) {
        patching.add(patchBase + offset, replacement);
        counters.increment(FilterCounter.COOKIES_RESTORED);
    }

    /** Whether a whole segment belongs to requests that were accepted earlier. */
    static boolean passes(FilterConnection c, int seqEnd) {
        c.extendAccepted(seqEnd);
        return c.pinned || TcpSeq.isBeforeOrAt(seqEnd, c.accepted);
    }
}
