package org.dwsr.controller;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A bridge of the real Open vSwitch, in user space; it needs root and a running ovs-vswitchd. */
final class OvsBridge implements AutoCloseable {
    private static final String HOW_TO_GET_IT =
            "this test needs Open vSwitch, running, and root: run ./dwsr setup as root, then the tests as root";

    private final String name;

    /**
     * Creates a bridge without flows and without a controller.
     *
     * @param suffix distinguishes the bridges of one test run
     */
    OvsBridge(String suffix, long datapath) {
        // Other runs may work on the same machine at the same time.
        name = "ct" + ProcessHandle.current().pid() + suffix;
        run(null, "ovs-vsctl", "--timeout=5", "show");
        run(
                null,
                "ovs-vsctl",
                "--timeout=20",
                "--if-exists",
                "del-br",
                name,
                "--",
                "add-br",
                name,
                "--",
                "set",
                "bridge",
                name,
                "datapath_type=netdev",
                "fail_mode=secure",
                "protocols=OpenFlow13",
                "other-config:datapath-id=" + String.format("%016x", datapath));
        run(null, "ovs-ofctl", "-O", "OpenFlow13", "del-flows", name);
    }

    void connectTo(int port) {
        // The first set-controller on a bridge flushes its flows.
        run(null, "ovs-vsctl", "--timeout=20", "set-controller", name, "tcp:127.0.0.1:" + port);
    }

    /** Lets the bridge speak other versions only, from its next connection on. */
    void protocols(String protocols) {
        run(null, "ovs-vsctl", "--timeout=20", "set", "bridge", name, "protocols=" + protocols);
    }

    /** Adds flows as text. */
    void addFlows(String lines) {
        run(lines, "ovs-ofctl", "-O", "OpenFlow13", "add-flows", name, "-");
    }

    void deleteFlows(String match) {
        run(null, "ovs-ofctl", "-O", "OpenFlow13", "--strict", "del-flows", name, match);
    }

    /** Makes the switch send a frame to its controller. */
    void packetIn(byte[] frame) {
        run(
                null,
                "ovs-ofctl",
                "-O",
                "OpenFlow13",
                "packet-out",
                name,
                "in_port=LOCAL packet=" + io.netty.buffer.ByteBufUtil.hexDump(frame) + " actions=CONTROLLER:65535");
    }

    /** All flows as Open vSwitch prints them, without counters, sorted. */
    List<String> flows() {
        return run(null, "ovs-ofctl", "-O", "OpenFlow13", "--no-stats", "dump-flows", name)
                .lines()
                .filter(line -> line.contains("actions="))
                .map(String::strip)
                .sorted()
                .toList();
    }

    @Override
    public void close() {
        run(null, "ovs-vsctl", "--timeout=20", "--if-exists", "del-br", name);
    }

    private static String run(@org.jspecify.annotations.Nullable String input, String... command) {
        try {
            Process process =
                    new ProcessBuilder(command).redirectErrorStream(true).start();
            try (var in = process.getOutputStream()) {
                if (input != null) {
                    in.write(input.getBytes(StandardCharsets.US_ASCII));
                }
            }
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (!process.waitFor(30, TimeUnit.SECONDS) || process.exitValue() != 0) {
                throw new AssertionError(HOW_TO_GET_IT + "; " + String.join(" ", command) + ": " + output);
            }
            return output;
        } catch (IOException e) {
            throw new AssertionError(HOW_TO_GET_IT + "; " + e.getMessage(), e);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
