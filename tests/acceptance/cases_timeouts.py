"""What takes its time: begun by earlier cases, and over before those that look whether everything is forgotten."""

import contextlib
import time

from cases_hostile import HALF_HEADS, open_half_heads
from harness import case, expect


@case("a head that does not end is answered with 408 after 60 s, also one that trickles")
def head_timeout(lab):
    if not HALF_HEADS:
        open_half_heads(lab)
    began, socks = HALF_HEADS.pop()
    for sock in socks[:10]:
        sock.sendall(b"y")
    time.sleep(max(0, began + 60 - time.monotonic()))
    for number, sock in enumerate(socks):
        with contextlib.closing(sock):
            sock.settimeout(3)
            data = b""
            while more := sock.recv(4096):
                data += more
            expect(data.startswith(b"HTTP/1.1 408 ") and b"Connection: close" in data, f"408 at {number}: {data[:99]!r}")
