package org.dwsr.filter.host;

import java.nio.ByteBuffer;
import org.dwsr.packet.Checksum;
import org.dwsr.packet.FrameFlyweight;

/** Frames for tests, from and to locally administered addresses that start with 02:00. */
final class TestFrames {
    private TestFrames() {}

    /** A TCP segment with ACK and PSH set and correct checksums; its payload counts up from 0. */
    static ByteBuffer tcp(int source, int destination, int sourcePort, int destinationPort, int seq, int payload) {
        ByteBuffer frame = ByteBuffer.allocate(54 + payload);
        frame.putShort((short) 0xffff)
                .putInt(0xffff_ffff)
                .putShort((short) 0x0200)
                .putInt(7);
        frame.putShort((short) FrameFlyweight.IPV4_ETHER_TYPE);
        frame.put((byte) 0x45).put((byte) 0).putShort((short) (40 + payload)).putInt(0x4000);
        frame.put((byte) 64).put((byte) FrameFlyweight.TCP_PROTOCOL).putShort((short) 0);
        frame.putInt(source).putInt(destination);
        frame.putShort((short) sourcePort)
                .putShort((short) destinationPort)
                .putInt(seq)
                .putInt(1);
        frame.putShort((short) 0x5018).putShort((short) 0xffff).putInt(0);
        for (int i = 0; i < payload; i++) {
            frame.put((byte) i);
        }
        frame.putShort(24, (short) Checksum.of(frame, 14, 20, 0));
        long pseudo = Checksum.pseudoHeader(source, destination, FrameFlyweight.TCP_PROTOCOL, 20 + payload);
        frame.putShort(50, (short) Checksum.of(frame, 34, 20 + payload, pseudo));
        return frame.clear();
    }

    static int seq(ByteBuffer frame) {
        return view(frame).seq();
    }

    static int payloadLength(ByteBuffer frame) {
        return view(frame).payloadLength();
    }

    static boolean checksumsValid(ByteBuffer frame) {
        FrameFlyweight view = view(frame);
        return view.tcpChecksumValid() && view.ipChecksumValid();
    }

    /** Does what a network card does with a partial checksum: sums up from the TCP header, pseudo-header included. */
    static void completeTcpChecksum(ByteBuffer frame) {
        int tcpOffset = view(frame).tcpOffset();
        frame.putShort(tcpOffset + 16, (short) Checksum.of(frame, tcpOffset, frame.capacity() - tcpOffset, 0));
    }

    private static FrameFlyweight view(ByteBuffer frame) {
        FrameFlyweight view = new FrameFlyweight();
        view.wrap(frame, 0, frame.capacity(), false);
        return view;
    }
}
