package org.dwsr.controller;

import java.util.EnumMap;
import java.util.Map;
import java.util.function.LongFunction;
import java.util.function.ToLongFunction;
import org.dwsr.flow.FieldValue;
import org.dwsr.flow.MatchField;
import org.dwsr.flow.MatchTemplate;
import org.jspecify.annotations.Nullable;
import org.projectfloodlight.openflow.protocol.match.Match;
import org.projectfloodlight.openflow.types.EthType;
import org.projectfloodlight.openflow.types.IPv4Address;
import org.projectfloodlight.openflow.types.IpProtocol;
import org.projectfloodlight.openflow.types.MacAddress;
import org.projectfloodlight.openflow.types.Masked;
import org.projectfloodlight.openflow.types.OFPort;
import org.projectfloodlight.openflow.types.OFValueType;
import org.projectfloodlight.openflow.types.TransportPort;

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
    private final LongFunction<F> encode;
    private final ToLongFunction<F> decode;

    private OpenFlowField(
            org.projectfloodlight.openflow.protocol.match.MatchField<F> field,
            LongFunction<F> encode,
            ToLongFunction<F> decode) {
        this.field = field;
        this.encode = encode;
        this.decode = decode;
    }

    private static <F extends OFValueType<F>> void put(
            MatchField ours,
            org.projectfloodlight.openflow.protocol.match.MatchField<F> field,
            LongFunction<F> encode,
            ToLongFunction<F> decode) {
        FIELDS.put(ours, new OpenFlowField<>(field, encode, decode));
    }

    /** A bound match template as an OpenFlow match. */
    static Match match(MatchTemplate template) {
        Match.Builder match = OpenFlowFlows.OF13.buildMatch();
        FIELDS.forEach((ours, field) -> {
            if (template.has(ours)) {
                field.put(match, template.value(ours), template.mask(ours), template.isExact(ours));
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

    private void put(Match.Builder match, long value, long mask, boolean exact) {
        if (exact) {
            match.setExact(field, encode.apply(value));
        } else {
            match.setMasked(field, encode.apply(value), encode.apply(mask));
        }
    }

    private MatchTemplate get(Match match, MatchField ours, MatchTemplate template) {
        if (match.isExact(field)) {
            return template.with(ours, decode.applyAsLong(match.get(field)));
        }
        if (match.isPartiallyMasked(field)) {
            Masked<F> masked = match.getMasked(field);
            return template.with(
                    ours, FieldValue.of(decode.applyAsLong(masked.getValue())), decode.applyAsLong(masked.getMask()));
        }
        return template;
    }
}
