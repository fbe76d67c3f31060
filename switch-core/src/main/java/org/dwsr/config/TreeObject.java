package org.dwsr.config;

import java.math.BigInteger;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One object of the document under its JSON path. Every reading method tells a fault to {@link Problems} and answers
 * a stand-in, so that reading goes on and finds the other faults; nothing made of stand-ins leaves the reader.
 */
final class TreeObject {
    private final String path;
    private final Map<String, @Nullable Object> values = new LinkedHashMap<>();
    private final Problems problems;
    private final boolean object;

    /** The object at this path; anything else than an object is a fault and reads as an empty object. */
    TreeObject(String path, @Nullable Object value, Problems problems, String... keys) {
        this.path = path;
        this.problems = problems;
        this.object = value instanceof Map;
        if (!(value instanceof Map)) {
            problems.add(path, Problems.describe(value), "an object");
            return;
        }
        List<String> known = Arrays.asList(keys);
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
            Object key = entry.getKey();
            if (key instanceof String && known.contains(key)) {
                values.put((String) key, entry.getValue());
            } else if (key instanceof String) {
                problems.add(path, "key " + Problems.quote((String) key), Problems.oneOf(known, (String) key));
            } else {
                problems.add(path, "key " + Problems.describe(key), "keys that are strings");
            }
        }
    }

    boolean has(String key) {
        return values.containsKey(key);
    }

    String path(String key) {
        return path + "." + key;
    }

    @Nullable
    Object value(String key) {
        return values.get(key);
    }

    void fault(String key, String allowed) {
        problems.add(path(key), Problems.describe(values.get(key)), allowed);
    }

    /** The text at this key, or null after telling a fault; {@code allowed} says what the text should be. */
    @Nullable
    String text(String key, String allowed) {
        Object value = values.get(key);
        if (value instanceof String) {
            return (String) value;
        }
        if (has(key)) {
            fault(key, allowed);
        } else if (object) {
            problems.add(path, "no key " + Problems.quote(key), "key " + Problems.quote(key) + ": " + allowed);
        }
        return null;
    }

    @Nullable
    String optionalText(String key, String allowed) {
        return has(key) ? text(key, allowed) : null;
    }

    /** One of the words, or null after telling a fault. */
    @Nullable
    String word(String key, List<String> words) {
        String word = text(key, Problems.oneOf(words, ""));
        if (word != null && !words.contains(word)) {
            fault(key, Problems.oneOf(words, word));
            return null;
        }
        return word;
    }

    /** The whole number at this key, or the lowest allowed one after telling a fault. */
    int number(String key, int lowest, int highest) {
        String allowed = "a whole number from " + lowest + " to " + highest;
        Object value = values.get(key);
        if (!has(key)) {
            text(key, allowed);
            return lowest;
        }
        long number = value instanceof Number ? whole((Number) value, lowest - 1L) : lowest - 1L;
        if (number < lowest || number > highest) {
            fault(key, allowed);
            return lowest;
        }
        return (int) number;
    }

    /** The list at this key, or an empty one after telling a fault. */
    List<? extends @Nullable Object> list(String key, String allowed) {
        Object value = values.get(key);
        if (value instanceof List && !((List<?>) value).isEmpty()) {
            return (List<?>) value;
        }
        text(key, allowed);
        return List.of();
    }

    /** The list at this key, which may be empty or missing. */
    List<? extends @Nullable Object> optionalList(String key, String allowed) {
        Object value = values.get(key);
        if (value instanceof List || !has(key)) {
            return value instanceof List ? (List<?>) value : List.of();
        }
        fault(key, allowed);
        return List.of();
    }

    private static long whole(Number value, long otherwise) {
        boolean fits = value instanceof Integer
                || value instanceof Long
                || value instanceof Short
                || value instanceof Byte
                || (value instanceof BigInteger && ((BigInteger) value).bitLength() < Long.SIZE);
        return fits ? value.longValue() : otherwise;
    }
}
