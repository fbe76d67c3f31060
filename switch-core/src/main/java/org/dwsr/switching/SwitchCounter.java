package org.dwsr.switching;

import java.util.Locale;

/** What the web switch counts; nothing it drops goes uncounted. */
public enum SwitchCounter {
    PACKET_INS,
    ARP_REPLIES,
    /** Answers to neighbour solicitations for the VIP's IPv6 address, probes for duplicates included. */
    NEIGHBOUR_ADVERTISEMENTS,
    ECHO_REPLIES,
    /** ICMP errors, such as "fragmentation needed", that went on to the server of the connection they are about. */
    ICMP_ERRORS_FORWARDED,
    SYNS_ANSWERED,
    /** SYNs that went to a server guessed for them. */
    GUESSES,
    /** The same SYN once more. */
    GUESSES_REPEATED,
    /** SYNs that got the proxy handshake although the service pre-allocates: too many open guesses, or no server. */
    GUESSES_DECLINED,
    /** Guesses whose server did not take the SYN; the client got the proxy handshake. */
    GUESSES_REFUSED,
    /** Guesses whose client never completed the handshake. */
    GUESSES_EXPIRED,
    /** First requests that a guessed server's filter sent back, and another server got. */
    GUESSES_WRONG,
    HANDSHAKE_ACKS,
    /** Segments that came before the one that proves their handshake, and wait for it. */
    SEGMENTS_WAITED,
    CLOSED_PORT_RESETS,
    FINS_ANSWERED,
    /** First requests of connections that have ended, repeated: answered with RST, because they ran. */
    ENDED_REQUESTS_RESET,
    /** RSTs that ended a connection which had no server. */
    CLIENT_RESETS,
    REQUESTS_SWITCHED,
    REQUESTS_MIGRATED,
    REQUESTS_MOVED,
    REQUESTS_SWITCHED_BACK,
    REQUESTS_RETURNED,
    REQUESTS_RESENT,
    /** Requests that went to another server because the first did not take them. */
    REQUESTS_RETRIED,
    REQUESTS_BY_COOKIE,
    SEGMENTS_FORWARDED,
    /** Segments that belong to a request head which is not whole yet. */
    SEGMENTS_GATHERED,
    /** Segments of a client that the web switch has answered itself. */
    SEGMENTS_AFTER_ANSWER,
    SILENCES_SENT,
    PARTIAL_HEADS_ACKNOWLEDGED,
    /** Heads that the client ended with a FIN before they were whole. */
    HEADS_CUT_SHORT,
    /** Incomplete heads that gave way to newer ones, answered with 503. */
    HEADS_EVICTED,
    /** Requests whose arrival no filter confirmed in time. */
    CONFIRMS_MISSED,
    CONFIRMS_TAKEN,
    CONFIRMS_RELAYED,
    FLOWS_INSTALLED,
    FLOWS_REMOVED,
    RETURN_FLOWS_INSTALLED,
    RETURN_FLOWS_REMOVED,
    /** Requests whose client got no return flow because there are too many: normal switching finds it. */
    RETURN_FLOWS_OVER_LIMIT,
    FILTER_REPORTS,
    CONNECTIONS_RESTORED,
    CONNECTIONS_ENDED,
    /** Of these, the ones that a restarted filter no longer knew: their clients get RST. */
    CONNECTIONS_LOST,
    /** Connections that ended although no filter said so: nobody has heard of them for long. */
    CONNECTIONS_EXPIRED,
    ANSWERED_400,
    ANSWERED_431,
    ANSWERED_503,
    ANSWERED_OTHER,
    SERVERS_REFUSED,
    DROPPED_MALFORMED,
    DROPPED_BAD_CHECKSUM,
    DROPPED_FRAGMENT,
    /** IPv6 with a routing header, too many extension headers, or an IPv4-mapped address. */
    DROPPED_IPV6_HEADERS,
    /** TCP from a multicast or reserved address. */
    DROPPED_RESERVED_SOURCE,
    /** Of IPv6 clients whose address's alias and ports are those of another client's connection. */
    DROPPED_ALIAS_COLLISION,
    DROPPED_NOT_FOR_VIP,
    /** ICMP errors about no connection that a server has, or with a wrong checksum. */
    DROPPED_ICMP_ERROR,
    DROPPED_FORGED_TAG,
    /** RSTs for no connection, or with a sequence number that only somebody who does not see it would send. */
    DROPPED_RESET,
    /** FINs of no connection that is known or has ended lately. */
    DROPPED_UNKNOWN_FIN,
    DROPPED_WAITING_FULL,
    DROPPED_WAITED_TOO_LONG,
    DROPPED_UNSYNCED,
    DROPPED_NOT_CONFIGURED,
    DROPPED_CURRENT_SERVER_BOUNCE,
    DROPPED_UNEXPECTED_FLAGS,
    DROPPED_UNKNOWN_CLIENT,
    DROPPED_TABLE_FULL,
    DROPPED_HEADS_FULL,
    /** Segments that the peer of the handshake would not send here: a wrong acknowledgment, or outside the window. */
    DROPPED_OUT_OF_WINDOW,
    DROPPED_STALE,
    /** Segments that carry payload from the VIP: a response byte at the web switch. Always 0. */
    RESPONSE_SEGMENTS_SEEN;

    /** The name it is reported under, {@code packet_ins}. */
    public String reportedName() {
        return name().toLowerCase(Locale.ROOT);
    }
}
