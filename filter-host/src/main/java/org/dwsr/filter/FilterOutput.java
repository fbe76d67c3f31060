package org.dwsr.filter;

import java.nio.ByteBuffer;

/**
 * Takes the frames a {@link PacketCore} makes itself: whole Ethernet frames with complete checksums.
 *
 * <p>The bytes are copied before the call returns. Frames leave in the order of the calls, and before the frame whose
 * verdict the core still owes. A TCP frame may be longer than the interface's MTU; it is then segmented on its way out.
 */
public interface FilterOutput {
    /** Sends {@code length} bytes at {@code offset} to the server. */
    void toHost(ByteBuffer frame, int offset, int length);

    /** Sends {@code length} bytes at {@code offset} toward the switch. */
    void toNetwork(ByteBuffer frame, int offset, int length);
}
