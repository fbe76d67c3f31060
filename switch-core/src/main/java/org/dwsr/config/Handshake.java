package org.dwsr.config;

/** Who answers a client's SYN. */
public enum Handshake {
    /** The web switch answers with a SYN cookie and migrates the connection at its first request. */
    PROXY,
    /**
     * The SYN goes to a server that is guessed, which answers it itself; only a wrong guess is migrated (paper section
     * II-A, figures 3 and 4).
     */
    PREALLOCATE
}
