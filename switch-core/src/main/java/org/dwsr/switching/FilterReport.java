package org.dwsr.switching;

import org.dwsr.packet.IpAddress;

/** What a host filter says about its connections; filters are the authority on live ones. Arrays run in parallel. */
public final class FilterReport {
    private final String server;
    private final String boot;
    private final boolean full;
    private final long[] liveKeys;
    private final long[] liveTags;
    private final long[] liveClientMacs;
    private final IpAddress[] liveClients;
    private final long[] endedKeys;
    private final int[] endedSeqs;
    private final IpAddress[] endedClients;

    /**
     * A report.
     *
     * @param liveClients the clients' addresses, of which an IPv6 one has only an alias in the key
     * @param server the server's configured name
     * @param boot a random word of the filter process; a new one means that its earlier state is gone
     * @param full whether {@code live} lists every live connection
     * @param liveTags each live connection's migration tag
     * @param endedSeqs for each ended connection the sequence number of the request that set its offsets last, so that
     *     the end of an old connection is not taken for the end of its successor on the same ports
     */
    public FilterReport(
            String server,
            String boot,
            boolean full,
            long[] liveKeys,
            IpAddress[] liveClients,
            long[] liveTags,
            long[] liveClientMacs,
            long[] endedKeys,
            IpAddress[] endedClients,
            int[] endedSeqs) {
        if (liveKeys.length != liveTags.length
                || liveKeys.length != liveClients.length
                || liveKeys.length != liveClientMacs.length
                || endedKeys.length != endedClients.length
                || endedKeys.length != endedSeqs.length) {
            throw new IllegalArgumentException("arrays of different length");
        }
        this.server = server;
        this.boot = boot;
        this.full = full;
        this.liveKeys = liveKeys.clone();
        this.liveClients = liveClients.clone();
        this.liveTags = liveTags.clone();
        this.liveClientMacs = liveClientMacs.clone();
        this.endedKeys = endedKeys.clone();
        this.endedClients = endedClients.clone();
        this.endedSeqs = endedSeqs.clone();
    }

    public String server() {
        return server;
    }

    public String boot() {
        return boot;
    }

    public boolean full() {
        return full;
    }

    public int liveCount() {
        return liveKeys.length;
    }

    public long liveKey(int i) {
        return liveKeys[i];
    }

    public IpAddress liveClient(int i) {
        return liveClients[i];
    }

    public long liveTag(int i) {
        return liveTags[i];
    }

    public long liveClientMac(int i) {
        return liveClientMacs[i];
    }

    public int endedCount() {
        return endedKeys.length;
    }

    public long endedKey(int i) {
        return endedKeys[i];
    }

    public IpAddress endedClient(int i) {
        return endedClients[i];
    }

    public int endedSeq(int i) {
        return endedSeqs[i];
    }
}
