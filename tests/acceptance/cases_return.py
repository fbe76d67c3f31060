"""Responses leave Open vSwitch by their client's port alone, whatever it has forgotten of who is where."""

import contextlib
import itertools
import socket

from harness import BOTH, case, dwsr_lab, expect, expect_equal, image, until
from packets import RawClient

MEGABYTE = 1 << 20
# ARP and such; a copy of the response would be 20 MB.
NOISE_BYTES = 200_000
_PORTS = itertools.count(44_000)


def forget_macs(lab):
    """Does at once what 300 s without ARP do: Open vSwitch no longer knows who is where."""
    dwsr_lab.output("ovs-appctl", "fdb/flush", lab.lab.bridge)


def flow_of(lab, mac):
    """A client's return flow for IPv4: (flow, port), or (None, None)."""
    for flow in lab.return_flows():
        if f"dl_dst={mac}" in flow and f"nw_src={lab.vip} " in flow:
            return flow, int(flow.rpartition("actions=output:")[2])
    return None, None


def take_away(lab, mac):
    """Deletes a client's return flow behind the web switch's back."""
    dwsr_lab.output("ovs-ofctl", "-O", "OpenFlow13", "--strict", "del-flows", lab.lab.bridge,
                    f"priority=110,ip,nw_src={lab.vip},dl_dst={mac}")  # fmt: skip


def sent(lab):
    """How many bytes Open vSwitch has sent to each host."""
    return {name: counters["tx_bytes"] for name, counters in lab.lab.port_counters().items()}


def slow_connection(lab):
    """A connection whose server is never far ahead of the reader."""
    return lab.connect(timeout=60, options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)])


def download(lab, connection, before_piece=lambda number: None):
    """Reads /img/20m.bin in pieces of 1 MB; returns (server, bytes to each host meanwhile)."""
    before = sent(lab)
    connection.send(connection.head("GET", "/img/20m.bin"))
    headers = {}
    while (line := connection.stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers["content-length"])
    body = bytearray()
    while len(body) < length:
        before_piece(len(body) // MEGABYTE)
        piece = connection.stream.read(min(MEGABYTE, length - len(body)))
        expect(piece, f"the download broke off after {len(body)} of {length} bytes")
        body += piece
    expect(bytes(body) == image("20m.bin"), "the download's bytes")
    after = sent(lab)
    return headers["x-server"], {name: after[name] - before[name] for name in after}


def expect_no_copies(lab, server, grown):
    expect(grown["c1"] >= 20 * MEGABYTE, f"bytes to the client: {grown['c1']}")
    copies = {name: count for name, count in grown.items() if name not in ("c1", server) and count > NOISE_BYTES}
    expect_equal(copies, {}, "hosts that got a copy of the response, and its bytes")


@case("a response goes to its client's port alone while Open vSwitch forgets every MAC again and again", labs=BOTH)
def no_flooding(lab):
    client = lab.lab.hosts["c1"]
    with slow_connection(lab) as connection:
        server, grown = download(lab, connection, lambda number: forget_macs(lab))
        expect_no_copies(lab, server, grown)
        flow, port = flow_of(lab, client["mac"])
        expect_equal(port, client["port"], f"the port in the client's return flow ({flow})")
        expect("idle_timeout=300" in flow and "send_flow_rem" in flow, f"timeout and report of {flow}")
        # On the same connection, where in mode guard no packet reaches the web switch.
        server, grown = download(lab, connection, lambda number: forget_macs(lab))
        expect_no_copies(lab, server, grown)


@case("without its return flow a client is flooded for but served, and its next connection brings the flow back")
def taken_away(lab):
    client = lab.lab.hosts["c1"]
    with slow_connection(lab) as connection:
        expect_equal(connection.get("/img/who.txt").status, 200, "status")
        expect(flow_of(lab, client["mac"])[0], "a return flow")
        known = lab.switch_counter("return_flows")
        take_away(lab, client["mac"])
        until(lambda: lab.switch_counter("return_flows") == known - 1, 5, "the web switch to hear of it")

        def flooded():
            forget_macs(lab)
            server, grown = download(lab, connection)
            return all(count > MEGABYTE for name, count in grown.items() if name not in ("c1", server))

        # Shows that the counters would show it; an ARP of the client may come between once.
        expect(any(flooded() for _ in range(3)), "a response without a return flow is flooded")
        expect_equal(flow_of(lab, client["mac"]), (None, None), "a return flow without a decision")
    with lab.connect() as connection:
        expect_equal(connection.get("/img/who.txt").status, 200, "status")
    expect_equal(flow_of(lab, client["mac"])[1], client["port"], "the port in the return flow that came back")


@case("a client that has moved to another port gets its responses there", labs=BOTH)
def moved_client(lab):
    def ask(cable):
        with RawClient(lab, client=cable, ip="10.0.0.78", mac="02:64:77:00:0f:78", port=next(_PORTS)) as client:
            client.handshake()
            client.send_data(f"GET /img/who.txt HTTP/1.1\r\nHost: {lab.vip}\r\n\r\n".encode())
            expect(client.read_response(5, f"the answer on {cable}'s cable").startswith(b"HTTP/1.1 200 "), "the answer")
        return flow_of(lab, client.mac)[1]

    for cable in ("c1", "c2", "c1"):
        expect_equal(ask(cable), lab.lab.hosts[cable]["port"], f"the port in the return flow of a client on {cable}'s cable")


@case("return flows outlive a restart of the web switch, during a download too", last=True)
def restarted(lab):
    client = lab.lab.hosts["c1"]

    def read_back():
        # It does not answer at first.
        with contextlib.suppress(OSError):
            return lab.switch_counter("controller_return_flows_read_back") >= 1
        return False

    def before_piece(number):
        forget_macs(lab)
        if number == 5:
            lab.kill("controller")
        elif number == 10:
            lab.restart_controller()
            until(read_back, 30, "the return flow to be read back")

    with slow_connection(lab) as connection:
        server, grown = download(lab, connection, before_piece)
        expect_no_copies(lab, server, grown)
        expect_equal(flow_of(lab, client["mac"])[1], client["port"], "the port in the return flow")
        expect_equal(lab.switch_counter("return_flows"), len(lab.return_flows()), "return flows that the web switch knows")
    until(lab.reachable, 10, "both pools to answer after the restart")
    expect_equal(lab.switch_counter("return_flows_installed"), 0, "return flows that had to be installed again")
