package org.dwsr.switching;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.dwsr.config.ConfigTrees;
import org.dwsr.http.ErrorResponse;
import org.dwsr.packet.IpAddress;
import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** The state MOVING, and how a bounced request changes the connection's server (paper figures 5 and 6). */
class WebSwitchMoveTest {
    private static final String IMAGE = "GET /img/a HTTP/1.1\r\nHost: a\r\n\r\n";
    private static final String PAGE = "GET /a.php HTTP/1.1\r\nHost: a\r\n\r\n";
    private static final int END = 1 + IMAGE.length();

    private final SwitchLab lab = new SwitchLab();
    private final LabClient c1 = lab.client(1).connectAndAsk(IMAGE);

    /** A request that a server's filter bounces after a response of 100 bytes to each of the requests before it. */
    private LabPacket bounce(String server, int number, String request) {
        return c1.data(END + number * 1_000, request)
                .ack(1 + 100 * (number + 1))
                .bouncedBy(server, MigrationTag.MOVED);
    }

    private static String sent(String server, String kind, int number, String request) {
        return server + " " + kind + " PA seq=c+" + (END + number * 1_000) + " ack=w+" + (1 + 100 * (number + 1))
                + " win=502 " + SwitchLab.quote(request);
    }

    private static String silence(String server, int number) {
        return server + " silence/000 RA seq=c+" + (END + number * 1_000) + " ack=w+" + (1 + 100 * (number + 1))
                + " win=0";
    }

    @Nested
    class Moving {
        @Test
        void shouldChangeTheFlowThenSilenceTheOldThenSendTheRequestToTheNew() {
            bounce("s1", 0, PAGE).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "flow c1>s3",
                            silence("s1", 0),
                            sent("s3", "moved/020", 0, PAGE),
                            "+flows_installed",
                            "+requests_moved",
                            "+silences_sent");
            assertThat(lab.webSwitch.load(0)).isZero();
            assertThat(lab.webSwitch.load(2)).isEqualTo(1);
        }

        @Test
        void shouldTakeTheOptionsFromTheFiltersTagWhenItBounces() {
            bounce("s1", 0, PAGE)
                    .ethSource(MigrationTag.with(MigrationTag.of(3, 2, 7, false), 5, MigrationTag.MOVED))
                    .send();

            assertThat(lab.lastTag)
                    .isEqualTo(MigrationTag.with(MigrationTag.of(3, 2, 7, false), 72, MigrationTag.MOVED));
        }

        @Test
        void shouldPreferTheSilentServerWhenARequestReturnsWithin15Seconds() {
            LabClient other = lab.client(2).connectAndAsk(IMAGE);
            assertThat(lab.webSwitch.load(1)).isEqualTo(1);
            bounce("s1", 0, PAGE).send();
            lab.pass(14_000);
            lab.happened();
            bounce("s3", 1, IMAGE).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "flow c1>s1",
                            silence("s3", 1),
                            sent("s1", "moved/018", 1, IMAGE),
                            "+flows_installed",
                            "+requests_moved",
                            "+requests_switched_back",
                            "+silences_sent");
            assertThat(other.number).isEqualTo(2);
        }

        @Test
        void shouldChooseByScheduleWhenARequestReturnsAfter15Seconds() {
            bounce("s1", 0, PAGE).send();
            lab.client(2).connectAndAsk(IMAGE);
            lab.client(3).connectAndAsk(IMAGE);
            lab.client(4).connectAndAsk(IMAGE);
            long atS2 = lab.webSwitch.load(1);
            lab.pass(15_000);
            lab.happened();
            bounce("s3", 1, IMAGE).send();

            assertThat(lab.counters()).containsExactly("+flows_installed", "+requests_moved", "+silences_sent");
            assertThat(atS2).isPositive();
        }

        @Test
        void shouldReturnItWhenTheServerIsTheSame() {
            bounce("s1", 0, IMAGE).send();

            assertThat(lab.happened()).containsExactly(sent("s1", "moved/018", 0, IMAGE), "+requests_returned");
        }

        @Test
        void shouldNotForwardToAServerWhatItsFilterBouncedWhenItIsNoRequestStart() {
            bounce("s1", 0, IMAGE).send();
            lab.happened();
            // Forwarded, the filter would bounce it again, for ever.
            c1.data(END + IMAGE.length(), "body")
                    .ack(101)
                    .bouncedBy("s1", MigrationTag.MOVED)
                    .send();
            bounce("s1", 0, IMAGE).send();

            assertThat(lab.happened())
                    .containsExactly(
                            sent("s1", "moved/018", 0, IMAGE), "+dropped_current_server_bounce", "+requests_resent");
        }

        @Test
        void shouldAnswer400AndEndTheServerWhenABodyIsBroken() {
            c1.data(END, "5 \r\nhello")
                    .ack(1)
                    .bouncedBy("s1", MigrationTag.BROKEN)
                    .send();

            assertThat(lab.happened())
                    .contains(
                            SwitchLab.answer(c1, ErrorResponse.BAD_REQUEST, 1, END + 9),
                            "+answered_400",
                            "+refused_bad_chunk",
                            "+silences_sent=2");
            assertThat(lab.webSwitch.load(0)).isZero();
        }

        @Test
        void shouldIgnoreABrokenBodyWhenTheServerIsNoLongerTheConnections() {
            c1.data(END, "5 \r\nhello")
                    .ack(1)
                    .bouncedBy("s2", MigrationTag.BROKEN)
                    .send();

            assertThat(lab.happened()).containsExactly("+dropped_stale");
        }

        @Test
        void shouldDropTheBounceWhenItIsOfAnEarlierRequest() {
            bounce("s1", 3, IMAGE).send();
            lab.happened();
            bounce("s1", 1, PAGE).send();

            assertThat(lab.happened()).containsExactly("+dropped_stale");
        }

        @Test
        void shouldKeepTheConnectionWhenADuplicateOfItsFirstRequestComesLate() {
            bounce("s1", 0, PAGE).send();
            lab.happened();
            c1.data(1, IMAGE).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "s3 c1 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(IMAGE), "+segments_forwarded");
        }

        @Test
        void shouldMoveAcrossTheWrap() {
            LabClient edge = lab.client(2);
            edge.isn = -1 - END;
            edge.connectAndAsk(IMAGE);
            edge.data(END, PAGE.substring(0, 5))
                    .ack(101)
                    .bouncedBy("s2", MigrationTag.MOVED)
                    .send();
            edge.data(END + 5, PAGE.substring(5))
                    .ack(101)
                    .bouncedBy("s2", MigrationTag.MOVED)
                    .send();

            assertThat(lab.decisions())
                    .containsExactly(
                            "flow c2>s3",
                            "s2 silence/000 RA seq=c+" + END + " ack=w+101 win=0",
                            "s3 moved/020 PA seq=c+" + END + " ack=w+101 win=502 " + SwitchLab.quote(PAGE));
        }
    }

    @Nested
    class Gathering {
        /** Only a request's first segment bears the tag. */
        private void piece(int at, String bytes) {
            LabPacket packet = c1.data(END + at, bytes).ack(101);
            (at == 0 ? packet.bouncedBy("s1", MigrationTag.MOVED) : packet.bouncedBy("s1")).send();
        }

        @Test
        void shouldWaitForTheWholeHeadWhenItComesInPieces() {
            piece(0, PAGE.substring(0, 5));
            assertThat(lab.happened()).containsExactly("+segments_gathered");
            piece(5, PAGE.substring(5));

            assertThat(lab.decisions())
                    .containsExactly("flow c1>s3", silence("s1", 0), sent("s3", "moved/020", 0, PAGE));
        }

        @Test
        void shouldStartAtTheLowestByteWhenSegmentsComeReordered() {
            piece(11, "HTTP");
            piece(0, PAGE.substring(0, 11));
            piece(11, PAGE.substring(11));

            assertThat(lab.decisions())
                    .containsExactly("flow c1>s3", silence("s1", 0), sent("s3", "moved/020", 0, PAGE));
        }

        @Test
        void shouldGatherWhatTheClientSendsWhenThereIsNoFlow() {
            piece(0, PAGE.substring(0, 5));
            c1.data(END + 5, PAGE.substring(5)).ack(101).send();

            assertThat(lab.decisions())
                    .containsExactly("flow c1>s3", silence("s1", 0), sent("s3", "moved/020", 0, PAGE));
        }

        @Test
        void shouldKeepTheStartWhenAnOlderByteComesFromTheClient() {
            piece(0, PAGE.substring(0, 5));
            c1.data(END - 1, "\n").ack(101).send();
            piece(5, PAGE.substring(5));

            assertThat(lab.decisions())
                    .containsExactly("flow c1>s3", silence("s1", 0), sent("s3", "moved/020", 0, PAGE));
        }

        @Test
        void shouldForwardWhatAnotherServerBouncesMeanwhile() {
            piece(0, PAGE.substring(0, 5));
            lab.happened();
            c1.data(END, "x").ack(101).bouncedBy("s4", MigrationTag.MOVED).send();

            assertThat(lab.counters()).containsExactly("+segments_forwarded");
        }

        @Test
        void shouldForwardTheRstThatASilentServersFilterBounces() {
            piece(0, PAGE);
            lab.happened();
            c1.packet("R").seq(END + PAGE.length()).bouncedBy("s1").send();
            assertThat(lab.counters()).containsExactly("+segments_forwarded");
            c1.packet("R").seq(END + PAGE.length()).bouncedBy("s3").send();
            assertThat(lab.counters()).containsExactly("+dropped_reset");
        }

        @Test
        void shouldForwardTheRstWhenTheClientGivesUp() {
            piece(0, PAGE.substring(0, 5));
            lab.happened();
            c1.packet("R").seq(END + 5).send();

            assertThat(lab.counters()).containsExactly("+segments_forwarded");
        }

        @Test
        void shouldEndWhenItsFilterSaysSo() {
            piece(0, PAGE.substring(0, 5));
            lab.happened();
            lab.report("s1").ended(c1, 1).send();

            assertThat(lab.happened()).containsExactly("unflow c1", "+connections_ended", "+flows_removed");
            assertThat(lab.value("gathering_heads")).isZero();
            assertThat(lab.webSwitch.load(0)).isZero();
        }

        @Test
        void shouldAcknowledgeAfter40MsWhenOnlyTheTaggedStartIsHere() {
            piece(0, PAGE.substring(0, 5));
            lab.happened();
            lab.pass(45);

            assertThat(lab.happened())
                    .containsExactly("c1 A seq=w+101 ack=c+" + (END + 5) + " win=128", "+partial_heads_acknowledged");
            piece(5, PAGE.substring(5));
            assertThat(lab.decisions()).contains(sent("s3", "held/020", 0, PAGE));
        }

        @Test
        void shouldNotAcknowledgeWhenTheTaggedStartIsLost() {
            piece(20, PAGE.substring(20));
            lab.pass(1_000);

            assertThat(lab.decisions()).isEmpty();
        }

        @Test
        void shouldMoveWholeWhenALaterPieceOvertookTheTaggedStart() {
            piece(20, PAGE.substring(20));
            lab.happened();
            piece(0, PAGE.substring(0, 20));

            assertThat(lab.decisions())
                    .containsExactly("flow c1>s3", silence("s1", 0), sent("s3", "moved/020", 0, PAGE));
        }

        @Test
        void shouldForwardABodyThatOvertookItsTaggedHead() {
            piece(PAGE.length(), "body");
            lab.happened();
            piece(0, PAGE);

            assertThat(lab.decisions())
                    .containsExactly(
                            "flow c1>s3",
                            silence("s1", 0),
                            sent("s3", "moved/020", 0, PAGE),
                            "s3 c1 PA seq=c+" + (END + PAGE.length()) + " ack=w+101 win=502 'body'");
        }

        @Test
        void shouldMoveWhenTheLostStartComesAfterTheRest() {
            piece(20, PAGE.substring(20));
            lab.pass(300);
            assertThat(lab.decisions()).isEmpty();
            lab.happened();
            piece(0, PAGE.substring(0, 20));
            piece(20, PAGE.substring(20));

            assertThat(lab.decisions())
                    .containsExactly("flow c1>s3", silence("s1", 0), sent("s3", "moved/020", 0, PAGE));
            lab.pass(1_000);
            assertThat(lab.happened()).isEmpty();
        }
    }

    @Nested
    class Held {
        private void held(int at, String bytes, String server) {
            c1.data(END + at, bytes)
                    .ack(101)
                    .bouncedBy(server, MigrationTag.HELD)
                    .send();
        }

        @Test
        void shouldPassTheHeldOnAndRelayTheConfirmationToTheHolder() {
            held(0, PAGE, "s1");
            assertThat(lab.decisions())
                    .containsExactly("flow c1>s3", silence("s1", 0), sent("s3", "held/020", 0, PAGE));
            c1.packet("A")
                    .seq(END)
                    .ack(101)
                    .bouncedBy("s3", MigrationTag.CONFIRM)
                    .send();

            assertThat(lab.happened())
                    .containsExactly("s1 confirm/020 A seq=c+" + END + " ack=w+101 win=502", "+confirms_relayed");
        }

        @Test
        void shouldRelayTheConfirmationAgainWhenTheHolderStillRepeats() {
            held(0, PAGE, "s1");
            c1.packet("A")
                    .seq(END)
                    .ack(101)
                    .bouncedBy("s3", MigrationTag.CONFIRM)
                    .send();
            lab.happened();
            held(0, PAGE, "s1");
            assertThat(lab.decisions()).containsExactly(sent("s3", "held/020", 0, PAGE));
            c1.packet("A")
                    .seq(END)
                    .ack(101)
                    .bouncedBy("s3", MigrationTag.CONFIRM)
                    .send();

            assertThat(lab.happened())
                    .containsExactly("s1 confirm/020 A seq=c+" + END + " ack=w+101 win=502", "+confirms_relayed");
        }

        @Test
        void shouldConfirmItselfWhenTheHolderRepeatsAnAnsweredRequest() {
            held(0, PAGE, "s1");
            int later = END + PAGE.length();
            c1.data(later, PAGE).ack(201).bouncedBy("s3", MigrationTag.MOVED).send();
            lab.happened();
            held(0, PAGE, "s1");

            assertThat(lab.happened()).hasSize(2).first().asString().startsWith("s1 confirm/020 PA seq=c+" + END);
        }

        @Test
        void shouldStayHeldWhenAMovedSegmentComesBetweenThePieces() {
            held(0, PAGE.substring(0, 5), "s1");
            c1.data(END + PAGE.length(), "x")
                    .ack(101)
                    .bouncedBy("s1", MigrationTag.MOVED)
                    .send();
            held(5, PAGE.substring(5), "s1");

            assertThat(lab.decisions())
                    .contains("s3 held/020 PA seq=c+" + END + " ack=w+101 win=502 " + SwitchLab.quote(PAGE + "x"));
        }

        @Test
        void shouldRememberTheHolderWhenTheNewServerRefuses() {
            held(0, PAGE, "s1");
            lab.happened();
            c1.data(END, PAGE).ack(101).bouncedBy("s3", MigrationTag.REFUSED).send();
            assertThat(lab.decisions()).containsExactly("flow c1>s4", sent("s4", "held/020", 0, PAGE));
            c1.packet("A")
                    .seq(END)
                    .ack(101)
                    .bouncedBy("s4", MigrationTag.CONFIRM)
                    .send();

            assertThat(lab.decisions()).containsExactly("s1 confirm/020 A seq=c+" + END + " ack=w+101 win=502");
        }

        @Test
        void shouldReSendTaggedWhenTheHolderRepeatsAReturnedRequest() {
            held(0, IMAGE, "s1");
            lab.happened();
            held(0, IMAGE, "s1");

            assertThat(lab.happened()).containsExactly(sent("s1", "held/018", 0, IMAGE), "+requests_resent");
        }
    }

    @Nested
    class Ends {
        @Test
        void shouldEndTheSilentServersWhenTheConnectionEnds() {
            bounce("s1", 0, PAGE).send();
            lab.happened();
            lab.report("s3").ended(c1, END).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "unflow c1", silence("s1", 0), "+connections_ended", "+flows_removed", "+silences_sent");
        }

        @Test
        void shouldNotSilenceAgainWhenTheSilentServersTimeIsOver() {
            bounce("s1", 0, PAGE).send();
            lab.pass(15_000);
            lab.happened();
            lab.report("s3").ended(c1, END).send();

            assertThat(lab.counters()).containsExactly("+connections_ended", "+flows_removed");
        }

        @Test
        void shouldIgnoreTheEndWhenASilentServersFilterReportsIt() {
            bounce("s1", 0, PAGE).send();
            lab.happened();
            lab.report("s1").ended(c1, 1).send();

            assertThat(lab.happened()).isEmpty();
            assertThat(lab.value("connections")).isEqualTo(1);
        }

        @Test
        void shouldAnswer400AndEndBothSidesWhenALaterRequestIsUnparseable() {
            String broken = "GET /img/b HTTP/1.1\r\nHost : a\r\n\r\n";
            bounce("s1", 0, PAGE).send();
            lab.happened();
            bounce("s3", 1, broken).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "unflow c1",
                            silence("s3", 1),
                            silence("s3", 1),
                            silence("s1", 1),
                            SwitchLab.answer(c1, ErrorResponse.BAD_REQUEST, 201, END + 1_000 + broken.length()),
                            "+answered_400",
                            "+flows_removed",
                            "+refused_space_before_colon",
                            "+silences_sent=3");
            assertThat(lab.webSwitch.load(2)).isZero();
        }

        @Test
        void shouldAnswer503WhenTheOtherPoolIsGone() {
            lab.passWithoutReports(5_000);
            lab.report("s1").send();
            lab.happened();
            bounce("s1", 0, PAGE).send();

            assertThat(lab.decisions())
                    .containsExactly(
                            "unflow c1",
                            silence("s1", 0),
                            silence("s1", 0),
                            SwitchLab.answer(c1, ErrorResponse.SERVICE_UNAVAILABLE, 101, END + PAGE.length()));
        }
    }

    @Test
    void shouldRememberFourSilentServersWhenThereAreMorePools() {
        ConnectionEntry entry = new ConnectionEntry(1, IpAddress.ofIpv4(1));
        for (int server = 0; server < 4; server++) {
            entry.silent(server, 100 + server);
        }
        entry.notSilent(2);
        entry.silent(4, 200);
        boolean[] silent = new boolean[5];
        for (int i = 0; i < entry.silentCount(); i++) {
            int server = entry.silentServer(i, 201, 1_000);
            if (server >= 0) {
                silent[server] = true;
            }
        }

        assertThat(silent).containsExactly(true, true, false, true, true);
    }

    @Test
    void shouldStillMoveWhenOneServerServesBothPools() {
        Map<String, Object> tree = ConfigTrees.example();
        ConfigTrees.objectAt(tree, "pools", 1).put("servers", ConfigTrees.list("s1"));
        SwitchLab shared = new SwitchLab(tree);
        LabClient one = shared.client(1).connectAndAsk(IMAGE);
        one.data(END, PAGE).ack(101).bouncedBy("s1", MigrationTag.MOVED).send();

        assertThat(shared.happened())
                .containsExactly(
                        "s1 moved/020 PA seq=c+" + END + " ack=w+101 win=502 " + SwitchLab.quote(PAGE),
                        "+requests_returned");
    }
}
