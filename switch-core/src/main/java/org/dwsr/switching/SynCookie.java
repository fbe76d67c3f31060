package org.dwsr.switching;

import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.dwsr.packet.IpAddress;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.MssClass;
import org.dwsr.packet.TcpOptions;

/**
 * The web switch's initial sequence number (the paper's wseq) as a SYN cookie, so that no state is kept until a
 * request arrives.
 *
 * <p>32 bits: MSS class (3), client window scale (4, 15 = none), SACK permitted (1), then 24 bits of a keyed hash
 * over addresses, ports, the client's own initial sequence number, the minute and those option bits. A cookie of this
 * minute or the last one is accepted. The hash is HMAC-SHA256 from the JDK, truncated.
 *
 * <p>Not thread-safe.
 */
public final class SynCookie {
    private static final long NANOS_PER_MINUTE = 60_000_000_000L;
    private static final int HASH_MASK = 0xff_ffff;

    private final Mac mac;
    private final ByteBuffer input = ByteBuffer.allocate(56);

    /** A generator and checker with a secret key of at least 16 bytes; nodes that share connections share it. */
    public SynCookie(byte[] key) {
        if (key.length < 16) {
            throw new IllegalArgumentException("a SYN cookie key has at least 16 bytes, not " + key.length);
        }
        try {
            mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java runtime has HmacSHA256", e);
        }
    }

    /**
     * The wseq to answer a SYN with.
     *
     * @param clientHigh half of the client's address, as in {@link IpAddress}
     * @param ports the client's port and the service's, as in the low half of a
     *     {@link org.dwsr.packet.ConnectionKey}
     * @param clientIsn the SYN's sequence number
     * @param options the SYN's options
     * @param nowNs nanoseconds since the epoch
     */
    public int issue(
            long clientHigh, long clientLow, int ports, IpAddress vip, int clientIsn, TcpOptions options, long nowNs) {
        int bits = MssClass.of(options.mss()) << 5
                | Math.min(options.windowScale(), TcpOptions.NO_WINDOW_SCALE) << 1
                | (options.sackPermitted() ? 1 : 0);
        return bits << 24 | hash(clientHigh, clientLow, ports, vip, clientIsn, bits, nowNs / NANOS_PER_MINUTE);
    }

    /** Tells whether {@code wseq} was issued for this connection and client ISN within the last one to two minutes. */
    public boolean accepts(
            long clientHigh, long clientLow, int ports, IpAddress vip, int clientIsn, int wseq, long nowNs) {
        int bits = wseq >>> 24;
        int found = wseq & HASH_MASK;
        long minute = nowNs / NANOS_PER_MINUTE;
        return found == hash(clientHigh, clientLow, ports, vip, clientIsn, bits, minute)
                || found == hash(clientHigh, clientLow, ports, vip, clientIsn, bits, minute - 1);
    }

    /** The options a cookie carries, as a migration tag without content type. */
    public static long tag(int wseq, int serverScale) {
        int clientScale = wseq >>> 25 & 15;
        int promised = clientScale == TcpOptions.NO_WINDOW_SCALE ? TcpOptions.NO_WINDOW_SCALE : serverScale;
        return MigrationTag.of(wseq >>> 29, clientScale, promised, (wseq >>> 24 & 1) != 0);
    }

    private int hash(long clientHigh, long clientLow, int ports, IpAddress vip, int clientIsn, int bits, long minute) {
        input.putLong(0, clientHigh);
        input.putLong(8, clientLow);
        input.putLong(16, vip.high());
        input.putLong(24, vip.low());
        input.putInt(32, ports);
        input.putInt(36, clientIsn);
        input.putInt(40, bits);
        input.putLong(44, minute);
        byte[] digest = mac.doFinal(input.array());
        return (digest[0] & 255) << 16 | (digest[1] & 255) << 8 | (digest[2] & 255);
    }
}
