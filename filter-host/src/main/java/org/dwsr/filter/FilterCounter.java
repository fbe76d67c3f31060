package org.dwsr.filter;

import java.util.Locale;

/** What a host filter counts; nothing it drops goes uncounted. */
public enum FilterCounter {
    /** SYNs of clients that went to the server's TCP, because the web switch guessed this server. */
    GUESSES_TAKEN,
    /** Guesses whose first request was this server's. */
    GUESSES_RIGHT,
    /** Guesses whose first request went back to the web switch. */
    GUESSES_WRONG,
    /** Guesses that the server's TCP did not take, or did not keep until the first request. */
    GUESSES_REFUSED,
    /** Guesses whose client did not complete the handshake. */
    GUESSES_EXPIRED,
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
    /** ICMP errors that reached the server's TCP with its own numbers. */
    ICMP_ERRORS_PASSED,
    /** Segments whose urgent pointer was taken away, so that the server reads the bytes the guard has read. */
    URGENT_CLEARED,
    DROPPED_UNCONFIGURED,
    DROPPED_FRAGMENT,
    /** ICMP errors about no connection here, or about a segment that is not on its way to the client: forged or late. */
    DROPPED_ICMP_ERROR,
    /** IPv6 to the VIP with a routing header, too many extension headers, or an IPv4-mapped address. */
    DROPPED_IPV6_HEADERS,
    /** TCP to the VIP from a multicast or reserved address. */
    DROPPED_RESERVED_SOURCE,
    /** Of IPv6 clients whose address's alias and ports are those of another client's connection. */
    DROPPED_ALIAS_COLLISION,
    DROPPED_UNKNOWN_ACK,
    /** Segments that do not complete the handshake which a guessed server has begun. */
    DROPPED_UNPROVED,
    DROPPED_STALE_TAG,
    DROPPED_STALE_SEGMENT,
    DROPPED_RESPONSE_GAP,
    DROPPED_HELD_FULL,
    DROPPED_EARLY_FULL,
    DROPPED_REBUILDING,
    DROPPED_FORGED_TAG,
    DROPPED_TABLE_FULL,
    DROPPED_BUFFERS_FULL;

    /** The name it is reported under, {@code rebuilds_started}. */
    public String reportedName() {
        return name().toLowerCase(Locale.ROOT);
    }
}
