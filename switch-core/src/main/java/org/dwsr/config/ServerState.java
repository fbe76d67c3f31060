package org.dwsr.config;

/** What the operator wants of a server. */
public enum ServerState {
    /** It takes new sessions. */
    UP,
    /** It keeps its connections and sessions and takes no new ones. */
    DRAINED
}
