package org.dwsr.flow;

import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A set of header fields with the value (and mask) each must have; an absent field matches anything. Immutable.
 *
 * <p>The prerequisites of OpenFlow 1.3.5, section 7.2.3.8, are checked when a field is added: IPv4 fields need
 * {@code eth_type=0x0800}, IPv6 fields {@code eth_type=0x86dd}, TCP ports need {@code ip_proto=6}, ICMPv6 and neighbour
 * discovery {@code ip_proto=58}, ARP fields need {@code eth_type=0x0806}.
 */
public final class MatchTemplate {
    public static final int ETH_TYPE_IPV4 = 0x0800;
    public static final int ETH_TYPE_ARP = 0x0806;
    public static final int ETH_TYPE_IPV6 = 0x86dd;
    public static final int IP_PROTO_TCP = 6;
    public static final int IP_PROTO_ICMPV6 = 58;
    /** The bit of {@link MatchField#VLAN_VID} that says there is a tag, OFPVID_PRESENT. */
    public static final int VLAN_PRESENT = 0x1000;

    /** Matches every packet. */
    public static final MatchTemplate ANY = new MatchTemplate(new EnumMap<>(MatchField.class));

    private final EnumMap<MatchField, Criterion> criteria;

    private MatchTemplate(EnumMap<MatchField, Criterion> criteria) {
        this.criteria = criteria;
    }

    /** Every IPv4 packet. */
    public static MatchTemplate ipv4() {
        return ANY.with(MatchField.ETH_TYPE, ETH_TYPE_IPV4);
    }

    /** Every TCP segment over IPv4. */
    public static MatchTemplate tcp() {
        return ipv4().with(MatchField.IP_PROTO, IP_PROTO_TCP);
    }

    /** Every IPv6 packet. */
    public static MatchTemplate ipv6() {
        return ANY.with(MatchField.ETH_TYPE, ETH_TYPE_IPV6);
    }

    /** Every TCP segment over IPv6. */
    public static MatchTemplate tcp6() {
        return ipv6().with(MatchField.IP_PROTO, IP_PROTO_TCP);
    }

    /** Every ICMPv6 message of a type. */
    public static MatchTemplate icmpv6(int type) {
        return ipv6().with(MatchField.IP_PROTO, IP_PROTO_ICMPV6).with(MatchField.ICMPV6_TYPE, type);
    }

    /** Every frame with a VLAN tag whose id has this bit (0 to 11) as its lowest one that is set. */
    public static MatchTemplate vlanIdBit(int bit) {
        int upToBit = (2 << bit) - 1;
        return ANY.with(MatchField.VLAN_VID, FieldValue.of(VLAN_PRESENT | 1 << bit), VLAN_PRESENT | upToBit);
    }

    /** Every ARP packet. */
    public static MatchTemplate arp() {
        return ANY.with(MatchField.ETH_TYPE, ETH_TYPE_ARP);
    }

    /** This match and an exact literal. */
    public MatchTemplate with(MatchField field, long literal) {
        return with(field, FieldValue.of(literal), field.exactMask());
    }

    /** This match and an exact value that may be a parameter. */
    public MatchTemplate with(MatchField field, FieldValue value) {
        return with(field, value, field.exactMask());
    }

    /**
     * This match and a masked value.
     *
     * @throws IllegalArgumentException if a prerequisite is missing, the mask is empty or wider than the field, or a
     *     literal has bits outside the mask
     */
    public MatchTemplate with(MatchField field, FieldValue value, long mask) {
        if (mask == 0 || (mask & ~field.exactMask()) != 0 || field.isWide() && mask != -1) {
            throw new IllegalArgumentException("mask 0x" + Long.toHexString(mask) + " does not fit " + field);
        }
        requirePrerequisites(field);
        EnumMap<MatchField, Criterion> more = new EnumMap<>(criteria);
        more.put(field, new Criterion(field, value, mask));
        return new MatchTemplate(more);
    }

    private void requirePrerequisites(MatchField field) {
        switch (field) {
            case IP_PROTO:
                if (!isIpv6()) {
                    requireExact(field, MatchField.ETH_TYPE, ETH_TYPE_IPV4);
                }
                break;
            case IPV6_SRC:
            case IPV6_DST:
                requireExact(field, MatchField.ETH_TYPE, ETH_TYPE_IPV6);
                break;
            case ICMPV6_TYPE:
            case ND_TARGET:
                requireExact(field, MatchField.IP_PROTO, IP_PROTO_ICMPV6);
                break;
            case IPV4_SRC:
            case IPV4_DST:
                requireExact(field, MatchField.ETH_TYPE, ETH_TYPE_IPV4);
                break;
            case TCP_SRC:
            case TCP_DST:
                requireExact(field, MatchField.IP_PROTO, IP_PROTO_TCP);
                break;
            case ARP_SPA:
            case ARP_TPA:
                requireExact(field, MatchField.ETH_TYPE, ETH_TYPE_ARP);
                break;
            default:
                break;
        }
    }

    /** Whether only IPv6 packets can match. */
    public boolean isIpv6() {
        Criterion type = criteria.get(MatchField.ETH_TYPE);
        return type != null && type.value.isBound() && type.value.value() == ETH_TYPE_IPV6;
    }

    private void requireExact(MatchField field, MatchField prerequisite, long literal) {
        Criterion criterion = criteria.get(prerequisite);
        if (criterion == null
                || criterion.mask != prerequisite.exactMask()
                || !criterion.value.isBound()
                || criterion.value.value() != literal) {
            throw new IllegalArgumentException(field + " needs " + prerequisite + "=0x" + Long.toHexString(literal));
        }
    }

    public Set<MatchField> fields() {
        return Collections.unmodifiableSet(criteria.keySet());
    }

    public boolean has(MatchField field) {
        return criteria.containsKey(field);
    }

    /**
     * The literal of a field that is matched, its lower half if it {@link MatchField#isWide}.
     *
     * @throws IllegalArgumentException if the field is not matched
     * @throws IllegalStateException if its parameter is not bound
     */
    public long value(MatchField field) {
        return criterion(field).value.value();
    }

    /** The upper half of a wide field's literal, else 0. */
    public long high(MatchField field) {
        return criterion(field).value.high();
    }

    /** The mask of a field that is matched; {@link MatchField#exactMask()} for an exact match. */
    public long mask(MatchField field) {
        return criterion(field).mask;
    }

    /** Whether the field is matched with all its bits. */
    public boolean isExact(MatchField field) {
        return mask(field) == field.exactMask();
    }

    private Criterion criterion(MatchField field) {
        Criterion criterion = criteria.get(field);
        if (criterion == null) {
            throw new IllegalArgumentException(field + " is not matched");
        }
        return criterion;
    }

    /** The same match with every parameter replaced by its value. */
    public MatchTemplate bind(FlowParameters parameters) {
        EnumMap<MatchField, Criterion> bound = new EnumMap<>(MatchField.class);
        for (Map.Entry<MatchField, Criterion> entry : criteria.entrySet()) {
            Criterion criterion = entry.getValue();
            bound.put(entry.getKey(), new Criterion(criterion.field, criterion.value.bind(parameters), criterion.mask));
        }
        return new MatchTemplate(bound);
    }

    public boolean isBound() {
        return criteria.values().stream().allMatch(criterion -> criterion.value.isBound());
    }

    /** Whether some packet can match both; both must be bound. */
    public boolean overlaps(MatchTemplate other) {
        for (Criterion mine : criteria.values()) {
            Criterion theirs = other.criteria.get(mine.field);
            boolean differ = theirs != null
                    && (mine.value.high() != theirs.value.high()
                            || ((mine.value.value() ^ theirs.value.value()) & mine.mask & theirs.mask) != 0);
            if (differ) {
                return false;
            }
        }
        return true;
    }

    boolean matches(PacketFields packet) {
        for (Criterion criterion : criteria.values()) {
            if (!packet.has(criterion.field)
                    || packet.high(criterion.field) != criterion.value.high()
                    || ((packet.value(criterion.field) ^ criterion.value.value()) & criterion.mask) != 0) {
                return false;
            }
        }
        return true;
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof MatchTemplate && ((MatchTemplate) other).criteria.equals(criteria);
    }

    @Override
    public int hashCode() {
        return criteria.hashCode();
    }

    @Override
    public String toString() {
        return criteria.values().toString();
    }

    /** One field's value and mask. */
    private static final class Criterion {
        private final MatchField field;
        private final FieldValue value;
        private final long mask;

        private Criterion(MatchField field, FieldValue value, long mask) {
            if (value.isBound() && (value.value() & ~mask) != 0) {
                throw new IllegalArgumentException(field + " value 0x" + Long.toHexString(value.value())
                        + " has bits outside its mask 0x" + Long.toHexString(mask));
            }
            this.field = field;
            this.value = value;
            this.mask = mask;
        }

        @Override
        public boolean equals(@Nullable Object other) {
            return other instanceof Criterion
                    && ((Criterion) other).field == field
                    && ((Criterion) other).mask == mask
                    && ((Criterion) other).value.equals(value);
        }

        @Override
        public int hashCode() {
            return Objects.hash(field, value, mask);
        }

        @Override
        public String toString() {
            return field + "=" + value + (mask == field.exactMask() ? "" : "/0x" + Long.toHexString(mask));
        }
    }
}
