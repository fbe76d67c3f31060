package org.dwsr.config;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** A TCP port of the VIP and the content types its requests fall into. */
public final class ServiceConfig {
    private final int index;
    private final int port;
    private final Handshake handshake;
    private final RequestMode requests;
    private final List<ContentTypeConfig> contentTypes;
    private final int otherwise;

    ServiceConfig(
            int index,
            int port,
            Handshake handshake,
            RequestMode requests,
            List<ContentTypeConfig> contentTypes,
            int otherwise) {
        this.index = index;
        this.port = port;
        this.handshake = handshake;
        this.requests = requests;
        this.contentTypes = List.copyOf(contentTypes);
        this.otherwise = otherwise;
    }

    /** The position in {@link DwsrConfig#services()}. */
    public int index() {
        return index;
    }

    /** The TCP port, 1 to 65535, unique. */
    public int port() {
        return port;
    }

    /** Who answers a client's SYN. */
    public Handshake handshake() {
        return handshake;
    }

    /** Who reads the later requests of a connection. */
    public RequestMode requests() {
        return requests;
    }

    /** The content types; the order decides, the first match wins. */
    public List<ContentTypeConfig> contentTypes() {
        return contentTypes;
    }

    /** The code of the content type of requests that no rule matches; one of {@link #contentTypes()}. */
    public int otherwise() {
        return otherwise;
    }

    /** The content type with this code, or null. */
    public @Nullable ContentTypeConfig contentType(int id) {
        for (int i = 0; i < contentTypes.size(); i++) {
            ContentTypeConfig contentType = contentTypes.get(i);
            if (contentType.id() == id) {
                return contentType;
            }
        }
        return null;
    }
}
