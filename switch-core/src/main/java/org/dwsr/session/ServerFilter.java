package org.dwsr.session;

/** Which servers a session cookie may name: those that are in the content type's pool and can be reached. */
@FunctionalInterface
public interface ServerFilter {
    /** Whether the server with this three-character id code may be chosen; the id need not be any server's. */
    boolean accepts(int serverId);
}
