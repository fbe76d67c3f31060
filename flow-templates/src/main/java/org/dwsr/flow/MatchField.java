package org.dwsr.flow;

/** A header field that OpenFlow 1.3 can match (OpenFlow 1.3.5, section 7.2.3.7), with its width in bits. */
public enum MatchField {
    IN_PORT(32),
    ETH_DST(48),
    ETH_SRC(48),
    ETH_TYPE(16),
    IP_PROTO(8),
    IPV4_SRC(32),
    IPV4_DST(32),
    TCP_SRC(16),
    TCP_DST(16),
    ARP_SPA(32),
    ARP_TPA(32);

    private final int widthBits;

    MatchField(int widthBits) {
        this.widthBits = widthBits;
    }

    public int widthBits() {
        return widthBits;
    }

    /** All bits of the field set: the mask of an exact match. */
    public long exactMask() {
        return (1L << widthBits) - 1;
    }
}
