"""What the web switch answers itself: refusals that reach no server, 431, 503; and what happens without servers."""

import itertools
import time

import webserver
from harness import ALL, APP_SERVERS, BOTH, EVERY, IMAGE_SERVERS, case, expect, expect_equal, image, until
from packets import RST, TCP, Wire

_RUNS = itertools.count(1)
LONG = b"a" * 17_000

# name: (status, request). MARK is replaced by a text that is found in no other request, VIP by the VIP.
_GOOD_HOST = b"Host: VIP\r\n"
_POST = b"POST /sum.php?MARK HTTP/1.1\r\n" + _GOOD_HOST
_GET = b"GET /img/who.txt?MARK HTTP/1.1\r\n"
# What a parser that ends the request too early would run next.
_INSIDE = b"GET /img/who.txt?MARK-inside HTTP/1.1\r\nHost: VIP\r\n\r\n"

MALFORMED = {
    "Content-Length, then Transfer-Encoding": (
        400, _POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + _INSIDE),
    "Transfer-Encoding, then Content-Length": (
        400, _POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + _INSIDE),
    "two equal Content-Lengths": (400, _POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    "two differing Content-Lengths": (400, _POST + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + _INSIDE),
    "a list of Content-Lengths": (400, _POST + b"Content-Length: 5, 5\r\n\r\nhello"),
    "Content-Length with +": (400, _POST + b"Content-Length: +5\r\n\r\nhello"),
    "Content-Length with -": (400, _POST + b"Content-Length: -5\r\n\r\nhello"),
    "Content-Length with a space": (400, _POST + b"Content-Length: 1 5\r\n\r\nhello" + _INSIDE),
    "Content-Length in hexadecimal": (400, _POST + b"Content-Length: 0x5\r\n\r\nhello"),
    "Content-Length with leading zeros": (400, _POST + b"Content-Length: 005\r\n\r\nhello"),
    "an empty Content-Length": (400, _POST + b"Content-Length: \r\n\r\n" + _INSIDE),
    "a Content-Length beyond 64 bits": (400, _POST + b"Content-Length: 18446744073709551621\r\n\r\nhello"),
    "Content_Length": (400, _POST + b"Content_Length: 5\r\n\r\nhello"),
    "Transfer-Encoding: identity": (400, _POST + b"Transfer-Encoding: identity\r\n\r\n"),
    "Transfer-Encoding: xchunked": (400, _POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "Transfer-Encoding: gzip, chunked": (400, _POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "Transfer-Encoding: chunked, chunked": (400, _POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    "Transfer-Encoding twice": (
        400, _POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "Transfer-Encoding behind a tab": (400, _POST + b"Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n"),
    "Transfer-Encoding with a vertical tab": (400, _POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    "Transfer_Encoding": (400, _POST + b"Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "Transfer-Encoding in HTTP/1.0": (
        400, b"POST /sum.php?MARK HTTP/1.0\r\nHost: VIP\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "a bare CR in a value": (400, _GET + _GOOD_HOST + b"X: a\rContent-Length: 5\r\n\r\n"),
    "a bare CR behind the request line": (400, b"GET /img/who.txt?MARK HTTP/1.1\rHost: VIP\r\n\r\n"),
    "a bare LF behind the request line": (400, b"GET /img/who.txt?MARK HTTP/1.1\nHost: VIP\r\n\r\n"),
    "a bare LF behind a header": (400, _GET + b"Host: VIP\nX: y\r\n\r\n"),
    "a bare LF as the blank line": (400, _GET + _GOOD_HOST + b"\n"),
    "only bare LFs": (400, b"GET /img/who.txt?MARK HTTP/1.1\nHost: VIP\n\n"),
    "a folded header": (400, _GET + _GOOD_HOST + b"X: a\r\n b\r\n\r\n"),
    "a folded Content-Length": (400, _POST + b"Content-Length:\r\n 5\r\n\r\nhello"),
    "a first header that starts with a space": (400, _GET + b" X: y\r\n" + _GOOD_HOST + b"\r\n"),
    "a space before the colon": (400, _POST + b"Content-Length : 5\r\n\r\nhello"),
    "a tab before the colon": (400, _POST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    "a space in a header name": (400, _GET + _GOOD_HOST + b"X Y: z\r\n\r\n"),
    "a header without a colon": (400, _GET + _GOOD_HOST + b"Xyz\r\n\r\n"),
    "an empty header name": (400, _GET + _GOOD_HOST + b": x\r\n\r\n"),
    "a non-ASCII header name": (400, _GET + _GOOD_HOST + "Größe: 5\r\n\r\n".encode()),
    "NUL in a header value": (400, _GET + _GOOD_HOST + b"X: a\0b\r\n\r\n"),
    "a control character in a header value": (400, _GET + _GOOD_HOST + b"X: a\x01b\r\n\r\n"),
    "NUL in a header name": (400, _GET + _GOOD_HOST + b"X\0: a\r\n\r\n"),
    "NUL in the target": (400, b"GET /img/who.txt?MARK\0 HTTP/1.1\r\nHost: VIP\r\n\r\n"),
    "%00 in the path": (400, b"GET /img/who.txt%00.php?MARK HTTP/1.1\r\nHost: VIP\r\n\r\n"),
    "a broken escape in the path": (400, b"GET /img/%zz?MARK HTTP/1.1\r\nHost: VIP\r\n\r\n"),
    "a fragment in the target": (400, b"GET /img/who.txt?MARK#part HTTP/1.1\r\nHost: VIP\r\n\r\n"),
    "a relative target": (400, b"GET img/who.txt?MARK HTTP/1.1\r\nHost: VIP\r\n\r\n"),
    "an asterisk for GET": (400, b"GET * HTTP/1.1\r\nHost: VIP\r\nX: MARK\r\n\r\n"),
    "no Host": (400, _GET + b"\r\n"),
    "two equal Hosts": (400, _GET + _GOOD_HOST + _GOOD_HOST + b"\r\n"),
    "two differing Hosts": (400, _GET + _GOOD_HOST + b"Host: example.com\r\n\r\n"),
    "an empty Host": (400, _GET + b"Host:\r\n\r\n"),
    "a Host with a path": (400, _GET + b"Host: example.com/x\r\n\r\n"),
    "a Host with user information": (400, _GET + b"Host: me@example.com\r\n\r\n"),
    "an absolute target with another host": (
        400, b"GET http://example.com/img/who.txt?MARK HTTP/1.1\r\nHost: VIP\r\n\r\n"),
    "an absolute target of another scheme": (
        400, b"GET https://VIP/img/who.txt?MARK HTTP/1.1\r\nHost: VIP\r\n\r\n"),
    "a method in lower case": (400, b"get /img/who.txt?MARK HTTP/1.1\r\nHost: VIP\r\n\r\n"),
    "a method with a colon": (400, b"G:T /img/who.txt?MARK HTTP/1.1\r\nHost: VIP\r\n\r\n"),
    "a method of 30 letters": (400, b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCD /img/who.txt?MARK HTTP/1.1\r\nHost: VIP\r\n\r\n"),
    "a space before the method": (400, b" GET /img/who.txt?MARK HTTP/1.1\r\nHost: VIP\r\n\r\n"),
    "two spaces behind the method": (400, b"GET  /img/who.txt?MARK HTTP/1.1\r\nHost: VIP\r\n\r\n"),
    "a tab behind the method": (400, b"GET\t/img/who.txt?MARK HTTP/1.1\r\nHost: VIP\r\n\r\n"),
    "a space behind the version": (400, b"GET /img/who.txt?MARK HTTP/1.1 \r\nHost: VIP\r\n\r\n"),
    "an empty line before the request": (400, b"\r\nGET /img/who.txt?MARK HTTP/1.1\r\nHost: VIP\r\n\r\n"),
    "HTTP/0.9": (400, b"GET /img/who.txt?MARK\r\n"),
    "a version in lower case": (400, b"GET /img/who.txt?MARK http/1.1\r\nHost: VIP\r\n\r\n"),
    "a version without a minor one": (400, b"GET /img/who.txt?MARK HTTP/1\r\nHost: VIP\r\n\r\n"),
    "a minor version of two digits": (400, b"GET /img/who.txt?MARK HTTP/1.10\r\nHost: VIP\r\n\r\n"),
    "HTTP/1.2": (505, b"GET /img/who.txt?MARK HTTP/1.2\r\nHost: VIP\r\n\r\n"),
    "HTTP/3.0": (505, b"GET /img/who.txt?MARK HTTP/3.0\r\nHost: VIP\r\n\r\n"),
    "the preface of HTTP/2": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"),
    "CONNECT with a body": (400, b"CONNECT VIP:80 HTTP/1.1\r\nHost: VIP:80\r\nX: MARK\r\nContent-Length: 5\r\n\r\nhello"),
    "a TLS ClientHello": (400, b"\x16\x03\x01\0\xc8\x01\0\0\xc4\x03\x03MARK" + bytes(range(64)) * 3),
    "bytes that are nothing": (400, b"\xff\xfe\0MARK\x80\r\n\r\n"),
    "a request line of 17 KB": (431, b"GET /img/who.txt?MARK" + LONG + b" HTTP/1.1\r\nHost: VIP\r\n\r\n"),
    "a header line of 17 KB": (431, _GET + _GOOD_HOST + b"X: " + LONG + b"\r\n\r\n"),
    "a head of 17 KB in 170 lines": (
        431, _GET + _GOOD_HOST + b"".join(b"X%d: %s\r\n" % (n, LONG[:100]) for n in range(170)) + b"\r\n"),
    "500 short header lines": (431, _GET + _GOOD_HOST + b"".join(b"X%d: y\r\n" % n for n in range(500)) + b"\r\n"),
}  # fmt: skip


def _all_refused(lab, ask):
    """Sends each malformed request by ask(connection, request, mark) and holds every promise about refusals.

    ask returns the refusal's response, and how many good requests went before it.
    """
    before = {server: len(lab.access_log(server)) for server in lab.lab.servers()}
    counted = lab.switch_counters()
    run = next(_RUNS)
    problems = []
    good = 0
    statuses = {}
    with Wire(lab.lab.hosts["c1"]["ovs"]) as wire:
        for number, (name, (status, template)) in enumerate(MALFORMED.items()):
            mark = f"refused-{run}-{number}-"
            request = template.replace(b"MARK", mark.encode()).replace(b"VIP", lab.vip.encode())
            statuses[status] = statuses.get(status, 0) + 1
            started = time.monotonic()
            try:
                with lab.connect(timeout=4) as connection:
                    response, asked = ask(connection, request, mark)
                    good += asked
                    expect_equal(response.status, status, "status")
                    expect_equal(response.server, None, "the server that answered")
                    expect_equal(response.all_headers("Connection"), ["close"], "Connection headers")
                    expect_equal(len(response.body), int(response.header("Content-Length")), "length of the body")
                    connection.at_end()
                    took = time.monotonic() - started
                    expect(took < 4, f"took {took:.1f} s")
            except (AssertionError, OSError) as problem:
                problems.append(f"{name}: {problem}")
        frames = wire.drain()
    expect(not problems, f"{len(problems)} of {len(MALFORMED)}:\n" + "\n".join(problems))
    resets = [frame[TCP].dport for frame in frames if frame.haslayer(TCP) and frame[TCP].flags & RST]
    expect_equal(resets, [], "RSTs on the client's cable")
    # A request behind the others in every log: what the servers were given by now is logged.
    for _ in range(2):
        for path in ("/img/who.txt", "/ping.php"):
            with lab.connect() as connection:
                expect_equal(connection.get(f"{path}?after-{run}").status, 200, f"status of {path} afterwards")
    until(lambda: len(lab.logged(f"after-{run}")) == 4, 5, "the last requests in the logs")
    new = [(server, entry["request"], entry["status"])
           for server, count in before.items() for entry in lab.access_log(server)[count:]]  # fmt: skip
    strange = [one for one in new if f"good-{run}-" not in one[1] and f"after-{run}" not in one[1]]
    expect_equal(strange, [], "malformed requests in the servers' logs")
    expect_equal(len(new), good + 4, "requests in the servers' logs")
    now = lab.switch_counters()
    for status, name in ((400, "answered_400"), (431, "answered_431"), (505, "answered_other"), (503, "answered_503")):
        expect_equal(now[name] - counted[name], statuses.get(status, 0), f"counter {name}")


@case(f"{len(MALFORMED)} malformed first requests are refused and reach no server", labs=BOTH)
def refused_first(lab):
    def ask(connection, request, _mark):
        connection.send(request)
        return connection.response(), 0

    opens = lab.passive_opens()
    _all_refused(lab, ask)
    # Those of the four good requests at the end.
    expect_equal(lab.passive_opens() - opens, 4, "handshakes of the servers' own TCPs")


@case(f"{len(MALFORMED)} malformed second requests are refused and reach no server", labs=BOTH)
def refused_second(lab):
    def ask(connection, request, mark):
        first = connection.get(f"/img/who.txt?good-{mark.partition('-')[2]}")
        expect(first.server in IMAGE_SERVERS, f"the good request before it: {first}")
        connection.send(request)
        return connection.response(), 1

    _all_refused(lab, ask)


@case(f"{len(MALFORMED)} malformed requests in one segment behind a good one are refused and reach no server")
def refused_pipelined(lab):
    def ask(connection, request, mark):
        good = connection.head("GET", f"/img/photo.jpg?good-{mark.partition('-')[2]}")
        connection.send(good + request)
        first = connection.response()
        expect(first.server in IMAGE_SERVERS, f"the good request before it: {first}")
        expect_equal(first.body, image("photo.jpg"), "bytes of the good response")
        return connection.response(), 1

    _all_refused(lab, ask)


@case("a malformed request byte by byte is refused, first and second", labs=BOTH)
def refused_slowly(lab):
    request = f"POST /sum.php?slowly HTTP/1.1\r\nHost: {lab.vip}\r\nContent-Length : 5\r\n\r\n".encode()
    for first in (True, False):
        with lab.connect() as connection:
            if not first:
                expect_equal(connection.get("/ping.php").status, 200, "status of the good request")
            for at in range(len(request)):
                # What follows the refused byte may find the connection closed already: that is no error here.
                connection.send(request[at : at + 1])
                if at % 16 == 0:
                    time.sleep(0.05)
            response = connection.response()
            expect_equal((response.status, response.server), (400, None), "the answer")
            connection.at_end()
    expect_equal(lab.logged("slowly"), [], "the malformed request in the servers' logs")


@case("a broken chunk ends the connection and nothing behind it reaches a server")
def broken_chunk(lab):
    head = f"POST /sum.php?broken-chunk HTTP/1.1\r\nHost: {lab.vip}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    inside = f"GET /ping.php?chunk-inside HTTP/1.1\r\nHost: {lab.vip}\r\n\r\n".encode()
    for broken in (b"5 \r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n", b"-5\r\nhello\r\n0\r\n\r\n"):
        for split in (False, True):
            with lab.connect(timeout=5) as connection:
                connection.send(head + (b"" if split else broken + inside))
                if split:
                    connection.send(broken + inside)
                response = connection.response()
                expect_equal((response.status, response.server), (400, None), f"the answer to chunk {broken!r}")
                connection.at_end()
    expect_equal(lab.logged("chunk-inside"), [], "the request behind the broken chunk in the servers' logs")


@case("a head that breaks off is acknowledged, waits, and goes on when the rest comes", labs=EVERY)
def half_head(lab):
    for first in (True, False):
        with lab.connect() as connection:
            if not first:
                expect(connection.get("/img/who.txt").server in IMAGE_SERVERS, "the first request")
            head = connection.head("GET", f"/ping.php?half-{first}")
            connection.send(head[:30])
            time.sleep(1.5)
            connection.send(head[30:])
            response = connection.response()
            expect(response.server in APP_SERVERS, f"the answer after a pause within the head: {response}")
    lab.wait_logged("half-", 2)


# ------------------------------------------------------------------------------------------ without servers


def stop_web_server(lab, server):
    """Ends a server's nginx or Apache, master and workers, so that its kernel refuses."""
    lab.kill(f"{lab.lab.options['web_servers']} {server}", 15)
    until(lambda: not lab.run(server, "ss", "-Htln", "( sport = :80 )").strip(), 5, f"port 80 of {server} to close")


def start_web_server(lab, server):
    kind = lab.lab.options["web_servers"]
    words = webserver.commands(lab.lab.path("servers", server), kind)[kind]
    lab.lab.spawn(f"{kind} {server}", lab.lab.enter(server) + words)
    until(lambda: webserver.answers(lab.lab.enter(server)), 10, f"{kind} of {server} to answer")


def expect_refusal_for_lack(lab, connection, path):
    started = time.monotonic()
    response = connection.get(path)
    took = time.monotonic() - started
    expect_equal((response.status, response.server), (503, None), f"the answer to {path}")
    expect_equal(response.all_headers("Connection"), ["close"], "Connection headers")
    connection.at_end()
    expect(took < 2, f"503 took {took:.2f} s")


@case("the web server of one host gone: the other takes its requests; of both: 503; back again: as before",
      labs=ALL, last=True)  # fmt: skip
def servers_gone(lab):
    with lab.connect() as kept, lab.connect() as lost:
        first = kept.get("/img/who.txt")
        # Each new connection goes to the other server of the pool: s1 and s2.
        second = lost.get("/img/who.txt")
        if first.server != "s2":
            kept, lost = lost, kept
        expect_equal({first.server, second.server}, {"s1", "s2"}, "the servers of two connections")
        stop_web_server(lab, "s1")
        try:
            expect_equal(kept.get("/img/who.txt").server, "s2", "the connection of the other server")
            for number in range(20):
                with lab.connect() as connection:
                    started = time.monotonic()
                    expect_equal(connection.get(f"/img/photo.jpg?one-gone={number}").server, "s2", "the server left")
                    took = time.monotonic() - started
                    expect(took < 0.9, f"request {number} with one server gone took {took:.2f} s")
                    # From another pool to the one with the hole.
                    expect(connection.get("/ping.php").server in APP_SERVERS, "the other pool")
                    expect_equal(connection.get("/img/who.txt").server, "s2", "the server left, after a move")
            stop_web_server(lab, "s2")
            try:
                for number in range(5):
                    with lab.connect() as connection:
                        expect_refusal_for_lack(lab, connection, f"/img/who.txt?both-gone={number}")
                    with lab.connect() as connection:
                        expect(connection.get("/ping.php").server in APP_SERVERS, "the other pool")
                        expect_refusal_for_lack(lab, connection, f"/img/who.txt?both-gone-second={number}")
            finally:
                start_web_server(lab, "s2")
        finally:
            start_web_server(lab, "s1")
    used = set()
    deadline = time.monotonic() + 5
    while used != {"s1", "s2"} and time.monotonic() < deadline:
        with lab.connect() as connection:
            used.add(connection.get("/img/who.txt").server)
    expect_equal(used, {"s1", "s2"}, "servers that answer again")


@case("an upload whose server refuses arrives whole at the other", last=True)
def upload_refused(lab):
    import hashlib

    stop_web_server(lab, "s3")
    try:
        for length in (0, 5, 1_000, 10_000, 300_000):
            body = image("1m.bin")[:length]
            for _ in range(2):
                with lab.connect() as connection:
                    response = connection.request("POST", f"/sum.php?refused-upload={length}", body=body)
                    answer = response.json()
                    expect_equal(response.server, "s4", "the server left")
                    expect_equal((answer["bytes"], answer["sha256"]), (length, hashlib.sha256(body).hexdigest()), "body")
    finally:
        start_web_server(lab, "s3")
    lab.wait_logged("refused-upload=", 10)
    until(lab.reachable, 5, "both pools to answer")


@case("filters gone: 503 after 5 s; a new filter process: as before", last=True)
def filters_gone(lab):
    lab.kill("filter")
    gone = time.monotonic()
    try:
        time.sleep(max(0, gone + 6.5 - time.monotonic()))
        for path in ("/img/who.txt?no-filter", "/ping.php?no-filter"):
            with lab.connect(timeout=3) as connection:
                expect_refusal_for_lack(lab, connection, path)
    finally:
        lab.lab.start_filter()
    until(lab.reachable, 15, "both pools to answer through a new filter process")
    expect_equal(lab.logged("no-filter"), [], "requests that reached a server without its filter")
    for _ in range(4):
        with lab.connect() as connection:
            expect(connection.get("/img/who.txt").server in IMAGE_SERVERS, "the images pool")
            expect(connection.get("/ping.php").server in APP_SERVERS, "the app pool")
