package org.dwsr.filter.host;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

class WireMainTest {
    private final PrintStream usual = System.err;
    private final ByteArrayOutputStream said = new ByteArrayOutputStream();

    @BeforeEach
    void listen() {
        System.setErr(new PrintStream(said, true, StandardCharsets.UTF_8));
    }

    @AfterEach
    void listenNoMore() {
        System.setErr(usual);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--pair c1=a|--pair \"c1=a\": expected NAME=INTERFACE,INTERFACE",
                "--pair c1=a,b/c|expected NAME=INTERFACE,INTERFACE",
                "--pair c1=a,interface-of-16-|expected NAME=INTERFACE,INTERFACE",
                "--pair c1=a,a|--pair \"c1=a,a\": a name or an interface is used twice",
                "--pair c1=a,b --pair c1=c,d|--pair \"c1=c,d\": a name or an interface is used twice",
                "--pair c1=a,b --pair c2=c,b|--pair \"c2=c,b\": a name or an interface is used twice",
                "--pair c1=a,b --delay-ms -1|--delay-ms -1: expected 0 to 10000",
                "--pair c1=a,b --delay-ms 10001|--delay-ms 10001: expected 0 to 10000",
                "--pair c1=a,b --faults loss=2|faults: \"loss=2\": expected 0% to 100%",
                "--pair c1=a,b --metrics here|expected HOST:PORT"
            })
    void shouldExitWithUsageCodeWhenArgumentsAreWrong(String words, String message) {
        assertThat(new CommandLine(new WireMain()).execute(words.split(" "))).isEqualTo(2);
        assertThat(said.toString(StandardCharsets.UTF_8)).contains(message);
    }

    @Test
    void shouldExitWithUsageCodeWhenFilterGetsWrongFaults(@TempDir Path folder) throws Exception {
        Path config = folder.resolve("filter.json");
        Files.writeString(folder.resolve("key"), "sekrit\n");
        Files.writeString(
                config,
                "{\"controllers\": [\"http://127.0.0.1:9\"], \"keyFile\": \"key\","
                        + " \"ports\": [{\"server\": \"s1\", \"network\": \"a\", \"host\": \"b\"}]}");
        assertThat(new CommandLine(new FilterMain()).execute("--config", config.toString(), "--faults", "loss=2"))
                .isEqualTo(2);
        assertThat(said.toString(StandardCharsets.UTF_8)).contains("faults: \"loss=2\": expected 0% to 100%");
    }
}
