"""Runs the acceptance cases against real labs and prints the table of cases. Run by ./dwsr test."""

import argparse
import contextlib
import fnmatch
import glob
import importlib
import os
import signal
import subprocess
import sys
import time
import traceback
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import harness  # noqa: E402
import onos_checks  # noqa: E402

# The labs by name: a letter that keeps their prefixes apart, and what ./dwsr lab up is told.
FAR_MS = 50
LABS = {
    "guard": ("g", ["--requests", "guard"]),
    "switch": ("s", ["--requests", "switch"]),
    "apache": ("a", ["--requests", "guard", "--web-servers", "apache"]),
    "far": ("f", ["--requests", "guard", "--client-delay-ms", str(FAR_MS)]),
    "preallocate": ("p", ["--requests", "guard", "--handshake", "preallocate"]),
    "preallocate-switch": ("q", ["--requests", "switch", "--handshake", "preallocate", "--web-servers", "apache"]),
}


class Interrupted(Exception):
    """Somebody wants this run to end."""


def load_cases():
    for path in sorted(glob.glob(os.path.join(HERE, "cases_*.py"))):
        importlib.import_module(os.path.basename(path)[:-3])
    return harness.CASES


def lab_options(mode, shift):
    """The options of ./dwsr lab up: what makes this lab, and ports away from the defaults of ./dwsr lab."""
    first = 16_653 + 40 * shift + 5 * list(LABS).index(mode)
    options = list(LABS[mode][1])
    for offset, option in enumerate(("--openflow", "--control", "--metrics", "--wire-metrics")):
        options += [option, f"127.0.0.1:{first + offset}"]
    return options


@contextlib.contextmanager
def lab_up(mode, prefix, shift, *more):
    """A lab that is up for the length of the block. more: further options of ./dwsr lab up."""
    command = [os.path.join(harness.CHECKOUT, "dwsr"), "lab"]
    name = prefix + LABS[mode][0]
    environment = {**os.environ, "DWSR_BUILT": "1"}
    try:
        subprocess.run(
            [*command, "up", "--prefix", name, *lab_options(mode, shift), *more],
            check=True, stdin=subprocess.DEVNULL, env=environment,
        )
        under_test = harness.LabUnderTest(harness.dwsr_lab.Lab(name), mode)
        under_test.tap.open()
        try:
            yield under_test.settle()
        finally:
            if under_test.tap.process is not None:
                under_test.tap.process.kill()
                under_test.tap.process.wait()
    finally:
        subprocess.run([*command, "down", "--prefix", name], check=False, stdin=subprocess.DEVNULL, env=environment)


class Results:
    """What ran, in order."""

    def __init__(self):
        self.rows = []

    def add(self, where, name, problem, seconds):
        self.rows.append((where, name, problem, seconds))
        verdict = "pass" if problem is None else "FAIL"
        print(f"  {verdict}  {seconds:6.1f} s  {where:6}  {name}", flush=True)
        if problem is not None:
            print("\n".join("        " + line for line in problem.splitlines()[-25:]), flush=True)

    @property
    def passed(self):
        return sum(problem is None for _, _, problem, _ in self.rows)

    @property
    def failed(self):
        return sum(problem is not None for _, _, problem, _ in self.rows)


def run_case(case, under_test, results):
    started = time.monotonic()
    problem = None
    try:
        under_test.tap.forget()
        case.function(under_test)
    except harness.Failure as failure:
        problem = f"{failure}\n{place(failure)}"
    except (Interrupted, KeyboardInterrupt):
        raise
    except Exception:
        problem = traceback.format_exc()
    results.add(under_test.mode, case.name, problem, time.monotonic() - started)
    if problem is not None:
        print(f"        web switch: {nonzero(under_test)}", flush=True)


def nonzero(under_test):
    """The web switch's counters, for the reader of a failure."""
    try:
        return ", ".join(f"{name} {value}" for name, value in under_test.switch_counters().items()
                         if value and not name.startswith(("filter_", "jvm")))  # fmt: skip
    except OSError as problem:
        return f"does not answer ({problem})"


def place(failure):
    """The case's own line that failed."""
    for frame in reversed(traceback.extract_tb(failure.__traceback__)):
        if os.path.basename(frame.filename).startswith("cases_"):
            return f"at {os.path.basename(frame.filename)}:{frame.lineno}: {frame.line}"
    return ""


def run_lab(mode, cases, options, results):
    print(f"acceptance: {len(cases)} cases in the lab {mode} ({' '.join(LABS[mode][1])})", flush=True)
    started = time.monotonic()
    try:
        with lab_up(mode, options.prefix, options.ports) as under_test:
            for one in sorted(cases, key=lambda one: one.last):
                for _ in range(options.repeat):
                    run_case(one, under_test, results)
                    if results.failed and options.repeat > 1:
                        break
            finish(under_test, results)
    except (subprocess.CalledProcessError, OSError, RuntimeError, harness.Failure) as problem:
        results.add(mode, "the lab comes up and goes down", str(problem), time.monotonic() - started)


def finish(under_test, results):
    """What must be true of the whole run in this lab."""
    started = time.monotonic()
    with contextlib.suppress(harness.Failure):
        under_test.catch_up()
    lost = under_test.tap.close()
    tap = under_test.tap
    problem = None
    if lost or tap.gaps:
        problem = f"the capture of the control port is not whole: {lost} packets lost, {tap.gaps} gaps"
    elif tap.total == 0:
        problem = "the capture of the control port shows no packet-in at all"
    elif tap.response_segments:
        first = tap.response_segments[0]
        problem = f"{len(tap.response_segments)} packet-ins carry TCP payload from the VIP; the first: {first.tcp}"
    name = f"no packet-in carries a response byte ({tap.total} packet-ins captured)"
    results.add(under_test.mode, name, problem, time.monotonic() - started)


def run_demo(results):
    """The README's first command, as a stranger runs it."""
    started = time.monotonic()
    done = subprocess.run(
        [os.path.join(harness.CHECKOUT, "dwsr"), "demo"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    problem = None if done.returncode == 0 else f"it ended with {done.returncode}:\n{done.stdout}"
    results.add("demo", "./dwsr demo shows that everything is true", problem, time.monotonic() - started)


def unit_tests(since):
    """(passed, failed, skipped) of the JUnit reports written since a time."""
    passed = failed = skipped = 0
    reports = os.path.join("target", "surefire-reports", "TEST-*.xml")
    modules = glob.glob(os.path.join(harness.CHECKOUT, "*", reports)) + glob.glob(os.path.join(harness.CHECKOUT, "*", "*", reports))
    for path in modules:
        if os.path.getmtime(path) < since:
            continue
        # The suite's own totals leave out nested classes.
        for test in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
            outcomes = {child.tag for child in test}
            if outcomes & {"failure", "error"}:
                failed += 1
            elif "skipped" in outcomes:
                skipped += 1
            else:
                passed += 1
    return passed, failed, skipped


def parser():
    top = argparse.ArgumentParser(
        prog="dwsr test",
        description="Unit, property and architecture tests (Maven), then acceptance cases in network namespaces against "
        "real nginx and Apache. Ends with \"N passed, N failed\".",
    )
    top.add_argument("--acceptance", action="store_true", help="only the acceptance cases, with what is built")
    top.add_argument("--only", metavar="PATTERN", action="append",
                     help="acceptance cases whose name matches, e.g. '*cookie*'; may be given several times")  # fmt: skip
    top.add_argument("--lab", choices=(*LABS, "onos"), help="only in the lab of this name; onos: the checks of the assembled ONOS")
    top.add_argument("--repeat", type=int, default=1, metavar="N", help="run each acceptance case N times, end at a failure")
    top.add_argument("--list", action="store_true", help="list the acceptance cases and stop")
    top.add_argument("--prefix", default="ta", help="the labs' names begin so (default: ta)")
    top.add_argument("--ports", type=int, default=0, metavar="N", help="shift of the labs' ports, for two runs at a time")
    top.add_argument("--maven-exit", type=int, default=None, help=argparse.SUPPRESS)
    top.add_argument("--since", type=float, default=0.0, help=argparse.SUPPRESS)
    return top


def interrupt(_number, _frame):
    raise Interrupted


def main(words):
    options = parser().parse_args(words)
    cases = load_cases()
    if options.only:
        cases = [one for one in cases if any(fnmatch.fnmatch(one.name, pattern) for pattern in options.only)]
        if not cases:
            print(f"dwsr test: no acceptance case matches {' or '.join(options.only)}; --list shows them", file=sys.stderr)
            return 2
    if options.list:
        for one in cases:
            print(f"{'+'.join(one.labs):13} {one.name}")
        return 0
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    started = time.monotonic()
    results = Results()
    try:
        for mode in LABS:
            chosen = [one for one in cases if mode in one.labs]
            if chosen and options.lab in (None, mode):
                run_lab(mode, chosen, options, results)
        if options.only is None and options.lab in (None, "onos"):
            onos_checks.run(results, options.prefix, options.ports)
        if options.only is None and options.lab is None:
            run_demo(results)
    except (Interrupted, KeyboardInterrupt):
        print("dwsr test: interrupted", file=sys.stderr)
        return 130
    return report(options, results, time.monotonic() - started)


def brief(problem):
    """A problem in one line: the last line of a traceback, the first of anything else."""
    lines = [line.strip() for line in problem.splitlines() if line.strip()] or ["?"]
    line = lines[-1] if lines[0].startswith("Traceback") else lines[0]
    return line if len(line) <= 300 else line[:300] + " ..."


def report(options, results, seconds):
    print("\nAcceptance cases")
    print(f"  {'lab':6}  {'result':6}  {'seconds':>7}  name")
    for where, name, problem, took in results.rows:
        print(f"  {where:6}  {'pass' if problem is None else 'FAIL':6}  {took:7.1f}  {name}")
    print(f"  {results.passed} passed, {results.failed} failed, in {seconds:.0f} s\n")
    passed, failed = results.passed, results.failed
    if options.maven_exit is not None:
        unit_passed, unit_failed, skipped = unit_tests(options.since)
        print(f"Unit, property and architecture tests: {unit_passed} passed, {unit_failed} failed, {skipped} skipped")
        passed += unit_passed
        failed += unit_failed + skipped
        if options.maven_exit != 0:
            print(f"Maven ended with {options.maven_exit}: a test, a lint or the format; see above")
            failed += 0 if unit_failed else 1
        if unit_passed == 0:
            print("Maven ran no unit test")
            failed += 1
    failures = [row for row in results.rows if row[2] is not None]
    if failures:
        # Once more in short: what cuts a long output leaves its end.
        print("\nFailed acceptance cases")
    for where, name, problem, _ in failures:
        print(f"  {where:6}  {name}: {brief(problem)}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not results.rows else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
