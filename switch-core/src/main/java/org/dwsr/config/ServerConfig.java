package org.dwsr.config;

/** A server: its identity in cookies, its MAC address and the switch port its filter stands at. */
public final class ServerConfig {
    private final String name;
    private final int index;
    private final int id;
    private final long mac;
    private final Attachment attachment;
    private final int weight;
    private final ServerState state;

    ServerConfig(String name, int index, int id, long mac, Attachment attachment, int weight, ServerState state) {
        this.name = name;
        this.index = index;
        this.id = id;
        this.mac = mac;
        this.attachment = attachment;
        this.weight = weight;
        this.state = state;
    }

    /** The unique name, 1 to 64 characters of {@code [A-Za-z0-9._-]}. */
    public String name() {
        return name;
    }

    /** The position in {@link DwsrConfig#servers()}. */
    public int index() {
        return index;
    }

    /** The {@link ThreeCharId} code that stands for the server in cookie names. */
    public int id() {
        return id;
    }

    /** The MAC address of the server's own interface. */
    public long mac() {
        return mac;
    }

    /** The switch port the server is reached through. */
    public Attachment attachment() {
        return attachment;
    }

    /** The share of new requests under {@link Schedule#WRR}, {@link Schedule#WLC} and source hash; 1 to 1000. */
    public int weight() {
        return weight;
    }

    /** What the operator wants of the server. */
    public ServerState state() {
        return state;
    }

    @Override
    public String toString() {
        return name;
    }
}
