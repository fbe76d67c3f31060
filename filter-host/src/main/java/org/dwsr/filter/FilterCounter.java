package org.dwsr.filter;

import java.util.Locale;

/** What a host filter counts; nothing it drops goes uncounted. */
public enum FilterCounter {
    REBUILDS_STARTED,
    REBUILDS_DONE,
    REBUILDS_REFUSED,
    SWITCH_BACKS,
    OLD_SOCKETS_CLEARED,
    REQUESTS_GUARDED,
    REQUESTS_BOUNCED,
    REQUESTS_HELD,
    SEGMENTS_BOUNCED,
    SYNS_BOUNCED,
    UNKNOWN_BOUNCED,
    SILENCES,
    SILENT_ENDED_BY_TIME,
    SILENT_ENDED_BY_SILENCE,
    SILENT_ENDED_BY_SERVER,
    SILENT_SWALLOWED,
    COOKIES_RENAMED,
    COOKIES_RESTORED,
    PARTIAL_HEADS_ACKNOWLEDGED,
    CONFIRMS_SENT,
    HELD_RESENT,
    RESPONSE_HEADS_HELD,
    CONNECTIONS_PINNED,
    CONNECTIONS_ENDED,
    CONNECTIONS_EXPIRED,
    STRAY_HOST_RESET,
    DROPPED_UNCONFIGURED,
    DROPPED_FRAGMENT,
    /** IPv6 to the VIP with a routing header, too many extension headers, or an IPv4-mapped address. */
    DROPPED_IPV6_HEADERS,
    /** TCP to the VIP from a multicast or reserved address. */
    DROPPED_RESERVED_SOURCE,
    /** Of IPv6 clients whose address's alias and ports are those of another client's connection. */
    DROPPED_ALIAS_COLLISION,
    DROPPED_UNKNOWN_ACK,
    DROPPED_STALE_TAG,
    DROPPED_STALE_SEGMENT,
    DROPPED_RESPONSE_GAP,
    DROPPED_HELD_FULL,
    DROPPED_EARLY_FULL,
    DROPPED_REBUILDING,
    DROPPED_FORGED_TAG,
    DROPPED_TABLE_FULL;

    /** The name it is reported under, {@code rebuilds_started}. */
    public String reportedName() {
        return name().toLowerCase(Locale.ROOT);
    }
}
