package org.dwsr.controller;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConfigFileTest {
    @TempDir
    private Path folder;

    private Path path;

    @BeforeEach
    void choosePath() {
        path = folder.resolve("dwsr.json");
    }

    private ConfigFile holding(String text) throws IOException {
        Files.writeString(path, text);
        return new ConfigFile(path);
    }

    @Test
    void shouldReadAValidDocument() throws IOException {
        assertThat(holding(Documents.text(80)).read().servers()).hasSize(3);
    }

    @Test
    void shouldSayThatTheFileDoesNotExist() {
        assertThatThrownBy(() -> new ConfigFile(path).read())
                .isInstanceOf(IOException.class)
                .hasMessage("cannot read " + path + ": it does not exist");
    }

    @Test
    void shouldSayThatItIsADirectory() {
        assertThatThrownBy(() -> new ConfigFile(folder).read())
                .isInstanceOf(IOException.class)
                .hasMessage("cannot read " + folder + ": Is a directory");
    }

    /** Where and why: a missing brace, a key twice, something behind the end, a comment, nothing at all. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{ \"vip\": \"10.0.0.100\",~  \"vmac\": }|line 2, column 11",
                "{ \"vip\": 1,~\"vip\": 2 }|line 2, column 6",
                "{ } ~ }|line 2, column 2",
                "{ // why~ }|line 1, column 3",
                "{ \"vip\": \"10.0.0.100\"|line 1, column ",
                "~|line ",
            })
    void shouldSayLineAndColumnInOneLineWhenItIsNotJson(String text, String where) throws IOException {
        ConfigFile file = holding(text.replace('~', '\n'));
        assertThatThrownBy(file::read)
                .isInstanceOf(IOException.class)
                .hasMessageStartingWith(path + ", " + where)
                .hasMessageContaining(": not JSON: ")
                .hasMessageNotContaining("\n");
    }

    @Test
    void shouldRefuseNonsenseThatIsTooDeepOrNotText() throws IOException {
        assertThatThrownBy(holding("[".repeat(100_000))::read)
                .isInstanceOf(IOException.class)
                .hasMessageStartingWith(path + ", line 1, column ");
        Files.write(path, "{ \"v\u00efp\": 1 }".getBytes(StandardCharsets.ISO_8859_1));
        assertThatThrownBy(new ConfigFile(path)::read)
                .isInstanceOf(IOException.class)
                .hasMessageStartingWith(path + ", line 1, column ");
        assertThatThrownBy(holding("null")::read).isInstanceOf(IOException.class);
        assertThatThrownBy(holding("1e999999999")::read).isInstanceOf(IOException.class);
    }

    @Test
    void shouldNameEveryFaultWithItsPathWhatWasFoundAndWhatIsAllowed() throws IOException {
        ConfigFile file =
                holding(Documents.text(80).replace("\"rr\"", "\"fastest\"").replace("10.0.0.100", "10.0.0"));
        assertThatThrownBy(file::read)
                .isInstanceOf(IOException.class)
                .hasMessageContainingAll(
                        path + ":\n", "$.vip", "10.0.0", "$.pools[0].schedule", "fastest", "rr", "wlc");
    }

    @Test
    void shouldNoticeAnEditAndAReplacementButNotAnAbsence() throws IOException {
        ConfigFile file = holding(Documents.text(80));
        file.read();
        assertThat(file.isChanged()).isFalse();
        Files.writeString(path, Documents.text(80) + "\n");
        assertThat(file.isChanged()).isTrue();
        file.read();
        // As editors save: another file of the same size takes the place.
        Path other = Files.writeString(folder.resolve("other"), Documents.text(90) + "\n");
        Files.setLastModifiedTime(other, Files.getLastModifiedTime(path));
        Files.move(other, path, StandardCopyOption.REPLACE_EXISTING);
        assertThat(file.isChanged()).isTrue();
        file.read();
        Files.delete(path);
        assertThat(file.isChanged()).isFalse();
    }

    @Test
    void shouldReadAWrongDocumentOnlyOnce() throws IOException {
        ConfigFile file = holding("{");
        assertThatThrownBy(file::read).isInstanceOf(IOException.class);
        assertThat(file.isChanged()).isFalse();
    }
}
