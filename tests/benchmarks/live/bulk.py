"""What a filter process carries, beside the same path without it. Run by ./dwsr bench bulk."""

import json
import os
import re
import subprocess
import sys

import bed as beds
import figures

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = sys.executable
BIG_BYTES = 256 << 20
SMALL_BYTES = 700
WANTED_SHARE, WANTED_GBIT, WANTED_SMALL_SHARE = 45.0, 8.0, 65.0
PATHS = ("bare", "filter")
INTERFACE = {"bare": "bare0", "filter": "via0"}
# "copied" is a download whose bytes the web server hands to its kernel itself, as it must whatever it makes or encrypts.
WORK = ("download", "copied", "small", "upload")
NAMES = {"download": "download (sendfile)", "copied": "download (no sendfile)", "small": "small requests", "upload": "upload"}
UNIT = {"download": "Gbit/s", "copied": "Gbit/s", "small": "requests/s", "upload": "Gbit/s"}
FILES = {"download": "/big.bin", "copied": "/copied/big.bin", "upload": "/sink"}
# Requests and heads go through more code than bodies do.
WARM_UP_SECONDS = {"download": 3, "copied": 3, "small": 15, "upload": 3}
PAPER_MASQUERADE_NS, PAPER_COOKIE_NS = 3_540, 4_470

_NGINX = """\
daemon off;
user {user};
worker_processes 1;
pid {home}/nginx.pid;
error_log {home}/log/nginx-error.log warn;
events {{ worker_connections 1024; }}
http {{
    default_type application/octet-stream;
    server_tokens off;
    sendfile on;
    tcp_nopush on;
    access_log off;
    keepalive_timeout 75;
    keepalive_requests 1000000000;
    client_body_temp_path {home}/tmp/body;
    fastcgi_temp_path {home}/tmp/fastcgi;
    proxy_temp_path {home}/tmp/proxy;
    scgi_temp_path {home}/tmp/scgi;
    uwsgi_temp_path {home}/tmp/uwsgi;
    open_file_cache max=16;
    server {{
        listen {port} default_server backlog=4096;
        root {home}/www;
        location /copied/ {{ alias {home}/www/; sendfile off; output_buffers 2 512k; }}
    }}
}}
"""


def start_server(bed):
    """nginx with a large and a small file, and a sink for uploads, in the server's namespace."""
    import webserver

    for folder in ("www", "tmp"):
        os.makedirs(bed.path(folder), mode=0o755)
    for name, length in (("big.bin", BIG_BYTES), ("small.bin", SMALL_BYTES)):
        with open(bed.path("www", name), "wb") as out:
            block = os.urandom(min(length, 1 << 20))
            for _ in range(length // len(block)):
                out.write(block)
    with open(bed.path("nginx.conf"), "w", encoding="ascii") as out:
        out.write(_NGINX.format(user=webserver.WEB_USER, home=bed.home, port=beds.SERVICE_PORT))
    bed.spawn("web server", bed.server, ["nginx", "-c", bed.path("nginx.conf"), "-p", bed.home])
    bed.spawn("sink", bed.server, [PYTHON, os.path.join(HERE, "transfer.py"), "sink", f":{beds.SINK_PORT}"])
    wanted = {f"{port:04X}" for port in (beds.SERVICE_PORT, beds.SINK_PORT)}
    beds.until(lambda: bed.check() or listening(bed.server) >= wanted, beds.START_SECONDS, "nginx and sink listen")


def listening(namespace):
    """The TCP ports on which somebody listens, as /proc/net/tcp has them."""
    with beds.inside(namespace), open("/proc/thread-self/net/tcp", encoding="ascii") as source:
        rows = [line.split() for line in source][1:]
    return {row[1].split(":")[1] for row in rows if row[3] == "0A"}


def start_switch(bed):
    """The cable's OpenFlow session."""
    words = [PYTHON, os.path.join(HERE, "bounce_switch.py"), "--client", bed.client, "--filter", bed.middle]
    bed.spawn("switch", bed.middle, words)

    def programmed():
        bed.check()
        return re.search(r"static flows", open(bed.path("log", "web switch.log"), encoding="utf-8").read())

    beds.until(programmed, beds.START_SECONDS, "the web switch has programmed the switch")


def in_client(bed, words, seconds):
    """The output of a command in the client's namespace, which must succeed."""
    done = subprocess.run(
        ["ip", "netns", "exec", bed.client, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False, timeout=seconds + 60, start_new_session=True,
    )  # fmt: skip
    if done.returncode != 0:
        bed.check()
        raise beds.BenchError(f"{' '.join(words)}: {done.stdout.strip()[-400:]}")
    return done.stdout


def work_on(bed, what, connections, seconds):
    """One sample of a kind of work."""
    return small(bed, connections, seconds) if what == "small" else move(bed, what, seconds)


def move(bed, way, seconds):
    """Gbit/s of bodies over one connection; way: download, copied or upload."""
    port = beds.SINK_PORT if way == "upload" else beds.SERVICE_PORT
    verb = "upload" if way == "upload" else "download"
    words = [PYTHON, os.path.join(HERE, "transfer.py"), verb, f"{beds.VIP}:{port}", "--seconds", str(seconds), "--path", FILES[way]]
    done = json.loads(in_client(bed, words, seconds))
    return done["bytes"] * 8 / done["seconds"] / 1e9


def small(bed, connections, seconds):
    """Requests per second for a small file over connections that are kept."""
    words = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds:g}s", f"http://{beds.VIP}/small.bin"]
    said = in_client(bed, words, seconds)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if rate is None or "Socket errors" in said or "Non-2xx" in said:
        raise beds.BenchError(f"wrk said: {said.strip()[-400:]}")
    return float(rate.group(1))


class Cost:
    """What the filter spent in a part of the run: CPU time, and over what."""

    def __init__(self, bed):
        self.bed = bed
        self.before = self._now()

    def _now(self):
        counters = self.bed.counters()
        agent, total = self.bed.filter_cpu_ns()
        segments = sum(self.bed.tcp_counters(name)["OutSegs"] for name in (self.bed.client, self.bed.server))
        frames = counters["network_rx_frames"] + counters["host_rx_frames"]
        return {"agent_ns": agent, "process_ns": total, "frames": frames, "packets": segments}

    def spent(self):
        """The differences since the beginning: agent_ns, process_ns, frames and packets (segments as on an Ethernet)."""
        now = self._now()
        return {name: now[name] - self.before[name] for name in now}


def with_cost(bed, what, connections, seconds):
    """A sample's figure, and what the filter spent on it."""
    cost = Cost(bed)
    return work_on(bed, what, connections, seconds), cost.spent()


def measure(options, say):
    """The whole benchmark. Returns (the figures as a dict, verdicts)."""
    rounds = 1 if options.quick else options.rounds
    seconds = 1 if options.quick else options.seconds
    with beds.Bed(options.prefix) as bed:
        say("starting web server, web switch and filter")
        start_server(bed)
        bed.start_filter(options.java_options)
        start_switch(bed)
        patience = beds.Patience(bed, options.patience, say)
        found = {(what, path): [] for what in WORK for path in PATHS}
        spent = {what: [] for what in WORK}
        say("all of it through the filter once, for the compiler")
        bed.go(INTERFACE["filter"])
        for what in WORK:
            work_on(bed, what, options.connections, 1 if options.quick else WARM_UP_SECONDS[what])
        for number in range(rounds):
            for what in WORK:
                # Who comes first changes, so that neither has the warmer machine.
                for path in PATHS if number % 2 == 0 else PATHS[::-1]:
                    bed.go(INTERFACE[path])
                    figure, cost = patience.take(lambda what=what: with_cost(bed, what, options.connections, seconds))
                    found[what, path].append(figure)
                    if path == "filter":
                        spent[what].append(cost)
            told = ", ".join(f"{what} {found[what, 'filter'][-1]:,.4g} of {found[what, 'bare'][-1]:,.4g}" for what in WORK)
            say(f"round {number + 1} of {rounds}: {told}")
            bed.check()
        counters = bed.counters()
    told, verdicts = report(found, spent, counters, rounds, seconds)
    told["others"] = patience.text()
    return told, verdicts


def report(found, spent, counters, rounds, seconds):
    """Medians, shares, costs, and verdicts."""
    told = {"rounds": rounds, "seconds": seconds, "work": {}}
    for what in WORK:
        sides = {path: figures.summary(found[what, path]) for path in PATHS}
        # Of each round for itself: its two samples are neighbours, so they had the same machine.
        shares = [100 * one / other for one, other in zip(found[what, "filter"], found[what, "bare"])]
        share = figures.summary(shares)["median"]
        total = {name: sum(one[name] for one in spent[what]) for name in spent[what][0]}
        cost = {
            "agent_ns_per_packet": figures.per_packet(total["agent_ns"], total["packets"]),
            "agent_ns_per_frame": figures.per_packet(total["agent_ns"], total["frames"]),
            "process_ns_per_packet": figures.per_packet(total["process_ns"], total["packets"]),
            "packets_per_frame": figures.per_packet(total["packets"], total["frames"]),
        }
        told["work"][what] = {"unit": UNIT[what], **sides, "share_percent": share, "cost": cost}
    told["filter_drops"] = {name: value for name, value in counters.items() if value and "drop" in name}
    work = told["work"]
    verdicts = [
        figures.Verdict("downloads, share of the same path without the filter", work["download"]["share_percent"], WANTED_SHARE, "%"),
        figures.Verdict("downloads", work["download"]["filter"]["median"], WANTED_GBIT, "Gbit/s", digits=2),
        figures.Verdict("small requests, share", work["small"]["share_percent"], WANTED_SMALL_SHARE, "%"),
    ]
    return told, verdicts


def lines(told):
    """The result for people."""
    rows = [["", "", "without", "(spread)", "through the filter", "(spread)", "share"]]
    for what, one in told["work"].items():
        digits = 0 if what == "small" else 2
        cells = [f"{one[path]['median']:,.{digits}f}" for path in PATHS]
        spread = [f"({one[path]['least']:,.{digits}f} - {one[path]['most']:,.{digits}f})" for path in PATHS]
        rows.append([NAMES[what], one["unit"], cells[0], spread[0], cells[1], spread[1], f"{one['share_percent']:.1f} %"])
    text = figures.table(rows, left=2)
    text.append(f"medians of {told['rounds']}, {told['seconds']:g} s each, in turn (share: the median of the rounds' own)")
    text.append(told["others"])
    text.append("")
    rows = [["the filter's CPU time, kernel's part included, ns", "per packet", "per frame", "packets per frame"]]
    for what, one in told["work"].items():
        cost = one["cost"]
        rows.append(
            [NAMES[what], f"{cost['agent_ns_per_packet']:,.0f}", f"{cost['agent_ns_per_frame']:,.0f}", f"{cost['packets_per_frame']:.1f}"]
        )
    rows.append(["the paper: masquerade (Table III)", f"{PAPER_MASQUERADE_NS:,}", "", ""])
    rows.append(["the paper: cookie name", f"{PAPER_COOKIE_NS:,}", "", ""])
    text += figures.table(rows)
    text.append("packets: segments as TCP counts them (a 64 KB frame is 45); the core's own share: ./dwsr bench filter")
    if told["filter_drops"]:
        text.append("the filter dropped: " + ", ".join(f"{name} {value}" for name, value in told["filter_drops"].items()))
    return text
