package org.dwsr.config;

/** Who reads the requests that follow the first on one connection. */
public enum RequestMode {
    /** The filter reads them and bounces those that belong elsewhere (docs/contract.md). */
    GUARD,
    /** The web switch reads all of them; no connection flow is installed (paper, step 23). */
    SWITCH
}
