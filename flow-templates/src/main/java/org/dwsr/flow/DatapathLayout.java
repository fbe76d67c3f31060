package org.dwsr.flow;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What a pipeline needs to know of one datapath: the VIP (of one or both families), its services, and the servers attached here. Immutable. */
public final class DatapathLayout {
    private final int vip;
    private final long vmac;
    private final @Nullable FieldValue vip6;
    private final List<Integer> servicePorts;
    private final List<ServerPort> serverPorts;

    private DatapathLayout(
            int vip, @Nullable FieldValue vip6, long vmac, List<Integer> servicePorts, List<ServerPort> serverPorts) {
        this.vip = vip;
        this.vip6 = vip6;
        this.vmac = vmac;
        this.servicePorts = List.copyOf(servicePorts);
        this.serverPorts = List.copyOf(serverPorts);
    }

    /** A datapath without services and servers. */
    public static DatapathLayout of(int vip, long vmac) {
        return new DatapathLayout(vip, null, vmac, List.of(), List.of());
    }

    /** This layout and an IPv6 address of the VIP. */
    public DatapathLayout withVip6(long high, long low) {
        return new DatapathLayout(vip, FieldValue.of(high, low), vmac, servicePorts, serverPorts);
    }

    /** This layout and a TCP port of the VIP, 1 to 65535. */
    public DatapathLayout withService(int tcpPort) {
        List<Integer> more = new ArrayList<>(servicePorts);
        more.add(tcpPort);
        return new DatapathLayout(vip, vip6, vmac, more, serverPorts);
    }

    /** This layout and a server whose filter is attached at a port of this datapath. */
    public DatapathLayout withServer(int port, long serverMac) {
        List<ServerPort> more = new ArrayList<>(serverPorts);
        more.add(new ServerPort(port, serverMac));
        return new DatapathLayout(vip, vip6, vmac, servicePorts, more);
    }

    public int vip() {
        return vip;
    }

    /** The VIP's IPv6 address, null when it has none. */
    public @Nullable FieldValue vip6() {
        return vip6;
    }

    public long vmac() {
        return vmac;
    }

    public List<Integer> servicePorts() {
        return servicePorts;
    }

    public List<ServerPort> serverPorts() {
        return serverPorts;
    }

    /** A server at a port of this datapath. */
    public static final class ServerPort {
        private final int port;
        private final long serverMac;

        private ServerPort(int port, long serverMac) {
            this.port = port;
            this.serverMac = serverMac;
        }

        public int port() {
            return port;
        }

        public long serverMac() {
            return serverMac;
        }
    }
}
