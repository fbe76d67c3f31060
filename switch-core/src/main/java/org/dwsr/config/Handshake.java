package org.dwsr.config;

/** Who answers a client's SYN. */
public enum Handshake {
    /** The web switch answers with a SYN cookie and migrates the connection at its first request. */
    PROXY
}
