"""Cases about what TCP carries besides bytes: path MTU messages, options, probes."""

import contextlib
import hashlib
import os
import re

from harness import ALL, APP_SERVERS, IMAGE_SERVERS, case, expect, expect_equal, image, unique, until
from packets import IP, TCP, Ether, RawClient, payload_of, response_bytes
from scapy.layers.inet import ICMP

ROUTER = "10.0.0.254"
ROUTER_MAC = "02:64:77:00:0f:fe"


def needs_fragmentation(lab, segment, mtu, seq=None):
    """What a router says of a segment (scapy Ether) that is too long for its next link (RFC 1191)."""
    quoted = segment[IP].copy()
    if seq is not None:
        quoted[TCP].seq = seq % (1 << 32)
        del quoted[TCP].chksum
    return (
        Ether(src=ROUTER_MAC, dst=lab.vmac)
        / IP(src=ROUTER, dst=lab.vip)
        / ICMP(type=3, code=4, nexthopmtu=mtu)
        / bytes(quoted)[:48]
    )


def path_mtu(lab, server, client):
    """The path MTU that a server's kernel has learned toward a client, or None."""
    found = re.search(r"\bmtu (\d+)", lab.run(server, "ip", "route", "get", client, "from", lab.vip))
    return int(found.group(1)) if found else None


@case("a path MTU message reaches the server of a running download, forged ones do not", labs=ALL)
def path_mtu_discovery(lab):
    mark = unique("pmtu")
    with RawClient(lab, ip="10.0.0.86", port=62_401, isn=0xFFFF_FF80) as client:
        client.handshake()
        # The connection moves first, so that the numbers differ between client and server.
        client.send_data(f"GET /ping.php?{mark} HTTP/1.1\r\nHost: {lab.vip}\r\n\r\n".encode())
        client.read_response(5, "the page")
        client.send_data(f"GET /img/1m.bin?{mark} HTTP/1.1\r\nHost: {lab.vip}\r\n\r\n".encode())
        first = client.wait(lambda tcp: len(payload_of(tcp)) == 1460, 5, "a full segment of the image")
        server = until(lambda: lab.sockets_of(client.port, *IMAGE_SERVERS), 5, "the image's server")[0]
        try:
            for seq in (first.seq - 1, first.seq + (1 << 20), first.seq ^ 0x4000_0000):
                dropped = lab.filter_counter("dropped_icmp_error")
                client.send(needs_fragmentation(lab, first.eth, 600, seq))
                until(lambda: lab.filter_counter("dropped_icmp_error") > dropped, 5, "the filter drops a forged message")
            expect_equal(path_mtu(lab, server, client.ip), None, "path MTU after forged messages")
            client.send(needs_fragmentation(lab, first.eth, 1000))
            until(lambda: path_mtu(lab, server, client.ip) == 1000, 5, "the server's kernel learns the path MTU")
            again = client.wait(lambda tcp: tcp.seq == first.seq and payload_of(tcp), 5, "the segment again, shorter")
            expect(len(payload_of(again)) <= 960, lambda: f"{len(payload_of(again))} bytes where the path takes 960")
            client.accept(again)
            client.read(response_bytes, 15, "the whole image")
            expect(client.received.endswith(image("1m.bin")), "the image's bytes")
            longest = max(len(payload_of(frame[TCP])) for frame in client.frames[-200:])
            expect(longest <= 960, f"a segment of {longest} bytes at the end")
        finally:
            lab.run(server, "ip", "route", "flush", "cache")


@contextlib.contextmanager
def options_on(lab, **wanted):
    """Sets TCP sysctls in every host's namespace, e.g. tcp_ecn=1, and puts them back."""
    hosts = ["c1", *lab.lab.servers()]
    before = {(host, name): lab.run(host, "sysctl", "-n", f"net.ipv4.{name}").strip() for host in hosts for name in wanted}
    try:
        for host, name in before:
            lab.run(host, "sysctl", "-q", "-w", f"net.ipv4.{name}={wanted[name]}")
        yield
    finally:
        for (host, name), value in before.items():
            lab.run(host, "sysctl", "-q", "-w", f"net.ipv4.{name}={value}")


def negotiated(lab, host, port):
    """What a host's TCP says of its connection with a client port (ss -ti): a set of words such as ts, ecn, sack."""
    text = lab.run(host, "ss", "-Htnio", "state", "established", f"( sport = :{port} or dport = :{port} )")
    return set(text.split())


def paws_drops(lab):
    """Segments that the kernels took for old duplicates by their timestamps, by host and counter."""
    found = {}
    for host in ("c1", *lab.lab.servers()):
        with open(f"/proc/{lab.lab.hosts[host]['pid']}/net/netstat", encoding="ascii") as counters:
            lines = [line.split() for line in counters if line.startswith("TcpExt:")]
        values = dict(zip(lines[0], lines[1]))
        for name in ("PAWSEstab", "PAWSActive", "TSEcrRejected"):
            found[host, name] = int(values.get(name, 0))
    return found


@case("timestamps and ECN are negotiated through a guess, and stay on through moves and returns, in bulk too",
      labs=("preallocate",))  # fmt: skip
def timestamps_and_ecn(lab):
    drops = paws_drops(lab)
    body = os.urandom(3 << 20)
    with options_on(lab, tcp_timestamps=1, tcp_ecn=1), contextlib.ExitStack() as stack:
        # Several, so that right and wrong guesses are among them.
        for number in range(6):
            connection = stack.enter_context(lab.connect())
            for turn in range(12):
                # The page moves the connection; an upload that moves is overtaken by its own repetitions, which the
                # flow takes past the web switch, and what is overtaken counts as an old duplicate, rightly.
                kind = (turn + number % 2 * 2) % 3
                if kind == 0:
                    answer = connection.get("/ping.php")
                    servers = APP_SERVERS
                elif kind == 2:
                    answer = connection.get("/img/1m.bin")
                    expect(answer.body == image("1m.bin"), f"bytes of image {turn} of connection {number}")
                    servers = IMAGE_SERVERS
                else:
                    answer = connection.request("POST", "/sum.php", body=body)
                    expect(hashlib.sha256(body).hexdigest() in answer.body.decode(), f"upload {turn} of {number}")
                    servers = APP_SERVERS
                expect(answer.server in servers, f"turn {turn} of {number}: {answer}")
                at_client = negotiated(lab, "c1", connection.port)
                expect({"ts", "ecn", "sack"} <= at_client, lambda: f"the client's TCP has {sorted(at_client)}")
                at_server = negotiated(lab, answer.server, connection.port)
                expect({"ts", "ecn", "sack"} <= at_server, lambda: f"{answer.server}'s TCP has {sorted(at_server)}")
    more = {at: count - drops[at] for at, count in paws_drops(lab).items() if count != drops[at]}
    expect_equal(more, {}, "segments dropped for their timestamps")


@case("without timestamps and ECN at client or server nothing is negotiated, and connections move", labs=("preallocate",))
def no_timestamps(lab):
    for where in ({"tcp_timestamps": 0, "tcp_ecn": 0}, {"tcp_timestamps": 0}):
        with options_on(lab, **where), lab.connect() as connection:
            for turn in range(6):
                answer = connection.get("/img/1m.bin" if turn % 2 else "/ping.php")
                expect_equal(answer.status, 200, f"status of turn {turn}")
                expect(turn % 2 == 0 or answer.body == image("1m.bin"), f"bytes of turn {turn}")
                for host in ("c1", answer.server):
                    expect("ts" not in negotiated(lab, host, connection.port), f"no timestamps at {host}")


@case("servers that differ in timestamps: a connection that has them moves to one without, and back", labs=("preallocate",))
def mixed_timestamps(lab):
    with options_on(lab, tcp_timestamps=1):
        for server in APP_SERVERS:
            lab.run(server, "sysctl", "-q", "-w", "net.ipv4.tcp_timestamps=0")
        for _ in range(4):
            with lab.connect() as connection:
                for turn in range(6):
                    answer = connection.get("/ping.php" if turn % 2 else "/img/1m.bin")
                    expect_equal(answer.status, 200, f"status of turn {turn}")
                    expect(turn % 2 == 1 or answer.body == image("1m.bin"), f"bytes of turn {turn}")


@case("in proxy mode neither timestamps nor ECN are negotiated, whatever both ends would take", labs=("guard",))
def proxy_offers_none(lab):
    with options_on(lab, tcp_timestamps=1, tcp_ecn=1), lab.connect() as connection:
        for turn in range(4):
            answer = connection.get("/img/1m.bin" if turn % 2 else "/ping.php")
            expect_equal(answer.status, 200, f"status of turn {turn}")
            for host in ("c1", answer.server):
                words = negotiated(lab, host, connection.port)
                expect("sack" in words and not words & {"ts", "ecn"}, lambda: f"{host}'s TCP has {sorted(words)}")
