package org.dwsr.rule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.config.ConfigTrees.list;
import static org.dwsr.config.ConfigTrees.object;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Pattern;
import org.dwsr.config.ConfigTrees;
import org.dwsr.config.SeededRounds;
import org.dwsr.config.ThreeCharId;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class RuleTablePropertyTest {
    private static final String[] PATHS = {"/", "/a", "/a/", "/a/b.php", "/a/c.jpg", "/b/a.php", "/a/b/c.PHP", "/b"};
    private static final String[] PATTERNS = {
        "/", "/a", "/a/b.php", "/a/*", "/b/*", "/a/b*", "*", "*.php", "/*/*", "/a*", "/a/*/c*", "/a/*.jpg"
    };
    private static final String[] HOSTS = {"a.x", "b.x", "A.X", "c"};
    private static final String[] HOST_PATTERNS = {"a.x", "*.x", "a.*", "C"};
    private static final String[] EXTENSIONS = {"php", "jpg", "JPG"};
    private static final String[] METHODS = {"GET", "POST"};

    @Test
    void shouldDecideLikeALinearSearchWithRegularExpressions() {
        int[] decided = {0};
        SeededRounds.forAll(500, random -> {
            List<Object> contentTypes = new ArrayList<>();
            List<Map<String, Object>> rules = new ArrayList<>();
            int count = random.nextInt(12);
            for (int i = 0; i < count; i++) {
                rules.add(randomRule(random));
                contentTypes.add(object("id", ThreeCharId.decode(i), "match", list(rules.get(i)), "pool", "app"));
            }
            contentTypes.add(object("id", "ZZZ", "pool", "app"));
            RuleTable table = new RuleTable(ConfigTrees.read(ConfigTrees.withContentTypes(contentTypes, "ZZZ"))
                    .services()
                    .get(0));
            for (int i = 0; i < 20; i++) {
                String path = pick(random, PATHS);
                String host = pick(random, HOSTS);
                String method = pick(random, METHODS);
                Requests request = Requests.request(method, path, host);
                int expected = linearSearch(rules, path, host, method);
                assertThat(table.rule(request.buf, request.head)).isEqualTo(expected);
                decided[0] += expected >= 0 ? 1 : 0;
            }
        });
        assertThat(decided[0]).isBetween(1_000, 9_900);
    }

    private static Map<String, Object> randomRule(Random random) {
        Map<String, Object> rule = object();
        if (random.nextInt(3) > 0) {
            rule.put("path", pick(random, PATTERNS));
        }
        if (random.nextInt(3) == 0) {
            rule.put("extension", pick(random, EXTENSIONS));
        }
        if (random.nextInt(4) == 0) {
            rule.put("host", pick(random, HOST_PATTERNS));
        }
        if (rule.isEmpty() || random.nextInt(4) == 0) {
            rule.put("method", pick(random, METHODS));
        }
        return rule;
    }

    private static int linearSearch(List<Map<String, Object>> rules, String path, String host, String method) {
        String last = path.substring(path.lastIndexOf('/') + 1);
        String extension = last.indexOf('.') < 0 ? "" : last.substring(last.lastIndexOf('.') + 1);
        for (int i = 0; i < rules.size(); i++) {
            Map<String, Object> rule = rules.get(i);
            if (holds(rule.get("path"), path, false)
                    && holds(rule.get("host"), host, true)
                    && holds(rule.get("method"), method, false)
                    && holds(rule.get("extension"), extension, true)) {
                return i;
            }
        }
        return -1;
    }

    private static boolean holds(@Nullable Object pattern, String text, boolean caseIgnored) {
        return pattern == null
                || Pattern.compile(
                                ("\\Q" + pattern + "\\E").replace("*", "\\E.*\\Q"),
                                caseIgnored ? Pattern.CASE_INSENSITIVE : 0)
                        .matcher(text)
                        .matches();
    }

    private static String pick(Random random, String[] choices) {
        return choices[random.nextInt(choices.length)];
    }
}
