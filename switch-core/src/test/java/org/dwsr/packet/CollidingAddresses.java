package org.dwsr.packet;

import java.util.HashMap;
import java.util.Map;

/** Two IPv6 addresses of which the process's random key makes the same alias, found by trying. */
public final class CollidingAddresses {
    public final IpAddress first;
    public final IpAddress second;

    public CollidingAddresses() {
        Map<Integer, IpAddress> byAlias = new HashMap<>();
        IpAddress found = null;
        IpAddress tried = IpAddress.parse("fd00::1:0:0");
        while (found == null) {
            tried = IpAddress.of(tried.high(), tried.low() + 1);
            found = byAlias.put(tried.alias(), tried);
        }
        first = found;
        second = tried;
    }
}
