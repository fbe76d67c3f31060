package org.dwsr.filter.host;

import java.nio.ByteBuffer;
import org.dwsr.config.DwsrConfig;
import org.dwsr.filter.PacketCore;
import org.dwsr.switching.CounterSink;

/** A core that forwards every frame untouched: shows what the ports alone do ({@code --pass-through}). */
final class PassThroughCore implements PacketCore {
    private long framesToHost;
    private long framesToNetwork;

    @Override
    public int onNetworkFrame(ByteBuffer frame, int offset, int length, boolean partialChecksum, long nowNs) {
        framesToHost++;
        return FORWARD;
    }

    @Override
    public int onHostFrame(ByteBuffer frame, int offset, int length, boolean partialChecksum, long nowNs) {
        framesToNetwork++;
        return FORWARD;
    }

    @Override
    public void onTick(long nowNs) {}

    @Override
    public void configure(DwsrConfig config, long nowNs) {}

    @Override
    public void report(ReportSink sink, boolean full) {}

    @Override
    public void counters(CounterSink sink) {
        sink.counter("frames_to_host", framesToHost);
        sink.counter("frames_to_network", framesToNetwork);
    }
}
