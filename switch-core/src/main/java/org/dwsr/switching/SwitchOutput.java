package org.dwsr.switching;

import java.nio.ByteBuffer;
import org.dwsr.packet.IpAddress;

/**
 * Where the web switch's decisions go; a host (the ONOS app, the embedded controller) carries them out in call order.
 *
 * <p>Called only from within the {@link WebSwitch} methods, on their thread.
 */
public interface SwitchOutput {
    /** Instead of a port: let the switch find it by destination MAC. */
    int PORT_NORMAL = -1;

    /** Sends a complete frame out of a port of a switch. The bytes are only valid during the call. */
    void packetOut(long datapath, int port, ByteBuffer frame, int offset, int length);

    /** Makes the connection's packets go straight to a server (its index in the configuration); replaces an earlier
     * choice. The key has only the alias of an IPv6 client's address. */
    void installConnection(long datapath, long connectionKey, IpAddress client, int serverIndex);

    /** Takes the connection's flow away; nothing happens when there is none. */
    void removeConnection(long datapath, long connectionKey, IpAddress client);

    /** Makes responses of one family to a client's MAC leave a switch by this port; replaces an earlier port. */
    void installReturn(long datapath, long clientMac, boolean ipv6, int port);

    /** Takes a client's return flow away; nothing happens when there is none. */
    void removeReturn(long datapath, long clientMac, boolean ipv6);
}
