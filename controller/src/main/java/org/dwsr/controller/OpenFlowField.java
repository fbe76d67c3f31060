package org.dwsr.controller;

import java.nio.ByteBuffer;
import java.util.EnumMap;
import java.util.Map;
import java.util.function.Function;
import java.util.function.LongFunction;
import java.util.function.ToLongFunction;
import org.dwsr.flow.FieldValue;
import org.dwsr.flow.MatchField;
import org.dwsr.flow.MatchTemplate;
import org.jspecify.annotations.Nullable;
import org.projectfloodlight.openflow.protocol.match.Match;
import org.projectfloodlight.openflow.types.EthType;
import org.projectfloodlight.openflow.types.IPv4Address;
import org.projectfloodlight.openflow.types.IPv6Address;
import org.projectfloodlight.openflow.types.IpProtocol;
import org.projectfloodlight.openflow.types.MacAddress;
import org.projectfloodlight.openflow.types.Masked;
import org.projectfloodlight.openflow.types.OFPort;
import org.projectfloodlight.openflow.types.OFValueType;
import org.projectfloodlight.openflow.types.OFVlanVidMatch;
import org.projectfloodlight.openflow.types.TransportPort;
import org.projectfloodlight.openflow.types.U8;

/** A match field of ours and the OpenFlowJ type that stands for it, both ways. */
final class OpenFlowField<F extends OFValueType<F>> {
    private static final Map<MatchField, OpenFlowField<?>> FIELDS = new EnumMap<>(MatchField.class);

    static {
        LongFunction<MacAddress> mac = MacAddress::of;
        LongFunction<IPv4Address> ipv4 = value -> IPv4Address.of((int) value);
        LongFunction<TransportPort> port = value -> TransportPort.of((int) value);
        ToLongFunction<IPv4Address> ipv4Value = value -> Integer.toUnsignedLong(value.getInt());
        put(
                MatchField.IN_PORT,
                org.projectfloodlight.openflow.protocol.match.MatchField.IN_PORT,
                value -> OFPort.of((int) value),
                value -> Integer.toUnsignedLong(value.getPortNumber()));
        put(
                MatchField.ETH_DST,
                org.projectfloodlight.openflow.protocol.match.MatchField.ETH_DST,
                mac,
                MacAddress::getLong);
        put(
                MatchField.ETH_SRC,
                org.projectfloodlight.openflow.protocol.match.MatchField.ETH_SRC,
                mac,
                MacAddress::getLong);
        put(
                MatchField.ETH_TYPE,
                org.projectfloodlight.openflow.protocol.match.MatchField.ETH_TYPE,
                value -> EthType.of((int) value),
                EthType::getValue);
        put(
                MatchField.VLAN_VID,
                org.projectfloodlight.openflow.protocol.match.MatchField.VLAN_VID,
                value -> OFVlanVidMatch.ofRawVid((short) value),
                OFVlanVidMatch::getRawVid);
        put(
                MatchField.ICMPV6_TYPE,
                org.projectfloodlight.openflow.protocol.match.MatchField.ICMPV6_TYPE,
                value -> U8.of((short) value),
                U8::getValue);
        putIpv6(MatchField.IPV6_SRC, org.projectfloodlight.openflow.protocol.match.MatchField.IPV6_SRC);
        putIpv6(MatchField.IPV6_DST, org.projectfloodlight.openflow.protocol.match.MatchField.IPV6_DST);
        putIpv6(MatchField.ND_TARGET, org.projectfloodlight.openflow.protocol.match.MatchField.IPV6_ND_TARGET);
        put(
                MatchField.IP_PROTO,
                org.projectfloodlight.openflow.protocol.match.MatchField.IP_PROTO,
                value -> IpProtocol.of((short) value),
                value -> value.getIpProtocolNumber() & 0xFF);
        put(MatchField.IPV4_SRC, org.projectfloodlight.openflow.protocol.match.MatchField.IPV4_SRC, ipv4, ipv4Value);
        put(MatchField.IPV4_DST, org.projectfloodlight.openflow.protocol.match.MatchField.IPV4_DST, ipv4, ipv4Value);
        put(
                MatchField.TCP_SRC,
                org.projectfloodlight.openflow.protocol.match.MatchField.TCP_SRC,
                port,
                TransportPort::getPort);
        put(
                MatchField.TCP_DST,
                org.projectfloodlight.openflow.protocol.match.MatchField.TCP_DST,
                port,
                TransportPort::getPort);
        put(MatchField.ARP_SPA, org.projectfloodlight.openflow.protocol.match.MatchField.ARP_SPA, ipv4, ipv4Value);
        put(MatchField.ARP_TPA, org.projectfloodlight.openflow.protocol.match.MatchField.ARP_TPA, ipv4, ipv4Value);
    }

    private final org.projectfloodlight.openflow.protocol.match.MatchField<F> field;
    private final Encoder<F> encode;
    private final Function<F, FieldValue> decode;

    /** Makes a value of two halves, of which only wide fields have an upper one. */
    @FunctionalInterface
    private interface Encoder<F> {
        F encode(long high, long low);
    }

    private OpenFlowField(
            org.projectfloodlight.openflow.protocol.match.MatchField<F> field,
            Encoder<F> encode,
            Function<F, FieldValue> decode) {
        this.field = field;
        this.encode = encode;
        this.decode = decode;
    }

    private static <F extends OFValueType<F>> void put(
            MatchField ours,
            org.projectfloodlight.openflow.protocol.match.MatchField<F> field,
            LongFunction<F> encode,
            ToLongFunction<F> decode) {
        FIELDS.put(
                ours,
                new OpenFlowField<>(
                        field, (high, low) -> encode.apply(low), value -> FieldValue.of(decode.applyAsLong(value))));
    }

    private static void putIpv6(
            MatchField ours, org.projectfloodlight.openflow.protocol.match.MatchField<IPv6Address> field) {
        FIELDS.put(ours, new OpenFlowField<>(field, IPv6Address::of, value -> {
            ByteBuffer bytes = ByteBuffer.wrap(value.getBytes());
            return FieldValue.of(bytes.getLong(0), bytes.getLong(8));
        }));
    }

    /** A bound match template as an OpenFlow match. */
    static Match match(MatchTemplate template) {
        Match.Builder match = OpenFlowFlows.OF13.buildMatch();
        FIELDS.forEach((ours, field) -> {
            if (template.has(ours)) {
                field.put(match, template, ours);
            }
        });
        return match.build();
    }

    /** An OpenFlow match as a template, or null if it has a field that we never match. */
    static @Nullable MatchTemplate template(Match match) {
        MatchTemplate template = MatchTemplate.ANY;
        for (Map.Entry<MatchField, OpenFlowField<?>> entry : FIELDS.entrySet()) {
            template = entry.getValue().get(match, entry.getKey(), template);
        }
        int fields = 0;
        for (org.projectfloodlight.openflow.protocol.match.MatchField<?> ignored : match.getMatchFields()) {
            fields++;
        }
        return fields == template.fields().size() ? template : null;
    }

    private void put(Match.Builder match, MatchTemplate template, MatchField ours) {
        F value = encode.encode(template.high(ours), template.value(ours));
        if (template.isExact(ours)) {
            match.setExact(field, value);
        } else {
            match.setMasked(field, value, encode.encode(0, template.mask(ours)));
        }
    }

    private MatchTemplate get(Match match, MatchField ours, MatchTemplate template) {
        if (match.isExact(field)) {
            return template.with(ours, decode.apply(match.get(field)));
        }
        if (match.isPartiallyMasked(field)) {
            Masked<F> masked = match.getMasked(field);
            return ours.isWide()
                    ? template
                    : template.with(
                            ours,
                            decode.apply(masked.getValue()),
                            decode.apply(masked.getMask()).value());
        }
        return template;
    }
}
