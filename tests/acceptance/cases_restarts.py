"""Parts of DWSR and of the lab die and come back while connections live."""

import contextlib
import hashlib
import os
import re
import threading
import time

import lab as dwsr_lab
from cases_answers import start_web_server, stop_web_server
from harness import ALL, APP_SERVERS, IMAGE_SERVERS, case, expect, expect_equal, image, until
from packets import Wire

AWAY = 40


class Background:
    """A function on a thread of its own; result() raises what it raised."""

    def __init__(self, function):
        self._function = function
        self._problem = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            self._function()
        except BaseException as problem:
            self._problem = problem

    def result(self, seconds, what):
        self._thread.join(seconds)
        expect(not self._thread.is_alive(), f"{what}: not within {seconds:.0f} s")
        if self._problem is not None:
            raise self._problem


def pipeline(lab):
    """The flows of the pipeline, cookie, match and actions; connections' flows left out."""
    return {
        re.search(r"cookie=\w+", flow).group(0) + re.sub(r"^.*?(priority=)", r" \1", flow)
        for flow in lab.lab.flows()
        if "priority=300" not in flow
    }


def flow_seconds(lab, client_port):
    """How long the flow of a client port has been there."""
    flows = [flow for flow in lab.connection_flows() if f"tp_src={client_port}," in flow]
    expect_equal(len(flows), 1, f"flows of client port {client_port}")
    return float(re.search(r"duration=([0-9.]+)s", flows[0]).group(1))


@case(f"the controller killed for {AWAY} s: all transfers complete; flows, filters and Open vSwitch stay",
      labs=("guard",), last=True)  # fmt: skip
def controller_away(lab):
    began = time.monotonic()
    digest = hashlib.sha256(image("20m.bin")[: 18 << 20]).hexdigest()
    upload = lab.lab.path("upload.bin")
    download = lab.lab.path("download.bin")
    with open(upload, "wb") as out:
        out.write(image("20m.bin")[: 18 << 20])
    filters = lab.lab.processes()["filter"]
    boots = dwsr_lab.output("ovs-vsctl", "get", "bridge", lab.lab.bridge, "_uuid")
    pid = dwsr_lab.output("pidof", "ovs-vswitchd")
    vip = f"http://{lab.vip}"
    # Else the client's kernel takes the whole download into its receive buffer, and only curl is slow.
    usual = lab.run("c1", "sysctl", "-n", "net.ipv4.tcp_rmem").strip()
    lab.run("c1", "sysctl", "-q", "-w", "net.ipv4.tcp_rmem=4096 65536 262144")
    curls = [
        lab.start("c1", "curl", "-sS", "--local-port", "41001", "--limit-rate", "400K", "-o", download, f"{vip}/img/20m.bin"),
        lab.start("c1", "curl", "-sS", "--local-port", "41002", "-H", "Expect:", "--limit-rate", "380K", "--data-binary", f"@{upload}",
                  f"{vip}/sum.php?away"),
        lab.start("c2", "curl", "-sS", f"{vip}/slow.php?s=60"),
    ]  # fmt: skip
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: [curl.kill() for curl in curls if curl.poll() is None])
        stack.callback(lab.run, "c1", "sysctl", "-q", "-w", f"net.ipv4.tcp_rmem={usual}")
        idle = stack.enter_context(lab.connect("c1", timeout=20))
        idle_server = idle.get("/img/who.txt").server
        idle_moved = stack.enter_context(lab.connect("c1", timeout=20))
        expect(idle_moved.get("/img/who.txt").server in IMAGE_SERVERS, "first request of the idle moved connection")
        expect(idle_moved.get("/ping.php").server in APP_SERVERS, "second request of the idle moved connection")
        busy = stack.enter_context(lab.connect("c2"))
        busy_server = busy.get("/img/who.txt").server
        moved = stack.enter_context(lab.connect("c2", timeout=30))
        expect(moved.get("/img/who.txt").server in IMAGE_SERVERS, "first request of the moved connection")
        expect(moved.get("/ping.php").server in APP_SERVERS, "second request of the moved connection")
        moved.send(moved.head("GET", "/chunk.php?n=480&ms=100"))

        def keep_busy():
            until_time = began + AWAY
            number = 0
            while time.monotonic() < until_time:
                number += 1
                expect_equal(busy.get(f"/img/who.txt?busy={number}").server, busy_server, "the busy connection's server")
                time.sleep(2)

        def read_moved():
            answer = moved.response()
            wanted = "".join(f"{answer.server} line {n} of 480\n" for n in range(1, 481))
            expect_equal(answer.body.decode(), wanted, "the response on the connection that had moved")

        time.sleep(1)
        until(lambda: len(lab.connection_flows()) >= 7, 5, "flows of seven connections")
        before = pipeline(lab)
        flowed = time.monotonic()
        lab.kill("controller")
        busy_run, moved_run = Background(keep_busy), Background(read_moved)
        time.sleep(max(0, began + AWAY + 1 - time.monotonic()))
        early = [(curl.returncode, curl.communicate()[0]) for curl in curls if curl.poll() is not None]
        busy_run.result(5, "requests within the pool while the controller is away")
        lab.restart_controller()
        # Flows that are used live on, and the restarted web switch leaves them alone.
        for port in (41001, 41002):
            seconds, least = flow_seconds(lab, port), time.monotonic() - flowed
            expect(seconds >= least, f"the flow of client port {port} is {seconds} s old, not {least:.1f} s")
        expect_equal(pipeline(lab), before, "flows of the pipeline")
        expect_equal(early, [], "transfers that ended while the controller was away")
        back = time.monotonic()
        until(lab.reachable, 15, "new connections after the restart")
        took = time.monotonic() - back
        expect(took < 8, f"new connections took {took:.1f} s after the restart")
        expect_equal(idle.get("/img/who.txt?idle").server, idle_server, "the server of the idle connection")
        expect(idle.get("/ping.php?idle").server in APP_SERVERS, "a move of the idle connection")
        expect(idle_moved.get("/img/who.txt?idle").server in IMAGE_SERVERS, "a move of the idle moved connection")
        expect_equal(busy.get("/img/who.txt").server, busy_server, "the busy connection afterwards")
        expect(busy.get("/ping.php").server in APP_SERVERS, "a move of the busy connection afterwards")
        moved_run.result(20, "the response on the connection that had moved")
        expect(moved.get("/img/who.txt").server in IMAGE_SERVERS, "the moved connection moves again")
        said = [curl.communicate(timeout=max(1, began + 78 - time.monotonic()))[0] for curl in curls]
        expect_equal([curl.returncode for curl in curls], [0, 0, 0], f"exit codes of curl ({said})")
    with open(download, "rb") as got:
        expect_equal(hashlib.sha256(got.read()).hexdigest(), hashlib.sha256(image("20m.bin")).hexdigest(), "download")
    os.unlink(download)
    os.unlink(upload)
    expect(f'"bytes":{18 << 20}' in said[1] and digest in said[1], f"the upload as the server read it: {said[1]}")
    expect("answered after 60 s" in said[2], f"the slow answer: {said[2]}")
    expect(dwsr_lab.alive(filters), "the filter process is the same")
    expect_equal(dwsr_lab.output("pidof", "ovs-vswitchd"), pid, "PID of ovs-vswitchd")
    expect_equal(dwsr_lab.output("ovs-vsctl", "get", "bridge", lab.lab.bridge, "_uuid"), boots, "the bridge")
    took = time.monotonic() - began
    expect(took < 80, f"the case took {took:.0f} s")


@case("the filters killed and restarted: servers let go, clients of old connections get an end, new ones work", last=True)
def filters_restarted(lab):
    with contextlib.ExitStack() as stack:
        idle = stack.enter_context(lab.connect("c1", timeout=20))
        idle_server = idle.get("/img/who.txt").server
        active = stack.enter_context(lab.connect("c1", timeout=20))
        active.get("/ping.php")
        reading = stack.enter_context(lab.connect("c2", timeout=20))
        reading.send(reading.head("GET", "/chunk.php?n=300&ms=50"))
        expect(reading.stream.readline().startswith(b"HTTP/1.1 200"), "the long response begins")
        # The web switch believes a report about a connection only when that is 2 s old.
        time.sleep(2.2)
        lab.kill("filter")
        lab.lab.start_filter()
        until(lab.reachable, 20, "both pools through the new filter process")
        for name, connection in (("idle", idle), ("active", active), ("reading", reading)):
            connection.sock.settimeout(10)
            started = time.monotonic()
            ended = False
            try:
                if name == "active":
                    connection.send(connection.head("GET", "/ping.php?lost"))
                while connection.sock.recv(65_536):
                    pass
            except ConnectionError:
                ended = True
            except TimeoutError:
                pass
            expect(ended, f"no end of the {name} connection after {time.monotonic() - started:.1f} s")
        expect_equal(lab.logged("lost"), [], "a request on a lost connection in the servers' logs")
        # The server that was sending is reset; one that has nothing to say keeps its socket until it wants to close.
        peer = f"{lab.lab.hosts['c2']['ip']}:{reading.port}"
        until(lambda: not [one for name in APP_SERVERS for one in lab.sockets(name) if peer in one], 5,
              "the server that was sending to let go")  # fmt: skip
        expect(idle_server in IMAGE_SERVERS, "the idle connection's server")
    for _ in range(10):
        with lab.connect() as connection:
            expect(connection.get("/img/who.txt").server in IMAGE_SERVERS, "the images pool")
            expect(connection.get("/ping.php").server in APP_SERVERS, "the app pool")


@case("a server's segments on connections its new filter does not know never reach the client", last=True)
def stray_segments(lab):
    with lab.connect("c2", timeout=5) as reading, Wire(lab.lab.hosts["c2"]["ovs"]) as wire:
        reading.send(reading.head("GET", "/chunk.php?n=200&ms=20"))
        expect(reading.stream.readline().startswith(b"HTTP/1.1 200"), "the long response begins")
        lab.kill("filter")
        lab.lab.start_filter()
        stray = lambda: lab.filter_counter("stray_host_reset") > 0  # noqa: E731
        until(stray, 20, "the server's segments to be reset")
        port = reading.port
        at_restart = wire.drain()
        until(lab.reachable, 20, "both pools through the new filter process")
        late = [frame for frame in wire.drain() if frame.haslayer("TCP") and frame["TCP"].dport == port
                and len(frame["TCP"].payload) > 6]  # fmt: skip
        expect_equal(late, [], f"segments to the old connection after {len(at_restart)} before")


@case("a web server restarted: old connections end, new ones work", labs=ALL, last=True)
def web_server_restarted(lab):
    with lab.connect(timeout=5) as old:
        server = old.get("/img/who.txt").server
        stop_web_server(lab, server)
        start_web_server(lab, server)
        expect(old.at_end(), "the old connection ends")
    used = set()
    deadline = time.monotonic() + 5
    while used != set(IMAGE_SERVERS) and time.monotonic() < deadline:
        with lab.connect() as connection:
            used.add(connection.get("/img/who.txt").server)
            expect(connection.get("/ping.php").server in APP_SERVERS, "the other pool")
    expect_equal(used, set(IMAGE_SERVERS), "servers that answer")


@case("the controller restarted while 20 connections move all the time: each goes on with right bytes", last=True)
def controller_while_moving(lab):
    stop = threading.Event()
    picture = image("photo.jpg")
    counts = [0] * 20

    def alternate(number):
        with lab.connect("c1" if number % 2 else "c2", timeout=25) as connection:
            while not stop.is_set():
                first = connection.get(f"/img/photo.jpg?moving={number}-{counts[number]}")
                expect(first.server in IMAGE_SERVERS and first.body == picture, f"picture of connection {number}")
                second = connection.get(f"/index.php?moving={number}-{counts[number]}")
                expect(second.server in APP_SERVERS, f"page of connection {number}")
                expect_equal(second.json()["uri"], f"/index.php?moving={number}-{counts[number]}", "the page's address")
                counts[number] += 1
                time.sleep(0.02)

    runs = [Background(lambda number=number: alternate(number)) for number in range(20)]
    try:
        time.sleep(1)
        lab.kill("controller")
        lab.restart_controller()
        at_restart = list(counts)
        until(lambda: all(now > then + 3 for now, then in zip(counts, at_restart)), 25,
              lambda: f"all to go on: {at_restart}, now {counts}")  # fmt: skip
    finally:
        stop.set()
    for number, run in enumerate(runs):
        run.result(25, f"connection {number}")
    logged = [entry["request"] for _, entry in lab.logged("moving=")]
    expect_equal(len(logged), len(set(logged)), "requests in the logs, each once")
