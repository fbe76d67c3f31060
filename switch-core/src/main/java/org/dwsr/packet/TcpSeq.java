package org.dwsr.packet;

/**
 * Arithmetic on TCP sequence numbers, which live on a circle of 2^32 (RFC 9293 section 3.4).
 *
 * <p>Two numbers compare correctly while they are less than 2^31 apart. Nothing else in the project compares
 * sequence numbers.
 */
public final class TcpSeq {
    private TcpSeq() {}

    /** Tells whether {@code a} comes before {@code b}. */
    public static boolean isBefore(int a, int b) {
        return a - b < 0;
    }

    /** Tells whether {@code a} comes before {@code b} or is equal to it. */
    public static boolean isBeforeOrAt(int a, int b) {
        return a - b <= 0;
    }

    /** Tells whether {@code a} comes after {@code b}. */
    public static boolean isAfter(int a, int b) {
        return a - b > 0;
    }

    /** Tells whether {@code a} comes after {@code b} or is equal to it. */
    public static boolean isAtOrAfter(int a, int b) {
        return a - b >= 0;
    }

    /** The later of the two. */
    public static int latest(int a, int b) {
        return a - b >= 0 ? a : b;
    }

    /** The earlier of the two. */
    public static int earliest(int a, int b) {
        return a - b <= 0 ? a : b;
    }

    /** The number of bytes from {@code from} to {@code to}; negative when {@code to} comes first. */
    public static int distance(int from, int to) {
        return to - from;
    }
}
