package org.dwsr.packet;

import java.security.SecureRandom;

/**
 * The 32 bits by which a {@link ConnectionKey} knows an address: an IPv4 address itself; for an IPv6 address a keyed
 * hash in 240.0.0.0/4, which is nobody's IPv4 address (RFC 1112 section 4).
 *
 * <p>28 bits are not an identity: whoever finds something by its key must compare the whole address. The key of the
 * hash is drawn when the process starts, so nobody can choose addresses that collide, and an alias means nothing
 * outside the process. What is decided about a packet does not depend on it, except that one of two connections with
 * the same key has to wait for the other's end.
 */
public final class AddressAlias {
    private static final int RESERVED = 0xf000_0000;
    private static final long KEY_0;
    private static final long KEY_1;

    static {
        SecureRandom random = new SecureRandom();
        KEY_0 = random.nextLong();
        KEY_1 = random.nextLong();
    }

    private AddressAlias() {}

    /** The alias of an address (IPv4 in its mapped form, see {@link IpAddress}). */
    public static int of(long high, long low) {
        return IpAddress.isIpv6(high, low) ? RESERVED | (int) (sipHash(KEY_0, KEY_1, high, low) >>> 36) : (int) low;
    }

    /** SipHash-2-4 (Aumasson and Bernstein, 2012) of 16 bytes, given and taken as little-endian words. */
    static long sipHash(long key0, long key1, long word0, long word1) {
        long v0 = key0 ^ 0x736f_6d65_7073_6575L;
        long v1 = key1 ^ 0x646f_7261_6e64_6f6dL;
        long v2 = key0 ^ 0x6c79_6765_6e65_7261L;
        long v3 = key1 ^ 0x7465_6462_7974_6573L;
        // Two rounds for each word, the length in the top byte of the last; four to finish.
        for (int round = 0; round < 10; round++) {
            long word = round < 2 ? word0 : round < 4 ? word1 : 16L << 56;
            if (round % 2 == 0 && round < 6) {
                v3 ^= word;
            } else if (round == 6) {
                v2 ^= 0xff;
            }
            v0 += v1;
            v2 += v3;
            v1 = Long.rotateLeft(v1, 13) ^ v0;
            v3 = Long.rotateLeft(v3, 16) ^ v2;
            v0 = Long.rotateLeft(v0, 32);
            v2 += v1;
            v0 += v3;
            v1 = Long.rotateLeft(v1, 17) ^ v2;
            v3 = Long.rotateLeft(v3, 21) ^ v0;
            v2 = Long.rotateLeft(v2, 32);
            if (round % 2 == 1 && round < 6) {
                v0 ^= word;
            }
        }
        return v0 ^ v1 ^ v2 ^ v3;
    }
}
