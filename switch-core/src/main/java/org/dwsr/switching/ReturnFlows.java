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
 * <p>There is one for each family that a client uses.
 *
 * <p>A flow is proven when a request whose handshake was proven came from there. Other packets of a connection may add
 * a flow where there is none (after a restart, or at a switch further on), but never turn a client's responses to
 * another port: anybody can send them. A proven place takes away the flows in other switches, which still lead to
 * where the client was.
 */
final class ReturnFlows {
    static final int LIMIT = 65_536;

    /** Above the 48 bits of a MAC. */
    private static final long IPV6 = 1L << 48;

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
        long client = client(entry.clientMac, entry.client.isIpv6());
        ReturnFlow known = find(datapath, client);
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
        ReturnFlow flow = known == null ? add(datapath, client) : known;
        if (flow.port != entry.ingressPort) {
            flow.port = entry.ingressPort;
            output.installReturn(datapath, entry.clientMac, entry.client.isIpv6(), entry.ingressPort);
            counters.increment(SwitchCounter.RETURN_FLOWS_INSTALLED);
        }
        if (proven) {
            flow.proven = true;
            removeElsewhere(datapath, client);
        }
    }

    /** Takes notice of a return flow found in a switch; one that is not wanted is taken away. */
    void onRead(long datapath, long clientMac, boolean ipv6, int port) {
        long client = client(clientMac, ipv6);
        if (find(datapath, client) != null) {
            // Installed since the switch was asked.
            return;
        }
        if (isClient(clientMac, port) && size < limit) {
            add(datapath, client).port = port;
        } else {
            remove(datapath, client);
        }
    }

    void onRemoved(long datapath, long clientMac, boolean ipv6) {
        forget(datapath, client(clientMac, ipv6));
    }

    private void forget(long datapath, long client) {
        OneSwitch there = switches.get(datapath);
        if (there != null && there.byClient.remove(client) != null) {
            size--;
        }
    }

    /** Takes notice that a switch has come or gone: what it holds is not known. */
    void onDatapath(long datapath) {
        OneSwitch there = switches.remove(datapath);
        size -= there == null ? 0 : there.byClient.size();
    }

    private static long client(long mac, boolean ipv6) {
        return ipv6 ? mac | IPV6 : mac;
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

    private @Nullable ReturnFlow find(long datapath, long client) {
        OneSwitch there = switches.get(datapath);
        return there == null ? null : there.byClient.get(client);
    }

    private ReturnFlow add(long datapath, long client) {
        OneSwitch there = switches.get(datapath);
        if (there == null) {
            there = new OneSwitch(datapath);
            switches.put(datapath, there);
        }
        ReturnFlow flow = new ReturnFlow();
        there.byClient.put(client, flow);
        size++;
        return flow;
    }

    private void removeElsewhere(long here, long client) {
        for (int i = switches.capacity() - 1; i >= 0; i--) {
            OneSwitch there = switches.slot(i);
            if (there != null && there.datapath != here && there.byClient.get(client) != null) {
                remove(there.datapath, client);
            }
        }
    }

    private void remove(long datapath, long client) {
        forget(datapath, client);
        output.removeReturn(datapath, client & ~IPV6, (client & IPV6) != 0);
        counters.increment(SwitchCounter.RETURN_FLOWS_REMOVED);
    }

    private static final class OneSwitch {
        private final long datapath;
        private final LongKeyedTable<ReturnFlow> byClient = new LongKeyedTable<>();

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
