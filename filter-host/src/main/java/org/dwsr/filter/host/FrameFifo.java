package org.dwsr.filter.host;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A bounded first-in-first-out store of copied frames, each with its virtio header, for decorators that send frames
 * later than they came. Not thread-safe.
 *
 * <p>A frame is due at a time, or when a count is reached, whichever comes first; frames are given out in the order in
 * which they were added, so a later one is never due before an earlier one.
 */
final class FrameFifo implements FrameSource {
    private final NativeBytes memory;
    private final ByteBuffer bytes;
    private final int capacityBytes;
    private final int[] starts;
    private final int[] lengths;
    private final long[] dueNs;
    private final long[] dueCounts;
    private final boolean[] injected;
    private final boolean[] released;

    /** Running numbers of frames: not released from {@code first}, not given from {@code next}, none from {@code end}. */
    private long first;

    private long next;
    private long end;
    private int writeAt;
    private int current;

    /**
     * An empty store.
     *
     * @param capacityBytes room for frames with their headers
     * @param maxFrames the most frames, a power of two
     */
    FrameFifo(int capacityBytes, int maxFrames) {
        this.capacityBytes = capacityBytes;
        memory = NativeBytes.allocate(capacityBytes);
        bytes = memory.buffer().duplicate().order(ByteOrder.BIG_ENDIAN);
        starts = new int[maxFrames];
        lengths = new int[maxFrames];
        dueNs = new long[maxFrames];
        dueCounts = new long[maxFrames];
        injected = new boolean[maxFrames];
        released = new boolean[maxFrames];
    }

    /**
     * Copies the frame that {@code source} gave out last, without releasing it there.
     *
     * @return false if there is no room
     */
    boolean add(FrameSource source, long dueNs, long dueCount) {
        int total = VirtioHeader.LENGTH + source.length();
        int start = reserve(total);
        if (start < 0) {
            return false;
        }
        bytes.put(start, source.buffer(), source.offset() - VirtioHeader.LENGTH, total);
        append(start, source.length(), dueNs, dueCount, false);
        return true;
    }

    /**
     * Copies a frame with complete checksums that the core made.
     *
     * @return false if there is no room
     */
    boolean addInjected(ByteBuffer from, int offset, int length, long dueNs, long dueCount) {
        int start = reserve(VirtioHeader.LENGTH + length);
        if (start < 0) {
            return false;
        }
        bytes.putLong(start, 0).putShort(start + 8, (short) 0);
        bytes.put(start + VirtioHeader.LENGTH, from, offset, length);
        append(start, length, dueNs, dueCount, true);
        return true;
    }

    /** Where {@code total} bytes can be laid in one piece, or -1. */
    private int reserve(int total) {
        if (first == end) {
            writeAt = 0;
        } else if (end - first == starts.length) {
            return -1;
        }
        int tail = first == end ? 0 : starts[index(first)];
        boolean wrapped = first != end && writeAt <= tail;
        if (wrapped) {
            return writeAt + total <= tail ? writeAt : -1;
        }
        if (writeAt + total <= capacityBytes) {
            return writeAt;
        }
        return total <= tail ? 0 : -1;
    }

    private void append(int start, int length, long due, long dueCount, boolean made) {
        int i = index(end++);
        starts[i] = start;
        lengths[i] = length;
        dueNs[i] = due;
        dueCounts[i] = dueCount;
        injected[i] = made;
        released[i] = false;
        writeAt = start + VirtioHeader.LENGTH + length;
    }

    private int index(long number) {
        return (int) number & starts.length - 1;
    }

    /** Whether the oldest frame that was not given out is due. */
    boolean isDue(long nowNs, long count) {
        int i = index(next);
        return next != end && (nowNs - dueNs[i] >= 0 || count - dueCounts[i] >= 0);
    }

    /** The number of frames that were not given out. */
    int size() {
        return (int) (end - next);
    }

    @Override
    public boolean next(long nowNs) {
        if (next == end) {
            return false;
        }
        current = index(next++);
        return true;
    }

    /** Sends the oldest frame on its way. */
    void sendTo(FrameSink sink, long nowNs) {
        if (!next(nowNs)) {
            return;
        }
        if (injected[current]) {
            int slot = current;
            sink.inject(bytes, offset(), length(), nowNs);
            release(slot);
        } else {
            sink.forward(this, nowNs);
        }
    }

    /** Drops and counts the frames that were not given out. */
    void dropAll(PortCounters counters, PortCounter reason) {
        while (next(0)) {
            counters.increment(reason);
            release(current);
        }
    }

    @Override
    public ByteBuffer buffer() {
        return bytes;
    }

    @Override
    public int slot() {
        return current;
    }

    @Override
    public int offset() {
        return starts[current] + VirtioHeader.LENGTH;
    }

    @Override
    public int length() {
        return lengths[current];
    }

    @Override
    public long virtioAddress() {
        return memory.address() + starts[current];
    }

    @Override
    public boolean partialChecksum() {
        return (bytes.get(starts[current] + VirtioHeader.FLAGS_OFFSET) & VirtioHeader.NEEDS_CHECKSUM) != 0;
    }

    @Override
    public void release(int slot) {
        released[slot] = true;
        while (first != next && released[index(first)]) {
            first++;
        }
    }
}
