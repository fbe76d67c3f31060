package org.dwsr.packet;

/**
 * A connection of the VIP in one {@code long}: client address (32 bits), client port (16), service port (16).
 *
 * <p>The VIP itself is not part of it, because a configuration has exactly one of each family. An IPv6 client stands in
 * it by its {@link AddressAlias}, so who finds something by such a key compares the whole address too.
 */
public final class ConnectionKey {
    private ConnectionKey() {}

    /** Packs the three parts. */
    public static long of(int clientAddress, int clientPort, int servicePort) {
        return (clientAddress & 0xffff_ffffL) << 32 | (clientPort & 0xffffL) << 16 | (servicePort & 0xffffL);
    }

    /** The client's IPv4 address, or its IPv6 address's {@link AddressAlias}. */
    public static int clientAddress(long key) {
        return (int) (key >>> 32);
    }

    /** The client's TCP port. */
    public static int clientPort(long key) {
        return (int) (key >>> 16) & 0xffff;
    }

    /** The VIP's TCP port. */
    public static int servicePort(long key) {
        return (int) key & 0xffff;
    }

    /** The key as people read it, {@code 10.0.0.1:40000>80}. */
    public static String format(long key) {
        int a = clientAddress(key);
        return (a >>> 24) + "." + (a >>> 16 & 255) + "." + (a >>> 8 & 255) + "." + (a & 255) + ":" + clientPort(key)
                + ">" + servicePort(key);
    }
}
