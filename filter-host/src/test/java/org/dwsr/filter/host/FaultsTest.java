package org.dwsr.filter.host;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class FaultsTest {
    private static final long MS = 1_000_000L;
    private static final int SLOTS = 64;

    private final FakeKernel kernel = new FakeKernel(SLOTS);
    private final PortCounters counters = new PortCounters();
    private final ReceiveRing ring =
            new ReceiveRing(kernel.memory(), FakeKernel.SLOT_BYTES, kernel::readLong, new PortCounters());
    private final TransmitQueue queue = new TransmitQueue(kernel, 1500, counters);

    private static byte[] frame(int number) {
        byte[] frame = new byte[60 + number % 5];
        Arrays.fill(frame, (byte) number);
        return frame;
    }

    private static FaultDice dice(String spec, PortCounters counters) {
        return new FaultDice(FaultSpec.parse(spec), "a direction", counters);
    }

    private FaultySource source(String spec) {
        return new FaultySource(ring, dice(spec, counters));
    }

    private FaultySink sink(String spec) {
        return new FaultySink(queue, dice(spec, counters), counters);
    }

    private void forward(FrameSink sink, int number, long nowNs) {
        kernel.receive(frame(number));
        assertThat(ring.next(nowNs)).isTrue();
        sink.forward(ring, nowNs);
    }

    /** Takes what there is and sends it, as a port pair does; the first byte of each frame. */
    private List<Integer> pump(FrameSource from, long nowNs) {
        int before = kernel.sent.size();
        while (from.next(nowNs)) {
            queue.forward(from, nowNs);
        }
        assertThat(queue.flush(nowNs)).isTrue();
        return numbers(before);
    }

    private List<Integer> numbers(int from) {
        List<Integer> numbers = new ArrayList<>();
        for (byte[] sent : kernel.sentFrames().subList(from, kernel.sent.size())) {
            assertThat(sent).isEqualTo(frame(sent[0]));
            numbers.add((int) sent[0]);
        }
        return numbers;
    }

    private void assertAllSlotsFree() {
        for (int slot = 0; slot < SLOTS; slot++) {
            assertThat(kernel.status(slot)).as("slot %s", slot).isZero();
        }
    }

    @Test
    void shouldDropEveryReceivedFrameWhenLossIsTotal() {
        FaultySource source = source("loss=100%");
        kernel.receive(frame(1));
        kernel.receive(frame(2));
        assertThat(pump(source, 0)).isEmpty();
        assertThat(counters.get(PortCounter.FAULT_LOST)).isEqualTo(2);
        assertAllSlotsFree();
    }

    @Test
    void shouldGiveReceivedFrameTwiceWhenDuplicationIsTotal() {
        FaultySource source = source("duplicate=100%");
        kernel.receive(frame(1));
        kernel.receive(frame(2));
        assertThat(pump(source, 0)).containsExactly(1, 1, 2, 2);
        assertThat(counters.get(PortCounter.FAULT_DUPLICATED)).isEqualTo(2);
        assertAllSlotsFree();
    }

    @Test
    void shouldGiveHeldFrameOnlyAfterItsTimeWhenNothingFollows() {
        FaultySource source = source("reorder=100%,hold=4ms");
        kernel.receive(frame(1));
        assertThat(pump(source, 0)).isEmpty();
        assertAllSlotsFree();
        assertThat(pump(source, 4 * MS - 1)).isEmpty();
        assertThat(pump(source, 4 * MS)).containsExactly(1);
        assertThat(counters.get(PortCounter.FAULT_REORDERED)).isEqualTo(1);
    }

    @Test
    void shouldGiveHeldFrameAfterItsFollowersWhenTheyComeSooner() {
        FaultySource source = source("reorder=100%,behind=2,hold=1000ms");
        for (int i = 1; i <= 5; i++) {
            kernel.receive(frame(i));
        }
        assertThat(pump(source, 0)).as("each was overtaken by two, which wait").containsExactly(1, 2, 3);
    }

    @Test
    void shouldKeepOrderOfAllButHeldFramesWhenSomeAreReordered() {
        FaultySource source = source("reorder=30%,behind=2,seed=5");
        for (int i = 0; i < 40; i++) {
            kernel.receive(frame(i));
        }
        List<Integer> got = pump(source, 0);
        got.addAll(pump(source, 1000 * MS));
        List<Integer> all = new ArrayList<>(got);
        all.sort(null);
        List<Integer> expected = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            expected.add(i);
        }
        assertThat(all).isEqualTo(expected);
        assertThat(got).isNotEqualTo(expected);
        for (int i = 0; i < got.size(); i++) {
            assertThat(Math.abs(got.get(i) - i)).as("place of %s", got.get(i)).isLessThanOrEqualTo(40 / 3);
        }
    }

    @Test
    void shouldHitStatedShareOfFramesWhenSeedIsGiven() {
        FaultDice dice = dice("loss=2%,reorder=5%,duplicate=3%,seed=7", counters);
        FaultDice same = dice("loss=2%,reorder=5%,duplicate=3%,seed=7", new PortCounters());
        for (int i = 0; i < 100_000; i++) {
            assertThat(dice.throwOnce()).isEqualTo(same.throwOnce());
        }
        assertThat(counters.get(PortCounter.FAULT_LOST)).isBetween(1_800L, 2_200L);
        assertThat(counters.get(PortCounter.FAULT_REORDERED)).isBetween(4_700L, 5_300L);
        assertThat(counters.get(PortCounter.FAULT_DUPLICATED)).isBetween(2_750L, 3_250L);
    }

    @Test
    void shouldThrowOtherDiceWhenSeedOrDirectionDiffers() {
        FaultSpec spec = FaultSpec.parse("loss=50%,seed=7");
        FaultDice one = new FaultDice(spec, "s1 sends", counters);
        FaultDice direction = new FaultDice(spec, "s1 receives", counters);
        FaultDice seed = new FaultDice(FaultSpec.parse("loss=50%,seed=8"), "s1 sends", counters);
        List<List<FaultDice.Fate>> fates = List.of(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
        for (int i = 0; i < 64; i++) {
            fates.get(0).add(one.throwOnce());
            fates.get(1).add(direction.throwOnce());
            fates.get(2).add(seed.throwOnce());
        }
        assertThat(fates.get(0)).isNotEqualTo(fates.get(1)).isNotEqualTo(fates.get(2));
    }

    @Test
    void shouldDropSentFramesWhenLossIsTotal() {
        FaultySink sink = sink("loss=100%");
        forward(sink, 1, 0);
        sink.inject(ByteBuffer.wrap(frame(2)), 0, frame(2).length, 0);
        assertThat(sink.flush(0)).isTrue();
        assertThat(kernel.sent).isEmpty();
        assertThat(counters.get(PortCounter.FAULT_LOST)).isEqualTo(2);
        assertAllSlotsFree();
    }

    @Test
    void shouldSendFramesTwiceWhenDuplicationIsTotal() {
        FaultySink sink = sink("duplicate=100%");
        forward(sink, 1, 0);
        sink.inject(ByteBuffer.wrap(frame(2)), 0, frame(2).length, 0);
        assertThat(sink.flush(0)).isTrue();
        assertThat(numbers(0)).containsExactly(1, 1, 2, 2);
        assertAllSlotsFree();
    }

    @Test
    void shouldSendHeldFramesLateWhenAllAreReordered() {
        FaultySink sink = sink("reorder=100%,behind=1,hold=3ms");
        forward(sink, 1, 0);
        sink.inject(ByteBuffer.wrap(frame(2)), 0, frame(2).length, 0);
        assertThat(sink.flush(0)).isTrue();
        assertThat(numbers(0)).as("overtaken by one, which waits itself").containsExactly(1);
        sink.flush(3 * MS - 1);
        assertThat(numbers(1)).isEmpty();
        sink.flush(3 * MS);
        assertThat(numbers(1)).containsExactly(2);
        assertAllSlotsFree();
    }

    @Test
    void shouldDropHeldFramesWhenInterfaceGoes() {
        FaultySink sink = sink("reorder=100%");
        forward(sink, 1, 0);
        sink.dropAll(PortCounter.TX_DROPPED_DOWN);
        sink.flush(1000 * MS);
        assertThat(kernel.sent).isEmpty();
        assertThat(counters.get(PortCounter.TX_DROPPED_DOWN)).isEqualTo(1);
    }

    @Test
    void shouldLetFramePassWhenNoMoreCanBeHeld() {
        FaultySink sink = sink("reorder=100%,behind=32,hold=1000ms");
        ByteBuffer large = ByteBuffer.allocate(1 << 16);
        for (int i = 0; i < 70; i++) {
            sink.inject(large, 0, large.capacity(), 0);
            sink.flush(0);
        }
        assertThat(counters.get(PortCounter.FAULT_OVERFLOW)).isZero();
        assertThat(kernel.sent).as("all but the 32 that still wait").hasSize(70 - 32);
    }

    @Test
    void shouldSendFrameAfterDelayAndInOrderWhenDelayed() {
        DelayedSink sink = new DelayedSink(queue, 25 * MS, counters);
        forward(sink, 1, 0);
        assertAllSlotsFree();
        sink.inject(ByteBuffer.wrap(frame(2)), 0, frame(2).length, 1);
        forward(sink, 3, 2);
        sink.flush(25 * MS - 1);
        assertThat(kernel.sent).isEmpty();
        sink.flush(25 * MS);
        assertThat(numbers(0)).containsExactly(1);
        sink.flush(25 * MS + 2);
        assertThat(numbers(0)).containsExactly(1, 2, 3);
        assertThat(counters.get(PortCounter.DELAYED)).isEqualTo(3);
    }

    @Test
    void shouldKeepVirtioHeaderWhenFrameIsDelayed() {
        DelayedSink sink = new DelayedSink(queue, MS, counters);
        kernel.receive(frame(1));
        byte[] header = {1, 1, 54, 0, (byte) 0xb4, 5, 34, 0, 16, 0};
        kernel.virtioHeader(0).put(header);
        assertThat(ring.next(0)).isTrue();
        sink.forward(ring, 0);
        sink.flush(MS);
        assertThat(Arrays.copyOf(kernel.sent.get(0), 10)).isEqualTo(header);
    }

    @Test
    void shouldDropAndCountWhenTooManyAreDelayed() {
        DelayedSink sink = new DelayedSink(queue, MS, counters, new FrameFifo(1 << 16, 4));
        for (int i = 0; i < 6; i++) {
            forward(sink, i, 0);
        }
        sink.flush(MS);
        assertThat(numbers(0)).containsExactly(0, 1, 2, 3);
        assertThat(counters.get(PortCounter.DELAY_OVERFLOW)).isEqualTo(2);
        forward(sink, 9, MS);
        sink.flush(2 * MS);
        assertThat(numbers(4)).as("there is room again").containsExactly(9);
    }

    @Test
    void shouldKeepDelayedFramesWhenKernelHasNoRoom() {
        DelayedSink sink = new DelayedSink(queue, MS, counters, new FrameFifo(1 << 16, 512));
        for (int i = 0; i < TransmitQueue.CAPACITY + 10; i++) {
            kernel.receive(frame(i % 100));
            assertThat(ring.next(0)).isTrue();
            sink.forward(ring, 0);
        }
        kernel.answers.addAll(List.of(-Libc.ENOBUFS));
        assertThat(sink.flush(MS)).isFalse();
        assertThat(sink.blocked()).isTrue();
        assertThat(sink.flush(MS)).isTrue();
        assertThat(numbers(0)).hasSize(TransmitQueue.CAPACITY + 10);
        assertThat(numbers(0).get(TransmitQueue.CAPACITY + 9)).isEqualTo((TransmitQueue.CAPACITY + 9) % 100);
    }

    @Test
    void shouldReuseMemoryWhenFramesOfManyLengthsPassThroughFifo() {
        FrameFifo fifo = new FrameFifo(1 << 12, 64);
        java.util.Random random = new java.util.Random(3);
        ByteBuffer from = ByteBuffer.allocate(2000);
        int added = 0;
        int taken = 0;
        int refused = 0;
        List<Integer> lengths = new ArrayList<>();
        for (int turn = 0; turn < 20_000; turn++) {
            if (random.nextInt(3) != 0) {
                int length = 4 + random.nextInt(900);
                from.putInt(0, added);
                if (fifo.addInjected(from, 0, length, 0, 0)) {
                    lengths.add(length);
                    added++;
                } else {
                    refused++;
                    assertThat(fifo.size()).isPositive();
                }
            } else if (fifo.next(0)) {
                assertThat(fifo.buffer().getInt(fifo.offset())).isEqualTo(taken);
                assertThat(fifo.length()).isEqualTo(lengths.get(taken));
                fifo.release(fifo.slot());
                taken++;
            }
        }
        assertThat(taken).isGreaterThan(4_000);
        assertThat(refused).isPositive();
    }

    @Test
    void shouldNotOverwriteFrameWhenItWasGivenButNotReleased() {
        FrameFifo fifo = new FrameFifo(1 << 10, 4);
        ByteBuffer from = ByteBuffer.allocate(600);
        from.putInt(0, 11);
        assertThat(fifo.addInjected(from, 0, 600, 0, 0)).isTrue();
        assertThat(fifo.next(0)).isTrue();
        int slot = fifo.slot();
        from.putInt(0, 12);
        assertThat(fifo.addInjected(from, 0, 600, 0, 0)).isFalse();
        assertThat(fifo.buffer().getInt(fifo.offset())).isEqualTo(11);
        fifo.release(slot);
        assertThat(fifo.addInjected(from, 0, 600, 0, 0)).isTrue();
    }

    @Test
    void shouldDecorateOnlyNetworkSideWithFaultsAndBothWithDelay() {
        Impairments both = new Impairments(FaultSpec.parse("loss=1%"), 50 * MS);
        assertThat(both.receiving("s1", PortSide.NETWORK, ring, counters)).isInstanceOf(FaultySource.class);
        assertThat(both.receiving("s1", PortSide.HOST, ring, counters)).isSameAs(ring);
        assertThat(both.sending("s1", PortSide.NETWORK, queue, counters)).isInstanceOf(FaultySink.class);
        FrameSink host = both.sending("s1", PortSide.HOST, queue, counters);
        forward(host, 1, 0);
        host.flush(25 * MS - 1);
        assertThat(kernel.sent).isEmpty();
        host.flush(25 * MS);
        assertThat(numbers(0)).containsExactly(1);
        assertThat(new Impairments(null, 0).sending("s1", PortSide.NETWORK, queue, counters))
                .isSameAs(queue);
        assertThat(PortDecorator.NONE.receiving("s1", PortSide.NETWORK, ring, counters))
                .isSameAs(ring);
        assertThat(PortDecorator.NONE.sending("s1", PortSide.NETWORK, queue, counters))
                .isSameAs(queue);
    }
}
