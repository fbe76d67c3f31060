package org.dwsr.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A bounded run of every fuzz target, the same each time: fixed seed, fixed number of inputs. {@code ./dwsr fuzz} is the
 * long one.
 */
class FuzzTest {
    private static final int INPUT_BYTES = 2_000;
    private static final int TIMEOUT_S = 300;

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({
        "FrameFuzz, 100000",
        "RequestFuzz, 100000",
        "ResponseFuzz, 60000",
        "BodyFuzz, 20000",
        "ConfigFuzz, 3000",
        "FilterFuzz, 5000",
        "WebSwitchFuzz, 5000",
        "ReportFuzz, 10000",
        "ControlFuzz, 5000"
    })
    void shouldTakeAnyInput(String target, int runs) throws IOException, InterruptedException {
        Path log = directory.resolve("log");
        Process jazzer = new ProcessBuilder(List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx512m",
                        "-XX:+UseSerialGC",
                        "-cp",
                        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                        "com.code_intelligence.jazzer.Jazzer",
                        "--target_class=org.dwsr.fuzz." + target,
                        "--instrumentation_includes=org.dwsr.**",
                        "--disabled_hooks=*",
                        "--reproducer_path=" + directory,
                        "-artifact_prefix=" + directory + "/",
                        "-seed=1",
                        "-max_len=" + INPUT_BYTES,
                        // The first input also has its classes loaded and instrumented.
                        "-timeout=30",
                        "-runs=" + runs))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        try {
            boolean ended = jazzer.waitFor(TIMEOUT_S, TimeUnit.SECONDS);
            String told = Files.readString(log, StandardCharsets.ISO_8859_1);
            assertThat(ended).as(told).isTrue();
            assertThat(jazzer.exitValue()).as(told).isZero();
            assertThat(told).contains("Done " + runs + " runs");
        } finally {
            jazzer.destroyForcibly();
        }
    }
}
