package org.dwsr.packet;

/**
 * The migration tag: what one TCP packet lacks to migrate its connection, in the source MAC of a frame between the
 * web switch and a host filter.
 *
 * <p>48 bits, most significant first: fixed prefix (15: {@code d6:52/15}, a locally administered unicast address),
 * content type (16), client MSS class (3), client window scale (4, 15 = none), server window scale (4, 15 = none),
 * SACK (1), timestamps (1), ECN (1), kind (3). With direct routing nobody reads that source MAC otherwise.
 */
public final class MigrationTag {
    /** The first request of a connection; replaces whatever an earlier connection of the same ports left. */
    public static final int FRESH = 0;
    /** A later request that changes its server; from a filter: please move it. */
    public static final int MOVED = 1;
    /** A request whose bytes were already acknowledged to the client: the receiver confirms, the sender re-sends. */
    public static final int HELD = 2;
    /** On an RST: keep silent (first), end (second). */
    public static final int SILENCE = 3;
    /** From a filter: this server's TCP did not take the connection. */
    public static final int REFUSED = 4;
    /** The bytes of a held request have arrived. */
    public static final int CONFIRM = 5;
    /** From a filter: the chunks of the request's body cannot be read; what follows is no request, whatever it looks like. */
    public static final int BROKEN = 6;

    /**
     * On a SYN: answer it, you are the guessed server. From a filter, on a connection's first request: the guess was
     * wrong, please send it elsewhere.
     */
    public static final int GUESS = 7;

    /** The fixed bits of every tag. */
    public static final long PREFIX = 0xd652_0000_0000L;
    /** The bits of {@link #PREFIX} that count. */
    public static final long MASK = 0xfffe_0000_0000L;

    private static final int CONTENT_TYPE_SHIFT = 17;
    private static final int MSS_SHIFT = 14;
    private static final int CLIENT_SCALE_SHIFT = 10;
    private static final int SERVER_SCALE_SHIFT = 6;
    private static final int SACK_SHIFT = 5;
    private static final int TIMESTAMPS_SHIFT = 4;
    private static final int ECN_SHIFT = 3;
    private static final long KIND_MASK = 7;
    private static final long CONTENT_TYPE_MASK = 0xffffL << CONTENT_TYPE_SHIFT;

    private MigrationTag() {}

    /** Tells whether a source MAC is a tag. */
    public static boolean isTag(long mac) {
        return (mac & MASK) == PREFIX;
    }

    /** A tag with the options of a connection and no content type; {@code kind} FRESH. */
    public static long of(int mssClass, int clientScale, int serverScale, boolean sack) {
        return PREFIX
                | ((long) (mssClass & 7) << MSS_SHIFT)
                | ((long) (clientScale & 15) << CLIENT_SCALE_SHIFT)
                | ((long) (serverScale & 15) << SERVER_SCALE_SHIFT)
                | (sack ? 1L << SACK_SHIFT : 0);
    }

    /** The same tag of a connection with timestamps or explicit congestion notification, or without. */
    public static long with(long tag, boolean timestamps, boolean ecn) {
        long others = tag & ~(1L << TIMESTAMPS_SHIFT | 1L << ECN_SHIFT);
        return others | (timestamps ? 1L << TIMESTAMPS_SHIFT : 0) | (ecn ? 1L << ECN_SHIFT : 0);
    }

    /** The same connection's tag with another content type (0 to 46655) and kind. */
    public static long with(long tag, int contentType, int kind) {
        long options = tag & ~(CONTENT_TYPE_MASK | KIND_MASK);
        return options | ((long) (contentType & 0xffff) << CONTENT_TYPE_SHIFT) | kind;
    }

    public static int kind(long tag) {
        return (int) (tag & KIND_MASK);
    }

    public static int contentType(long tag) {
        return (int) (tag >>> CONTENT_TYPE_SHIFT) & 0xffff;
    }

    public static int mssClass(long tag) {
        return (int) (tag >>> MSS_SHIFT) & 7;
    }

    /** The client's window scale, 15 for none. */
    public static int clientScale(long tag) {
        return (int) (tag >>> CLIENT_SCALE_SHIFT) & 15;
    }

    /** The window scale that the web switch promised for the server, 15 for none. */
    public static int serverScale(long tag) {
        return (int) (tag >>> SERVER_SCALE_SHIFT) & 15;
    }

    public static boolean sack(long tag) {
        return (tag >>> SACK_SHIFT & 1) != 0;
    }

    public static boolean timestamps(long tag) {
        return (tag >>> TIMESTAMPS_SHIFT & 1) != 0;
    }

    public static boolean ecn(long tag) {
        return (tag >>> ECN_SHIFT & 1) != 0;
    }
}
