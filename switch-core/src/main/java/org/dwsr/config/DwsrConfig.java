package org.dwsr.config;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.dwsr.packet.IpAddress;
import org.jspecify.annotations.Nullable;

/**
 * The validated configuration: what {@link ConfigReader} makes of a document without a fault. Immutable, so that it
 * can be handed between threads and compared by identity.
 */
public final class DwsrConfig {
    private static final IpAddress UNSPECIFIED = IpAddress.of(0, 0);

    private final int vip;
    private final IpAddress vip4;
    private final @Nullable IpAddress vip6;
    private final long vmac;
    private final List<ServiceConfig> services;
    private final List<PoolConfig> pools;
    private final List<ServerConfig> servers;
    private final List<Attachment> clients;
    private final List<String> sessionCookies;
    private final @Nullable ControlConfig control;
    private final Map<String, @Nullable Object> tree;
    private final Map<String, ServerConfig> serversByName = new HashMap<>();
    private final long[] indexesById;

    DwsrConfig(
            int vip,
            @Nullable IpAddress vip6,
            long vmac,
            List<ServiceConfig> services,
            List<PoolConfig> pools,
            List<ServerConfig> servers,
            List<Attachment> clients,
            List<String> sessionCookies,
            @Nullable ControlConfig control,
            Map<String, @Nullable Object> tree) {
        this.vip = vip;
        this.vip4 = IpAddress.ofIpv4(vip);
        this.vip6 = vip6;
        this.vmac = vmac;
        this.services = List.copyOf(services);
        this.pools = List.copyOf(pools);
        this.servers = List.copyOf(servers);
        this.clients = List.copyOf(clients);
        this.sessionCookies = List.copyOf(sessionCookies);
        this.control = control;
        this.tree = tree;
        indexesById = new long[servers.size()];
        for (ServerConfig server : servers) {
            serversByName.put(server.name(), server);
            indexesById[server.index()] = (long) server.id() << 32 | server.index();
        }
        Arrays.sort(indexesById);
    }

    /** The service address that all servers own on loopback. */
    public int vip() {
        return vip;
    }

    /** The service address in IPv6, or null when there is none. */
    public @Nullable IpAddress vip6() {
        return vip6;
    }

    /** The service address of one family; without one for IPv6 the unspecified address, which no host takes. */
    public IpAddress vip(boolean ipv6) {
        IpAddress other = vip6;
        return !ipv6 ? vip4 : other != null ? other : UNSPECIFIED;
    }

    /** The MAC address with which the web switch owns the VIP in ARP and in neighbour discovery. */
    public long vmac() {
        return vmac;
    }

    /** The services, at least one. */
    public List<ServiceConfig> services() {
        return services;
    }

    /** The pools, at least one. */
    public List<PoolConfig> pools() {
        return pools;
    }

    /** The servers, 1 to {@link ConfigReader#MAX_SERVERS}. */
    public List<ServerConfig> servers() {
        return servers;
    }

    /** The switch ports that clients come from. */
    public List<Attachment> clients() {
        return clients;
    }

    /** The names of the cookies that carry sessions, as the servers know them. */
    public List<String> sessionCookies() {
        return sessionCookies;
    }

    /** The control channel, or null if the document leaves it to the host's options. */
    public @Nullable ControlConfig control() {
        return control;
    }

    /** The server with this name, or null. */
    public @Nullable ServerConfig server(String name) {
        return serversByName.get(name);
    }

    /** The server whose {@link ServerConfig#id()} is this code, or null. */
    public @Nullable ServerConfig serverById(int id) {
        int index = serverIndexById(id);
        return index < 0 ? null : servers.get(index);
    }

    /** The index of the server with this name, or -1. */
    public int serverIndex(String name) {
        ServerConfig server = serversByName.get(name);
        return server == null ? -1 : server.index();
    }

    /** The index of the server with this three-character id code, or -1; without allocation, for the packet path. */
    public int serverIndexById(int id) {
        int at = Arrays.binarySearch(indexesById, (long) id << 32);
        int candidate = at < 0 ? -at - 1 : at;
        boolean found = candidate < indexesById.length && indexesById[candidate] >>> 32 == id;
        return found ? (int) indexesById[candidate] : -1;
    }

    /** The service on this port, or null. */
    public @Nullable ServiceConfig service(int port) {
        for (int i = 0; i < services.size(); i++) {
            if (services.get(i).port() == port) {
                return services.get(i);
            }
        }
        return null;
    }

    /** The document as it was read: a deep copy that cannot be changed, for handing it on as JSON. */
    public Map<String, @Nullable Object> tree() {
        return tree;
    }
}
