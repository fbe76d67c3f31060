package org.dwsr.packet;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import org.dwsr.config.SeededRounds;
import org.dwsr.packet.FrameFlyweight.Kind;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class FrameFlyweightTest {
    private final FrameFlyweight frame = new FrameFlyweight();

    private Kind wrap(ByteBuffer buf, int offset) {
        return frame.wrap(buf, offset, buf.capacity() - offset, false);
    }

    @Nested
    class OverATcpFrame {
        @ParameterizedTest
        @CsvSource({"0, 0, 0, 0", "5, 0, 0, 0", "0, 40, 0, 0", "0, 0, 40, 0", "3, 8, 12, 1", "0, 0, 0, 6", "2, 4, 4, 46"
        })
        void shouldReadEveryFieldWhateverItsOffset(int margin, int ipOptions, int tcpOptions, int padding) {
            TcpFrame described = new TcpFrame()
                    .margin(margin)
                    .ipOptions(ipOptions)
                    .tcpOptions(new int[tcpOptions])
                    .payload(29)
                    .padding(padding);
            ByteBuffer buf = described.write();
            assertThat(wrap(buf, margin)).isEqualTo(Kind.TCP);
            assertThat(frame.kind()).isEqualTo(Kind.TCP);
            assertThat(frame.buffer()).isSameAs(buf);
            assertThat(frame.offset()).isEqualTo(margin);
            assertThat(frame.frameLength()).isEqualTo(described.length() - padding);
            assertThat(frame.ethSource()).isEqualTo(TcpFrame.CLIENT_MAC);
            assertThat(frame.ethDestination()).isEqualTo(TcpFrame.SERVER_MAC);
            assertThat(frame.ipOffset()).isEqualTo(margin + 14);
            assertThat(frame.ipProtocol()).isEqualTo(6);
            assertThat(frame.ipSource()).isEqualTo(TcpFrame.CLIENT);
            assertThat(frame.ipDestination()).isEqualTo(TcpFrame.VIP);
            assertThat(frame.tcpOffset()).isEqualTo(described.tcpOffset());
            assertThat(frame.sourcePort()).isEqualTo(40000);
            assertThat(frame.destinationPort()).isEqualTo(80);
            assertThat(frame.seq()).isEqualTo(described.seq);
            assertThat(frame.ack()).isEqualTo(described.ack);
            assertThat(frame.flags()).isEqualTo(TcpFlags.ACK | TcpFlags.PSH);
            assertThat(frame.window()).isEqualTo(0x4321);
            assertThat(frame.optionsOffset()).isEqualTo(described.tcpOffset() + 20);
            assertThat(frame.optionsLength()).isEqualTo(tcpOptions);
            assertThat(frame.payloadOffset()).isEqualTo(described.tcpOffset() + 20 + tcpOptions);
            assertThat(frame.payloadLength()).isEqualTo(29);
            assertThat(frame.tcpChecksum()).isEqualTo(ReferenceChecksum.ofTcp(buf, margin));
            assertThat(frame.tcpChecksumValid()).isTrue();
            assertThat(frame.ipChecksumValid()).isTrue();
        }

        @Test
        void shouldNotTakeEthernetPaddingForPayload() {
            ByteBuffer buf = new TcpFrame().flags(TcpFlags.ACK).padding(6).write();
            assertThat(wrap(buf, 0)).isEqualTo(Kind.TCP);
            assertThat(frame.payloadLength()).isZero();
            assertThat(frame.seqLength()).isZero();
            assertThat(frame.frameLength()).isEqualTo(54);
        }

        @ParameterizedTest
        @CsvSource({"0x10, 0, 0", "0x02, 0, 1", "0x11, 0, 1", "0x18, 7, 7", "0x19, 7, 8", "0x03, 0, 2", "0x04, 0, 0"})
        void shouldCountSynAndFinAsSequenceNumbers(int flags, int payload, int seqLength) {
            wrap(new TcpFrame().flags(flags).payload(payload).write(), 0);
            assertThat(frame.seqLength()).isEqualTo(seqLength);
        }

        @Test
        void shouldTellEachFlag() {
            for (int bit = 0; bit < 8; bit++) {
                wrap(new TcpFrame().flags(1 << bit).write(), 0);
                for (int other = 0; other < 8; other++) {
                    assertThat(frame.hasFlag(1 << other)).isEqualTo(bit == other);
                }
            }
        }

        @ParameterizedTest
        @ValueSource(ints = {0x4000, 0x8000, 0xc000})
        void shouldNotTakeDontFragmentForAFragment(int field) {
            ByteBuffer buf = new TcpFrame().payload(8).write();
            buf.putShort(20, (short) field);
            assertThat(wrap(buf, 0)).isEqualTo(Kind.TCP);
        }

        @Test
        void shouldNoticeEveryFlippedBitOfTheSegment() {
            ByteBuffer buf = new TcpFrame().tcpOptions(1, 1, 1, 1).payload(5).write();
            for (int at = 34; at < buf.capacity(); at++) {
                if (at == 46) {
                    continue; // the data offset: another shape, not another sum
                }
                for (int bit = 0; bit < 8; bit++) {
                    buf.put(at, (byte) (buf.get(at) ^ 1 << bit));
                    assertThat(wrap(buf, 0)).isEqualTo(Kind.TCP);
                    assertThat(frame.tcpChecksumValid()).as("byte %d", at).isFalse();
                    buf.put(at, (byte) (buf.get(at) ^ 1 << bit));
                }
            }
        }

        @Test
        void shouldNoticeAWrongIpChecksum() {
            ByteBuffer buf = new TcpFrame().ipOptions(4).write();
            buf.put(22, (byte) 63);
            wrap(buf, 0);
            assertThat(frame.ipChecksumValid()).isFalse();
        }
    }

    @Nested
    class OverWhatIsNoTcpFrame {
        @Test
        void shouldBeMalformedWhenTruncatedAtAnyLength() {
            TcpFrame described =
                    new TcpFrame().ipOptions(4).tcpOptions(1, 1, 1, 1).payload(3);
            ByteBuffer whole = described.write();
            for (int length = 0; length < described.length(); length++) {
                ByteBuffer part = ByteBuffer.allocate(length);
                for (int i = 0; i < length; i++) {
                    part.put(i, whole.get(i));
                }
                assertThat(wrap(part, 0)).as("%d bytes", length).isEqualTo(Kind.MALFORMED);
                assertThat(frame.kind()).isEqualTo(Kind.MALFORMED);
            }
        }

        @ParameterizedTest
        @ValueSource(ints = {0, 1, 2, 3, 4})
        void shouldBeMalformedWhenTheIpHeaderIsShorterThanItsMinimum(int words) {
            ByteBuffer buf = new TcpFrame().payload(60).write();
            buf.put(14, (byte) (0x40 | words));
            assertThat(wrap(buf, 0)).isEqualTo(Kind.MALFORMED);
        }

        @Test
        void shouldBeMalformedWhenTheIpHeaderIsLongerThanThePacket() {
            ByteBuffer buf = new TcpFrame().write();
            buf.put(14, (byte) 0x4b);
            assertThat(wrap(buf, 0)).isEqualTo(Kind.MALFORMED);
        }

        @ParameterizedTest
        @ValueSource(ints = {0, 1, 2, 3, 4})
        void shouldBeMalformedWhenTheTcpHeaderIsShorterThanItsMinimum(int words) {
            ByteBuffer buf = new TcpFrame().payload(60).write();
            buf.put(46, (byte) (words << 4));
            assertThat(wrap(buf, 0)).isEqualTo(Kind.MALFORMED);
        }

        @Test
        void shouldBeMalformedWhenTheTcpHeaderIsLongerThanThePacket() {
            ByteBuffer buf = new TcpFrame().payload(3).padding(50).write();
            buf.put(46, (byte) 0x60);
            assertThat(wrap(buf, 0)).isEqualTo(Kind.MALFORMED);
            buf.put(46, (byte) 0xf0);
            assertThat(wrap(buf, 0)).isEqualTo(Kind.MALFORMED);
        }

        @ParameterizedTest
        @CsvSource({
            "0, MALFORMED",
            "19, MALFORMED",
            "20, MALFORMED",
            "39, MALFORMED",
            "40, TCP",
            "50, TCP",
            "51, MALFORMED"
        })
        void shouldBelieveTheTotalLengthOnlyBetweenItsHeadersAndTheFramesEnd(int totalLength, Kind expected) {
            ByteBuffer buf = new TcpFrame().payload(10).write();
            buf.putShort(16, (short) totalLength);
            assertThat(wrap(buf, 0)).isEqualTo(expected);
            if (expected == Kind.TCP) {
                assertThat(frame.payloadLength()).isEqualTo(totalLength - 40);
            }
        }

        @Test
        void shouldBeMalformedWhenTheTotalLengthIsHuge() {
            ByteBuffer buf = new TcpFrame().payload(10).write();
            buf.putShort(16, (short) 0xffff);
            assertThat(wrap(buf, 0)).isEqualTo(Kind.MALFORMED);
        }

        @ParameterizedTest
        @ValueSource(ints = {0x0, 0x5, 0x6, 0xf})
        void shouldBeMalformedWhenTheVersionIsNotFour(int version) {
            ByteBuffer buf = new TcpFrame().payload(10).write();
            buf.put(14, (byte) (version << 4 | 5));
            assertThat(wrap(buf, 0)).isEqualTo(Kind.MALFORMED);
        }

        @ParameterizedTest
        @ValueSource(ints = {0x2000, 0x0001, 0x1fff, 0x3fff, 0x6000})
        void shouldBeAFragmentWhenMoreFollowOrOneCameBefore(int field) {
            ByteBuffer buf = new TcpFrame().payload(8).write();
            buf.putShort(20, (short) field);
            assertThat(wrap(buf, 0)).isEqualTo(Kind.FRAGMENT);
            assertThat(frame.ipDestination()).isEqualTo(TcpFrame.VIP);
        }

        @Test
        void shouldBeAFragmentEvenWhenTooShortForTcp() {
            // RFC 1858: a tiny fragment must not be read as a TCP header.
            ByteBuffer buf = new TcpFrame().write();
            buf.putShort(16, (short) 28);
            buf.putShort(20, (short) 0x2000);
            assertThat(wrap(buf, 0)).isEqualTo(Kind.FRAGMENT);
        }

        @ParameterizedTest
        @CsvSource({"0x8100", "0x88a8", "0x88cc", "0x0801", "0x0000", "0x05dc", "0xffff"})
        void shouldBeOtherWhenTheEtherTypeIsNeitherIpv4NorArp(int etherType) {
            ByteBuffer buf = new TcpFrame().payload(8).write();
            buf.putShort(12, (short) etherType);
            assertThat(wrap(buf, 0)).isEqualTo(Kind.OTHER);
            assertThat(frame.ethSource()).isEqualTo(TcpFrame.CLIENT_MAC);
        }

        @Test
        void shouldBeArpByItsEtherTypeAlone() {
            ByteBuffer buf = ByteBuffer.allocate(14).putShort(12, (short) 0x0806);
            assertThat(wrap(buf, 0)).isEqualTo(Kind.ARP);
        }

        @Test
        void shouldBeIpv4WhenTheProtocolIsAnother() {
            ByteBuffer buf = new TcpFrame().ipOptions(8).payload(8).padding(4).write();
            buf.put(23, (byte) 17);
            assertThat(wrap(buf, 0)).isEqualTo(Kind.IPV4);
            assertThat(frame.ipProtocol()).isEqualTo(17);
            assertThat(frame.payloadOffset()).isEqualTo(42);
            assertThat(frame.payloadLength()).isEqualTo(28);
        }

        @Test
        void shouldNeverReadOutsideTheFrameWhateverItsBytes() {
            int[] tcp = {0};
            SeededRounds.forAll(5_000, random -> {
                ByteBuffer buf = new TcpFrame()
                        .ipOptions(4 * random.nextInt(3))
                        .tcpOptions(new int[4 * random.nextInt(3)])
                        .payload(random.nextInt(10))
                        .padding(random.nextInt(3))
                        .write();
                for (int i = random.nextInt(4); i > 0; i--) {
                    int[] telling = {12, 13, 14, 16, 17, 20, 21, 23, 46, 50, 54};
                    int at = Math.min(telling[random.nextInt(telling.length)], buf.capacity() - 1);
                    buf.put(at, (byte) random.nextInt());
                }
                int length = random.nextInt(8) == 0 ? random.nextInt(buf.capacity()) : buf.capacity();
                ByteBuffer exact = buf.duplicate();
                exact.limit(length);
                Kind kind = frame.wrap(exact, 0, length, false);
                if (kind == Kind.TCP) {
                    tcp[0]++;
                    assertThat(frame.optionsLength()).isBetween(0, 40);
                    assertThat(frame.payloadLength()).isNotNegative();
                    assertThat(frame.payloadOffset() + frame.payloadLength())
                            .isEqualTo(frame.frameLength())
                            .isLessThanOrEqualTo(length);
                    frame.tcpChecksumValid();
                    frame.ipChecksumValid();
                }
            });
            assertThat(tcp[0]).isBetween(500, 4_500);
        }
    }

    @Nested
    class Setting {
        /** Every setter that takes part in masquerade, at every alignment, with the values where carries happen. */
        @Test
        void shouldKeepTheChecksumOfACompleteFrame() {
            SeededRounds.forAll(1_000, random -> {
                int margin = random.nextInt(3);
                TcpFrame described = new TcpFrame()
                        .margin(margin)
                        .tcpOptions(1, 5, 10, 1, 2, 3, 4, 5, 6, 7, 8, 0)
                        .payload(random.nextInt(40))
                        .padding(random.nextInt(2) * 5);
                ByteBuffer buf = described.write();
                wrap(buf, margin);
                int value = random.nextBoolean() ? random.nextInt() : -random.nextInt(2);
                int segmentLength = 32 + described.payload.length;
                switch (random.nextInt(6)) {
                    case 0:
                        frame.seq(value);
                        assertThat(frame.seq()).isEqualTo(value);
                        break;
                    case 1:
                        frame.ack(value);
                        assertThat(frame.ack()).isEqualTo(value);
                        break;
                    case 2:
                        frame.window(value & 0xffff);
                        assertThat(frame.window()).isEqualTo(value & 0xffff);
                        break;
                    case 3:
                        int at32 = frame.tcpOffset() + 20 + random.nextInt(segmentLength - 20 - 3);
                        frame.set32(at32, value);
                        assertThat(buf.getInt(at32)).isEqualTo(value);
                        break;
                    default:
                        int at8 = frame.tcpOffset() + 20 + random.nextInt(segmentLength - 20);
                        frame.set8(at8, value);
                        assertThat(buf.get(at8)).isEqualTo((byte) value);
                        break;
                }
                assertThat(frame.tcpChecksum()).isEqualTo(ReferenceChecksum.ofTcp(buf, margin));
                assertThat(frame.tcpChecksumValid()).isTrue();
                assertThat(frame.ipChecksumValid()).isTrue();
                for (int i = buf.capacity() - described.padding; i < buf.capacity(); i++) {
                    assertThat(buf.get(i)).isEqualTo((byte) 0xee);
                }
            });
        }

        @Test
        void shouldKeepTheChecksumWhenTheLastByteOfAnOddSegmentChanges() {
            // The byte behind it is padding on the wire and zero in the sum.
            ByteBuffer buf = new TcpFrame().payload(5).padding(3).write();
            wrap(buf, 0);
            frame.set8(frame.payloadOffset() + 4, 0x80);
            assertThat(frame.tcpChecksum()).isEqualTo(ReferenceChecksum.ofTcp(buf, 0));
        }

        @Test
        void shouldTakeTheUrgentPointerAwayAndKeepTheChecksum() {
            ByteBuffer buf = new TcpFrame().payload(5).write();
            wrap(buf, 0);
            frame.set8(frame.tcpOffset() + 13, TcpFlags.ACK | TcpFlags.URG);
            frame.set8(frame.tcpOffset() + 18, 0x12);
            frame.set8(frame.tcpOffset() + 19, 0x34);
            frame.clearUrgent();
            assertThat(frame.flags()).isEqualTo(TcpFlags.ACK);
            assertThat(buf.getShort(frame.tcpOffset() + 18)).isZero();
            assertThat(frame.tcpChecksum()).isEqualTo(ReferenceChecksum.ofTcp(buf, 0));
        }

        @Test
        void shouldKeepTheChecksumOfSackBlocksAtOddOffsets() {
            // NOP, then SACK: the blocks start at an odd distance from the TCP header.
            ByteBuffer buf = new TcpFrame()
                    .tcpOptions(1, 5, 18, 9, 8, 7, 6, 5, 4, 3, 2, 1, 2, 3, 4, 5, 6, 7, 8, 0)
                    .write();
            wrap(buf, 0);
            TcpOptions options = new TcpOptions();
            options.parse(buf, frame.optionsOffset(), frame.optionsLength());
            assertThat(options.sackBlocks()).isEqualTo(2);
            assertThat((options.sackOffset() - frame.tcpOffset()) % 2).isEqualTo(1);
            for (int i = 0; i < 4; i++) {
                frame.set32(options.sackOffset() + 4 * i, 0xfffe_0000 + i);
                assertThat(frame.tcpChecksum()).isEqualTo(ReferenceChecksum.ofTcp(buf, 0));
            }
        }

        @Test
        void shouldRewriteTheAddressesOfTheFrameAndNothingElse() {
            ByteBuffer buf = new TcpFrame().write();
            int type = buf.getShort(12);
            wrap(buf, 0);
            frame.ethDestination(0xffff_ffff_fffeL);
            frame.ethSource(0x8000_0000_0001L);
            assertThat(frame.ethDestination()).isEqualTo(0xffff_ffff_fffeL);
            assertThat(frame.ethSource()).isEqualTo(0x8000_0000_0001L);
            assertThat((int) buf.getShort(12)).isEqualTo(type);
            assertThat(frame.tcpChecksumValid()).isTrue();
        }
    }

    @Nested
    class WithAPartialChecksum {
        private static final int PSEUDO_SUM = 0xabcd;
        private final ByteBuffer buf =
                new TcpFrame().tcpOptions(1, 1, 1, 1).payload(9).write();

        private void wrapPartial() {
            buf.putShort(50, (short) PSEUDO_SUM);
            assertThat(frame.wrap(buf, 0, buf.capacity(), true)).isEqualTo(Kind.TCP);
        }

        @Test
        void shouldLeaveThePseudoHeadersSumAlone() {
            wrapPartial();
            frame.seq(1);
            frame.ack(2);
            frame.window(3);
            frame.set32(frame.payloadOffset(), 4);
            frame.set8(frame.payloadOffset() + 8, 5);
            assertThat(frame.tcpChecksum()).isEqualTo(PSEUDO_SUM);
            assertThat(frame.seq()).isEqualTo(1);
            assertThat(frame.ack()).isEqualTo(2);
            assertThat(frame.window()).isEqualTo(3);
            assertThat(buf.getInt(frame.payloadOffset())).isEqualTo(4);
            assertThat(buf.get(frame.payloadOffset() + 8)).isEqualTo((byte) 5);
        }

        @Test
        void shouldCountAsValid() {
            wrapPartial();
            assertThat(frame.tcpChecksumValid()).isTrue();
        }

        @Test
        void shouldCarryNothingOverToTheNextFrame() {
            wrapPartial();
            ByteBuffer complete = new TcpFrame().write();
            wrap(complete, 0);
            frame.seq(77);
            assertThat(frame.tcpChecksum()).isEqualTo(ReferenceChecksum.ofTcp(complete, 0));
            buf.putShort(50, (short) PSEUDO_SUM);
            wrap(buf, 0);
            assertThat(frame.tcpChecksumValid()).isFalse();
        }
    }
}
