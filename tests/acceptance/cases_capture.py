"""./dwsr lab capture: what it says of a migrated request and a move is right, over both families."""

import os
import subprocess

from harness import CHECKOUT, case, expect, expect_equal


@case("./dwsr lab capture explains a migrated request and a move packet by packet, over IPv4 and over IPv6")
def capture(lab):
    for option in ((), ("--ipv6",)):
        done = subprocess.run(
            [os.path.join(CHECKOUT, "dwsr"), "lab", "capture", "--prefix", os.path.basename(lab.lab.home), *option],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
            env={**os.environ, "DWSR_BUILT": "1"},
        )  # fmt: skip
        expect_equal(done.returncode, 0, f"exit status of lab capture {' '.join(option)}: {done.stdout[-800:]}")
        verdicts = [line.split()[0] for line in done.stdout.partition("In short")[2].splitlines() if line.startswith("  ")]
        expect_equal(set(verdicts) - {"note"}, {"ok"}, f"what it concludes {' '.join(option)}")
        expect(len(verdicts) >= 5, "conclusions")
        for step in ("step 2:", "step 4:", "step 5 arrives", "step 7:", "step 24:", "step 25", "step 30:", "restored to PHPSESSID"):
            expect(step in done.stdout, f"{step} in what it prints {' '.join(option)}")
