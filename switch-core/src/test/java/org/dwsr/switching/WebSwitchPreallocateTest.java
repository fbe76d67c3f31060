package org.dwsr.switching;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.dwsr.config.ConfigTrees;
import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** Pre-allocation (paper figures 3 and 4): SYNs that go to a guessed server, and what becomes of the guess. */
class WebSwitchPreallocateTest {
    private static final String PAGE = "GET /a.php HTTP/1.1\r\nHost: a\r\n\r\n";
    private static final String IMAGE = "GET /img/a HTTP/1.1\r\nHost: a\r\n\r\n";
    private static final long PROVED = MigrationTag.with(MigrationTag.of(6, 7, 9, true), 0xffff, MigrationTag.FRESH);

    private final SwitchLab lab = new SwitchLab(preallocating());
    private final LabClient c1 = lab.client(1);

    static Map<String, Object> preallocating() {
        Map<String, Object> tree = ConfigTrees.example();
        ConfigTrees.objectAt(tree, "services", 0).put("handshake", "preallocate");
        return tree;
    }

    /** The SYN goes to s3, which answers 100 to it; the client acknowledges by way of the flow. */
    private void guess() {
        c1.syn().send();
        c1.wseq = 100;
        lab.happened();
    }

    private void prove() {
        guess();
        lab.report("s3").live(c1, PROVED).send();
        lab.happened();
    }

    private static String synTo(String server, String tag) {
        return server + " " + tag + " S seq=c+0 win=502 mss=1460 sack ws=7";
    }

    @Nested
    class Guess {
        @Test
        void shouldSendTheSynToAServerOfTheLikeliestPoolAndItsFlowBefore() {
            c1.syn().send();

            assertThat(lab.happened())
                    .containsExactly("flow c1>s3", synTo("s3", "guess/020"), "+flows_installed", "+guesses");
            assertThat(lab.lastTag)
                    .isEqualTo(MigrationTag.with(MigrationTag.of(6, 7, 15, true), 72, MigrationTag.GUESS));
            assertThat(lab.value("open_guesses")).isEqualTo(1);
            assertThat(lab.webSwitch.load(lab.server("s3").index())).isEqualTo(1);
        }

        @Test
        void shouldGuessByTheSchedule() {
            c1.syn().send();
            lab.client(2).syn().send();

            assertThat(lab.decisions()).contains("flow c1>s3", "flow c2>s4");
        }

        private String guessed = "";

        /** The content type that a client's SYN is sent with. */
        private String guessFor(int client) {
            lab.client(client).syn().send();
            String sent = lab.decisions().get(1);
            guessed = sent.substring(0, 2);
            return sent.substring(3, sent.indexOf(' ', 3));
        }

        private void guessedWrong(int client, String request) {
            LabClient one = lab.client(client);
            one.wseq = 100;
            one.data(1, request)
                    .bouncedBy(guessed)
                    .ethSource(MigrationTag.with(PROVED, 0xffff, MigrationTag.GUESS))
                    .send();
            lab.happened();
        }

        private void guessedRight(int client, int contentType) {
            lab.report(guessed)
                    .live(lab.client(client), MigrationTag.with(PROVED, contentType, 0))
                    .send();
            lab.happened();
        }

        @Test
        void shouldFollowWhatConnectionsAskFirst() {
            assertThat(guessFor(1)).isEqualTo("guess/020");
            guessedWrong(1, IMAGE);
            assertThat(guessFor(2)).isEqualTo("guess/018");
            guessedRight(2, 44);
            assertThat(guessFor(3)).isEqualTo("guess/018");
            guessedWrong(3, PAGE);
            assertThat(guessFor(4)).isEqualTo("guess/018");
            guessedWrong(4, PAGE);
            assertThat(guessFor(5)).isEqualTo("guess/020");
        }

        @Test
        void shouldForgetWhatWasLongAgo() {
            RequestClassifier service =
                    new RequestClassifier(lab.config(), lab.config().services().get(0));
            Guesses guesses = new Guesses(1);
            for (int i = 0; i < 10_000; i++) {
                guesses.count(service, 44);
            }
            assertThat(guesses.contentType(service)).isEqualTo(44);
            for (int i = 0; i < 512; i++) {
                guesses.count(service, 72);
            }
            assertThat(guesses.contentType(service)).isEqualTo(72);
        }

        @Test
        void shouldSendTheSameSynToTheSameServerAgain() {
            guess();
            c1.syn().send();
            c1.syn().bouncedBy("s3").send();

            assertThat(lab.happened())
                    .containsExactly(synTo("s3", "guess/020"), synTo("s3", "guess/020"), "+guesses_repeated=2");
            assertThat(lab.value("open_guesses")).isEqualTo(1);
        }

        @Test
        void shouldForwardUntaggedWhenTheFlowIsNotLiveYet() {
            guess();
            c1.packet("A").send();
            c1.data(1, PAGE).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "s3 c1 A seq=c+1 ack=w+1 win=502",
                            "s3 c1 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(PAGE),
                            "+segments_forwarded=2");
        }

        @Test
        void shouldInstallNoReturnFlowBeforeTheHandshakeIsProved() {
            guess();
            c1.packet("A").send();

            assertThat(lab.returns()).isEmpty();
            lab.report("s3").live(c1, PROVED).send();
            assertThat(lab.returns()).containsExactly("return c1>1");
        }
    }

    @Nested
    class Declined {
        private void expectProxy() {
            assertThat(lab.happened())
                    .containsExactly(
                            "c1 SA seq=w+0 ack=c+1 win=16384 mss=1460 sack ws=7",
                            "+guesses_declined",
                            "+syns_answered");
        }

        @Test
        void shouldAnswerItselfWhenTheSynHasPayload() {
            c1.syn().payload("x").send();
            expectProxy();
        }

        @Test
        void shouldAnswerItselfWhenThePortsAreInUse() {
            prove();
            c1.isn += 5_000_000;
            c1.syn().send();
            expectProxy();
        }

        @Test
        void shouldAnswerItselfWhenAGuessForAnotherSynIsOpen() {
            guess();
            c1.isn += 5_000_000;
            c1.syn().send();
            expectProxy();
        }

        @Test
        void shouldAnswerItselfWhenItDoesNotKnowWhereTheClientIs() {
            c1.syn().bouncedBy("s3").send();

            assertThat(lab.counters()).containsExactly("+guesses_declined", "+syns_answered");
        }

        @Test
        void shouldAnswerItselfWhenNoFilterOfThePoolIsHeard() {
            lab.passWithoutReports(5_000);
            lab.report("s1").send();
            lab.happened();
            c1.syn().send();
            expectProxy();
        }

        @Test
        void shouldAnswerItselfWhenTooManyGuessesAreOpen() {
            for (int i = 0; i < Guesses.LIMIT; i++) {
                lab.client(100 + i).syn().send();
            }
            lab.happened();
            c1.syn().send();
            expectProxy();
            assertThat(lab.value("connections")).isEqualTo(Guesses.LIMIT);
            lab.pass(4_000);
            assertThat(lab.value("connections")).isZero();
            assertThat(lab.value("open_guesses")).isZero();
            assertThat(lab.value(SwitchCounter.FLOWS_REMOVED)).isEqualTo(Guesses.LIMIT);
        }
    }

    @Nested
    class Proof {
        @Test
        void shouldKeepAProvedConnectionWithoutARequest() {
            prove();
            lab.pass(60_000);

            assertThat(lab.happened()).isEmpty();
            assertThat(lab.value("connections")).isEqualTo(1);
            assertThat(lab.value("open_guesses")).isZero();
        }

        @Test
        void shouldEndAnUnprovedGuessWhenItsFilterWouldHaveTold() {
            guess();
            lab.pass(2_995);
            assertThat(lab.happened()).isEmpty();
            lab.pass(1_000);

            assertThat(lab.happened())
                    .containsExactly(
                            "unflow c1",
                            "s3 silence/000 RA seq=c+1 ack=w+-100 win=0",
                            "+flows_removed",
                            "+guesses_expired",
                            "+silences_sent");
            assertThat(lab.value("connections")).isZero();
            assertThat(lab.webSwitch.load(lab.server("s3").index())).isZero();
        }

        @Test
        void shouldWaitLongerForAFilterThatIsNotHeard() {
            guess();
            lab.passWithoutReports(9_900);
            assertThat(lab.value("connections")).isEqualTo(1);
            lab.passWithoutReports(200);
            assertThat(lab.value("connections")).isZero();
        }

        @Test
        void shouldEndWhenALiveConnectionEndsInTheSameReport() {
            guess();
            lab.report("s3").live(c1, PROVED).ended(c1, 1).send();

            assertThat(lab.happened()).containsExactly("unflow c1", "+connections_ended", "+flows_removed");
            assertThat(lab.returns()).containsExactly("return c1>1");
            assertThat(lab.value("open_guesses")).isZero();
        }

        @Test
        void shouldRestoreAConnectionThatIsProvedTooLate() {
            lab.report("s3").live(c1, PROVED).send();

            assertThat(lab.happened()).containsExactly("+connections_restored");
        }

        @Test
        void shouldNotBelieveAnotherServer() {
            guess();
            lab.report("s4").live(c1, PROVED).send();
            lab.report("s4").ended(c1, 1).send();

            assertThat(lab.value("open_guesses")).isEqualTo(1);
        }
    }

    @Nested
    class WrongGuess {
        @Test
        void shouldMoveTheRequestAsAFirstOneAndEndTheGuessedServer() {
            guess();
            c1.data(1, IMAGE).bouncedBy("s3", MigrationTag.GUESS).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "flow c1>s1",
                            "s3 silence/000 RA seq=c+1 ack=w+1 win=0",
                            "s1 fresh/018 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(IMAGE),
                            "+flows_installed",
                            "+guesses_wrong",
                            "+silences_sent");
            assertThat(lab.value("open_guesses")).isZero();
            assertThat(lab.returns()).containsExactly("return c1>1");
        }

        @Test
        void shouldNotSwitchBackToAServerThatWasGuessedWrong() {
            guess();
            c1.data(1, IMAGE).bouncedBy("s3", MigrationTag.GUESS).send();
            lab.happened();
            // The schedule's turn is s4's.
            c1.data(40, PAGE).ack(500).bouncedBy("s1", MigrationTag.MOVED).send();

            assertThat(lab.decisions()).contains("s4 moved/020 PA seq=c+40 ack=w+500 win=502 " + SwitchLab.quote(PAGE));
            assertThat(lab.value(SwitchCounter.REQUESTS_SWITCHED_BACK)).isZero();
        }

        @Test
        void shouldMoveAlsoAfterTheProof() {
            prove();
            c1.data(1, IMAGE).bouncedBy("s3", MigrationTag.GUESS).send();

            assertThat(lab.counters()).containsExactly("+flows_installed", "+guesses_wrong", "+silences_sent");
        }

        @Test
        void shouldGatherAHeadInPieces() {
            guess();
            c1.data(1, IMAGE.substring(0, 9))
                    .bouncedBy("s3", MigrationTag.GUESS)
                    .send();
            c1.data(10, IMAGE.substring(9)).bouncedBy("s3").send();

            assertThat(lab.decisions())
                    .containsExactly(
                            "flow c1>s1",
                            "s3 silence/000 RA seq=c+1 ack=w+1 win=0",
                            "s1 fresh/018 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(IMAGE));
        }

        @Test
        void shouldSendItBackWhenNoOtherServerIsThere() {
            guess();
            c1.data(1, PAGE).bouncedBy("s3", MigrationTag.GUESS).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "s3 moved/020 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(PAGE), "+requests_returned");
        }

        @Test
        void shouldMoveAgainWithoutAnEntryAfterARestart() {
            lab.client(1).wseq = 100;
            c1.data(1, IMAGE).bouncedBy("s3", MigrationTag.GUESS).send();

            assertThat(lab.counters())
                    .containsExactly("+connections_restored", "+flows_installed", "+guesses_wrong", "+silences_sent");
        }

        @Test
        void shouldDropWhatTheGuessedServersFilterDoesNotKnow() {
            guess();
            c1.data(1, PAGE).bouncedBy("s3").send();

            assertThat(lab.happened()).containsExactly("+dropped_current_server_bounce");
        }
    }

    /** What only a guessed server can have agreed to (RFC 7323, RFC 3168). */
    @Nested
    class Options {
        private final long tag = MigrationTag.with(MigrationTag.with(PROVED, true, true), 0xffff, MigrationTag.GUESS);

        @Test
        void shouldTellInTheTagWhatTheSynOffers() {
            c1.syn().timestamps(7, 0).flags("SEC").send();
            assertThat(lab.decisions()).contains("s3 guess/020 SEC seq=c+0 win=502 mss=1460 sack ws=7 ts=7/0");
            assertThat(MigrationTag.timestamps(lab.lastTag)).isTrue();
            assertThat(MigrationTag.ecn(lab.lastTag)).isTrue();
            lab.client(2).syn().flags("SE").send();
            assertThat(MigrationTag.timestamps(lab.lastTag)).isFalse();
            assertThat(MigrationTag.ecn(lab.lastTag)).isFalse();
        }

        @Test
        void shouldOfferNeitherWhenItAnswersItself() {
            c1.syn().timestamps(7, 0).flags("SEC").payload("x").send();
            assertThat(lab.decisions()).containsExactly("c1 SA seq=w+0 ack=c+1 win=16384 mss=1460 sack ws=7");
        }

        @Test
        void shouldSendTimestampsOnWithAGatheredHead() {
            guess();
            c1.packet("PA")
                    .timestamps(8, 1000)
                    .payload(IMAGE.substring(0, 9))
                    .bouncedBy("s3")
                    .ethSource(tag)
                    .send();
            lab.happened();
            c1.packet("PA")
                    .seq(10)
                    .timestamps(9, 1001)
                    .payload(IMAGE.substring(9))
                    .bouncedBy("s3")
                    .send();
            assertThat(lab.decisions())
                    .contains("s1 fresh/018 PA seq=c+1 ack=w+1 win=502 ts=9/1001 " + SwitchLab.quote(IMAGE));
            assertThat(MigrationTag.timestamps(lab.lastTag)).isTrue();
            assertThat(MigrationTag.ecn(lab.lastTag)).isTrue();
        }

        @Test
        void shouldAcknowledgeAndAnswerWithTheServersClockAsTheClientKnowsIt() {
            guess();
            c1.packet("PA")
                    .timestamps(8, 1000)
                    .payload(IMAGE.substring(0, 9))
                    .bouncedBy("s3")
                    .ethSource(tag)
                    .send();
            lab.pass(45);
            assertThat(lab.decisions()).containsExactly("c1 A seq=w+1 ack=c+10 win=32 ts=1000/8");
            c1.packet("PA")
                    .seq(10)
                    .timestamps(9, 1001)
                    .payload("\r\n\r\n")
                    .bouncedBy("s3")
                    .send();
            assertThat(lab.decisions()).anyMatch(told -> told.contains("c1 PFA") && told.contains(" ts=1001/9 "));
        }
    }

    @Nested
    class Refused {
        @Test
        void shouldAnswerTheSynItselfAndForgetTheGuess() {
            guess();
            c1.syn().bouncedBy("s3", MigrationTag.REFUSED).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "unflow c1",
                            "c1 SA seq=w+0 ack=c+1 win=16384 mss=1460 sack ws=7",
                            "+flows_removed",
                            "+guesses_refused",
                            "+servers_refused",
                            "+syns_answered");
            assertThat(lab.value("connections")).isZero();
            assertThat(lab.value("open_guesses")).isZero();
            c1.data(1, PAGE).send();
            assertThat(lab.decisions()).contains("s4 fresh/020 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(PAGE));
        }

        @Test
        void shouldDropWhenItIsNoOpenGuess() {
            c1.syn().bouncedBy("s3", MigrationTag.REFUSED).send();
            guess();
            c1.syn().bouncedBy("s4", MigrationTag.REFUSED).send();
            c1.syn().seq(5).bouncedBy("s3", MigrationTag.REFUSED).send();
            prove();
            c1.syn().bouncedBy("s3", MigrationTag.REFUSED).send();

            assertThat(lab.value(SwitchCounter.DROPPED_STALE)).isEqualTo(4);
            assertThat(lab.value("connections")).isEqualTo(1);
        }

        @Test
        void shouldDropOtherTagsOnASyn() {
            guess();
            c1.syn().bouncedBy("s3", MigrationTag.GUESS).send();

            assertThat(lab.happened()).containsExactly("+dropped_forged_tag");
        }

        @Test
        void shouldRestartWhenTheClientTookAnEarlierAnswerOfOurs() {
            int cookie = lab.cookies.issue(
                    c1.ip.high(),
                    c1.ip.low(),
                    (int) c1.key(),
                    org.dwsr.packet.IpAddress.ofIpv4(SwitchLab.VIP),
                    c1.isn,
                    new org.dwsr.packet.TcpOptions(),
                    lab.nowNs);
            guess();
            c1.wseq = cookie;
            c1.data(1, PAGE).bouncedBy("s3").send();

            assertThat(lab.counters()).contains("+requests_migrated");
            assertThat(lab.value("open_guesses")).isZero();
        }
    }
}
