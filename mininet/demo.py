"""The demo: brings a lab up, lets real clients use it, and checks every figure it shows. Run by ./dwsr demo.

No figure comes from the program. Which server answered: nginx's access logs. Handshakes: nstat in the servers'
namespaces. Bytes: Open vSwitch's port counters, and the kernel's counters of the OpenFlow connection. What the web
switch was shown: tcpdump on the OpenFlow port, read by frames.py and compared with the kernel and Open vSwitch.
"""

import argparse
import contextlib
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import frames  # noqa: E402
import lab as labs  # noqa: E402
import webserver  # noqa: E402

WIDTH = 100
DEADLINE_SECONDS = 300
REQUEST_SECONDS = 30
SETTLE_SECONDS = 20
CLIENT = "c1"
SERVERS = 4
ALTERNATIONS = 4
VISITS = 6
LOGINS = 3
MOST_CONTROL_SHARE = 0.01


class DemoError(Exception):
    """Something the user is told in one line."""


# ------------------------------------------------------------------------------------------ the screen


class Screen:
    """What the user sees: parts on standard output, progress on standard error, colour only where it shows."""

    def __init__(self):
        coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self.paint = (lambda code, text: f"\033[{code}m{text}\033[0m") if coloured else (lambda _code, text: text)
        self.live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self.started = time.monotonic()
        self.doing = None

    def progress(self, text):
        """Says what is being done now; on a terminal in one line that is written over."""
        self.doing = text
        if self.live:
            self.tick()
        else:
            print(f"demo: {time.monotonic() - self.started:5.1f} s  {text}", file=sys.stderr, flush=True)

    def tick(self):
        """Redraws the progress line; also from a signal handler, hence no buffered writing."""
        if self.live and self.doing:
            text = f"{time.monotonic() - self.started:3.0f} s  {self.doing} ..."
            os.write(2, f"\r\033[K{text[: WIDTH - 1]}".encode())

    def clear(self):
        if self.live and self.doing:
            os.write(2, b"\r\033[K")
        self.doing = None

    def say(self, text=""):
        self.clear()
        print(text, flush=True)

    def show(self, part):
        verdict = self.paint("31;1", "FAILED") if part.failures else self.paint("32;1", "ok")
        self.say()
        self.say(self.paint("1", f"{part.title:<{WIDTH - 7}}") + " " + verdict)
        for line in part.lines:
            print("    " + line)
        for failure in part.failures:
            print(self.paint("31", "    FAILED ") + failure)
        sys.stdout.flush()


class Part:
    """One part of the demo: lines to read, and checks, each of which says what it expected and found."""

    def __init__(self, title):
        self.title = title
        self.lines = []
        self.failures = []
        self.checks = 0

    def line(self, text):
        self.lines.append(text)

    def check(self, right, what, expected, found):
        self.checks += 1
        if not right:
            self.failures.append(f"{what}: expected {expected}, found {found}")

    def equal(self, what, expected, found):
        self.check(expected == found, what, expected, found)


def size(count):
    """Bytes for people: decimal units, three digits."""
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def several(values):
    return " ".join(str(value) for value in values)


# ------------------------------------------------------------------------------------------ measured from outside


class Answer:
    """What curl says about one response."""

    def __init__(self, head, report, body):
        status, port, connects, seconds = report.split()
        self.status, self.port, self.connects, self.seconds = int(status), int(port), int(connects), float(seconds)
        self.body = body
        self.fields = {}
        for line in head.splitlines():
            name, colon, value = line.partition(":")
            if line.startswith("HTTP/"):
                self.fields = {}
            elif colon:
                self.fields[name.strip().lower()] = value.strip()
        self.server = self.fields.get("x-server", "nobody")

    def visit(self):
        """The page of index.php, or an empty one: the checks say what is missing."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}


class Witness:
    """Runs clients in the lab and reads what others than the program say about it."""

    def __init__(self, lab, folder, capture):
        self.lab = lab
        self.folder = folder
        self.capture_path = capture
        with open(lab.path("dwsr.json"), encoding="utf-8") as source:
            self.document = json.load(source)
        self.pools = {pool["name"]: pool["servers"] for pool in self.document["pools"]}
        self.ids = {server["name"]: server["id"] for server in self.document["servers"]}
        self.types = {kind["pool"]: kind["id"] for kind in self.document["services"][0]["contentTypes"]}
        self.vip = lab.record["vip"]
        self.read = {name: os.path.getsize(self.log_path(name)) for name in lab.servers()}
        self.entries = []
        self.asked = 0
        self.clients = set()

    def log_path(self, server):
        return self.lab.path("servers", server, "access.log")

    def browse(self, *requests, jar=None):
        """One curl, so one connection for all requests, each a path or (path, file to PUT). Returns the answers."""
        common = ["-sS", "--noproxy", "*", "--max-time", str(REQUEST_SECONDS), "-D", "-",
                  "-w", "\n=%{http_code} %{local_port} %{num_connects} %{time_total}\n"]  # fmt: skip
        words = ["curl", "-q", *common]
        if jar:
            words += ["-b", jar, "-c", jar]
        bodies = []
        for number, request in enumerate(requests):
            path, upload = request if isinstance(request, tuple) else (request, None)
            bodies.append(os.path.join(self.folder, f"body{number}"))
            with contextlib.suppress(FileNotFoundError):
                os.unlink(bodies[-1])
            if upload:
                # curl gives -T to the first address without one, wherever it stands.
                words += (["--next", *common] if number else []) + ["-T", upload]
            words += ["-o", bodies[-1], f"http://{self.vip}{path}"]
        done = subprocess.run(
            in_our_life(self.lab.enter(CLIENT) + words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, check=False, timeout=REQUEST_SECONDS * len(requests) + 10,
        )  # fmt: skip
        if done.returncode != 0:
            raise DemoError(f"curl of {several(requests)} failed ({done.returncode}): {done.stderr.strip()}")
        answers = []
        for body, (head, report) in zip(bodies, re.findall(r"(.*?)^=(.*?)$", done.stdout, re.M | re.S)):
            data = b""
            # curl makes no file for an empty body.
            with contextlib.suppress(FileNotFoundError), open(body, "rb") as source:
                data = source.read()
            answers.append(Answer(head, report, data))
        if len(answers) != len(requests):
            raise DemoError(f"curl gave {len(answers)} answers to {len(requests)} requests: {done.stdout}")
        return answers

    def logged(self, answers):
        """The access log entries of these answers' connections, in the order of time, from all servers."""
        wanted = {f"{self.lab.hosts[CLIENT]['ip']}:{answer.port}" for answer in answers}
        deadline = time.monotonic() + 5
        while True:
            self.read_logs()
            found = [entry for entry in self.entries if entry["client"] in wanted and not entry["taken"]]
            # Should one reach two servers, this or the last part finds more than were asked.
            if len(found) >= len(answers) or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        for entry in found:
            entry["taken"] = True
        self.asked += len(answers)
        self.clients |= wanted
        return sorted(found, key=lambda entry: entry["time"])

    def read_logs(self):
        for server in self.lab.servers():
            with open(self.log_path(server), "rb") as source:
                source.seek(self.read[server])
                for line in source:
                    if not line.endswith(b"\n"):
                        break
                    self.read[server] += len(line)
                    entry = json.loads(line)
                    if entry["client"].startswith("127."):
                        continue
                    entry.update(server=server, taken=False)
                    self.entries.append(entry)

    def kernel_count(self, host, name):
        """A TCP counter of a host's own kernel."""
        text = self.lab.run(host, "nstat", "-asz", name)
        return int(re.search(rf"^{name}\s+(\d+)", text, re.M).group(1))

    def handshakes(self):
        """How many connections each server's TCP has accepted so far."""
        return {name: self.kernel_count(name, "TcpPassiveOpens") for name in self.lab.servers()}

    def control_bytes(self):
        """(to, from) the web switch: the kernel's counters of the OpenFlow connection, at the web switch's end."""
        port = self.lab.options["openflow"].rpartition(":")[2]
        text = labs.output("ss", "-tinH", "state", "established", f"sport = :{port}")
        received = re.findall(r"\bbytes_received:(\d+)", text)
        acked = re.findall(r"\bbytes_acked:(\d+)", text)
        if len(received) != 1 or len(acked) != 1:
            raise DemoError(f"expected one OpenFlow connection on port {port}, found: {text.strip() or 'none'}")
        return int(received[0]), int(acked[0])

    def capture(self):
        """The OpenFlow session, read when tcpdump and the kernel have counted the same bytes, or after a while.

        That proves the capture whole. Open vSwitch's counters of the rules to the controller could not: after a
        connection's flow is deleted, the packets it last forwarded are counted for the rule that matches instead.
        """
        port = int(self.lab.options["openflow"].rpartition(":")[2])
        deadline = time.monotonic() + 10
        while True:
            kernel = self.control_bytes()
            read = frames.OpenFlowCapture(self.capture_path, port)
            seen = (read.bytes_to_controller, read.bytes_from_controller)
            if kernel == seen or time.monotonic() > deadline:
                return read, kernel
            time.sleep(0.2)


def in_our_life(words):
    """A command that ends with us, even when we are killed."""
    return ["setpriv", "--pdeathsig", "KILL", *words]


# ------------------------------------------------------------------------------------------ the parts


def one_connection(see):
    part = Part("(a) ONE CONNECTION, SEVERAL SERVERS: each request goes to a server that can answer it")
    page, script = "/img/photo.jpg", "/ping.php"
    before = see.handshakes()
    answers = see.browse(*[page, script] * ALTERNATIONS)
    entries = see.logged(answers)
    after = see.handshakes()
    requests = [page, script] * ALTERNATIONS
    part.equal("status of each answer", [200] * len(requests), [answer.status for answer in answers])
    part.equal("connections made by curl", 1, sum(answer.connects for answer in answers))
    part.equal("requests in nginx's logs from that port, in order", [f"GET {path} HTTP/1.1" for path in requests],
               [entry["request"] for entry in entries])  # fmt: skip
    part.equal("server by nginx's log and by X-Server", [answer.server for answer in answers],
               [entry["server"] for entry in entries])  # fmt: skip
    image = webserver.image_bytes("photo.jpg")
    whole = sum(answer.body == (image if path == page else f"{answer.server}\n".encode())
                for path, answer in zip(requests, answers))  # fmt: skip
    part.equal("answers with exactly the right bytes", len(requests), whole)
    for path, pool in ((page, "images"), (script, "app")):
        servers = [entry["server"] for entry in entries if path in entry["request"]]
        part.check(set(servers) <= set(see.pools[pool]), f"servers of {path}", f"of {see.pools[pool]}", servers)
        part.equal(f"number of servers that answered {path}", 1, len(set(servers)))
    used = {entry["server"] for entry in entries}
    opened = {name: after[name] - before[name] for name in after}
    part.equal("handshakes (nstat TcpPassiveOpens)", {name: int(name in used) for name in after}, opened)

    part.line(f"{len(requests)} requests on one keep-alive connection (client port {answers[0].port}). "
              "Who answered, by nginx's logs:")  # fmt: skip
    part.line("request".ljust(25) + "".join(f"{number:<5}" for number in range(1, len(requests) + 1)).rstrip())
    for path, pool in ((page, "images"), (script, "PHP")):
        cells = [entry["server"] if path in entry["request"] else "" for entry in entries]
        part.line(f"{path:<15} ({pool})".ljust(25) + "".join(f"{cell:<5}" for cell in cells).rstrip())
    part.line("TCP handshakes (nstat): " + ", ".join(f"{name} {count}" for name, count in opened.items() if count)
              + ". Coming back to a server costs none; every byte was right.")  # fmt: skip
    return part


def session_cookie(see):
    part = Part("(b) A SESSION stays on its server: the cookie's name, rewritten on the way, says which")
    jar = os.path.join(see.folder, "jar-b")
    rounds = []
    for _ in range(VISITS):
        answers = see.browse("/index.php", "/img/photo.jpg", jar=jar)
        rounds.append((answers, see.logged(answers)))
    pages = [answers[0].visit() for answers, _ in rounds]
    for answers, entries in rounds:
        part.equal("answers in one visit", [200, 200], [answer.status for answer in answers])
        part.equal("server by nginx's log and by X-Server", [answer.server for answer in answers],
                   [entry["server"] for entry in entries])  # fmt: skip
    ports = [answers[0].port for answers, _ in rounds]
    part.equal("new connections", VISITS, sum(answer.connects for answers, _ in rounds for answer in answers))
    part.equal("visit counter", list(range(1, VISITS + 1)), [page.get("visits") for page in pages])
    homes = [answers[0].server for answers, _ in rounds]
    part.equal("servers that saw the session", 1, len(set(homes)))
    images = [answers[1].server for answers, _ in rounds]
    part.equal("servers that sent images", sorted(see.pools["images"]), sorted(set(images)))
    home = homes[0]
    session = pages[0].get("session")
    given = [rounds[0][1][0]["set_cookie"].partition(";")[0]]
    got = [entries[0]["cookie"] for _, entries in rounds[1:]]
    part.equal("cookie set by the server (nginx's log)", [f"PHPSESSID={session}"], given)
    part.equal("cookie received by the server (nginx's log)", [f"PHPSESSID={session}"] * (VISITS - 1), got)
    name = f"DR{see.types['app']}{see.ids.get(home, '???')}D"
    cookies = read_jar(jar)
    part.equal("cookies in the browser's jar", {name: session}, cookies)

    part.line(f"{VISITS} visits, each on a new connection: first /index.php, then an image.")
    part.line(f"visit counter     {several(page.get('visits') for page in pages)}".ljust(36)
              + f"PHP by     {several(homes)}")  # fmt: skip
    part.line(f"client port       {ports[0]} ... {ports[-1]}".ljust(36) + f"images by  {several(images)}")
    shown = next(iter(cookies.items()), ("nothing", ""))
    part.line(f"browser's cookie  {shown[0]}={shown[1]}".ljust(58)
              + f"{see.types['app']} is PHP, {see.ids.get(home)} is {home}")  # fmt: skip
    part.line(f"server's cookie   {given[0]}".ljust(58) + "set and received, by nginx's log")
    return part


def read_jar(path):
    """Name and value of the cookies in a jar of curl's."""
    found = {}
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as source:
        for line in source:
            fields = line.rstrip("\n").split("\t")
            if len(fields) == 7:
                found[fields[5]] = fields[6]
    return found


def two_sessions(see):
    part = Part("(c) TWO SESSIONS OF THE SAME NAME: both pools set PHPSESSID on path /, one browser keeps both")
    jar = os.path.join(see.folder, "jar-c")
    pages = {"images": "/img/login.php", "app": "/index.php"}
    visits = {pool: [] for pool in pages}
    entries = {pool: [] for pool in pages}
    for _ in range(LOGINS):
        for pool, path in pages.items():
            answers = see.browse(path, jar=jar)
            visits[pool] += answers
            entries[pool] += see.logged(answers)
    cookies = read_jar(jar)
    part.equal("cookies in the browser's jar", 2, len(cookies))
    part.line(f"{'page':<15} {'pool':<7} {'server':<7}{'visits':<8}{'in the browser':<29}at the server (nginx's log)")
    for pool, path in pages.items():
        bodies = [answer.visit() for answer in visits[pool]]
        servers = [answer.server for answer in visits[pool]]
        server = servers[0]
        session = bodies[0].get("session", "")
        name = f"DR{see.types[pool]}{see.ids.get(server, '???')}D"
        part.equal(f"status of {path}", [200] * LOGINS, [answer.status for answer in visits[pool]])
        part.check(server in see.pools[pool], f"server of {path}", f"one of {see.pools[pool]}", server)
        logged = [entry["server"] for entry in entries[pool]]
        part.equal(f"servers of {path} by nginx's logs", [server] * LOGINS, logged)
        counted = [body.get("visits") for body in bodies]
        part.equal(f"visit counter of {path}", list(range(1, LOGINS + 1)), counted)
        part.equal(f"cookie {name} in the jar", session, cookies.get(name))
        for entry in entries[pool][1:]:
            sent = [cookie for cookie in entry["cookie"].split("; ") if cookie.startswith("PHPSESSID=")]
            part.equal(f"session cookie of {path} at the server", [f"PHPSESSID={session}"], sent)
        part.line(f"{path:<15} {pool:<7} {several(dict.fromkeys(servers)):<7}{several(counted):<8}"
                  f"{name}={session[:14]}...  PHPSESSID={session[:14]}...")  # fmt: skip
    part.line("Without the new names the second cookie would have replaced the first, and its session.")
    return part


def large_bodies(see):
    part = Part("(d) 20 MB EACH WAY, on connections that had moved to another server before")
    length = webserver.IMAGES["20m.bin"]
    digest = hashlib.sha256(webserver.image_bytes("20m.bin")).hexdigest()
    # The first request of each connection is for the other pool: what follows runs on a connection that has moved.
    answers = see.browse("/ping.php", "/img/20m.bin")
    entries = see.logged(answers)
    answer, server = answers[1], entries[-1]["server"] if entries else "nobody"
    found = hashlib.sha256(answer.body).hexdigest()
    part.equal("status of the download", 200, answer.status)
    part.equal("connections for the download", 1, sum(one.connects for one in answers))
    part.equal("length of the download", length, len(answer.body))
    part.equal("bytes sent by nginx's log", length, entries[-1]["body_bytes"] if entries else None)
    part.equal("SHA-256 of the download", digest, found)
    part.line(f"download  GET /img/20m.bin  {len(answer.body):,} bytes from {server} in {answer.seconds:4.1f} s")
    part.line(f"          SHA-256 at the client {found[:16]}...   of the file   {digest[:16]}...")

    sent = os.path.join(see.folder, "upload.bin")
    with open(sent, "wb") as out:
        out.write(hashlib.shake_256(os.urandom(16)).digest(length))
    digest = file_digest(sent)
    path = f"/upload/{digest[:12]}"
    answers = see.browse("/img/photo.jpg", (path, sent))
    entries = see.logged(answers)
    answer, server = answers[1], entries[-1]["server"] if entries else "nobody"
    stored = see.lab.path("servers", server, path[1:])
    found = file_digest(stored) if os.path.exists(stored) else f"no file at {server}"
    part.equal("status of the upload", 201, answer.status)
    part.equal("connections for the upload", 1, sum(one.connects for one in answers))
    part.check(server in see.pools["app"], "server of the upload", f"one of {see.pools['app']}", server)
    part.equal("SHA-256 of the file at the server", digest, found)
    stored_length = os.path.getsize(stored) if os.path.exists(stored) else 0
    part.equal("length of the file at the server", length, stored_length)
    part.line(f"upload    PUT /upload/...   {stored_length:,} bytes to   {server} in {answer.seconds:4.1f} s")
    part.line(f"          SHA-256 at the client {digest[:16]}...   at the server {found[:16]}...")
    return part


def file_digest(path):
    digest = hashlib.sha256()
    with open(path, "rb") as source:
        for block in iter(lambda: source.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


class Before:
    """The counters before the first part."""

    def __init__(self, see):
        self.ports = see.lab.port_counters()
        self.control = see.control_bytes()
        self.handshakes = see.handshakes()
        self.connects = see.kernel_count(CLIENT, "TcpActiveOpens")
        self.time_ns = time.time_ns()


def bytes_by_path(see, before):
    part = Part("(e) WHICH WAY THE BYTES WENT: answers go straight to the client, past the web switch")
    read, kernel = see.capture()
    ports = see.lab.port_counters()
    see.read_logs()

    def moved(host, counter):
        return ports[host].get(counter, 0) - before.ports[host].get(counter, 0)

    answers = sum(moved(server, "rx_bytes") for server in see.lab.servers())
    requests = sum(moved(server, "tx_bytes") for server in see.lab.servers())
    client_got = moved(CLIENT, "tx_bytes")
    control = sum(kernel) - sum(before.control)
    share = control / (answers + requests) if answers + requests else 1
    bodies = sum(entry["body_bytes"] for entry in see.entries)
    sent = sum(entry["length"] for entry in see.entries)
    part.check(answers >= bodies, "bytes from the servers' ports", f"at least the {bodies} of nginx's logs", answers)
    part.check(requests >= sent, "bytes to the servers' ports", f"at least the {sent} of nginx's logs", requests)
    # The client's ACKs and headers are small; answers flooded to all ports would be much more.
    most = sent * 1.1 + answers * 0.1
    part.check(requests <= most, "bytes to the servers' ports (no answers among them)", f"at most {most:.0f}", requests)
    part.check(client_got >= bodies, "bytes to the client's port", f"at least the {bodies} of nginx's logs", client_got)
    part.check(0 < share <= MOST_CONTROL_SHARE, "share of bytes through the web switch",
               f"more than 0, at most {MOST_CONTROL_SHARE:.0%}", f"{share:.3%}")  # fmt: skip
    part.equal("OpenFlow sessions in the capture", 1, len(read.sessions))
    part.equal("bytes of the OpenFlow session, kernel and tcpdump", kernel,
               (read.bytes_to_controller, read.bytes_from_controller))  # fmt: skip

    answers_shown = 0
    kinds = dict.fromkeys(("SYN", "request", "bounced", "other"), 0)
    server_ports = {see.lab.hosts[name]["port"] for name in see.lab.servers()}
    for message, port, frame in read.packet_ins():
        segment = frames.decode(frame)
        if segment and segment.source == see.vip and segment.payload:
            # Counted from the session's first byte on, not only from the first part.
            answers_shown += 1
        if message.time_ns < before.time_ns:
            continue
        if segment and segment.payload:
            kinds["bounced" if port in server_ports else "request"] += 1
        else:
            kinds["SYN" if segment and segment.flags & frames.SYN else "other"] += 1
    part.equal("packet-ins that carry bytes of an answer", 0, answers_shown)
    connects = see.kernel_count(CLIENT, "TcpActiveOpens") - before.connects
    part.check(kinds["SYN"] >= connects, "SYNs at the web switch", f"at least {connects}", kinds["SYN"])
    part.check(kinds["request"] >= connects, "requests at the web switch", f"at least {connects}", kinds["request"])
    accepted = {name: count - before.handshakes[name] for name, count in see.handshakes().items()}
    logged = {name: len({entry["connection"] for entry in see.entries if entry["server"] == name}) for name in accepted}
    part.equal("server connections by nstat and by nginx's logs", logged, accepted)
    ours = [entry for entry in see.entries if entry["client"] in see.clients]
    extra = [f"{entry['request']} from {entry['client']} at {entry['server']}" for entry in ours if not entry["taken"]]
    part.equal("requests in nginx's logs beyond those that curl sent", [], extra)
    part.equal("requests in nginx's logs", see.asked, len(ours))
    refused = [entry["request"] for entry in ours if not entry["status"].startswith("2")]
    part.equal("requests that nginx did not answer with 2xx", [], refused)

    openflow = see.lab.options["openflow"].rpartition(":")[2]
    part.line(f"servers -> client   direct            {size(answers):>9}           Open vSwitch's port counters")
    part.line(f"client -> servers   direct            {size(requests):>9}           the same; a proxy would carry both")
    part.line(f"through the web switch, both ways     {size(control):>9}  {share:6.2%}   "
              f"kernel counters, TCP port {openflow} (ss)")  # fmt: skip
    part.line(f"All the web switch saw, by tcpdump: {kinds['SYN']} SYNs, {kinds['request']} packets with a "
              f"request, {kinds['bounced']} that")  # fmt: skip
    part.line(f"a server's filter bounced, {kinds['other']} others (ACK, ARP). "
              f"Packets with bytes of an answer: {answers_shown}.")  # fmt: skip
    part.line(f"{connects} connections of a client became {sum(accepted.values())} at the servers (nstat), "
              f"{len(ours)} requests, each answered once.")  # fmt: skip
    return part


# ------------------------------------------------------------------------------------------ ports


def address(text):
    """A HOST:PORT option."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f'"{text}" is not HOST:PORT')
    return text


def is_free(text):
    host, _, port = text.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
            probe.listen()
        except OSError:
            return False
    return True


def choose(option, given, first):
    """The given address, or the first free one from a port on; never one that somebody uses."""
    if given is None:
        for port in range(first, first + 50):
            if is_free(f"127.0.0.1:{port}"):
                return f"127.0.0.1:{port}"
        raise DemoError(f"no free port from {first} to {first + 49} for {option}: give one")
    if not is_free(given):
        port = given.rpartition(":")[2]
        listening = subprocess.run(["ss", "-ltnpH", f"sport = :{port}"], stdout=subprocess.PIPE, text=True, check=False)
        user = re.search(r'\("([^"]+)",pid=(\d+)', listening.stdout)
        by = f" by {user.group(1)} (PID {user.group(2)})" if user else ""
        raise DemoError(f"{option} {given}: the port is taken{by}; give another one")
    return given


# ------------------------------------------------------------------------------------------ one run


@contextlib.contextmanager
def alone(prefix):
    """Keeps a second demo with the same prefix away; the kernel lets go of the lock when we die."""
    os.makedirs(labs.RUN, mode=0o755, exist_ok=True)
    with open(os.path.join(labs.RUN, f"{prefix}-demo.lock"), "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"another demo is running with --prefix {prefix}") from None
        yield


def clear_earlier(lab, folder, screen):
    """Removes what an earlier demo left; refuses to touch a lab that somebody else brought up."""
    keeper = lab.processes().get("keeper")
    if keeper and labs.alive(keeper):
        with open(f"/proc/{keeper['pid']}/cmdline", "rb") as source:
            ours = b"demo.py" in source.read()
        if not ours and lab.is_whole():
            raise DemoError(f'a lab "{lab.prefix}" is up: give another --prefix, or run '
                            f"./dwsr lab down --prefix {lab.prefix}")  # fmt: skip
    if os.path.isdir(lab.home):
        screen.progress("clearing away what an earlier demo left")
        with labs.locked(lab.prefix):
            labs.tear_down(lab)
        lab.load()
    shutil.rmtree(folder, ignore_errors=True)


class LabProgress(io.TextIOBase):
    """Stands in for standard output while the lab comes up: its lines become progress."""

    def __init__(self, screen):
        self.screen = screen

    def write(self, text):
        if text.strip():
            self.screen.progress(re.sub(r"^lab:\s+[\d.]+ s\s+", "lab: ", text.strip()))
        return len(text)


def start_capture(path, openflow):
    """Starts tcpdump on the OpenFlow port, before Open vSwitch connects: nothing may be missed."""
    # With -Z root it stays root: a change of user would undo setpriv's promise to end it with us. Without
    # --immediate-mode packets come up to 1 s late, but the buffer holds thousands of them instead of 64.
    child = subprocess.Popen(
        in_our_life(["tcpdump", "-Z", "root", "-i", "lo", "-n", "-U", "-s", "0", "-B", "16384", "-w", path,
                     "tcp", "port", openflow.rpartition(":")[2]]),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in child.stderr:
        if "listening on" in line:
            return child
    raise DemoError(f"tcpdump did not start ({child.wait()})")


def settle(lab, screen):
    """Waits until nothing is left of the questions that the lab itself asked while it came up.

    One that was given up before the filters were there lives on in the client's kernel, and would be counted with ours.
    """
    screen.progress("waiting for the end of the lab's own first connections")
    # What may still send a request; in the other states of closing a client has only its FIN left to send.
    states = [word for name in ("established", "syn-sent", "fin-wait-1") for word in ("state", name)]
    with contextlib.suppress(labs.LabError):
        labs.wait_until(
            lambda: not lab.run(CLIENT, "ss", "-tanH", *states).strip(), SETTLE_SECONDS, "connections"
        )


def run_parts(see, screen):
    """Runs all parts and shows each as soon as it is done. Returns them."""
    before = Before(see)
    pools = see.pools
    screen.say(screen.paint("1", f"DWSR: one address, http://{see.vip}/, and {SERVERS} web servers: "
                            f"{' '.join(pools['images'])} for images, {' '.join(pools['app'])} for PHP."))  # fmt: skip
    screen.say("The web switch reads a request, and migrates the TCP connection itself to a server that can answer;")
    screen.say("what the server answers goes straight to the client. curl, Open vSwitch, nginx and PHP, unmodified.")
    parts = []
    for doing, run in (
        ("(a) requests for both pools on one connection", lambda: one_connection(see)),
        ("(b) visits with a session cookie", lambda: session_cookie(see)),
        ("(c) two sessions of the same name", lambda: two_sessions(see)),
        ("(d) 20 MB down and 20 MB up", lambda: large_bodies(see)),
        ("(e) reading counters and the capture", lambda: bytes_by_path(see, before)),
    ):
        screen.progress(doing)
        try:
            part = run()
        except (DemoError, labs.LabError, frames.FormatError, subprocess.TimeoutExpired) as problem:
            part = Part(doing)
            part.check(False, "this part", "to run to its end", str(problem))
        parts.append(part)
        screen.show(part)
    return parts


def demonstrate(arguments, screen):
    lab = labs.Lab(arguments.prefix)
    folder = os.path.join(labs.RUN, f"{arguments.prefix}-demo")
    tcpdump = None
    parts = None
    keep = False
    with alone(arguments.prefix):
        clear_earlier(lab, folder, screen)
        try:
            openflow = choose("--openflow", arguments.openflow, 6753)
            control = choose("--control", arguments.control, 8880)
            metrics = choose("--metrics", arguments.metrics, 8930)
            os.makedirs(folder, mode=0o700)
            capture = os.path.join(folder, "openflow.pcap")
            tcpdump = start_capture(capture, openflow)
            with contextlib.redirect_stdout(LabProgress(screen)):
                labs.command_up(labs.parser().parse_args([
                    "up", "--prefix", arguments.prefix, "--servers", str(SERVERS), "--openflow", openflow,
                    "--control", control, "--metrics", metrics,
                ]))  # fmt: skip
            catch_signals()
            lab.load()
            settle(lab, screen)
            parts = run_parts(Witness(lab, folder, capture), screen)
            keep = arguments.keep
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            if not keep and os.path.isdir(lab.home):
                screen.progress("removing the lab")
            if tcpdump:
                tcpdump.terminate()
                tcpdump.wait()
            if parts is None or any(part.failures for part in parts):
                keep_evidence(lab, folder, screen)
            if not keep:
                with labs.locked(lab.prefix):
                    labs.tear_down(lab)
            shutil.rmtree(folder, ignore_errors=True)
            screen.clear()
    return conclude(arguments, parts, screen)


def keep_evidence(lab, folder, screen):
    """Saves the logs of a run that failed, where the lab saves its own."""
    if not os.path.isdir(lab.path("log")):
        return
    kept = os.path.join(labs.RUN, lab.prefix + ".failed")
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(lab.path("log"), kept)
    with contextlib.suppress(OSError):
        shutil.copy(os.path.join(folder, "openflow.pcap"), kept)
        for server in lab.servers():
            shutil.copy(lab.path("servers", server, "access.log"), os.path.join(kept, f"access-{server}.log"))
    screen.clear()
    print(f"demo: the logs of this run are in {kept}", file=sys.stderr)


def conclude(arguments, parts, screen):
    screen.say()
    failures = sum(len(part.failures) for part in parts)
    checks = sum(part.checks for part in parts)
    seconds = time.monotonic() - screen.started
    if failures:
        screen.say(screen.paint("31;1", f"FAILED: {failures} of {checks} checks") + f", {seconds:.0f} s")
    else:
        end = "the lab is still up" if arguments.keep else "the lab is gone again"
        verdict = screen.paint("32;1", f"All {checks} checks are true")
        screen.say(f"{verdict}, {seconds:.0f} s; {end}. To look further:")
    option = f" --prefix {arguments.prefix}" if arguments.keep else ""
    lines = [] if arguments.keep else [("./dwsr lab up", "the same network, to try yourself")]
    lines += [
        (f"./dwsr lab exec{option} c1 -- curl -i http://{labs.VIP}/", "ask it something"),
        (f"./dwsr lab capture{option}", "a migrated request, by packets"),
        (f"./dwsr lab status{option}", "hosts, processes, flows, bytes"),
        (f"./dwsr lab down{option}", "remove it"),
        ("./dwsr test", "all tests"),
    ]
    for command, text in lines:
        screen.say(f"    {command:<{50 + len(option)}} {text}")
    return 1 if failures else 0


# ------------------------------------------------------------------------------------------ main


def catch_signals():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, labs.interrupt)


def parser():
    top = argparse.ArgumentParser(
        prog="dwsr demo",
        description="Brings a lab up, shows on one screen what DWSR does, checks every figure, and cleans up. "
        "Exit code 0: all is true; 1: something is not.",
    )
    top.add_argument("--prefix", default="demo", help="the lab's name (default: demo)")
    top.add_argument("--keep", action="store_true", help="leave the lab up at the end, to look further")
    for option, text in (
        ("--openflow", "where Open vSwitch finds the web switch"),
        ("--control", "where the filters find it"),
        ("--metrics", "where the filters' counters are"),
    ):
        top.add_argument(option, type=address, metavar="HOST:PORT", help=f"{text} (default: a free port)")
    return top


def main(words):
    arguments = parser().parse_args(words)
    # A proxy of this machine's is none of the lab's.
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    screen = Screen()
    deadline = time.monotonic() + DEADLINE_SECONDS

    def every_second(_number, _frame):
        if time.monotonic() > deadline:
            raise DemoError(f"gave up after {DEADLINE_SECONDS} s while doing: {screen.doing}")
        screen.tick()

    signal.signal(signal.SIGALRM, every_second)
    signal.setitimer(signal.ITIMER_REAL, 1, 1)
    catch_signals()
    try:
        return demonstrate(arguments, screen)
    except (DemoError, labs.LabError) as problem:
        screen.clear()
        print(f"dwsr demo: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupted:
        screen.clear()
        print("dwsr demo: interrupted; everything is removed", file=sys.stderr)
        number = interrupted.args[0] if interrupted.args else signal.SIGINT
        return 128 + number
    except BrokenPipeError:
        # Whoever read the screen has gone; the lab has been removed all the same.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
