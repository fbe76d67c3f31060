"""Cases that need single packets: reordered heads, repeated tagged packets, segments that no kernel would send."""

import hashlib
import os
import time

from harness import ALL, APP_SERVERS, EVERY, IMAGE_SERVERS, Failure, case, expect, expect_equal, image, unique, until
from packets import ACK, PSH, RawClient, Wire, is_tag, response_bytes, tag_kind



@case("a POST whose tagged packet comes twice runs once")
def duplicate_tagged(lab):
    mark = f"dup-{os.getpid()}-{id(lab)}"
    request = (
        f"POST /sum.php?{mark} HTTP/1.1\r\nHost: {lab.vip}\r\nContent-Length: 5\r\n\r\nhello"
    ).encode()
    wires = {server: Wire(lab.lab.hosts[server]["ovs"]) for server in APP_SERVERS}
    try:
        with RawClient(lab, port=62_101, isn=77_000) as client:
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


def _head(lab, path, extra=""):
    return f"GET {path} HTTP/1.1\r\nHost: {lab.vip}\r\n{extra}\r\n".encode()


def _server(response):
    for line in response.split(b"\r\n"):
        if line.lower().startswith(b"x-server:"):
            return line.split(b":")[1].strip().decode()
    raise Failure(f"no server named itself in {response[:200]!r}")


@case("a head in two segments, the second first: as first request, moved, and returning", labs=EVERY)
def reordered_head(lab):
    mark = unique("reordered")
    for number, cut in enumerate((1, 4, 30, -3)):
        before = lab.passive_opens()
        with RawClient(lab, port=62_110 + number, isn=0xFFFFFF00 + number) as client:
            client.handshake()
            for turn in range(4):
                path = f"/index.php?{mark}" if turn % 2 else f"/img/photo.jpg?{mark}"
                head = _head(lab, path)
                client.send_reordered(head, cut % len(head))
                response = client.read_response(5, f"the answer of request {turn + 1} cut at {cut}")
                wanted = APP_SERVERS if turn % 2 else IMAGE_SERVERS
                expect(_server(response) in wanted, f"request {turn + 1} went to {_server(response)}")
                if turn % 2 == 0:
                    expect(response.endswith(image("photo.jpg")), f"bytes of request {turn + 1}")
            expect_equal(lab.passive_opens() - before, 2, "handshakes for two servers and two returns")
    lab.wait_logged(mark, 16)


@case("a late copy of half a head after its request has moved changes nothing")
def late_half(lab):
    mark = unique("late-half")
    with RawClient(lab, port=62_120, isn=5_000) as client:
        client.handshake()
        client.send_data(_head(lab, f"/img/icon.png?{mark}"))
        client.read_response(5, "the image")
        post = f"POST /sum.php?{mark} HTTP/1.1\r\nHost: {lab.vip}\r\nContent-Length: 3\r\n\r\nabc".encode()
        halves = [client.packet(PSH | ACK, payload=post[:40]), client.packet(PSH | ACK, seq=client.seq + 40,
                                                                            payload=post[40:])]  # fmt: skip
        client.send_reordered(post, 40)
        for half in (*halves, *reversed(halves)):
            client.send(half)
        expect(hashlib.sha256(b"abc").hexdigest().encode() in client.read_response(5, "the POST's answer"), "wrong sum")
        for half in halves:
            client.send(half)
        client.send_data(_head(lab, f"/img/icon.png?{mark}"))
        expect(client.read_response(5, "the image again").endswith(image("icon.png")), "bytes of the image")
        for half in halves:
            client.send(half)
        client.send_data(_head(lab, f"/ping.php?{mark}"))
        client.read_response(5, "the page at the end")
    lab.wait_logged(f"ping.php?{mark}", 1)
    lab.wait_logged(f"sum.php?{mark}", 1)
    lab.wait_logged(f"icon.png?{mark}", 2)


@case("split heads: cut anywhere, at once or after a pause, as first and as moved request", labs=ALL)
def split_heads(lab):
    mark = unique("split")
    heads = {}
    for turn, path in enumerate((f"/img/icon.png?{mark}", f"/ping.php?{mark}", f"/img/icon.png?{mark}")):
        heads[turn] = _head(lab, path, "Cookie: a=b\r\n")
    cuts = [1, 3, 5, 9, 33, -20, -3, -2, -1]
    for pause in (0, 0.07):
        connections = [lab.connect() for _ in cuts]
        for turn, head in heads.items():
            for cut, connection in zip(cuts, connections):
                connection.send(head[:cut])
            # Longer than the 40 ms after which a partial head is acknowledged.
            time.sleep(pause)
            for cut, connection in zip(cuts, connections):
                connection.send(head[cut:])
            for cut, connection in zip(cuts, connections):
                response = connection.response()
                wanted = APP_SERVERS if turn == 1 else IMAGE_SERVERS
                expect(response.server in wanted, f"request {turn + 1} cut at {cut}, pause {pause} s: {response}")
                if turn != 1:
                    expect(response.body == image("icon.png"), f"bytes of request {turn + 1} cut at {cut}")
        for connection in connections:
            connection.close()
    lab.wait_logged(mark, 2 * len(cuts) * len(heads))


@case("heads that come one byte at a time, with and without Nagle's algorithm", labs=EVERY)
def byte_by_byte(lab):
    mark = unique("bytes")
    for nodelay in (True, False):
        with lab.connect(nodelay=nodelay) as connection:
            for turn in range(4):
                path = f"/ping.php?{mark}" if turn % 2 else f"/img/icon.png?{mark}"
                for byte in _head(lab, path):
                    connection.send(bytes((byte,)))
                    if nodelay and turn > 1:
                        # Slower than the segments travel: each is seen alone.
                        time.sleep(0.002)
                response = connection.response()
                expect(response.server in (APP_SERVERS if turn % 2 else IMAGE_SERVERS), f"turn {turn}: {response}")
    lab.wait_logged(mark, 8)


@case("a slow typist: every piece of a head is acknowledged before the next one, first and moved request")
def slow_typist(lab):
    mark = unique("typist")
    with RawClient(lab, port=62_130, isn=9_000) as client:
        client.handshake()
        for turn in range(3):
            path = f"/ping.php?{mark}" if turn % 2 else f"/img/icon.png?{mark}"
            head = _head(lab, path)
            for piece in (head[:7], head[7:20], head[20:41]):
                client.send_data(piece)
                client.wait(lambda tcp: tcp.ack == client.seq, 0.5, f"an ACK of half a head in request {turn + 1}")
            client.send_data(head[41:])
            response = client.read_response(5, f"the answer of request {turn + 1}")
            expect(_server(response) in (APP_SERVERS if turn % 2 else IMAGE_SERVERS), "wrong pool")
    lab.wait_logged(mark, 3)


@case("a moved POST whose tagged packet comes again, now, after it moved on, and after it returned, runs once")
def duplicate_moved(lab):
    mark = unique("dup-moved")
    wires = {server: Wire(lab.lab.hosts[server]["ovs"]) for server in APP_SERVERS}
    try:
        with RawClient(lab, port=62_140, isn=99_000) as client:
            client.handshake()
            client.send_data(_head(lab, f"/img/icon.png?{mark}"))
            client.read_response(5, "the image")
            client.send_data(
                f"POST /sum.php?{mark} HTTP/1.1\r\nHost: {lab.vip}\r\nContent-Length: 5\r\n\r\nhello".encode()
            )
            client.read_response(5, "the POST's answer")
            copies = [(server, frame) for server, wire in wires.items() for frame in wire.drain()
                      if is_tag(frame.src) and mark.encode() in bytes(frame)]  # fmt: skip
            expect_equal(len(copies), 1, "tagged requests on the servers' cables")
            server, frame = copies[0]
            expect_equal(tag_kind(frame.src), 1, "kind of the tag (moved)")
            for step in ("now", "after it moved on", "after it returned"):
                for _ in range(3):
                    wires[server].inject(frame)
                path = f"/img/icon.png?{mark}" if step == "now" else f"/ping.php?{mark}"
                client.send_data(_head(lab, path))
                client.read_response(5, f"the next answer, the copy sent {step}")
            expect_equal(lab.sockets_of(62_140, server), [server], "the POST's server keeps its connection")
    finally:
        for wire in wires.values():
            wire.close()
    lab.wait_logged(f"ping.php?{mark}", 2)
    lab.wait_logged(f"sum.php?{mark}", 1)


@case("a client that repeats a request it saw no answer to: the request runs once", labs=ALL)
def repeated_request(lab):
    mark = unique("again")
    with RawClient(lab, port=62_150, isn=123_000) as client:
        client.handshake()
        for turn in range(3):
            path = f"/img/icon.png?{mark}" if turn == 1 else f"/sum.php?{mark}"
            body = b"" if turn == 1 else b"again"
            head = _head(lab, path, f"Content-Length: {len(body)}\r\n" if body else "")
            request = (head.replace(b"GET", b"POST", 1) if body else head) + body
            packet = client.packet(PSH | ACK, payload=request)
            # At once (no flow yet), then as a retransmission timer would.
            for pause in (0, 0, 0.05, 0.25):
                time.sleep(pause)
                client.send(packet)
            client.seq += len(request)
            response = client.read_response(5, f"the answer of request {turn + 1}")
            client.send(packet)
            expect(response.startswith(b"HTTP/1.1 200"), f"answer {response[:80]!r}")
    lab.wait_logged(f"icon.png?{mark}", 1)
    lab.wait_logged(f"sum.php?{mark}", 2)
