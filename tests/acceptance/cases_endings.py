"""Every way a connection ends, beyond what the transfers show: idle time-outs, simultaneous close, ports used anew."""

import contextlib
import itertools
import time

from harness import APP_SERVERS, BOTH, EVERY, IMAGE_SERVERS, case, expect, expect_equal, image, unique, until
from packets import ACK, FIN, PSH, RST, RawClient, response_bytes

# The server lets go of a connection that rests this long after these paths (see webserver.py).
KEEPALIVE_SECONDS = 1.0
BRIEF_IMAGE, BRIEF_PAGE = "/img/brief.txt", "/brief.txt"
_PORTS = itertools.count(45_000)


def flows_of(lab, port):
    return [flow for flow in lab.connection_flows() if f"tp_src={port}," in flow]


def forgotten(lab, port, what):
    """Waits until no server has a socket for a client port (but TIME-WAIT), and Open vSwitch no flow."""
    until(lambda: not lab.open_sockets_of(port), 5, lambda: f"{what}: the sockets of {lab.open_sockets_of(port)} to go")
    until(lambda: not flows_of(lab, port), 5, lambda: f"{what}: the flow to go: {flows_of(lab, port)}")


@case("a server's idle time-out ends the connection it has, and never shows when another server has it", labs=BOTH)
def idle_timeout(lab):
    for first, second in (("/img/who.txt", BRIEF_PAGE), ("/ping.php", BRIEF_IMAGE)):
        with lab.connect() as connection:
            expect_equal(connection.get(first).status, 200, "status")
            expect_equal(connection.get(second).status, 200, "status")
            started = time.monotonic()
            connection.at_end()
            rested = time.monotonic() - started
            expect(KEEPALIVE_SECONDS - 0.2 < rested < 10, f"the end came after {rested:.1f} s")
            port = connection.port
        forgotten(lab, port, f"after the idle time-out behind {second}")
    for first, second in ((BRIEF_IMAGE, "/slow.php?s=2"), (BRIEF_PAGE, "/img/photo.jpg")):
        with lab.connect() as connection:
            silent = connection.get(first).server
            response = connection.get(second)
            expect_equal(response.status, 200, "status")
            port = connection.port
            until(lambda silent=silent, port=port: silent not in lab.open_sockets_of(port), 5, "the silent server to let go")
            expect_equal(connection.get(first).status, 200, "status of the request that returns")
            expect_equal(connection.get(second).status, 200, "status of the next one")
        forgotten(lab, port, f"after {first} and {second}")


@case("the race of a server's idle time-out with a request: a whole answer or a clean end, nothing between", labs=BOTH)
def keepalive_race(lab):
    mark = unique("race")
    rounds = 24
    outcomes = {"answered": 0, "ended": 0}
    connections = []
    for number in range(rounds):
        connection = lab.connect()
        before, brief = (("/ping.php", BRIEF_IMAGE), ("/img/who.txt", BRIEF_PAGE))[number % 2]
        expect_equal(connection.get(before).status, 200, "status")
        expect_equal(connection.get(brief).status, 200, "status")
        # From 12 ms before to 11 ms after; half of the requests would have to move.
        due = time.monotonic() + KEEPALIVE_SECONDS + (number - rounds // 2) / 1000
        connections.append((due, connection, ("/img/photo.jpg", "/index.php")[number // 2 % 2]))
        time.sleep(0.002)
    try:
        for due, connection, path in connections:
            time.sleep(max(0.0, due - time.monotonic()))
            with contextlib.suppress(OSError):
                connection.send(connection.head("GET", f"{path}?{mark}"))
        for _, connection, path in connections:
            try:
                begun = connection.stream.peek(1)
            except ConnectionResetError:
                begun = b""
            outcomes["answered" if begun else "ended"] += 1
            if begun:
                response = connection.response()
                expect_equal(response.status, 200, f"status of {path}")
                if path == "/img/photo.jpg":
                    expect_equal(response.body, image("photo.jpg"), "the image's bytes")
    finally:
        ports = [connection.port for _, connection, _ in connections]
        for _, connection, _ in connections:
            connection.close()
    lab.wait_logged(mark, outcomes["answered"])
    print(f"        {outcomes}")
    for port in ports:
        forgotten(lab, port, "after the race")


@case("simultaneous close: both FINs cross, on a first and on a moved request", labs=EVERY)
def simultaneous_close(lab):
    for moved in (False, True):
        with RawClient(lab, port=next(_PORTS), isn=0xFFFF_FF00 if moved else 5_000_000) as client:
            client.handshake()
            if moved:
                client.send_data(f"GET /ping.php HTTP/1.1\r\nHost: {lab.vip}\r\n\r\n".encode())
                client.read_response(5, "the page")
            client.send_data(f"GET /img/photo.jpg HTTP/1.1\r\nHost: {lab.vip}\r\nConnection: close\r\n\r\n".encode())
            # Reads the answer but acknowledges nothing after its bytes are there: the FIN is on its way or has come.
            client.read(response_bytes, 5, "the image")
            fin = next((one for one in client.frames if one["TCP"].flags & FIN), None)
            if fin is None:
                fin = client.wait(lambda tcp: tcp.flags & FIN, 5, "the server's FIN")
            end = (client.seq + 1) % (1 << 32)
            received = client.ack - (1 if client.received and client.ack == fin_end(fin) else 0)
            client.send(client.packet(FIN | ACK, ack=received))
            client.wait(lambda tcp, end=end: tcp.flags & ACK and tcp.ack == end, 5, "the acknowledgment of the client's FIN")
            client.seq = end
            client.send(client.packet(ACK, ack=fin_end(fin)))
            forgotten(lab, client.port, f"after both closed, moved {moved}")
            client.shaken = False


def fin_end(frame):
    """The sequence number behind a frame's FIN."""
    tcp = frame["TCP"]
    ip = tcp.underlayer
    return (tcp.seq + ip.len - ip.ihl * 4 - tcp.dataofs * 4 + 1) % (1 << 32)


@case("a client that forgot everything: a new SYN on the ports of a connection that lives", labs=EVERY)
def reborn_client(lab):
    """Its kernel was restarted, say: new numbers on old ports, to each server, before and after a move."""
    mark = unique("reborn")
    port = next(_PORTS)
    asked = 0
    for number, paths in enumerate((["/img/photo.jpg"], ["/img/photo.jpg", "/ping.php"], ["/ping.php"], ["/img/photo.jpg"])):
        # A new connection may have numbers far from or close to the old one's.
        isn = (7_000_000, 7_000_900, 4_000_000_000, 0xFFFF_FFF0)[number]
        client = RawClient(lab, port=port, isn=isn)
        client.handshake()
        for path in paths:
            client.send_data(f"GET {path}?{mark} HTTP/1.1\r\nHost: {lab.vip}\r\n\r\n".encode())
            response = client.read_response(5, f"the answer to {path} on connection {number}")
            expect(response.startswith(b"HTTP/1.1 200 "), f"the answer to {path}: {response[:60]}")
            asked += 1
        expect(len(lab.open_sockets_of(port)) >= 1, "a server has the connection")
        if number < 3:
            # Forgets it without a word.
            client.shaken = False
        client.close()
    lab.wait_logged(mark, asked)
    forgotten(lab, port, "after the reset of the last of four connections on one port")


@case("the client resets in the middle of an upload, first and moved: the server lets go, all is forgotten", labs=EVERY)
def reset_upload(lab):
    for moved in (False, True):
        connection = lab.connect()
        if moved:
            expect(connection.get("/img/who.txt").server in IMAGE_SERVERS, "the image before it")
        connection.send(connection.head("POST", "/sum.php", [("Content-Length", str(5 << 20))]) + image("1m.bin"))
        port = connection.port
        until(lambda port=port: set(lab.open_sockets_of(port)) & set(APP_SERVERS), 5, "the server's socket")
        connection.abort()
        forgotten(lab, port, f"after a reset within an upload, moved {moved}")


@case("a client that vanishes within a response: its server gives up by itself, and the port serves a new connection",
      labs=BOTH)  # fmt: skip
def vanished_client(lab):
    port = next(_PORTS)
    settings = {server: lab.run(server, "sysctl", "-n", "net.ipv4.tcp_retries2").strip() for server in IMAGE_SERVERS}
    for server in IMAGE_SERVERS:
        lab.run(server, "sysctl", "-q", "-w", "net.ipv4.tcp_retries2=2")
    try:
        client = RawClient(lab, port=port, isn=9_000_000)
        client.handshake()
        client.send_data(f"GET /img/1m.bin HTTP/1.1\r\nHost: {lab.vip}\r\n\r\n".encode())
        client.read(lambda stream: len(stream) > 2_000, 5, "the beginning of the answer")
        client.shaken = False
        client.close()
        expect(lab.open_sockets_of(port), "the server's socket")
        until(lambda: not lab.open_sockets_of(port), 20, "the server to give up")
    finally:
        for server, value in settings.items():
            lab.run(server, "sysctl", "-q", "-w", f"net.ipv4.tcp_retries2={value}")
    with RawClient(lab, port=port, isn=9_500_000) as client:
        client.handshake()
        for path in ("/img/photo.jpg", "/ping.php"):
            client.send_data(f"GET {path} HTTP/1.1\r\nHost: {lab.vip}\r\n\r\n".encode(), flags=PSH | ACK)
            response = client.read_response(5, f"the answer to {path} on the same port")
            expect(response.startswith(b"HTTP/1.1 200 "), f"the answer to {path}: {response[:60]}")
        client.send(client.packet(RST | ACK))
        client.shaken = False
        forgotten(lab, port, "after the reset of the new connection")
