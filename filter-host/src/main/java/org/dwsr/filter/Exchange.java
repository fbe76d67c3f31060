package org.dwsr.filter;

import org.dwsr.http.BodyFraming;

/**
 * What requests and responses under way need: which answers are outstanding, where in a chunked body each direction
 * is, and which replaced cookie names are not acknowledged yet. A connection on which nothing is under way has none.
 */
final class Exchange {
    /** Answers that may be outstanding at once; a client that pipelines deeper waits. */
    static final int MAX_OUTSTANDING = 16;

    private static final int HEAD = 1;
    private static final int CONNECT = 2;

    final BodyFraming requestBody = new BodyFraming();
    final BodyFraming responseBody = new BodyFraming();
    final Patches requestPatches = new Patches();
    final Patches responsePatches = new Patches();
    /** Since when the response head that comes in pieces is held. */
    long responseHeldNs;

    private final int[] requests = new int[MAX_OUTSTANDING];
    private int first;
    private int outstanding;

    int outstanding() {
        return outstanding;
    }

    void pushOutstanding(int contentType, boolean head, boolean connect) {
        requests[(first + outstanding) % MAX_OUTSTANDING] =
                contentType << 2 | (head ? HEAD : 0) | (connect ? CONNECT : 0);
        outstanding++;
    }

    int outstandingType() {
        return requests[first] >> 2;
    }

    boolean outstandingIsHead() {
        return (requests[first] & HEAD) != 0;
    }

    boolean outstandingIsConnect() {
        return (requests[first] & CONNECT) != 0;
    }

    void popOutstanding() {
        first = (first + 1) % MAX_OUTSTANDING;
        outstanding--;
    }

    boolean isIdle() {
        return outstanding == 0 && requestPatches.isEmpty() && responsePatches.isEmpty();
    }

    boolean isSmall() {
        return requestPatches.isSmall() && responsePatches.isSmall();
    }
}
