package org.dwsr.packet;

import java.nio.ByteBuffer;

/** The Internet checksum once more, byte by byte and with end-around carry at once, to judge the real one by. */
final class ReferenceChecksum {
    private ReferenceChecksum() {}

    static int of(ByteBuffer buf, int offset, int length) {
        return ones(buf, offset, length, 0) ^ 0xffff;
    }

    /** The checksum that belongs into the TCP segment of a frame without VLAN tag, whatever stands there now. */
    static int ofTcp(ByteBuffer buf, int frame) {
        int headerLength = (buf.get(frame + 14) & 0x0f) * 4;
        int tcp = frame + 14 + headerLength;
        int length = (buf.getShort(frame + 16) & 0xffff) - headerLength;
        ByteBuffer segment = ByteBuffer.allocate(12 + length);
        for (int i = 0; i < 8; i++) {
            segment.put(i, buf.get(frame + 26 + i));
        }
        segment.put(9, (byte) 6);
        segment.putShort(10, (short) length);
        for (int i = 0; i < length; i++) {
            segment.put(12 + i, buf.get(tcp + i));
        }
        segment.putShort(12 + 16, (short) 0);
        return of(segment, 0, segment.capacity());
    }

    private static int ones(ByteBuffer buf, int offset, int length, int from) {
        int sum = from;
        for (int i = 0; i < length; i++) {
            int octet = buf.get(offset + i) & 0xff;
            sum += i % 2 == 0 ? octet * 256 : octet;
            if (sum > 0xffff) {
                sum -= 0xffff;
            }
        }
        return sum;
    }
}
