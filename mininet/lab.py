"""The lab: clients, one Open vSwitch, web servers behind their host filters, the web switch. Run by ./dwsr lab.

The network is made with Mininet by a process of its own, the keeper, which holds it until "lab down". Everything
the lab owns is written down under /run/dwsr/PREFIX as it comes into being, so that "down" and the next "up" can
clear away a lab that was killed half-way. Only recorded processes and processes inside the lab's own network
namespaces are ever ended.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import webserver  # noqa: E402

CHECKOUT = os.path.dirname(HERE)
RUN = "/run/dwsr"
RECEIVE_BUFFER = "/proc/sys/net/core/rmem_default"
RECEIVE_BUFFER_SAVED = os.path.join(RUN, "rmem_default.saved")
RECEIVE_BUFFER_BYTES = 16 << 20
VIP = "10.0.0.100"
VIP6 = "fd00::100"
VMAC = "02:00:5e:00:01:64"
CLIENTS = 2
MAX_SERVERS = 32
UP_DEADLINE_SECONDS = 60


class LabError(Exception):
    """Something the user is told in one line."""


# ------------------------------------------------------------------------------------------ processes


def start_time(pid):
    """When a process started, in clock ticks since boot; None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def alive(process):
    """Tells whether a recorded process still runs; a process id that was given to another one does not count."""
    return start_time(process["pid"]) == process["start"]


def end(processes, patience_seconds=3.0):
    """Ends recorded processes: SIGTERM, then SIGKILL. Returns when none is left."""
    for kill, patience in ((signal.SIGTERM, patience_seconds), (signal.SIGKILL, 5.0)):
        for process in processes:
            if alive(process):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process["pid"], kill)
        deadline = time.monotonic() + patience
        while any(alive(process) for process in processes):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)


def namespace_of(pid):
    """The inode of a process's network namespace, or None."""
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return None


def wait_until(condition, seconds, what):
    """Waits for a condition and returns its first true value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f"gave up after {seconds} s: {what}")
        time.sleep(0.05)


def output(*words, **options):
    """The standard output of a command that must succeed."""
    options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **options)
    if done.returncode != 0:
        raise LabError(f"{' '.join(words)} failed ({done.returncode}): {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


# ------------------------------------------------------------------------------------------ the lab's record


class Lab:
    """One lab as recorded under /run/dwsr/PREFIX."""

    def __init__(self, prefix="dw"):
        if not re.fullmatch(r"[a-z][a-z0-9]{1,5}", prefix):
            raise LabError(f'--prefix "{prefix}": 2 to 6 of a-z and 0-9, a letter first')
        self.prefix = prefix
        self.home = os.path.join(RUN, prefix)
        self.bridge = f"{prefix}0"
        self.record = {}
        self.starting = self.leaving = False
        self.load()

    def path(self, *names):
        return os.path.join(self.home, *names)

    def load(self):
        try:
            with open(self.path("lab.json"), encoding="utf-8") as source:
                self.record = json.load(source)
        except (OSError, ValueError):
            self.record = {}
        return self

    def save(self):
        temporary = self.path("lab.json.new")
        with open(temporary, "w", encoding="utf-8") as out:
            json.dump(self.record, out, indent=1)
        os.rename(temporary, self.path("lab.json"))

    @property
    def options(self):
        return self.record["options"]

    @property
    def hosts(self):
        return self.record.get("hosts", {})

    def servers(self):
        return [name for name, host in self.hosts.items() if host["kind"] == "server"]

    def clients(self):
        return [name for name, host in self.hosts.items() if host["kind"] == "client"]

    def enter(self, name):
        """The command prefix that runs a command inside a host."""
        host = self.hosts.get(name)
        if host is None:
            raise LabError(f'no host "{name}"; there are {", ".join(self.hosts) or "none: the lab is down"}')
        if not alive(host):
            raise LabError(f"host {name} has died: run ./dwsr lab up again")
        return ["mnexec", "-a", str(host["pid"])]

    def run(self, name, *words, **options):
        """Runs a command inside a host and returns its standard output; it must succeed."""
        return output(*self.enter(name), *words, **options)

    def processes(self):
        """Recorded processes by role, the newest of each role last in the file winning."""
        found = {}
        with contextlib.suppress(OSError), open(self.path("processes"), encoding="utf-8") as source:
            for line in source:
                with contextlib.suppress(ValueError):
                    process = json.loads(line)
                    found[process["role"]] = process
        return found

    def note(self, role, pid):
        """Records a process at once: what is not recorded cannot be cleared away after a crash."""
        process = {"role": role, "pid": pid, "start": start_time(pid)}
        with open(self.path("processes"), "a", encoding="utf-8") as out:
            out.write(json.dumps(process) + "\n")
        return process

    def spawn(self, role, words, environment=None):
        """Starts a process that outlives this one; its output goes to log/ROLE.log."""
        # A keeper that is told to leave now does so when the process is recorded (see keeper_main).
        self.starting = True
        with open(self.path("log", role.replace(" ", "-") + ".log"), "ab") as log:
            child = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.home,
                env={**os.environ, **(environment or {})},
            )
        self.note(role, child.pid)
        self.starting = False
        if self.leaving:
            os._exit(0)
        return child

    def is_whole(self):
        """Tells whether the lab is up and no part of it has died."""
        if not self.record.get("ready"):
            return False
        return all(alive(process) for process in [*self.processes().values(), *self.hosts.values()])

    # The web switch and the filters, also for tests that end and restart them.

    def start_controller(self):
        return self.spawn(
            "controller",
            [
                os.path.join(CHECKOUT, "dwsr"), "controller",
                "--config", self.path("dwsr.json"),
                "--key-file", self.path("key"),
                "--state-dir", self.path("state"),
                "--openflow", self.options["openflow"],
                "--control", self.options["control"],
            ],
            {"DWSR_BUILT": "1"},
        )  # fmt: skip

    def start_filter(self, faults=None):
        """Starts the filters; with faults (a specification as for ./dwsr filter --faults), for tests."""
        faults = faults or self.options["faults"]
        return self.spawn(
            "filter",
            [
                os.path.join(CHECKOUT, "dwsr"), "filter", "--config", self.path("filter.json"),
                *(["--faults", faults] if faults else []),
            ],
            {"DWSR_BUILT": "1"},
        )  # fmt: skip

    @property
    def wired(self):
        """Whether each client has a wire before it."""
        return needs_wire(self.options)

    def start_wire(self, delay_ms=None, faults=None):
        """Starts the process that is all clients' wires; None stands for what the lab was brought up with."""
        delay_ms = self.options["client_delay_ms"] if delay_ms is None else delay_ms
        faults = self.options["client_faults"] if faults is None else faults
        pairs = []
        for name in self.clients():
            pairs += ["--pair", f"{name}={self.hosts[name]['network']},{self.hosts[name]['host']}"]
        return self.spawn(
            "wire",
            [
                os.path.join(CHECKOUT, "dwsr"), "wire", *pairs, "--delay-ms", str(delay_ms or 0),
                "--metrics", self.options["wire_metrics"], *(["--faults", faults] if faults else []),
            ],
            {"DWSR_BUILT": "1"},
        )  # fmt: skip

    def wire_carries(self):
        """Whether the wires have their interfaces."""
        try:
            with urllib.request.urlopen(f"http://{self.options['wire_metrics']}/healthz", timeout=2) as page:
                states = json.load(page)["servers"].values()
        except (OSError, ValueError):
            return False
        return all(state["network"] and state["host"] for state in states)

    def connected(self):
        """Tells whether Open vSwitch has an OpenFlow session with the web switch."""
        done = subprocess.run(
            ["ovs-vsctl", "--timeout=5", "--bare", "--columns=is_connected", "find", "controller",
             f'target="tcp:{self.options["openflow"]}"'],
            stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        return "true" in done.stdout.split()

    def filter_counters(self):
        """The filters' counter page, or None."""
        return counter_page(self.options["metrics"])

    def wire_counters(self):
        """The wires' counter page, or None."""
        return counter_page(self.options["wire_metrics"])

    def flows(self):
        """The bridge's flows as text lines, without the header."""
        text = output("ovs-ofctl", "-O", "OpenFlow13", "dump-flows", self.bridge)
        return [line.strip() for line in text.splitlines() if "cookie=" in line]

    def port_counters(self):
        """Open vSwitch's counters of each host's port: rx and tx as the bridge sees them."""
        text = output("ovs-ofctl", "-O", "OpenFlow13", "dump-ports", self.bridge)
        by_port = {}
        port = None
        for line in text.splitlines():
            head = re.match(r'\s*port\s+"?([^":]+)"?:\s', line)
            if head:
                port = head.group(1)
            side = re.search(r"\b(rx|tx) pkts=(\d+), bytes=(\d+)", line)
            if side and port:
                counters = by_port.setdefault(port, {})
                counters[side.group(1) + "_packets"] = int(side.group(2))
                counters[side.group(1) + "_bytes"] = int(side.group(3))
        named = {}
        for name, host in self.hosts.items():
            named[name] = by_port.get(host["ovs"]) or by_port.get(str(host["port"])) or {}
        return named


def counter_page(address):
    """The counters that a process serves at HOST:PORT as text, or None."""
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=2) as page:
            return page.read().decode()
    except OSError:
        return None


def needs_wire(options):
    return bool(options.get("client_delay_ms") or options.get("client_faults"))


# ------------------------------------------------------------------------------------------ locks and the receive buffer


@contextlib.contextmanager
def locked(name):
    """Holds a lock file; its descriptor is passed on to nobody."""
    os.makedirs(RUN, mode=0o755, exist_ok=True)
    with open(os.path.join(RUN, name + ".lock"), "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("lab: waiting for another lab command to finish", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def restore_receive_buffer():
    """Puts net.core.rmem_default back if a run that was killed left it raised."""
    with contextlib.suppress(OSError):
        with open(RECEIVE_BUFFER_SAVED, encoding="ascii") as saved:
            value = saved.read().strip()
        if value.isdigit():
            with open(RECEIVE_BUFFER, "w", encoding="ascii") as setting:
                setting.write(value)
        os.unlink(RECEIVE_BUFFER_SAVED)


@contextlib.contextmanager
def raised_receive_buffer():
    """Raises net.core.rmem_default: an AF_PACKET port of Open vSwitch keeps what it is when the port is added."""
    with locked("rmem_default"):
        restore_receive_buffer()
        with open(RECEIVE_BUFFER, encoding="ascii") as setting:
            value = setting.read()
        if int(value) >= RECEIVE_BUFFER_BYTES:
            yield
            return
        with open(RECEIVE_BUFFER_SAVED + ".new", "w", encoding="ascii") as saved:
            saved.write(value)
        os.rename(RECEIVE_BUFFER_SAVED + ".new", RECEIVE_BUFFER_SAVED)
        try:
            with open(RECEIVE_BUFFER, "w", encoding="ascii") as setting:
                setting.write(str(RECEIVE_BUFFER_BYTES))
            yield
        finally:
            restore_receive_buffer()


# ------------------------------------------------------------------------------------------ configuration documents


def server_id(number):
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return "9C" + digits[number]


def default_document(servers, requests, handshake):
    """The lab's configuration: the first half of the servers serve images, the others the application."""
    half = (servers + 1) // 2
    names = [f"s{number}" for number in range(1, servers + 1)]
    return {
        "vip": VIP,
        # A kernel may be without IPv6.
        **({"vip6": VIP6} if os.path.exists("/proc/net/if_inet6") else {}),
        "vmac": VMAC,
        "services": [
            {
                "port": 80,
                "handshake": handshake,
                "requests": requests,
                "contentTypes": [
                    {
                        "id": "018",
                        "match": [{"path": "/img/*"}] + [{"extension": kind} for kind in ("jpg", "png", "bin")],
                        "pool": "images",
                    },
                    {"id": "020", "match": [{"extension": "php"}, {"path": "/upload/*"}], "pool": "app"},
                ],
                "otherwise": "020",
            }
        ],
        "pools": [
            {"name": "images", "schedule": "rr", "servers": names[:half]},
            {"name": "app", "schedule": "rr", "servers": names[half:] or names},
        ],
        "servers": [{"name": name, "id": server_id(number)} for number, name in enumerate(names, 1)],
        "sessionCookies": ["PHPSESSID", "JSESSIONID", "ASP.NET_SessionId", "__Host-APPSESSION"],
    }


def make_document(options, hosts):
    """The configuration with this lab's MACs and attachments filled in."""
    if options["document"] is None:
        document = default_document(options["servers"], options["requests"] or "guard", options["handshake"] or "proxy")
    else:
        document = options["document"]
        for field in ("requests", "handshake"):
            for service in document.get("services", []):
                service[field] = options[field] or service.get(field)
                if service[field] is None:
                    del service[field]
    for server in document.get("servers", []):
        host = hosts.get(server.get("name"))
        if host is None or host["kind"] != "server":
            raise LabError(
                f'--config: the lab has no server "{server.get("name")}"; with --servers {options["servers"]} '
                f"they are called s1 to s{options['servers']}"
            )
        server["mac"] = host["mac"]
        server["attachment"] = f"of:{1:016x}/{host['port']}"
    document["clients"] = [f"of:{1:016x}/{host['port']}" for host in hosts.values() if host["kind"] == "client"]
    return document


def write_documents(lab, document):
    with open(lab.path("dwsr.json"), "w", encoding="utf-8") as out:
        json.dump(document, out, indent=2)
    with open(os.open(lab.path("key"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as out:
        out.write(os.urandom(24).hex() + "\n")
    filter_document = {
        "controllers": [f"http://{lab.options['control']}"],
        "keyFile": lab.path("key"),
        "metrics": lab.options["metrics"],
        "ports": [
            {"server": name, "network": lab.hosts[name]["network"], "host": lab.hosts[name]["host"]}
            for name in lab.servers()
        ],
    }
    with open(lab.path("filter.json"), "w", encoding="utf-8") as out:
        json.dump(filter_document, out, indent=2)


# ------------------------------------------------------------------------------------------ without a controller


def join_filters(lab):
    """Puts a plain Linux bridge in each filter's place."""
    for name in lab.servers():
        bridge = f"{lab.prefix}-{name}b"
        output("ip", "link", "add", bridge, "type", "bridge")
        output("sysctl", "-q", "-w", f"net/ipv6/conf/{bridge}/disable_ipv6=1", f"net/ipv4/conf/{bridge}/arp_ignore=8")
        for side in ("network", "host"):
            output("ip", "link", "set", lab.hosts[name][side], "master", bridge)
        output("ip", "link", "set", bridge, "up")


def static_flows(lab, document):
    """Layer 4 direct routing without a controller: the client's port number chooses the server."""
    vip, vmac = document["vip"], document["vmac"]
    hex_vip = "0x" + "".join(f"{int(part):02x}" for part in vip.split("."))
    hex_vmac = "0x" + vmac.replace(":", "")
    servers = [lab.hosts[name] for name in lab.servers()]
    ways = 1
    while ways < len(servers):
        ways *= 2
    flows = [
        "priority=0,actions=NORMAL",
        f"priority=450,arp,arp_spa={vip},actions=drop",
        f"priority=440,arp,arp_tpa={vip},arp_op=1,actions="
        "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],"
        f"set_field:{vmac}->eth_src,set_field:2->arp_op,"
        "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],"
        f"load:{hex_vmac}->NXM_NX_ARP_SHA[],load:{hex_vip}->NXM_OF_ARP_SPA[],in_port",
    ]
    for way in range(ways):
        host = servers[way % len(servers)]
        flows.append(
            f"priority=200,tcp,nw_dst={vip},tcp_dst=80,tcp_src={way:#x}/{ways - 1:#x},"
            f"actions=set_field:{host['mac']}->eth_dst,output:{host['port']}"
        )
    for host in servers:
        flows.append(f"priority=100,ip,in_port={host['port']},nw_src={vip},actions=NORMAL")
    output("ovs-ofctl", "-O", "OpenFlow13", "add-flows", lab.bridge, "-", input="\n".join(flows) + "\n", stdin=None)


# ------------------------------------------------------------------------------------------ down


def processes_inside(lab):
    """Processes in the lab's own network namespaces, told by inode and by the MAC of their eth0."""
    ours = {host["ns"]: host["mac"] for host in lab.hosts.values() if host.get("ns")}
    root = namespace_of("self")
    found = []
    verified = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        inode = namespace_of(entry)
        if inode is None or inode == root or inode not in ours:
            continue
        if inode not in verified:
            # The inode of a namespace that is gone may have been given to somebody else's.
            shown = subprocess.run(
                ["nsenter", "-t", entry, "-n", "ip", "-o", "link", "show", "dev", "eth0"],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False,
            ).stdout  # fmt: skip
            verified[inode] = ours[inode] in shown
        start = start_time(int(entry))
        if verified[inode] and start is not None:
            found.append({"pid": int(entry), "start": start})
    return found


def bridge_owner(bridge):
    """Who made an Open vSwitch bridge: our mark, another one or empty; None if there is no such bridge."""
    if subprocess.run(["ovs-vsctl", "--timeout=10", "br-exists", bridge], check=False).returncode != 0:
        return None
    return output(
        "ovs-vsctl", "--timeout=10", "--if-exists", "get", "bridge", bridge, "external_ids:owner"
    ).strip().strip('"')  # fmt: skip


def tear_down(lab):
    """Removes everything that belongs to this lab, whatever state it is in. Returns whether there was anything."""
    # The keeper first: if it is still building, what it starts after we have read the record would be left over.
    # Its shells end with it, but web servers keep the namespaces, and those are recorded.
    keeper = lab.processes().get("keeper")
    if keeper:
        end([keeper])
    lab.load()
    restore_receive_buffer()
    existed = os.path.isdir(lab.home)
    end(list(lab.processes().values()))
    end(processes_inside(lab), 0.3)
    end([host for host in lab.hosts.values() if "start" in host], 0.3)
    if bridge_owner(lab.bridge) == "dwsr-lab":
        output("ovs-vsctl", "--timeout=20", "--if-exists", "del-br", lab.bridge)
        existed = True
    pattern = re.compile(rf"{re.escape(lab.prefix)}-[cs]\d+[onhb]")
    for interface in sorted(os.listdir("/sys/class/net")):
        if pattern.fullmatch(interface):
            # Deleting one end deletes the other.
            subprocess.run(["ip", "link", "del", interface], stderr=subprocess.DEVNULL, check=False)
            existed = True
    shutil.rmtree(lab.home, ignore_errors=True)
    return existed


# ------------------------------------------------------------------------------------------ up


def keep(lab, options, say):
    """The keeper's work: builds everything, then says "ready". Runs in its own process."""
    import topology  # Mininet takes a while to import; only the keeper needs it.

    hosts = topology.plan(lab.prefix, CLIENTS, options["servers"], needs_wire(options))
    document = make_document(options, hosts)
    lab.record = {"prefix": lab.prefix, "options": options, "hosts": {}, "vip": document["vip"],
                  "vip6": document.get("vip6"), "vmac": document["vmac"], "ready": False}  # fmt: skip

    say(f"network: {CLIENTS} clients, Open vSwitch, {options['servers']} servers behind their filters")
    # The interfaces are recognised by name after a crash; namespaces by what is recorded here.
    net = topology.build(lab.prefix, hosts)
    for host in hosts.values():
        host["start"] = start_time(host["pid"])
        host["ns"] = namespace_of(host["pid"])
    lab.record["hosts"] = hosts
    lab.save()
    topology.configure(hosts, document["vip"], document.get("vip6"), options["rate_mbit"])
    with raised_receive_buffer():
        topology.start_switch(net, lab.prefix)
        wait_until(
            lambda: len(re.findall(r"^ *\d+\(", output("ovs-ofctl", "-O", "OpenFlow13", "show", lab.bridge), re.M))
            >= len(hosts),
            10,
            "Open vSwitch to take the ports",
        )
    faults = output("ovs-vsctl", "--bare", "--columns=error", "find", "interface", 'error!=""').split("\n")
    for name, host in hosts.items():
        given = output("ovs-vsctl", "get", "interface", host["ovs"], "ofport").strip()
        if given != str(host["port"]):
            raise LabError(f"Open vSwitch gave {name} port {given} instead of {host['port']} {' '.join(faults)}")

    kind = options["web_servers"]
    say(f"web servers: {kind} and PHP")
    webserver.write_site(lab.path("www"))
    for name in lab.servers():
        home = lab.path("servers", name)
        webserver.write_server(home, lab.path("www"), name)
        for role, words in webserver.commands(home, kind).items():
            lab.spawn(f"{role} {name}", lab.enter(name) + words)
    for name in lab.servers():
        wait_until(lambda name=name: webserver.answers(lab.enter(name)), 20, f"{kind} and PHP of {name}")

    write_documents(lab, document)
    if lab.wired:
        say(f"wires before the clients: {options['client_delay_ms']} ms, faults {options['client_faults'] or 'none'}")
        lab.start_wire()
        wait_for(lab, "wire", lab.wire_carries, 20, "the wires' interfaces")
    if options["controller"] == "none":
        say("no controller: static flows, Linux bridges instead of filters")
        join_filters(lab)
        static_flows(lab, document)
    else:
        say("web switch: the embedded controller")
        os.makedirs(lab.path("state"), exist_ok=True)
        lab.start_controller()
        output(
            "ovs-vsctl", "--timeout=10", "--", "--id=@c", "create", "controller",
            f'target="tcp:{options["openflow"]}"', "max_backoff=1000", "connection_mode=out-of-band",
            "--", "set", "bridge", lab.bridge, "controller=@c",
        )  # fmt: skip
        wait_for(lab, "controller", lab.connected, 40, "the OpenFlow session of Open vSwitch with the web switch")
        say("host filters" + (f" that let frames suffer: {options['faults']}" if options["faults"] else ""))
        lab.start_filter()
    say(f"first answers through http://{document['vip']}")
    wait_for(lab, "filter", lambda: answers_through_vip(lab), 40, "an answer of each pool through the VIP")
    lab.record["ready"] = True
    lab.save()


def wait_for(lab, role, condition, seconds, what):
    """Waits for a condition, and gives up at once when the process it depends on has ended."""

    def true_or_dead():
        if condition():
            return True
        process = lab.processes().get(role)
        if process and not alive(process):
            raise LabError(f"the {role} has ended; the end of its log:\n{tail(lab.path('log', role + '.log'))}")
        return False

    wait_until(true_or_dead, seconds, f"{what}; logs are in {lab.path('log')}")


def tail(path, lines=15):
    try:
        with open(path, encoding="utf-8", errors="replace") as source:
            return "".join(source.readlines()[-lines:]).rstrip()
    except OSError:
        return f"({path} cannot be read)"


def answers_through_vip(lab):
    for page in ("/img/who.txt", "/ping.php"):
        done = subprocess.run(
            lab.enter("c1") + ["curl", "-s", "-o", "/dev/null", "-m", "2", "-w", "%{http_code}",
                               f"http://{lab.record['vip']}{page}"],
            stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        if done.stdout != "200":
            return False
    return True


def keeper_main(lab, options, report):
    """Builds the lab and holds it until a signal. Reports progress as lines on a pipe; never returns."""

    def say(text):
        with contextlib.suppress(BrokenPipeError):
            report.write(text + "\n")
            report.flush()

    def leave(_signal, _frame):
        # Whoever sent the signal clears everything away; the shells end when their terminals close.
        lab.leaving = True
        if not lab.starting:
            os._exit(0)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        keep(lab, options, say)
        say("=ready")
    except LabError as problem:
        say("!" + str(problem).replace("\n", "\r"))
    except subprocess.CalledProcessError as problem:
        said = (problem.stderr or b"").decode(errors="replace").strip()
        say("!" + f"{' '.join(problem.cmd)} failed ({problem.returncode}): {said}".replace("\n", "\r"))
    except Exception as problem:  # the parent tells the user and clears away
        import traceback

        traceback.print_exc()
        say(f"!{type(problem).__name__}: {problem}".replace("\n", "\r"))
    report.close()
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            signal.pause()


def start_keeper(lab, options, lock):
    """Forks the keeper. Returns its progress lines as a file."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setsid()
            os.close(reading)
            lock.close()
            null = os.open(os.devnull, os.O_RDONLY)
            log = os.open(lab.path("log", "keeper.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(null, 0)
            os.dup2(log, 1)
            os.dup2(log, 2)
            # Whatever the caller had open (a pipe, a lock) must not live as long as the lab.
            keep_open = {0, 1, 2, writing}
            for number in [int(name) for name in os.listdir("/proc/self/fd")]:
                if number not in keep_open:
                    with contextlib.suppress(OSError):
                        os.close(number)
            os.chdir("/")
            keeper_main(lab, options, os.fdopen(writing, "w", encoding="utf-8"))
        finally:
            os._exit(code)
    os.close(writing)
    lab.note("keeper", child)
    return os.fdopen(reading, encoding="utf-8")


def command_up(arguments):
    lab = Lab(arguments.prefix)
    options = read_options(arguments)
    with locked(lab.prefix) as lock:
        lab.load()
        if lab.is_whole():
            if lab.options == options:
                print(f"lab: up already ({len(lab.servers())} servers); ./dwsr lab status shows it")
                return 0
            raise LabError("a lab with other options is up: run ./dwsr lab down first")
        started = time.monotonic()

        def say(text):
            print(f"lab: {time.monotonic() - started:5.1f} s  {text}", flush=True)

        if os.path.isdir(lab.home):
            say("clearing away what an earlier lab left")
        # From here on Ctrl-C and SIGTERM clear away; a second one waits for that.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, interrupt)
        try:
            tear_down(lab)
            owner = bridge_owner(lab.bridge)
            if owner is not None:
                raise LabError(f"there is an Open vSwitch bridge {lab.bridge} that is not the lab's; try --prefix")
            os.makedirs(lab.path("log"), mode=0o755)
            os.chmod(lab.home, 0o755)
            problem = "the keeper died; see " + lab.path("log", "keeper.log")
            with start_keeper(lab, options, lock) as report:
                for line in report:
                    line = line.rstrip("\n")
                    if line == "=ready":
                        problem = None
                    elif line.startswith("!"):
                        problem = line[1:].replace("\r", "\n")
                    else:
                        say(line)
            if problem:
                raise LabError(problem)
        except BaseException:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            kept = None
            if os.path.isdir(lab.path("log")):
                kept = os.path.join(RUN, lab.prefix + ".failed")
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(lab.path("log"), kept)
            tear_down(lab)
            if kept:
                print(f"lab: cleared away; its logs are in {kept}", file=sys.stderr)
            raise
        say("up")
    return 0


def interrupt(number, _frame):
    raise KeyboardInterrupt(number)


def read_options(arguments):
    """The options as recorded with the lab; the configuration file is read now, not later."""
    if not 1 <= arguments.servers <= MAX_SERVERS:
        raise LabError(f"--servers {arguments.servers}: 1 to {MAX_SERVERS}")
    if arguments.rate_mbit is not None and not 0 < arguments.rate_mbit <= 10_000:
        raise LabError(f"--rate-mbit {arguments.rate_mbit}: more than 0, at most 10000")
    if not 0 <= arguments.client_delay_ms <= 10_000:
        raise LabError(f"--client-delay-ms {arguments.client_delay_ms}: 0 to 10000")
    if arguments.faults and arguments.controller == "none":
        raise LabError("--faults: without a controller there are no filters")
    document = None
    if arguments.config:
        try:
            with open(arguments.config, encoding="utf-8") as source:
                document = json.load(source)
        except (OSError, ValueError) as problem:
            raise LabError(f"--config {arguments.config}: {problem}") from problem
        if not isinstance(document, dict) or "vip" not in document or "vmac" not in document:
            raise LabError(f'--config {arguments.config}: an object with "vip" and "vmac" is needed')
    return {
        "servers": arguments.servers,
        "rate_mbit": arguments.rate_mbit,
        "document": document,
        "controller": arguments.controller,
        "requests": arguments.requests,
        "web_servers": arguments.web_servers,
        "handshake": arguments.handshake,
        "openflow": arguments.openflow,
        "control": arguments.control,
        "metrics": arguments.metrics,
        "faults": arguments.faults,
        "client_delay_ms": arguments.client_delay_ms,
        "client_faults": arguments.client_faults,
        "wire_metrics": arguments.wire_metrics,
    }


# ------------------------------------------------------------------------------------------ other commands


def command_down(arguments):
    lab = Lab(arguments.prefix)
    with locked(lab.prefix):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        print("lab: down" if tear_down(lab) else "lab: was not up")
    return 0


def command_exec(arguments):
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        raise LabError("no command given: ./dwsr lab exec c1 -- curl http://10.0.0.100/")
    entry = Lab(arguments.prefix).enter(arguments.host)
    os.execvp(entry[0], entry + words)


def command_status(arguments):
    lab = Lab(arguments.prefix)
    if not lab.record:
        print("lab: down")
        return 3
    whole = lab.is_whole()
    processes = lab.processes()
    kind = lab.options["web_servers"]
    print(f"lab {lab.prefix}: {'up' if whole else 'broken: run ./dwsr lab up (or down)'}"
          f"    VIP {lab.record['vip']}{' ' + lab.record['vip6'] if lab.record['vip6'] else ''}    state in {lab.home}")  # fmt: skip
    print(f"{'host':5} {'address':12} {'MAC':18} {'port':>4} {'interfaces':28} {'PID':>7} {kind:>7} {'php':>7}"
          f" {'to it':>9} {'from it':>9}")  # fmt: skip
    try:
        counters = lab.port_counters()
    except LabError:
        counters = {}

    def pid(role):
        process = processes.get(role)
        return "-" if process is None else str(process["pid"]) if alive(process) else "dead"

    for name, host in lab.hosts.items():
        interfaces = " ".join(host[key] for key in ("ovs", "network", "host") if key in host)
        counter = counters.get(name, {})
        print(
            f"{name:5} {host['ip']:12} {host['mac']:18} {host['port']:>4} {interfaces:28} "
            f"{host['pid'] if alive(host) else 'dead':>7} {pid(f'{kind} {name}'):>7} {pid('php ' + name):>7} "
            f"{size(counter.get('tx_bytes', 0)):>9} {size(counter.get('rx_bytes', 0)):>9}"
        )
    if lab.options["controller"] == "none":
        print("controller: none (static flows)")
    else:
        session = "connected" if lab.connected() else "not connected"
        print(f"controller: PID {pid('controller')}, OpenFlow {lab.options['openflow']} {session}, "
              f"control channel {lab.options['control']}")  # fmt: skip
        page = lab.filter_counters()
        print(f"filters: PID {pid('filter')}, counters http://{lab.options['metrics']}/metrics "
              f"{'answer' if page is not None else 'do not answer'}")  # fmt: skip
    if lab.wired:
        print(f"wires: PID {pid('wire')}, {lab.options['client_delay_ms']} ms, faults "
              f"{lab.options['client_faults'] or 'none'}, counters http://{lab.options['wire_metrics']}/metrics")  # fmt: skip
    try:
        flows = lab.flows()
        connections = sum("priority=300" in flow for flow in flows)
        print(f"flows: {len(flows)}, {connections} of them for single connections")
    except LabError as problem:
        print(f"flows: {problem}")
    return 0 if whole else 1


def size(count):
    for unit in ("B", "KB", "MB"):
        if count < 10_000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def command_capture(arguments):
    import capture

    return capture.main(Lab(arguments.prefix), arguments)


def parser():
    text = "Clients, Open vSwitch, web servers behind host filters and the web switch, in network namespaces."
    top = argparse.ArgumentParser(prog="dwsr lab", description=text)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, action, text):
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--prefix", default="dw", help="the lab's name, for two at a time (default: dw)")
        sub.set_defaults(action=action)
        return sub

    up = command("up", command_up, "Bring the lab up; clears away what a crash left.")
    up.add_argument("--servers", type=int, default=4, metavar="N", help="web servers, default 4")
    up.add_argument("--rate-mbit", type=float, metavar="R", help="limit what each server can send")
    up.add_argument("--config", metavar="F", help="a configuration; MACs and attachments of its servers are filled in")
    up.add_argument("--controller", choices=("embedded", "none"), default="embedded",
                    help="none: static flows, no filters (default: embedded)")  # fmt: skip
    up.add_argument("--web-servers", choices=webserver.KINDS, default="nginx",
                    help="what serves, before PHP: nginx or apache (default: nginx)")  # fmt: skip
    up.add_argument("--requests", choices=("guard", "switch"), help="who reads later requests (default: guard)")
    up.add_argument("--handshake", choices=("proxy", "preallocate"),
                    help="who answers a SYN: the web switch, or a guessed server (default: proxy)")  # fmt: skip
    up.add_argument("--openflow", default="127.0.0.1:6653", metavar="HOST:PORT")
    up.add_argument("--control", default="127.0.0.1:8780", metavar="HOST:PORT")
    up.add_argument("--metrics", default="127.0.0.1:8790", metavar="HOST:PORT")
    tests = up.add_argument_group("for tests", "SPEC is, e.g., loss=2%%,reorder=5%%,duplicate=2%%,seed=7")
    tests.add_argument("--faults", metavar="SPEC", help="let frames suffer between the switch and the filters")
    tests.add_argument("--client-delay-ms", type=int, default=0, metavar="N",
                       help="put the clients N ms away, half in each direction")  # fmt: skip
    tests.add_argument("--client-faults", metavar="SPEC", help="let frames suffer between the clients and the switch")
    tests.add_argument("--wire-metrics", default="127.0.0.1:8791", metavar="HOST:PORT",
                       help="counters of the process that does this to the clients' frames")  # fmt: skip
    execute = command("exec", command_exec, "Run a command inside a host: exec c1 -- curl -i http://10.0.0.100/")
    execute.add_argument("host", metavar="HOST")
    execute.add_argument("words", nargs=argparse.REMAINDER, metavar="-- CMD")
    command("status", command_status, "Show hosts, processes, flows and byte counters.")
    capture = command("capture", command_capture, "Capture one migrated request and print it, annotated.")
    capture.add_argument("--pcap", metavar="DIR", help="keep the capture files in this folder")
    capture.add_argument("-6", "--ipv6", action="store_true", help="over IPv6")
    command("down", command_down, "Remove everything the lab made.")
    return top


def main(words):
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    arguments = parser().parse_args(words)
    try:
        return arguments.action(arguments)
    except LabError as problem:
        print(f"dwsr lab: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("dwsr lab: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    # Modules that import this one must meet the same LabError.
    sys.modules["lab"] = sys.modules["__main__"]
    sys.exit(main(sys.argv[1:]))
