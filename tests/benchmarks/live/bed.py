"""The test bed of the live benchmarks: three network namespaces, a filter process between two of them, and its web switch.

    client namespace                filter namespace                server namespace
    via0 ------------------- net0 [ filter process ] host0 ------------------- via0
    bare0 ------------------------------------------------------------------- bare0

Both ways lead from the same client to the same server; the upper one has the filter and one more veth pair. Which one a
connection takes is the client's route to the VIP. Nothing else is different: the same namespaces, offloads, TCP settings
and web server. All neighbours are static, IPv6 is off.
"""

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, os.path.join(CHECKOUT, "mininet"))

import lab  # noqa: E402

VIP = "10.9.0.100"
VMAC = "02:00:5e:00:01:64"
CLIENT = {"via0": "10.0.0.1", "bare0": "10.0.1.1"}
SERVER = {"via0": "10.0.0.2", "bare0": "10.0.1.2"}
CLIENT_MAC = {"via0": "02:62:00:00:00:c1", "bare0": "02:62:00:00:01:c1"}
SERVER_MAC = {"via0": "02:62:00:00:00:51", "bare0": "02:62:00:00:01:51"}
# A client that is no kernel: nothing answers for it.
RAW_CLIENT = "10.0.0.77"
RAW_CLIENT_MAC = "02:62:00:00:00:77"
SERVICE_PORT = 80
SINK_PORT = 81
SERVER_OF_PORT, CLIENT_OF_PORT = 3, 1
START_SECONDS = 30
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    """Something the user is told in one line."""


class Interrupted(Exception):
    """SIGTERM, SIGHUP or Ctrl-C."""


def interrupt(*_):
    raise Interrupted


def run(*words):
    """Runs a command that must succeed; returns its standard output."""
    try:
        return lab.output(*words)
    except lab.LabError as problem:
        raise BenchError(str(problem)) from None


def until(condition, seconds, what):
    """Waits for a condition and returns its first true value."""
    try:
        return lab.wait_until(condition, seconds, what)
    except lab.LabError as problem:
        raise BenchError(str(problem)) from None


def document():
    """The web switch's configuration: one server, one pool, a service for requests and one for uploads."""
    match = [{"id": "018", "match": [{"path": "/*"}], "pool": "web"}]
    return {
        "vip": VIP,
        "vmac": VMAC,
        "services": [
            {"port": port, "handshake": "proxy", "requests": "guard", "contentTypes": match, "otherwise": "018"}
            for port in (SERVICE_PORT, SINK_PORT)
        ],
        "pools": [{"name": "web", "schedule": "rr", "servers": ["s1"]}],
        "servers": [
            {"name": "s1", "id": "9C1", "mac": SERVER_MAC["via0"], "attachment": f"of:{1:016x}/{SERVER_OF_PORT}"}
        ],
        "clients": [f"of:{1:016x}/{CLIENT_OF_PORT}"],
        "sessionCookies": ["PHPSESSID"],
    }


class Bed:
    """Namespaces, processes and files of one run; a context manager that leaves nothing behind.

    A run that was killed is cleared away by the next one with the same prefix: everything in the three namespaces
    belongs to it.
    """

    def __init__(self, prefix):
        if not re.fullmatch(r"[a-z][a-z0-9]{1,5}", prefix):
            raise BenchError(f'--prefix "{prefix}": 2 to 6 of a-z and 0-9, a letter first')
        self.client, self.middle, self.server = (f"{prefix}-{part}" for part in ("client", "filter", "server"))
        self.namespaces = (self.client, self.middle, self.server)
        self.home = os.path.join(lab.RUN, f"bench-{prefix}")
        self.lock = lab.locked(f"bench-{prefix}")
        self.processes = {}

    def __enter__(self):
        self.lock.__enter__()
        try:
            self._clear()
            os.makedirs(os.path.join(self.home, "log"), mode=0o755)
            self._make_network()
            return self
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def __exit__(self, *_):
        # A second Ctrl-C must not leave half of it.
        former = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._clear()
        finally:
            self.lock.__exit__(None, None, None)
            for number, handler in former.items():
                signal.signal(number, handler)

    # ---- the network

    def _clear(self):
        present = {line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.strip()}
        for name in self.namespaces:
            if name in present:
                pids = [int(pid) for pid in run("ip", "netns", "pids", name).split()]
                lab.end([{"pid": pid, "start": lab.start_time(pid)} for pid in pids if pid != os.getpid()])
        for name in self.namespaces:
            if name in present:
                run("ip", "netns", "del", name)
        for child in self.processes.values():
            child.wait()
        self.processes = {}
        shutil.rmtree(self.home, ignore_errors=True)

    def _make_network(self):
        for name in self.namespaces:
            run("ip", "netns", "add", name)
        with lab_topology().allowed("cubic"):
            for name in self.namespaces:
                self._settings(
                    name,
                    "net.ipv4.conf.all.rp_filter=0",
                    "net.ipv4.conf.default.rp_filter=0",
                    *(
                        ["net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"]
                        if os.path.exists("/proc/net/if_inet6")
                        else []
                    ),
                    # Through the web switch's own handshake there are none either.
                    "net.ipv4.tcp_timestamps=0",
                    "net.ipv4.tcp_congestion_control=cubic",
                )
                run("ip", "-n", name, "link", "set", "lo", "up")
        self._join(self.client, "via0", CLIENT_MAC["via0"], self.middle, "net0", None)
        self._join(self.server, "via0", SERVER_MAC["via0"], self.middle, "host0", None)
        self._join(self.client, "bare0", CLIENT_MAC["bare0"], self.server, "bare0", SERVER_MAC["bare0"])
        for name in ("via0", "bare0"):
            run("ip", "-n", self.client, "addr", "add", CLIENT[name] + "/24", "dev", name)
            run("ip", "-n", self.server, "addr", "add", SERVER[name] + "/24", "dev", name)
            self._neighbour(self.client, name, VIP, SERVER_MAC[name])
            self._neighbour(self.client, name, SERVER[name], SERVER_MAC[name])
            self._neighbour(self.server, name, CLIENT[name], CLIENT_MAC[name])
        self._neighbour(self.server, "via0", RAW_CLIENT, RAW_CLIENT_MAC)
        run("ip", "-n", self.server, "addr", "add", f"{VIP}/32", "dev", "lo")
        self._settings(self.server, "net.core.somaxconn=4096", "net.ipv4.tcp_max_syn_backlog=4096")
        self.go("bare0")

    def _join(self, one, one_name, one_mac, other, other_name, other_mac):
        words = ["ip", "link", "add", one_name, "netns", one, "address", one_mac, "type", "veth"]
        words += ["peer", "name", other_name, "netns", other]
        run(*words, *(["address", other_mac] if other_mac else []))
        run("ip", "-n", one, "link", "set", one_name, "up")
        run("ip", "-n", other, "link", "set", other_name, "up")

    @staticmethod
    def _settings(namespace, *settings):
        run("ip", "netns", "exec", namespace, "sysctl", "-q", "-w", *settings)

    @staticmethod
    def _neighbour(namespace, interface, address, mac):
        run("ip", "-n", namespace, "neigh", "replace", address, "lladdr", mac, "dev", interface, "nud", "permanent")

    def go(self, interface):
        """Has the client's next connections to the VIP leave by via0 (the filter's way) or bare0."""
        run("ip", "-n", self.client, "route", "replace", f"{VIP}/32", "dev", interface)

    # ---- processes

    def path(self, *names):
        return os.path.join(self.home, *names)

    def spawn(self, role, namespace, words, environment=None):
        """Starts a process in a namespace; its output goes to log/ROLE.log."""
        with open(self.path("log", role + ".log"), "ab") as log:
            self.processes[role] = subprocess.Popen(
                ["ip", "netns", "exec", namespace, *words],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.home,
                env={**os.environ, **(environment or {})},
            )  # fmt: skip
        return self.processes[role]

    def check(self):
        """Fails if one of the processes has died."""
        for role, child in self.processes.items():
            if child.poll() is not None:
                with open(self.path("log", role + ".log"), encoding="utf-8", errors="replace") as log:
                    last = log.read().strip().splitlines()[-5:]
                raise BenchError(f"the {role} has ended ({child.returncode}): " + " / ".join(last))

    def start_filter(self, java_options=None):
        """Starts web switch and filter, and waits until the filter is configured and has both interfaces."""
        dwsr = os.path.join(CHECKOUT, "dwsr")
        with open(self.path("dwsr.json"), "w", encoding="utf-8") as out:
            json.dump(document(), out, indent=1)
        with open(os.open(self.path("key"), os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as out:
            out.write(os.urandom(24).hex() + "\n")
        with open(self.path("filter.json"), "w", encoding="utf-8") as out:
            ports = [{"server": "s1", "network": "net0", "host": "host0"}]
            json.dump({"controllers": ["http://127.0.0.1:8780"], "keyFile": "key", "metrics": "127.0.0.1:8790", "ports": ports}, out)
        built = {"DWSR_BUILT": "1"}
        self.spawn(
            "web switch", self.middle,
            [dwsr, "controller", "--config", self.path("dwsr.json"), "--key-file", self.path("key"),
             "--state-dir", self.path("state"), "--openflow", "127.0.0.1:6653", "--control", "127.0.0.1:8780"],
            built,
        )  # fmt: skip
        options = {"DWSR_JAVA_OPTS": java_options} if java_options else {}
        self.spawn("filter", self.middle, [dwsr, "filter", "--config", self.path("filter.json")], {**built, **options})
        until(self._filter_ready, START_SECONDS, "the filter is configured and has both interfaces")

    def _filter_ready(self):
        self.check()
        try:
            state = json.loads(self.fetch("http://127.0.0.1:8790/healthz"))["servers"]["s1"]
        except (OSError, ValueError):
            return False
        return state["network"] and state["host"] and state["configured"]

    def fetch(self, url):
        """What an HTTP server in the filter's namespace answers."""
        with inside(self.middle), urllib.request.urlopen(url, timeout=5) as page:
            return page.read().decode()

    def counters(self):
        """The filter's counters by name."""
        page = self.fetch("http://127.0.0.1:8790/metrics")
        found = re.findall(r'^dwsr_filter_(\w+)\{server="s1"\} (\S+)$', page, re.M)
        return {name: int(float(value)) for name, value in found}

    def filter_cpu_ns(self):
        """CPU time of the filter: (of its one packet thread, of the whole process), ns, the kernel's part included."""
        pid = self.processes["filter"].pid
        agent = total = 0
        for thread in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{thread}/comm", encoding="utf-8") as source:
                    name = source.read().strip()
                with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as source:
                    spent = int(source.read().split()[0])
            except OSError:
                continue  # a thread that ends meanwhile
            total += spent
            agent += spent if name == "dwsr-agent" else 0
        return agent, total

    def tcp_counters(self, namespace):
        """The TCP row of a namespace's /proc/net/snmp by name."""
        with inside(namespace), open("/proc/thread-self/net/snmp", encoding="ascii") as source:
            rows = [line.split() for line in source if line.startswith("Tcp:")]
        return dict(zip(rows[0][1:], (int(value) for value in rows[1][1:])))


def lab_topology():
    """The lab's topology module, loaded when it is needed: it needs Mininet."""
    import topology

    return topology


@contextlib.contextmanager
def inside(namespace):
    """Has this thread work in a network namespace; sockets that it opens there stay there."""
    with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{namespace}", "rb") as away:
        _enter(away.fileno())
        try:
            yield
        finally:
            _enter(home.fileno())


def _enter(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise BenchError(f"setns: {os.strerror(ctypes.get_errno())}")


SO_ATTACH_FILTER = 26
SOL_PACKET = 263
PACKET_IGNORE_OUTGOING = 23
ETH_P_ALL = 3


def packet_socket(namespace, interface, program=None):
    """A raw socket on an interface; receives only what arrives there and passes a classic BPF program, without one
    nothing.

    program: instructions as (code, true jump, false jump, operand), from linux/filter.h
    """
    with inside(namespace):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        if program is not None:
            sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            code = b"".join(ctypes.string_at(ctypes.addressof(_Instruction(*one)), 8) for one in program)
            memory = ctypes.create_string_buffer(code, len(code))
            filter_program = _Program(len(program), ctypes.addressof(memory))
            sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(filter_program))
        sock.bind((interface, ETH_P_ALL if program is not None else 0))
    return sock


class _Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


class Foreign:
    """How much of the machine somebody else had since this was made: CPU time that is not the bed's, not this process's
    and not that of its ended children."""

    def __init__(self, bed):
        self.bed = bed
        self.began = time.monotonic()
        self.busy, self.own = busy_ns(), own_ns(bed)

    def percent(self):
        """Of all CPUs, in percent; the machine's accounting is a little coarse, so never below 0."""
        took = (time.monotonic() - self.began) * 1e9 * os.cpu_count()
        others = busy_ns() - self.busy - (own_ns(self.bed) - self.own)
        return max(0.0, 100 * others / took)


def busy_ns():
    """CPU time that was spent on the machine since it was started, other guests of the host included."""
    with open("/proc/stat", encoding="ascii") as source:
        user, nice, system, _, _, irq, softirq, steal = (int(value) for value in source.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def own_ns(bed):
    """CPU time of the bed's processes, of this one, and of its ended children."""
    times = os.times()
    spent = int((times.user + times.system + times.children_user + times.children_system) * 1e9)
    for namespace in bed.namespaces:
        for pid in run("ip", "netns", "pids", namespace).split():
            try:
                threads = os.listdir(f"/proc/{pid}/task")
            except OSError:
                continue  # it has ended, and counts as a child
            for thread in threads:
                with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as source:
                    spent += int(source.read().split()[0])
    return spent


class Patience:
    """Takes samples again while somebody else works on the machine, as long as the patience lasts.

    seconds: in all; limit_percent: how much of the machine others may have during a sample
    """

    def __init__(self, bed, seconds, say, limit_percent=5.0):
        self.bed, self.left, self.say, self.limit = bed, seconds, say, limit_percent
        self.foreign = []

    def take(self, sample):
        """The sample's value, from a quiet time if there was one."""
        while True:
            foreign = Foreign(self.bed)
            value = sample()
            percent = foreign.percent()
            if percent <= self.limit or self.left <= 0:
                self.foreign.append(percent)
                return value
            self.left -= time.monotonic() - foreign.began
            self._await_quiet()
            if self.left <= 0:
                self.say("others are at work all the time: going on with samples as they are")

    def _await_quiet(self):
        while self.left > 0:
            foreign = Foreign(self.bed)
            time.sleep(0.25)
            self.left -= time.monotonic() - foreign.began
            if foreign.percent() <= self.limit:
                return

    def text(self):
        """What to say about it with the result."""
        worst = max(self.foreign)
        middle = sorted(self.foreign)[len(self.foreign) // 2]
        return f"others had {middle:.1f} % of the machine meanwhile (median of samples; at most {worst:.1f} %)"
