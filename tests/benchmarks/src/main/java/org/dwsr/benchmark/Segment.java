package org.dwsr.benchmark;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.dwsr.packet.Mac;
import org.dwsr.packet.SegmentBuilder;
import org.dwsr.packet.TcpFlags;

/** A segment in memory as a receive ring has it, whose changeable fields are written anew before each use. */
final class Segment {
    static final int HEADERS = 54;
    private static final int SOURCE_PORT_AT = 34;
    private static final int SEQ_AT = 38;
    private static final int ACK_AT = 42;
    private static final int WINDOW_AND_CHECKSUM_AT = 48;

    final ByteBuffer frame;
    final int length;
    private final int windowAndChecksum;

    private Segment(ByteBuffer frame) {
        this.frame = frame;
        length = frame.capacity();
        windowAndChecksum = frame.getInt(WINDOW_AND_CHECKSUM_AT);
    }

    static Segment fromClient(int flags, String payload) {
        return of(true, flags, payload);
    }

    static Segment fromServer(int flags, String payload) {
        return of(false, flags, payload);
    }

    private static Segment of(boolean client, int flags, String payload) {
        byte[] bytes = payload.getBytes(StandardCharsets.ISO_8859_1);
        boolean syn = (flags & TcpFlags.SYN) != 0;
        SegmentBuilder builder = new SegmentBuilder().start();
        if (syn) {
            builder.mss(1460).sackPermitted().windowScale(7);
        }
        builder.payload(ByteBuffer.wrap(bytes), 0, bytes.length);
        builder.build(
                client ? Network.SERVER_MAC : Network.CLIENT_MAC,
                client ? Network.CLIENT_MAC : Network.SERVER_MAC,
                client ? Network.CLIENT_ADDRESS : Network.VIP,
                client ? Network.VIP : Network.CLIENT_ADDRESS,
                client ? 40_000 : Network.SERVICE_PORT,
                client ? Network.SERVICE_PORT : 40_000,
                0,
                0,
                flags,
                500);
        return new Segment(copy(builder.frame(), builder.length(), 0));
    }

    private static ByteBuffer copy(ByteBuffer from, int length, int more) {
        ByteBuffer copy = ByteBuffer.allocateDirect(length + more);
        copy.put(0, from, 0, length);
        return copy;
    }

    /** A client's bare ACK with as many SACK blocks (RFC 2018), each of one segment. */
    static Segment selectiveAck(int blocks) {
        Segment bare = fromClient(TcpFlags.ACK, "");
        int options = 4 + 8 * blocks;
        ByteBuffer frame = copy(bare.frame, bare.length, options);
        frame.putShort(16, (short) (40 + options));
        frame.put(46, (byte) ((20 + options) / 4 << 4));
        frame.putInt(HEADERS, 0x0101_0500 | 2 + 8 * blocks);
        return new Segment(frame);
    }

    /** Writes what the filter may have changed: numbers, window and checksum (which nobody verifies here). */
    void renew(int seq, int ack) {
        frame.putInt(SEQ_AT, seq);
        frame.putInt(ACK_AT, ack);
        frame.putInt(WINDOW_AND_CHECKSUM_AT, windowAndChecksum);
    }

    void clientPort(int port) {
        frame.putShort(SOURCE_PORT_AT, (short) port);
    }

    void ethernet(long destination, long source) {
        Mac.put(frame, 0, destination);
        Mac.put(frame, 6, source);
    }

    int payloadLength() {
        return length - HEADERS;
    }
}
