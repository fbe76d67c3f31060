package org.dwsr.packet;

import java.nio.ByteBuffer;

/**
 * The Internet checksum: whole (RFC 1071) and incremental (RFC 1624).
 *
 * <p>Buffers are big-endian. Sums are kept unfolded in a {@code long} until {@link #fold}.
 */
public final class Checksum {
    private Checksum() {}

    /** Adds the 16-bit words of {@code length} bytes to {@code sum}; an odd last byte is padded with zero. */
    public static long sum(ByteBuffer buf, int offset, int length, long sum) {
        int end = offset + length;
        int i = offset;
        for (; i + 4 <= end; i += 4) {
            sum += buf.getInt(i) & 0xffff_ffffL;
        }
        if (i + 2 <= end) {
            sum += buf.getShort(i) & 0xffffL;
            i += 2;
        }
        if (i < end) {
            sum += (buf.get(i) & 0xffL) << 8;
        }
        return sum;
    }

    /** Folds a sum to 16 bits, without complementing it. */
    public static int fold(long sum) {
        sum = (sum & 0xffff_ffffL) + (sum >>> 32);
        sum = (sum & 0xffff_ffffL) + (sum >>> 32);
        sum = (sum & 0xffff) + (sum >>> 16);
        sum = (sum & 0xffff) + (sum >>> 16);
        return (int) ((sum & 0xffff) + (sum >>> 16));
    }

    /** The checksum of a header or message: the complement of the folded sum. */
    public static int of(ByteBuffer buf, int offset, int length, long sum) {
        return ~fold(sum(buf, offset, length, sum)) & 0xffff;
    }

    /** The sum of TCP's pseudo-header over IPv4 (RFC 9293 section 3.1). */
    public static long pseudoHeader(int source, int destination, int protocol, int length) {
        return (source & 0xffff_ffffL) + (destination & 0xffff_ffffL) + protocol + length;
    }

    /** The sum of TCP's and ICMPv6's pseudo-header over IPv6 (RFC 8200 section 8.1); addresses of 128 bits in halves. */
    public static long pseudoHeader(
            long sourceHigh, long sourceLow, long destinationHigh, long destinationLow, int protocol, int length) {
        return words(sourceHigh)
                + words(sourceLow)
                + words(destinationHigh)
                + words(destinationLow)
                + protocol
                + length;
    }

    private static long words(long bits) {
        return (bits >>> 32) + (bits & 0xffff_ffffL);
    }

    /** The checksum after one 16-bit word changed (RFC 1624, equation 3). */
    public static int update16(int checksum, int before, int after) {
        return ~fold((~checksum & 0xffffL) + (~before & 0xffffL) + (after & 0xffffL)) & 0xffff;
    }

    /**
     * The checksum after 32 bits changed. At an odd offset from the start of the summed data the bytes stand in
     * the other half of their words, so both values are rotated by 8 bits first.
     */
    public static int update32(int checksum, int before, int after, boolean oddOffset) {
        int b = oddOffset ? Integer.rotateRight(before, 8) : before;
        int a = oddOffset ? Integer.rotateRight(after, 8) : after;
        return ~fold((~checksum & 0xffffL) + (~b & 0xffff_ffffL) + (a & 0xffff_ffffL)) & 0xffff;
    }

    /** The checksum after 64 bits changed; see {@link #update32} for {@code oddOffset}. */
    public static int update64(int checksum, long before, long after, boolean oddOffset) {
        int first = update32(checksum, (int) (before >>> 32), (int) (after >>> 32), oddOffset);
        return update32(first, (int) before, (int) after, oddOffset);
    }
}
