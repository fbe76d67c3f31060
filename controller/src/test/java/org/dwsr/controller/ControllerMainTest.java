package org.dwsr.controller;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

@Timeout(60)
class ControllerMainTest {
    @TempDir
    private Path folder;

    private Path config;
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @BeforeEach
    void write() throws IOException {
        config = Files.writeString(folder.resolve("dwsr.json"), Documents.text(80));
    }

    private int run(String... options) {
        return new CommandLine(new ControllerMain())
                .setOut(new PrintWriter(out, true))
                .setErr(new PrintWriter(err, true))
                .execute(options);
    }

    private int runWith(String... more) {
        List<String> options = new ArrayList<>(List.of(
                "--config",
                config.toString(),
                "--state-dir",
                folder.resolve("state").toString()));
        options.addAll(Arrays.asList(more));
        if (!options.contains("--openflow")) {
            options.addAll(List.of("--openflow", "127.0.0.1:0"));
        }
        if (!options.contains("--control")) {
            options.addAll(List.of("--control", "127.0.0.1:0"));
        }
        return run(options.toArray(String[]::new));
    }

    private void assertOneLine(String... words) {
        assertThat(err.toString().lines()).hasSize(1);
        assertThat(err.toString()).contains(words).doesNotContain("Exception");
    }

    @Nested
    class CannotStart {
        @Test
        void shouldExitWith2WhenTheConfigurationIsMissing() {
            assertThat(run("--config", folder.resolve("none.json").toString())).isEqualTo(2);
            assertOneLine("none.json", "does not exist");
        }

        @Test
        void shouldExitWith2AndLineAndColumnWhenItIsNotJson() throws IOException {
            Files.writeString(config, "{\n  \"vip\" 1 }");
            assertThat(runWith()).isEqualTo(2);
            assertOneLine(config + ", line 2, column ", "not JSON");
        }

        @Test
        void shouldExitWith2AndTheJsonPathWhenItIsWrong() throws IOException {
            Files.writeString(config, Documents.text(80).replace("\"rr\"", "\"fastest\""));
            assertThat(runWith()).isEqualTo(2);
            assertThat(err.toString()).contains("$.pools[0].schedule", "fastest", "wrr");
        }

        @Test
        void shouldExitWith2WhenAnAddressIsWrong() {
            for (String wrong : List.of("127.0.0.1", ":6653", "127.0.0.1:65536", "127.0.0.1:x", "a b:1")) {
                assertThat(runWith("--openflow", wrong)).isEqualTo(2);
                assertThat(runWith("--control", wrong)).isEqualTo(2);
            }
            assertThat(err.toString().lines())
                    .hasSize(10)
                    .allMatch(line -> line.matches("--(openflow|control): HOST:PORT is expected, not \".*\""));
        }

        @Test
        void shouldExitWith2WhenAnOptionIsUnknownOrTheConfigurationIsNotGiven() {
            assertThat(run()).isEqualTo(2);
            assertThat(err.toString()).contains("Missing required option: '--config=FILE'");
            assertThat(runWith("--nonsense")).isEqualTo(2);
            assertThat(err.toString()).contains("Unknown option: '--nonsense'");
        }

        @Test
        void shouldExitWith1WhenTheKeyIsUnreadableOrNone() throws IOException {
            assertThat(runWith("--key-file", folder.toString())).isEqualTo(1);
            assertOneLine("cannot read the key file " + folder);
            err.getBuffer().setLength(0);
            Path wrong = Files.writeString(folder.resolve("key"), "short");
            assertThat(runWith("--key-file", wrong.toString())).isEqualTo(1);
            assertOneLine(wrong + " does not hold a key");
        }

        @ParameterizedTest
        @ValueSource(strings = {"--openflow", "--control"})
        void shouldExitWith1WhenAPortIsTaken(String option) throws IOException {
            try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
                assertThat(runWith(option, "127.0.0.1:" + taken.getLocalPort())).isEqualTo(1);
                assertOneLine("cannot listen on ", ":" + taken.getLocalPort(), "already in use");
            }
        }
    }

    @Test
    void shouldExplainEveryOptionSignalAndExitCode() {
        assertThat(run("--help")).isZero();
        assertThat(out.toString())
                .contains("--config=FILE", "--key-file=FILE", "--state-dir=DIR", "--openflow=HOST:PORT")
                .contains("--control=HOST:PORT", "127.0.0.1:6653", "127.0.0.1:8780", ".dwsr")
                .contains("SIGHUP", "SIGTERM", "SIGINT", "Exit codes:")
                .containsPattern("the\\s+running one\\s+stays")
                .contains("/healthz", "/counters", "/metrics");
        assertThat(err.toString()).isEmpty();
    }

    @Nested
    class Running {
        private static final Pattern READY = Pattern.compile("ready: switches on 127\\.0\\.0\\.1:(\\d+), filters on");

        /** Ends whatever happens: with a signal by the test, else by force. */
        private final class Controller implements AutoCloseable {
            private final Process process;
            private final BufferedReader log;
            private final int openFlowPort;

            Controller() throws IOException {
                // Who runs the tests in the background of a shell hands down an ignored SIGINT.
                process = new ProcessBuilder(
                                "env",
                                "--default-signal=INT",
                                Path.of(System.getProperty("java.home"), "bin", "java")
                                        .toString(),
                                "-XX:TieredStopAtLevel=1",
                                "-XX:+UseSerialGC",
                                "-cp",
                                System.getProperty("java.class.path"),
                                ControllerMain.class.getName(),
                                "--config",
                                config.toString(),
                                "--state-dir",
                                folder.resolve("state").toString(),
                                "--openflow",
                                "127.0.0.1:0",
                                "--control",
                                "127.0.0.1:0")
                        .redirectErrorStream(true)
                        .start();
                log = process.inputReader(StandardCharsets.UTF_8);
                openFlowPort = Integer.parseInt(awaitLine(READY).group(1));
            }

            Matcher awaitLine(Pattern pattern) throws IOException {
                StringBuilder all = new StringBuilder();
                for (String line = log.readLine(); line != null; line = log.readLine()) {
                    Matcher matcher = pattern.matcher(line);
                    if (matcher.find()) {
                        return matcher;
                    }
                    all.append(line).append('\n');
                }
                throw new AssertionError("never said: " + pattern + "; but: " + all);
            }

            void signal(String name) throws IOException, InterruptedException {
                assertThat(new ProcessBuilder("kill", "-" + name, Long.toString(process.pid()))
                                .start()
                                .waitFor())
                        .isZero();
            }

            @Override
            public void close() {
                process.destroyForcibly();
            }
        }

        @ParameterizedTest
        @ValueSource(strings = {"TERM", "INT"})
        void shouldEndWithinASecondAndLeaveTheFlowsWhenItIsToldTo(String signal) throws Exception {
            try (Controller controller = new Controller();
                    FakeSwitch fake = FakeSwitch.ready(controller.openFlowPort, 1)) {
                fake.assertAlive();
                long start = System.nanoTime();
                controller.signal(signal);
                assertThat(controller.process.waitFor(10, TimeUnit.SECONDS)).isTrue();
                assertThat(System.nanoTime() - start).isLessThan(1_000_000_000L);
                assertThat(controller.process.exitValue()).isZero();
                fake.assertClosedSilently();
                controller.awaitLine(Pattern.compile("ended"));
            }
        }

        @Test
        void shouldReadTheConfigurationAgainAtSighup() throws Exception {
            try (Controller controller = new Controller();
                    FakeSwitch fake = FakeSwitch.ready(controller.openFlowPort, 1)) {
                // Nothing has changed, so only the signal can be the cause.
                controller.signal("HUP");
                controller.awaitLine(Pattern.compile("a new configuration: 1 services, 3 servers"));
                assertThat(fake.takeProgram()).isNotEmpty();
                Files.writeString(config, "{");
                controller.signal("HUP");
                controller.awaitLine(Pattern.compile("the new configuration is refused, the running one stays: "
                        + Pattern.quote(config.toString()) + ", line 1, column"));
                fake.assertAlive();
            }
        }
    }
}
