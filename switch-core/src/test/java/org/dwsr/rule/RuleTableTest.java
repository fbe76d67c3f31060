package org.dwsr.rule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.config.ConfigTrees.list;
import static org.dwsr.config.ConfigTrees.object;
import static org.dwsr.rule.Requests.raw;
import static org.dwsr.rule.Requests.request;

import java.util.ArrayList;
import java.util.List;
import org.dwsr.config.ConfigTrees;
import org.dwsr.config.ThreeCharId;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RuleTableTest {
    /** A table in which the n-th match gives content type 00n, and nothing gives ZZZ. */
    private static RuleTable tableOf(Object... matches) {
        List<Object> contentTypes = new ArrayList<>();
        for (int i = 0; i < matches.length; i++) {
            contentTypes.add(object("id", ThreeCharId.decode(i), "match", list(matches[i]), "pool", "app"));
        }
        contentTypes.add(object("id", "ZZZ", "pool", "app"));
        return new RuleTable(ConfigTrees.read(ConfigTrees.withContentTypes(contentTypes, "ZZZ"))
                .services()
                .get(0));
    }

    private static String match(RuleTable table, Requests request) {
        return ThreeCharId.decode(table.match(request.buf, request.head));
    }

    private static boolean matches(Object match, Requests request) {
        return match(tableOf(match), request).equals("000");
    }

    @Nested
    class WithTheDesignsRules {
        private final RuleTable table =
                new RuleTable(ConfigTrees.read(ConfigTrees.example()).services().get(0));

        @ParameterizedTest
        @CsvSource({
            "/img/a.png, www.example.org, 018",
            "/img/, www.example.org, 018",
            "/img/visit.php, www.example.org, 018",
            "/photo.jpg, www.example.org, 018",
            "/photo.JPG?x=1.php, app.example.org, 018",
            "/index.php, www.example.org, 020",
            "/index.php?f=a.jpg, www.example.org, 020",
            "/, app.example.org, 020",
            "/, www.example.org, 020",
            "/img, www.example.org, 020"
        })
        void shouldGiveTheContentType(String target, String host, String contentType) {
            assertThat(match(table, request("GET", target, host))).isEqualTo(contentType);
        }

        @Test
        void shouldTellWhichRuleDecided() {
            Requests jpg = request("GET", "/photo.jpg", "www");
            assertThat(table.rule(jpg.buf, jpg.head)).isEqualTo(1);
            assertThat(table.place(1)).isEqualTo("contentTypes[0].match[1]");
            assertThat(table.contentType(1)).isEqualTo(ThreeCharId.encode("018"));
            Requests other = request("GET", "/", "www");
            assertThat(table.rule(other.buf, other.head)).isEqualTo(RuleTable.NO_RULE);
            assertThat(table.place(RuleTable.NO_RULE)).isEqualTo("otherwise");
            assertThat(table.contentType(RuleTable.NO_RULE)).isEqualTo(ThreeCharId.encode("020"));
        }
    }

    @Nested
    class WithOneCondition {
        @ParameterizedTest
        @CsvSource({
            "/a, /a, true",
            "/a, /A, false",
            "/a, /a/, false",
            "/a, /a?b, true",
            "/img/*, /img/x/y, true",
            "/img/*, /img/, true",
            "/img/*, /img, false",
            "/img/*, /IMG/x, false",
            "/img*, /img, true",
            "/img*, /imgs/1, true",
            "*, /, true",
            "*/x, /a/b/x, true",
            "/*/x, /a/b/x, true",
            "/*/x, /x, false",
            "/a*b*c, /aXbbYc, true",
            "/a*b*c, /aXcYb, false",
            "/**, /a, true",
            "/a.b*, /aXb, false"
        })
        void shouldMatchThePath(String pattern, String target, boolean expected) {
            assertThat(matches(object("path", pattern), request("GET", target, "h")))
                    .isEqualTo(expected);
        }

        @ParameterizedTest
        @CsvSource({
            "app.example.org, app.example.org, true",
            "app.example.org, APP.Example.ORG, true",
            "APP.example.org, app.example.org, true",
            "app.example.org, app.example.org:8080, true",
            "app.example.org, xapp.example.org, false",
            "app.*, app.example.org, true",
            "*.example.org, app.example.org, true",
            "*.example.org, example.org, false",
            "*.example.org, a.example.org.evil, false",
            "[::1], [::1]:80, true"
        })
        void shouldMatchTheHostWithoutPortAndCase(String pattern, String host, boolean expected) {
            assertThat(matches(object("host", pattern), request("GET", "/", host)))
                    .isEqualTo(expected);
        }

        @Test
        void shouldNotMatchAHostWhenThereIsNone() {
            assertThat(matches(object("host", "*"), raw("GET / HTTP/1.0\r\n\r\n")))
                    .isFalse();
        }

        @ParameterizedTest
        @CsvSource({
            "jpg, /a.jpg, true",
            "jpg, /a.JPG, true",
            "JPG, /a.jpg, true",
            "jpg, /a.jpg/b, false",
            "jpg, /a?b.jpg, false",
            "jpg, /ajpg, false",
            "gz, /a.tar.gz, true"
        })
        void shouldMatchTheExtensionWithoutCase(String extension, String target, boolean expected) {
            assertThat(matches(object("extension", extension), request("GET", target, "h")))
                    .isEqualTo(expected);
        }

        @Test
        void shouldMatchTheMethodExactly() {
            assertThat(matches(object("method", "POST"), request("POST", "/", "h")))
                    .isTrue();
            assertThat(matches(object("method", "POST"), request("GET", "/", "h")))
                    .isFalse();
            assertThat(matches(object("method", "P*"), request("POST", "/", "h")))
                    .isFalse();
        }

        @Test
        void shouldMatchAHeaderByItsPresence() {
            Object match = object("header", object("name", "X-Beta"));
            assertThat(matches(match, request("GET", "/", "h", "x-beta: 1"))).isTrue();
            assertThat(matches(match, request("GET", "/", "h", "X-Beta:"))).isTrue();
            assertThat(matches(match, request("GET", "/", "h", "X-Betas: 1"))).isFalse();
            assertThat(matches(match, request("GET", "/", "h"))).isFalse();
        }

        @Test
        void shouldMatchAHeaderByItsValueInAnyLine() {
            Object match = object("header", object("name", "Accept", "value", "image/*"));
            assertThat(matches(match, request("GET", "/", "h", "Accept: image/png")))
                    .isTrue();
            assertThat(matches(match, request("GET", "/", "h", "Accept: text/html", "accept: image/png")))
                    .isTrue();
            assertThat(matches(match, request("GET", "/", "h", "Accept: Image/png")))
                    .isFalse();
        }

        @ParameterizedTest
        @CsvSource({
            "beta=1, true",
            "a=b; beta=1, true",
            "a=b;beta=, true",
            "a=b;beta, true",
            "beta, true",
            "BETA=1, false",
            "xbeta=1, false",
            "betas=1, false",
            "a=beta=1, false",
            "'', false",
            ";;, false"
        })
        void shouldMatchACookieByItsPresence(String cookies, boolean expected) {
            assertThat(matches(
                            object("cookie", object("name", "beta")), request("GET", "/", "h", "Cookie: " + cookies)))
                    .isEqualTo(expected);
        }

        @ParameterizedTest
        @CsvSource({
            "beta=on, true",
            "beta=o=n, true",
            "a=1; beta=off; beta=on, true",
            "beta=off, false",
            "beta=, false",
            "beta, false",
            "beta=\"on\", false",
            "a=on; beta=off, false"
        })
        void shouldMatchACookieByItsValue(String cookies, boolean expected) {
            assertThat(matches(
                            object("cookie", object("name", "beta", "value", "o*n")),
                            request("GET", "/", "h", "Cookie: " + cookies)))
                    .isEqualTo(expected);
        }

        @Test
        void shouldLookIntoEveryCookieHeader() {
            assertThat(matches(
                            object("cookie", object("name", "beta")),
                            request("GET", "/", "h", "Cookie: a=b", "COOKIE: beta=1")))
                    .isTrue();
        }
    }

    @Nested
    class WithSeveralRules {
        @Test
        void shouldAskForAllConditionsOfOneMatch() {
            RuleTable table = tableOf(object("path", "/a/*", "extension", "php", "host", "h", "method", "GET"));
            assertThat(match(table, request("GET", "/a/b.php", "h"))).isEqualTo("000");
            assertThat(match(table, request("GET", "/a/b.jpg", "h"))).isEqualTo("ZZZ");
            assertThat(match(table, request("GET", "/b/b.php", "h"))).isEqualTo("ZZZ");
            assertThat(match(table, request("GET", "/a/b.php", "i"))).isEqualTo("ZZZ");
            assertThat(match(table, request("HEAD", "/a/b.php", "h"))).isEqualTo("ZZZ");
        }

        @Test
        void shouldLetTheFirstWinAcrossAllPlaces() {
            Object exact = object("path", "/img/a.jpg");
            Object extension = object("extension", "jpg");
            Object segment = object("path", "/img/*");
            Object other = object("host", "h");
            Requests request = request("GET", "/img/a.jpg", "h");
            List<Object> rules = List.of(exact, extension, segment, other);
            for (int rotation = 0; rotation < 4; rotation++) {
                Object[] order = new Object[4];
                for (int i = 0; i < 4; i++) {
                    order[i] = rules.get((i + rotation) % 4);
                }
                assertThat(match(tableOf(order), request)).isEqualTo("000");
                assertThat(match(tableOf(object("method", "POST"), order[0], order[1]), request))
                        .isEqualTo("001");
            }
        }
    }
}
