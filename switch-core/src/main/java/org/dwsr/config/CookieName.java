package org.dwsr.config;

/**
 * How a session cookie's name falls apart for rewriting (paper section IV-A, docs/wire-format.md): a prefix that
 * browsers give a meaning and that is kept, eight characters that make room for the tag, and a tail that is kept and
 * by which the name is restored.
 */
public final class CookieName {
    /** The number of characters that the tag replaces. */
    public static final int TAG_LENGTH = 8;

    private static final String[] PREFIXES = {"__Host-", "__Secure-"};

    private CookieName() {}

    /**
     * The number of characters of the prefix {@code __Host-} or {@code __Secure-} of this name, or 0. Compared
     * without case, as browsers do (RFC 6265bis, section 5.7).
     */
    public static int prefixLength(String name) {
        for (String prefix : PREFIXES) {
            if (name.regionMatches(true, 0, prefix, 0, prefix.length())) {
                return prefix.length();
            }
        }
        return 0;
    }

    /** The characters after the prefix and the eight that the tag replaces. */
    static String tail(String name) {
        return name.substring(prefixLength(name) + TAG_LENGTH);
    }

    /** Whether the name, after its prefix, begins like a tag: {@code DR} and six identifier characters. */
    static boolean looksTagged(String name) {
        int start = prefixLength(name);
        return name.startsWith("DR", start)
                && ThreeCharId.wellFormed(name.substring(start + 2, start + 5))
                && ThreeCharId.wellFormed(name.substring(start + 5, start + TAG_LENGTH));
    }
}
