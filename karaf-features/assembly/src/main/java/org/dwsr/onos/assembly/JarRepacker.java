package org.dwsr.onos.assembly;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Collectors;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/**
 * Writes a jar anew. Three of ONOS's have a central directory with broken zip64 fields, which Java has refused since
 * 17.0.8; their local headers, in the order of the file, are right. On the way it leaves out service components.
 */
final class JarRepacker {
    private static final String MANIFEST = "META-INF/MANIFEST.MF";
    private static final String COMPONENTS = "Service-Component";

    private JarRepacker() {}

    /**
     * Rewrites a jar in place.
     *
     * @param without simple class names of service components to leave out of the manifest
     * @throws IOException when it cannot be read or written
     */
    static void repack(Path jar, List<String> without) throws IOException {
        Path fresh = Files.createTempFile(jar.toAbsolutePath().getParent(), "repack", ".jar");
        try {
            try (InputStream in = Files.newInputStream(jar);
                    ZipInputStream entries = new ZipInputStream(in);
                    OutputStream out = Files.newOutputStream(fresh);
                    JarOutputStream packed = new JarOutputStream(out)) {
                for (ZipEntry entry = entries.getNextEntry(); entry != null; entry = entries.getNextEntry()) {
                    ZipEntry copy = new ZipEntry(entry.getName());
                    copy.setTime(entry.getTime());
                    packed.putNextEntry(copy);
                    if (entry.getName().equals(MANIFEST)) {
                        manifest(entries, without).write(packed);
                    } else {
                        entries.transferTo(packed);
                    }
                    packed.closeEntry();
                }
            }
            Files.move(fresh, jar, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(fresh);
        }
    }

    private static Manifest manifest(InputStream in, List<String> without) throws IOException {
        Manifest manifest = new Manifest(in);
        String components = manifest.getMainAttributes().getValue(COMPONENTS);
        if (components != null) {
            manifest.getMainAttributes().putValue(COMPONENTS, kept(components, without));
        }
        return manifest;
    }

    private static String kept(String components, List<String> without) {
        return Arrays.stream(components.split(","))
                .map(String::trim)
                .filter(component -> without.stream().noneMatch(name -> component.endsWith("." + name + ".xml")))
                .collect(Collectors.joining(","));
    }
}
