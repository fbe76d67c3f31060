package org.dwsr.controller;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Collections;
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
    private static final Set<PosixFilePermission> TOO_OPEN =
            Set.of(PosixFilePermission.GROUP_WRITE, PosixFilePermission.OTHERS_READ, PosixFilePermission.OTHERS_WRITE);

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
            try {
                create(file);
            } catch (IOException e) {
                throw new IOException("cannot create the key file " + file + ": " + FileFault.reason(e), e);
            }
        }
        String key;
        try {
            // One character for each byte, so that what is not text is refused as what it is: not a key.
            key = Files.readString(file, StandardCharsets.ISO_8859_1).strip();
        } catch (IOException e) {
            throw new IOException("cannot read the key file " + file + ": " + FileFault.reason(e), e);
        }
        if (!ALLOWED.matcher(key).matches()) {
            throw new IOException(file + " does not hold a key: one line of 32 to 1024 printable characters");
        }
        return new KeyFile(key);
    }

    /** Whether only owner and group can read the file and only the owner can change it. */
    static boolean isPrivate(Path file) throws IOException {
        return Collections.disjoint(Files.getPosixFilePermissions(file), TOO_OPEN);
    }

    /**
     * Creates the file whole: it is never empty or readable by others, not even for a moment, and of several
     * controllers that create it at once all get the first one's key.
     */
    private static void create(Path file) throws IOException {
        Path folder = file.toAbsolutePath().getParent();
        if (folder == null) {
            throw new IOException("Is a directory");
        }
        Files.createDirectories(folder);
        byte[] random = new byte[RANDOM_BYTES];
        new SecureRandom().nextBytes(random);
        Path whole = Files.createTempFile(folder, ".key", "", PosixFilePermissions.asFileAttribute(OWNER_ONLY));
        try {
            Files.writeString(whole, HexFormat.of().formatHex(random) + "\n");
            try {
                Files.createLink(file, whole);
            } catch (FileAlreadyExistsException e) {
                // Another controller's is as good.
            } catch (FileSystemException | UnsupportedOperationException e) {
                // A file system without hard links.
                Files.move(whole, file);
            }
        } finally {
            Files.deleteIfExists(whole);
        }
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
