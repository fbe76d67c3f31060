package org.dwsr.filter.host;

import java.net.InetSocketAddress;

/**
 * An address to listen on, written {@code HOST:PORT} or {@code [IPV6]:PORT}.
 *
 * @param host a name or an address
 * @param port 0 to 65535; 0 lets the system choose
 */
record HostPort(String host, int port) {
    /**
     * Reads the text form.
     *
     * @throws IllegalArgumentException if it has another one
     */
    static HostPort parse(String text) {
        int colon = text.lastIndexOf(':');
        if (colon > 0) {
            String host = text.substring(0, colon);
            if (host.startsWith("[") && host.endsWith("]")) {
                host = host.substring(1, host.length() - 1);
            }
            try {
                int port = Integer.parseInt(text.substring(colon + 1));
                if (port >= 0 && port <= 65535 && !host.isEmpty()) {
                    return new HostPort(host, port);
                }
            } catch (NumberFormatException notANumber) {
                // falls through to the one message
            }
        }
        throw new IllegalArgumentException("expected HOST:PORT such as 127.0.0.1:8790, found \"" + text + "\"");
    }

    InetSocketAddress socketAddress() {
        return new InetSocketAddress(host, port);
    }

    @Override
    public String toString() {
        return (host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + port;
    }
}
