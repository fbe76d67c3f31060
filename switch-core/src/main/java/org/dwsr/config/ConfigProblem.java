package org.dwsr.config;

/** One fault of a document: where it is, what was found there and what is allowed. */
public final class ConfigProblem {
    private final String path;
    private final String found;
    private final String allowed;

    ConfigProblem(String path, String found, String allowed) {
        this.path = path;
        this.found = found;
        this.allowed = allowed;
    }

    /** The JSON path, such as {@code $.pools[1].servers[0]}. */
    public String path() {
        return path;
    }

    /** What was found there, shortened. */
    public String found() {
        return found;
    }

    /** What is allowed there, with a suggestion where one comes to mind. */
    public String allowed() {
        return allowed;
    }

    @Override
    public String toString() {
        return path + ": found " + found + ", allowed: " + allowed;
    }
}
