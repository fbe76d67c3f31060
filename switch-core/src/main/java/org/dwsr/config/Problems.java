package org.dwsr.config;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The faults found so far, and the words in which they are told. */
final class Problems {
    private static final int SHOWN_LENGTH = 60;

    private final List<ConfigProblem> problems = new ArrayList<>();

    void add(String path, String found, String allowed) {
        problems.add(new ConfigProblem(path, found, allowed));
    }

    void throwIfAny() throws ConfigException {
        if (!problems.isEmpty()) {
            throw new ConfigException(problems);
        }
    }

    /** A value as a person would name it. Containers are named, not shown, so that this ends on any tree. */
    static String describe(@Nullable Object value) {
        if (value == null) {
            return "null";
        }
        if (value instanceof Map) {
            return "an object";
        }
        if (value instanceof List) {
            return ((List<?>) value).isEmpty() ? "an empty list" : "a list";
        }
        if (value instanceof String) {
            return quote((String) value);
        }
        if (value instanceof Number || value instanceof Boolean) {
            return value.toString();
        }
        return "a " + value.getClass().getSimpleName();
    }

    static String quote(String text) {
        String shown = text.length() > SHOWN_LENGTH ? text.substring(0, SHOWN_LENGTH) + "…" : text;
        StringBuilder quoted = new StringBuilder(shown.length() + 2).append('"');
        for (int i = 0; i < shown.length(); i++) {
            char c = shown.charAt(i);
            quoted.append(Character.isISOControl(c) ? '\uFFFD' : c);
        }
        return quoted.append('"').toString();
    }

    /** "one of …", with the nearest one first if the found word looks like a slip of the pen. */
    static String oneOf(Collection<String> allowed, String found) {
        if (allowed.isEmpty()) {
            return "nothing, as none is defined";
        }
        String list = allowed.stream().limit(20).map(Problems::quote).collect(Collectors.joining(", "));
        String words = (allowed.size() == 1 ? list : "one of " + list) + (allowed.size() > 20 ? ", …" : "");
        String nearest = nearest(allowed, found);
        return nearest == null ? words : words + "; did you mean " + quote(nearest) + "?";
    }

    private static @Nullable String nearest(Collection<String> allowed, String found) {
        String best = null;
        int bestDistance = Math.min(3, found.length() / 3 + 1) + 1;
        for (String candidate : allowed) {
            boolean comparable = Math.abs(candidate.length() - found.length()) < bestDistance;
            int distance = comparable ? distance(candidate, found) : Integer.MAX_VALUE;
            if (distance < bestDistance && distance < candidate.length()) {
                best = candidate;
                bestDistance = distance;
            }
        }
        return best;
    }

    /** The Levenshtein distance, blind to case. */
    private static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                boolean same = Character.toLowerCase(a.charAt(i - 1)) == Character.toLowerCase(b.charAt(j - 1));
                int replaced = diagonal + (same ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, Math.min(row[j], row[j - 1]) + 1);
            }
        }
        return row[b.length()];
    }
}
