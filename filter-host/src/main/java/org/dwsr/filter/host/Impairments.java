package org.dwsr.filter.host;

import org.jspecify.annotations.Nullable;

/**
 * What tests put around the ports: faults in both directions of the network side, and a delay on both ways out.
 *
 * @param faults what befalls frames from and to the network; null for none
 * @param roundTripNs how much longer a packet and its answer take together, nanoseconds; 0 for no delay
 */
record Impairments(@Nullable FaultSpec faults, long roundTripNs) implements PortDecorator {
    @Override
    public FrameSource receiving(String name, PortSide side, FrameSource ring, PortCounters counters) {
        if (faults == null || side != PortSide.NETWORK) {
            return ring;
        }
        return new FaultySource(ring, new FaultDice(faults, name + " receives", counters));
    }

    @Override
    public FrameSink sending(String name, PortSide side, FrameSink queue, PortCounters counters) {
        FrameSink sink = queue;
        if (roundTripNs > 0) {
            sink = new DelayedSink(sink, roundTripNs / 2, counters);
        }
        if (faults != null && side == PortSide.NETWORK) {
            sink = new FaultySink(sink, new FaultDice(faults, name + " sends", counters), counters);
        }
        return sink;
    }
}
