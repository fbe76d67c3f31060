package org.dwsr.flow;

import static org.dwsr.flow.ActionTemplate.controller;
import static org.dwsr.flow.ActionTemplate.normal;
import static org.dwsr.flow.ActionTemplate.output;
import static org.dwsr.flow.ActionTemplate.setEthDst;
import static org.dwsr.flow.FieldValue.parameter;
import static org.dwsr.flow.FlowTemplate.permanent;

import java.util.ArrayList;
import java.util.List;
import org.dwsr.flow.FlowTemplate.Scope;

/**
 * The first pipeline: plain OpenFlow 1.3, one table, one flow per connection.
 *
 * <p>Why the order is as it is:
 *
 * <ul>
 *   <li>A tag vouches for a connection, so only filters may send one, and only to the web switch (tag bounce); from
 *       anywhere else, and toward anywhere else, it is dropped (tag guard).
 *   <li>A frame of a VLAN belongs to another network: it passes untouched, whatever it carries. Id 0 is no VLAN but a
 *       priority of this network (IEEE 802.1Q), so a row for each bit of the id excludes it; else a tag would be a way
 *       around the guards.
 *   <li>Only the web switch answers for the VIP in ARP and neighbour discovery; whatever claims the VIP is dropped,
 *       servers included, which all own it on loopback.
 *   <li>Bounce stands above connection, because a bounced segment still has the connection's 5-tuple.
 *   <li>Return comes after everything that is addressed to the VIP: responses go out by MAC and never reach the web
 *       switch.
 *   <li>Client return stands above it. What a client sends to the VIP never meets a row with normal switching, so a
 *       switch learns its MAC from ARP alone and forgets it after minutes; then it floods responses to every port. This
 *       flow tells it where the client is as long as there are responses.
 * </ul>
 */
public final class PlainPipeline implements Pipeline {
    /** The migration tag's fixed 15 bits as an Ethernet source address. */
    public static final long TAG_MAC = 0xD652_0000_0000L;
    /** The bits of {@link #TAG_MAC} that are fixed. */
    public static final long TAG_MAC_MASK = 0xFFFE_0000_0000L;
    /** How long a connection flow lives without a packet. */
    public static final int CONNECTION_IDLE_SECONDS = 30;
    /** How long a client's return flow lives without a response. */
    public static final int CLIENT_RETURN_IDLE_SECONDS = 300;

    private static final int NEIGHBOUR_SOLICITATION = 135;
    private static final int NEIGHBOUR_ADVERTISEMENT = 136;

    private static final FieldValue VIP = parameter("vip");
    private static final FieldValue VIP6 = parameter("vip6");
    private static final FieldValue VMAC = parameter("vmac");
    private static final FieldValue SERVER_PORT = parameter("serverPort");

    private static final int VLAN_ID_BITS = 12;
    private static final int FIRST_VLAN_ROW = 22;

    private static final List<FlowTemplate> ROWS = withVlans(
            permanent(
                    "tag-bounce",
                    Scope.SERVER,
                    2,
                    510,
                    MatchTemplate.ANY
                            .with(MatchField.IN_PORT, SERVER_PORT)
                            .with(MatchField.ETH_SRC, FieldValue.of(TAG_MAC), TAG_MAC_MASK)
                            .with(MatchField.ETH_DST, VMAC),
                    controller()),
            permanent(
                    "tag-guard",
                    Scope.DATAPATH,
                    3,
                    500,
                    MatchTemplate.ANY.with(MatchField.ETH_SRC, FieldValue.of(TAG_MAC), TAG_MAC_MASK)),
            permanent("arp-guard", Scope.DATAPATH, 4, 450, MatchTemplate.arp().with(MatchField.ARP_SPA, VIP)),
            permanent(
                    "nd-guard",
                    Scope.DATAPATH,
                    13,
                    450,
                    MatchTemplate.icmpv6(NEIGHBOUR_ADVERTISEMENT).with(MatchField.ND_TARGET, VIP6)),
            permanent(
                    "nd-source-guard",
                    Scope.DATAPATH,
                    14,
                    450,
                    MatchTemplate.icmpv6(NEIGHBOUR_SOLICITATION).with(MatchField.IPV6_SRC, VIP6)),
            permanent("arp", Scope.DATAPATH, 5, 440, MatchTemplate.arp().with(MatchField.ARP_TPA, VIP), controller()),
            permanent(
                    "nd",
                    Scope.DATAPATH,
                    15,
                    440,
                    MatchTemplate.icmpv6(NEIGHBOUR_SOLICITATION).with(MatchField.ND_TARGET, VIP6),
                    controller()),
            permanent(
                    "bounce",
                    Scope.SERVER,
                    6,
                    350,
                    MatchTemplate.ipv4().with(MatchField.IN_PORT, SERVER_PORT).with(MatchField.ETH_DST, VMAC),
                    controller()),
            permanent(
                    "bounce6",
                    Scope.SERVER,
                    16,
                    350,
                    MatchTemplate.ipv6().with(MatchField.IN_PORT, SERVER_PORT).with(MatchField.ETH_DST, VMAC),
                    controller()),
            permanent(
                            "connection",
                            Scope.CONNECTION,
                            FlowCookie.CONNECTION_ROW,
                            300,
                            MatchTemplate.tcp()
                                    .with(MatchField.IPV4_SRC, parameter("clientIp"))
                                    .with(MatchField.IPV4_DST, VIP)
                                    .with(MatchField.TCP_SRC, parameter("clientPort"))
                                    .with(MatchField.TCP_DST, parameter("servicePort")),
                            setEthDst(parameter("serverMac")),
                            output(parameter("outputPort")))
                    .idleTimeoutSeconds(CONNECTION_IDLE_SECONDS),
            permanent(
                            "connection6",
                            Scope.CONNECTION,
                            FlowCookie.CONNECTION6_ROW,
                            300,
                            MatchTemplate.tcp6()
                                    .with(MatchField.IPV6_SRC, parameter("clientIp6"))
                                    .with(MatchField.IPV6_DST, VIP6)
                                    .with(MatchField.TCP_SRC, parameter("clientPort"))
                                    .with(MatchField.TCP_DST, parameter("servicePort")),
                            setEthDst(parameter("serverMac")),
                            output(parameter("outputPort")))
                    .idleTimeoutSeconds(CONNECTION_IDLE_SECONDS),
            permanent(
                    "service",
                    Scope.SERVICE,
                    7,
                    200,
                    MatchTemplate.tcp()
                            .with(MatchField.IPV4_DST, VIP)
                            .with(MatchField.TCP_DST, parameter("servicePort")),
                    controller()),
            permanent(
                    "service6",
                    Scope.SERVICE,
                    18,
                    200,
                    MatchTemplate.tcp6()
                            .with(MatchField.IPV6_DST, VIP6)
                            .with(MatchField.TCP_DST, parameter("servicePort")),
                    controller()),
            permanent(
                    "vip6",
                    Scope.DATAPATH,
                    19,
                    150,
                    MatchTemplate.ipv6().with(MatchField.IPV6_DST, VIP6),
                    controller()),
            permanent("vip", Scope.DATAPATH, 8, 150, MatchTemplate.ipv4().with(MatchField.IPV4_DST, VIP), controller()),
            permanent(
                            "client-return",
                            Scope.CLIENT,
                            FlowCookie.CLIENT_RETURN_ROW,
                            110,
                            MatchTemplate.ipv4()
                                    .with(MatchField.IPV4_SRC, VIP)
                                    .with(MatchField.ETH_DST, parameter("clientMac")),
                            output(parameter("outputPort")))
                    .idleTimeoutSeconds(CLIENT_RETURN_IDLE_SECONDS),
            permanent(
                            "client-return6",
                            Scope.CLIENT,
                            FlowCookie.CLIENT_RETURN6_ROW,
                            110,
                            MatchTemplate.ipv6()
                                    .with(MatchField.IPV6_SRC, VIP6)
                                    .with(MatchField.ETH_DST, parameter("clientMac")),
                            output(parameter("outputPort")))
                    .idleTimeoutSeconds(CLIENT_RETURN_IDLE_SECONDS),
            permanent(
                    "return6",
                    Scope.SERVER,
                    21,
                    100,
                    MatchTemplate.ipv6().with(MatchField.IN_PORT, SERVER_PORT).with(MatchField.IPV6_SRC, VIP6),
                    normal()),
            permanent(
                    "return",
                    Scope.SERVER,
                    9,
                    100,
                    MatchTemplate.ipv4().with(MatchField.IN_PORT, SERVER_PORT).with(MatchField.IPV4_SRC, VIP),
                    normal()),
            permanent("rest", Scope.DATAPATH, 10, 0, MatchTemplate.ANY, normal()));

    /** These rows with those for VLANs in their place, which is above the guards of addresses. */
    private static List<FlowTemplate> withVlans(FlowTemplate... rows) {
        List<FlowTemplate> all = new ArrayList<>();
        for (FlowTemplate row : rows) {
            if (row.name().equals("arp-guard")) {
                for (int bit = 0; bit < VLAN_ID_BITS; bit++) {
                    MatchTemplate match = MatchTemplate.vlanIdBit(bit);
                    all.add(permanent("vlan", Scope.DATAPATH, FIRST_VLAN_ROW + bit, 480, match, normal()));
                }
            }
            all.add(row);
        }
        return List.copyOf(all);
    }

    @Override
    public String name() {
        return "plain";
    }

    @Override
    public List<FlowTemplate> templates() {
        return ROWS;
    }
}
