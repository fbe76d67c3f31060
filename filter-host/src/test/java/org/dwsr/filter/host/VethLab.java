package org.dwsr.filter.host;

import static org.assertj.core.api.Assertions.fail;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Namespaces and veth pairs whose names start with {@code dwio-}, all removed in the end. */
final class VethLab implements AutoCloseable {
    private final Deque<Runnable> undo = new ArrayDeque<>();

    /** An empty lab; what an earlier, killed run left behind is removed when its name is used again. */
    VethLab() {
        if (!"root".equals(System.getProperty("user.name"))) {
            fail("this test needs root: it opens raw sockets and makes network namespaces");
        }
        if (Arrays.stream(System.getenv("PATH").split(":")).noneMatch(dir -> Files.isExecutable(Path.of(dir, "ip")))) {
            fail("this test needs the program `ip` (package iproute2)");
        }
    }

    /** Makes a namespace whose loopback is up. */
    void namespace(String name) {
        tryRun("ip", "netns", "del", name);
        run("ip", "netns", "add", name);
        undo.push(() -> tryRun("ip", "netns", "del", name));
        run("ip", "-n", name, "link", "set", "lo", "up");
    }

    /** Makes a veth pair in the root namespace, up and without IPv6. */
    void veth(String one, String other) {
        tryRun("ip", "link", "del", one);
        run("ip", "link", "add", one, "type", "veth", "peer", "name", other);
        undo.push(() -> tryRun("ip", "link", "del", one));
        for (String name : List.of(one, other)) {
            silence(name);
            run("ip", "link", "set", name, "up");
        }
    }

    /** Moves an interface into a namespace and gives it an address. */
    void move(String name, String namespace, String address) {
        run("ip", "link", "set", name, "netns", namespace);
        run("ip", "-n", namespace, "addr", "add", address, "dev", name);
        run("ip", "-n", namespace, "link", "set", name, "up");
    }

    /** Starts a program in a namespace; it is ended with the lab. Waits for its first line. */
    Process start(String namespace, String... command) {
        List<String> all = new ArrayList<>(List.of("ip", "netns", "exec", namespace));
        all.addAll(List.of(command));
        try {
            Process process = new ProcessBuilder(all)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            undo.push(() -> process.destroyForcibly().onExit().join());
            BufferedReader reader =
                    new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
            if (reader.readLine() == null) {
                fail("%s ended without a line", all);
            }
            return process;
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    /** Runs a program to its end and returns its output; fails if it does. */
    static String run(String... command) {
        try {
            Process process =
                    new ProcessBuilder(command).redirectErrorStream(true).start();
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (!process.waitFor(20, TimeUnit.SECONDS) || process.exitValue() != 0) {
                process.destroyForcibly();
                fail("%s failed: %s", String.join(" ", command), output);
            }
            return output.trim();
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(interrupted);
        }
    }

    /** The command line of this test's own class path and Java. */
    static String[] java(Class<?> main, String... arguments) {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx64m",
                "-cp",
                classPathOf(main),
                main.getName()));
        command.addAll(List.of(arguments));
        return command.toArray(String[]::new);
    }

    private static String classPathOf(Class<?> type) {
        return Path.of(type.getProtectionDomain().getCodeSource().getLocation().getPath())
                .toString();
    }

    private static void silence(String name) {
        Path ipv6 = Path.of("/proc/sys/net/ipv6/conf", name, "disable_ipv6");
        try {
            if (Files.exists(ipv6)) {
                Files.writeString(ipv6, "1");
            }
            Files.writeString(Path.of("/proc/sys/net/ipv4/conf", name, "arp_ignore"), "8");
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    private static void tryRun(String... command) {
        try {
            new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start()
                    .waitFor(20, TimeUnit.SECONDS);
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        undo.forEach(Runnable::run);
    }
}
