package org.dwsr.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.nio.ByteBuffer;
import java.util.stream.Stream;
import org.dwsr.config.SeededRounds;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class RequestHeadTest {
    private final RequestHead head = new RequestHead();

    private void accept(String text) {
        HeadFeeds.assertAccepted(head, head::parse, text);
    }

    private void refuse(String text, HttpRefusal reason) {
        HeadFeeds.assertRefused(head, head::parse, text, reason);
    }

    private String path() {
        return HeadFeeds.text(head, head.pathOffset(), head.pathLength());
    }

    private String extension() {
        return HeadFeeds.text(head, head.extensionOffset(), head.extensionLength());
    }

    private String query() {
        return head.queryOffset() < 0 ? "none" : HeadFeeds.text(head, head.queryOffset(), head.queryLength());
    }

    private String host() {
        return head.hostOffset() < 0 ? "none" : HeadFeeds.text(head, head.hostOffset(), head.hostLength());
    }

    /** A request with these header lines behind Host. */
    private static String with(String... lines) {
        return "POST /a HTTP/1.1\r\nHost: a\r\n" + String.join("\r\n", lines) + "\r\n\r\n";
    }

    @Nested
    class RequestLine {
        @Test
        void shouldGiveEveryPartOfABrowsersRequest() {
            accept("GET /img/a.b/photo.jpg?x=1&y=a.php HTTP/1.1\r\nHost: www.example.org:8080\r\n"
                    + "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nCookie: a=b; c=\"d e\"\r\n\r\n");
            assertThat(HeadFeeds.text(head, head.methodOffset(), head.methodLength()))
                    .isEqualTo("GET");
            assertThat(HeadFeeds.text(head, head.targetOffset(), head.targetLength()))
                    .isEqualTo("/img/a.b/photo.jpg?x=1&y=a.php");
            assertThat(path()).isEqualTo("/img/a.b/photo.jpg");
            assertThat(query()).isEqualTo("x=1&y=a.php");
            assertThat(extension()).isEqualTo("jpg");
            assertThat(host()).isEqualTo("www.example.org");
            assertThat(head.minorVersion()).isEqualTo(1);
            assertThat(head.isGet()).isTrue();
            assertThat(head.isHead()).isFalse();
            assertThat(head.isPost()).isFalse();
            assertThat(head.isConnect()).isFalse();
            assertThat(head.bodyKind()).isEqualTo(BodyKind.NONE);
            assertThat(head.closes()).isFalse();
        }

        @ParameterizedTest
        @CsvSource({
            "/, /, none, ''",
            "/a, /a, none, ''",
            "/a?, /a, '', ''",
            "/a?b?c, /a, b?c, ''",
            "/a.php, /a.php, none, php",
            "/a.tar.gz, /a.tar.gz, none, gz",
            "/a.php/b, /a.php/b, none, ''",
            "/a., /a., none, ''",
            "/.a, /.a, none, a",
            "/a.php?b.jpg, /a.php, b.jpg, php",
            "/img/../x.php, /img/../x.php, none, php",
            "/%69mg/a, /%69mg/a, none, ''",
            "/a%2ephp, /a%2ephp, none, ''",
            "/a%3Fb, /a%3Fb, none, ''",
            "//img/a, //img/a, none, ''",
            "/img/a;x.php, /img/a;x.php, none, php",
            "/\u00e9\u00ff, /\u00e9\u00ff, none, ''",
            "'/a\"<>\\^`{|}', '/a\"<>\\^`{|}', none, ''",
            "/a:b@c!$&'()*+;=~-_, /a:b@c!$&'()*+;=~-_, none, ''",
            "http://h/a.b?c, /a.b, c, b",
            "HTTP://H, /, none, ''",
            "http://h?c, /, c, ''",
            "http://h/, /, none, ''"
        })
        void shouldSplitTheTargetAsItWasSent(String target, String path, String query, String extension) {
            accept("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n");
            assertThat(path()).isEqualTo(path);
            assertThat(query()).isEqualTo(query);
            assertThat(extension()).isEqualTo(extension);
            assertThat(host()).isEqualToIgnoringCase("h");
        }

        @Test
        void shouldTakeAnAsteriskForOptionsOnly() {
            accept("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
            assertThat(path()).isEqualTo("*");
            refuse("GET * HTTP/1.1\r\nHost: a\r\n\r\n", HttpRefusal.BAD_TARGET);
        }

        @Test
        void shouldTakeAnAuthorityForConnectOnly() {
            accept("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n");
            assertThat(head.isConnect()).isTrue();
            assertThat(path()).isEmpty();
            assertThat(extension()).isEmpty();
            assertThat(host()).isEqualTo("a");
            refuse("GET a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", HttpRefusal.BAD_TARGET);
        }

        @ParameterizedTest
        @ValueSource(
                strings = {"GET", "HEAD", "POST", "PUT", "M-SEARCH", "VERSION_CONTROL", "ABCDEFGHIJKLMNOPQRSTUVWX"})
        void shouldTakeMethodsAsNginxDoes(String method) {
            accept(method + " / HTTP/1.1\r\nHost: a\r\n\r\n");
            assertThat(head.methodEquals(HeadFeeds.bytes(method))).isTrue();
            assertThat(head.methodEquals(HeadFeeds.bytes("GEX"))).isFalse();
        }

        @Test
        void shouldAcceptHttp10WithAndWithoutHost() {
            accept("GET / HTTP/1.0\r\n\r\n");
            assertThat(head.hostOffset()).isEqualTo(-1);
            assertThat(head.hostLength()).isZero();
            assertThat(head.minorVersion()).isZero();
            accept("GET / HTTP/1.0\r\nHost: b\r\n\r\n");
            assertThat(host()).isEqualTo("b");
            accept("GET http://c/ HTTP/1.0\r\n\r\n");
            assertThat(host()).isEqualTo("c");
        }
    }

    @Nested
    class HeaderLines {
        @Test
        void shouldBeFoundWithTheirValuesTrimmed() {
            accept("GET / HTTP/1.1\r\nHost:a\r\nX-Empty:\r\nX-Blank: \t \r\nX-A: \tb c\td \t\r\nx-a:2\r\n"
                    + "!#$%&'*+-.^_`|~09aZ: \u0080\u00ff\r\n\r\n");
            assertThat(head.headerCount()).isEqualTo(6);
            assertThat(value(0)).isEqualTo("a");
            assertThat(value(1)).isEmpty();
            assertThat(value(2)).isEmpty();
            assertThat(value(3)).isEqualTo("b c\td");
            assertThat(value(4)).isEqualTo("2");
            assertThat(value(5)).isEqualTo("\u0080\u00ff");
            byte[] name = HeadFeeds.bytes("x-a");
            assertThat(head.findHeader(name)).isEqualTo(3);
            assertThat(head.findHeader(name, 4)).isEqualTo(4);
            assertThat(head.findHeader(name, 5)).isEqualTo(-1);
            assertThat(head.isHeader(3, name)).isTrue();
            assertThat(head.isHeader(2, name)).isFalse();
            assertThat(HeadFeeds.text(head, head.nameOffset(5), head.nameLength(5)))
                    .isEqualTo("!#$%&'*+-.^_`|~09aZ");
        }

        private String value(int index) {
            return HeadFeeds.text(head, head.valueOffset(index), head.valueLength(index));
        }

        @ParameterizedTest
        @CsvSource({
            "a, a",
            "A.b-c_d~1, A.b-c_d~1",
            "10.0.0.1:80, 10.0.0.1",
            "[::1], [::1]",
            "[2001:db8::1]:8080, [2001:db8::1]",
            "a:1, a",
            "a:65535, a",
            "a., a."
        })
        void shouldGiveTheHostWithoutItsPort(String sent, String host) {
            accept("GET / HTTP/1.1\r\nHost:  " + sent + "  \r\n\r\n");
            assertThat(host()).isEqualTo(host);
        }

        @Test
        void shouldAgreeWithTheTargetsAuthorityCaseIgnored() {
            accept("GET http://A.b:80/ HTTP/1.1\r\nHost: a.B:80\r\n\r\n");
            assertThat(host()).isEqualTo("a.B");
        }

        @ParameterizedTest
        @CsvSource({
            "1, '', false",
            "1, close, true",
            "1, CLOSE, true",
            "1, 'x, close', true",
            "1, ' , ,close,', true",
            "1, closed, false",
            "1, x-close, false",
            "1, keep-alive, false",
            "1, 'keep-alive, close', true",
            "0, '', true",
            "0, keep-alive, false",
            "0, Keep-Alive, false",
            "0, 'keep-alive, close', true",
            "0, close, true"
        })
        void shouldTellWhetherTheClientWillClose(int minor, String connection, boolean closes) {
            accept("GET / HTTP/1." + minor + "\r\nHost: a\r\nConnection: " + connection + "\r\n\r\n");
            assertThat(head.closes()).isEqualTo(closes);
        }

        @Test
        void shouldAddUpTheOptionsOfSeveralConnectionLines() {
            accept(with("Connection: upgrade", "Connection: close", "Upgrade: websocket"));
            assertThat(head.closes()).isTrue();
            assertThat(head.upgrades()).isTrue();
        }

        @ParameterizedTest
        @CsvSource({
            "upgrade, websocket, true",
            "'keep-alive, Upgrade', h2c, true",
            "upgrade, '', false",
            "keep-alive, websocket, false",
            "'', websocket, false"
        })
        void shouldTellWhetherTheClientAsksForAnotherProtocol(String connection, String upgrade, boolean upgrades) {
            accept(with("Connection: " + connection, "Upgrade: " + upgrade));
            assertThat(head.upgrades()).isEqualTo(upgrades);
        }

        @Test
        void shouldTellWhetherTheClientWaitsFor100() {
            accept(with("Expect: 100-Continue", "Content-Length: 3"));
            assertThat(head.expectsContinue()).isTrue();
            accept(with("Expect: 200", "Content-Length: 3"));
            assertThat(head.expectsContinue()).isFalse();
            accept("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n");
            assertThat(head.expectsContinue()).isFalse();
        }

        @Test
        void shouldForgetEverythingOfTheHeadBefore() {
            accept(with("Content-Length: 3", "Connection: close, upgrade", "Upgrade: x", "Expect: 100-continue"));
            accept("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assertThat(head.contentLength()).isEqualTo(-1);
            assertThat(head.closes()).isFalse();
            assertThat(head.upgrades()).isFalse();
            assertThat(head.expectsContinue()).isFalse();
            assertThat(head.headerCount()).isEqualTo(1);
            assertThatThrownBy(head::refusal).isInstanceOf(IllegalStateException.class);
        }
    }

    @Nested
    class Framing {
        @ParameterizedTest
        @CsvSource({"0, 0", "1, 1", "'  17  ', 17", "999999999999999999, 999999999999999999"})
        void shouldTakeTheContentLength(String sent, long length) {
            accept(with("Content-Length:" + sent));
            assertThat(head.bodyKind()).isEqualTo(BodyKind.LENGTH);
            assertThat(head.contentLength()).isEqualTo(length);
        }

        @ParameterizedTest
        @ValueSource(
                strings = {"Transfer-Encoding: chunked", "transfer-encoding:CHUNKED ", "TRANSFER-ENCODING:  Chunked"})
        void shouldTakeOneChunked(String line) {
            accept(with(line));
            assertThat(head.bodyKind()).isEqualTo(BodyKind.CHUNKED);
            assertThat(head.contentLength()).isEqualTo(-1);
        }

        @ParameterizedTest
        @ValueSource(
                strings = {"X-Content-Length: 5", "Content-Length2: 5", "Content.Length: 5", "Transfer-Encodin: chunked"
                })
        void shouldNotTakeOtherNamesForFraming(String line) {
            accept(with(line));
            assertThat(head.bodyKind()).isEqualTo(BodyKind.NONE);
        }

        @Test
        void shouldTakeConnectWithAnEmptyBody() {
            accept("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 0\r\n\r\n");
            assertThat(head.isConnect()).isTrue();
        }
    }

    static Stream<Arguments> refusals() {
        String line = "GET / HTTP/1.1\r\n";
        String host = "Host: a\r\n";
        return Stream.of(
                        of(
                                HttpRefusal.NOT_HTTP,
                                "\0",
                                "\u0001",
                                "\u0080\u0001",
                                "[",
                                "{\"a\":1}",
                                "(GET / HTTP/1.1\r\n"),
                        of(
                                HttpRefusal.TLS,
                                "\u0016",
                                "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003"),
                        of(HttpRefusal.HTTP2_PREFACE, "PRI ", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PRI / HTTP/1.1\r\n"),
                        of(HttpRefusal.LEADING_EMPTY_LINE, "\r\n" + line + host + "\r\n", "\n" + line, "\r"),
                        of(
                                HttpRefusal.BAD_METHOD,
                                "get / HTTP/1.1\r\n",
                                "Get / HTTP/1.1\r\n",
                                "G3T / HTTP/1.1\r\n",
                                "GE(T / HTTP/1.1\r\n",
                                "GET\0/ HTTP/1.1\r\n",
                                "GET\u0000 / HTTP/1.1\r\n",
                                "GET/ HTTP/1.1\r\n",
                                "GET\r\n",
                                "SSH-2.0-x\r\n",
                                "ABCDEFGHIJKLMNOPQRSTUVWXY"),
                        of(
                                HttpRefusal.REQUEST_LINE_SPACE,
                                " " + line,
                                "\t" + line,
                                "GET\t/ HTTP/1.1\r\n",
                                "GET  / HTTP/1.1\r\n",
                                "GET \t/ HTTP/1.1\r\n",
                                "GET /  HTTP/1.1\r\n",
                                "GET /\tHTTP/1.1\r\n",
                                "GET / HTTP/1.1 \r\n",
                                "GET / HTTP/1.1\t\r\n",
                                "GET / HTTP /1.1\r\n",
                                "OPTIONS *\tHTTP/1.1\r\n"),
                        of(
                                HttpRefusal.BAD_TARGET,
                                "GET a HTTP/1.1\r\n",
                                "GET ? HTTP/1.1\r\n",
                                "GET \\ HTTP/1.1\r\n",
                                "GET /#a HTTP/1.1\r\n",
                                "GET /a#b HTTP/1.1\r\n",
                                "GET /?a#b HTTP/1.1\r\n",
                                "GET /\0 HTTP/1.1\r\n",
                                "GET /a?\0 HTTP/1.1\r\n",
                                "GET /\u0001 HTTP/1.1\r\n",
                                "GET /\u007f HTTP/1.1\r\n",
                                "GET /?\u007f HTTP/1.1\r\n",
                                "GET /%zz HTTP/1.1\r\n",
                                "GET /%4z HTTP/1.1\r\n",
                                "GET /%0g HTTP/1.1\r\n",
                                "GET /%%41 HTTP/1.1\r\n",
                                "GET /a%00.jpg HTTP/1.1\r\n",
                                "GET /%u0041 HTTP/1.1\r\n",
                                "GET https://a/ HTTP/1.1\r\n",
                                "GET ftp://a/ HTTP/1.1\r\n",
                                "GET http:/a HTTP/1.1\r\n",
                                "GET http:///a HTTP/1.1\r\n",
                                "GET http://:80/ HTTP/1.1\r\n",
                                "GET http://a:/ HTTP/1.1\r\n",
                                "GET http://a:0/ HTTP/1.1\r\n",
                                "GET http://a:65536/ HTTP/1.1\r\n",
                                "GET http://u@a/ HTTP/1.1\r\n",
                                "GET http://a%41/ HTTP/1.1\r\n",
                                "GET http://a#b HTTP/1.1\r\n",
                                "GET http://a\\b/ HTTP/1.1\r\n",
                                "GET //\u0000a HTTP/1.1\r\n",
                                "CONNECT  a:1 HTTP/1.1\r\n",
                                "CONNECT / HTTP/1.1\r\n",
                                "CONNECT a HTTP/1.1\r\n",
                                "CONNECT a: HTTP/1.1\r\n",
                                "CONNECT a:1/ HTTP/1.1\r\n",
                                "CONNECT http://a/ HTTP/1.1\r\n",
                                "CONNECT * HTTP/1.1\r\n",
                                "POST * HTTP/1.1\r\n",
                                "OPTIONS *a HTTP/1.1\r\n",
                                "OPTIONS ** HTTP/1.1\r\n"),
                        of(
                                HttpRefusal.BAD_VERSION,
                                "GET /\r\n",
                                "GET /a?b\r\n",
                                "GET http://a\r\n",
                                "GET / \r\n",
                                "GET / http/1.1\r\n",
                                "GET / Http/1.1\r\n",
                                "GET / HTTPS/1.1\r\n",
                                "GET / HTTP/1.\r\n",
                                "GET / HTTP/1\r\n",
                                "GET / HTTP/11\r\n",
                                "GET / HTTP/1.10\r\n",
                                "GET / HTTP/1.1a\r\n",
                                "GET / HTTP/1,1\r\n",
                                "GET / HTTP/1.x\r\n",
                                "GET / HTTP/x.1\r\n",
                                "GET / HTTP\\1.1\r\n",
                                "GET /a b HTTP/1.1\r\n"),
                        of(
                                HttpRefusal.UNSUPPORTED_VERSION,
                                "GET / HTTP/2.0\r\n",
                                "GET / HTTP/1.2\r\n",
                                "GET / HTTP/1.9\r\n",
                                "GET / HTTP/0.9\r\n",
                                "GET / HTTP/3\r\n",
                                "GET / HTTP/01.1\r\n"),
                        of(
                                HttpRefusal.BARE_LF,
                                "GET\n",
                                "GET /\n",
                                "GET / \n",
                                "GET / HTTP/1.1\n" + host + "\n",
                                line + "Host: a\n\r\n",
                                line + host + "X: a\nContent-Length: 5\r\n\r\n",
                                line + host + "\n",
                                line + host + "X\n: a\r\n\r\n",
                                line + host + "X:\n\r\n"),
                        of(
                                HttpRefusal.BARE_CR,
                                "GET / HTTP/1.1\rHost: a\r\n\r\n",
                                "GET / HTTP/1.1\r\r\n",
                                line + host + "X: a\rb\r\n\r\n",
                                line + host + "X: a\rContent-Length: 5\r\n\r\n",
                                line + host + "X: a\r\r\n\r\n",
                                line + host + "\rX: a\r\n",
                                line + host + "\r\r\n"),
                        of(
                                HttpRefusal.OBS_FOLD,
                                line + host + "X: a\r\n b\r\n\r\n",
                                line + host + "X: a\r\n\tb\r\n\r\n",
                                line + " Host: a\r\n\r\n",
                                line + "\tHost: a\r\n\r\n",
                                line + host + " \r\n\r\n"),
                        of(
                                HttpRefusal.SPACE_BEFORE_COLON,
                                line + "Host : a\r\n\r\n",
                                line + host + "Content-Length : 5\r\n\r\n",
                                line + host + "Transfer-Encoding\t: chunked\r\n\r\n",
                                line + host + "X Y: a\r\n\r\n"),
                        of(
                                HttpRefusal.BAD_HEADER_NAME,
                                line + host + ": a\r\n\r\n",
                                line + host + "X\r\n\r\n",
                                line + host + "X\0: a\r\n\r\n",
                                line + host + "Content-Length\0: 5\r\n\r\n",
                                line + host + "\u00e9: a\r\n\r\n",
                                line + host + "X\u0080: a\r\n\r\n",
                                line + host + "X(: a\r\n\r\n",
                                line + host + "\"X\": a\r\n\r\n",
                                line + host + "Content_Length: 5\r\n\r\n",
                                line + host + "Transfer_Encoding: chunked\r\n\r\n",
                                line + host + "GET/1.1\r\n\r\n"),
                        of(
                                HttpRefusal.BAD_HEADER_VALUE,
                                line + host + "X: \0\r\n\r\n",
                                line + host + "X: a\0b\r\n\r\n",
                                line + host + "X: a\u0001\r\n\r\n",
                                line + host + "X: a\u0008\r\n\r\n",
                                line + host + "X: a\u000b\r\n\r\n",
                                line + host + "X: a\u001f\r\n\r\n",
                                line + host + "X: a\u007f\r\n\r\n",
                                line + host + "Content-Length: 5\0\r\n\r\n",
                                line + "Host: a\u000bb\r\n\r\n"),
                        of(
                                HttpRefusal.MISSING_HOST,
                                line + "\r\n",
                                line + "X-Host: a\r\n\r\n",
                                "GET http://a/ HTTP/1.1\r\n\r\n"),
                        of(
                                HttpRefusal.REPEATED_HOST,
                                line + host + host + "\r\n",
                                line + host + "Host: b\r\n\r\n",
                                line + host + "X: a\r\nhost: a\r\n\r\n",
                                "GET / HTTP/1.0\r\n" + host + "HOST:\r\n\r\n"),
                        of(
                                HttpRefusal.BAD_HOST,
                                line + "Host:\r\n\r\n",
                                line + "Host: \r\n\r\n",
                                line + "Host:\ta\r\n\r\n",
                                line + "Host: a\t\r\n\r\n",
                                line + "Host: a b\r\n\r\n",
                                line + "Host: a, b\r\n\r\n",
                                line + "Host: a:\r\n\r\n",
                                line + "Host: :80\r\n\r\n",
                                line + "Host: a:x\r\n\r\n",
                                line + "Host: a:0\r\n\r\n",
                                line + "Host: a:65536\r\n\r\n",
                                line + "Host: a:000080\r\n\r\n",
                                line + "Host: a:80:80\r\n\r\n",
                                line + "Host: u@a\r\n\r\n",
                                line + "Host: a/b\r\n\r\n",
                                line + "Host: http://a\r\n\r\n",
                                line + "Host: a%41\r\n\r\n",
                                line + "Host: \u00e9\r\n\r\n",
                                line + "Host: [::1\r\n\r\n",
                                line + "Host: []\r\n\r\n",
                                line + "Host: [g]\r\n\r\n",
                                line + "Host: [::1]a\r\n\r\n",
                                line + "Host: ::1\r\n\r\n",
                                "GET / HTTP/1.0\r\nHost:\r\n\r\n"),
                        of(
                                HttpRefusal.HOST_MISMATCH,
                                "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n",
                                "GET http://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n",
                                "GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n",
                                "GET http://a/ HTTP/1.0\r\nHost: a.b\r\n\r\n",
                                "CONNECT a:1 HTTP/1.1\r\nHost: a:2\r\n\r\n"),
                        of(
                                HttpRefusal.CL_AND_TE,
                                with("Content-Length: 5", "Transfer-Encoding: chunked"),
                                with("Transfer-Encoding: chunked", "Content-Length: 5"),
                                with("Transfer-Encoding: chunked", "X: a", "content-length: 0"),
                                with("Content-Length: 0", "Transfer-Encoding: identity"),
                                with("Content-Length: 5", "Transfer-Encoding:")),
                        of(
                                HttpRefusal.REPEATED_CL,
                                with("Content-Length: 5", "Content-Length: 5"),
                                with("Content-Length: 5", "Content-Length: 6"),
                                with("Content-Length: 5", "X: a", "CONTENT-LENGTH: x"),
                                with("Content-Length: 5, 5"),
                                with("Content-Length: 5,6"),
                                with("Content-Length: ,")),
                        of(
                                HttpRefusal.BAD_CL,
                                with("Content-Length:"),
                                with("Content-Length: "),
                                with("Content-Length:", " 5"),
                                with("Content-Length: +5"),
                                with("Content-Length: -5"),
                                with("Content-Length: -0"),
                                with("Content-Length: 5 5"),
                                with("Content-Length: 05"),
                                with("Content-Length: 00"),
                                with("Content-Length: 0x5"),
                                with("Content-Length: a"),
                                with("Content-Length: 5a"),
                                with("Content-Length: 5."),
                                with("Content-Length: 1e3"),
                                with("Content-Length: 5;"),
                                with("Content-Length: \"5\""),
                                with("Content-Length: \u00b2"),
                                with("Content-Length:\t5"),
                                with("Content-Length: 5\t"),
                                with("Content-Length: 1000000000000000000"),
                                with("Content-Length: 9223372036854775808"),
                                with("Content-Length: 18446744073709551617"),
                                with("Content-Length: 340282366920938463463374607431768211461")),
                        of(
                                HttpRefusal.BAD_TE,
                                with("Transfer-Encoding:"),
                                with("Transfer-Encoding:", " chunked"),
                                with("Transfer-Encoding: gzip"),
                                with("Transfer-Encoding: identity"),
                                with("Transfer-Encoding: gzip, chunked"),
                                with("Transfer-Encoding: chunked, gzip"),
                                with("Transfer-Encoding: chunked, chunked"),
                                with("Transfer-Encoding: chunked,"),
                                with("Transfer-Encoding: ,chunked"),
                                with("Transfer-Encoding: chunked;a=b"),
                                with("Transfer-Encoding: xchunked"),
                                with("Transfer-Encoding: chunkedx"),
                                with("Transfer-Encoding: chun ked"),
                                with("Transfer-Encoding: \"chunked\""),
                                with("Transfer-Encoding:\tchunked"),
                                with("Transfer-Encoding: chunked\t"),
                                with("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
                                with("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
                                "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
                        of(
                                HttpRefusal.BODY_ON_CONNECT,
                                "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 1\r\n\r\n",
                                "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nTransfer-Encoding: chunked\r\n\r\n"),
                        of(HttpRefusal.TOO_MANY_HEADERS, line + host + "X: a\r\n".repeat(128) + "\r\n"))
                .flatMap(cases -> cases);
    }

    private static Stream<Arguments> of(HttpRefusal reason, String... texts) {
        return Stream.of(texts).map(text -> arguments(reason, text));
    }

    @ParameterizedTest
    @MethodSource("refusals")
    void shouldRefuseForItsReason(HttpRefusal reason, String text) {
        refuse(text, reason);
    }

    @Nested
    class AtTheLimits {
        private String headOf(int bytes) {
            String start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
            return start + "a".repeat(bytes - start.length() - 4) + "\r\n\r\n";
        }

        @Test
        void shouldAcceptAHeadOfExactly16Kilobytes() {
            assertThat(RequestHead.MAX_HEAD_BYTES).isEqualTo(16 * 1024);
            String longest = headOf(RequestHead.MAX_HEAD_BYTES);
            assertThat(HeadFeeds.parse(head::parse, longest)).isEqualTo(RequestHead.MAX_HEAD_BYTES);
            assertThat(HeadFeeds.parse(head::parse, longest + "x")).isEqualTo(RequestHead.MAX_HEAD_BYTES);
            for (int length = 0; length < RequestHead.MAX_HEAD_BYTES; length += length < 16_000 ? 97 : 1) {
                assertThat(HeadFeeds.parse(head::parse, longest.substring(0, length)))
                        .isEqualTo(MessageHead.INCOMPLETE);
            }
        }

        @Test
        void shouldRefuseOneByteMoreAsSoonAsItCannotEndInTime() {
            String tooLong = headOf(RequestHead.MAX_HEAD_BYTES + 1);
            assertThat(HeadFeeds.parse(head::parse, tooLong)).isEqualTo(MessageHead.REFUSED);
            assertThat(head.refusal()).isEqualTo(HttpRefusal.HEAD_TOO_LONG);
            assertThat(HeadFeeds.parse(head::parse, tooLong.substring(0, RequestHead.MAX_HEAD_BYTES)))
                    .isEqualTo(MessageHead.REFUSED);
            assertThat(head.refusal()).isEqualTo(HttpRefusal.HEAD_TOO_LONG);
            assertThat(HeadFeeds.parse(head::parse, tooLong.substring(0, RequestHead.MAX_HEAD_BYTES - 1)))
                    .isEqualTo(MessageHead.INCOMPLETE);
        }

        @ParameterizedTest
        @ValueSource(strings = {"GET /", "GET /?", "GET / HTTP/1.1\r\nHost: a\r\nX", "GET / HTTP/1.1\r\nHost: a\r\nX:"})
        void shouldRefuseAnyElementThatNeverEnds(String start) {
            String text = start + "a".repeat(RequestHead.MAX_HEAD_BYTES - start.length());
            assertThat(HeadFeeds.parse(head::parse, text)).isEqualTo(MessageHead.REFUSED);
            assertThat(head.refusal()).isEqualTo(HttpRefusal.HEAD_TOO_LONG);
        }

        @Test
        void shouldAccept128HeaderLines() {
            accept("GET / HTTP/1.1\r\nHost: a\r\n" + "X: a\r\n".repeat(127) + "\r\n");
            assertThat(head.headerCount()).isEqualTo(128);
        }
    }

    @Nested
    class WithRandomChanges {
        private static final String ALPHABET = "\0\t\n\r !\"#%*,-./0159:;?@AGHPTZ[\\]_aehnt~\u007f\u0080\u00ff";

        /** A verdict is for good, and an accepted head says the same of itself however it arrived. */
        @Test
        void shouldNeverChangeAVerdictWhenMoreBytesCome() {
            int[] accepted = {0};
            SeededRounds.forAll(4_000, random -> {
                StringBuilder text =
                        new StringBuilder("POST http://a/b.c?d HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                                + "Connection: close\r\n\r\nGET ");
                for (int i = random.nextInt(3); i >= 0; i--) {
                    int at = random.nextInt(text.length());
                    char octet = ALPHABET.charAt(random.nextInt(ALPHABET.length()));
                    switch (random.nextInt(3)) {
                        case 0:
                            text.setCharAt(at, octet);
                            break;
                        case 1:
                            text.insert(at, octet);
                            break;
                        default:
                            text.deleteCharAt(at);
                            break;
                    }
                }
                int verdict = MessageHead.INCOMPLETE;
                for (int length = 0; length <= text.length(); length++) {
                    int now = HeadFeeds.parse(head::parse, text.substring(0, length));
                    if (verdict != MessageHead.INCOMPLETE) {
                        assertThat(now).isEqualTo(verdict);
                    } else if (now > 0) {
                        assertThat(now).isEqualTo(length);
                    }
                    verdict = now;
                }
                if (verdict > 0) {
                    accepted[0]++;
                    String sent = text.substring(0, verdict);
                    assertThat(sent).endsWith("\r\n\r\n");
                    assertThat(sent.replace("\r\n", "")).doesNotContain("\r", "\n", "\0");
                }
            });
            assertThat(accepted[0]).isBetween(200, 3_800);
        }
    }

    @Test
    void shouldParseSeveralHeadsInOneBuffer() {
        String first = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
        String second = "GET /22 HTTP/1.1\r\nHost: b\r\n\r\n";
        ByteBuffer buf = ByteBuffer.wrap(HeadFeeds.bytes(first + second));
        assertThat(head.parse(buf, 0, buf.capacity())).isEqualTo(first.length());
        assertThat(head.parse(buf, first.length(), second.length())).isEqualTo(second.length());
        assertThat(path()).isEqualTo("/22");
        assertThat(host()).isEqualTo("b");
    }
}
