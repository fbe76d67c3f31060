package org.dwsr.switching;

import static org.assertj.core.api.Assertions.assertThat;

import org.dwsr.http.ErrorResponse;
import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The state ANSWERED: the web switch's own complete responses and their clean ends (docs/contract.md). */
class WebSwitchAnswerTest {
    private static final String BROKEN = "GET / HTTP/1.1\r\nHost : a\r\n\r\n";
    private static final int END = 1 + BROKEN.length();
    private static final int ANSWERED = 1 + ErrorResponse.BAD_REQUEST.lengthBytes() + 1;

    private final SwitchLab lab = new SwitchLab();
    private final LabClient c1 = lab.client(1).connect();

    private void answered() {
        c1.data(1, BROKEN).send();
        lab.happened();
    }

    @Nested
    class Refusals {
        @ParameterizedTest
        @CsvSource(
                delimiter = '|',
                value = {
                    "POST / HTTP/1.1~Host: a~Content-Length: 3~Transfer-Encoding: chunked~~ | 400 | cl_and_te",
                    "POST / HTTP/1.1~Host: a~Transfer-Encoding: chunked~Content-Length: 3~~ | 400 | cl_and_te",
                    "POST / HTTP/1.1~Host: a~Content-Length: 3~Content-Length: 3~~ | 400 | repeated_cl",
                    "POST / HTTP/1.1~Host: a~Content-Length: 3, 3~~ | 400 | repeated_cl",
                    "POST / HTTP/1.1~Host: a~Content-Length: +3~~ | 400 | bad_cl",
                    "POST / HTTP/1.1~Host: a~Transfer-Encoding: gzip, chunked~~ | 400 | bad_te",
                    "POST / HTTP/1.0~Transfer-Encoding: chunked~~ | 400 | bad_te",
                    "GET / HTTP/1.1!Host: a!! | 400 | bare_lf",
                    "GET / HTTP/1.1~Host: a!X: b~~ | 400 | bare_lf",
                    "GET / HTTP/1.1~Host: a`X: b~~ | 400 | bare_cr",
                    "GET / HTTP/1.1~Host: a~X: b~ c~~ | 400 | obs_fold",
                    "GET / HTTP/1.1~Host : a~~ | 400 | space_before_colon",
                    "GET  / HTTP/1.1~Host: a~~ | 400 | request_line_space",
                    "GET /~~ | 400 | bad_version",
                    "GET / HTTP/2.0~Host: a~~ | 505 | unsupported_version",
                    "PRI * HTTP/2.0~~SM~~ | 505 | http2_preface",
                    "^ | 400 | tls",
                    "~~GET / HTTP/1.1~Host: a~~ | 400 | leading_empty_line",
                    "get / HTTP/1.1~Host: a~~ | 400 | bad_method",
                    "GET / HTTP/1.1~~ | 400 | missing_host",
                    "GET / HTTP/1.1~Host: a~Host: a~~ | 400 | repeated_host",
                    "GET http://b/ HTTP/1.1~Host: a~~ | 400 | host_mismatch"
                })
        void shouldAnswerCompletelyAndCountTheReasonWhenParsersCouldDisagree(String shape, int status, String reason) {
            String request = shape.replace("^", "\u0016\u0003\u0001\u0002\u0000\u0001")
                    .replace("~", "\r\n")
                    .replace("!", "\n")
                    .replace("`", "\r");
            c1.data(1, request).send();

            ErrorResponse response = status == 505 ? ErrorResponse.VERSION_NOT_SUPPORTED : ErrorResponse.BAD_REQUEST;
            assertThat(lab.happened())
                    .containsExactly(
                            SwitchLab.answer(c1, response, 1 + request.length()),
                            status == 505 ? "+answered_other" : "+answered_400",
                            "+refused_" + reason);
        }

        @Test
        void shouldAnswerTheSameWhenItComesByteByByte() {
            for (int i = 0; i < BROKEN.length(); i++) {
                c1.data(1 + i, BROKEN.substring(i, i + 1)).send();
            }

            assertThat(lab.value(SwitchCounter.ANSWERED_400)).isEqualTo(1);
            assertThat(lab.value("refused_space_before_colon")).isEqualTo(1);
            assertThat(lab.value(SwitchCounter.REQUESTS_MIGRATED)).isZero();
        }

        @Test
        void shouldBeACompleteResponseThatCloses() {
            c1.data(1, BROKEN).send();

            assertThat(lab.decisions().get(0))
                    .contains("HTTP/1.1 400 Bad Request\\r\\n")
                    .contains("Connection: close\\r\\n")
                    .contains("Content-Length: ");
        }

        @Test
        void shouldAnswer503WhenNoServerIsAvailable() {
            lab.passWithoutReports(5_000);
            String request = "GET /img/a HTTP/1.1\r\nHost: a\r\n\r\n";
            c1.data(1, request).send();

            assertThat(lab.happened())
                    .containsExactly(
                            SwitchLab.answer(c1, ErrorResponse.SERVICE_UNAVAILABLE, 1 + request.length()),
                            "+answered_503");
        }
    }

    @Nested
    class StillArriving {
        @Test
        void shouldReAcknowledgeAndRepeatTheAnswerWhenTheRequestIsRepeated() {
            answered();
            c1.data(1, BROKEN).send();

            assertThat(lab.happened())
                    .containsExactly(SwitchLab.answer(c1, ErrorResponse.BAD_REQUEST, END), "+segments_after_answer");
        }

        @Test
        void shouldAcknowledgeWhatFollowsWhenABodyKeepsComing() {
            answered();
            c1.data(END, "x".repeat(1000)).send();

            assertThat(lab.decisions()).containsExactly(SwitchLab.answer(c1, ErrorResponse.BAD_REQUEST, END + 1000));
        }

        @Test
        void shouldNotAcknowledgeBeyondAGap() {
            answered();
            c1.data(END + 10, "x").send();

            assertThat(lab.decisions()).containsExactly(SwitchLab.answer(c1, ErrorResponse.BAD_REQUEST, END));
        }

        @Test
        void shouldOnlyAcknowledgeWhenTheClientHasTheAnswer() {
            answered();
            c1.packet("A").seq(END).ack(ANSWERED).send();
            lab.happened();
            c1.data(END, "x").ack(ANSWERED).send();

            assertThat(lab.decisions()).containsExactly("c1 A seq=w+" + ANSWERED + " ack=c+" + (END + 1) + " win=0");
        }

        @Test
        void shouldOpenTheWindowForAFinOnlyWhenTheClientHasTheAnswer() {
            answered();
            c1.packet("A").seq(END).send();
            assertThat(lab.decisions()).isEmpty();
            c1.packet("A").seq(END).ack(ANSWERED).send();

            assertThat(lab.happened())
                    .containsExactly("c1 A seq=w+" + ANSWERED + " ack=c+" + END + " win=1", "+segments_after_answer");
        }

        @Test
        void shouldReAcknowledgeWhenAFilterBouncesIt() {
            answered();
            c1.data(END, "x").bouncedBy("s3").send();
            c1.data(END + 1, "y").bouncedBy("s3", MigrationTag.MOVED).send();

            assertThat(lab.decisions())
                    .containsExactly(
                            SwitchLab.answer(c1, ErrorResponse.BAD_REQUEST, END + 1),
                            SwitchLab.answer(c1, ErrorResponse.BAD_REQUEST, END + 2));
        }

        @Test
        void shouldAcknowledgeAcrossTheWrap() {
            LabClient edge = lab.client(2);
            edge.isn = -10;
            edge.connect();
            edge.data(1, BROKEN).send();
            lab.happened();
            edge.data(END, "x").send();

            assertThat(lab.decisions()).containsExactly(SwitchLab.answer(edge, ErrorResponse.BAD_REQUEST, END + 1));
        }
    }

    @Nested
    class Close {
        @Test
        void shouldForgetWhenBothFinsAreAcknowledged() {
            answered();
            c1.packet("A").seq(END).ack(ANSWERED).send();
            c1.packet("FA").seq(END).ack(ANSWERED).send();

            assertThat(lab.happened())
                    .containsExactly(
                            "c1 A seq=w+" + ANSWERED + " ack=c+" + END + " win=1",
                            "c1 A seq=w+" + ANSWERED + " ack=c+" + (END + 1) + " win=0",
                            "+segments_after_answer=2");
            assertThat(lab.value("connections")).isZero();
        }

        @Test
        void shouldForgetWhenTheClientsFinCameBeforeItHadTheAnswer() {
            answered();
            c1.packet("FA").seq(END).send();
            assertThat(lab.decisions()).containsExactly(SwitchLab.answer(c1, ErrorResponse.BAD_REQUEST, END + 1));
            assertThat(lab.value("connections")).isEqualTo(1);
            c1.packet("A").seq(END + 1).ack(ANSWERED).send();

            assertThat(lab.value("connections")).isZero();
        }

        @Test
        void shouldCloseCleanlyWhenTheRequestItselfCarriedTheFin() {
            c1.packet("FPA").payload(BROKEN).send();
            assertThat(lab.decisions()).containsExactly(SwitchLab.answer(c1, ErrorResponse.BAD_REQUEST, END + 1));
            c1.packet("A").seq(END + 1).ack(ANSWERED).send();

            assertThat(lab.value("connections")).isZero();
        }

        @Test
        void shouldForgetAfterTenSecondsWhenTheClientIsGone() {
            answered();
            lab.pass(9_995);
            assertThat(lab.value("connections")).isEqualTo(1);
            lab.pass(5);

            assertThat(lab.value("connections")).isZero();
        }

        @Test
        void shouldForgetWhenTheClientResetsAtTheNextByte() {
            answered();
            c1.packet("R").seq(END).send();

            assertThat(lab.happened()).containsExactly("+client_resets");
            assertThat(lab.value("connections")).isZero();
        }

        @Test
        void shouldStayWhenABlindRstNamesAnotherByte() {
            answered();
            c1.packet("R").seq(END + 1).send();

            assertThat(lab.happened()).containsExactly("+dropped_reset");
            assertThat(lab.value("connections")).isEqualTo(1);
        }

        @Test
        void shouldDropWhenABlindSegmentIsOutsideTheWindow() {
            answered();
            c1.data(END + 100_000, "x").send();
            c1.data(END, "x").ack(ANSWERED + 1).send();
            c1.data(END, "x").ack(0).send();

            assertThat(lab.happened()).containsExactly("+dropped_out_of_window=3");
        }
    }

    @Nested
    class Again {
        @Test
        void shouldServeANewConnectionWhenTheSamePortsComeBack() {
            answered();
            c1.isn += 70_000;
            c1.syn().send();
            String request = "GET /img/a HTTP/1.1\r\nHost: a\r\n\r\n";
            c1.data(1, request).send();

            assertThat(lab.decisions())
                    .containsExactly(
                            "c1 SA seq=w+0 ack=c+1 win=16384 mss=1460 sack ws=7",
                            "flow c1>s1",
                            "s1 fresh/018 PA seq=c+1 ack=w+1 win=502 " + SwitchLab.quote(request));
            assertThat(lab.value("connections")).isEqualTo(1);
            lab.pass(10_000);
            assertThat(lab.value("connections")).isEqualTo(1);
        }
    }
}
