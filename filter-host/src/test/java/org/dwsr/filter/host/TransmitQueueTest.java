package org.dwsr.filter.host;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dwsr.packet.SegmentBuilder;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class TransmitQueueTest {
    private final FakeKernel kernel = new FakeKernel(600);
    private final PortCounters counters = new PortCounters();
    private final ReceiveRing ring =
            new ReceiveRing(kernel.memory(), FakeKernel.SLOT_BYTES, kernel::readLong, new PortCounters());
    private final TransmitQueue queue = new TransmitQueue(kernel, 1500, counters);
    private final List<byte[]> expected = new ArrayList<>();

    private static byte[] frame(int number) {
        byte[] frame = new byte[60];
        Arrays.fill(frame, (byte) number);
        return frame;
    }

    private void forward(int number) {
        kernel.receive(frame(number));
        assertThat(ring.next()).isTrue();
        queue.forward(ring);
        expected.add(frame(number));
    }

    private void inject(int number) {
        queue.inject(ByteBuffer.wrap(frame(number)), 0, 60);
        expected.add(frame(number));
    }

    private void assertAllSlotsFree() {
        for (int slot = 0; slot < 600; slot++) {
            assertThat(kernel.status(slot)).as("slot %s", slot).isZero();
        }
    }

    @Test
    void shouldSendInOrderWhenForwardedAndInjectedAlternate() {
        for (int i = 0; i < 20; i++) {
            forward(i);
            inject(i + 100);
        }
        assertThat(queue.flush(0)).isTrue();
        assertThat(kernel.sentFrames()).containsExactlyElementsOf(expected);
        assertThat(kernel.sent).allSatisfy(sent -> assertThat(sent).startsWith(new byte[10]));
        assertThat(counters.get(PortCounter.TX_FRAMES)).isEqualTo(40);
        assertThat(counters.get(PortCounter.TX_BYTES)).isEqualTo(2400);
        assertThat(counters.get(PortCounter.TX_INJECTED)).isEqualTo(20);
        assertAllSlotsFree();
    }

    @Test
    void shouldCopyInjectedFrameWhenCallerReusesItsBuffer() {
        ByteBuffer mine = ByteBuffer.wrap(frame(1));
        queue.inject(mine, 0, 60);
        mine.put(0, frame(2));
        queue.flush(0);
        assertThat(kernel.sentFrames()).containsExactly(frame(1));
    }

    @Test
    void shouldLoseNothingWhenKernelTakesOnlyPart() {
        kernel.answers.addAll(List.of(3, 1, -Libc.EINTR, 2));
        for (int i = 0; i < 10; i++) {
            forward(i);
        }
        assertThat(queue.flush(0)).isTrue();
        assertThat(kernel.sentFrames()).containsExactlyElementsOf(expected);
        assertAllSlotsFree();
    }

    @Test
    void shouldDropOnlyFaultyFrameWhenItIsTooLong() {
        kernel.answers.addAll(List.of(2, -Libc.EMSGSIZE));
        for (int i = 0; i < 5; i++) {
            forward(i);
        }
        assertThat(queue.flush(0)).isTrue();
        expected.remove(2);
        assertThat(kernel.sentFrames()).containsExactlyElementsOf(expected);
        assertThat(counters.get(PortCounter.TX_DROPPED_LENGTH)).isEqualTo(1);
        assertAllSlotsFree();
    }

    @Test
    void shouldDropEverythingWhenInterfaceIsDown() {
        kernel.answers.addAll(List.of(1, -Libc.ENETDOWN));
        for (int i = 0; i < 5; i++) {
            forward(i);
        }
        assertThat(queue.flush(0)).isTrue();
        assertThat(kernel.sentFrames()).containsExactly(frame(0));
        assertThat(counters.get(PortCounter.TX_DROPPED_DOWN)).isEqualTo(4);
        assertAllSlotsFree();
    }

    @Test
    void shouldAskForSegmentationWhenInjectedFrameExceedsMtu() {
        ByteBuffer large = TestFrames.tcp(0x0a000001, 0x0a000002, 1, 2, 3, 1461);
        queue.inject(large, 0, large.capacity());
        queue.flush(0);
        ByteBuffer sent = ByteBuffer.wrap(kernel.sent.get(0))
                .order(kernel.memory().buffer().order());
        assertThat(sent.get(VirtioHeader.FLAGS_OFFSET)).isEqualTo((byte) VirtioHeader.NEEDS_CHECKSUM);
        assertThat(sent.get(VirtioHeader.GSO_TYPE_OFFSET)).isEqualTo((byte) VirtioHeader.GSO_TCP_IPV4);
        assertThat(sent.getShort(VirtioHeader.HEADER_LENGTH_OFFSET)).isEqualTo((short) 54);
        assertThat(sent.getShort(VirtioHeader.GSO_SIZE_OFFSET)).isEqualTo((short) 1460);
        assertThat(sent.getShort(VirtioHeader.CHECKSUM_START_OFFSET)).isEqualTo((short) 34);
        assertThat(sent.getShort(VirtioHeader.CHECKSUM_OFFSET_OFFSET)).isEqualTo((short) 16);
        ByteBuffer completed = ByteBuffer.wrap(kernel.sentFrames().get(0));
        TestFrames.completeTcpChecksum(completed);
        assertThat(completed).isEqualTo(large);
    }

    @Test
    void shouldAskForSegmentationOfIpv6WhenInjectedFrameExceedsMtu() {
        long high = 0xfd00_0000_0000_0000L;
        SegmentBuilder builder = new SegmentBuilder().start(true).payload(ByteBuffer.wrap(new byte[1441]), 0, 1441);
        ByteBuffer large = builder.build(2, 4, high, 1, high, 2, 3, 4, 5, 6, 16, 7);
        queue.inject(large, 0, builder.length());
        queue.flush(0);
        ByteBuffer sent = ByteBuffer.wrap(kernel.sent.get(0))
                .order(kernel.memory().buffer().order());
        assertThat(sent.get(VirtioHeader.FLAGS_OFFSET)).isEqualTo((byte) VirtioHeader.NEEDS_CHECKSUM);
        assertThat(sent.get(VirtioHeader.GSO_TYPE_OFFSET)).isEqualTo((byte) VirtioHeader.GSO_TCP_IPV6);
        assertThat(sent.getShort(VirtioHeader.HEADER_LENGTH_OFFSET)).isEqualTo((short) 74);
        assertThat(sent.getShort(VirtioHeader.GSO_SIZE_OFFSET)).isEqualTo((short) 1440);
        assertThat(sent.getShort(VirtioHeader.CHECKSUM_START_OFFSET)).isEqualTo((short) 54);
        assertThat(sent.getShort(VirtioHeader.CHECKSUM_OFFSET_OFFSET)).isEqualTo((short) 16);
        ByteBuffer completed = ByteBuffer.wrap(kernel.sentFrames().get(0));
        TestFrames.completeTcpChecksum(completed);
        for (int i = 0; i < builder.length(); i++) {
            assertThat(completed.get(i)).as("byte %d", i).isEqualTo(large.get(i));
        }
    }

    @Nested
    class WithoutRoomInKernel {
        private static final int NO_ROOM = -Libc.ENOBUFS;

        @BeforeEach
        void block() {
            forward(0);
            forward(1);
            kernel.answers.addAll(List.of(1, NO_ROOM));
            assertThat(queue.flush(1000)).isFalse();
        }

        @Test
        void shouldKeepFrameAndSayBlockedWhenPatienceLasts() {
            assertThat(queue.blocked()).isTrue();
            assertThat(queue.size()).isEqualTo(1);
            kernel.answers.add(NO_ROOM);
            assertThat(queue.flush(1000 + TransmitQueue.PATIENCE_NS - 1)).isFalse();
            assertThat(queue.flush(1000 + TransmitQueue.PATIENCE_NS)).isTrue();
            assertThat(queue.blocked()).isFalse();
            assertThat(kernel.sentFrames()).containsExactly(frame(0), frame(1));
            assertThat(counters.get(PortCounter.TX_BUSY)).isEqualTo(2);
            assertAllSlotsFree();
        }

        @Test
        void shouldDropOneFrameWhenPatienceEnds() {
            forward(2);
            kernel.answers.add(NO_ROOM);
            assertThat(queue.flush(1000 + TransmitQueue.PATIENCE_NS)).isFalse();
            assertThat(counters.get(PortCounter.TX_DROPPED_BUSY)).isEqualTo(1);
            assertThat(queue.flush(1000 + TransmitQueue.PATIENCE_NS)).isTrue();
            assertThat(kernel.sentFrames()).containsExactly(frame(0), frame(2));
            assertAllSlotsFree();
        }

        @Test
        void shouldQueueUpToCapacityThenDropAndCountWhenMoreComes() {
            for (int i = 0; i < TransmitQueue.CAPACITY - 1; i++) {
                forward(i);
            }
            assertThat(queue.room()).isZero();
            forward(7);
            inject(8);
            expected.remove(expected.size() - 1);
            expected.remove(expected.size() - 1);
            assertThat(counters.get(PortCounter.TX_DROPPED_FULL)).isEqualTo(2);
            assertThat(queue.flush(1000)).isTrue();
            assertThat(kernel.sentFrames()).containsExactlyElementsOf(expected);
            assertAllSlotsFree();
        }

        @Test
        void shouldReleaseEverythingWhenAllIsDropped() {
            forward(2);
            inject(3);
            queue.dropAll(PortCounter.TX_DROPPED_DOWN);
            assertThat(queue.size()).isZero();
            assertThat(counters.get(PortCounter.TX_DROPPED_DOWN)).isEqualTo(3);
            assertAllSlotsFree();
        }
    }
}
