package org.dwsr.flow;

/** A header field that OpenFlow 1.3 can match (OpenFlow 1.3.5, section 7.2.3.7), with its width in bits. */
public enum MatchField {
    IN_PORT(32),
    ETH_DST(48),
    ETH_SRC(48),
    ETH_TYPE(16),
    /** OFPVID_PRESENT (0x1000) and the VLAN id; 0 for a frame without a tag. */
    VLAN_VID(13),
    IP_PROTO(8),
    IPV4_SRC(32),
    IPV4_DST(32),
    IPV6_SRC(128),
    IPV6_DST(128),
    TCP_SRC(16),
    TCP_DST(16),
    ARP_SPA(32),
    ARP_TPA(32),
    ICMPV6_TYPE(8),
    ND_TARGET(128);

    private final int widthBits;

    MatchField(int widthBits) {
        this.widthBits = widthBits;
    }

    public int widthBits() {
        return widthBits;
    }

    /** Whether the field is wider than a {@code long}; its values then have two halves, and masks are exact. */
    public boolean isWide() {
        return widthBits > Long.SIZE;
    }

    /** All bits of the field set: the mask of an exact match, or of each half of one. */
    public long exactMask() {
        return isWide() ? -1L : (1L << widthBits) - 1;
    }
}
