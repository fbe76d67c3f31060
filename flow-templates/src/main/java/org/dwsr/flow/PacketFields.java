package org.dwsr.flow;

import java.nio.ByteBuffer;
import java.util.EnumMap;

/** The match fields of one frame, as an OpenFlow switch extracts them (OpenFlow 1.3.5, section 7.2.3.7). */
final class PacketFields {
    private static final int ETHERNET_LENGTH = 14;
    private static final int VLAN_LENGTH = 4;
    private static final int ETH_TYPE_VLAN = 0x8100;
    private static final int ETH_TYPE_SERVICE_VLAN = 0x88a8;

    private final EnumMap<MatchField, Long> highs = new EnumMap<>(MatchField.class);
    private final EnumMap<MatchField, Long> values = new EnumMap<>(MatchField.class);

    static PacketFields of(int inPort, ByteBuffer frame, int offset, int length) {
        PacketFields fields = new PacketFields();
        fields.put(MatchField.IN_PORT, Integer.toUnsignedLong(inPort));
        if (length < ETHERNET_LENGTH) {
            return fields;
        }
        fields.put(MatchField.ETH_DST, mac(frame, offset));
        fields.put(MatchField.ETH_SRC, mac(frame, offset + 6));
        int ethType = u16(frame, offset + 12);
        int headerLength = ETHERNET_LENGTH;
        boolean tagged = ethType == ETH_TYPE_VLAN || ethType == ETH_TYPE_SERVICE_VLAN;
        fields.put(MatchField.VLAN_VID, 0);
        if (tagged && length >= ETHERNET_LENGTH + VLAN_LENGTH) {
            fields.put(MatchField.VLAN_VID, MatchTemplate.VLAN_PRESENT | u16(frame, offset + 14) & 0xFFF);
            // The field is the type after VLAN tags; a row that does not match VLANs matches tagged frames too.
            ethType = u16(frame, offset + 16);
            headerLength += VLAN_LENGTH;
        }
        fields.put(MatchField.ETH_TYPE, ethType);
        int at = offset + headerLength;
        int left = length - headerLength;
        if (ethType == MatchTemplate.ETH_TYPE_IPV4) {
            fields.ipv4(frame, at, left);
        } else if (ethType == MatchTemplate.ETH_TYPE_IPV6 && left >= 40) {
            fields.ipv6(frame, at, left);
        } else if (ethType == MatchTemplate.ETH_TYPE_ARP && left >= 28) {
            fields.put(MatchField.ARP_SPA, u32(frame, at + 14));
            fields.put(MatchField.ARP_TPA, u32(frame, at + 24));
        }
        return fields;
    }

    private void ipv4(ByteBuffer frame, int at, int left) {
        int headerLength = left < 20 ? 0 : (frame.get(at) & 0x0F) * 4;
        if (headerLength < 20 || headerLength > left) {
            return;
        }
        int protocol = frame.get(at + 9) & 0xFF;
        put(MatchField.IP_PROTO, protocol);
        put(MatchField.IPV4_SRC, u32(frame, at + 12));
        put(MatchField.IPV4_DST, u32(frame, at + 16));
        if (protocol == MatchTemplate.IP_PROTO_TCP) {
            // A later fragment has no ports; switches match it as port 0 (OVS, "Fragments" in ovs-fields).
            boolean portsPresent = (u16(frame, at + 6) & 0x1FFF) == 0 && left >= headerLength + 20;
            put(MatchField.TCP_SRC, portsPresent ? u16(frame, at + headerLength) : 0);
            put(MatchField.TCP_DST, portsPresent ? u16(frame, at + headerLength + 2) : 0);
        }
    }

    /** Without extension headers: what has some is matched by its addresses alone. */
    private void ipv6(ByteBuffer frame, int at, int left) {
        int protocol = frame.get(at + 6) & 0xFF;
        put(MatchField.IP_PROTO, protocol);
        put128(MatchField.IPV6_SRC, frame, at + 8);
        put128(MatchField.IPV6_DST, frame, at + 24);
        if (protocol == MatchTemplate.IP_PROTO_TCP && left >= 60) {
            put(MatchField.TCP_SRC, u16(frame, at + 40));
            put(MatchField.TCP_DST, u16(frame, at + 42));
        } else if (protocol == MatchTemplate.IP_PROTO_ICMPV6 && left >= 44) {
            int type = frame.get(at + 40) & 0xFF;
            put(MatchField.ICMPV6_TYPE, type);
            if ((type == 135 || type == 136) && left >= 64) {
                put128(MatchField.ND_TARGET, frame, at + 48);
            }
        }
    }

    private void put128(MatchField field, ByteBuffer frame, int at) {
        highs.put(field, u32(frame, at) << 32 | u32(frame, at + 4));
        put(field, u32(frame, at + 8) << 32 | u32(frame, at + 12));
    }

    /** The upper half of a wide field, else 0. */
    long high(MatchField field) {
        return highs.getOrDefault(field, 0L);
    }

    boolean has(MatchField field) {
        return values.containsKey(field);
    }

    long value(MatchField field) {
        return values.getOrDefault(field, 0L);
    }

    private void put(MatchField field, long value) {
        values.put(field, value);
    }

    private static int u16(ByteBuffer frame, int at) {
        return ((frame.get(at) & 0xFF) << 8) | (frame.get(at + 1) & 0xFF);
    }

    private static long u32(ByteBuffer frame, int at) {
        return ((long) u16(frame, at) << 16) | u16(frame, at + 2);
    }

    private static long mac(ByteBuffer frame, int at) {
        return (u32(frame, at) << 16) | u16(frame, at + 4);
    }
}
