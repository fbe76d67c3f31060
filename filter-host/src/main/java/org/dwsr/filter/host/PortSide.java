package org.dwsr.filter.host;

/** Which of a pair's two interfaces. */
enum PortSide {
    /** Toward the switch. */
    NETWORK(0, "network"),
    /** Toward the server. */
    HOST(1, "host");

    private final int index;
    private final String key;

    PortSide(int index, String key) {
        this.index = index;
        this.key = key;
    }

    /** 0 or 1. */
    int index() {
        return index;
    }

    /** Its name in the configuration and in counters. */
    String key() {
        return key;
    }
}
