package org.dwsr.flow;

import java.util.ArrayList;
import java.util.List;

/**
 * A flow pipeline: a list of flow templates. How often a row is instantiated follows from its scope, so a pipeline is
 * nothing but its rows.
 *
 * <p>Parameters: {@code vip}, {@code vmac} everywhere; {@code servicePort} in service rows; {@code serverPort},
 * {@code serverMac} in server rows; {@code clientIp}, {@code clientPort}, {@code servicePort}, {@code serverMac},
 * {@code outputPort} in the connection row; {@code clientMac}, {@code outputPort} in the client row. IPv6 rows have
 * {@code vip6} and {@code clientIp6} in place of {@code vip} and {@code clientIp}, and are left out of a datapath without
 * an IPv6 VIP.
 */
public interface Pipeline {
    String name();

    /** The rows, highest priority first. */
    List<FlowTemplate> templates();

    /** The flows a datapath needs before its first connection, highest priority first. */
    default List<FlowTemplate> staticFlows(DatapathLayout layout) {
        FlowParameters common = FlowParameters.NONE
                .with("vip", Integer.toUnsignedLong(layout.vip()))
                .with("vmac", layout.vmac());
        FieldValue vip6 = layout.vip6();
        if (vip6 != null) {
            common = common.with("vip6", vip6.high(), vip6.value());
        }
        List<FlowTemplate> flows = new ArrayList<>();
        for (FlowTemplate template : templates()) {
            if (template.isIpv6() && vip6 == null) {
                continue;
            }
            switch (template.scope()) {
                case DATAPATH:
                    flows.add(template.bind(common));
                    break;
                case SERVICE:
                    for (int servicePort : layout.servicePorts()) {
                        flows.add(template.bind(common.with("servicePort", servicePort)));
                    }
                    break;
                case SERVER:
                    for (DatapathLayout.ServerPort server : layout.serverPorts()) {
                        flows.add(template.bind(
                                common.with("serverPort", server.port()).with("serverMac", server.serverMac())));
                    }
                    break;
                case CONNECTION:
                case CLIENT:
                    break;
            }
        }
        return flows;
    }

    /**
     * The flow of one connection, at any datapath the client's segments enter.
     *
     * @param outputPort the server's port if it is attached to the same datapath, else
     *     {@link ActionTemplate#PORT_NORMAL}
     * @throws IllegalStateException if this pipeline has no connection row
     */
    default FlowTemplate connectionFlow(
            int vip, int clientIp, int clientPort, int servicePort, long serverMac, long outputPort) {
        return row(FlowTemplate.Scope.CONNECTION, false)
                .bind(FlowParameters.NONE
                        .with("vip", Integer.toUnsignedLong(vip))
                        .with("clientIp", Integer.toUnsignedLong(clientIp))
                        .with("clientPort", clientPort)
                        .with("servicePort", servicePort)
                        .with("serverMac", serverMac)
                        .with("outputPort", outputPort));
    }

    /**
     * The flow by which responses find a client, at the datapath that its segments enter.
     *
     * @param outputPort the port its segments enter by
     * @throws IllegalStateException if this pipeline has no client row
     */
    default FlowTemplate clientReturnFlow(int vip, long clientMac, long outputPort) {
        return row(FlowTemplate.Scope.CLIENT, false)
                .bind(FlowParameters.NONE
                        .with("vip", Integer.toUnsignedLong(vip))
                        .with("clientMac", clientMac)
                        .with("outputPort", outputPort));
    }

    /** The same as {@link #connectionFlow} over IPv6; addresses of 128 bits in halves. */
    default FlowTemplate connectionFlow6(
            long vipHigh,
            long vipLow,
            long clientHigh,
            long clientLow,
            int clientPort,
            int servicePort,
            long serverMac,
            long outputPort) {
        return row(FlowTemplate.Scope.CONNECTION, true)
                .bind(FlowParameters.NONE
                        .with("vip6", vipHigh, vipLow)
                        .with("clientIp6", clientHigh, clientLow)
                        .with("clientPort", clientPort)
                        .with("servicePort", servicePort)
                        .with("serverMac", serverMac)
                        .with("outputPort", outputPort));
    }

    /** The same as {@link #clientReturnFlow} over IPv6. */
    default FlowTemplate clientReturnFlow6(long vipHigh, long vipLow, long clientMac, long outputPort) {
        return row(FlowTemplate.Scope.CLIENT, true)
                .bind(FlowParameters.NONE
                        .with("vip6", vipHigh, vipLow)
                        .with("clientMac", clientMac)
                        .with("outputPort", outputPort));
    }

    private FlowTemplate row(FlowTemplate.Scope scope, boolean ipv6) {
        for (FlowTemplate template : templates()) {
            if (template.scope() == scope && template.isIpv6() == ipv6) {
                return template;
            }
        }
        throw new IllegalStateException(
                "the pipeline " + name() + " has no row of scope " + scope + (ipv6 ? " for IPv6" : ""));
    }
}
