package org.dwsr.rule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.rule.Requests.request;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.dwsr.config.ConfigTrees;
import org.dwsr.config.ThreeCharId;
import org.dwsr.http.HttpRefusal;
import org.dwsr.http.RequestHead;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Rules see the path as it was sent (docs/decisions.md); servers normalise it first. The rows say what nginx 1.22 makes
 * of each path: where its class would be another, the request goes to the pool of the spelling and nginx there decides.
 */
class PathSpellingTest {
    private static final String IMAGES = "018";
    private static final String APP = "020";

    private final RuleTable table =
            new RuleTable(ConfigTrees.read(ConfigTrees.example()).services().get(0));

    private String classOf(String path) {
        Requests request = request("GET", path, "www.example.org");
        return ThreeCharId.decode(table.match(request.buf, request.head));
    }

    @ParameterizedTest
    @CsvSource({
        // sent, normalised by nginx, the same class for both
        "/img/a, /img/a, true",
        "/img/a%20b, /img/a b, true",
        "/img/./a, /img/a, true",
        "/img//a, /img/a, true",
        "/img/b/../a, /img/a, true",
        "/x.php?/img/a.jpg, /x.php, true",
        "/x.php?a=/../img/a.jpg, /x.php, true",
        "/img/../x.php, /x.php, false",
        "/img/%2e%2e/x.php, /x.php, false",
        "/img/..%2fx.php, /x.php, false",
        "/x/../img/a, /img/a, false",
        "/%69mg/a, /img/a, false",
        "/img%2fa, /img/a, false",
        "//img/a, /img/a, false",
        "/./img/a, /img/a, false",
        "/a.%6apg, /a.jpg, false"
    })
    void shouldBeClassedByWhatWasSent(String sent, String normalised, boolean sameClass) {
        String bySpelling = classOf(sent);
        assertThat(bySpelling).isEqualTo(sent.startsWith("/img/") ? IMAGES : APP);
        assertThat(bySpelling.equals(classOf(normalised.replace(" ", "%20")))).isEqualTo(sameClass);
    }

    @ParameterizedTest
    @CsvSource({
        // A semicolon begins parameters in Java servers only; the extension is what stands behind the last dot.
        "/img/a;x.php, 018",
        "/x.php;a.jpg, 018",
        "/x;a.php, 020",
        // What CGI calls path info is not looked for.
        "/x.php/a.jpg, 018",
        "/a.jpg/x.php, 020",
        "/a.jpg/, 020",
        "/a.jpg%2f, 020",
        "/a.jpg., 020",
        "/a.jpg%20, 020",
        "/IMG/a, 020",
        "/img\\a, 020"
    })
    void shouldTakeTheExtensionBehindTheLastDotOfTheLastSegment(String path, String contentType) {
        assertThat(classOf(path)).isEqualTo(contentType);
    }

    @Test
    void shouldClassTheAbsoluteFormLikeItsPath() {
        assertThat(classOf("http://www.example.org/img/a")).isEqualTo(IMAGES);
        assertThat(classOf("http://www.example.org/x.php")).isEqualTo(APP);
        assertThat(classOf("http://www.example.org")).isEqualTo(APP);
        assertThat(classOf("http://www.example.org?/img/a.jpg")).isEqualTo(APP);
    }

    /** Where servers differ on where the path ends there is no class at all. */
    @ParameterizedTest
    @ValueSource(strings = {"/x.php#/img/a.jpg", "/img/a#", "/x.php%00.jpg", "/img/a%g0", "img/a", "/img/a\u0000b"})
    void shouldBeRefusedWhenThePathsEndIsInDoubt(String target) {
        byte[] bytes = ("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n").getBytes(StandardCharsets.ISO_8859_1);
        RequestHead head = new RequestHead();
        assertThat(head.parse(ByteBuffer.wrap(bytes), 0, bytes.length)).isEqualTo(RequestHead.REFUSED);
        assertThat(head.refusal()).isEqualTo(HttpRefusal.BAD_TARGET);
    }
}
