package org.dwsr.controller;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.Set;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * The key that web switch and filters share, and the keys derived from it. It is the text of a file, usually 32 random
 * bytes in hexadecimal; everything that must survive a restart depends on it alone.
 */
final class KeyFile {
    private static final int RANDOM_BYTES = 32;
    private static final Pattern ALLOWED = Pattern.compile("[!-~]{32,1024}");
    private static final Set<PosixFilePermission> OWNER_ONLY = PosixFilePermissions.fromString("rw-------");

    private final String key;

    KeyFile(String key) {
        this.key = key;
    }

    /**
     * Reads the file, or creates it readable for its owner only.
     *
     * @throws IOException if it cannot be read or created, or does not hold a key
     */
    static KeyFile readOrCreate(Path file) throws IOException {
        if (!Files.exists(file)) {
            create(file);
        }
        String key = Files.readString(file, StandardCharsets.UTF_8).strip();
        if (!ALLOWED.matcher(key).matches()) {
            throw new IOException(file + " does not hold a key: one line of 32 to 1024 printable characters");
        }
        return new KeyFile(key);
    }

    private static void create(Path file) throws IOException {
        Path folder = file.toAbsolutePath().getParent();
        if (folder != null) {
            Files.createDirectories(folder);
        }
        byte[] random = new byte[RANDOM_BYTES];
        new SecureRandom().nextBytes(random);
        try {
            // Created empty and private first: the key is never readable by others, not even for a moment.
            Files.createFile(file, PosixFilePermissions.asFileAttribute(OWNER_ONLY));
        } catch (FileAlreadyExistsException e) {
            return;
        }
        Files.writeString(file, HexFormat.of().formatHex(random) + "\n");
    }

    /** The word after {@code Bearer} on the control channel. */
    String bearer() {
        return key;
    }

    /** The 32-byte key of the SYN cookies; other than the filters' key, but as lasting. */
    byte[] synCookieKey() {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
            return mac.doFinal("dwsr syn cookie 1".getBytes(StandardCharsets.UTF_8));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java runtime has HmacSHA256", e);
        }
    }
}
