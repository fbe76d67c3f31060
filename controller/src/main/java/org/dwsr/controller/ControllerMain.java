package org.dwsr.controller;

import java.io.IOException;
import java.io.PrintWriter;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dwsr.config.ControlConfig;
import org.dwsr.config.DwsrConfig;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command {@code dwsr controller}: the web switch as an OpenFlow 1.3 controller of its own. */
@Command(
        name = "dwsr controller",
        mixinStandardHelpOptions = true,
        description = {
            "Runs the web switch as an OpenFlow 1.3 controller.",
            "",
            "Switches connect to --openflow (protocols=OpenFlow13, fail_mode=secure), filters to --control.",
            "There, GET /healthz, /counters and /metrics (Prometheus) need no key."
        },
        footerHeading = "%nSignals:%n",
        footer = {
            "  SIGHUP            Reads the configuration again, changed or not.",
            "  SIGTERM, SIGINT   End; flows and connections stay, and are found again after a restart.",
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:ended by SIGTERM or SIGINT", "1:could not start", "2:wrong options or configuration"})
public final class ControllerMain implements Callable<Integer> {
    private static final int FAILED = 1;
    private static final int WRONG_CONFIGURATION = 2;
    private static final String DEFAULT_CONTROL = "127.0.0.1:8780";
    private static final String KEY_FILE_NAME = "filters.key";
    private static final Pattern HOST_PORT = Pattern.compile("(\\[[0-9A-Fa-f:.]+]|[A-Za-z0-9._-]+):([0-9]{1,5})");

    @Option(
            names = "--config",
            required = true,
            paramLabel = "FILE",
            description = "The configuration (JSON). Read again within a second when the file changes, and on SIGHUP;"
                    + " a wrong one is refused whole and the running one stays.")
    private @Nullable Path config;

    @Option(
            names = "--key-file",
            paramLabel = "FILE",
            description =
                    "The key shared with the filters; created if it does not exist. Default: control.keyFile of the configuration, else filters.key in the state directory.")
    private @Nullable Path keyFile;

    @Option(
            names = "--state-dir",
            paramLabel = "DIR",
            defaultValue = ".dwsr",
            description = "Where files that must survive a restart are created. Default: ${DEFAULT-VALUE}")
    private Path stateDir = Path.of(".dwsr");

    @Option(
            names = "--openflow",
            paramLabel = "HOST:PORT",
            defaultValue = "127.0.0.1:6653",
            description = "Where switches connect. Default: ${DEFAULT-VALUE}")
    private String openFlow = "127.0.0.1:6653";

    @Option(
            names = "--control",
            paramLabel = "HOST:PORT",
            description = "Where filters connect. Default: control.listen of the configuration, else 127.0.0.1:8780")
    private @Nullable String control;

    @Spec
    private @Nullable CommandSpec spec;

    ControllerMain() {}

    /** Runs until a signal ends it. */
    public static void main(String[] args) {
        System.setProperty("org.slf4j.simpleLogger.showDateTime", "true");
        System.setProperty("org.slf4j.simpleLogger.dateTimeFormat", "HH:mm:ss.SSS");
        System.setProperty("org.slf4j.simpleLogger.showShortLogName", "true");
        System.exit(new CommandLine(new ControllerMain()).execute(args));
    }

    @Override
    public Integer call() throws InterruptedException {
        PrintWriter err = Objects.requireNonNull(spec).commandLine().getErr();
        ConfigFile file = new ConfigFile(Objects.requireNonNull(config));
        DwsrConfig document;
        try {
            document = file.read();
        } catch (IOException e) {
            err.println(e.getMessage());
            return WRONG_CONFIGURATION;
        }
        ControlConfig channel = document.control();
        String listen = control != null ? control : channel != null ? channel.listen() : DEFAULT_CONTROL;
        Path keyPath = keyFile != null
                ? keyFile
                : channel != null ? Path.of(channel.keyFile()) : stateDir.resolve(KEY_FILE_NAME);
        CountDownLatch end = new CountDownLatch(1);
        InetSocketAddress openFlowAddress;
        InetSocketAddress controlAddress;
        try {
            openFlowAddress = address("--openflow", openFlow);
            controlAddress = address("--control", listen);
        } catch (IllegalArgumentException e) {
            err.println(e.getMessage());
            return WRONG_CONFIGURATION;
        }
        try {
            KeyFile key = KeyFile.readOrCreate(keyPath);
            Logger log = LoggerFactory.getLogger(ControllerMain.class);
            if (!KeyFile.isPrivate(keyPath)) {
                log.warn("others can read or change the key file: chmod 600 {}", keyPath);
            }
            try (EmbeddedController running = new EmbeddedController(
                    file,
                    document,
                    SwitchingLogic.webSwitch(key.synCookieKey()),
                    key.bearer(),
                    openFlowAddress,
                    controlAddress)) {
                log.info(
                        "ready: switches on {}:{}, filters on {}:{}",
                        openFlowAddress.getHostString(),
                        running.openFlowPort(),
                        controlAddress.getHostString(),
                        running.controlPort());
                ProcessSignal.handle("HUP", running::reload);
                ProcessSignal.handle("TERM", end::countDown);
                ProcessSignal.handle("INT", end::countDown);
                end.await();
                log.info("ended");
            }
            return 0;
        } catch (IOException e) {
            err.println(e.getMessage());
            return FAILED;
        }
    }

    static InetSocketAddress address(String option, String text) {
        Matcher matcher = HOST_PORT.matcher(text);
        if (!matcher.matches() || Integer.parseInt(matcher.group(2)) > 0xFFFF) {
            throw new IllegalArgumentException(option + ": HOST:PORT is expected, not \"" + text + "\"");
        }
        String host = matcher.group(1);
        boolean bracketed = host.startsWith("[");
        InetSocketAddress address = new InetSocketAddress(
                bracketed ? host.substring(1, host.length() - 1) : host, Integer.parseInt(matcher.group(2)));
        if (address.isUnresolved()) {
            throw new IllegalArgumentException(option + ": the host " + host + " is unknown");
        }
        return address;
    }
}
