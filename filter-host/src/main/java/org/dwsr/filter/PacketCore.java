package org.dwsr.filter;

import java.nio.ByteBuffer;
import org.dwsr.config.DwsrConfig;
import org.dwsr.switching.CounterSink;

/**
 * What decides about the frames between a server and its switch port; one instance per server.
 *
 * <p>Frames may be changed in place, without a change of length. The buffer belongs to the caller and must not be kept.
 * All methods are called by one thread. Times are nanoseconds of one monotonic clock.
 */
public interface PacketCore {
    /** The frame ends here. */
    int DROP = 0;

    /** The frame goes out of the other interface. */
    int FORWARD = 1;

    /** The frame goes back out of the interface it came from. */
    int RETURN = 2;

    /**
     * Decides about a frame that came from the switch.
     *
     * @param partialChecksum whether the TCP checksum field holds only the pseudo-header's sum (virtio NEEDS_CSUM)
     * @return {@link #DROP}, {@link #FORWARD} or {@link #RETURN}
     */
    int onNetworkFrame(ByteBuffer frame, int offset, int length, boolean partialChecksum, long nowNs);

    /** Decides about a frame that came from the server; see {@link #onNetworkFrame}. */
    int onHostFrame(ByteBuffer frame, int offset, int length, boolean partialChecksum, long nowNs);

    /** Lets timers run; called about every millisecond. */
    void onTick(long nowNs);

    /** Takes a new configuration, which the control channel has already validated. */
    void configure(DwsrConfig config, long nowNs);

    /**
     * Tells the live connections, all of them when {@code full}, else those whose handshake with a guessed server was
     * completed since the last call; and the connections that ended since then. With {@code full} the ended ones are
     * told too, although the web switch can derive them.
     */
    void report(ReportSink sink, boolean full);

    /** Tells every counter. */
    void counters(CounterSink sink);

    /** Takes a report. */
    interface ReportSink {
        /**
         * A live connection, the tag that describes it and the MAC its client's frames bear.
         *
         * @param clientHigh half of the client's address, as in {@link org.dwsr.packet.IpAddress}
         */
        void live(long connectionKey, long clientHigh, long clientLow, long tagMac, long clientMac);

        /** An ended connection and the sequence number of the request that set its offsets last. */
        void ended(long connectionKey, long clientHigh, long clientLow, int seq);
    }
}
