package org.dwsr.session;

/** Where {@link SessionCookies} puts the eight bytes that are to change; the sink writes and mends checksums. */
@FunctionalInterface
public interface PatchSink {
    /**
     * Eight bytes that are to be replaced.
     *
     * @param offset where they start, absolute in the buffer, at any alignment
     * @param replacement8 what belongs there, big-endian
     */
    void patch(int offset, long replacement8);
}
