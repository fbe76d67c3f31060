package org.dwsr.config;

/** Where the web switch listens for its filters, and the file with the key they share. */
public final class ControlConfig {
    private final String listen;
    private final String keyFile;

    ControlConfig(String listen, String keyFile) {
        this.listen = listen;
        this.keyFile = keyFile;
    }

    /** {@code HOST:PORT}. */
    public String listen() {
        return listen;
    }

    /** The path of the file that holds the shared key. */
    public String keyFile() {
        return keyFile;
    }
}
