package org.dwsr.filter.host;

import org.dwsr.filter.FilterOutput;
import org.dwsr.filter.PacketCore;

/** Makes the core of one server's port pair. */
@FunctionalInterface
interface CoreFactory {
    /**
     * A core without configuration.
     *
     * @param server the server's configured name
     * @param output takes the frames the core makes
     */
    PacketCore create(String server, FilterOutput output);
}
