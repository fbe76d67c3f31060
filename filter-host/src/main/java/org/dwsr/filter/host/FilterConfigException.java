package org.dwsr.filter.host;

/** A filter configuration that was refused; the message names the file, the place and what is allowed there. */
final class FilterConfigException extends Exception {
    private static final long serialVersionUID = 1L;

    FilterConfigException(String message) {
        super(message);
    }
}
