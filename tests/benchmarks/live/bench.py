"""The live benchmarks of the host filter: a real filter process, real veth pairs, real Linux TCP. Run by ./dwsr bench."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import bed as beds  # noqa: E402
import bulk  # noqa: E402
import rebuild  # noqa: E402

PARTS = {"rebuild": rebuild, "bulk": bulk}


def natural(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return number


def parser():
    top = argparse.ArgumentParser(prog="dwsr bench", add_help=False)
    parts = top.add_subparsers(dest="part", required=True)
    one = parts.add_parser(
        "rebuild",
        help="a rebuild beside the kernel's connect()",
        description="Measures how long a rebuild takes as it happens live: a tagged first request is sent into the "
        "network port of a real filter process, which replays the handshake with a real Linux TCP over a veth pair. "
        "Beside it, in turn, the kernel's own connect() over a veth pair between the same namespaces.",
    )
    one.add_argument("--samples", type=natural, default=5_000, metavar="N", help="rebuilds, and connect() (default 5000)")
    one.add_argument(
        "--pause-us", type=natural, default=1_000, metavar="US", help="between two samples, so that the filter sleeps (default 1000)"
    )
    one = parts.add_parser(
        "bulk",
        help="downloads, uploads and small requests",
        description="Measures downloads, small requests and uploads through a real filter process between two veth pairs, "
        "segmentation offload on, no Open vSwitch; beside it, in turn, the same between the same client and server over "
        "one veth pair. Also the filter's CPU time per packet.",
    )
    one.add_argument("--rounds", type=natural, default=5, metavar="N", help="of each (default 5)")
    one.add_argument("--seconds", type=natural, default=3, metavar="S", help="how long each takes (default 3)")
    one.add_argument("--connections", type=natural, default=16, metavar="N", help="of small requests (default 16)")
    one.add_argument("--java-options", metavar="OPTIONS", help="of the filter's JVM, instead of the usual ones")
    for part in parts.choices.values():
        part.add_argument("--quick", action="store_true", help="a few samples, to see that it works: the figures are not judged")
        part.add_argument("--json", metavar="FILE", help="write the figures there, too")
        part.add_argument(
            "--patience", type=int, default=0, metavar="S",
            help="take a sample again while others have more than 5 %% of the machine, for S seconds in all (default 0)",
        )  # fmt: skip
        part.add_argument("--prefix", default="be", help="the namespaces' names begin so (default: be)")
    return top


def main(words):
    options = parser().parse_args(words)
    if os.geteuid() != 0:
        print(f'dwsr: "./dwsr bench {options.part}" works with network namespaces and needs root.', file=sys.stderr)
        return 1
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, beds.interrupt)
    began = time.monotonic()

    def say(text):
        print(f"bench: {time.monotonic() - began:6.1f} s  {text}", flush=True)

    part = PARTS[options.part]
    load = os.getloadavg()[0]
    say(f"load average {load:.2f} on {os.cpu_count()} CPUs")
    try:
        told, verdicts = part.measure(options, say)
    except (beds.Interrupted, KeyboardInterrupt):
        print("dwsr bench: interrupted", file=sys.stderr)
        return 130
    except (beds.BenchError, subprocess.SubprocessError, OSError) as problem:
        print(f"dwsr bench: {problem}", file=sys.stderr)
        return 1
    told["load_before"] = load
    print()
    for line in part.lines(told):
        print(line)
    print()
    for verdict in verdicts:
        print("  " + verdict.text())
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump({**told, "verdicts": [one.as_dict() for one in verdicts]}, out, indent=1)
            out.write("\n")
    return 0 if options.quick or all(verdict.reached for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
