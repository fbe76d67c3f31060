package org.dwsr.flow;

/**
 * The cookie by which DWSR's flows can be told from others' and read back.
 *
 * <pre>
 *  63            48 47                                  16 15             0
 * +----------------+--------------------------------------+----------------+
 * |     0xD572     |                  0                   |   row number   |
 * +----------------+--------------------------------------+----------------+
 * </pre>
 *
 * The row number is the template's place in its pipeline; 1 is the connection flow and 11 a client's return flow in
 * every pipeline, 17 and 20 the same over IPv6.
 */
public final class FlowCookie {
    public static final long PREFIX = 0xD572_0000_0000_0000L;
    public static final long PREFIX_MASK = 0xFFFF_0000_0000_0000L;
    /** The row number of connection flows. */
    public static final int CONNECTION_ROW = 1;
    /** The row number of clients' return flows. */
    public static final int CLIENT_RETURN_ROW = 11;
    /** The row number of connection flows over IPv6. */
    public static final int CONNECTION6_ROW = 17;
    /** The row number of clients' return flows over IPv6. */
    public static final int CLIENT_RETURN6_ROW = 20;

    private static final int ROW_MASK = 0xFFFF;

    private FlowCookie() {}

    /** The cookie of a row, 1 to 65535. */
    public static long of(int row) {
        if (row < 1 || row > ROW_MASK) {
            throw new IllegalArgumentException("row " + row + " is not in 1..65535");
        }
        return PREFIX | row;
    }

    public static boolean isOurs(long cookie) {
        return (cookie & PREFIX_MASK) == PREFIX;
    }

    public static boolean isConnection(long cookie) {
        return cookie == of(CONNECTION_ROW) || cookie == of(CONNECTION6_ROW);
    }

    public static boolean isClientReturn(long cookie) {
        return cookie == of(CLIENT_RETURN_ROW) || cookie == of(CLIENT_RETURN6_ROW);
    }

    /** The row number in one of our cookies. */
    public static int row(long cookie) {
        return (int) (cookie & ROW_MASK);
    }
}
