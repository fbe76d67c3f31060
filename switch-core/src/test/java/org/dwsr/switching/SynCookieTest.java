package org.dwsr.switching;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.dwsr.config.SeededRounds;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.IpAddress;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.MssClass;
import org.dwsr.packet.SegmentBuilder;
import org.dwsr.packet.TcpOptions;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SynCookieTest {
    private static final long MINUTE = 60_000_000_000L;
    private static final long NOW = 28_333_333 * MINUTE;
    private static final int VIP = 0x0a00_0064;
    private static final long KEY = ConnectionKey.of(0x0a00_0001, 40_000, 80);
    private static final int ISN = 12_345;

    private final SynCookie cookie = new SynCookie(SwitchLab.KEY);

    private static TcpOptions options(int mss, int windowScale, boolean sack) {
        SegmentBuilder builder = new SegmentBuilder().start();
        if (mss > 0) {
            builder.mss(mss);
        }
        if (sack) {
            builder.sackPermitted();
        }
        if (windowScale != TcpOptions.NO_WINDOW_SCALE) {
            builder.windowScale(windowScale);
        }
        ByteBuffer frame = builder.build(1, 2, 3, 4, 5, 6, 7, 8, 0, 9);
        TcpOptions options = new TcpOptions();
        options.parse(frame, 54, builder.length() - 54);
        return options;
    }

    private static int issue(SynCookie by, long key, int vip, int isn, TcpOptions options, long now) {
        return issue(by, IpAddress.ofIpv4(ConnectionKey.clientAddress(key)), (int) key, vip, isn, options, now);
    }

    private static int issue(
            SynCookie by, IpAddress client, int ports, int vip, int isn, TcpOptions options, long now) {
        return by.issue(client.high(), client.low(), ports, IpAddress.ofIpv4(vip), isn, options, now);
    }

    private static boolean accepts(SynCookie by, long key, int vip, int isn, int wseq, long now) {
        return accepts(by, IpAddress.ofIpv4(ConnectionKey.clientAddress(key)), (int) key, vip, isn, wseq, now);
    }

    private static boolean accepts(SynCookie by, IpAddress client, int ports, int vip, int isn, int wseq, long now) {
        return by.accepts(client.high(), client.low(), ports, IpAddress.ofIpv4(vip), isn, wseq, now);
    }

    @Nested
    class Options {
        @Test
        void shouldCarryEveryOptionWhenTheRequestArrives() {
            for (int mssClass = 0; mssClass < 8; mssClass++) {
                for (int scale = 0; scale <= 15; scale++) {
                    for (boolean sack : new boolean[] {false, true}) {
                        int wseq = issue(cookie, KEY, VIP, ISN, options(MssClass.bytes(mssClass), scale, sack), NOW);

                        long tag = SynCookie.tag(wseq, 7);
                        assertThat(accepts(cookie, KEY, VIP, ISN, wseq, NOW)).isTrue();
                        assertThat(MigrationTag.mssClass(tag)).isEqualTo(mssClass);
                        assertThat(MigrationTag.clientScale(tag)).isEqualTo(scale);
                        assertThat(MigrationTag.sack(tag)).isEqualTo(sack);
                        assertThat(MigrationTag.serverScale(tag)).isEqualTo(scale == 15 ? 15 : 7);
                        assertThat(MigrationTag.kind(tag)).isEqualTo(MigrationTag.FRESH);
                        assertThat(MigrationTag.timestamps(tag)).isFalse();
                        assertThat(MigrationTag.ecn(tag)).isFalse();
                    }
                }
            }
        }

        @ParameterizedTest
        @CsvSource({
            "0, 536",
            "1, 536",
            "535, 536",
            "536, 536",
            "1219, 536",
            "1220, 1220",
            "1299, 1220",
            "1359, 1300",
            "1399, 1360",
            "1439, 1400",
            "1459, 1440",
            "1460, 1460",
            "8959, 1460",
            "8960, 8960",
            "65535, 8960"
        })
        void shouldRoundTheSegmentSizeDownWhenItIsBetweenClasses(int offered, int carried) {
            int wseq = issue(cookie, KEY, VIP, ISN, options(offered, 7, true), NOW);

            assertThat(MssClass.bytes(MigrationTag.mssClass(SynCookie.tag(wseq, 7))))
                    .isEqualTo(carried);
        }
    }

    @Nested
    class Rejects {
        private final int wseq = issue(cookie, KEY, VIP, ISN, options(1460, 7, true), NOW);

        @Test
        void shouldRejectWhenAnotherClientShowsIt() {
            assertThat(accepts(cookie, ConnectionKey.of(0x0a00_0002, 40_000, 80), VIP, ISN, wseq, NOW))
                    .isFalse();
        }

        @Test
        void shouldRejectWhenAnotherPortShowsIt() {
            assertThat(accepts(cookie, ConnectionKey.of(0x0a00_0001, 40_001, 80), VIP, ISN, wseq, NOW))
                    .isFalse();
            assertThat(accepts(cookie, ConnectionKey.of(0x0a00_0001, 40_000, 81), VIP, ISN, wseq, NOW))
                    .isFalse();
        }

        @Test
        void shouldRejectWhenTheVipDiffers() {
            assertThat(accepts(cookie, KEY, VIP + 1, ISN, wseq, NOW)).isFalse();
        }

        @Test
        void shouldRejectWhenTheClientIsnDiffers() {
            assertThat(accepts(cookie, KEY, VIP, ISN + 1, wseq, NOW)).isFalse();
            assertThat(accepts(cookie, KEY, VIP, ISN - 1, wseq, NOW)).isFalse();
        }

        @Test
        void shouldRejectWhenAnyBitIsChangedAndSoWhenOptionsAreForged() {
            for (int bit = 0; bit < 32; bit++) {
                assertThat(accepts(cookie, KEY, VIP, ISN, wseq ^ 1 << bit, NOW)).isFalse();
            }
        }

        @Test
        void shouldRejectWhenTheKeyIsAnother() {
            SynCookie other = new SynCookie("another 16 bytes".getBytes(StandardCharsets.US_ASCII));

            assertThat(accepts(other, KEY, VIP, ISN, wseq, NOW)).isFalse();
        }

        @Test
        void shouldRejectNearlyAllGuessesWhenGuessed() {
            SeededRounds.forAll(20, random -> {
                int accepted = 0;
                for (int i = 0; i < 1_000; i++) {
                    accepted += accepts(cookie, KEY, VIP, ISN, random.nextInt(), NOW) ? 1 : 0;
                }
                assertThat(accepted).isZero();
            });
        }
    }

    @Nested
    class Minutes {
        private final TcpOptions offered = options(1460, 7, true);

        @Test
        void shouldAcceptUntilTheEndOfTheNextMinute() {
            int first = issue(cookie, KEY, VIP, ISN, offered, NOW);

            assertThat(accepts(cookie, KEY, VIP, ISN, first, NOW + MINUTE - 1)).isTrue();
            assertThat(accepts(cookie, KEY, VIP, ISN, first, NOW + 2 * MINUTE - 1))
                    .isTrue();
            assertThat(accepts(cookie, KEY, VIP, ISN, first, NOW + 2 * MINUTE)).isFalse();
        }

        @Test
        void shouldAcceptAMinuteAtLeastWhenIssuedAtTheLastMoment() {
            int last = issue(cookie, KEY, VIP, ISN, offered, NOW + MINUTE - 1);

            assertThat(accepts(cookie, KEY, VIP, ISN, last, NOW + 2 * MINUTE - 1))
                    .isTrue();
            assertThat(accepts(cookie, KEY, VIP, ISN, last, NOW + 2 * MINUTE)).isFalse();
        }

        @Test
        void shouldRejectWhenItIsOfTheFuture() {
            int future = issue(cookie, KEY, VIP, ISN, offered, NOW + MINUTE);

            assertThat(accepts(cookie, KEY, VIP, ISN, future, NOW)).isFalse();
        }

        @Test
        void shouldRepeatItselfWhenTheSynIsRepeatedWithinTheMinute() {
            assertThat(issue(cookie, KEY, VIP, ISN, offered, NOW + MINUTE - 1))
                    .isEqualTo(issue(cookie, KEY, VIP, ISN, offered, NOW));
        }
    }

    @Nested
    class Keys {
        @Test
        void shouldAcceptWhatAnotherNodeIssuedWhenTheKeyIsShared() {
            int wseq = issue(cookie, KEY, VIP, ISN, options(1460, 7, true), NOW);

            assertThat(accepts(new SynCookie(SwitchLab.KEY.clone()), KEY, VIP, ISN, wseq, NOW))
                    .isTrue();
        }

        @Test
        void shouldKeepItsKeyWhenTheCallersArrayIsWiped() {
            byte[] key = SwitchLab.KEY.clone();
            SynCookie own = new SynCookie(key);
            java.util.Arrays.fill(key, (byte) 0);

            int wseq = issue(own, KEY, VIP, ISN, options(1460, 7, true), NOW);

            assertThat(accepts(cookie, KEY, VIP, ISN, wseq, NOW)).isTrue();
        }

        @Test
        void shouldRefuseTheKeyWhenItIsShort() {
            assertThatThrownBy(() -> new SynCookie(new byte[15]))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("not 15");
        }
    }

    @Test
    void shouldTellIpv6ClientsAndVipsApartByEveryBit() {
        IpAddress client = IpAddress.parse("fd00::1");
        IpAddress vip = IpAddress.parse("fd00::100");
        int ports = (int) KEY;
        int wseq = cookie.issue(client.high(), client.low(), ports, vip, ISN, options(1440, 7, true), NOW);

        assertThat(cookie.accepts(client.high(), client.low(), ports, vip, ISN, wseq, NOW))
                .isTrue();
        for (int bit = 0; bit < 64; bit++) {
            long flip = 1L << bit;
            IpAddress otherHigh = IpAddress.of(vip.high() ^ flip, vip.low());
            IpAddress otherLow = IpAddress.of(vip.high(), vip.low() ^ flip);
            assertThat(cookie.accepts(client.high() ^ flip, client.low(), ports, vip, ISN, wseq, NOW))
                    .isFalse();
            assertThat(cookie.accepts(client.high(), client.low() ^ flip, ports, vip, ISN, wseq, NOW))
                    .isFalse();
            assertThat(cookie.accepts(client.high(), client.low(), ports, otherHigh, ISN, wseq, NOW))
                    .isFalse();
            assertThat(cookie.accepts(client.high(), client.low(), ports, otherLow, ISN, wseq, NOW))
                    .isFalse();
        }
    }

    @Test
    void shouldRoundTripWhenNumbersAreRandom() {
        SeededRounds.forAll(200, random -> {
            long key = random.nextLong();
            int isn = random.nextInt();
            long now = (long) (random.nextDouble() * Long.MAX_VALUE / 2);
            TcpOptions offered = options(random.nextInt(65_536), random.nextInt(16), random.nextBoolean());

            int wseq = issue(cookie, key, VIP, isn, offered, now);

            assertThat(accepts(cookie, key, VIP, isn, wseq, now)).isTrue();
        });
    }
}
