package org.dwsr.filter;

/**
 * One TCP frame of the simulation between its client and the VIP, written and read without the flyweights under test.
 * Reading verifies both checksums.
 */
final class SimulatedFrame {
    static final int HEADERS = 54;
    private static final int MAX_SACK_BLOCKS = 3;

    final byte[] bytes;
    /** Whether the TCP checksum field holds only the pseudo-header's sum, as a kernel with offloads leaves it. */
    final boolean partial;

    final int seq;
    final int ack;
    final int flags;
    final int window;
    final int payloadAt;
    final int payloadLength;
    /** Left and right edges of the SACK blocks. */
    final int[] sack = new int[2 * MAX_SACK_BLOCKS];

    int sackEdges;
    /** {@link org.dwsr.packet.TcpOptions#NO_WINDOW_SCALE} when absent. */
    int windowScale = 15;

    SimulatedFrame(byte[] bytes, boolean partial) {
        this.bytes = bytes;
        this.partial = partial;
        int tcpLength = bytes.length - 34;
        check((get16(bytes, 16) & 0xffff) == bytes.length - 14, "IP length");
        check(sum(bytes, 14, 34, 0) == 0xffff, "IP checksum");
        int pseudo = sum(bytes, 26, 34, 6 + tcpLength);
        check(partial ? get16(bytes, 50) == pseudo : sum(bytes, 34, bytes.length, pseudo) == 0xffff, "TCP checksum");
        seq = get32(bytes, 38);
        ack = get32(bytes, 42);
        flags = bytes[47] & 0xff;
        window = get16(bytes, 48);
        payloadAt = 34 + (bytes[46] >>> 4 & 15) * 4;
        payloadLength = bytes.length - payloadAt;
        readOptions();
    }

    private void readOptions() {
        int at = HEADERS;
        while (at < payloadAt && bytes[at] != 0) {
            int size = bytes[at] == 1 ? 1 : bytes[at + 1];
            if (bytes[at] == 3) {
                windowScale = bytes[at + 2];
            } else if (bytes[at] == 5) {
                for (int edge = at + 2; edge < at + size; edge += 4) {
                    sack[sackEdges++] = get32(bytes, edge);
                }
            }
            at += size;
        }
    }

    boolean has(int flag) {
        return (flags & flag) != 0;
    }

    long ethDestination() {
        return (long) get16(bytes, 0) << 32 | get32(bytes, 2) & 0xffff_ffffL;
    }

    /** A frame without payload or with a piece of {@code data}; {@code options} is padded to a multiple of four. */
    static byte[] encode(
            boolean fromClient,
            long destination,
            long source,
            int seq,
            int ack,
            int flags,
            int window,
            byte[] options,
            byte[] data,
            int offset,
            int length,
            boolean partial) {
        int tcpLength = 20 + options.length + length;
        byte[] frame = new byte[34 + tcpLength];
        put16(frame, 0, (int) (destination >>> 32));
        put32(frame, 2, (int) destination);
        put16(frame, 6, (int) (source >>> 32));
        put32(frame, 8, (int) source);
        put16(frame, 12, 0x0800);
        put16(frame, 14, 0x4500);
        put16(frame, 16, 20 + tcpLength);
        put16(frame, 20, 0x4000);
        put16(frame, 22, 0x4006);
        put32(frame, 26, fromClient ? PacketCodec.CLIENT_ADDRESS : PacketCodec.VIP);
        put32(frame, 30, fromClient ? PacketCodec.VIP : PacketCodec.CLIENT_ADDRESS);
        put16(frame, 24, ~sum(frame, 14, 34, 0));
        put16(frame, 34, fromClient ? PacketCodec.CLIENT_PORT : PacketCodec.SERVICE_PORT);
        put16(frame, 36, fromClient ? PacketCodec.SERVICE_PORT : PacketCodec.CLIENT_PORT);
        put32(frame, 38, seq);
        put32(frame, 42, ack);
        frame[46] = (byte) ((20 + options.length) / 4 << 4);
        frame[47] = (byte) flags;
        put16(frame, 48, window);
        System.arraycopy(options, 0, frame, HEADERS, options.length);
        System.arraycopy(data, offset, frame, HEADERS + options.length, length);
        int pseudo = sum(frame, 26, 34, 6 + tcpLength);
        put16(frame, 50, partial ? pseudo : ~sum(frame, 34, frame.length, pseudo));
        return frame;
    }

    /** The options of a SYN: MSS, and what the others say. */
    static byte[] synOptions(int mss, int windowScale) {
        return new byte[] {2, 4, (byte) (mss >>> 8), (byte) mss, 1, 1, 4, 2, 1, 3, 3, (byte) windowScale};
    }

    /** The same without window scale. */
    static byte[] synOptions(int mss) {
        return new byte[] {2, 4, (byte) (mss >>> 8), (byte) mss, 1, 1, 4, 2};
    }

    static byte[] sackOption(int[] edges, int count) {
        byte[] option = new byte[4 + 4 * count];
        option[0] = 1;
        option[1] = 1;
        option[2] = 5;
        option[3] = (byte) (2 + 4 * count);
        for (int i = 0; i < count; i++) {
            put32(option, 4 + 4 * i, edges[i]);
        }
        return option;
    }

    private static void check(boolean right, String what) {
        if (!right) {
            throw new AssertionError("wrong " + what);
        }
    }

    private static int sum(byte[] bytes, int from, int to, int start) {
        long sum = start;
        int i = from;
        for (; i + 1 < to; i += 2) {
            sum += (bytes[i] & 0xff) << 8 | bytes[i + 1] & 0xff;
        }
        if (i < to) {
            sum += (bytes[i] & 0xff) << 8;
        }
        sum = (sum & 0xffff) + (sum >>> 16);
        return (int) ((sum & 0xffff) + (sum >>> 16));
    }

    private static int get16(byte[] bytes, int at) {
        return (bytes[at] & 0xff) << 8 | bytes[at + 1] & 0xff;
    }

    private static int get32(byte[] bytes, int at) {
        return get16(bytes, at) << 16 | get16(bytes, at + 2);
    }

    private static void put16(byte[] bytes, int at, int value) {
        bytes[at] = (byte) (value >>> 8);
        bytes[at + 1] = (byte) value;
    }

    private static void put32(byte[] bytes, int at, int value) {
        put16(bytes, at, value >>> 16);
        put16(bytes, at + 2, value);
    }

    @Override
    public String toString() {
        return String.format(
                "%02x:%02x>%012x seq %d ack %d flags %02x window %d, %d bytes",
                bytes[6],
                bytes[11],
                ethDestination(),
                seq & 0xffff_ffffL,
                ack & 0xffff_ffffL,
                flags,
                window,
                payloadLength);
    }
}
