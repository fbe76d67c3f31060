package org.dwsr.fuzz;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.SegmentBuilder;

/** Frames that are near enough to a connection's to reach deep states. */
final class FuzzedPackets {
    static final int VIP = 0x0a000064;
    static final long VMAC = 0x0200_5e00_0164L;
    private static final long CLIENT = 0x0200_0000_00c1L;
    private static final String[] REQUESTS = {
        "GET /img/a HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /a.php HTTP/1.1\r\nHost: h\r\nCookie: DR0189C1D=1; PHPSESSID=2\r\n\r\n",
        "POST /img/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "POST /a.php HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
        "GET /img/a HTTP/1.1\r\nHo"
    };
    private static final String[] RESPONSES = {
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nSet-Cookie: PHPSESSID=1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 2"
    };

    private final FuzzedDataProvider data;
    private final SegmentBuilder builder = new SegmentBuilder();
    /** Numbers that a segment may be near to: what it was told, and what it saw. */
    private final int[] bases = {1_000, -20, 900_000, Integer.MAX_VALUE};

    private int length;

    FuzzedPackets(FuzzedDataProvider data) {
        this.data = data;
    }

    int length() {
        return length;
    }

    /** Lets later frames have numbers near this one's. */
    void near(ByteBuffer frame, int offset, int frameLength) {
        if (frameLength >= 54) {
            bases[2] = frame.getInt(offset + 38);
            bases[3] = frame.getInt(offset + 42);
        }
    }

    /** Anything at all. */
    ByteBuffer anything() {
        byte[] bytes = data.consumeBytes(data.consumeInt(0, 200));
        length = bytes.length;
        return ByteBuffer.wrap(bytes);
    }

    ByteBuffer segment(boolean fromClient) {
        String[] known = fromClient ? REQUESTS : RESPONSES;
        int choice = data.consumeInt(0, known.length + 1);
        byte[] payload = choice < known.length
                ? known[choice].getBytes(StandardCharsets.ISO_8859_1)
                : choice == known.length ? new byte[0] : data.consumeBytes(data.consumeInt(0, 100));
        int from = payload.length == 0 || data.consumeBoolean() ? 0 : data.consumeInt(0, payload.length - 1);
        int client = 0x0a000001 + data.consumeInt(0, 1);
        int port = 40_000 + data.consumeInt(0, 1);
        int service = data.consumeInt(0, 15) == 0 ? 81 : 80;
        builder.start();
        int flags =
                data.pickValue(new int[] {0x18, 0x10, 0x02, 0x12, 0x11, 0x04, 0x14, 0x19, data.consumeByte() & 0xff});
        if ((flags & 2) != 0) {
            builder.mss(data.pickValue(new int[] {0, 536, 1_460, 8_960}));
            builder.sackPermitted().windowScale(data.consumeInt(0, 14));
        }
        builder.payload(ByteBuffer.wrap(payload), from, payload.length - from);
        ByteBuffer built = builder.build(
                VMAC,
                fromClient ? source() : VMAC,
                fromClient ? client : VIP,
                fromClient ? VIP : client,
                fromClient ? port : service,
                fromClient ? service : port,
                number(),
                number(),
                flags,
                data.consumeInt(0, 0xffff));
        length = builder.length();
        ByteBuffer copy = ByteBuffer.allocate(length);
        for (int i = 0; i < length; i++) {
            copy.put(i, built.get(i));
        }
        return copy;
    }

    private int number() {
        return bases[data.consumeInt(0, bases.length - 1)] + data.consumeInt(-80, 80);
    }

    private long source() {
        if (data.consumeBoolean()) {
            return CLIENT;
        }
        long tag = MigrationTag.of(
                data.consumeInt(0, 7), data.consumeInt(0, 15), data.consumeInt(0, 15), data.consumeBoolean());
        return MigrationTag.with(tag, data.pickValue(new int[] {44, 72, 0, 46_655}), data.consumeInt(0, 7));
    }
}
