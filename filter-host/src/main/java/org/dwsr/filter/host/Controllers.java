package org.dwsr.filter.host;

import java.net.URI;
import java.util.List;

/** The web switch's control addresses, of which one is current; used by the control thread only. */
final class Controllers {
    private final List<URI> addresses;
    private int current;

    Controllers(List<URI> addresses) {
        this.addresses = List.copyOf(addresses);
    }

    URI current() {
        return addresses.get(current);
    }

    /** Turns to the next address, unless {@code address} is not the current one any more. */
    void failed(URI address) {
        if (address.equals(current())) {
            current = (current + 1) % addresses.size();
        }
    }
}
