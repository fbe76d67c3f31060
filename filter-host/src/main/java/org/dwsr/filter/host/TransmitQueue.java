package org.dwsr.filter.host;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.dwsr.packet.Checksum;
import org.dwsr.packet.FrameFlyweight;
import org.jspecify.annotations.Nullable;

/**
 * The frames that wait to leave through one interface, in order: ring frames where they lie, and copies of frames the
 * filter made itself. Sent many at a time with {@code sendmmsg}.
 *
 * <p>A ring frame is released once it was sent or dropped. When the kernel has no room the frames stay, until the
 * interface has taken nothing for {@link #PATIENCE_NS}; then one frame is dropped at a time. Not thread-safe.
 */
final class TransmitQueue implements FrameSink {
    /** Sends the first of {@code count} messages of a {@code struct mmsghdr} vector. */
    @FunctionalInterface
    interface Sender {
        /** The number of messages sent, at least 1, or the negative error number if the first one failed. */
        int send(long vectorAddress, int count);
    }

    static final int CAPACITY = 256;
    static final long PATIENCE_NS = 50_000_000;

    /** Offsets and sizes of struct mmsghdr and struct iovec on 64-bit Linux. */
    static final int MESSAGE_SIZE = 64;

    static final int MESSAGE_IOVEC_OFFSET = 16;
    static final int MESSAGE_IOVEC_COUNT_OFFSET = 24;
    static final int IOVEC_SIZE = 16;

    private static final int COPIES_LENGTH = 1 << 20;
    private static final int ETHERNET_LENGTH = FrameFlyweight.ETHERNET_LENGTH;
    private static final int TCP_CHECKSUM_OFFSET = 16;

    private final Sender sender;
    private final PortCounters counters;
    private final int maxFrameLength;
    private final NativeBytes messages = NativeBytes.allocate(CAPACITY * MESSAGE_SIZE);
    private final NativeBytes vectors = NativeBytes.allocate(CAPACITY * IOVEC_SIZE);
    private final NativeBytes copies = NativeBytes.allocate(COPIES_LENGTH);
    private final ByteBuffer copyBytes = copies.buffer().duplicate().order(ByteOrder.BIG_ENDIAN);
    private final @Nullable FrameSource[] sources = new @Nullable FrameSource[CAPACITY];
    private final int[] slots = new int[CAPACITY];
    private final FrameFlyweight frame = new FrameFlyweight();

    private int first;
    private int end;
    private int copiesEnd;
    private boolean blocked;
    private long blockedSinceNs;

    /**
     * An empty queue.
     *
     * @param mtuBytes the interface's MTU, beyond which a frame the filter made itself is left to the kernel to segment
     */
    TransmitQueue(Sender sender, int mtuBytes, PortCounters counters) {
        this.sender = sender;
        this.counters = counters;
        this.maxFrameLength = mtuBytes + ETHERNET_LENGTH;
        for (int i = 0; i < CAPACITY; i++) {
            int at = i * MESSAGE_SIZE;
            messages.buffer().putLong(at + MESSAGE_IOVEC_OFFSET, vectors.address() + (long) i * IOVEC_SIZE);
            messages.buffer().putLong(at + MESSAGE_IOVEC_COUNT_OFFSET, 1);
        }
    }

    /** The number of frames that wait. */
    int size() {
        return end - first;
    }

    /** The number of frames that can still be queued. */
    @Override
    public int room() {
        return CAPACITY - size();
    }

    /** Whether a copy of a frame of this length can still be queued. */
    @Override
    public boolean fits(int length) {
        return room() > 0 && copiesEnd + VirtioHeader.LENGTH + length <= COPIES_LENGTH;
    }

    /** Whether the kernel had no room at the last attempt. */
    @Override
    public boolean blocked() {
        return blocked;
    }

    @Override
    public void forward(FrameSource source, long nowNs) {
        forward(source);
    }

    @Override
    public void inject(ByteBuffer from, int offset, int length, long nowNs) {
        inject(from, offset, length);
    }

    /** Queues the frame that {@code ring} gave out last; when there is no room it is dropped. */
    void forward(FrameSource ring) {
        if (!reserve()) {
            counters.increment(PortCounter.TX_DROPPED_FULL);
            ring.release(ring.slot());
            return;
        }
        put(ring.virtioAddress(), VirtioHeader.LENGTH + ring.length());
        sources[end] = ring;
        slots[end] = ring.slot();
        end++;
    }

    /** Queues a copy of a frame with complete checksums; when there is no room it is dropped. */
    void inject(ByteBuffer from, int offset, int length) {
        if (!fits(length) || !reserve()) {
            counters.increment(PortCounter.TX_DROPPED_FULL);
            return;
        }
        int total = VirtioHeader.LENGTH + length;
        int at = copiesEnd;
        copiesEnd += total + 15 & ~15;
        copyBytes.putLong(at, 0).putShort(at + 8, (short) 0);
        copyBytes.put(at + VirtioHeader.LENGTH, from, offset, length);
        if (length > maxFrameLength) {
            askForSegmentation(at, length);
        }
        put(copies.address() + at, total);
        sources[end] = null;
        end++;
        counters.increment(PortCounter.TX_INJECTED);
    }

    private void askForSegmentation(int at, int length) {
        int start = at + VirtioHeader.LENGTH;
        if (frame.wrap(copyBytes, start, length, false) != FrameFlyweight.Kind.TCP) {
            return; // EMSGSIZE will be counted
        }
        int headerLength = frame.payloadOffset() - start;
        int sum = Checksum.fold(frame.pseudoHeader());
        copyBytes.putShort(frame.tcpOffset() + TCP_CHECKSUM_OFFSET, (short) sum);
        ByteBuffer header = copies.buffer();
        header.put(at + VirtioHeader.FLAGS_OFFSET, (byte) VirtioHeader.NEEDS_CHECKSUM);
        int type = frame.ipv6() ? VirtioHeader.GSO_TCP_IPV6 : VirtioHeader.GSO_TCP_IPV4;
        header.put(at + VirtioHeader.GSO_TYPE_OFFSET, (byte) type);
        header.putShort(at + VirtioHeader.HEADER_LENGTH_OFFSET, (short) headerLength);
        header.putShort(at + VirtioHeader.GSO_SIZE_OFFSET, (short) (maxFrameLength - headerLength));
        header.putShort(at + VirtioHeader.CHECKSUM_START_OFFSET, (short) (frame.tcpOffset() - start));
        header.putShort(at + VirtioHeader.CHECKSUM_OFFSET_OFFSET, (short) TCP_CHECKSUM_OFFSET);
        counters.increment(PortCounter.TX_SEGMENTED);
    }

    /**
     * Sends what waits.
     *
     * @return whether nothing waits any more
     */
    @Override
    public boolean flush(long nowNs) {
        while (first < end) {
            int sent = sender.send(messages.address() + (long) first * MESSAGE_SIZE, end - first);
            if (sent > 0) {
                blocked = false;
                for (int i = 0; i < sent; i++) {
                    counters.increment(PortCounter.TX_FRAMES);
                    counters.add(PortCounter.TX_BYTES, lengthOfFirst());
                    removeFirst();
                }
            } else if (!handle(-sent, nowNs)) {
                return false;
            }
        }
        first = 0;
        end = 0;
        copiesEnd = 0;
        blocked = false;
        return true;
    }

    /** Deals with an error at the first frame; returns whether to go on. */
    private boolean handle(int error, long nowNs) {
        switch (error) {
            case Libc.EINTR -> {}
            case Libc.EAGAIN, Libc.ENOBUFS -> {
                counters.increment(PortCounter.TX_BUSY);
                if (!blocked) {
                    blocked = true;
                    blockedSinceNs = nowNs;
                } else if (nowNs - blockedSinceNs >= PATIENCE_NS) {
                    blockedSinceNs = nowNs;
                    dropFirst(PortCounter.TX_DROPPED_BUSY);
                }
                return false;
            }
            case Libc.ENETDOWN, Libc.ENXIO, Libc.ENODEV -> dropAll(PortCounter.TX_DROPPED_DOWN);
            case Libc.EMSGSIZE -> dropFirst(PortCounter.TX_DROPPED_LENGTH);
            default -> dropFirst(PortCounter.TX_DROPPED_ERROR);
        }
        return true;
    }

    /** Drops and counts everything that waits, so that no ring frame is referred to any more. */
    @Override
    public void dropAll(PortCounter reason) {
        while (first < end) {
            dropFirst(reason);
        }
        first = 0;
        end = 0;
        copiesEnd = 0;
        blocked = false;
    }

    private void dropFirst(PortCounter reason) {
        counters.increment(reason);
        removeFirst();
    }

    private void removeFirst() {
        FrameSource ring = sources[first];
        if (ring != null) {
            ring.release(slots[first]);
            sources[first] = null;
        }
        first++;
    }

    private long lengthOfFirst() {
        return vectors.buffer().getLong(first * IOVEC_SIZE + 8) - VirtioHeader.LENGTH;
    }

    /** Makes room for one entry at {@code end}. */
    private boolean reserve() {
        if (end < CAPACITY) {
            return true;
        }
        if (first == 0) {
            return false;
        }
        ByteBuffer vector = vectors.buffer();
        int count = end - first;
        for (int i = 0; i < count; i++) {
            vector.putLong(i * IOVEC_SIZE, vector.getLong((first + i) * IOVEC_SIZE));
            vector.putLong(i * IOVEC_SIZE + 8, vector.getLong((first + i) * IOVEC_SIZE + 8));
            sources[i] = sources[first + i];
            slots[i] = slots[first + i];
        }
        for (int i = count; i < end; i++) {
            sources[i] = null;
        }
        first = 0;
        end = count;
        return true;
    }

    private void put(long address, int lengthBytes) {
        vectors.buffer().putLong(end * IOVEC_SIZE, address);
        vectors.buffer().putLong(end * IOVEC_SIZE + 8, lengthBytes);
    }
}
