"""Connections that live: long-poll, server-sent events, WebSocket."""

import base64
import contextlib
import os
import random
import struct
import time

import webserver
from harness import APP_SERVERS, EVERY, HERE, IMAGE_SERVERS, Failure, case, expect, expect_equal, image, unique, until


def opened(lab, moved):
    """A connection, which has been at the images' pool if moved."""
    connection = lab.connect()
    if moved:
        expect(connection.get("/img/who.txt").server in IMAGE_SERVERS, "the image before it")
    return connection


@case("long-poll: an answer that takes 3 s comes, twice on a connection, and the next request moves", labs=EVERY)
def long_poll(lab):
    for moved in (False, True):
        with opened(lab, moved) as connection:
            servers = set()
            for _ in range(1 if moved else 2):
                started = time.monotonic()
                response = connection.get("/slow.php?s=3")
                took = time.monotonic() - started
                expect(b"answered after 3 s" in response.body, f"the answer: {response}")
                expect(took > 2.9, f"the answer took {took:.1f} s")
                servers.add(response.server)
            expect(servers <= set(APP_SERVERS) and len(servers) == 1, f"one server of the pool polled: {servers}")
            expect_equal(connection.get("/img/photo.jpg").body, image("photo.jpg"), "the image after it")


@case("server-sent events come one by one; a client that leaves is noticed; after the last the connection moves", labs=EVERY)
def events(lab):
    for moved in (False, True):
        with opened(lab, moved) as connection:
            connection.send(connection.head("GET", "/events.php?n=10&ms=150"))
            head = read_head(connection)
            expect(b"text/event-stream" in head, f"the head: {head}")
            arrived = []
            body = b""
            while len(arrived) < 10:
                line = connection.stream.readline()
                expect(line, f"the stream broke off after {len(arrived)} events")
                body += line
                if line.startswith(b"id: "):
                    expect_equal(line, b"id: %d\n" % (len(arrived) + 1), "the next event")
                    arrived.append(time.monotonic())
            spread = arrived[-1] - arrived[0]
            expect(spread > 1.0, f"10 events, 150 ms apart, came within {spread:.2f} s: somebody kept them")
            # The rest of the last event, and the last chunk.
            while connection.stream.readline() not in (b"0\r\n", b""):
                pass
            expect_equal(connection.stream.readline(), b"\r\n", "the end of the chunked body")
            expect_equal(connection.get("/img/photo.jpg").body, image("photo.jpg"), "the image after the last event")
    with opened(lab, True) as connection:
        connection.send(connection.head("GET", "/events.php?n=10000&ms=50"))
        read_head(connection)
        port = connection.port
        expect(set(lab.sockets_of(port)) & set(APP_SERVERS), "the server's socket while events come")
    until(lambda: not lab.sockets_of(port), 5, lambda: f"the sockets of {lab.sockets_of(port)} to go")


def read_head(connection):
    head = b""
    while (line := connection.stream.readline()) != b"\r\n":
        expect(line, f"the stream broke off within the head {head}")
        head += line
    return head


# ------------------------------------------------------------------------------------------ WebSocket


@contextlib.contextmanager
def echo_servers(lab):
    """A WebSocket application behind each web server of the app pool."""
    program = os.path.join(HERE, "websocket_echo.py")
    port = str(webserver.WEBSOCKET_PORT)
    started = [lab.start(server, "/usr/bin/python3", program, port) for server in APP_SERVERS]
    try:
        for server in APP_SERVERS:
            until(lambda server=server: lab.run(server, "ss", "-Htln", f"( sport = :{port} )").strip(), 15,
                  f"the WebSocket application of {server}")  # fmt: skip
        yield
    finally:
        for process in started:
            process.kill()
            process.communicate()


def frame(opcode, payload, mask=b"\0\0\0\0"):
    """A client's frame (RFC 6455 section 5.2); the mask 0 leaves its text readable on the wire."""
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, length)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, length)
    if mask == b"\0\0\0\0":
        return head + mask + payload
    key = int.from_bytes((mask * (length // 4 + 1))[:length], "big")
    return head + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(length, "big")


def read_frame(connection):
    """(opcode, payload) of the server's next frame."""
    first, length = read_exactly(connection, 2)
    if length == 126:
        (length,) = struct.unpack("!H", read_exactly(connection, 2))
    elif length == 127:
        (length,) = struct.unpack("!Q", read_exactly(connection, 8))
    return first & 0x0F, read_exactly(connection, length)


def read_exactly(connection, count):
    data = connection.stream.read(count)
    if len(data) != count:
        raise Failure(f"the stream broke off: {len(data)} of {count} bytes")
    return data


TEXT, BINARY, CLOSE = 1, 2, 8


@case("WebSocket: a connection is pinned to its server, and requests within messages are messages", labs=EVERY)
def websocket(lab):
    mark = unique("websocket")
    with echo_servers(lab):
        for moved in (False, True):
            with opened(lab, moved) as connection:
                key = base64.b64encode(os.urandom(16)).decode()
                connection.send(connection.head("GET", f"/ws/?{mark}", [
                    ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
                    ("Sec-WebSocket-Key", key),
                ]))  # fmt: skip
                head = read_head(connection)
                expect(head.startswith(b"HTTP/1.1 101 "), f"the answer to the upgrade: {head}")
                inside = connection.head("GET", f"/img/photo.jpg?{mark}-inside")
                for message in (inside, inside * 40, b"x", inside):
                    connection.send(frame(TEXT, message))
                    expect_equal(read_frame(connection), (TEXT, message), "the message that comes back")
                for part in (inside[:20], inside[20:]):
                    # A message whose text is at the very start of a segment.
                    whole = frame(TEXT, part)
                    connection.send(whole[:6])
                    connection.send(whole[6:])
                    expect_equal(read_frame(connection), (TEXT, part), "the message that comes back")
                big = random.Random(6455).randbytes(1 << 20)
                connection.send(frame(BINARY, big, b"\x51\x6b\x02\xfe"))
                opcode, came = read_frame(connection)
                expect((opcode, came) == (BINARY, big), f"1 MB that comes back: {len(came)} bytes")
                connection.send(frame(CLOSE, b"\x03\xe8"))
                expect_equal(read_frame(connection)[0], CLOSE, "the answer to close")
                connection.at_end()
                port = connection.port
            until(lambda port=port: not lab.open_sockets_of(port), 5, "the servers' sockets to close")
    expect_equal(lab.logged(f"{mark}-inside"), [], "requests from within messages in the servers' logs")
    expect_equal({server for server, _ in lab.wait_logged(f"/ws/?{mark}", 2)} - set(APP_SERVERS), set(), "other servers")
