package org.dwsr.filter.host;

import com.kenai.jffi.MemoryIO;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A block of native memory: its address, and a buffer in the machine's byte order over it. */
final class NativeBytes {
    private static final int CACHE_LINE = 64;

    private final ByteBuffer buffer;
    private final long address;

    private NativeBytes(ByteBuffer buffer, long address) {
        this.buffer = buffer.order(ByteOrder.nativeOrder());
        this.address = address;
    }

    /** New zeroed memory that lives as long as this object. */
    static NativeBytes allocate(int lengthBytes) {
        // alignedSlice cuts both ends down to whole cache lines.
        ByteBuffer raw = ByteBuffer.allocateDirect((lengthBytes + CACHE_LINE - 1 & -CACHE_LINE) + CACHE_LINE)
                .alignedSlice(CACHE_LINE);
        return new NativeBytes(raw, MemoryIO.getInstance().getDirectBufferAddress(raw.duplicate()));
    }

    /** Memory that someone else owns, such as a mapped ring; nobody checks that it is still there. */
    static NativeBytes at(long address, int lengthBytes) {
        return new NativeBytes(MemoryIO.getInstance().newDirectByteBuffer(address, lengthBytes), address);
    }

    /** In the machine's byte order, position 0. */
    ByteBuffer buffer() {
        return buffer;
    }

    long address() {
        return address;
    }
}
