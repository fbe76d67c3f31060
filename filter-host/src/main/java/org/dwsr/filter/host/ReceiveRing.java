package org.dwsr.filter.host;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The ring in which the kernel lays received frames (TPACKET_V2, linux/if_packet.h), read one frame at a time.
 *
 * <pre>
 *   0-3   status            4-7   length on the wire   8-11  length captured
 *   12-13 offset of MAC     14-15 offset of network    16-23 time
 *   24-25 VLAN TCI          26-27 VLAN TPID            28-31 padding
 *   32-51 sockaddr_ll       ...   virtio header (10 bytes) just before the MAC header
 * </pre>
 *
 * <p>A frame that was taken stays the reader's until it is released. Frames may be released in any order; the kernel
 * merely waits at the first that is still held.
 *
 * <p>The kernel strips one VLAN tag from a received frame and tells it in the header; it is put back into the frame
 * here, because nothing after this point would.
 */
final class ReceiveRing {
    static final int STATUS_USER = 1;
    static final int STATUS_VLAN_VALID = 1 << 4;
    static final int STATUS_VLAN_TPID_VALID = 1 << 6;

    static final int STATUS_OFFSET = 0;
    static final int LENGTH_OFFSET = 4;
    static final int CAPTURED_OFFSET = 8;
    static final int MAC_OFFSET = 12;
    static final int VLAN_TCI_OFFSET = 24;
    static final int VLAN_TPID_OFFSET = 26;
    static final int HEADERS_LENGTH = 52;

    private static final int VLAN_TAG_LENGTH = 4;
    private static final int MACS_LENGTH = 12;
    private static final int DEFAULT_TPID = 0x8100;
    private static final VarHandle INT = MethodHandles.byteBufferViewVarHandle(int[].class, ByteOrder.nativeOrder());

    private final ByteBuffer header;
    private final ByteBuffer frames;
    private final long address;
    private final int frameSizeBytes;
    private final boolean[] held;
    private final PortCounters counters;

    private int head;
    private int slot;
    private int offset;
    private int length;

    /**
     * A ring over mapped memory.
     *
     * @param memory all slots, one after the other, without gaps
     * @param frameSizeBytes a slot's size, a multiple of 16
     */
    ReceiveRing(NativeBytes memory, int frameSizeBytes, PortCounters counters) {
        this.header = memory.buffer();
        this.frames = memory.buffer().duplicate().order(ByteOrder.BIG_ENDIAN);
        this.address = memory.address();
        this.frameSizeBytes = frameSizeBytes;
        this.held = new boolean[memory.buffer().capacity() / frameSizeBytes];
        this.counters = counters;
    }

    /** Takes the next frame, if there is one; the accessors then tell about it. */
    boolean next() {
        while (!held[head]) {
            int base = head * frameSizeBytes;
            int status = (int) INT.getAcquire(header, base + STATUS_OFFSET);
            if ((status & STATUS_USER) == 0) {
                return false;
            }
            slot = head;
            head = head + 1 == held.length ? 0 : head + 1;
            held[slot] = true;
            if (take(base, status)) {
                return true;
            }
            release(slot);
        }
        return false;
    }

    private boolean take(int base, int status) {
        length = header.getInt(base + CAPTURED_OFFSET);
        offset = base + (header.getShort(base + MAC_OFFSET) & 0xffff);
        counters.increment(PortCounter.RX_FRAMES);
        counters.add(PortCounter.RX_BYTES, header.getInt(base + LENGTH_OFFSET));
        if (length < header.getInt(base + LENGTH_OFFSET)) {
            counters.increment(PortCounter.RX_TRUNCATED);
            return false;
        }
        if ((status & STATUS_VLAN_VALID) != 0 && length >= MACS_LENGTH) {
            putTagBack(base, status);
        }
        return true;
    }

    private void putTagBack(int base, int status) {
        int tpid = (status & STATUS_VLAN_TPID_VALID) != 0 ? header.getShort(base + VLAN_TPID_OFFSET) : DEFAULT_TPID;
        int virtio = offset - VirtioHeader.LENGTH;
        if (virtio - VLAN_TAG_LENGTH < base + HEADERS_LENGTH) {
            throw new IllegalStateException("no room for a VLAN tag before the frame");
        }
        for (int i = virtio; i < offset + MACS_LENGTH; i++) {
            frames.put(i - VLAN_TAG_LENGTH, frames.get(i));
        }
        frames.putShort(offset + MACS_LENGTH - 4, (short) tpid);
        frames.putShort(offset + MACS_LENGTH - 2, header.getShort(base + VLAN_TCI_OFFSET));
        offset -= VLAN_TAG_LENGTH;
        length += VLAN_TAG_LENGTH;
        virtio -= VLAN_TAG_LENGTH;
        if (partialChecksum()) {
            addTagLength(virtio + VirtioHeader.CHECKSUM_START_OFFSET);
        }
        if (header.get(virtio + VirtioHeader.GSO_TYPE_OFFSET) != VirtioHeader.GSO_NONE) {
            addTagLength(virtio + VirtioHeader.HEADER_LENGTH_OFFSET);
        }
        counters.increment(PortCounter.RX_VLAN);
    }

    private void addTagLength(int at) {
        header.putShort(at, (short) (header.getShort(at) + VLAN_TAG_LENGTH));
    }

    /** The memory of all frames, big-endian; valid until the port is closed. */
    ByteBuffer buffer() {
        return frames;
    }

    /** The number of the frame that was taken last. */
    int slot() {
        return slot;
    }

    /** Where in {@link #buffer} its Ethernet header starts. */
    int offset() {
        return offset;
    }

    /** Its length, Ethernet header included. */
    int length() {
        return length;
    }

    /** The native address of its virtio header, which the frame follows at once. */
    long virtioAddress() {
        return address + offset - VirtioHeader.LENGTH;
    }

    /** Whether its transport checksum field holds only the pseudo-header's sum. */
    boolean partialChecksum() {
        return (header.get(offset - VirtioHeader.LENGTH + VirtioHeader.FLAGS_OFFSET) & VirtioHeader.NEEDS_CHECKSUM)
                != 0;
    }

    /** Gives a frame back to the kernel. */
    void release(int slot) {
        held[slot] = false;
        INT.setRelease(header, slot * frameSizeBytes + STATUS_OFFSET, 0);
    }
}
