package org.dwsr.rule;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.dwsr.config.ContentTypeConfig;
import org.dwsr.config.MatchConfig;
import org.dwsr.config.ServiceConfig;
import org.dwsr.http.RequestHead;
import org.jspecify.annotations.Nullable;

/**
 * The rule table of one service (paper, figure 10), compiled once: which content type a request is of. The first match
 * wins, in the order of the content types and then of their alternatives. Immutable and without allocation, so that
 * the web switch and all filters share it and decide alike.
 *
 * <p>Each rule stands in one place, found by its most telling condition: an exact path, an extension, the first segment
 * of a path ({@code /img/} of {@code /img/*}), or else in a list that is tried in order. A request is compared with
 * the rules of its own path, extension and segment and with that list.
 */
public final class RuleTable {
    /** The answer of {@link #rule} when no rule matches. */
    public static final int NO_RULE = -1;

    private final Rule[] rules;
    private final String[] places;
    private final int otherwise;
    private final RuleBuckets byPath;
    private final RuleBuckets byExtension;
    private final RuleBuckets bySegment;
    private final Rule[] others;

    /** The rule table of this service. */
    public RuleTable(ServiceConfig service) {
        otherwise = service.otherwise();
        List<Rule> compiled = new ArrayList<>();
        List<String> found = new ArrayList<>();
        Map<String, List<Rule>> paths = new LinkedHashMap<>();
        Map<String, List<Rule>> extensions = new LinkedHashMap<>();
        Map<String, List<Rule>> segments = new LinkedHashMap<>();
        List<Rule> rest = new ArrayList<>();
        for (int i = 0; i < service.contentTypes().size(); i++) {
            ContentTypeConfig contentType = service.contentTypes().get(i);
            for (int j = 0; j < contentType.match().size(); j++) {
                MatchConfig match = contentType.match().get(j);
                Rule rule = new Rule(compiled.size(), contentType.id(), match);
                compiled.add(rule);
                found.add("contentTypes[" + i + "].match[" + j + "]");
                String path = match.path();
                String extension = match.extension();
                String segment = path == null ? null : segmentOf(path);
                if (path != null && path.indexOf('*') < 0) {
                    paths.computeIfAbsent(path, key -> new ArrayList<>()).add(rule);
                } else if (extension != null) {
                    extensions
                            .computeIfAbsent(extension.toLowerCase(Locale.ROOT), key -> new ArrayList<>())
                            .add(rule);
                } else if (segment != null) {
                    segments.computeIfAbsent(segment, key -> new ArrayList<>()).add(rule);
                } else {
                    rest.add(rule);
                }
            }
        }
        rules = compiled.toArray(new Rule[0]);
        places = found.toArray(new String[0]);
        byPath = new RuleBuckets(paths, false);
        byExtension = new RuleBuckets(extensions, true);
        bySegment = new RuleBuckets(segments, false);
        others = rest.toArray(new Rule[0]);
    }

    /** The first segment with both its slashes, if the pattern fixes it before its first star, or null. */
    private static @Nullable String segmentOf(String pattern) {
        int star = pattern.indexOf('*');
        int slash = pattern.startsWith("/") ? pattern.indexOf('/', 1) : -1;
        return slash >= 0 && slash < star ? pattern.substring(0, slash + 1) : null;
    }

    /**
     * The code of the content type of a request; that of the service's otherwise if no rule matches.
     *
     * @param buf the bytes the head was parsed from
     * @param head a successfully parsed head
     */
    public int match(ByteBuffer buf, RequestHead head) {
        return contentType(rule(buf, head));
    }

    /** The number of the rule that decides about a request, from 0, or {@link #NO_RULE}. */
    public int rule(ByteBuffer buf, RequestHead head) {
        int path = head.pathOffset();
        int pathLength = head.pathLength();
        int best = first(byPath.find(buf, path, pathLength), buf, head, rules.length);
        best = first(byExtension.find(buf, head.extensionOffset(), head.extensionLength()), buf, head, best);
        int segmentLength = segmentLength(buf, path, pathLength);
        if (segmentLength > 0) {
            best = first(bySegment.find(buf, path, segmentLength), buf, head, best);
        }
        best = first(others, buf, head, best);
        return best == rules.length ? NO_RULE : best;
    }

    /** The code of the content type that a rule gives; for {@link #NO_RULE} the service's otherwise. */
    public int contentType(int rule) {
        return rule == NO_RULE ? otherwise : rules[rule].contentType;
    }

    /** Where a rule stands in its service's part of the document, such as {@code contentTypes[0].match[1]}. */
    public String place(int rule) {
        return rule == NO_RULE ? "otherwise" : places[rule];
    }

    private static int first(Rule[] candidates, ByteBuffer buf, RequestHead head, int best) {
        for (Rule rule : candidates) {
            if (rule.index >= best) {
                return best;
            }
            if (rule.matches(buf, head)) {
                return rule.index;
            }
        }
        return best;
    }

    private static int segmentLength(ByteBuffer buf, int path, int pathLength) {
        for (int i = 1; i < pathLength; i++) {
            if (buf.get(path + i) == '/') {
                return i + 1;
            }
        }
        return 0;
    }
}
