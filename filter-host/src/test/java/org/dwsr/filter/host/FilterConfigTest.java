package org.dwsr.filter.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import org.dwsr.filter.host.FilterConfig.PortPairConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FilterConfigTest {
    private static final String MINIMAL = "{\"controllers\":[\"http://127.0.0.1:8780\"],\"keyFile\":\"key\","
            + "\"ports\":[{\"server\":\"s1\",\"network\":\"n1\",\"host\":\"h1\"}]}";

    @TempDir
    Path folder;

    private Path write(String json) throws IOException {
        return Files.writeString(folder.resolve("filter.json"), json);
    }

    @Test
    void shouldFillInDefaultsWhenOnlyRequiredKeysAreGiven() throws Exception {
        FilterConfig config = FilterConfig.read(write(MINIMAL));
        assertThat(config.controllers()).containsExactly(URI.create("http://127.0.0.1:8780"));
        assertThat(config.keyFile()).isEqualTo(folder.resolve("key"));
        assertThat(config.metrics()).hasToString("127.0.0.1:8790");
        assertThat(config.ringMegabytes()).isEqualTo(16);
        assertThat(config.ports()).containsExactly(new PortPairConfig("s1", "n1", "h1"));
    }

    @Test
    void shouldNameEveryFaultWhenDocumentIsWrong() throws Exception {
        Path file = write("{\"controllers\":[\"ftp://x\"],\"keyfile\":\"k\",\"metrics\":\"here\",\"ringMegabytes\":0,"
                + "\"ports\":[{\"server\":\"s 1\",\"network\":\"a\",\"host\":\"a\"},"
                + "{\"server\":\"s1\",\"network\":\"0123456789abcdef\"}]}");
        assertThatThrownBy(() -> FilterConfig.read(file))
                .isInstanceOf(FilterConfigException.class)
                .hasMessageStartingWith(file.toString())
                .message()
                .contains(
                        "$.keyfile: unknown",
                        "$.keyFile: expected a path, found nothing",
                        "$.controllers[0]: expected an address",
                        "$.metrics: expected HOST:PORT",
                        "$.ringMegabytes: expected a number from 1 to 1024, found 0",
                        "$.ports[0].server: expected 1 to 64 characters",
                        "$.ports[0]: the interface \"a\" is used twice",
                        "$.ports[1].network: expected an interface's name of at most 15 characters",
                        "$.ports[1].host: expected an interface's name, found nothing");
    }

    @Test
    void shouldSaySoWhenFileIsMissingOrNotJson() throws Exception {
        assertThatThrownBy(() -> FilterConfig.read(folder.resolve("none")))
                .hasMessage(folder.resolve("none") + ": no such file");
        assertThatThrownBy(() -> FilterConfig.read(write("{"))).hasMessageContaining("not JSON");
    }

    @Test
    void shouldReadKeyWithoutItsLineEndWhenFileIsThere() throws Exception {
        FilterConfig config = FilterConfig.read(write(MINIMAL));
        assertThatThrownBy(config::readKey).hasMessageContaining("does not exist");
        Files.writeString(config.keyFile(), "sekrit\n");
        assertThat(config.readKey()).isEqualTo("sekrit");
        Files.writeString(config.keyFile(), "two\nlines\n");
        assertThatThrownBy(config::readKey).hasMessageContaining("one word");
        Files.writeString(config.keyFile(), " \n");
        assertThatThrownBy(config::readKey).hasMessageContaining("one word");
    }
}
