package org.dwsr.filter.host;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ReceiveRingTest {
    private final FakeKernel kernel = new FakeKernel(4);
    private final PortCounters counters = new PortCounters();
    private final ReceiveRing ring =
            new ReceiveRing(kernel.memory(), FakeKernel.SLOT_BYTES, kernel::readLong, counters);

    private static byte[] frame(int number) {
        byte[] frame = new byte[60];
        Arrays.fill(frame, (byte) number);
        return frame;
    }

    private byte[] current() {
        byte[] frame = new byte[ring.length()];
        ring.buffer().get(ring.offset(), frame);
        return frame;
    }

    @Test
    void shouldGiveNothingWhenNothingArrived() {
        assertThat(ring.next()).isFalse();
    }

    @Test
    void shouldGiveFramesInOrderWhenRingWrapsManyTimes() {
        for (int i = 0; i < 50; i++) {
            kernel.receive(frame(i));
            assertThat(ring.next()).isTrue();
            assertThat(current()).isEqualTo(frame(i));
            ring.release(ring.slot());
            assertThat(ring.next()).isFalse();
        }
        assertThat(counters.get(PortCounter.RX_FRAMES)).isEqualTo(50);
        assertThat(counters.get(PortCounter.RX_BYTES)).isEqualTo(3000);
    }

    @Test
    void shouldNotGiveHeldFrameAgainWhenItIsReleasedLast() {
        for (int i = 0; i < 4; i++) {
            kernel.receive(frame(i));
            assertThat(ring.next()).isTrue();
        }
        assertThat(ring.next()).isFalse();
        ring.release(1);
        ring.release(2);
        ring.release(3);
        assertThat(ring.next()).as("slot 0 is still held").isFalse();
        assertThat(kernel.room()).isFalse();
        ring.release(0);
        assertThat(kernel.room()).isTrue();
        kernel.receive(frame(9));
        assertThat(ring.next()).isTrue();
        assertThat(current()).isEqualTo(frame(9));
    }

    @Test
    void shouldDropAndCountFrameWhenItWasTruncated() {
        kernel.receive(frame(1), 70_000, 0, 0, 0);
        kernel.receive(frame(2));
        assertThat(ring.next()).isTrue();
        assertThat(current()).isEqualTo(frame(2));
        assertThat(counters.get(PortCounter.RX_TRUNCATED)).isEqualTo(1);
        assertThat(kernel.status(0)).isZero();
    }

    @Test
    void shouldPutTagBackWhenKernelStrippedIt() {
        byte[] stripped = new byte[60];
        for (int i = 0; i < stripped.length; i++) {
            stripped[i] = (byte) i;
        }
        kernel.receive(
                stripped, 60, ReceiveRing.STATUS_VLAN_VALID | ReceiveRing.STATUS_VLAN_TPID_VALID, 0x88a8, 0x2007);
        ByteBuffer header = kernel.virtioHeader(0);
        header.put(VirtioHeader.FLAGS_OFFSET, (byte) VirtioHeader.NEEDS_CHECKSUM);
        header.put(VirtioHeader.GSO_TYPE_OFFSET, (byte) VirtioHeader.GSO_TCP_IPV4);
        header.putShort(VirtioHeader.HEADER_LENGTH_OFFSET, (short) 54);
        header.putShort(VirtioHeader.GSO_SIZE_OFFSET, (short) 1448);
        header.putShort(VirtioHeader.CHECKSUM_START_OFFSET, (short) 34);
        header.putShort(VirtioHeader.CHECKSUM_OFFSET_OFFSET, (short) 16);

        assertThat(ring.next()).isTrue();
        byte[] tagged = ByteBuffer.allocate(64)
                .put(stripped, 0, 12)
                .putInt(0x88a82007)
                .put(stripped, 12, 48)
                .array();
        assertThat(current()).isEqualTo(tagged);
        assertThat(ring.partialChecksum()).isTrue();
        ByteBuffer moved = kernel.memory()
                .buffer()
                .slice(ring.offset() - VirtioHeader.LENGTH, VirtioHeader.LENGTH)
                .order(kernel.memory().buffer().order());
        assertThat(moved.getShort(VirtioHeader.HEADER_LENGTH_OFFSET)).isEqualTo((short) 58);
        assertThat(moved.getShort(VirtioHeader.GSO_SIZE_OFFSET)).isEqualTo((short) 1448);
        assertThat(moved.getShort(VirtioHeader.CHECKSUM_START_OFFSET)).isEqualTo((short) 38);
        assertThat(moved.getShort(VirtioHeader.CHECKSUM_OFFSET_OFFSET)).isEqualTo((short) 16);
        assertThat(counters.get(PortCounter.RX_VLAN)).isEqualTo(1);
    }

    @Test
    void shouldGiveWholeFrameWhenItExceedsItsSlot() {
        byte[] large = new byte[65_549];
        new Random(1).nextBytes(large);
        for (int i = 0; i < 100; i++) {
            large[100] = (byte) i;
            kernel.receiveLong(large.clone(), 0, 0, 0);
            kernel.receive(frame(i));
            assertThat(ring.next()).isTrue();
            assertThat(current()).isEqualTo(large);
            int first = ring.slot();
            assertThat(ring.next()).isTrue();
            assertThat(current()).isEqualTo(frame(i));
            ring.release(ring.slot());
            ring.release(first);
        }
        assertThat(counters.get(PortCounter.RX_LONG)).isEqualTo(100);
    }

    @Test
    void shouldPutTagBackWhenFrameExceedsItsSlot() {
        byte[] large = new byte[9000];
        new Random(1).nextBytes(large);
        kernel.receiveLong(large, ReceiveRing.STATUS_VLAN_VALID, 0, 7);
        assertThat(ring.next()).isTrue();
        assertThat(current())
                .isEqualTo(ByteBuffer.allocate(9004)
                        .put(large, 0, 12)
                        .putInt(0x8100_0007)
                        .put(large, 12, 8988)
                        .array());
    }

    @Test
    void shouldWaitWhenAllBuffersOfLongFramesAreHeld() {
        FakeKernel deep = new FakeKernel(40);
        ReceiveRing deepRing = new ReceiveRing(deep.memory(), FakeKernel.SLOT_BYTES, deep::readLong, counters);
        for (int i = 0; i < ReceiveRing.LONG_FRAMES + 1; i++) {
            deep.receiveLong(new byte[5000], 0, 0, 0);
        }
        for (int i = 0; i < ReceiveRing.LONG_FRAMES; i++) {
            assertThat(deepRing.next()).isTrue();
        }
        assertThat(deepRing.next()).isFalse();
        deepRing.release(5);
        assertThat(deepRing.next()).isTrue();
        assertThat(deepRing.slot()).isEqualTo(ReceiveRing.LONG_FRAMES);
    }
}
