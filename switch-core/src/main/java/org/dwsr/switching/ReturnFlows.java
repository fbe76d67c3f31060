package org.dwsr.switching;

import org.dwsr.config.DwsrConfig;
import org.dwsr.config.MacAddress;
import org.dwsr.config.ServerConfig;
import org.dwsr.table.LongKeyedTable;
import org.jspecify.annotations.Nullable;

/**
 * The clients' return flows: which switch has been told at which port a client's MAC is.
 *
 * <p>A switch does not learn it from what a client sends to the VIP, because that never goes through normal switching;
 * without a return flow it floods responses as soon as it has forgotten the client's last ARP. The table is bounded,
 * and what does not fit is left to normal switching.
 *
 * <p>A flow is proven when a request whose handshake was proven came from there. Other packets of a connection may add
 * a flow where there is none (after a restart, or at a switch further on), but never turn a client's responses to
 * another port: anybody can send them. A proven place takes away the flows in other switches, which still lead to
 * where the client was.
 */
final class ReturnFlows {
    static final int LIMIT = 65_536;

    private final SwitchOutput output;
    private final SwitchCounters counters;
    private final int limit;
    private final LongKeyedTable<OneSwitch> switches = new LongKeyedTable<>();

    private @Nullable DwsrConfig config;
    private int size;

    ReturnFlows(SwitchOutput output, SwitchCounters counters, int limit) {
        this.output = output;
        this.counters = counters;
        this.limit = limit;
    }

    /** Takes a configuration; its VIP and its servers may be others, so what stays has to be read back or asked for. */
    void configure(DwsrConfig next) {
        config = next;
        switches.clear();
        size = 0;
    }

    int size() {
        return size;
    }

    /**
     * Sees to it that an entry's client has a return flow where it is attached; costs one look-up when it has.
     *
     * @param proven whether the packet at hand proved the handshake
     */
    void install(ConnectionEntry entry, boolean proven) {
        long datapath = entry.ingressDatapath;
        ReturnFlow known = find(datapath, entry.clientMac);
        if (known != null && (!proven || known.proven && known.port == entry.ingressPort)) {
            return;
        }
        if (!isClient(entry.clientMac, entry.ingressPort)) {
            return;
        }
        if (known == null && size >= limit) {
            counters.increment(SwitchCounter.RETURN_FLOWS_OVER_LIMIT);
            return;
        }
        ReturnFlow flow = known == null ? add(datapath, entry.clientMac) : known;
        if (flow.port != entry.ingressPort) {
            flow.port = entry.ingressPort;
            output.installReturn(datapath, entry.clientMac, entry.ingressPort);
            counters.increment(SwitchCounter.RETURN_FLOWS_INSTALLED);
        }
        if (proven) {
            flow.proven = true;
            removeElsewhere(datapath, entry.clientMac);
        }
    }

    /** Takes notice of a return flow found in a switch; one that is not wanted is taken away. */
    void onRead(long datapath, long clientMac, int port) {
        if (find(datapath, clientMac) != null) {
            // Installed since the switch was asked.
            return;
        }
        if (isClient(clientMac, port) && size < limit) {
            add(datapath, clientMac).port = port;
        } else {
            remove(datapath, clientMac);
        }
    }

    void onRemoved(long datapath, long clientMac) {
        OneSwitch there = switches.get(datapath);
        if (there != null && there.byMac.remove(clientMac) != null) {
            size--;
        }
    }

    /** Takes notice that a switch has come or gone: what it holds is not known. */
    void onDatapath(long datapath) {
        OneSwitch there = switches.remove(datapath);
        size -= there == null ? 0 : there.byMac.size();
    }

    /** The VIP's MAC and the servers' have rules of their own, and a reserved port is not where a client is. */
    private boolean isClient(long mac, int port) {
        DwsrConfig known = config;
        if (known == null || port <= 0 || mac == 0 || mac == known.vmac()) {
            return false;
        }
        if (MacAddress.multicast(mac) || MacAddress.inTagRange(mac)) {
            return false;
        }
        for (ServerConfig server : known.servers()) {
            if (server.mac() == mac) {
                return false;
            }
        }
        return true;
    }

    private @Nullable ReturnFlow find(long datapath, long mac) {
        OneSwitch there = switches.get(datapath);
        return there == null ? null : there.byMac.get(mac);
    }

    private ReturnFlow add(long datapath, long mac) {
        OneSwitch there = switches.get(datapath);
        if (there == null) {
            there = new OneSwitch(datapath);
            switches.put(datapath, there);
        }
        ReturnFlow flow = new ReturnFlow();
        there.byMac.put(mac, flow);
        size++;
        return flow;
    }

    private void removeElsewhere(long here, long mac) {
        for (int i = switches.capacity() - 1; i >= 0; i--) {
            OneSwitch there = switches.slot(i);
            if (there != null && there.datapath != here && there.byMac.get(mac) != null) {
                remove(there.datapath, mac);
            }
        }
    }

    private void remove(long datapath, long mac) {
        onRemoved(datapath, mac);
        output.removeReturn(datapath, mac);
        counters.increment(SwitchCounter.RETURN_FLOWS_REMOVED);
    }

    private static final class OneSwitch {
        private final long datapath;
        private final LongKeyedTable<ReturnFlow> byMac = new LongKeyedTable<>();

        private OneSwitch(long datapath) {
            this.datapath = datapath;
        }
    }

    /** Where a client's responses leave a switch. */
    private static final class ReturnFlow {
        private int port = SwitchOutput.PORT_NORMAL;
        private boolean proven;
    }
}
