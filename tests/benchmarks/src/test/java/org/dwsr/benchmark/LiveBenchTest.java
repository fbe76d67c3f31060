package org.dwsr.benchmark;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The unit tests of the live benchmarks' Python, which have no runner of their own. */
class LiveBenchTest {
    private static final long DEADLINE_SECONDS = 60;

    @Test
    void shouldPassItsOwnUnitTests(@TempDir Path folder) throws IOException, InterruptedException {
        Path said = folder.resolve("said");
        Process tests = new ProcessBuilder("/usr/bin/python3", "-B", "-m", "unittest", "discover", "live")
                .redirectErrorStream(true)
                .redirectOutput(said.toFile())
                .start();
        boolean ended = tests.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS);
        if (!ended) {
            tests.destroyForcibly();
        }
        String text = Files.readString(said, StandardCharsets.UTF_8);
        assertThat(ended).as(text).isTrue();
        assertThat(tests.exitValue()).as(text).isZero();
        assertThat(text).containsPattern("Ran [1-9]\\d* tests");
    }
}
