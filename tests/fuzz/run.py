"""Fuzzes the parsers and state machines with Jazzer for as long as is wanted. Run by ./dwsr fuzz."""

import argparse
import glob
import os
import shutil
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKOUT = os.path.dirname(os.path.dirname(HERE))
SOURCES = os.path.join(CHECKOUT, "tests", "src", "test", "java", "org", "dwsr", "fuzz")
STATE = os.path.join(CHECKOUT, ".dwsr", "fuzz")

EPILOG = """\
What is found lands in .dwsr/fuzz/TARGET/: crash-..., timeout-..., oom-.... Each can be run again:
  ./dwsr fuzz --target TARGET --replay FILE
The inputs that reach new code are kept in .dwsr/fuzz/TARGET/corpus, and the next run starts from them.
./dwsr test runs every target briefly, always with the same inputs.

exit code: 0 nothing found, 1 something found, 2 wrong use, 130 interrupted
"""


def targets():
    """The names of the targets: frame, request, ..."""
    names = [os.path.basename(path)[: -len("Fuzz.java")] for path in glob.glob(os.path.join(SOURCES, "*Fuzz.java"))]
    return {name.lower(): name + "Fuzz" for name in sorted(names)}


def class_path():
    """What ./dwsr test's bounded runs use, too."""
    subprocess.run(
        ["mvn", "-q", "-B", "-ntp", "-pl", "tests", "-am", "test-compile"],
        cwd=CHECKOUT, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    with open(os.path.join(CHECKOUT, "tests", "target", "test.classpath"), encoding="utf-8") as file:
        return os.path.join(CHECKOUT, "tests", "target", "test-classes") + os.pathsep + file.read().strip()


def command(classes, target, arguments):
    java = os.path.join(os.environ["JAVA_HOME"], "bin", "java") if os.environ.get("JAVA_HOME") else "java"
    directory = os.path.join(STATE, target)
    os.makedirs(os.path.join(directory, "corpus"), exist_ok=True)
    return [
        java, "-Xmx1g", "-XX:+UseSerialGC", "-cp", classes, "com.code_intelligence.jazzer.Jazzer",
        f"--target_class=org.dwsr.fuzz.{targets()[target]}", "--instrumentation_includes=org.dwsr.**",
        "--disabled_hooks=*", f"--reproducer_path={directory}", f"-artifact_prefix={directory}/", *arguments,
    ]  # fmt: skip


def found(target):
    names = ("crash-*", "timeout-*", "oom-*", "slow-unit-*")
    return {path for name in names for path in glob.glob(os.path.join(STATE, target, name))}


def fuzz(classes, target, seconds):
    """Runs one target and tells whether it held."""
    before = found(target)
    # The first input also has its classes loaded and instrumented, which takes seconds on a busy machine.
    arguments = [f"-max_total_time={seconds}", "-max_len=4000", "-timeout=30", os.path.join(STATE, target, "corpus")]
    print(f"fuzz: {target} for {seconds} s", flush=True)
    process = subprocess.Popen(
        command(classes, target, arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace",
    )  # fmt: skip
    tail = []
    try:
        for line in process.stdout:
            tail = [*tail, line][-60:]
            if "\tpulse" in line or line.startswith("Done "):
                print(f"fuzz: {target}: {' '.join(line.split())}", flush=True)
        process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise
    if process.returncode == 0:
        return True
    sys.stdout.writelines(tail)
    for path in sorted(found(target) - before):
        print(f"fuzz: {target} fails for {path}; again: ./dwsr fuzz --target {target} --replay {path}", flush=True)
    return False


def main():
    parser = argparse.ArgumentParser(
        prog="./dwsr fuzz", description=__doc__.split(" Run by")[0] + f" Targets: {', '.join(targets())}.",
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--target", choices=list(targets()), help="only this target (default: one after the other)")
    parser.add_argument("--seconds", type=int, default=60, help="how long for each target (default: 60)")
    parser.add_argument("--replay", metavar="FILE", help="run the target once with a saved input")
    parser.add_argument("--list", action="store_true", help="print the targets")
    options = parser.parse_args()
    if options.list:
        print("\n".join(targets()))
        return 0
    if options.seconds < 1:
        parser.error("--seconds: at least 1")
    if options.replay and not options.target:
        parser.error("--replay needs --target")
    if options.replay and not os.path.isfile(options.replay):
        parser.error(f"--replay: there is no file {options.replay}")
    if not shutil.which("mvn"):
        parser.error("Maven is needed: run ./dwsr setup (as root) or install it")
    try:
        classes = class_path()
        if options.replay:
            return 1 if subprocess.run(command(classes, options.target, [options.replay])).returncode else 0
        chosen = [options.target] if options.target else list(targets())
        held = [fuzz(classes, target, options.seconds) for target in chosen]
        return 0 if all(held) else 1
    except subprocess.CalledProcessError as error:
        print(f"dwsr: {' '.join(error.cmd)} failed", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("fuzz: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
