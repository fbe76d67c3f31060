package org.dwsr.filter.host;

/**
 * The offsets of the header that stands before every frame of a PACKET_VNET_HDR socket (virtio 1.2 section 5.1.6;
 * legacy form, so in the machine's byte order).
 *
 * <pre>
 *   0     flags (8)        1     GSO type (8)
 *   2-3   header length    4-5   GSO size
 *   6-7   checksum start   8-9   checksum offset
 * </pre>
 */
final class VirtioHeader {
    static final int LENGTH = 10;
    static final int FLAGS_OFFSET = 0;
    static final int GSO_TYPE_OFFSET = 1;
    static final int HEADER_LENGTH_OFFSET = 2;
    static final int GSO_SIZE_OFFSET = 4;
    static final int CHECKSUM_START_OFFSET = 6;
    static final int CHECKSUM_OFFSET_OFFSET = 8;

    static final int NEEDS_CHECKSUM = 1;
    static final int GSO_NONE = 0;
    static final int GSO_TCP_IPV4 = 1;
    static final int GSO_TCP_IPV6 = 4;

    private VirtioHeader() {}
}
