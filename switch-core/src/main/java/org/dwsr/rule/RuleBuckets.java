package org.dwsr.rule;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** A hash table from byte strings, such as paths or extensions, to the rules that ask for exactly them; fixed. */
final class RuleBuckets {
    private static final Rule[] NONE = {};

    private final byte[][] keys;
    private final Rule[][] rules;
    private final int mask;
    private final boolean caseIgnored;

    /** The table of these keys (ASCII); with {@code caseIgnored}, keys are found in either case. */
    RuleBuckets(Map<String, List<Rule>> rulesByKey, boolean caseIgnored) {
        this.caseIgnored = caseIgnored;
        int capacity = Integer.highestOneBit(Math.max(1, rulesByKey.size())) * 4;
        mask = capacity - 1;
        keys = new byte[capacity][];
        rules = new Rule[capacity][];
        Arrays.fill(keys, new byte[0]);
        Arrays.fill(rules, NONE);
        for (Map.Entry<String, List<Rule>> entry : rulesByKey.entrySet()) {
            String key = caseIgnored ? entry.getKey().toLowerCase(Locale.ROOT) : entry.getKey();
            byte[] bytes = key.getBytes(StandardCharsets.US_ASCII);
            int slot = hash(ByteBuffer.wrap(bytes), 0, bytes.length) & mask;
            while (rules[slot].length > 0) {
                slot = (slot + 1) & mask;
            }
            keys[slot] = bytes;
            rules[slot] = entry.getValue().toArray(NONE);
        }
    }

    /** The rules of these bytes in ascending order, or an empty array. */
    Rule[] find(ByteBuffer buf, int offset, int length) {
        int slot = hash(buf, offset, length) & mask;
        while (rules[slot].length > 0) {
            if (equal(keys[slot], buf, offset, length)) {
                return rules[slot];
            }
            slot = (slot + 1) & mask;
        }
        return NONE;
    }

    private boolean equal(byte[] key, ByteBuffer buf, int offset, int length) {
        if (key.length != length) {
            return false;
        }
        for (int i = 0; i < length; i++) {
            if (key[i] != octet(buf, offset + i)) {
                return false;
            }
        }
        return true;
    }

    /** FNV-1a. */
    private int hash(ByteBuffer buf, int offset, int length) {
        int hash = 0x811C9DC5;
        for (int i = 0; i < length; i++) {
            hash = (hash ^ octet(buf, offset + i)) * 0x01000193;
        }
        return hash ^ hash >>> 16;
    }

    private byte octet(ByteBuffer buf, int at) {
        byte octet = buf.get(at);
        return caseIgnored ? Glob.lower(octet) : octet;
    }
}
