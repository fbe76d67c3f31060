package org.dwsr.switching;

import java.util.BitSet;
import org.dwsr.packet.IpAddress;
import org.dwsr.stream.ReassemblyBuffer;
import org.jspecify.annotations.Nullable;

/** One row of the connection table (the paper's figure 10): where a connection is, and what is about to move it. */
final class ConnectionEntry {
    /** Where a connection stands with the web switch. */
    enum State {
        /** Its SYN went to a guessed server; whether the client has completed the handshake is not known. */
        GUESSED,
        /** Its first request is still incomplete here. */
        GATHERING,
        /** A server has it. */
        MIGRATED,
        /** A filter has bounced a later request, which is still incomplete here. */
        MOVING,
        /** The web switch answered by itself and waits for the client to close. */
        ANSWERED
    }

    static final int NO_SERVER = -1;
    private static final int MAX_SILENT = 4;

    final long key;
    /** Whose connection it is; {@link #key} has only the alias of an IPv6 address. */
    final IpAddress client;

    State state = State.GATHERING;
    int server = NO_SERVER;
    /** The options of the connection, the last content type and kind. */
    long tag;
    /** Where the client is attached; datapath 0 and port PORT_NORMAL while unknown. */
    long ingressDatapath;

    int ingressPort = SwitchOutput.PORT_NORMAL;
    long clientMac;
    boolean flowInstalled;
    /** The first byte of the request that was migrated last, or is being gathered. */
    int requestSeq;

    /** The first byte of the connection, known unless the entry was restored. */
    int firstSeq;

    boolean firstSeqKnown;
    /** The request that set the offsets of {@link #server}'s filter, known unless the entry was restored. */
    int offsetSeq;

    boolean offsetSeqKnown;
    /** Whether its server was guessed, and no request of it has come here. */
    boolean unasked;
    /** Whether the request at hand is the first and its server was guessed wrong. */
    boolean wrongGuess;
    /** Whether the request at hand has come back from a server that did not take it. */
    boolean refused;

    int requestAck;
    int window;
    /** TSval and TSecr of the request at hand, when the tag says that the connection has timestamps. */
    int timestamp;

    int timestampEcho;
    long migratedAtNs;
    /** When the web switch last heard anything of the connection. */
    long seenNs;
    /** Whether a filter or a decision says that {@link #server} has it, and not just a flow that was found. */
    boolean vouched;

    long lastArrivalNs;

    @Nullable
    ReassemblyBuffer gather;
    /** Whether the head in {@link #gather} is still incomplete, and since when it has been gathered. */
    boolean gathering;

    long gatheringSinceNs;
    /** Whether the first byte of {@link #gather} is known to be a request's first: of a bounce only the first has a tag. */
    boolean startKnown;

    @Nullable
    ConnectionEntry older;

    @Nullable
    ConnectionEntry newer;
    /** Whether bytes of {@link #gather} were acknowledged to the client by us. */
    boolean acknowledged;

    boolean awaitsConfirm;
    long resendAtNs;
    int resends;
    /** The server whose filter acknowledged bytes of the request on the move and wants to hear of their arrival. */
    int heldBy = NO_SERVER;

    @Nullable
    BitSet refusedBy;

    boolean timed;

    int answerSeq;
    int answerAck;
    int answerStatus;
    boolean answerFinAcknowledged;
    boolean answerFinReceived;
    long answeredUntilNs;

    private final int[] silentServer = {NO_SERVER, NO_SERVER, NO_SERVER, NO_SERVER};
    private final long[] silentSinceNs = new long[MAX_SILENT];

    ConnectionEntry(long key, IpAddress client) {
        this.key = key;
        this.client = client;
    }

    /** Whether its filter has lost it and only an RST is left for its client. */
    boolean lost() {
        return state == State.ANSWERED && answerStatus == OwnAnswers.RESET;
    }

    /** Notes that a server is silent now; of more than four the one silent longest is forgotten, and ends by itself. */
    void silent(int server, long nowNs) {
        notSilent(server);
        int at = 0;
        for (int i = 1; i < MAX_SILENT && silentServer[at] != NO_SERVER; i++) {
            if (silentServer[i] == NO_SERVER || silentSinceNs[i] - silentSinceNs[at] < 0) {
                at = i;
            }
        }
        silentServer[at] = server;
        silentSinceNs[at] = nowNs;
    }

    void notSilent(int server) {
        for (int i = 0; i < MAX_SILENT; i++) {
            if (silentServer[i] == server) {
                silentServer[i] = NO_SERVER;
            }
        }
    }

    int silentCount() {
        return MAX_SILENT;
    }

    /** The i-th silent server that was silenced less than {@code withinNs} ago, else {@link #NO_SERVER}. */
    int silentServer(int i, long nowNs, long withinNs) {
        return silentServer[i] != NO_SERVER && nowNs - silentSinceNs[i] < withinNs ? silentServer[i] : NO_SERVER;
    }

    void renumberServers(int[] newIndexes) {
        server = server == NO_SERVER ? NO_SERVER : newIndexes[server];
        heldBy = heldBy == NO_SERVER ? NO_SERVER : newIndexes[heldBy];
        for (int i = 0; i < MAX_SILENT; i++) {
            silentServer[i] = silentServer[i] == NO_SERVER ? NO_SERVER : newIndexes[silentServer[i]];
        }
        refusedBy = null;
    }

    boolean wasRefusedBy(int server) {
        return refusedBy != null && refusedBy.get(server);
    }

    void refusedBy(int server) {
        if (refusedBy == null) {
            refusedBy = new BitSet();
        }
        refusedBy.set(server);
    }
}
