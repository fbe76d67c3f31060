package org.dwsr.onos.assembly;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.jar.Attributes;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JarRepackerTest {
    private static final byte[] CONTENT = "what a jar holds".getBytes(StandardCharsets.UTF_8);

    @TempDir
    private Path folder;

    private Path jar = Path.of("");

    @BeforeEach
    void write() throws IOException {
        jar = folder.resolve("a.jar");
        Manifest manifest = new Manifest();
        Attributes main = manifest.getMainAttributes();
        main.put(Attributes.Name.MANIFEST_VERSION, "1.0");
        main.putValue("Service-Component", "OSGI-INF/a.One.xml, OSGI-INF/a.NotTwo.xml,OSGI-INF/a.Two.xml");
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar), manifest)) {
            out.putNextEntry(new ZipEntry("a/content"));
            out.write(CONTENT);
            out.closeEntry();
        }
    }

    @Test
    void shouldLeaveOutComponentsByTheirWholeName() throws IOException {
        JarRepacker.repack(jar, List.of("Two"));
        try (JarFile packed = new JarFile(jar.toFile())) {
            assertThat(packed.getManifest().getMainAttributes().getValue("Service-Component"))
                    .isEqualTo("OSGI-INF/a.One.xml,OSGI-INF/a.NotTwo.xml");
        }
    }

    @Test
    void shouldReadAJarWhoseCentralDirectoryIsBroken() throws IOException {
        byte[] bytes = Files.readAllBytes(jar);
        // The first central directory entry's signature: PK 1 2.
        for (int i = 0; i < bytes.length - 4; i++) {
            if (bytes[i] == 'P' && bytes[i + 1] == 'K' && bytes[i + 2] == 1 && bytes[i + 3] == 2) {
                bytes[i + 2] = 9;
                break;
            }
        }
        Files.write(jar, bytes);
        JarRepacker.repack(jar, List.of());
        try (JarFile packed = new JarFile(jar.toFile())) {
            ZipEntry entry = packed.getEntry("a/content");
            assertThat(packed.getInputStream(entry).readAllBytes()).isEqualTo(CONTENT);
        }
        assertThat(folder.toFile().list()).containsExactly("a.jar");
    }
}
