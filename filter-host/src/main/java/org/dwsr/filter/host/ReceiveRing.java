package org.dwsr.filter.host;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * The ring in which the kernel lays received frames (TPACKET_V2, linux/if_packet.h), read one frame at a time.
 *
 * <pre>
 *   0-3   status            4-7   length on the wire   8-11  length captured
 *   12-13 offset of MAC     14-15 offset of network    16-23 time
 *   24-25 VLAN TCI          26-27 VLAN TPID            28-31 padding
 *   32-51 sockaddr_ll       66    virtio header (10 bytes), just before the MAC header
 * </pre>
 *
 * <p>A frame that was taken stays the reader's until it is released. Frames may be released in any order; the kernel
 * merely waits at the first that is still held.
 *
 * <p>The kernel strips one VLAN tag from a received frame and tells it in the header; it is put back into the frame
 * here, because nothing after this point would.
 *
 * <p>A frame that exceeds its slot is also queued in the socket, in the same order; it is read from there into one of a
 * few buffers, which goes with the slot.
 */
final class ReceiveRing implements FrameSource {
    /** Reads the next long frame, its virtio header first. */
    @FunctionalInterface
    interface LongFrames {
        /** The number of bytes written at a native address, or negative when there is none. */
        int read(long address, int lengthBytes);
    }

    static final int STATUS_COPY = 1 << 1;
    static final int STATUS_USER = 1;
    static final int STATUS_VLAN_VALID = 1 << 4;
    static final int STATUS_VLAN_TPID_VALID = 1 << 6;

    static final int STATUS_OFFSET = 0;
    static final int LENGTH_OFFSET = 4;
    static final int CAPTURED_OFFSET = 8;
    static final int MAC_OFFSET = 12;
    static final int VLAN_TCI_OFFSET = 24;
    static final int VLAN_TPID_OFFSET = 26;

    private static final int VLAN_TAG_LENGTH = 4;
    private static final int MACS_LENGTH = 12;
    private static final int DEFAULT_TPID = 0x8100;
    private static final VarHandle INT = MethodHandles.byteBufferViewVarHandle(int[].class, ByteOrder.nativeOrder());

    /** As many as fit a processor's cache together: the last one freed is the next one used. */
    static final int LONG_FRAMES = 8;
    /** Before a long frame's virtio header, for a VLAN tag to be put back. */
    private static final int HEADROOM = 64;

    private static final int NOT_LONG = -1;

    private final ByteBuffer header;
    private final ByteBuffer slotFrames;
    private final long slotAddress;
    private final int slotBytes;
    private final boolean[] held;
    private final LongFrames source;
    private final int longBytes = HEADROOM + VirtioHeader.LENGTH + SlotSize.longestBytes();
    private final NativeBytes longMemory = NativeBytes.allocate(LONG_FRAMES * longBytes);
    private final ByteBuffer longFrames = longMemory.buffer().duplicate().order(ByteOrder.BIG_ENDIAN);
    private final int[] longOfSlot;
    private final int[] freeLong = new int[LONG_FRAMES];
    private int freeLongCount = LONG_FRAMES;
    private final PortCounters counters;

    private int head;
    private int slot;
    private ByteBuffer frames;
    private long framesAddress;
    private int offset;
    private int length;

    /**
     * A ring over mapped memory.
     *
     * @param memory all slots, one after the other, without gaps
     * @param slotBytes a slot's size, a multiple of 16
     * @param source where the frames are that exceed it
     */
    ReceiveRing(NativeBytes memory, int slotBytes, LongFrames source, PortCounters counters) {
        this.header = memory.buffer();
        this.slotFrames = memory.buffer().duplicate().order(ByteOrder.BIG_ENDIAN);
        this.slotAddress = memory.address();
        this.slotBytes = slotBytes;
        this.held = new boolean[memory.buffer().capacity() / slotBytes];
        this.longOfSlot = new int[held.length];
        Arrays.fill(longOfSlot, NOT_LONG);
        for (int i = 0; i < LONG_FRAMES; i++) {
            freeLong[i] = i;
        }
        this.source = source;
        this.frames = slotFrames;
        this.framesAddress = slotAddress;
        this.counters = counters;
    }

    @Override
    public boolean next(long nowNs) {
        return next();
    }

    /** Takes the next frame, if there is one; the accessors then tell about it. */
    boolean next() {
        while (!held[head]) {
            int base = head * slotBytes;
            int status = (int) INT.getAcquire(header, base + STATUS_OFFSET);
            if ((status & STATUS_USER) == 0 || (status & STATUS_COPY) != 0 && freeLongCount == 0) {
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
        int wireLength = header.getInt(base + LENGTH_OFFSET);
        counters.increment(PortCounter.RX_FRAMES);
        counters.add(PortCounter.RX_BYTES, wireLength);
        frames = slotFrames;
        framesAddress = slotAddress;
        length = header.getInt(base + CAPTURED_OFFSET);
        offset = base + (header.getShort(base + MAC_OFFSET) & 0xffff);
        if ((status & STATUS_COPY) != 0) {
            readLong();
        }
        if (length != wireLength) {
            counters.increment(PortCounter.RX_TRUNCATED);
            return false;
        }
        if ((status & STATUS_VLAN_VALID) != 0 && length >= MACS_LENGTH) {
            putTagBack(base, status);
        }
        return true;
    }

    private void readLong() {
        int number = freeLong[--freeLongCount];
        longOfSlot[slot] = number;
        frames = longFrames;
        framesAddress = longMemory.address();
        int start = number * longBytes + HEADROOM;
        offset = start + VirtioHeader.LENGTH;
        length = source.read(framesAddress + start, longBytes - HEADROOM) - VirtioHeader.LENGTH;
        counters.increment(PortCounter.RX_LONG);
    }

    private void putTagBack(int base, int status) {
        int tpid = (status & STATUS_VLAN_TPID_VALID) != 0 ? header.getShort(base + VLAN_TPID_OFFSET) : DEFAULT_TPID;
        int virtio = offset - VirtioHeader.LENGTH;
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
        if (frames.get(virtio + VirtioHeader.GSO_TYPE_OFFSET) != VirtioHeader.GSO_NONE) {
            addTagLength(virtio + VirtioHeader.HEADER_LENGTH_OFFSET);
        }
        counters.increment(PortCounter.RX_VLAN);
    }

    private void addTagLength(int at) {
        frames.order(header.order()); // the virtio header is in the machine's order, unlike the frame
        frames.putShort(at, (short) (frames.getShort(at) + VLAN_TAG_LENGTH));
        frames.order(ByteOrder.BIG_ENDIAN);
    }

    /** The memory the frame lies in, big-endian; valid until the port is closed. */
    @Override
    public ByteBuffer buffer() {
        return frames;
    }

    /** The number of the frame that was taken last. */
    @Override
    public int slot() {
        return slot;
    }

    /** Where in {@link #buffer} its Ethernet header starts. */
    @Override
    public int offset() {
        return offset;
    }

    /** Its length, Ethernet header included. */
    @Override
    public int length() {
        return length;
    }

    /** The native address of its virtio header, which the frame follows at once. */
    @Override
    public long virtioAddress() {
        return framesAddress + offset - VirtioHeader.LENGTH;
    }

    /** Whether its transport checksum field holds only the pseudo-header's sum. */
    @Override
    public boolean partialChecksum() {
        return (frames.get(offset - VirtioHeader.LENGTH + VirtioHeader.FLAGS_OFFSET) & VirtioHeader.NEEDS_CHECKSUM)
                != 0;
    }

    /** Gives a frame back to the kernel. */
    @Override
    public void release(int slot) {
        held[slot] = false;
        if (longOfSlot[slot] != NOT_LONG) {
            freeLong[freeLongCount++] = longOfSlot[slot];
            longOfSlot[slot] = NOT_LONG;
        }
        INT.setRelease(header, slot * slotBytes + STATUS_OFFSET, 0);
    }
}
