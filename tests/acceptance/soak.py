"""The long run: the seeded model, transfers through faults, and many connections. Run by ./dwsr soak."""

import argparse
import collections
import os
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import cases_faults  # noqa: E402
import harness  # noqa: E402
import run  # noqa: E402
from cases_load import logged_now, wrk_words  # noqa: E402

REMEMBERED_SECONDS = 130
FIRST_CONNECTIONS = 1_000
WRK_SECONDS = 5
GROWTH = 1.05
# What the JVM takes for compiling, which it does for as long as it finds something hot: shown, but not judged.
COMPILING = ("Code", "Compiler", "Arena Chunk", "Thread arenas")
JVM_OPTIONS = "-Xmx512m -XX:+UseSerialGC -XX:NativeMemoryTracking=summary"


class Soak:
    """What was done and what came of it."""

    def __init__(self):
        self.verdicts = []
        self.began = time.monotonic()

    def say(self, text):
        print(f"soak: {time.monotonic() - self.began:7.1f} s  {text}", flush=True)

    def verdict(self, good, text):
        self.verdicts.append((good, text))
        self.say(("pass  " if good else "FAIL  ") + text)


# ------------------------------------------------------------------------------------------ the model


def model(soak, options):
    soak.say(f"model: {options.cases} cases of the seeded simulation of two TCPs around the filter, seed {options.seed}")
    done = subprocess.run(
        ["mvn", "-q", "-B", "-ntp", "-pl", "filter-host", "-am", "test", "-Dtest=MigrationSimulationTest",
         "-Dsurefire.failIfNoSpecifiedTests=false", f"-Ddwsr.cases={options.cases}", f"-Ddwsr.seed={options.seed}"],
        cwd=harness.CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        print("\n".join("        " + line for line in done.stdout.splitlines()[-40:]), flush=True)
    soak.verdict(done.returncode == 0, f"model: {options.cases} cases, seed {options.seed}")


# ------------------------------------------------------------------------------------------ transfers through faults


def transfers(soak, options):
    count = options.transfers
    what = f"{count} downloads and {count} uploads of 2 MB, connections change server every 3 requests"
    soak.say(f"faults at the filters' port, {cases_faults.FAULTS}: {what}")
    with run.lab_up("guard", options.prefix, options.ports, "--faults", cases_faults.FAULTS) as lab:
        told = 0

        def progress(done):
            nonlocal told
            if done - told >= 10 or done == count:
                told = done
                soak.say(f"  {done} of {count} downloads and as many uploads, every byte right")

        try:
            cases_faults.suffer(lab, count, progress)
            harness.until(lab.idle, 60, lambda: tables(lab))
            soak.verdict(True, f"{what}; frames that suffered: {cases_faults.fault_counts(lab.lab.filter_counters())}")
        except (harness.Failure, OSError) as problem:
            soak.verdict(False, f"{what}: {type(problem).__name__}: {problem}\n{run.nonzero(lab)}")


# ------------------------------------------------------------------------------------------ many connections


def tables(lab):
    """The sizes of all tables of connections."""
    switch = lab.switch_counters()
    return {
        "web switch": switch.get("connections", 0),
        "gathering heads": switch.get("gathering_heads", 0),
        "waiting segments": switch.get("waiting_segments", 0),
        "filters": lab.filter_counter("connections"),
        "silent": lab.filter_counter("silent_connections"),
        "connection flows": len(lab.connection_flows()),
    }


def remembered(lab):
    return lab.switch_counters().get("ended_connections", 0)


def jcmd(pid, *words):
    home = os.environ.get("JAVA_HOME")
    beside = os.path.join(home, "bin", "jcmd") if home else None
    program = beside if beside and os.path.exists(beside) else shutil.which("jcmd")
    if program is None:
        raise harness.Failure("there is no jcmd: a JDK is needed")
    done = subprocess.run([program, str(pid), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise harness.Failure(f"jcmd {' '.join(words)} failed: {done.stdout.strip()[-300:]}")
    return done.stdout


def memory(pid):
    """A process's memory in bytes by kind: "live heap" is what a full collection leaves, the others are what the JVM's
    native memory tracking calls committed."""
    total = re.search(r"^Total\s+\d+\s+(\d+)", jcmd(pid, "GC.class_histogram"), re.M)
    kinds = {"live heap": int(total.group(1))}
    text = jcmd(pid, "VM.native_memory", "summary", "scale=KB")
    for kind, committed in re.findall(r"^-\s+([A-Z][\w ]*?) \(reserved=\d+KB, committed=(\d+)KB\)", text, re.M):
        if kind != "Java Heap":
            kinds[kind] = int(committed) * 1024
    # Nearly all of the threads' arenas are the compilers'.
    arenas = re.search(r"^-\s+Thread .*?^\s+\(arena=(\d+)KB", text, re.M | re.S)
    if arenas:
        kinds["Thread arenas"] = int(arenas.group(1)) * 1024
        kinds["Thread"] -= kinds["Thread arenas"]
    return kinds


def threads(pid):
    """The names of a process's Java threads, without their numbers, and how many there are of each."""
    names = re.findall(r'^"(.*?)" #', jcmd(pid, "Thread.print"), re.M)
    return collections.Counter(re.sub(r"[-# ]?\d+", "", name) for name in names)


def measure(lab):
    processes = lab.lab.processes()
    pids = {role: processes[role]["pid"] for role in ("controller", "filter")}
    for pid in pids.values():
        # Pools of threads grow with every question that waited for empty tables; idle threads end after 10 s.
        count = sum(threads(pid).values())
        while True:
            time.sleep(4)
            before, count = count, sum(threads(pid).values())
            if count >= before:
                break
    return {role: (memory(pid), threads(pid)) for role, pid in pids.items()}


def load(soak, lab, count, told):
    """Makes that many connections, each for one request, from both clients. Returns how many there were."""
    done = 0
    while done < count:
        seconds = 1 if count - done < 3 * FIRST_CONNECTIONS else WRK_SECONDS
        running = [
            lab.start(client, *wrk_words(lab, path, "-H", "Connection: close", seconds=seconds, connections=16))
            for client, path in (("c1", "/img/photo.jpg"), ("c2", "/ping.php"))
        ]
        for process in running:
            said = process.communicate(timeout=seconds + 30)[0]
            requests = re.search(r"(\d+) requests in", said)
            if not requests or "Socket errors" in said or "Non-2xx" in said:
                raise harness.Failure(f"wrk said: {said[-400:]}")
            done += int(requests.group(1))
        if told:
            soak.say(f"  {done:,} of {count:,} connections")
    return done


def connections(soak, options):
    count = options.connections
    soak.say(f"{count:,} connections by wrk with Connection: close")
    usual = os.environ.get("DWSR_JAVA_OPTS")
    os.environ["DWSR_JAVA_OPTS"] = JVM_OPTIONS
    try:
        with run.lab_up("guard", options.prefix, options.ports) as lab:
            for client in ("c1", "c2"):
                # Whoever closes first keeps the port for 60 s; wrk does in some of the connections, and runs out.
                lab.run(client, "sysctl", "-q", "-w", "net.ipv4.tcp_max_tw_buckets=0")
            try:
                many_connections(soak, lab, count)
            except (harness.Failure, OSError) as problem:
                soak.verdict(False, f"{count:,} connections: {problem}\n{run.nonzero(lab)}")
    finally:
        if usual is None:
            del os.environ["DWSR_JAVA_OPTS"]
        else:
            os.environ["DWSR_JAVA_OPTS"] = usual


def many_connections(soak, lab, count):
    logged = logged_now(lab)
    first = load(soak, lab, FIRST_CONNECTIONS, told=False)
    harness.until(lab.idle, 60, lambda: f"not empty: {tables(lab)}")
    before = measure(lab)
    soak.say(f"  after {first:,} connections all tables are empty; memory is measured")
    done = first + load(soak, lab, max(0, count - first), told=True)
    started = time.monotonic()
    try:
        harness.until(lambda: lab.idle() and not any(tables(lab).values()), 60, "empty tables")
        soak.verdict(True, f"{done:,} connections ({logged_now(lab) - logged:,} in the servers' logs); "
                     f"{time.monotonic() - started:.1f} s later all tables are empty: {', '.join(tables(lab))}")  # fmt: skip
    except harness.Failure:
        soak.verdict(False, f"{done:,} connections; a minute later the tables hold {tables(lab)}")
    # It remembers which connections have ended, 65,536 at most, for two minutes: a table of connections, too.
    try:
        harness.until(lambda: remembered(lab) == 0, REMEMBERED_SECONDS, "ended connections to be forgotten")
        soak.verdict(True, f"{time.monotonic() - started:.1f} s later the web switch remembers none that has ended")
    except harness.Failure:
        soak.verdict(False, f"{remembered(lab)} ended connections are remembered after {REMEMBERED_SECONDS} s")
    after = measure(lab)
    for role, kinds in after.items():
        compare(soak, role, before[role], kinds, first, done)


def compare(soak, role, earlier, later, first, done):
    before, after = earlier[0], later[0]
    was, now = (sum(size for kind, size in kinds.items() if kind not in COMPILING) for kinds in (before, after))
    more = later[1] - earlier[1]
    if more:
        soak.say(f"    {role:10} new threads: {', '.join(f'{count} {name}' for name, count in more.items())}")
    for kind in sorted(after, key=lambda one: before.get(one, 0) - after[one]):
        if abs(after[kind] - before.get(kind, 0)) >= 64 << 10:
            note = "  (not judged)" if kind in COMPILING else ""
            soak.say(f"    {role:10} {kind:22} {before.get(kind, 0) / 1e6:8.2f} -> {after[kind] / 1e6:8.2f} MB{note}")
    soak.verdict(
        now <= was * GROWTH,
        f"{role}: live heap + off-heap {was / 1e6:.2f} MB after {first:,} connections, {now / 1e6:.2f} MB "
        f"({now / was:.3f}) after {done:,}; live heap alone {before['live heap'] / 1e6:.2f} -> "
        f"{after['live heap'] / 1e6:.2f} MB",
    )


# ------------------------------------------------------------------------------------------ the program


def natural(text):
    number = int(text.replace("_", "").replace(",", ""))
    if number < 0:
        raise argparse.ArgumentTypeError("0 or more")
    return number


def parser():
    top = argparse.ArgumentParser(
        prog="dwsr soak",
        description="The long run (about 10 minutes): the seeded model of two TCPs around the filter; 2 MB transfers "
        "while frames get lost, doubled and reordered, every byte compared; and many connections, after which all "
        "tables must be empty and memory must be what it was. 0 leaves a part out.",
    )
    top.add_argument("--cases", type=natural, default=50_000, metavar="N", help="cases of the model (default 50000)")
    top.add_argument("--seed", type=int, default=None, metavar="S", help="the model's seed (default: the time)")
    top.add_argument("--transfers", type=natural, default=100, metavar="N", help="downloads, and uploads (default 100)")
    top.add_argument("--connections", type=natural, default=100_000, metavar="N", help="connections (default 100000)")
    top.add_argument("--prefix", default="so", help="the labs' names begin so (default: so)")
    top.add_argument("--ports", type=int, default=0, metavar="N", help="shift of the labs' ports, for two runs at a time")
    return top


def main(words):
    options = parser().parse_args(words)
    if options.seed is None:
        options.seed = int(time.time())
    signal.signal(signal.SIGTERM, run.interrupt)
    signal.signal(signal.SIGHUP, run.interrupt)
    soak = Soak()
    try:
        for count, part in ((options.cases, model), (options.transfers, transfers), (options.connections, connections)):
            if count:
                part(soak, options)
    except (run.Interrupted, KeyboardInterrupt):
        print("dwsr soak: interrupted", file=sys.stderr)
        return 130
    except (subprocess.SubprocessError, OSError, RuntimeError, harness.Failure) as problem:
        soak.verdict(False, f"the run itself: {type(problem).__name__}: {problem}")
    print()
    for good, text in soak.verdicts:
        print(f"  {'pass' if good else 'FAIL'}  {text}")
    failed = sum(not good for good, _ in soak.verdicts)
    print(f"soak: {len(soak.verdicts) - failed} passed, {failed} failed, in {time.monotonic() - soak.began:.0f} s")
    return 1 if failed or not soak.verdicts else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
