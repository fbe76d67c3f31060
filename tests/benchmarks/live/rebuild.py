"""How long a rebuild takes as it happens live, beside the kernel's own connect(). Run by ./dwsr bench rebuild."""

import contextlib
import select
import socket
import struct
import time

import bed as beds
import figures
import packets

# linux/socket.h and asm-generic/socket.h: the time in ns at which the kernel got a packet.
SO_TIMESTAMPNS = 35
LINGER_RESET = struct.pack("ii", 1, 0)
REQUEST = b"GET /img/icon.png HTTP/1.1\r\nHost: www.example.com\r\nAccept: */*\r\n\r\n"
WSEQ = 0xC0FFEE00
ISN_STEP = 1_000_003
PORTS = range(2_000, 65_000)
PAPER_US = 101.39
WANTED_US = 101.0
GOAL_US = 40.0
ANSWER_SECONDS = 5.0
WARM_UPS = 10_000
# Samples that are taken again together when others were at work.
BLOCK = 100
REGIMES = {"paced": "filter asleep", "busy": "filter awake"}
STAGES = ("request in", "SYN out", "SYN again", "SYN-ACK in", "ACK out", "request out")

# Classic BPF: TCP over IPv4 without IP options; with PSH; anything.
_ACCEPT, _REJECT = (0x06, 0, 0, 64), (0x06, 0, 0, 0)
_TCP = [(0x28, 0, 0, 12), (0x15, 0, 3, 0x0800), (0x30, 0, 0, 23)]
ALL_TCP = [*_TCP, (0x15, 0, 1, 6), _ACCEPT, _REJECT]
PUSHED = [*_TCP, (0x15, 0, 3, 6), (0x30, 0, 0, 47), (0x45, 0, 1, packets.PSH), _ACCEPT, _REJECT]


class Tap:
    """Sees the frames that arrive at an interface, with the kernel's time of their arrival."""

    def __init__(self, namespace, interface, program):
        self.sock = beds.packet_socket(namespace, interface, program)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.sock.setblocking(False)

    def take(self):
        """All (ns since the epoch, frame) that have arrived."""
        found = []
        while True:
            try:
                frame, ancillary, _, _ = self.sock.recvmsg(2048, 64)
            except BlockingIOError:
                return found
            for level, kind, data in ancillary:
                if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                    seconds, nanoseconds = struct.unpack("ll", data[:16])
                    found.append((seconds * 1_000_000_000 + nanoseconds, frame))


class Driver:
    """Plays the web switch, the client and the server's application: one thread, so nobody waits for anybody else.

    A sample is (ns until the connection stands in the server's TCP, ns until the application has read the request).
    """

    def __init__(self, bed):
        self.bed = bed
        self.out = beds.packet_socket(bed.client, "via0")
        with beds.inside(bed.server):
            self.listener = socket.create_server((beds.VIP, beds.SERVICE_PORT), backlog=1024)
        self.listener.setblocking(False)
        self.poll = select.poll()
        self.poll.register(self.listener, select.POLLIN)
        self.server_mac = packets.mac(beds.SERVER_MAC["via0"])
        self.client_mac = packets.mac(beds.RAW_CLIENT_MAC)
        self.tag = packets.tag("018")
        self.requests_in = Tap(bed.middle, "net0", PUSHED)
        self.requests_out = Tap(bed.server, "via0", PUSHED)
        self.port = PORTS[0]
        self.isn = 1_000_000
        self.client_socket = None

    def close(self):
        for sock in (self.out, self.listener, self.requests_in.sock, self.requests_out.sock):
            sock.close()

    def _frame(self, source, seq, ack, flags, payload=b""):
        return packets.segment(
            self.server_mac, source, beds.RAW_CLIENT, beds.VIP, self.port, beds.SERVICE_PORT, seq, ack, flags, payload
        )

    def _next(self):
        self.port = self.port + 1 if self.port + 1 in PORTS else PORTS[0]
        self.isn = (self.isn + ISN_STEP) & 0xFFFFFFFF

    def _accept(self):
        if not self.poll.poll(ANSWER_SECONDS * 1000):
            self.bed.check()
            raise beds.BenchError(f"no connection within {ANSWER_SECONDS:g} s; the filter counts {nonzero(self.bed)}")
        connection = self.listener.accept()[0]
        connection.settimeout(ANSWER_SECONDS)
        got = connection.recv(2048)
        return connection, got

    @staticmethod
    def _finish(connection, got):
        """Waits for the client's RST."""
        if got != REQUEST:
            raise beds.BenchError(f"the application read {got!r}")
        with contextlib.suppress(ConnectionResetError):
            connection.recv(1)
        connection.close()

    def rebuild(self):
        """A rebuild: from the tagged first request's arrival at the filter's network port to the same request's arrival
        in the server's TCP, by the kernel's clock of packets; and from send() to the application."""
        self._next()
        seq, ack = self.isn + 1, WSEQ + 1
        request = self._frame(self.tag, seq, ack, packets.PSH | packets.ACK, REQUEST)
        reset = self._frame(self.client_mac, seq + len(REQUEST), 0, packets.RST)
        start = time.perf_counter_ns()
        self.out.send(request)
        connection, got = self._accept()
        end = time.perf_counter_ns()
        self.out.send(reset)
        self._finish(connection, got)
        came, left = self.requests_in.take(), self.requests_out.take()
        if (len(came), len(left)) != (1, 1):
            raise beds.BenchError(f"{len(came)} requests into the filter and {len(left)} out of it, instead of one each")
        return left[0][0] - came[0][0], end - start

    def connect(self):
        """The kernel's own: connect() by the way without the filter, then the same request."""
        with beds.inside(self.bed.client):
            client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        client.settimeout(None)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
        start = time.perf_counter_ns()
        client.connect((beds.VIP, beds.SERVICE_PORT))
        middle = time.perf_counter_ns()
        client.send(REQUEST)
        connection, got = self._accept()
        end = time.perf_counter_ns()
        client.close()
        self._finish(connection, got)
        return middle - start, end - start


def nonzero(bed):
    """The filter's counters that are not 0, as text."""
    return ", ".join(f"{name} {value}" for name, value in bed.counters().items() if value)


def sample(driver, count, pause_ns, patience, say):
    """Takes rebuild and connect() in turn. pause_ns: between two samples, so that everybody falls asleep; 0: none."""
    found = {"rebuild": [], "connect": []}

    def block():
        taken = {name: [] for name in found}
        for _ in range(min(BLOCK, count)):
            for name, take in (("rebuild", driver.rebuild), ("connect", driver.connect)):
                if pause_ns:
                    time.sleep(pause_ns / 1e9)
                taken[name].append(take())
        return taken

    told = time.monotonic()
    while len(found["rebuild"]) < count:
        for name, values in patience.take(block).items():
            found[name] += values
        if time.monotonic() - told > 5:
            told = time.monotonic()
            say(f"  {len(found['rebuild'])} of {count} each")
    return found


def stages(driver, bed, count, pause_ns):
    """Where the time goes: medians in us between what is seen at the interfaces around the filter.

    Every frame of a rebuild is seen, which costs time itself: this is a run of its own.
    """
    taps = {
        "net0": Tap(bed.middle, "net0", ALL_TCP),
        "host0": Tap(bed.middle, "host0", ALL_TCP),
        "via0": Tap(bed.server, "via0", ALL_TCP),
    }
    steps = []
    try:
        for _ in range(count):
            time.sleep(pause_ns / 1e9)
            driver.rebuild()
            seen = {name: [at for at, _ in tap.take()] for name, tap in taps.items()}
            if seen["net0"] and seen["host0"] and len(seen["via0"]) >= 4:
                times = [seen["net0"][0], *seen["via0"][:2], seen["host0"][0], *seen["via0"][2:4]]
                steps.append([(at - times[0]) / 1000 for at in times])
    finally:
        for tap in taps.values():
            tap.sock.close()
    return [figures.percentile([one[i] for one in steps], 50) for i in range(len(STAGES))] if steps else []


def measure(options, say):
    """The whole benchmark. Returns (the figures as a dict, verdicts)."""
    with beds.Bed(options.prefix) as bed:
        say("starting web switch and filter")
        bed.start_filter()
        driver = Driver(bed)
        try:
            warm_ups = 1_000 if options.quick else WARM_UPS
            first = driver.rebuild()
            say(f"a new filter process's first rebuild took {first[1] / 1000:.0f} us; {warm_ups} more for the compiler")
            for _ in range(warm_ups):
                driver.rebuild()
            for _ in range(warm_ups // 10):
                driver.connect()
            count = 300 if options.quick else options.samples
            results = {}
            patience = beds.Patience(bed, options.patience, say)
            for name, pause_ns, what in (
                ("paced", options.pause_us * 1000, f"one every {options.pause_us} us: the filter sleeps in poll()"),
                ("busy", 0, "one after the other: the filter is awake"),
            ):
                say(f"{count} rebuilds and as many connect(), in turn, {what}")
                results[name] = sample(driver, count, pause_ns, patience, say)
            say("where the time goes")
            parts = stages(driver, bed, 200 if options.quick else 1_000, options.pause_us * 1000)
            done = bed.counters()
        finally:
            driver.close()
    told, verdicts = report(results, parts, first, done)
    told["others"] = patience.text()
    return told, verdicts


def report(results, parts, first, counters):
    """Figures in us, and verdicts."""
    told = {"first_read_us": first[1] / 1000, "paper_us": PAPER_US, "stages_us": dict(zip(STAGES, parts))}
    told["samples"] = len(results["paced"]["rebuild"])
    told["rebuilds_counted_by_filter"] = counters.get("rebuilds_done", 0)
    for regime, found in results.items():
        for name, samples in found.items():
            for at, until in ((0, "stands"), (1, "read")):
                values = [one[at] / 1000 for one in samples]
                told[f"{regime}_{name}_{until}_us"] = {
                    "p50": figures.percentile(values, 50),
                    "p99": figures.percentile(values, 99),
                    "least": min(values),
                }
    verdicts = [
        figures.Verdict(f"rebuild, p50, {title}", told[f"{regime}_rebuild_stands_us"]["p50"], WANTED_US, "us", at_least=False)
        for regime, title in REGIMES.items()
    ]
    return told, verdicts


def lines(told):
    """The result for people."""
    rows = [["us", "p50", "p99", "least"]]
    names = {
        "rebuild_stands": "rebuild: request at the filter's port -> handshake done, request at the server's TCP",
        "connect_stands": "the kernel's connect()",
        "rebuild_read": "send() of the request to the filter -> application has read it",
        "connect_read": "connect(), send() -> application has read it",
    }
    for regime, title in REGIMES.items():
        rows.append([f"{title}:", "", "", ""])
        for key, name in names.items():
            figure = told[f"{regime}_{key}_us"]
            rows.append(["  " + name, *(f"{figure[one]:.1f}" for one in ("p50", "p99", "least"))])
    rows.append(["the paper's rebuild (Table III, Linux 2.4, Athlon XP)", f"{PAPER_US}", "", ""])
    text = figures.table(rows)
    text.append(f"the goal beyond what is wanted: {GOAL_US:g} us; {told['samples']} samples each, in turn; {told['others']}")
    if told["stages_us"]:
        text.append("where the time goes (filter asleep; medians of another run with a tap at each interface, us):")
        text.append("  " + "; ".join(f"{name} {at:.1f}" for name, at in told["stages_us"].items()))
    return text
