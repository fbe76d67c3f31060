package org.dwsr.session;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.dwsr.config.SeededRounds;
import org.dwsr.config.ThreeCharId;
import org.dwsr.http.RequestHead;
import org.dwsr.http.ResponseHead;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SessionCookiesTest {
    private static final int OFFSET = 7;
    private static final int IMAGES = ThreeCharId.encode("018");
    private static final int APP = ThreeCharId.encode("020");
    private static final int S1 = ThreeCharId.encode("9C1");
    private static final int S2 = ThreeCharId.encode("9C2");
    private static final List<String> NAMES =
            List.of("PHPSESSID", "JSESSIONID", "__Host-PHPSESSID", "__Secure-SESSIONS", "ASP.NET_SessionId");

    /** An independent reading: a whole cookie with a tag for {@link #IMAGES} and a configured name's tail. */
    private static final Pattern TAGGED = Pattern.compile("[ \\t]*(?:(?:__Host-)?DR018(?<id>[0-9A-Z]{3})D|"
            + "DR018(?<id2>[0-9A-Z]{3})(?:ID|SessionId)|__Secure-DR018(?<id3>[0-9A-Z]{3}))=.*");

    private final SessionCookies cookies = new SessionCookies(NAMES);

    /** A buffer with the head at {@link #OFFSET} and garbage that looks like a tag around it. */
    private static ByteBuffer bufferOf(String head) {
        byte[] bytes = ("DR01200" + head + "DR0189C1D=x; DR0189C1D=y").getBytes(StandardCharsets.ISO_8859_1);
        ByteBuffer buf = ByteBuffer.allocateDirect(bytes.length);
        for (int i = 0; i < bytes.length; i++) {
            buf.put(i, bytes[i]);
        }
        return buf;
    }

    private static String textOf(ByteBuffer buf, int length) {
        StringBuilder text = new StringBuilder(length);
        for (int i = 0; i < length; i++) {
            text.append((char) (buf.get(OFFSET + i) & 0xFF));
        }
        return text.toString();
    }

    private static RequestHead parseRequest(ByteBuffer buf, int length) {
        RequestHead head = new RequestHead();
        assertThat(head.parse(buf, OFFSET, length)).isEqualTo(length);
        return head;
    }

    private static String requestOf(String... cookieHeaders) {
        StringBuilder head = new StringBuilder("GET / HTTP/1.1\r\nHost: h\r\n");
        for (String header : cookieHeaders) {
            head.append("Cookie: ").append(header).append("\r\n");
        }
        return head.append("Accept: DR0189C1D=x\r\n\r\n").toString();
    }

    private static String responseOf(String... setCookies) {
        StringBuilder head = new StringBuilder("HTTP/1.1 200 OK\r\nServer: PHPSESSID=1\r\n");
        for (String setCookie : setCookies) {
            head.append("Set-Cookie: ").append(setCookie).append("\r\n");
        }
        return head.append("Content-Length: 0\r\n\r\n").toString();
    }

    private String restore(String head, int contentType, int serverId) {
        ByteBuffer buf = bufferOf(head);
        cookies.restore(buf, parseRequest(buf, head.length()), contentType, serverId, buf::putLong);
        return textOf(buf, head.length());
    }

    private String rename(String head, int contentType, int serverId) {
        ByteBuffer buf = bufferOf(head);
        ResponseHead parsed = new ResponseHead();
        assertThat(parsed.parse(buf, OFFSET, head.length())).isEqualTo(head.length());
        cookies.rename(buf, parsed, contentType, serverId, buf::putLong);
        return textOf(buf, head.length());
    }

    private int find(String cookieHeader, int contentType) {
        String head = requestOf(cookieHeader);
        ByteBuffer buf = bufferOf(head);
        return cookies.findServer(buf, parseRequest(buf, head.length()), contentType);
    }

    @Nested
    class InResponses {
        @Test
        void shouldRenameLikeThePapersFigure8() {
            assertThat(rename(responseOf("PHPSESSID=abc; path=/"), IMAGES, S1))
                    .isEqualTo(responseOf("DR0189C1D=abc; path=/"));
        }

        @Test
        void shouldRenameEverySetCookieOfAConfiguredName() {
            assertThat(rename(
                            responseOf("a=b", "PHPSESSID=1", "c=d", "JSESSIONID=2; Secure", "ASP.NET_SessionId=3"),
                            APP,
                            S2))
                    .isEqualTo(responseOf("a=b", "DR0209C2D=1", "c=d", "DR0209C2ID=2; Secure", "DR0209C2SessionId=3"));
        }

        @Test
        void shouldKeepPrefixesThatBrowsersGiveAMeaning() {
            assertThat(rename(responseOf("__Host-PHPSESSID=1; Secure; Path=/", "__Secure-SESSIONS=2; Secure"), APP, S2))
                    .isEqualTo(responseOf("__Host-DR0209C2D=1; Secure; Path=/", "__Secure-DR0209C2=2; Secure"));
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "PHPSESSID=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0",
                    "PHPSESSID=\"a b\"; path=/",
                    "PHPSESSID=; path=/",
                    "PHPSESSID =x",
                    "PHPSESSID=a=b"
                })
        void shouldRenameWhateverTheValue(String setCookie) {
            assertThat(rename(responseOf(setCookie), IMAGES, S1))
                    .isEqualTo(responseOf(setCookie.replace("PHPSESSID", "DR0189C1D")));
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "phpsessid=1",
                    "PHPSESSID2=1",
                    "XPHPSESSID=1",
                    "PHPSESSID",
                    "PHPSESSID; path=/",
                    "a=PHPSESSID=1",
                    "a=b; PHPSESSID=1",
                    "__host-PHPSESSID=1",
                    "__Secure-PHPSESSID=1",
                    "",
                    "=PHPSESSID=1",
                    "PHPSESSIE=1"
                })
        void shouldLeaveOtherCookiesAlone(String setCookie) {
            assertThat(rename(responseOf(setCookie), IMAGES, S1)).isEqualTo(responseOf(setCookie));
        }

        @Test
        void shouldFindTheHeaderInAnyCase() {
            assertThat(rename("HTTP/1.1 200 OK\nset-COOKIE:PHPSESSID=1\n\n", IMAGES, S1))
                    .isEqualTo("HTTP/1.1 200 OK\nset-COOKIE:DR0189C1D=1\n\n");
        }
    }

    @Nested
    class InRequests {
        @Test
        void shouldRestoreWhatIsTaggedForThisContentTypeAndServer() {
            assertThat(restore(requestOf("DR0189C1D=abc"), IMAGES, S1)).isEqualTo(requestOf("PHPSESSID=abc"));
        }

        @Test
        void shouldRestoreInAnyOrderAndHeader() {
            assertThat(restore(
                            requestOf(
                                    "a=b;DR0189C1ID=1;  DR0189C1D=2; c",
                                    "__Host-DR0189C1D=3; DR0189C1SessionId=\"4\"; x=y"),
                            IMAGES,
                            S1))
                    .isEqualTo(requestOf(
                            "a=b;JSESSIONID=1;  PHPSESSID=2; c", "__Host-PHPSESSID=3; ASP.NET_SessionId=\"4\"; x=y"));
        }

        @Test
        void shouldLetTwoPoolsSessionsCoexist() {
            String both = requestOf("DR0189C1D=images; DR0209C2D=app");
            assertThat(restore(both, IMAGES, S1)).isEqualTo(requestOf("PHPSESSID=images; DR0209C2D=app"));
            assertThat(restore(both, APP, S2)).isEqualTo(requestOf("DR0189C1D=images; PHPSESSID=app"));
            assertThat(restore(both, APP, S1)).isEqualTo(both);
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "DR0189C1=abc",
                    "DR0189C1DD=abc",
                    "DR0189C1d=abc",
                    "dr0189C1D=abc",
                    "DR0189c1D=abc",
                    "DR0189C1D",
                    "DR0189C1D;",
                    "a=DR0189C1D=abc",
                    "xDR0189C1D=abc",
                    "__Host-DR0189C1ID=abc",
                    "__Secure-DR0189C1D=abc",
                    "__host-DR0189C1D=abc",
                    "DR0189C",
                    "D",
                    "__Host-DR",
                    "__Host-DR0189C1",
                    "",
                    ";;;",
                    "=;=",
                    "; ",
                    "=DR0189C1D=abc"
                })
        void shouldTakeForNoTagWhatDoesNotFitWholly(String cookieHeader) {
            assertThat(restore(requestOf(cookieHeader), IMAGES, S1)).isEqualTo(requestOf(cookieHeader));
            assertThat(find(cookieHeader, IMAGES)).isEqualTo(SessionCookies.NO_SERVER);
        }

        @Test
        void shouldSeparateAtASemicolonBehindAnOpenQuote() {
            assertThat(find("a=\"x; DR0189C1D=abc", IMAGES)).isEqualTo(S1);
        }

        @Test
        void shouldFindTheServerOfItsContentTypeOnly() {
            assertThat(find("DR0209C2D=1; DR0189C1D=2", IMAGES)).isEqualTo(S1);
            assertThat(find("DR0209C2D=1; DR0189C1D=2", APP)).isEqualTo(S2);
            assertThat(find("DR0209C2D=1; DR0189C1D=2", ThreeCharId.encode("021")))
                    .isEqualTo(SessionCookies.NO_SERVER);
            assertThat(find("__Host-DR0189C2D=1", IMAGES)).isEqualTo(S2);
        }

        @Test
        void shouldPassOverServersThatAreNotAccepted() {
            String head = requestOf("DR018ZZZD=1; DR0189C2ID=2", "DR0189C1D=3");
            ByteBuffer buf = bufferOf(head);
            RequestHead parsed = parseRequest(buf, head.length());
            List<Integer> asked = new ArrayList<>();
            assertThat(cookies.findServer(buf, parsed, IMAGES, id -> {
                        asked.add(id);
                        return id == S1;
                    }))
                    .isEqualTo(S1);
            assertThat(asked).containsExactly(ThreeCharId.MAX, S2, S1);
            assertThat(cookies.findServer(buf, parsed, IMAGES, id -> false)).isEqualTo(SessionCookies.NO_SERVER);
        }

        @Test
        void shouldDoNothingWithoutConfiguredNames() {
            SessionCookies none = new SessionCookies(List.of());
            String head = requestOf("DR0189C1D=1");
            ByteBuffer buf = bufferOf(head);
            RequestHead parsed = parseRequest(buf, head.length());
            assertThat(none.findServer(buf, parsed, IMAGES)).isEqualTo(SessionCookies.NO_SERVER);
            assertThat(none.restore(buf, parsed, IMAGES, S1, buf::putLong)).isZero();
        }
    }

    @Nested
    class ForAllHeads {
        private final String[] pieces = {
            "DR0189C1D",
            "DR0189C1D=1",
            "; DR0189C1ID=2;",
            "DR0209C2D",
            "DR0189C1ID",
            "PHPSESSID",
            "__Host-DR0189C1D",
            "__Host-",
            "DR",
            "=",
            "=",
            ";",
            "; ",
            " ",
            "\"",
            "x",
            "sid=1",
            ",",
            "DR018ZZZD=",
            "__Secure-DR0189C1"
        };

        private int idOf(Matcher tagged) {
            return ThreeCharId.encode(Stream.of("id", "id2", "id3")
                    .map(tagged::group)
                    .filter(Objects::nonNull)
                    .findFirst()
                    .orElseThrow());
        }

        private String randomCookies(Random random) {
            StringBuilder text = new StringBuilder();
            for (int i = random.nextInt(12); i > 0; i--) {
                text.append(pieces[random.nextInt(pieces.length)]);
            }
            return text.toString();
        }

        @Test
        void shouldGiveBackEveryCookieThatAResponseSet() {
            SeededRounds.forAll(2000, random -> {
                int contentType = random.nextInt(ThreeCharId.MAX + 1);
                int serverId = random.nextInt(ThreeCharId.MAX + 1);
                List<String> pairs = new ArrayList<>();
                for (int i = random.nextInt(6); i >= 0; i--) {
                    String name = random.nextInt(3) == 0 ? "other" + i : NAMES.get(random.nextInt(NAMES.size()));
                    pairs.add(name + "=" + Integer.toHexString(random.nextInt()));
                }
                String[] original = pairs.toArray(new String[0]);
                String renamed = rename(responseOf(original), contentType, serverId);
                // What a browser does: the pairs of the Set-Cookie lines joined into one Cookie line.
                String[] kept = Arrays.stream(renamed.split("\r\n", -1))
                        .filter(line -> line.startsWith("Set-Cookie: "))
                        .map(line -> line.substring("Set-Cookie: ".length()))
                        .toArray(String[]::new);
                String request = requestOf(String.join("; ", kept));
                assertThat(request).doesNotContain("PHPSESSID").doesNotContain("SESSIONS");
                assertThat(restore(request, contentType, serverId)).isEqualTo(requestOf(String.join("; ", original)));
                boolean sessionSet = !Arrays.equals(original, kept);
                assertThat(find(String.join("; ", kept), contentType))
                        .isEqualTo(sessionSet ? serverId : SessionCookies.NO_SERVER);
            });
        }

        @Test
        void shouldPatchOnlyWholeTagsOfThisServerWhateverTheClientSends() {
            int[] patched = {0};
            SeededRounds.forAll(5000, random -> {
                String header = randomCookies(random);
                String head = requestOf(header);
                ByteBuffer buf = bufferOf(head);
                RequestHead parsed = parseRequest(buf, head.length());
                int start = OFFSET + head.indexOf("Cookie: ");
                int end = OFFSET + head.indexOf("\r\nAccept");
                int patches = cookies.restore(buf, parsed, IMAGES, S1, (offset, replacement8) -> {
                    assertThat(offset).isBetween(start, end - 8);
                    assertThat(buf.getLong(offset)).isEqualTo(CookieTag.encode(IMAGES, S1));
                });
                int sound = 0;
                int first = SessionCookies.NO_SERVER;
                for (String pair : header.split(";", -1)) {
                    Matcher tagged = TAGGED.matcher(pair);
                    if (tagged.matches()) {
                        int id = idOf(tagged);
                        sound += id == S1 ? 1 : 0;
                        first = first == SessionCookies.NO_SERVER ? id : first;
                    }
                }
                assertThat(patches).isEqualTo(sound);
                assertThat(find(header, IMAGES)).isEqualTo(first);
                patched[0] += patches;
            });
            assertThat(patched[0]).isGreaterThan(500);
        }
    }
}
