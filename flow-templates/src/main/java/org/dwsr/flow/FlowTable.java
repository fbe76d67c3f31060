package org.dwsr.flow;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * An OpenFlow 1.3 flow table in memory: the test double of a switch. It tells for a frame where it comes out and with
 * which rewrites. Not fast and not meant for the packet path.
 *
 * <p>Differences to a real switch: one VLAN tag is understood, IPv6 extension headers are not, no fragments are reassembled, and two flows of the same
 * priority that match the same frame but act differently, which OpenFlow leaves undefined, are an error.
 */
public final class FlowTable {
    private final List<Entry> entries = new ArrayList<>();

    /** Adds a bound flow; one with the same priority and match is replaced (OFPFC_ADD). */
    public void add(FlowTemplate flow, long nowNs) {
        if (!flow.match().isBound()) {
            throw new IllegalArgumentException("an unbound template cannot be added: " + flow);
        }
        entries.removeIf(entry -> entry.flow.isSameEntry(flow));
        entries.add(new Entry(flow, nowNs));
        entries.sort(
                Comparator.comparingInt((Entry entry) -> entry.flow.priority()).reversed());
    }

    /** Removes the flow with the same priority and match (OFPFC_DELETE_STRICT); false if there was none. */
    public boolean remove(FlowTemplate flow) {
        return entries.removeIf(entry -> entry.flow.isSameEntry(flow));
    }

    /** Removes every flow whose cookie agrees under the mask (OFPFC_DELETE); returns how many. */
    public int removeByCookie(long cookie, long mask) {
        int before = entries.size();
        entries.removeIf(entry -> (entry.flow.cookie() & mask) == (cookie & mask));
        return before - entries.size();
    }

    /** Removes the flows that saw no packet for their idle timeout; returns those whose removal is to be reported. */
    public List<FlowTemplate> expire(long nowNs) {
        List<FlowTemplate> reported = new ArrayList<>();
        for (Iterator<Entry> iterator = entries.iterator(); iterator.hasNext(); ) {
            Entry entry = iterator.next();
            long idleNs = entry.flow.idleTimeoutSeconds() * 1_000_000_000L;
            if (idleNs != 0 && nowNs - entry.usedNs >= idleNs) {
                iterator.remove();
                if (entry.flow.flowRemoved()) {
                    reported.add(entry.flow);
                }
            }
        }
        return reported;
    }

    /** The flows, highest priority first. */
    public List<FlowTemplate> flows() {
        List<FlowTemplate> flows = new ArrayList<>(entries.size());
        for (Entry entry : entries) {
            flows.add(entry.flow);
        }
        return flows;
    }

    /**
     * Sends a frame through the table.
     *
     * @param frame holds an Ethernet frame at {@code offset}; it is not changed
     * @throws IllegalStateException if two flows of the highest matching priority act differently
     */
    public Verdict lookup(int inPort, ByteBuffer frame, int offset, int length, long nowNs) {
        PacketFields packet = PacketFields.of(inPort, frame, offset, length);
        Entry found = null;
        for (Entry entry : entries) {
            if (found != null && entry.flow.priority() < found.flow.priority()) {
                break;
            }
            if (entry.flow.match().matches(packet)) {
                if (found == null) {
                    found = entry;
                } else if (!entry.flow.actions().equals(found.flow.actions())) {
                    throw new IllegalStateException(
                            "undefined in OpenFlow: both " + found.flow + " and " + entry.flow + " match");
                }
            }
        }
        if (found == null) {
            return new Verdict(null, packet, List.of());
        }
        found.usedNs = nowNs;
        return new Verdict(found.flow, packet, found.flow.actions());
    }

    /** Where a frame comes out, and with which Ethernet addresses. */
    public static final class Verdict {
        private final @Nullable FlowTemplate flow;
        private final List<Long> ports = new ArrayList<>();
        private long ethDst;
        private long ethSrc;

        private Verdict(@Nullable FlowTemplate flow, PacketFields packet, List<ActionTemplate> actions) {
            this.flow = flow;
            ethDst = packet.value(MatchField.ETH_DST);
            ethSrc = packet.value(MatchField.ETH_SRC);
            for (ActionTemplate action : actions) {
                switch (action.kind()) {
                    case SET_ETH_DST:
                        ethDst = action.value();
                        break;
                    case SET_ETH_SRC:
                        ethSrc = action.value();
                        break;
                    case OUTPUT:
                        // A switch never outputs to the port the frame came from (OpenFlow 1.3.5, OFPP_IN_PORT).
                        if (action.value() != packet.value(MatchField.IN_PORT)) {
                            ports.add(action.value());
                        }
                        break;
                }
            }
        }

        /** The name of the row that matched, or {@code miss}. */
        public String row() {
            return flow == null ? "miss" : flow.name();
        }

        public boolean isDropped() {
            return ports.isEmpty();
        }

        public boolean isPacketIn() {
            return ports.contains(ActionTemplate.PORT_CONTROLLER);
        }

        public boolean isNormal() {
            return ports.contains(ActionTemplate.PORT_NORMAL);
        }

        /** The ports the frame comes out of, reserved ports as in {@link ActionTemplate}. */
        public List<Long> ports() {
            return ports;
        }

        /** The destination MAC with which the frame comes out. */
        public long ethDst() {
            return ethDst;
        }

        /** The source MAC with which the frame comes out. */
        public long ethSrc() {
            return ethSrc;
        }

        @Override
        public String toString() {
            return row() + " -> " + ports + " eth_dst=" + Long.toHexString(ethDst);
        }
    }

    /** A flow and when it last saw a packet. */
    private static final class Entry {
        private final FlowTemplate flow;
        private long usedNs;

        private Entry(FlowTemplate flow, long usedNs) {
            this.flow = flow;
            this.usedNs = usedNs;
        }
    }
}
