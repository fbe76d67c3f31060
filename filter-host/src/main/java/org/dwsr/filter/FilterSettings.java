package org.dwsr.filter;

import java.util.HashMap;
import java.util.Map;
import org.dwsr.config.DwsrConfig;
import org.dwsr.config.ServerConfig;
import org.dwsr.config.ServiceConfig;
import org.dwsr.switching.RequestClassifier;
import org.jspecify.annotations.Nullable;

/** A configuration as one server's filter sees it. */
final class FilterSettings {
    final DwsrConfig config;
    final ServerConfig server;
    private final Map<Integer, RequestClassifier> byPort = new HashMap<>();
    private final @Nullable RequestClassifier only;

    FilterSettings(DwsrConfig config, ServerConfig server) {
        this.config = config;
        this.server = server;
        for (ServiceConfig service : config.services()) {
            byPort.put(service.port(), new RequestClassifier(config, service));
        }
        only = byPort.size() == 1 ? byPort.values().iterator().next() : null;
    }

    /** The classifier of the service on a port of the VIP, null when there is none. */
    @Nullable
    RequestClassifier classifier(int port) {
        RequestClassifier one = only;
        if (one != null) {
            return one.service().port() == port ? one : null;
        }
        return byPort.get(port);
    }
}
