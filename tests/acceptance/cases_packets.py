"""Cases that need single packets: reordered heads, repeated tagged packets, segments that no kernel would send."""

import os

from harness import APP_SERVERS, case, expect, expect_equal, until
from packets import RawClient, Wire, is_tag, response_bytes, tag_kind


@case("a POST whose tagged packet comes twice runs once")
def duplicate_tagged(lab):
    mark = f"dup-{os.getpid()}-{id(lab)}"
    request = (
        f"POST /sum.php?{mark} HTTP/1.1\r\nHost: {lab.vip}\r\nContent-Length: 5\r\n\r\nhello"
    ).encode()
    wires = {server: Wire(lab.lab.hosts[server]["ovs"]) for server in APP_SERVERS}
    try:
        with RawClient(lab, port=40_101, isn=77_000) as client:
            client.handshake()
            client.send_data(request)
            client.read(response_bytes, 5, "the answer of the POST")
            copies = [
                (server, frame)
                for server, wire in wires.items()
                for frame in wire.drain()
                if is_tag(frame.src) and mark.encode() in bytes(frame)
            ]
            expect_equal(len(copies), 1, "tagged requests on the servers' cables")
            server, frame = copies[0]
            expect_equal(tag_kind(frame.src), 0, "kind of the tag (fresh)")
            for _ in range(3):
                wires[server].inject(frame)
            client.send_data(f"GET /ping.php?{mark} HTTP/1.1\r\nHost: {lab.vip}\r\n\r\n".encode())
            client.read(lambda stream: stream.count(b"HTTP/1.1 200") == 2, 5, "the answer of the next request")
    finally:
        for wire in wires.values():
            wire.close()
    until(lambda: lab.logged(f"ping.php?{mark}"), 5, "the next request in the log")
    expect_equal(len(lab.logged(f"sum.php?{mark}")), 1, "times the POST ran")
