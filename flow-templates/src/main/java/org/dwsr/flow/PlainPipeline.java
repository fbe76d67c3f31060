package org.dwsr.flow;

import static org.dwsr.flow.ActionTemplate.controller;
import static org.dwsr.flow.ActionTemplate.normal;
import static org.dwsr.flow.ActionTemplate.output;
import static org.dwsr.flow.ActionTemplate.setEthDst;
import static org.dwsr.flow.FieldValue.parameter;
import static org.dwsr.flow.FlowTemplate.permanent;

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
 *   <li>Only the web switch answers for the VIP in ARP; whatever claims the VIP is dropped, servers included, which
 *       all own it on loopback.
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

    private static final FieldValue VIP = parameter("vip");
    private static final FieldValue VMAC = parameter("vmac");
    private static final FieldValue SERVER_PORT = parameter("serverPort");

    private static final List<FlowTemplate> ROWS = List.of(
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
            permanent("arp", Scope.DATAPATH, 5, 440, MatchTemplate.arp().with(MatchField.ARP_TPA, VIP), controller()),
            permanent(
                    "bounce",
                    Scope.SERVER,
                    6,
                    350,
                    MatchTemplate.ipv4().with(MatchField.IN_PORT, SERVER_PORT).with(MatchField.ETH_DST, VMAC),
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
                    "service",
                    Scope.SERVICE,
                    7,
                    200,
                    MatchTemplate.tcp()
                            .with(MatchField.IPV4_DST, VIP)
                            .with(MatchField.TCP_DST, parameter("servicePort")),
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
                    "return",
                    Scope.SERVER,
                    9,
                    100,
                    MatchTemplate.ipv4().with(MatchField.IN_PORT, SERVER_PORT).with(MatchField.IPV4_SRC, VIP),
                    normal()),
            permanent("rest", Scope.DATAPATH, 10, 0, MatchTemplate.ANY, normal()));

    @Override
    public String name() {
        return "plain";
    }

    @Override
    public List<FlowTemplate> templates() {
        return ROWS;
    }
}
