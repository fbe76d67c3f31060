package org.dwsr.controller;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.dwsr.config.DwsrConfig;
import org.dwsr.flow.ActionTemplate;
import org.dwsr.flow.FlowCookie;
import org.dwsr.flow.FlowTemplate;
import org.dwsr.flow.MatchField;
import org.dwsr.flow.MatchTemplate;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.IpAddress;
import org.projectfloodlight.openflow.protocol.OFFactories;
import org.projectfloodlight.openflow.protocol.OFFactory;
import org.projectfloodlight.openflow.protocol.OFFlowMod;
import org.projectfloodlight.openflow.protocol.OFFlowModFlags;
import org.projectfloodlight.openflow.protocol.OFFlowStatsEntry;
import org.projectfloodlight.openflow.protocol.OFMessage;
import org.projectfloodlight.openflow.protocol.OFVersion;
import org.projectfloodlight.openflow.protocol.action.OFAction;
import org.projectfloodlight.openflow.protocol.action.OFActionOutput;
import org.projectfloodlight.openflow.protocol.action.OFActionSetField;
import org.projectfloodlight.openflow.protocol.instruction.OFInstruction;
import org.projectfloodlight.openflow.protocol.instruction.OFInstructionApplyActions;
import org.projectfloodlight.openflow.protocol.match.Match;
import org.projectfloodlight.openflow.protocol.oxm.OFOxmEthDst;
import org.projectfloodlight.openflow.types.MacAddress;
import org.projectfloodlight.openflow.types.OFBufferId;
import org.projectfloodlight.openflow.types.OFGroup;
import org.projectfloodlight.openflow.types.OFPort;
import org.projectfloodlight.openflow.types.TableId;
import org.projectfloodlight.openflow.types.U32;
import org.projectfloodlight.openflow.types.U64;

/** Flow templates as OpenFlowJ messages, and what switches report about connection and return flows. */
final class OpenFlowFlows {
    static final OFFactory OF13 = OFFactories.getFactory(OFVersion.OF_13);

    /** Stands for a server MAC that a flow does not set. */
    static final long NO_MAC = -1;

    private OpenFlowFlows() {}

    /** A HELLO that offers 1.3 and nothing else. */
    static OFMessage hello() {
        return OF13.buildHello()
                .setElements(List.of(OF13.buildHelloElemVersionbitmap()
                        .setBitmaps(List.of(U32.of(1 << OpenFlowWire.VERSION)))
                        .build()))
                .build();
    }

    /** A flow-mod that adds a bound flow; one with the same priority and match is replaced. */
    static OFFlowMod add(FlowTemplate flow) {
        Set<OFFlowModFlags> flags = EnumSet.noneOf(OFFlowModFlags.class);
        if (flow.flowRemoved()) {
            flags.add(OFFlowModFlags.SEND_FLOW_REM);
        }
        List<OFAction> actions = new ArrayList<>();
        for (ActionTemplate action : flow.actions()) {
            actions.add(action(action));
        }
        List<OFInstruction> instructions =
                actions.isEmpty() ? List.of() : List.of(OF13.instructions().applyActions(actions));
        return OF13.buildFlowAdd()
                .setTableId(TableId.ZERO)
                .setPriority(flow.priority())
                .setCookie(U64.of(flow.cookie()))
                .setIdleTimeout(flow.idleTimeoutSeconds())
                .setFlags(flags)
                .setBufferId(OFBufferId.NO_BUFFER)
                .setOutPort(OFPort.ANY)
                .setOutGroup(OFGroup.ANY)
                .setMatch(OpenFlowField.match(flow.match()))
                .setInstructions(instructions)
                .build();
    }

    /** A flow-mod that deletes exactly the flow with this priority and match. */
    static OFFlowMod deleteStrict(int priority, Match match) {
        return OF13.buildFlowDeleteStrict()
                .setTableId(TableId.ZERO)
                .setPriority(priority)
                .setBufferId(OFBufferId.NO_BUFFER)
                .setOutPort(OFPort.ANY)
                .setOutGroup(OFGroup.ANY)
                .setMatch(match)
                .build();
    }

    /** Asks for every flow whose cookie has DWSR's prefix. */
    static OFMessage readOurs(long xid) {
        return OF13.buildFlowStatsRequest()
                .setXid(xid)
                .setTableId(TableId.ALL)
                .setOutPort(OFPort.ANY)
                .setOutGroup(OFGroup.ANY)
                .setCookie(U64.of(FlowCookie.PREFIX))
                .setCookieMask(U64.of(FlowCookie.PREFIX_MASK))
                .setMatch(OF13.buildMatch().build())
                .build();
    }

    private static OFAction action(ActionTemplate action) {
        return switch (action.kind()) {
            case SET_ETH_DST -> OF13.actions().setField(OF13.oxms().ethDst(MacAddress.of(action.value())));
            case SET_ETH_SRC -> OF13.actions().setField(OF13.oxms().ethSrc(MacAddress.of(action.value())));
            case OUTPUT ->
                OF13.actions()
                        .output(
                                OFPort.ofInt((int) action.value()),
                                action.value() == ActionTemplate.PORT_CONTROLLER ? ActionTemplate.WHOLE_PACKET : 0);
        };
    }

    /** The connection that a connection flow's match stands for. */
    static long connectionKey(MatchTemplate match) {
        return ConnectionKey.of(
                client(match).alias(), (int) match.value(MatchField.TCP_SRC), (int) match.value(MatchField.TCP_DST));
    }

    /** The client's address in a connection flow's match. */
    static IpAddress client(MatchTemplate match) {
        return match.isIpv6()
                ? IpAddress.of(match.high(MatchField.IPV6_SRC), match.value(MatchField.IPV6_SRC))
                : IpAddress.ofIpv4((int) match.value(MatchField.IPV4_SRC));
    }

    /** Whether a match has the fields of a connection flow toward the VIP. */
    static boolean isConnection(MatchTemplate match, DwsrConfig config) {
        MatchField source = match.isIpv6() ? MatchField.IPV6_SRC : MatchField.IPV4_SRC;
        MatchField destination = match.isIpv6() ? MatchField.IPV6_DST : MatchField.IPV4_DST;
        return match.has(source)
                && match.has(MatchField.TCP_SRC)
                && match.has(MatchField.TCP_DST)
                && isVip(match, destination, config);
    }

    /** Whether a match has the fields of a client's return flow from the VIP. */
    static boolean isClientReturn(MatchTemplate match, DwsrConfig config) {
        return match.has(MatchField.ETH_DST)
                && match.isExact(MatchField.ETH_DST)
                && isVip(match, match.isIpv6() ? MatchField.IPV6_SRC : MatchField.IPV4_SRC, config);
    }

    private static boolean isVip(MatchTemplate match, MatchField field, DwsrConfig config) {
        if (!match.has(field)) {
            return false;
        }
        IpAddress vip = config.vip6();
        return match.isIpv6()
                ? vip != null && vip.is(match.high(field), match.value(field))
                : (int) match.value(field) == config.vip();
    }

    /** The client that a return flow's match stands for. */
    static long clientMac(MatchTemplate match) {
        return match.value(MatchField.ETH_DST);
    }

    /** The port that a flow outputs to, or {@link OpenFlowWire#NO_PORT}. */
    static int outputPort(OFFlowStatsEntry flow) {
        for (OFInstruction instruction : flow.getInstructions()) {
            if (instruction instanceof OFInstructionApplyActions apply) {
                for (OFAction action : apply.getActions()) {
                    if (action instanceof OFActionOutput output) {
                        return output.getPort().getPortNumber();
                    }
                }
            }
        }
        return OpenFlowWire.NO_PORT;
    }

    /** The destination MAC that a flow sets, or {@link #NO_MAC}. */
    static long serverMac(OFFlowStatsEntry flow) {
        for (OFInstruction instruction : flow.getInstructions()) {
            if (instruction instanceof OFInstructionApplyActions apply) {
                for (OFAction action : apply.getActions()) {
                    if (action instanceof OFActionSetField set && set.getField() instanceof OFOxmEthDst ethDst) {
                        return ethDst.getValue().getLong();
                    }
                }
            }
        }
        return NO_MAC;
    }
}
