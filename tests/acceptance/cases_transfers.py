"""Whole transfers in both directions, every way of framing them, and every way of ending a connection."""

import concurrent.futures
import hashlib
import os
import random
import socket
import statistics
import time

from cases_switchback import page, picture, upload
from harness import ALL, APP_SERVERS, BOTH, EVERY, IMAGE_SERVERS, case, expect, expect_equal, image, unique, until
from packets import ACK, FIN, PSH, RawClient, response_bytes

MEGABYTE = 1 << 20


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def moved(lab, **options):
    """A connection that has moved already: its numbers have offsets in both directions after the next image."""
    connection = lab.connect(**options)
    picture(connection)
    page(connection)
    return connection


@case("20 MB down, and 20 MB up (5 through the web switch), on a connection that has moved and moves after", labs=ALL)
def large(lab):
    # With "requests": "switch" every segment of the upload is a packet-in, and the capture must keep up with them.
    body = random.Random(20).randbytes((20 if lab.mode == "guard" else 5) * MEGABYTE)
    with moved(lab, timeout=60) as connection:
        picture(connection, "20m.bin")
        response = connection.request("POST", "/sum.php", body=body)
        expect_equal((response.json()["bytes"], response.json()["sha256"]), (len(body), sha256(body)), "the upload")
        picture(connection)
        page(connection)


@case("20 downloads and 4 uploads at a time, each on a connection that moves between them")
def parallel(lab):
    def work(number):
        with moved(lab, timeout=60, client="c1" if number % 2 else "c2") as connection:
            picture(connection, "1m.bin")
            if number < 4:
                upload(connection, 2 * MEGABYTE, number)
            page(connection)
            return picture(connection, "1m.bin")

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        servers = list(pool.map(work, range(20)))
    expect_equal(set(servers), set(IMAGE_SERVERS), "servers that took part")


@case("a chunked upload, in odd pieces, and requests of both pools after it", labs=BOTH)
def chunked_upload(lab):
    pieces = random.Random(7)
    for first in (True, False):
        with lab.connect() as connection:
            if not first:
                picture(connection)
            for trailer in (b"", b"X-Sum: none\r\n"):
                body = b""
                stream = connection.head("POST", "/sum.php", [("Transfer-Encoding", "chunked")])
                for size in (1, 15, 16, 17, 1000, 70_000, 3):
                    data = pieces.randbytes(size)
                    body += data
                    extension = b";name=value" if size == 17 else b""
                    stream += f"{size:x}".encode() + extension + b"\r\n" + data + b"\r\n"
                stream += b"0\r\n" + trailer + b"\r\n"
                at = 0
                while at < len(stream):
                    count = pieces.choice((1, 2, 7, 300, 5000, 40_000))
                    connection.send(stream[at : at + count])
                    at += count
                response = connection.response()
                expect_equal((response.json()["bytes"], response.json()["sha256"]), (len(body), sha256(body)), "upload")
                picture(connection)


@case("Expect: 100-continue: the server says go on, then the body comes, on a first and on a moved request", labs=EVERY)
def expect_continue(lab):
    body = random.Random(100).randbytes(200_000)
    for first in (True, False):
        with lab.connect() as connection:
            if not first:
                picture(connection)
            for _ in range(2):
                connection.send(connection.head("POST", "/sum.php", [("Expect", "100-continue"),
                                                                     ("Content-Length", str(len(body)))]))  # fmt: skip
                line = connection.stream.readline()
                expect_equal(line, b"HTTP/1.1 100 Continue\r\n", "interim answer")
                expect_equal(connection.stream.readline(), b"\r\n", "end of the interim answer")
                connection.send(body)
                expect_equal(connection.response().json()["sha256"], sha256(body), "SHA-256 of the upload")
                picture(connection)
    path = lab.lab.path("expect.bin")
    with open(path, "wb") as out:
        out.write(body)
    try:
        text = lab.curl("-H", "Expect: 100-continue", "--data-binary", f"@{path}", "VIP/sum.php")
        expect(sha256(body) in text, f"curl's upload: {text}")
    finally:
        os.unlink(path)


@case("an upload whose body looks like requests is a body", labs=BOTH)
def body_like_requests(lab):
    mark = unique("trap")
    request = f"GET /img/photo.jpg?{mark} HTTP/1.1\r\nHost: {lab.vip}\r\n\r\n".encode()
    body = request * 900
    with lab.connect() as connection:
        for turn in range(3):
            # The head alone, then the body aligned to requests, in several segments.
            connection.send(connection.head("POST", "/sum.php", [("Content-Length", str(len(body)))]))
            for at in range(0, len(body), len(request) * 15):
                connection.send(body[at : at + len(request) * 15])
            expect_equal(connection.response().json()["sha256"], sha256(body), "SHA-256 of the body")
            chunk = f"{len(request):x}\r\n".encode() + request + b"\r\n"
            connection.send(connection.head("POST", "/sum.php", [("Transfer-Encoding", "chunked")]))
            for _ in range(20):
                connection.send(chunk)
            connection.send(b"0\r\n\r\n")
            expect_equal(connection.response().json()["sha256"], sha256(request * 20), "SHA-256 of the chunks")
            if turn:
                picture(connection)
    expect_equal(lab.logged(mark), [], "requests that ran from within a body")


@case("answers without a body: HEAD, 204, 304; the next request moves right after them", labs=EVERY)
def no_body(lab):
    mark = unique("empty")
    with lab.connect() as connection:
        for _ in range(3):
            head = connection.request("HEAD", "/img/20m.bin")
            expect_equal((head.status, head.header("Content-Length"), head.body), (200, str(20 * MEGABYTE), b""), "HEAD")
            head = connection.request("HEAD", "/index.php")
            expect(head.status == 200 and head.server in APP_SERVERS, f"HEAD of a page: {head}")
            since = connection.get("/img/photo.jpg").header("Last-Modified")
            unchanged = connection.get("/img/photo.jpg", ("If-Modified-Since", since))
            expect_equal((unchanged.status, unchanged.body), (304, b""), "If-Modified-Since")
            expect(connection.request("PUT", f"/upload/{mark}", body=b"x").status in (201, 204), "PUT")
            expect_equal(connection.request("PUT", f"/upload/{mark}", body=b"").status, 204, "PUT over it")
            picture(connection)
            expect_equal(connection.request("DELETE", f"/upload/{mark}").status, 204, "DELETE")
            expect_equal(connection.get("/img/none.jpg").status, 404, "a missing image")
            page(connection)


@case("answers that end with the connection: HTTP/1.0, and Connection: close", labs=EVERY)
def until_close(lab):
    for first in (True, False):
        for version, header in (("1.0", ""), ("1.0", "Connection: close\r\n"), ("1.1", "Connection: close\r\n")):
            for path, wanted in (("/chunk.php?n=5&ms=3", APP_SERVERS), ("/img/1m.bin", IMAGE_SERVERS)):
                with lab.connect() as connection:
                    if not first:
                        picture(connection)
                    connection.send(f"GET {path} HTTP/{version}\r\nHost: {lab.vip}\r\n{header}\r\n".encode())
                    response = connection.response()
                    expect(response.server in wanted, f"{path} came from {response.server}")
                    if wanted == IMAGE_SERVERS:
                        expect(response.body == image("1m.bin"), f"{len(response.body)} bytes of the image are wrong")
                    else:
                        expect_equal(response.body.count(b"\n"), 5, "lines of the page")
                    connection.at_end()


@case("pipelined requests: three in one segment for one pool, alternating pools, and cut in odd places", labs=ALL)
def pipelined(lab):
    for plan in ("iii", "ppp", "ipi", "pip", "iipp", "ippi" * 6):
        mark = unique("pipe")
        for first in (True, False):
            for cut in (None, 70, 150):
                with lab.connect() as connection:
                    if not first:
                        page(connection)
                    paths = ["/img/photo.jpg" if kind == "i" else "/index.php" for kind in plan]
                    stream = b"".join(
                        connection.head("GET", f"{path}?{mark}{number}") for number, path in enumerate(paths)
                    )
                    if cut:
                        connection.send(stream[:cut])
                    connection.send(stream[cut or 0 :])
                    for number, path in enumerate(paths):
                        response = connection.response()
                        if path == "/index.php":
                            expect_equal(response.json()["uri"], f"{path}?{mark}{number}", f"answer {number} of {plan}")
                        else:
                            expect(response.server in IMAGE_SERVERS and response.body == image("photo.jpg"),
                                   f"answer {number} of {plan}: {response}")  # fmt: skip
        lab.wait_logged(mark, 6 * len(plan))


@case("what a move costs a pipelining client: at most its delayed ACK, once a move")
def cost_of_a_move(lab):
    """A request sent ahead moves once the client has acknowledged the answer before it, and a kernel may take its time
    (Linux: 40 ms) to acknowledge a single segment. Who does not pipeline acknowledges with the request."""
    took = {"one by one": [], "pipelined": []}
    paths = ("/img/icon.png", "/ping.php")
    with lab.connect() as connection:
        for path in paths * 2:
            expect_equal(connection.get(path).status, 200, "status")
        for number in range(60):
            started = time.monotonic()
            expect_equal(connection.get(paths[number % 2]).status, 200, "status")
            took["one by one"].append(time.monotonic() - started)
        connection.send(connection.head("GET", paths[1]))
        for number in range(60):
            started = time.monotonic()
            connection.send(connection.head("GET", paths[number % 2]))
            expect_equal(connection.response().status, 200, "status")
            took["pipelined"].append(time.monotonic() - started)
        expect_equal(connection.response().status, 200, "status of the last")
    median = {way: statistics.median(times) * 1e3 for way, times in took.items()}
    print(f"        a request that moves takes {median['one by one']:.1f} ms one by one, {median['pipelined']:.1f} ms "
          f"pipelined (medians of 60; at most {max(took['pipelined']) * 1e3:.0f} ms)")  # fmt: skip
    expect(median["pipelined"] < median["one by one"] + 60, f"medians in ms: {median}")


@case("a pipelined request waits behind a slow and behind a chunked answer, then moves", labs=EVERY)
def behind_slow(lab):
    with lab.connect() as connection:
        for path, wanted in (("/slow.php?s=0.4", b"answered after"), ("/chunk.php?n=30&ms=5", b"line 30 of 30")):
            connection.send(connection.head("GET", path) + connection.head("GET", "/img/1m.bin"))
            expect(wanted in connection.response().body, f"the answer of {path}")
            expect(connection.response().body == image("1m.bin"), "the image behind it")
    with lab.connect() as connection:
        # The same from the image's side, and the POST's body comes later.
        picture(connection)
        body = random.Random(3).randbytes(50_000)
        connection.send(connection.head("GET", "/img/1m.bin")
                        + connection.head("POST", "/sum.php", [("Content-Length", "50000")]) + body[:900])  # fmt: skip
        expect(connection.response().body == image("1m.bin"), "the image")
        connection.send(body[900:])
        expect_equal(connection.response().json()["sha256"], sha256(body), "SHA-256 of the POST behind it")


@case("slow answers: chunks one by one, silence before the answer, a slow reader", labs=EVERY)
def slow(lab):
    with moved(lab) as connection:
        response = connection.get("/chunk.php?n=40&ms=10")
        expect_equal(response.body.count(b"\n"), 40, "lines")
        picture(connection)
        expect(b"answered after" in connection.get("/slow.php?s=1.5").body, "the slow answer")
        picture(connection)
    small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_000)]
    with lab.connect(options=small) as connection:
        page(connection)
        for _ in range(2):
            connection.send(connection.head("GET", "/img/1m.bin"))
            # Long enough for the window to close and for the server to probe it.
            time.sleep(0.5)
            expect(connection.response().body == image("1m.bin"), "the slow reader's bytes")
            page(connection)


@case("half-close after the request, and a FIN in the request's own segment: the answer comes whole", labs=ALL)
def half_close(lab):
    for first in (True, False):
        for path, wanted in (("/img/photo.jpg", image("photo.jpg")), ("/img/who.txt", None)):
            for corked in (False, True):
                with lab.connect(nodelay=False) as connection:
                    if not first:
                        page(connection)
                    if corked:
                        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
                    connection.send(connection.head("GET", path))
                    connection.shut()
                    response = connection.response()
                    expect_equal(response.body, wanted or f"{response.server}\n".encode(), "body")
                    connection.at_end()
                    port = connection.port
                until(lambda port=port: not lab.sockets_of(port), 5,
                      lambda port=port: f"after {path}, first {first}, corked {corked}: the sockets of "  # fmt: skip
                      f"{lab.sockets_of(port)} to go")  # fmt: skip


@case("a half-closed client that acknowledges the answer only after seconds: nobody forgets it before")
def late_acknowledgment(lab):
    with RawClient(lab, port=62_160, isn=3_000_000) as client:
        client.handshake()
        head = f"GET /img/photo.jpg HTTP/1.1\r\nHost: {lab.vip}\r\n\r\n".encode()
        client.send_data(head, flags=PSH | ACK | FIN)
        client.seq += 1
        client.read(response_bytes, 5, "the answer", acknowledge=False)
        until(lambda: client.next_tcp(0) is None, 5, "a pause")
        server = lab.sockets_of(62_160)
        # Longer than a closed connection lingers in the filter: the server repeats itself meanwhile.
        again = client.silent_for(2.6)
        expect(again, "the server repeats its FIN, which nobody has acknowledged")
        expect_equal(lab.sockets_of(62_160), server, "servers that still wait for the acknowledgment")
        for tcp in client.frames:
            client.accept(_with_frame(tcp), acknowledge=False)
        client.send(client.packet(ACK))
        until(lambda: not lab.sockets_of(62_160), 5, "the acknowledgment to reach the server")
        until(lambda: not _flows_of(lab, [62_160]), 5, "the flow to go")


def _with_frame(frame):
    tcp = frame["TCP"]
    tcp.eth = frame
    return tcp


@case("the client resets in the middle of a download: both servers let go at once, and all is forgotten", labs=ALL)
def reset_midway(lab):
    ports = []
    for first in (True, False):
        for _ in range(3):
            connection = lab.connect() if first else moved(lab)
            connection.send(connection.head("GET", "/img/20m.bin"))
            expect(len(connection.stream.read(300_000)) == 300_000, "the beginning of the download")
            ports.append(connection.port)
            connection.abort()
    until(lambda: not [port for port in ports if lab.sockets_of(port)], 5, "the servers' sockets to go")
    expect(page_works(lab), "a page on a new connection")
    # A client's RST needs no lingering; reports go every 50 ms.
    until(lambda: not _flows_of(lab, ports), 5, lambda: f"the flows to go: {_flows_of(lab, ports)}")


def page_works(lab):
    with lab.connect() as connection:
        return page(connection) in APP_SERVERS


def _flows_of(lab, ports):
    flows = lab.connection_flows()
    return [flow for flow in flows for port in ports if f"tp_src={port}," in flow]


@case("the client resets while a request waits, while it is held, and in the middle of an upload")
def reset_early(lab):
    ports = []
    for what in ("half a head", "slow answer", "held", "upload"):
        for first in (True, False):
            connection = lab.connect() if first else moved(lab)
            if what == "half a head":
                connection.send(connection.head("GET", "/img/20m.bin")[:30])
                time.sleep(0.06)
            elif what == "slow answer":
                connection.send(connection.head("GET", "/slow.php?s=2"))
            elif what == "held":
                connection.send(connection.head("GET", "/slow.php?s=2") + connection.head("GET", "/img/photo.jpg"))
            else:
                connection.send(connection.head("PUT", "/upload/never", [("Content-Length", "9000000")]) + bytes(100_000))
            time.sleep(0.05)
            ports.append(connection.port)
            connection.abort()
    until(lambda: not [port for port in ports if lab.sockets_of(port)], 5,
          lambda: f"the servers' sockets to go: {[lab.sockets_of(port) for port in ports]}")  # fmt: skip
    until(lambda: not _flows_of(lab, ports), 5, lambda: f"the flows to go: {_flows_of(lab, ports)}")


@case("a client that the web switch itself has answered can close: its FIN is taken at once", labs=EVERY)
def close_after_answer(lab):
    for first in (True, False):
        for upload_bytes in (0, 30_000):
            with lab.connect() as connection:
                if not first:
                    picture(connection)
                connection.send(b"GET / HTTP/1.1\r\nHost : two words\r\n\r\n" + bytes(upload_bytes))
                response = connection.response()
                expect_equal((response.status, response.server), (400, None), "the web switch's own answer")
                connection.at_end()
                port = connection.port
                if upload_bytes:
                    # Its kernel has more to send than the web switch will ever take.
                    connection.abort()
            until(lambda port=port: not _client_states(lab, port), 5,
                  lambda port=port: f"the client's socket to go; it is in {_client_states(lab, port)}")  # fmt: skip


def _client_states(lab, port):
    text = lab.run("c1", "ss", "-Htan", "state", "connected", "exclude", "time-wait", f"( sport = :{port} )")
    return [line.split()[0] for line in text.splitlines()]


@case("curl: several addresses on one connection, and many at a time with -Z", labs=EVERY)
def real_curl(lab):
    mark = unique("curl")
    text = lab.curl("--http1.1", "-w", "%{num_connects} ", *[
        f"VIP/{path}?{mark}" for path in ("img/who.txt", "ping.php", "who.txt", "img/who.txt", "ping.php") for _ in "ab"
    ])  # fmt: skip
    words = text.split()
    expect_equal(words[1::2], ["1"] + ["0"] * 9, "connections curl opened for each address")
    pools = [IMAGE_SERVERS, IMAGE_SERVERS, *[APP_SERVERS] * 4, IMAGE_SERVERS, IMAGE_SERVERS, APP_SERVERS, APP_SERVERS]
    for name, pool in zip(words[::2], pools):
        expect(name in pool, f"{name} answered for another pool")
    expect_equal(len({entry["client"] for _, entry in lab.wait_logged(mark, 10)}), 1, "client ports")

    mark = unique("parallel")
    folder = lab.lab.path("curl")
    os.makedirs(folder, exist_ok=True)
    addresses = []
    for number in range(24):
        path = "img/photo.jpg" if number % 2 else "ping.php"
        addresses += ["-o", os.path.join(folder, f"{number}"), f"VIP/{path}?{mark}"]
    lab.curl("--http1.1", "-Z", "--parallel-max", "8", "--fail", *addresses)
    for number in range(24):
        with open(os.path.join(folder, f"{number}"), "rb") as source:
            body = source.read()
        expect(body == image("photo.jpg") if number % 2 else body.decode().strip() in APP_SERVERS,
               f"the body of address {number} is wrong ({len(body)} bytes)")  # fmt: skip
    lab.wait_logged(mark, 24)


@case("when all clients have gone, web switch, filters and Open vSwitch forget every connection", labs=ALL)
def forgotten(lab):
    with moved(lab) as connection:
        picture(connection)
    # Closed connections linger 2 s in their filter; a silent server that nobody ended is kept 15 s.
    until(lab.idle, 18, lambda: f"{lab.switch_counter('connections')} connections at the web switch, "
          f"{lab.filter_counter('connections')} at the filters ({lab.filter_counter('silent_connections')} silent), "
          f"flows: {lab.connection_flows()}")  # fmt: skip
