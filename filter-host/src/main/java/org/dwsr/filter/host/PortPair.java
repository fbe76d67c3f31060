package org.dwsr.filter.host;

import java.nio.ByteBuffer;
import org.dwsr.config.DwsrConfig;
import org.dwsr.filter.FilterOutput;
import org.dwsr.filter.PacketCore;
import org.dwsr.switching.CounterSink;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One server's two interfaces and the core between them. Either interface may be missing for a while; what should leave
 * through it is then dropped and counted. Used by the agent's thread only.
 */
final class PortPair implements FilterOutput {
    private static final Logger LOG = LoggerFactory.getLogger(PortPair.class);

    /** The most frames taken from one ring before the other gets its turn. */
    private static final int BUDGET = 64;
    /** Entries of a transmit queue that are kept free for frames the core makes. */
    private static final int RESERVE = 64;

    private final String server;
    private final PacketCore core;
    private final PortCounters[] counters = {new PortCounters(), new PortCounters()};
    private final PortDecorator decorator;
    private final @Nullable AfPacketPort[] ports = new @Nullable AfPacketPort[2];
    private final @Nullable FrameSource[] sources = new @Nullable FrameSource[2];
    private final @Nullable FrameSink[] sinks = new @Nullable FrameSink[2];

    private long coreFailures;
    private long nextFailureLogNs;
    private long nowNs;

    PortPair(String server, CoreFactory factory) {
        this(server, factory, PortDecorator.NONE);
    }

    /** A pair whose ports are decorated when they are attached. */
    PortPair(String server, CoreFactory factory, PortDecorator decorator) {
        this.server = server;
        this.decorator = decorator;
        this.core = factory.create(server, this);
    }

    String server() {
        return server;
    }

    PacketCore core() {
        return core;
    }

    PortCounters counters(PortSide side) {
        return counters[side.index()];
    }

    @Nullable
    AfPacketPort port(PortSide side) {
        return ports[side.index()];
    }

    void attach(PortSide side, AfPacketPort port) {
        ports[side.index()] = port;
        sources[side.index()] = decorator.receiving(server, side, port.ring(), counters(side));
        sinks[side.index()] = decorator.sending(server, side, port.queue(), counters(side));
        counters(side).increment(PortCounter.OPENED);
    }

    /** Parts with a port, so that it can be closed: none of its frames is held any more afterwards. */
    @Nullable
    AfPacketPort detach(PortSide side) {
        for (FrameSink sink : sinks) {
            if (sink != null) {
                sink.dropAll(PortCounter.TX_DROPPED_DOWN);
            }
        }
        AfPacketPort port = ports[side.index()];
        ports[side.index()] = null;
        sources[side.index()] = null;
        sinks[side.index()] = null;
        return port;
    }

    /** Whether a queue could not be emptied at the last attempt. */
    boolean blocked() {
        for (FrameSink sink : sinks) {
            if (sink != null && sink.blocked()) {
                return true;
            }
        }
        return false;
    }

    /**
     * Moves frames both ways.
     *
     * @return the number of frames received
     */
    int pump(long nowNs) {
        int frames = drain(PortSide.NETWORK, PortSide.HOST, nowNs) + drain(PortSide.HOST, PortSide.NETWORK, nowNs);
        flush(nowNs);
        return frames;
    }

    /** Lets the core's timers run. */
    void tick(long nowNs) {
        this.nowNs = nowNs;
        try {
            core.onTick(nowNs);
        } catch (RuntimeException failure) {
            countFailure(failure, nowNs);
        }
        flush(nowNs);
    }

    /** Gives the core a new configuration. */
    void configure(DwsrConfig config, long nowNs) {
        this.nowNs = nowNs;
        core.configure(config, nowNs);
        flush(nowNs);
    }

    private void flush(long nowNs) {
        for (FrameSink sink : sinks) {
            if (sink != null) {
                sink.flush(nowNs);
            }
        }
    }

    private int drain(PortSide fromSide, PortSide toSide, long nowNs) {
        FrameSource ring = sources[fromSide.index()];
        FrameSink back = sinks[fromSide.index()];
        if (ring == null || back == null) {
            return 0;
        }
        this.nowNs = nowNs;
        FrameSink to = sinks[toSide.index()];
        boolean fromNetwork = fromSide == PortSide.NETWORK;
        int frames = 0;
        while (frames < BUDGET) {
            // A full queue pushes back: frames then stay in the ring, and in the end the kernel drops and counts them.
            if (to != null && to.room() <= RESERVE && !to.flush(nowNs)) {
                break;
            }
            if (!ring.next(nowNs)) {
                break;
            }
            frames++;
            int verdict = decide(ring, fromNetwork, nowNs);
            if (verdict == PacketCore.FORWARD && to != null) {
                forward(ring, to, nowNs);
            } else if (verdict == PacketCore.RETURN) {
                forward(ring, back, nowNs);
            } else {
                if (verdict == PacketCore.FORWARD) {
                    counters(toSide).increment(PortCounter.TX_DROPPED_DOWN);
                }
                ring.release(ring.slot());
            }
        }
        return frames;
    }

    private static void forward(FrameSource ring, FrameSink sink, long nowNs) {
        if (sink.room() == 0) {
            sink.flush(nowNs);
        }
        sink.forward(ring, nowNs);
    }

    private int decide(FrameSource ring, boolean fromNetwork, long nowNs) {
        try {
            return fromNetwork
                    ? core.onNetworkFrame(ring.buffer(), ring.offset(), ring.length(), ring.partialChecksum(), nowNs)
                    : core.onHostFrame(ring.buffer(), ring.offset(), ring.length(), ring.partialChecksum(), nowNs);
        } catch (RuntimeException failure) {
            // One frame that the core stumbles over must not end the traffic of every server of this process.
            countFailure(failure, nowNs);
            return PacketCore.DROP;
        }
    }

    /** Counts a failure of the core, and logs one a minute. */
    void countFailure(RuntimeException failure, long nowNs) {
        coreFailures++;
        if (coreFailures == 1 || nowNs - nextFailureLogNs >= 0) {
            nextFailureLogNs = nowNs + 60_000_000_000L;
            LOG.error("{}: the filter failed at a frame, which is dropped ({} so far)", server, coreFailures, failure);
        }
    }

    @Override
    public void toHost(ByteBuffer frame, int offset, int length) {
        inject(PortSide.HOST, frame, offset, length);
    }

    @Override
    public void toNetwork(ByteBuffer frame, int offset, int length) {
        inject(PortSide.NETWORK, frame, offset, length);
    }

    private void inject(PortSide side, ByteBuffer frame, int offset, int length) {
        FrameSink sink = sinks[side.index()];
        if (sink == null) {
            counters(side).increment(PortCounter.TX_DROPPED_DOWN);
            return;
        }
        if (!sink.fits(length)) {
            sink.flush(nowNs);
        }
        sink.inject(frame, offset, length, nowNs);
    }

    /** Tells the counters of both ports, {@code network_…} and {@code host_…}, and of the core. */
    void tellCounters(CounterSink sink) {
        for (PortSide side : PortSide.values()) {
            AfPacketPort port = port(side);
            if (port != null) {
                port.readKernelDrops();
            }
        }
        counters(PortSide.NETWORK).tell("network_", sink);
        counters(PortSide.HOST).tell("host_", sink);
        sink.counter("core_failures", coreFailures);
        core.counters(sink);
    }
}
