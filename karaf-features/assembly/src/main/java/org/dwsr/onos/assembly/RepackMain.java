package org.dwsr.onos.assembly;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Repacks the jars of ONOS that need it; the argument is their folder in the assembly's repository. */
public final class RepackMain {
    private static final List<String> BROKEN =
            List.of("onos-core-net", "onos-core-dist", "onos-protocols-openflow-ctl");
    /** They fail at every device: the store of release 2.4.0 and the manager of 2.5.6 do not fit. */
    private static final List<String> UNFIT = List.of("MeterManager", "DistributedMeterStore");

    private RepackMain() {}

    /**
     * Repacks in place.
     *
     * @throws IOException when a jar is missing, or cannot be read or written
     */
    public static void main(String[] args) throws IOException {
        for (String name : BROKEN) {
            List<Path> jars;
            try (Stream<Path> found = Files.walk(Path.of(args[0], name))) {
                jars = found.filter(path -> path.toString().endsWith(".jar")).collect(Collectors.toList());
            }
            if (jars.isEmpty()) {
                throw new IOException("no jar of " + name + " in " + args[0]);
            }
            for (Path jar : jars) {
                JarRepacker.repack(jar, UNFIT);
            }
        }
    }
}
