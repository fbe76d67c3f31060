package org.dwsr.fuzz;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import java.nio.ByteBuffer;
import org.dwsr.filter.FilterCore;
import org.dwsr.filter.FilterOutput;
import org.dwsr.filter.PacketCore;

/** Any frames in any order into the filter: a bounded answer to each, and a table no larger than their connections. */
public final class FilterFuzz implements FilterOutput {
    /** What can be held of a request and of a response, in the smallest segments. */
    private static final int MAX_FRAMES = 400;

    private static final int CONNECTIONS = 8;

    private final FuzzedPackets packets;
    private int frames;

    private FilterFuzz(FuzzedPackets packets) {
        this.packets = packets;
    }

    public static void fuzzerTestOneInput(FuzzedDataProvider data) {
        FuzzedPackets packets = new FuzzedPackets(data);
        FilterFuzz output = new FilterFuzz(packets);
        FilterCore core = new FilterCore("s1", output);
        long nowNs = 1L << 41;
        if (data.consumeInt(0, 15) > 0) {
            core.configure(Targets.CONFIG, nowNs);
        }
        for (int i = 0; i < 60 && data.remainingBytes() > 0; i++) {
            output.frames = 0;
            int kind = data.consumeInt(0, 7);
            if (kind == 0) {
                nowNs += data.pickValue(new int[] {1, 6, 45, 250, 1_100, 16_000, 130_000}) * 1_000_000L;
                core.onTick(nowNs);
            } else {
                boolean fromClient = kind < 5;
                ByteBuffer frame = kind == 7 ? packets.anything() : packets.segment(fromClient);
                int verdict = fromClient
                        ? core.onNetworkFrame(frame, 0, packets.length(), false, nowNs)
                        : core.onHostFrame(frame, 0, packets.length(), false, nowNs);
                Targets.check(verdict >= PacketCore.DROP && verdict <= PacketCore.RETURN, "verdict " + verdict);
            }
            Targets.check(output.frames <= MAX_FRAMES, output.frames + " frames for one");
        }
        core.counters((name, value) ->
                Targets.check(value >= 0 && (!name.equals("connections") || value <= CONNECTIONS), name + " " + value));
        core.onTick(nowNs + 8_000_000L * 1_000_000L);
        core.counters((name, value) -> Targets.check(!name.equals("connections") || value == 0, "left for ever"));
    }

    @Override
    public void toHost(ByteBuffer frame, int offset, int length) {
        frames++;
        packets.near(frame, offset, length);
    }

    @Override
    public void toNetwork(ByteBuffer frame, int offset, int length) {
        frames++;
        packets.near(frame, offset, length);
    }
}
