package org.dwsr.controller;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Objects;
import org.dwsr.config.ConfigException;
import org.dwsr.config.ConfigReader;
import org.dwsr.config.DwsrConfig;
import org.jspecify.annotations.Nullable;

/** The configuration document in a file. */
final class ConfigFile {
    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final Path path;
    private @Nullable Object stamp;

    ConfigFile(Path path) {
        this.path = path;
    }

    /**
     * Reads and validates the document.
     *
     * @throws IOException with a message for people: the file and the reason, or every fault with its JSON path
     */
    DwsrConfig read() throws IOException {
        stamp = stampNow();
        Object tree;
        try {
            tree = JSON.readValue(Files.readAllBytes(path), Object.class);
        } catch (JsonProcessingException e) {
            // Without a location: what is nested deeper than Jackson follows.
            JsonLocation at = e.getLocation() == null ? JsonLocation.NA : e.getLocation();
            throw new IOException(
                    path + ", line " + Math.max(1, at.getLineNr()) + ", column " + Math.max(1, at.getColumnNr())
                            + ": not JSON: " + e.getOriginalMessage(),
                    e);
        } catch (IOException e) {
            throw new IOException("cannot read " + path + ": " + FileFault.reason(e), e);
        }
        try {
            return ConfigReader.read(tree);
        } catch (ConfigException e) {
            throw new IOException(
                    path + ":\n  " + String.valueOf(e.getMessage()).replace("\n", "\n  "), e);
        }
    }

    /** Whether the file is another one than at the last {@link #read}; false while it does not exist. */
    boolean isChanged() {
        Object now = stampNow();
        return now != null && !Objects.equals(now, stamp);
    }

    private @Nullable Object stampNow() {
        try {
            BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
            return attributes.lastModifiedTime() + " " + attributes.size() + " " + attributes.fileKey();
        } catch (IOException e) {
            return null;
        }
    }
}
