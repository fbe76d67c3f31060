"""The way back: silent servers, what ends them, and connections that rest."""

import hashlib
import os
import random
import signal
import time

from harness import APP_SERVERS, EVERY, IMAGE_SERVERS, case, expect, expect_equal, image, unique, until
from packets import ACK, RST, Wire, is_tag, tag_kind

SILENT_SECONDS = 15
FLOW_IDLE_SECONDS = 30


def picture(connection, name="photo.jpg", mark=""):
    """Asks for an image and checks its bytes. Returns the server."""
    response = connection.get(f"/img/{name}?{mark}")
    expect_equal(response.status, 200, "status")
    expect(response.server in IMAGE_SERVERS, f"an image came from {response.server}")
    expect(response.body == image(name), f"the bytes of {name} from {response.server} are wrong")
    return response.server


def page(connection, mark=""):
    """Asks for a page and checks that the server read the request right. Returns the server."""
    response = connection.get(f"/index.php?{mark}")
    expect_equal(response.status, 200, "status")
    expect(response.server in APP_SERVERS, f"a page came from {response.server}")
    expect_equal(response.json()["uri"], f"/index.php?{mark}", "the request as the server read it")
    return response.server


def upload(connection, size, seed):
    """Posts random bytes and checks what the server read. Returns the server."""
    body = random.Random(seed).randbytes(size)
    response = connection.request("POST", "/sum.php", body=body)
    expect_equal(response.status, 200, "status")
    expect_equal(response.json()["sha256"], hashlib.sha256(body).hexdigest(), f"SHA-256 of {size} bytes")
    return response.server


@case("returning within 15 s costs no handshake, over many returns", labs=EVERY)
def many_returns(lab):
    before = lab.passive_opens()
    mark = unique("returns")
    with lab.connect() as connection:
        servers = {picture(connection, mark=mark), page(connection, mark)}
        expect_equal(lab.passive_opens() - before, 2, "handshakes for the first two requests")
        sizes = random.Random(4)
        for number in range(60):
            name = "1m.bin" if number % 20 == 7 else "icon.png" if number % 3 else "photo.jpg"
            servers.add(picture(connection, name, mark))
            if number % 4 == 1:
                size = 300_000 if number == 29 else sizes.randrange(0, 9000)
                servers.add(upload(connection, size, number))
            else:
                servers.add(page(connection, mark))
        port = connection.port
    expect_equal(len(servers), 2, f"servers that answered ({sorted(servers)})")
    of_nginx = {(server, entry["connection"]) for server, entry in lab.logged(mark)}
    expect_equal(len(of_nginx), 2, "connections as nginx numbers them")
    expect_equal(lab.passive_opens() - before, 2, "handshakes after 120 more requests")
    until(lambda: not lab.sockets_of(port), 5, lambda: f"the servers' sockets to go: {lab.sockets_of(port)}")


@case("a server that closes while silent: its FIN does not reach the client, and the way back is a rebuild")
def fin_while_silent(lab):
    mark = unique("fin")
    with lab.connect() as connection:
        silent = picture(connection, mark=mark)
        page(connection, mark)
        port = connection.port
        expect(silent in lab.sockets_of(port), "the silent server's socket is not there")
        wire = Wire(lab.lab.hosts["c1"]["ovs"])
        try:
            # A reload: the old worker closes its idle connections, this one among them.
            os.kill(lab.lab.processes()[f"nginx {silent}"]["pid"], signal.SIGHUP)
            until(lambda: silent not in lab.sockets_of(port), 5, "the reloaded server to close its idle connection")
            before = lab.passive_opens(silent)
            page(connection, mark)
            seen = [frame for frame in wire.drain() if _is_to(frame, port)]
            ends = [frame for frame in seen if frame["TCP"].flags & 5]
            expect(not ends, f"the client was sent {ends}")
            expect(seen, "the capture at the client shows nothing")
            for _ in range(3):
                expect(picture(connection, mark=mark) in IMAGE_SERVERS, "wrong pool")
                page(connection, mark)
        finally:
            wire.close()
        expect_equal(len(lab.wait_logged(mark, 9)), 9, "requests logged")
        # The pool may choose its other server: then that one had the handshake.
        opened = lab.passive_opens(silent) - before
        expect(opened <= 1, f"{opened} handshakes with the server that had closed")


def _is_to(frame, port):
    return frame.haslayer("TCP") and frame["TCP"].dport == port


@case("a second silence ends the silent server's TCP at once", labs=EVERY)
def second_silence(lab):
    for way_of_ending in ("close", "abort"):
        for number in range(3):
            connection = lab.connect()
            silent = picture(connection)
            page(connection)
            if number == 2:
                # There and back: now the other one is silent.
                picture(connection)
            port = connection.port
            expect_equal(len(lab.sockets_of(port)), 2, f"sockets while {silent} is silent")
            getattr(connection, way_of_ending)()
            until(lambda port=port: not lab.sockets_of(port), 5, lambda port=port: f"after the client's "  # fmt: skip
                  f"{way_of_ending} both sockets to go; {lab.sockets_of(port)} are there")  # fmt: skip


@case("a silence that comes twice on the wire ends the silent TCP at once; the client notices nothing")
def repeated_silence(lab):
    with lab.connect() as connection:
        silent = picture(connection)
        port = connection.port
        with Wire(lab.lab.hosts[silent]["ovs"]) as wire:
            page(connection)
            silence = wire.seen(
                lambda frame: frame["TCP"].sport == port and is_tag(frame.src) and frame["TCP"].flags & RST,
                5, "an RST tagged silence toward the old server")  # fmt: skip
            expect_equal(tag_kind(silence.src), 3, "kind of the tag (silence)")
            expect(silent in lab.sockets_of(port), "the silent server's socket is not there")
            wire.inject(silence)
            until(lambda: silent not in lab.sockets_of(port), 5, "the silent server's socket to go")
        before = lab.passive_opens()
        picture(connection)
        expect_equal(lab.passive_opens() - before, 1, "handshakes for the way back")
        page(connection)
        expect_equal(lab.passive_opens() - before, 1, "handshakes for the next way back")


@case("packets of a silent server's past do not disturb: old ACKs, old data, a wrong RST")
def old_packets(lab):
    """Late segments of the client follow the connection's flow to the server that has it now."""
    mark = unique("old")
    with lab.connect() as connection:
        with Wire(lab.lab.hosts["c1"]["ovs"]) as wire:
            picture(connection, mark=mark)
            old = [frame for frame in wire.drain() if frame.haslayer("TCP") and frame["TCP"].sport == connection.port
                   and not frame["TCP"].flags & 2]  # fmt: skip
            for _ in range(3):
                page(connection, mark)
                with lab.packet_socket() as client:
                    for frame in old:
                        client.send(bytes(frame))
                    wrong = old[-1].copy()
                    wrong["TCP"].remove_payload()
                    wrong["TCP"].flags = RST | ACK
                    wrong["TCP"].seq = (wrong["TCP"].seq + 900_000) % (1 << 32)
                    del wrong["TCP"].chksum, wrong["IP"].chksum, wrong["IP"].len
                    client.send(bytes(wrong))
                picture(connection, mark=mark)
    lab.wait_logged(f"photo.jpg?{mark}", 4)
    lab.wait_logged(f"index.php?{mark}", 3)


@case("a bounce of an earlier request that the web switch sees late does not move the connection again")
def late_bounce(lab):
    mark = unique("late-bounce")
    with lab.connect() as connection:
        server = picture(connection, mark=mark)
        port = connection.port
        with Wire(lab.lab.hosts[server]["ovs"]) as wire:
            page(connection, mark)
            bounce = wire.seen(
                lambda frame: frame["TCP"].sport == port and is_tag(frame.src) and frame.dst == lab.vmac
                and tag_kind(frame.src) == 1, 5, "the bounced request")  # fmt: skip
        before = lab.passive_opens()
        # Its copy, as a client's retransmission makes one, comes when the server that bounced it has the connection again.
        with Wire(lab.lab.hosts[server]["network"]) as filter_side:
            for _ in range(3):
                connection.send(connection.head("GET", f"/img/20m.bin?{mark}"))
                connection.stream.peek(1)
                filter_side.inject(bounce)
                expect(connection.response().body == image("20m.bin"), "the bytes of the download around the late bounce")
                filter_side.inject(bounce)
                expect_equal(picture(connection, mark=mark), server, "server of the next image")
                page(connection, mark)
        expect_equal(lab.passive_opens() - before, 0, "handshakes")
    lab.wait_logged(f"index.php?{mark}", 4)


# ------------------------------------------------------------------------------------------ connections that rest


class Resting:
    """Connections of both cases about rest, begun together so that their waits are one."""

    def __init__(self, lab):
        self.mark = unique("rest")
        self.begun = time.monotonic()
        self.moved = [lab.connect() for _ in range(6)]
        self.silent = [picture(connection, mark=self.mark) for connection in self.moved]
        self.current = [page(connection, self.mark) for connection in self.moved]
        self.stayed = [lab.connect() for _ in range(2)]
        self.images = [picture(connection, mark=self.mark) for connection in self.stayed]
        self.slow = lab.connect(timeout=60)
        picture(self.slow, mark=self.mark)
        self.slow.send(self.slow.head("GET", f"/slow.php?s={FLOW_IDLE_SECONDS + 4}&{self.mark}"))
        self.closing = lab.connect()
        picture(self.closing)
        page(self.closing)
        self.since = time.monotonic()

    def all(self):
        return [*self.moved, *self.stayed, self.slow, self.closing]

    def wait_until(self, seconds, since=None):
        """Lets the connections rest: the case is about this time passing."""
        time.sleep(max(0.0, (since or self.since) + seconds - time.monotonic()))


_RESTING = {}


def resting(lab):
    if lab not in _RESTING:
        _RESTING[lab] = Resting(lab)
    return _RESTING[lab]


@case("after 15 s the silent server's socket is gone, and the way back costs a handshake")
def after_silence(lab):
    rest = resting(lab)
    ports = [connection.port for connection in rest.moved]
    for port, server in zip(ports, rest.silent):
        expect(server in lab.sockets_of(port), f"the silent {server} has no socket for {port}")
    # Opening them all takes its time too, when the machine is busy.
    rest.wait_until(SILENT_SECONDS - 3, since=rest.begun)
    for port, server in zip(ports, rest.silent):
        expect(server in lab.sockets_of(port), f"the socket of the silent {server} was gone before its time")
    rest.wait_until(SILENT_SECONDS + 1)
    for port, server in zip(ports, rest.silent):
        expect(server not in lab.sockets_of(port), f"the silent {server} still has a socket for {port}")
    for number, connection in enumerate(rest.moved[:4]):
        before = lab.passive_opens()
        picture(connection, mark=rest.mark)
        expect_equal(lab.passive_opens() - before, 1, f"handshakes for the way back of connection {number}")
        expect_equal(page(connection, rest.mark), rest.current[number], "server of the next page")
        picture(connection, mark=rest.mark)
        expect_equal(lab.passive_opens() - before, 1, "handshakes for further returns")


@case("a connection outlives its flow: the next request, a late answer, and the close come through")
def after_flow(lab):
    rest = resting(lab)
    untouched = [*rest.moved[4:], *rest.stayed, rest.slow, rest.closing]
    rest.wait_until(FLOW_IDLE_SECONDS)
    until(lambda: not _with_flow(lab, untouched), 3, "the idle connections' flows to time out")
    answer = rest.slow.response()
    expect(answer.server in APP_SERVERS and b"answered after" in answer.body, f"the late answer is {answer}")
    picture(rest.slow, mark=rest.mark)
    before = lab.passive_opens()
    expect_equal([page(connection, rest.mark) for connection in rest.moved[4:]], rest.current[4:], "servers")
    expect_equal([picture(connection, mark=rest.mark) for connection in rest.stayed], rest.images, "servers")
    expect_equal(lab.passive_opens() - before, 0, "handshakes for requests to the servers that have the connections")
    expect_equal(len(_with_flow(lab, [*rest.moved[4:], *rest.stayed])), 4, "connections that have a flow again")
    for connection in rest.stayed:
        page(connection, rest.mark)
    ports = [connection.port for connection in rest.all()]
    for connection in rest.all():
        connection.close()
    until(lambda: not [port for port in ports if lab.sockets_of(port)], 5, "the servers' sockets to go")
    del _RESTING[lab]


def _with_flow(lab, connections):
    flows = "\n".join(lab.connection_flows())
    return [connection for connection in connections if f"tp_src={connection.port}," in flows]
