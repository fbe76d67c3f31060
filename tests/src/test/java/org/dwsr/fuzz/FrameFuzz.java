package org.dwsr.fuzz;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import java.nio.ByteBuffer;
import org.dwsr.packet.ArpFlyweight;
import org.dwsr.packet.FrameFlyweight;
import org.dwsr.packet.IcmpEcho;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.TcpOptions;

/** Any bytes as a frame: nothing is read outside it, and edits keep a valid checksum valid. */
public final class FrameFuzz {
    private FrameFuzz() {}

    public static void fuzzerTestOneInput(FuzzedDataProvider data) {
        int offset = data.consumeInt(0, 20);
        int number = data.consumeInt();
        boolean shaped = data.consumeBoolean();
        byte[] bytes = data.consumeRemainingAsBytes();
        if (shaped && bytes.length > 46) {
            shape(bytes);
        }
        // The buffer ends where the frame does, so reading on would be seen.
        ByteBuffer buf = ByteBuffer.allocate(offset + bytes.length);
        buf.put(offset, bytes);
        new ArpFlyweight().wrap(buf, offset, bytes.length);
        FrameFlyweight frame = new FrameFlyweight();
        FrameFlyweight.Kind kind = frame.wrap(buf, offset, bytes.length, false);
        if (kind == FrameFlyweight.Kind.IPV4) {
            IcmpEcho.isRequest(frame);
        }
        if (kind == FrameFlyweight.Kind.TCP) {
            onTcp(frame, offset + bytes.length, number);
        }
    }

    /** The fixed fields of an IPv4 TCP frame, which chance rarely finds all together. */
    private static void shape(byte[] bytes) {
        bytes[12] = 8;
        bytes[13] = 0;
        bytes[14] = (byte) (0x40 | bytes[14] & 15);
        bytes[16] = (byte) (bytes.length - 14 >>> 8);
        bytes[17] = (byte) (bytes.length - 14);
        bytes[20] = 0;
        bytes[21] = 0;
        bytes[23] = 6;
    }

    private static void onTcp(FrameFlyweight frame, int end, int number) {
        Targets.check(frame.payloadOffset() + frame.payloadLength() <= end, "payload beyond the frame");
        Targets.check(frame.payloadLength() >= 0 && frame.optionsLength() >= 0, "negative length");
        TcpOptions options = new TcpOptions();
        options.parse(frame.buffer(), frame.optionsOffset(), frame.optionsLength());
        int optionsEnd = frame.optionsOffset() + frame.optionsLength();
        Targets.check(
                options.sackBlocks() == 0 || options.sackOffset() + 8 * options.sackBlocks() <= optionsEnd,
                "SACK blocks beyond the options");
        Targets.check(options.timestampsOffset() + 8 <= optionsEnd || options.timestampsOffset() == 0, "timestamps");
        Targets.check(options.windowScale() <= TcpOptions.NO_WINDOW_SCALE, "window scale");
        long source = frame.ethSource();
        if (MigrationTag.isTag(source)) {
            long again = MigrationTag.with(source, MigrationTag.contentType(source), MigrationTag.kind(source));
            Targets.check(again == source, "tag is not put together as it was taken apart");
        }
        boolean valid = frame.tcpChecksumValid();
        frame.seq(frame.seq() + number);
        frame.ack(frame.ack() ^ number);
        frame.window(number & 0xffff);
        if (frame.payloadLength() > 0) {
            frame.set8(frame.payloadOffset() + (number >>> 1) % frame.payloadLength(), number & 0xff);
        }
        Targets.check(!valid || frame.tcpChecksumValid(), "checksum is not kept");
        frame.completeTcpChecksum();
    }
}
