"""What acceptance cases are written with: the lab under test, clients inside it, and evidence from outside DWSR.

A case is a function of one argument, the LabUnderTest, marked with @case. It passes when it returns. Evidence comes
from nginx's access logs, the kernel's TCP counters in the servers' namespaces, and captures; DWSR's own counters are
asked only for what they are about (that something was counted).
"""

import contextlib
import ctypes
import functools
import http.client
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKOUT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(CHECKOUT, "mininet"))

import lab as dwsr_lab  # noqa: E402
import topology  # noqa: E402
import webserver  # noqa: E402
from tap import OpenFlowTap  # noqa: E402

IMAGE_SERVERS = ("s1", "s2")
APP_SERVERS = ("s3", "s4")
CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


class Failure(AssertionError):
    """A case's expectation that did not come true."""


def expect(condition, what):
    """Fails the case, saying what was expected, unless the condition holds."""
    if not condition:
        raise Failure(what() if callable(what) else what)


def expect_equal(found, wanted, what):
    expect(found == wanted, lambda: f"{what}: expected {short(wanted)}, found {short(found)}")


def short(value):
    text = repr(value)
    return text if len(text) <= 300 else text[:200] + f"... ({len(text)} characters)"


def until(condition, seconds, what):
    """Waits for the first true value of a condition; fails the case after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.02)


def hold_for(seconds, condition, what):
    """Lets time pass, because the case is about time passing, while a condition stays true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        expect(condition(), what)
        time.sleep(min(0.1, max(0.0, deadline - time.monotonic())))


# ------------------------------------------------------------------------------------------ the table of cases


class Case:
    def __init__(self, name, function, labs, last):
        self.name = name
        self.function = function
        self.labs = labs
        self.last = last


CASES = []

# The labs a case runs in: the two request modes with nginx; those and Apache; those and pre-allocation; all.
BOTH = ("guard", "switch")
EVERY = (*BOTH, "apache")
EVERY_LAB = (*BOTH, "preallocate")
ALL = (*EVERY, "preallocate")


def case(name, labs=("guard",), last=False):
    """Marks a case. labs: the names of the labs it runs in (see run.py); last: it disturbs the lab (kills processes,
    loads it) and runs after the others."""

    def mark(function):
        if any(known.name == name for known in CASES):
            raise ValueError(f"two cases are called {name!r}")
        CASES.append(Case(name, function, labs, last))
        return function

    return mark


# ------------------------------------------------------------------------------------------ HTTP over one connection


class Response:
    """One response, read to its end."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name):
        """The value of the first header of that name, or None."""
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return None

    def all_headers(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def server(self):
        """The web server that gave this answer, by its own word; None for the web switch's own answers."""
        return self.header("X-Server")

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} from {self.server}, {len(self.body)} bytes"


class Connection:
    """One TCP connection from a client to the VIP, driven byte by byte."""

    def __init__(self, sock, vip, timeout):
        self.sock = sock
        self.vip = vip
        sock.settimeout(timeout)
        self.stream = sock.makefile("rb", buffering=65536)

    @property
    def port(self):
        return self.sock.getsockname()[1]

    def send(self, data):
        self.sock.sendall(data)

    def head(self, method, path, headers=()):
        lines = [f"{method} {path} HTTP/1.1"]
        if not any(name.lower() == "host" for name, _ in headers):
            lines.append(f"Host: {self.vip}")
        lines += [f"{name}: {value}" for name, value in headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def request(self, method, path, headers=(), body=None):
        """Sends a request and returns its response."""
        headers = list(headers)
        if body is not None and not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in headers):
            headers.append(("Content-Length", str(len(body))))
        self.send(self.head(method, path, headers) + (body or b""))
        return self.response(method)

    def get(self, path, *headers):
        return self.request("GET", path, headers)

    def response(self, method="GET"):
        """Reads the next response (1xx ones are skipped)."""
        while True:
            reply = http.client.HTTPResponse(_Borrowed(self.stream), method=method)
            try:
                reply.begin()
            except http.client.BadStatusLine as problem:
                raise Failure(f"no HTTP response: {problem!r}") from problem
            # http.client skips 100 itself; 101 and others with status < 200 come out as they are.
            try:
                body = reply.read()
            except http.client.IncompleteRead as problem:
                raise Failure(f"the response broke off: {problem!r}") from problem
            if 102 <= reply.status < 200:
                continue
            return Response(reply.status, reply.getheaders(), body)

    def at_end(self):
        """Whether the server side has closed: reads to the end of the stream, which must bring no further byte."""
        rest = self.stream.read()
        expect_equal(rest, b"", "bytes after the last response")
        return True

    def shut(self):
        """Half-closes: no more requests."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.stream.close()
        self.sock.close()

    def abort(self):
        """Closes with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _Borrowed:
    """Gives http.client the stream for one response, and survives its closing it."""

    def __init__(self, stream):
        self.stream = stream

    def makefile(self, *_):
        return _Unclosed(self.stream)


class _Unclosed:
    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def close(self):
        pass


# ------------------------------------------------------------------------------------------ the lab


class LabUnderTest:
    """A lab that is up, with eyes on it from outside."""

    def __init__(self, lab, mode):
        self.lab = lab
        self.mode = mode
        self.vip = lab.record["vip"]
        self.vip6 = lab.record["vip6"]
        self.vmac = lab.record["vmac"]
        self.tap = OpenFlowTap(
            int(lab.options["openflow"].rpartition(":")[2]), lab.path("openflow.pcap"), (self.vip, self.vip6)
        )

    # ---- clients

    @contextlib.contextmanager
    def inside(self, host):
        """Within it, sockets this thread opens belong to the host's network namespace."""
        pid = self.lab.hosts[host]["pid"]
        with open("/proc/thread-self/ns/net", "rb") as home, open(f"/proc/{pid}/ns/net", "rb") as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def connect(self, client="c1", port=80, source_port=0, timeout=15.0, nodelay=True, options=(), address=None,
                ipv6=False):  # fmt: skip
        """Opens a TCP connection from a client to the VIP, or to another address."""
        with self.inside(client):
            sock = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_STREAM)
        vip = self.vip6 if ipv6 else self.vip
        try:
            for level, option, value in options:
                sock.setsockopt(level, option, value)
            if source_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(("::" if ipv6 else "0.0.0.0", source_port))
            if nodelay:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(timeout)
            sock.connect((address or vip, port))
        except BaseException:
            sock.close()
            raise
        return Connection(sock, f"[{vip}]" if ipv6 else vip, timeout)

    def packet_socket(self, client="c1"):
        """A raw socket on a client's interface: whole Ethernet frames."""
        with self.inside(client):
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            sock.bind(("eth0", 0))
        return sock

    def run(self, host, *words, timeout=60, check=True):
        """Runs a command inside a host and returns its standard output."""
        done = subprocess.run(
            [*self.lab.enter(host), *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
            timeout=timeout, check=False,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise Failure(f"{words[0]} in {host} failed ({done.returncode}): {done.stderr.strip()[-500:]}")
        return done.stdout

    def start(self, host, *words):
        """Starts a command inside a host; the caller waits for it or ends it."""
        return subprocess.Popen(
            [*self.lab.enter(host), *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def curl(self, *words, client="c1", timeout=60):
        """Runs curl in a client's namespace; "VIP" in a word becomes http://the-vip, "VIP6" the same over IPv6."""
        urls = (("VIP6", f"http://[{self.vip6}]"), ("VIP", f"http://{self.vip}"))
        for name, url in urls:
            words = [word.replace(name, url) for word in words]
        return self.run(client, "curl", "-sS", *words,
                        timeout=timeout)  # fmt: skip

    # ---- evidence from outside DWSR

    def access_log(self, server):
        """A server's access log: one dict a request (request, status, connection, number, cookie, client ...)."""
        entries = []
        with contextlib.suppress(OSError), open(
            self.lab.path("servers", server, "access.log"), encoding="utf-8", errors="replace"
        ) as log:
            for line in log:
                if line.endswith("\n"):
                    entries.append(_log_entry(line))
        return entries

    def logged(self, text, servers=None):
        """(server, entry) of every logged request whose request line contains a text; use unique query strings."""
        return [
            (server, entry)
            for server in servers or self.lab.servers()
            for entry in self.access_log(server)
            if text in entry["request"]
        ]

    def wait_logged(self, text, count, servers=None, seconds=5):
        """Waits for that many logged requests (servers log after they have answered) and returns them."""
        until(lambda: len(self.logged(text, servers)) >= count, seconds,
              lambda: f"{count} requests with {text!r} in the logs; there are {len(self.logged(text, servers))}")  # fmt: skip
        found = self.logged(text, servers)
        expect_equal(len(found), count, f"requests with {text!r} in the logs")
        return found

    def tcp_counter(self, host, name):
        """One of the kernel's TCP counters (as nstat shows them) in a host's namespace: PassiveOpens, EstabResets ..."""
        pid = self.lab.hosts[host]["pid"]
        with open(f"/proc/{pid}/net/snmp", encoding="ascii") as counters:
            lines = [line.split() for line in counters if line.startswith("Tcp:")]
        return int(dict(zip(lines[0], lines[1]))[name])

    def passive_opens(self, *servers):
        """How many handshakes the servers' own TCPs have taken, all together."""
        return sum(self.tcp_counter(server, "PassiveOpens") for server in servers or self.lab.servers())

    def sockets(self, host, state="established"):
        """The host's TCP sockets on port 80 in a state, as ss prints them; probes within the host not counted."""
        text = self.run(host, "ss", "-Htn", "state", state, "( sport = :80 )")
        return [line.split() for line in text.splitlines() if self.vip in line or f"[{self.vip6}]" in line]

    def sockets_of(self, port, *servers):
        """The servers whose own TCP has a socket in any state for a client port."""
        return [
            server
            for server in servers or self.lab.servers()
            for words in self.sockets(server, "connected")
            if words[-1].endswith(f":{port}")
        ]

    def open_sockets_of(self, port):
        """Like sockets_of, without those in TIME-WAIT: a server that closes first keeps that for a minute."""
        states = ("established", "syn-recv", "close-wait", "fin-wait-1", "fin-wait-2", "last-ack", "closing")
        return [
            server
            for server in self.lab.servers()
            if any(words[-1].endswith(f":{port}") for state in states for words in self.sockets(server, state))
        ]

    def connection_flows(self):
        """The flows of single connections that Open vSwitch holds."""
        return [flow for flow in self.lab.flows() if "priority=300" in flow]

    def return_flows(self):
        """The flows by which responses find single clients."""
        return [flow for flow in self.lab.flows() if "priority=110" in flow]

    def catch_up(self):
        """Waits until the capture of the control port shows all that has happened by now."""
        self._marks = getattr(self, "_marks", 0) + 1
        port = 61_000 + self._marks % 1000
        with self.inside("c2"):
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        with sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("0.0.0.0", port))
            sock.settimeout(10)
            # A closed port: the web switch itself answers, with RST, if it lives.
            with contextlib.suppress(ConnectionRefusedError, TimeoutError):
                sock.connect((self.vip, 81))
        until(lambda: self.tap.of_client(port), 10, "the capture of the control port to catch up")

    # ---- what DWSR says of itself

    def switch_counters(self):
        """The web switch's counters by name without prefix and suffix, e.g. answered_400."""
        with urllib.request.urlopen(f"http://{self.lab.options['control']}/metrics", timeout=5) as page:
            text = page.read().decode()
        found = {}
        for name, value in re.findall(r"^dwsr_(\w+?)(?:_total)? ([0-9.eE+]+)$", text, re.M):
            found[name] = int(float(value))
        return found

    def switch_counter(self, name):
        return self.switch_counters().get(name, 0)

    def filter_counter(self, name, *servers):
        """A filter counter, summed over servers (default: all), e.g. switch_backs."""
        page = self.lab.filter_counters() or ""
        return sum(
            int(float(value))
            for server, value in re.findall(rf'^dwsr_filter_{name}{{server="(\w+)"}} ([0-9.eE+]+)$', page, re.M)
            if not servers or server in servers
        )

    def idle(self):
        """Whether web switch, filters and Open vSwitch have forgotten every connection, but for the heads that a case
        leaves unfinished on purpose, which end after 60 s."""
        return (
            self.switch_counter("connections") == self.switch_counter("gathering_heads")
            and self.filter_counter("connections") == 0
            and not self.connection_flows()
        )

    def settle(self):
        """Waits until no client has a connection left over, e.g. of a request that was sent before all was ready and is
        still being repeated: its handshake with a server would be counted to whatever case runs then."""
        states = ["state", "connected", "exclude", "time-wait", "exclude", "fin-wait-2", "dst", self.vip]
        if self.vip6:
            states += ["or", "dst", f"[{self.vip6}]"]
        until(lambda: not any(self.run(client, "ss", "-Htn", *states) for client in ("c1", "c2")), 30,
              "the clients' left-over connections to go")  # fmt: skip
        return self

    # ---- processes

    def kill(self, role, number=9):
        """Kills one of the lab's own processes and waits for its end."""
        process = self.lab.processes()[role]
        os.kill(process["pid"], number)
        until(lambda: not dwsr_lab.alive(process), 10, f"{role} to end")

    def restart_controller(self):
        self.lab.start_controller()
        until(self.lab.connected, 40, "Open vSwitch to connect to the restarted web switch")

    def restart_filter(self, faults=None):
        """Kills the filters, which forget all connections, and starts them anew; with faults their frames suffer."""
        self.kill("filter")
        self.lab.start_filter(faults)
        until(self.reachable, 60, "answers through the restarted filters")

    def restart_wire(self, delay_ms=None, faults=None):
        """Replaces the clients' wires, which this lab must have, by others; None stands for what it came up with."""
        self.kill("wire")
        self.lab.start_wire(delay_ms, faults)
        until(self.lab.wire_carries, 30, "the wires' interfaces")

    def congestion_control(self, name):
        """Sets the servers' congestion control for new connections."""
        topology.congestion_control([self.lab.hosts[server] for server in self.lab.servers()], name)

    def reachable(self):
        """Whether each pool answers through the VIP."""
        return dwsr_lab.answers_through_vip(self.lab)


def _log_entry(line):
    """One line of a log; Apache writes \\xhh, which is no JSON, and "-" for what is empty."""
    entry = json.loads(re.sub(r"(?<!\\)((?:\\\\)*)\\x([0-9a-f]{2})", r"\1\\u00\2", line))
    return {name: "" if value == "-" else value for name, value in entry.items()}


def _enter(descriptor):
    if _LIBC.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


_MARKS = itertools.count(1)


def unique(name):
    """A query string no other request has, for finding one's own requests in the logs."""
    return f"{name}-{os.getpid()}-{next(_MARKS)}."


@functools.lru_cache(maxsize=16)
def image(name):
    """What /img/NAME must bring."""
    return webserver.image_bytes(name)
