package org.dwsr.controller;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KeyFileTest {
    @TempDir
    private Path folder;

    @Nested
    class Absent {
        @Test
        void shouldCreateAPrivateRandomKeyAndItsFolder() throws IOException {
            Path file = folder.resolve("state/more/filters.key");
            KeyFile key = KeyFile.readOrCreate(file);
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                    .isEqualTo("rw-------");
            assertThat(Files.readString(file)).matches("[0-9a-f]{64}\n").contains(key.bearer());
            assertThat(KeyFile.readOrCreate(folder.resolve("other.key")).bearer())
                    .isNotEqualTo(key.bearer());
            try (var files = Files.list(file.resolveSibling("."))) {
                assertThat(files).hasSize(1);
            }
        }

        /** Two controllers that share a state directory may start at the same moment. */
        @Test
        void shouldGiveEveryoneTheSameKeyWhenManyCreateIt() throws Exception {
            ExecutorService threads = Executors.newFixedThreadPool(8);
            try {
                for (int round = 0; round < 50; round++) {
                    Path file = folder.resolve("key" + round);
                    CyclicBarrier start = new CyclicBarrier(8);
                    Callable<String> one = () -> {
                        start.await();
                        return KeyFile.readOrCreate(file).bearer();
                    };
                    List<Future<String>> futures = new ArrayList<>();
                    for (int i = 0; i < 8; i++) {
                        futures.add(threads.submit(one));
                    }
                    Set<String> keys = new HashSet<>();
                    for (Future<String> future : futures) {
                        keys.add(future.get());
                    }
                    assertThat(keys).hasSize(1);
                }
            } finally {
                threads.shutdownNow();
            }
        }

        @Test
        void shouldSayWhichFileItCannotCreate() throws IOException {
            Path notAFolder = Files.createFile(folder.resolve("file"));
            assertThatThrownBy(() -> KeyFile.readOrCreate(notAFolder.resolve("key")))
                    .isInstanceOf(IOException.class)
                    .hasMessageStartingWith("cannot create the key file " + notAFolder.resolve("key") + ": ")
                    .hasMessageNotContaining("\n");
        }
    }

    @Nested
    class Present {
        @Test
        void shouldKeepTheKeyAndWhatIsDerivedFromIt() throws IOException {
            Path file = folder.resolve("filters.key");
            KeyFile first = KeyFile.readOrCreate(file);
            KeyFile second = KeyFile.readOrCreate(file);
            assertThat(second.bearer()).isEqualTo(first.bearer());
            assertThat(second.synCookieKey()).isEqualTo(first.synCookieKey()).hasSize(32);
        }

        @Test
        void shouldTakeAnyPrintableLineOf32To1024Characters() throws IOException {
            Path file = Files.writeString(folder.resolve("key"), "  " + "~!".repeat(16) + "\n\n");
            assertThat(KeyFile.readOrCreate(file).bearer()).isEqualTo("~!".repeat(16));
            Files.writeString(file, "x".repeat(1024));
            assertThat(KeyFile.readOrCreate(file).bearer()).hasSize(1024);
        }

        @Test
        void shouldSayWhatIsExpectedWhenTheFileHoldsNoKey() throws IOException {
            for (String wrong :
                    List.of("", "\n", "x".repeat(31), "x".repeat(1025), "a key of several words is wrong")) {
                Path file = Files.writeString(folder.resolve("key"), wrong);
                assertThatThrownBy(() -> KeyFile.readOrCreate(file))
                        .isInstanceOf(IOException.class)
                        .hasMessage(file + " does not hold a key: one line of 32 to 1024 printable characters");
            }
            Path binary = Files.write(folder.resolve("key"), new byte[] {(byte) 0xC3, 0x28, 0, 1});
            assertThatThrownBy(() -> KeyFile.readOrCreate(binary))
                    .isInstanceOf(IOException.class)
                    .hasMessage(binary + " does not hold a key: one line of 32 to 1024 printable characters");
        }

        @Test
        void shouldSayWhichFileItCannotReadAndWhy() {
            assertThatThrownBy(() -> KeyFile.readOrCreate(folder))
                    .isInstanceOf(IOException.class)
                    .hasMessage("cannot read the key file " + folder + ": Is a directory");
        }

        @Test
        void shouldTellWhetherOthersCanReadIt() throws IOException {
            Path file = folder.resolve("key");
            KeyFile.readOrCreate(file);
            assertThat(KeyFile.isPrivate(file)).isTrue();
            for (String open : List.of("rw-r-----", "rw----r--", "rw--w----")) {
                Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(open));
                assertThat(KeyFile.isPrivate(file)).as(open).isEqualTo(open.equals("rw-r-----"));
            }
        }
    }
}
