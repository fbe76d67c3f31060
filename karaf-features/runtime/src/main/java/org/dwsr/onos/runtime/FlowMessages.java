package org.dwsr.onos.runtime;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.onlab.packet.Ip4Prefix;
import org.onlab.packet.Ip6Prefix;
import org.onlab.packet.MacAddress;
import org.onosproject.net.PortNumber;
import org.onosproject.net.flow.FlowRule;
import org.onosproject.net.flow.IndexTableId;
import org.onosproject.net.flow.TrafficSelector;
import org.onosproject.net.flow.criteria.ArpOpCriterion;
import org.onosproject.net.flow.criteria.ArpPaCriterion;
import org.onosproject.net.flow.criteria.Criterion;
import org.onosproject.net.flow.criteria.EthCriterion;
import org.onosproject.net.flow.criteria.EthTypeCriterion;
import org.onosproject.net.flow.criteria.IPCriterion;
import org.onosproject.net.flow.criteria.IPProtocolCriterion;
import org.onosproject.net.flow.criteria.IPv6NDTargetAddressCriterion;
import org.onosproject.net.flow.criteria.IcmpTypeCriterion;
import org.onosproject.net.flow.criteria.Icmpv6TypeCriterion;
import org.onosproject.net.flow.criteria.PortCriterion;
import org.onosproject.net.flow.criteria.TcpPortCriterion;
import org.onosproject.net.flow.criteria.UdpPortCriterion;
import org.onosproject.net.flow.criteria.VlanIdCriterion;
import org.onosproject.net.flow.instructions.Instruction;
import org.onosproject.net.flow.instructions.Instructions;
import org.onosproject.net.flow.instructions.L2ModificationInstruction;
import org.projectfloodlight.openflow.protocol.OFFactory;
import org.projectfloodlight.openflow.protocol.OFFlowMod;
import org.projectfloodlight.openflow.protocol.OFFlowModFlags;
import org.projectfloodlight.openflow.protocol.action.OFAction;
import org.projectfloodlight.openflow.protocol.instruction.OFInstruction;
import org.projectfloodlight.openflow.protocol.match.Match;
import org.projectfloodlight.openflow.protocol.match.MatchField;
import org.projectfloodlight.openflow.types.ArpOpcode;
import org.projectfloodlight.openflow.types.EthType;
import org.projectfloodlight.openflow.types.ICMPv4Type;
import org.projectfloodlight.openflow.types.IPv4Address;
import org.projectfloodlight.openflow.types.IPv6Address;
import org.projectfloodlight.openflow.types.IpProtocol;
import org.projectfloodlight.openflow.types.Masked;
import org.projectfloodlight.openflow.types.OFBufferId;
import org.projectfloodlight.openflow.types.OFPort;
import org.projectfloodlight.openflow.types.OFVlanVidMatch;
import org.projectfloodlight.openflow.types.TableId;
import org.projectfloodlight.openflow.types.TransportPort;
import org.projectfloodlight.openflow.types.U64;
import org.projectfloodlight.openflow.types.U8;

/**
 * ONOS's flow rules as OpenFlow 1.3 messages. As in a stock ONOS a flow's cookie is its rule's id, and only hard timeouts
 * go to the switch: ONOS itself takes idle rules away.
 */
final class FlowMessages {
    private FlowMessages() {}

    /** What is to be done with a rule's flow. */
    enum Change {
        ADD,
        MODIFY,
        DELETE
    }

    /**
     * The message that changes a rule's flow.
     *
     * @throws IllegalArgumentException when the rule has a criterion or an instruction that no test needs
     */
    static OFFlowMod flowMod(OFFactory factory, FlowRule rule, Change change) {
        OFFlowMod.Builder builder;
        switch (change) {
            case ADD:
                builder = factory.buildFlowAdd();
                break;
            case MODIFY:
                builder = factory.buildFlowModify();
                break;
            default:
                builder = factory.buildFlowDeleteStrict();
                break;
        }
        List<OFInstruction> instructions = new ArrayList<>();
        List<OFAction> actions = actions(factory, rule.treatment().immediate());
        if (!actions.isEmpty()) {
            instructions.add(factory.instructions().applyActions(actions));
        }
        Instructions.TableTypeTransition next = rule.treatment().tableTransition();
        if (next != null) {
            instructions.add(factory.instructions().gotoTable(TableId.of(next.tableId())));
        }
        Set<OFFlowModFlags> flags = EnumSet.of(OFFlowModFlags.SEND_FLOW_REM);
        return builder.setCookie(U64.of(rule.id().value()))
                .setBufferId(OFBufferId.NO_BUFFER)
                .setMatch(match(factory, rule.selector()))
                .setInstructions(instructions)
                .setFlags(flags)
                .setPriority(rule.priority())
                .setTableId(TableId.of(((IndexTableId) rule.table()).id()))
                .setHardTimeout(rule.hardTimeout())
                .build();
    }

    static OFPort port(PortNumber number) {
        return OFPort.of((int) number.toLong());
    }

    static List<OFAction> actions(OFFactory factory, List<Instruction> instructions) {
        List<OFAction> actions = new ArrayList<>();
        for (Instruction instruction : instructions) {
            switch (instruction.type()) {
                case OUTPUT:
                    Instructions.OutputInstruction output = (Instructions.OutputInstruction) instruction;
                    actions.add(factory.actions()
                            .buildOutput()
                            .setPort(port(output.port()))
                            .setMaxLen(0xffff)
                            .build());
                    break;
                case L2MODIFICATION:
                    actions.add(setField(factory, (L2ModificationInstruction) instruction));
                    break;
                case NOACTION:
                    break;
                default:
                    throw new IllegalArgumentException("an instruction of type " + instruction.type());
            }
        }
        return actions;
    }

    private static OFAction setField(OFFactory factory, L2ModificationInstruction instruction) {
        switch (instruction.subtype()) {
            case ETH_SRC:
                return factory.actions()
                        .setField(factory.oxms()
                                .ethSrc(mac(((L2ModificationInstruction.ModEtherInstruction) instruction).mac())));
            case ETH_DST:
                return factory.actions()
                        .setField(factory.oxms()
                                .ethDst(mac(((L2ModificationInstruction.ModEtherInstruction) instruction).mac())));
            default:
                throw new IllegalArgumentException("an instruction of type " + instruction.subtype());
        }
    }

    private static org.projectfloodlight.openflow.types.MacAddress mac(MacAddress address) {
        return org.projectfloodlight.openflow.types.MacAddress.of(address.toLong());
    }

    static Match match(OFFactory factory, TrafficSelector selector) {
        Match.Builder match = factory.buildMatch();
        for (Criterion criterion : selector.criteria()) {
            add(match, criterion);
        }
        return match.build();
    }

    private static void add(Match.Builder match, Criterion criterion) {
        switch (criterion.type()) {
            case IN_PORT:
                match.setExact(MatchField.IN_PORT, port(((PortCriterion) criterion).port()));
                break;
            case ETH_TYPE:
                match.setExact(
                        MatchField.ETH_TYPE,
                        EthType.of(((EthTypeCriterion) criterion).ethType().toShort()));
                break;
            case ETH_SRC:
                match.setExact(MatchField.ETH_SRC, mac(((EthCriterion) criterion).mac()));
                break;
            case ETH_DST:
                match.setExact(MatchField.ETH_DST, mac(((EthCriterion) criterion).mac()));
                break;
            case ETH_SRC_MASKED:
                match.setMasked(MatchField.ETH_SRC, masked((EthCriterion) criterion));
                break;
            case ETH_DST_MASKED:
                match.setMasked(MatchField.ETH_DST, masked((EthCriterion) criterion));
                break;
            case VLAN_VID:
                match.setExact(
                        MatchField.VLAN_VID,
                        OFVlanVidMatch.ofVlan(
                                ((VlanIdCriterion) criterion).vlanId().toShort()));
                break;
            case IP_PROTO:
                match.setExact(MatchField.IP_PROTO, IpProtocol.of(((IPProtocolCriterion) criterion).protocol()));
                break;
            case IPV4_SRC:
                match.setMasked(
                        MatchField.IPV4_SRC,
                        prefix(((IPCriterion) criterion).ip().getIp4Prefix()));
                break;
            case IPV4_DST:
                match.setMasked(
                        MatchField.IPV4_DST,
                        prefix(((IPCriterion) criterion).ip().getIp4Prefix()));
                break;
            case IPV6_SRC:
                match.setMasked(
                        MatchField.IPV6_SRC,
                        prefix(((IPCriterion) criterion).ip().getIp6Prefix()));
                break;
            case IPV6_DST:
                match.setMasked(
                        MatchField.IPV6_DST,
                        prefix(((IPCriterion) criterion).ip().getIp6Prefix()));
                break;
            case TCP_SRC:
                match.setExact(
                        MatchField.TCP_SRC,
                        TransportPort.of(
                                ((TcpPortCriterion) criterion).tcpPort().toInt()));
                break;
            case TCP_DST:
                match.setExact(
                        MatchField.TCP_DST,
                        TransportPort.of(
                                ((TcpPortCriterion) criterion).tcpPort().toInt()));
                break;
            case UDP_SRC:
                match.setExact(
                        MatchField.UDP_SRC,
                        TransportPort.of(
                                ((UdpPortCriterion) criterion).udpPort().toInt()));
                break;
            case UDP_DST:
                match.setExact(
                        MatchField.UDP_DST,
                        TransportPort.of(
                                ((UdpPortCriterion) criterion).udpPort().toInt()));
                break;
            case ARP_OP:
                match.setExact(MatchField.ARP_OP, ArpOpcode.of(((ArpOpCriterion) criterion).arpOp()));
                break;
            case ARP_SPA:
                match.setExact(
                        MatchField.ARP_SPA,
                        IPv4Address.of(((ArpPaCriterion) criterion).ip().toInt()));
                break;
            case ARP_TPA:
                match.setExact(
                        MatchField.ARP_TPA,
                        IPv4Address.of(((ArpPaCriterion) criterion).ip().toInt()));
                break;
            case ICMPV4_TYPE:
                match.setExact(MatchField.ICMPV4_TYPE, ICMPv4Type.of(((IcmpTypeCriterion) criterion).icmpType()));
                break;
            case ICMPV6_TYPE:
                match.setExact(MatchField.ICMPV6_TYPE, U8.of(((Icmpv6TypeCriterion) criterion).icmpv6Type()));
                break;
            case IPV6_ND_TARGET:
                match.setExact(
                        MatchField.IPV6_ND_TARGET,
                        IPv6Address.of(((IPv6NDTargetAddressCriterion) criterion)
                                .targetAddress()
                                .toOctets()));
                break;
            default:
                throw new IllegalArgumentException("a criterion of type " + criterion.type());
        }
    }

    private static Masked<org.projectfloodlight.openflow.types.MacAddress> masked(EthCriterion criterion) {
        return Masked.of(mac(criterion.mac()), mac(criterion.mask()));
    }

    private static Masked<IPv4Address> prefix(Ip4Prefix prefix) {
        return Masked.of(IPv4Address.of(prefix.address().toInt()), IPv4Address.ofCidrMaskLength(prefix.prefixLength()));
    }

    private static Masked<IPv6Address> prefix(Ip6Prefix prefix) {
        return Masked.of(
                IPv6Address.of(prefix.address().toOctets()), IPv6Address.ofCidrMaskLength(prefix.prefixLength()));
    }
}
