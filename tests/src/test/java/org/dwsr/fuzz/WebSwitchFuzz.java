package org.dwsr.fuzz;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import java.nio.ByteBuffer;
import org.dwsr.packet.IpAddress;
import org.dwsr.switching.SwitchOutput;
import org.dwsr.switching.SynCookie;
import org.dwsr.switching.WebSwitch;

/** Any frames at any port into the web switch: a bounded answer to each, and tables no larger than their connections. */
public final class WebSwitchFuzz implements SwitchOutput {
    private static final int MAX_FRAMES = 100;
    private static final int CONNECTIONS = 8;
    /** To look up the hash function takes longer than all the rest. */
    private static final SynCookie COOKIES = new SynCookie(new byte[16]);

    private final FuzzedPackets packets;
    private int frames;

    private WebSwitchFuzz(FuzzedPackets packets) {
        this.packets = packets;
    }

    public static void fuzzerTestOneInput(FuzzedDataProvider data) {
        FuzzedPackets packets = new FuzzedPackets(data);
        WebSwitchFuzz output = new WebSwitchFuzz(packets);
        WebSwitch webSwitch = new WebSwitch(COOKIES, output);
        long nowNs = 1L << 41;
        webSwitch.configure(Targets.CONFIG, nowNs);
        // From here on nothing is unsynced.
        nowNs += 6_000_000_000L;
        webSwitch.onTick(nowNs);
        for (int i = 0; i < 60 && data.remainingBytes() > 0; i++) {
            output.frames = 0;
            int kind = data.consumeInt(0, 7);
            if (kind == 0) {
                nowNs += data.pickValue(new int[] {5, 45, 250, 1_100, 16_000, 130_000}) * 1_000_000L;
                webSwitch.onTick(nowNs);
            } else {
                ByteBuffer frame = kind == 7 ? packets.anything() : packets.segment(kind != 6);
                int port = data.consumeInt(1, 7);
                webSwitch.onPacketIn(1, port, frame, 0, packets.length(), nowNs);
            }
            Targets.check(output.frames <= MAX_FRAMES, output.frames + " frames for one");
        }
        webSwitch.counters((name, value) -> Targets.check(
                value >= 0
                        && (!name.equals("connections") || value <= CONNECTIONS)
                        && (!name.equals("gathering_heads") || value <= CONNECTIONS)
                        && (!name.equals("waiting_segments") || value <= 256),
                name + " " + value));
    }

    @Override
    public void packetOut(long datapath, int port, ByteBuffer frame, int offset, int length) {
        frames++;
        packets.near(frame, offset, length);
    }

    @Override
    public void installConnection(long datapath, long connectionKey, IpAddress client, int serverIndex) {
        frames++;
    }

    @Override
    public void removeConnection(long datapath, long connectionKey, IpAddress client) {
        frames++;
    }

    @Override
    public void installReturn(long datapath, long clientMac, boolean ipv6, int port) {
        frames++;
    }

    @Override
    public void removeReturn(long datapath, long clientMac, boolean ipv6) {
        frames++;
    }
}
