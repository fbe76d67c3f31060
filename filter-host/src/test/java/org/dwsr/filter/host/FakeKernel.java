package org.dwsr.filter.host;

import com.kenai.jffi.MemoryIO;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The kernel's side of a receive ring and of a send socket, in plain memory. */
final class FakeKernel implements TransmitQueue.Sender {
    static final int SLOT_BYTES = 4096;
    private static final int MAC_OFFSET = 76;

    private final NativeBytes memory;
    private final int slots;
    private int next;

    /** Every frame that was sent, its virtio header before it. */
    final List<byte[]> sent = new ArrayList<>();

    /** What {@link #send} answers next: the most messages to take, or a negative error; then takes all. */
    final List<Integer> answers = new ArrayList<>();

    FakeKernel(int slots) {
        this.slots = slots;
        memory = NativeBytes.allocate(slots * SLOT_BYTES);
    }

    NativeBytes memory() {
        return memory;
    }

    /** Whether the slot that would be filled next is free. */
    boolean room() {
        return status(next) == 0;
    }

    int status(int slot) {
        return memory.buffer().getInt(slot * SLOT_BYTES);
    }

    /** Lays a frame into the ring. */
    void receive(byte[] frame) {
        receive(frame, frame.length, 0, 0, 0);
    }

    /**
     * Lays a frame into the ring.
     *
     * @param wireLength its length on the wire
     * @param status status bits beside {@link ReceiveRing#STATUS_USER}
     */
    void receive(byte[] frame, int wireLength, int status, int tpid, int tci) {
        int base = next * SLOT_BYTES;
        ByteBuffer slot = memory.buffer();
        slot.putInt(base + ReceiveRing.LENGTH_OFFSET, wireLength);
        slot.putInt(base + ReceiveRing.CAPTURED_OFFSET, frame.length);
        slot.putShort(base + ReceiveRing.MAC_OFFSET, (short) MAC_OFFSET);
        slot.putShort(base + ReceiveRing.VLAN_TPID_OFFSET, (short) tpid);
        slot.putShort(base + ReceiveRing.VLAN_TCI_OFFSET, (short) tci);
        slot.putLong(base + MAC_OFFSET - VirtioHeader.LENGTH, 0).putShort(base + MAC_OFFSET - 2, (short) 0);
        slot.put(base + MAC_OFFSET, frame);
        slot.putInt(base + ReceiveRing.STATUS_OFFSET, ReceiveRing.STATUS_USER | status);
        next = (next + 1) % slots;
    }

    /** The virtio header of the frame in a slot. */
    ByteBuffer virtioHeader(int slot) {
        return memory.buffer()
                .slice(slot * SLOT_BYTES + MAC_OFFSET - VirtioHeader.LENGTH, VirtioHeader.LENGTH)
                .order(memory.buffer().order());
    }

    @Override
    public int send(long vectorAddress, int count) {
        int limit = answers.isEmpty() ? count : answers.remove(0);
        if (limit < 0) {
            return limit;
        }
        MemoryIO io = MemoryIO.getInstance();
        int taken = Math.min(limit, count);
        for (int i = 0; i < taken; i++) {
            long message = vectorAddress + (long) i * TransmitQueue.MESSAGE_SIZE;
            long vector = io.getLong(message + TransmitQueue.MESSAGE_IOVEC_OFFSET);
            byte[] bytes = new byte[(int) io.getLong(vector + 8)];
            io.getByteArray(io.getLong(vector), bytes, 0, bytes.length);
            sent.add(bytes);
        }
        return taken;
    }

    /** The frames that were sent, without virtio headers. */
    List<byte[]> sentFrames() {
        List<byte[]> frames = new ArrayList<>();
        for (byte[] one : sent) {
            frames.add(Arrays.copyOfRange(one, VirtioHeader.LENGTH, one.length));
        }
        return frames;
    }
}
