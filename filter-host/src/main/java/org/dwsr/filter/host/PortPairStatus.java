package org.dwsr.filter.host;

import java.util.Map;

/**
 * How a port pair is right now.
 *
 * @param server the server's name
 * @param networkOpen whether the interface toward the switch is open
 * @param hostOpen whether the interface toward the server is open
 * @param counters of both ports and of the core, by name
 */
record PortPairStatus(String server, boolean networkOpen, boolean hostOpen, Map<String, Long> counters) {}
