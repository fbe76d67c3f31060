"""The rules of docs/contract.md one by one, seen from outside a filter: what reaches the server's TCP, what is bounced.

Most cases play Open vSwitch and web switch for one filter, so that packets come in just the order the rule is about.
"""

import contextlib
import hashlib
import itertools
import time

import lab as dwsr_lab
from harness import APP_SERVERS, IMAGE_SERVERS, case, expect, expect_equal, hold_for, image, unique, until
from packets import ACK, FIN, IP, PSH, RST, SYN, TCP, URG, Ether, RawClient, Wire, is_tag, payload_of, response_bytes, tag_kind

FRESH, MOVED, HELD, SILENCE = 0, 1, 2, 3
IMAGES, PAGES = 44, 72
WAIT_SECONDS = 0.005
# Cases about the server's own TCP also run with the other web server.
OTHER_SERVER = ("guard", "apache")
_PORTS = itertools.count(47_000)
_MODULO = 1 << 32


def tag(kind, content_type):
    """A migration tag as docs/wire-format.md has it: MSS 1460, window scale 7 both ways, SACK."""
    bits = (0xD652 >> 1) << 33 | content_type << 17 | 6 << 14 | 7 << 10 | 7 << 6 | 1 << 5 | kind
    return ":".join(f"{bits >> shift & 255:02x}" for shift in range(40, -8, -8))


def get(lab, path, *headers):
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {lab.vip}", *headers, "\r\n"]).encode()


def post(lab, path, length):
    return f"POST {path} HTTP/1.1\r\nHost: {lab.vip}\r\nContent-Length: {length}\r\n\r\n".encode()


def server_of(response):
    return next(line.split(b":")[1].strip().decode() for line in response.split(b"\r\n") if line.lower().startswith(b"x-server:"))


def end_of(client):
    """Waits until the server has closed or reset."""
    if not any(frame[TCP].flags & (FIN | RST) for frame in client.frames):
        client.accept(client.wait(lambda tcp: tcp.flags & (FIN | RST), 5, "the end of the connection"))


class Eyes:
    """What passes one filter: its cables toward Open vSwitch and toward the server."""

    def __init__(self, lab, server, port):
        self.host = lab.lab.hosts[server]
        self.vmac = lab.vmac
        self.port = port
        self.network = Wire(self.host["network"])
        self.kernel = Wire(self.host["host"])

    def close(self):
        self.network.close()
        self.kernel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def is_bounce(self, frame):
        return frame.dst == self.vmac and frame[TCP].sport == self.port

    def bounces(self):
        """What the filter has sent to the web switch so far."""
        return [frame for frame in self.network.drain() if frame.haslayer(TCP) and self.is_bounce(frame)]

    def at_kernel(self):
        """(to the server's TCP, from it) so far, each oldest first."""
        both = [frame for frame in self.kernel.drain() if frame.haslayer(TCP)]
        return ([frame for frame in both if frame[TCP].sport == self.port and frame.dst == self.host["mac"]],
                [frame for frame in both if frame[TCP].dport == self.port and frame.src == self.host["mac"]])  # fmt: skip


class AtFilter(RawClient):
    """A client whose packets come to one server's filter as if Open vSwitch had brought them; the web switch never knew
    it, so tags are the case's."""

    def __init__(self, lab, server, ip, **words):
        super().__init__(lab, ip=ip, mac=f"02:64:77:00:0e:{int(ip.rpartition('.')[2]):02x}", **words)
        self.ack = 0xFFFF_FE00
        self.shaken = True
        self.server_mac = lab.lab.hosts[server]["mac"]
        self.cable = Wire(lab.lab.hosts[server]["ovs"])
        # The server need not ask who has the address: what is measured is not ARP.
        lab.run(server, "ip", "neigh", "replace", ip, "lladdr", self.mac, "dev", "eth0")

    def close(self):
        super().close()
        self.cable.close()

    def at_filter(self, flags, **words):
        """The bytes of a frame as the filter gets it."""
        return bytes(self.packet(flags, **{"eth_dst": self.server_mac, **words}))

    def send(self, packet):
        packet = packet.copy()
        packet[Ether].dst = self.server_mac
        self.cable.inject(packet)

    def send_tagged(self, data, kind, content_type):
        self.cable.inject(self.at_filter(PSH | ACK, payload=data, eth_src=tag(kind, content_type)))
        self.seq = (self.seq + len(data)) % _MODULO


# ------------------------------------------------------------------------------------------ the bounce


@case("at a bounce the old server's TCP gets a bare ACK of all it has said, and has nothing to repeat")
def quiet_at_the_bounce(lab):
    with RawClient(lab, ip="10.0.0.101", port=next(_PORTS), isn=70_000) as client:
        client.handshake()
        client.send_data(get(lab, "/img/photo.jpg"))
        server = server_of(client.read_response(5, "the first image"))
        with Eyes(lab, server, client.port) as eyes:
            client.send_data(get(lab, "/img/photo.jpg"))
            # Only the next request acknowledges this answer, as clients do that have something to say.
            client.read(response_bytes, 5, "the second image", acknowledge=False)
            client.received = b""
            client.send_data(get(lab, "/ping.php"))
            client.read_response(5, "the page of the other pool")
            hold_for(0.8, lambda: True, "a time in which a TCP repeats what nobody has acknowledged")
            to, back = eyes.at_kernel()
            end = max((frame[TCP].seq + len(payload_of_frame(frame)) for frame in back), default=None)
            expect(end is not None, "the second image on the server's cable")
            said = [(frame[TCP].seq, len(payload_of_frame(frame))) for frame in back if payload_of_frame(frame)]
            expect_equal(len({seq for seq, _ in said}), len(said), "segments of the server's TCP, none twice")
            bare = [frame for frame in to if frame[TCP].flags == ACK and not payload_of_frame(frame)]
            expect_equal([frame[TCP].ack for frame in bare], [end], "bare ACKs that the server's TCP got")


def payload_of_frame(frame):
    tcp = frame[TCP]
    tcp.eth = frame
    return payload_of(tcp)


@case("only the first segment of a bounced request bears the tag; what comes right behind it waits and is bounced without")
def pieces_behind_a_bounce(lab):
    mark = unique("pieces")
    caught = 0
    for number in range(8):
        with RawClient(lab, ip="10.0.0.102", port=next(_PORTS), isn=80_000 + number) as client:
            client.handshake()
            client.send_data(get(lab, f"/img/icon.png?{mark}"))
            server = server_of(client.read_response(5, "the image"))
            body = bytes(range(256)) * 4
            head = post(lab, f"/sum.php?{mark}", len(body))
            with Eyes(lab, server, client.port) as eyes:
                first = bytes(client.packet(PSH | ACK, payload=head))
                second = bytes(client.packet(PSH | ACK, seq=client.seq + len(head), payload=body))
                client.sock.send(first)
                client.sock.send(second)
                client.seq += len(head) + len(body)
                answer = client.read_response(5, "the upload's answer")
                expect(hashlib.sha256(body).hexdigest().encode() in answer, "the upload's sum")
                bounces = [frame for frame in eyes.bounces() if payload_of_frame(frame)]
            expect_equal([tag_kind(frame.src) for frame in bounces if is_tag(frame.src)], [MOVED], "tags of bounced segments")
            expect_equal(payload_of_frame(bounces[0]), head, "the tagged segment")
            caught += sum(payload_of_frame(frame) == body for frame in bounces)
    # Else the flow was always changed before the body came, and nothing was shown.
    expect(caught > 0, "a body that came to the old filter")
    lab.wait_logged(f"sum.php?{mark}", 8)


@contextlib.contextmanager
def lost_in_the_switch(lab, match):
    """Within it, Open vSwitch drops what matches; gives a function that tells how many packets it were."""
    cookie = "cookie=0x78/-1"
    dwsr_lab.output("ovs-ofctl", "-O", "OpenFlow13", "add-flow", lab.lab.bridge, f"cookie=0x78,priority=600,{match},actions=drop")
    try:
        yield lambda: sum(int(flow.split("n_packets=")[1].split(",")[0]) for flow in lab.lab.flows()
                          if "priority=600" in flow and "cookie=0x78" in flow)  # fmt: skip
    finally:
        dwsr_lab.output("ovs-ofctl", "-O", "OpenFlow13", "del-flows", lab.lab.bridge, cookie)


@case("bytes that the filter has acknowledged and handed on are sent again until somebody confirms them")
def held_until_confirmed(lab):
    mark = unique("held")
    with RawClient(lab, ip="10.0.0.103", port=next(_PORTS), isn=90_000) as client:
        client.handshake()
        client.send_data(get(lab, f"/img/icon.png?{mark}"))
        server = server_of(client.read_response(5, "the image"))
        head = get(lab, f"/ping.php?{mark}")
        client.send_data(head[:25])
        client.wait(lambda tcp: tcp.ack == client.seq, 1, "the acknowledgment of half a head")
        in_port = lab.lab.hosts[server]["port"]
        with lost_in_the_switch(lab, f"in_port={in_port},dl_src=d6:52:00:00:00:02/ff:fe:00:00:00:07") as lost:
            client.send_data(head[25:])
            until(lambda: lost() >= 1, 5, "the held request, lost on its way to the web switch")
        # This client repeats nothing: half of the request is nowhere but in the filter.
        answer = client.read_response(5, "the page")
        expect(server_of(answer) in APP_SERVERS, "the page's server")
    lab.wait_logged(f"ping.php?{mark}", 1)


@case("who holds acknowledged bytes is told that they have arrived: afterwards nothing of them is repeated")
def confirmed(lab):
    mark = unique("confirmed")
    wires = {server: Wire(lab.lab.hosts[server]["ovs"]) for server in lab.lab.servers()}
    with contextlib.ExitStack() as stack:
        for wire in wires.values():
            stack.callback(wire.close)
        client = stack.enter_context(RawClient(lab, ip="10.0.0.116", port=next(_PORTS), isn=95_000))
        client.handshake()
        # The web switch acknowledges half of the first head, a filter half of the second.
        for path in (f"/img/icon.png?{mark}", f"/ping.php?{mark}"):
            head = get(lab, path)
            client.send_data(head[:25])
            client.wait(lambda tcp: tcp.ack == client.seq, 1, "the acknowledgment of half a head")
            client.send_data(head[25:])
            client.read_response(5, f"the answer to {path}")
            hold_for(0.5, lambda: True, "a time in which a holder repeats what nobody has confirmed")
            seen = [frame for wire in wires.values() for frame in wire.drain()
                    if frame.haslayer(TCP) and frame[TCP].sport == client.port and is_tag(frame.src)
                    and tag_kind(frame.src) == HELD and frame.dst != lab.vmac]  # fmt: skip
            expect_equal(len(seen), 1, f"times that the held request for {path} came to a server's filter")


# ------------------------------------------------------------------------------------------ late and lost tags


@case("a silence that comes when the connection is already back at its server is void")
def late_silence(lab):
    with lab.connect(timeout=10) as connection:
        silent = connection.get("/img/photo.jpg").server
        port = connection.port
        with Wire(lab.lab.hosts[silent]["ovs"]) as wire:
            expect(connection.get("/ping.php").server in APP_SERVERS, "the page's server")
            silence = wire.seen(lambda frame: frame[TCP].sport == port and is_tag(frame.src) and frame[TCP].flags & RST, 5,
                                "an RST tagged silence")  # fmt: skip
            expect_equal(tag_kind(silence.src), SILENCE, "kind of the tag")
            connection.send(connection.head("GET", "/img/20m.bin"))
            connection.stream.peek(1)
            for _ in range(3):
                wire.inject(silence)
            response = connection.response()
            expect_equal(response.server, silent, "the server that the connection returned to")
            expect(response.body == image("20m.bin"), "bytes of the answer during which the silence came")
        expect_equal(connection.get("/img/photo.jpg").server, silent, "the next image's server")


@case("payload before its tag waits for it; without one it is bounced after 5 ms, and the server's TCP hears nothing")
def early_payload(lab):
    mark = unique("early")
    server = APP_SERVERS[0]
    body = b"first come, not first served"
    head = post(lab, f"/sum.php?{mark}", len(body))
    tries = 0
    while True:
        tries += 1
        with AtFilter(lab, server, "10.0.0.104", port=next(_PORTS), isn=0xFFFF_FF00) as client, \
                Eyes(lab, server, client.port) as eyes:  # fmt: skip
            early = client.at_filter(PSH | ACK, seq=client.seq + len(head), payload=body)
            tagged = client.at_filter(PSH | ACK, payload=head, eth_src=tag(FRESH, PAGES))
            client.cable.inject(early)
            between = time.monotonic()
            client.cable.inject(tagged)
            between = time.monotonic() - between
            client.seq = (client.seq + len(head) + len(body)) % _MODULO
            if between > WAIT_SECONDS / 2 and tries < 5:
                continue  # The case itself was held up.
            answer = client.read_response(5, "the answer to a request whose body came before its head")
            expect(hashlib.sha256(body).hexdigest().encode() in answer, "the upload's sum")
            expect_equal(eyes.bounces(), [], "bounces")
            break
    lab.wait_logged(mark, tries)
    with AtFilter(lab, server, "10.0.0.104", port=next(_PORTS), isn=5_000) as client, \
            Eyes(lab, server, client.port) as eyes:  # fmt: skip
        payload = client.at_filter(PSH | ACK, payload=get(lab, f"/ping.php?{mark}-untagged"))
        bare = client.at_filter(ACK)
        fin = client.at_filter(FIN | ACK)
        client.cable.inject(bare)
        started = time.monotonic()
        client.cable.inject(payload)
        bounced = eyes.network.seen(lambda frame: eyes.is_bounce(frame) and payload_of_frame(frame), 2, "the payload bounced")
        waited = time.monotonic() - started
        expect(waited >= WAIT_SECONDS - 0.001, f"the payload was bounced after {waited * 1000:.1f} ms")
        expect_equal(bounced.src, client.mac, "the source of what is bounced without a tag")
        client.cable.inject(fin)
        eyes.network.seen(lambda frame: eyes.is_bounce(frame) and frame[TCP].flags & FIN, 2, "the FIN bounced")
        expect_equal(client.silent_for(0.2), [], "answers")
        expect_equal([bytes(frame[TCP]) for frame in eyes.at_kernel()[0]], [], "packets to the server's TCP")
        client.shaken = False
    expect_equal(lab.logged(f"{mark}-untagged"), [], "untagged requests in the servers' logs")


@case("128 segments wait for their tag at most; the server's TCP hears nothing of 2,000, and tagged requests are served")
def early_flood(lab):
    mark = unique("early-flood")
    server = APP_SERVERS[0]
    full = lab.filter_counter("dropped_early_full", server)
    with AtFilter(lab, server, "10.0.0.105", port=next(_PORTS), isn=5_000) as client, \
            Eyes(lab, server, client.port) as eyes:  # fmt: skip
        frames = [client.at_filter(PSH | ACK, seq=7_000 + 400 * number, payload=b"x" * 400) for number in range(400)]
        for _ in range(5):
            for frame in frames:
                client.cable.inject(frame)
        until(lambda: lab.filter_counter("dropped_early_full", server) - full >= 1, 5, "segments beyond the pool counted")
        client.send_tagged(get(lab, f"/ping.php?{mark}"), FRESH, PAGES)
        client.read_response(5, "the page beside the flood")
        to, _ = eyes.at_kernel()
        expect_equal([frame for frame in to if b"xxxx" in payload_of_frame(frame)], [], "the flood at the server's TCP")
    lab.wait_logged(mark, 1)


@case("a client's RST that still follows the old flow to a silent server ends the connection at the server that has it")
def reset_at_the_wrong_filter(lab):
    with RawClient(lab, ip="10.0.0.112", port=next(_PORTS), isn=100_000) as client:
        client.handshake()
        client.send_data(get(lab, "/img/icon.png"))
        silent = server_of(client.read_response(5, "the image"))
        client.send_data(get(lab, "/ping.php"))
        current = server_of(client.read_response(5, "the page"))
        expect(current in lab.open_sockets_of(client.port), "the current server's socket")
        with Wire(lab.lab.hosts[silent]["ovs"]) as wire:
            wire.inject(client.packet(RST | ACK, eth_dst=lab.lab.hosts[silent]["mac"]))
        until(lambda: not lab.open_sockets_of(client.port), 5, lambda: f"sockets of {lab.open_sockets_of(client.port)} to go")
        expect_equal([tcp for tcp in client.silent_for(0.1) if tcp.flags & RST], [], "RSTs to the client")
        client.shaken = False


@case("after Connection: close nothing is bounced: a request sent ahead for another pool is not run there")
def nothing_after_close(lab):
    mark = unique("after-close")
    with RawClient(lab, ip="10.0.0.113", port=next(_PORTS), isn=110_000) as client:
        client.handshake()
        begin = client.ack
        client.send_data(get(lab, f"/img/photo.jpg?{mark}", "Connection: close") + get(lab, f"/ping.php?{mark}"))
        client.read(response_bytes, 5, "the image", acknowledge=False)
        expect(client.received.endswith(image("photo.jpg")), "the image's bytes")
        # All of the answer, and not the server's FIN: but for the close a request could move now.
        client.send(client.packet(ACK, ack=begin + len(client.received)))
        end_of(client)
        more = [payload_of(tcp) for tcp in client.silent_for(1.5)]
        expect(not any(data.startswith(b"HTTP/1.1") for data in more), "no answer behind the last one")
    expect_equal(lab.logged(f"ping.php?{mark}"), [], "the request behind the last one in the servers' logs")


@case("what a held segment acknowledges is not held: a client that acknowledges by what it sends ahead gets its whole answer")
def news_of_held_segments(lab):
    with RawClient(lab, ip="10.0.0.114", port=next(_PORTS), isn=120_000) as client:
        client.handshake()
        client.send_data(get(lab, "/img/1m.bin"))
        ahead = get(lab, "/ping.php", "X-Ahead: " + "a" * 1_300)
        sent = 0
        deadline = time.monotonic() + 15
        while not response_bytes(client.received):
            tcp = client.next_tcp(max(0.0, deadline - time.monotonic()))
            expect(tcp is not None, f"the image; so far {len(client.received)} bytes")
            before = client.ack
            client.accept(tcp, acknowledge=False)
            if client.ack != before and sent < len(ahead) - 1:
                client.send_data(ahead[sent : sent + 1])
                sent += 1
        response = client.received[: response_bytes(client.received)]
        client.received = client.received[len(response) :]
        expect(response.endswith(image("1m.bin")), "the image's bytes")
        client.send_data(ahead[sent:])
        expect(server_of(client.read_response(5, "the page")) in APP_SERVERS, "the page's server")


# ------------------------------------------------------------------------------------------ ports used again


@case("the client's SYN is the web switch's: a filter bounces it and its server's TCP never sees it")
def untagged_syn(lab):
    server = APP_SERVERS[0]
    with AtFilter(lab, server, "10.0.0.106", port=next(_PORTS), isn=5_000) as client, \
            Eyes(lab, server, client.port) as eyes:  # fmt: skip
        for known in (False, True):
            if known:
                client.send_tagged(get(lab, "/ping.php"), FRESH, PAGES)
                client.read_response(5, "the page")
            eyes.at_kernel()
            client.cable.inject(client.at_filter(SYN, seq=9_000_000, options=[("MSS", 1460)]))
            eyes.network.seen(lambda frame: eyes.is_bounce(frame) and frame[TCP].flags == SYN, 2, "the SYN bounced")
            hold_for(0.2, lambda: not any(frame[TCP].flags & SYN for frame in eyes.at_kernel()[0]),
                     f"the SYN at the server's TCP, connection known: {known}")  # fmt: skip
            client.silent_for(0)
        # The state was kept: the old connection goes on.
        client.send_data(get(lab, "/ping.php"))
        client.read_response(5, "the page on the connection whose ports another SYN used")


@case("after a new SYN on a connection's ports what follows its number is the new one's, and not for the old server's TCP")
def new_syn(lab):
    """The new connection's numbers lie close to the old one's, so that the old server's TCP would take its bytes."""
    mark = unique("new-syn")
    server = APP_SERVERS[0]
    with AtFilter(lab, server, "10.0.0.107", port=next(_PORTS), isn=5_000) as client, \
            Eyes(lab, server, client.port) as eyes:  # fmt: skip
        client.send_tagged(get(lab, f"/ping.php?{mark}-old"), FRESH, PAGES)
        client.read_response(5, "the page")
        old_seq = client.seq
        for ahead in (300, 3_000):
            isn = old_seq + ahead
            client.cable.inject(client.at_filter(SYN, seq=isn, options=[("MSS", 1460)]))
            eyes.network.seen(lambda frame: eyes.is_bounce(frame) and frame[TCP].flags == SYN, 2, "the SYN bounced")
            eyes.at_kernel()
            request = get(lab, f"/ping.php?{mark}-new")
            client.cable.inject(client.at_filter(ACK, seq=isn + 1, ack=123))
            client.cable.inject(client.at_filter(PSH | ACK, seq=isn + 1, ack=123, payload=request))
            bounced = eyes.network.seen(lambda frame: eyes.is_bounce(frame) and payload_of_frame(frame), 2, "the request bounced")
            expect_equal((bounced[TCP].seq, bounced.src), (isn + 1, client.mac), "number and source of the bounced request")
            hold_for(0.1, lambda: not eyes.at_kernel()[0], "the new connection's packets at the old server's TCP")
        client.send_data(get(lab, f"/ping.php?{mark}-old"))
        client.read_response(5, "the page on the old connection")
    lab.wait_logged(f"{mark}-old", 2)
    expect_equal(lab.logged(f"{mark}-new"), [], "new requests in the servers' logs")


@case("an old socket in TIME_WAIT on the client's port is cleared by an RST of the number it says, and the request runs")
def time_wait(lab):
    mark = unique("time-wait")
    server = IMAGE_SERVERS[0]
    port = next(_PORTS)
    refused = lab.filter_counter("rebuilds_refused")
    # Each first number lies before the last one's, so that no TCP may take the SYN for a new connection's.
    for isn in (0x8000_0000, 0x7000_0000, 0x6000_0000):
        with AtFilter(lab, server, "10.0.0.108", port=port, isn=isn) as client, Eyes(lab, server, port) as eyes:
            waits = [words for words in lab.sockets(server, "time-wait") if words[-1].endswith(f":{port}")]
            client.send_tagged(get(lab, f"/img/who.txt?{mark}", "Connection: close"), FRESH, IMAGES)
            client.read(response_bytes, 5, "the answer")
            end_of(client)
            client.send(client.packet(FIN | ACK))
            client.shaken = False
            until(lambda: [words for words in lab.sockets(server, "time-wait") if words[-1].endswith(f":{port}")], 5,
                  "the server's TIME_WAIT")  # fmt: skip
            if waits:
                to, back = eyes.at_kernel()
                challenge = next(frame[TCP] for frame in back if frame[TCP].flags == ACK)
                resets = [frame[TCP].seq for frame in to if frame[TCP].flags & RST]
                expect_equal(resets, [challenge.ack], "numbers of the RSTs that cleared the old socket")
    lab.wait_logged(mark, 3)
    expect_equal(lab.filter_counter("rebuilds_refused") - refused, 0, "rebuilds refused")


@case("a bare ACK with another connection's numbers does not reach the server's TCP, near ones do")
def foreign_ack(lab):
    server = APP_SERVERS[0]
    with AtFilter(lab, server, "10.0.0.115", port=next(_PORTS), isn=5_000) as client, \
            Eyes(lab, server, client.port) as eyes:  # fmt: skip
        client.send_tagged(get(lab, "/ping.php"), FRESH, PAGES)
        client.read_response(5, "the page")
        eyes.at_kernel()
        for ahead in (1 << 22, 1 << 30, -(1 << 22), (1 << 31) - 1):
            client.cable.inject(client.at_filter(ACK, seq=client.seq + ahead, ack=777))
        # A keep-alive probe bears the number before the next one.
        client.cable.inject(client.at_filter(ACK, seq=client.seq - 1))
        probe = eyes.kernel.seen(lambda frame: frame[TCP].sport == client.port and frame.dst == client.server_mac, 2, "the probe")
        expect_equal(probe[TCP].seq, (client.seq - 1) % _MODULO, "the number of what reached the server's TCP")
        hold_for(0.1, lambda: not eyes.at_kernel()[0], "foreign ACKs at the server's TCP")


@case("a tagged request far from all that is known on its ports is a new connection's, whatever its tag says")
def far_request(lab):
    mark = unique("far")
    server = APP_SERVERS[0]
    port = next(_PORTS)
    for number, kind in enumerate((FRESH, HELD, MOVED)):
        isn = 0x1000_0000 + number * 0x3000_0000
        with AtFilter(lab, server, "10.0.0.117", port=port, isn=isn) as client:
            client.ack = (0x2000_0000 + number * 0x5000_0000) % _MODULO
            client.send_tagged(get(lab, f"/ping.php?{mark}"), kind, PAGES)
            client.read_response(5, f"the answer to a request whose tag says {kind}")
            # The next one comes while this one lives.
            client.shaken = number == 2
    lab.wait_logged(mark, 3)


# ------------------------------------------------------------------------------------------ masquerade


@contextlib.contextmanager
def kernel_settings(lab, servers, name, value):
    """Sets a sysctl of servers and puts it back."""
    before = {server: lab.run(server, "sysctl", "-n", name).strip() for server in servers}
    try:
        for server in servers:
            lab.run(server, "sysctl", "-q", "-w", f"{name}={value}")
        yield
    finally:
        for server, old in before.items():
            lab.run(server, "sysctl", "-q", "-w", f"{name}={old}")


@case("a server whose window scale is not the promised one: the client sees its windows in the promised scale, in bulk too",
      labs=OTHER_SERVER)  # fmt: skip
def window_scale(lab):
    promised = 7
    # The largest receive buffer decides the scale; without window scaling it is none.
    for name, value in (("net.ipv4.tcp_rmem", f"4096 131072 {64 << 20}"), ("net.ipv4.tcp_window_scaling", 0)):
        with kernel_settings(lab, APP_SERVERS, name, value):
            server = APP_SERVERS[0]
            with AtFilter(lab, server, "10.0.0.109", port=next(_PORTS), isn=5_000) as client, \
                    Eyes(lab, server, client.port) as eyes:  # fmt: skip
                client.send_tagged(get(lab, "/ping.php"), FRESH, PAGES)
                client.read_response(5, "the page")
                to, back = eyes.at_kernel()
                syn_ack = next(frame[TCP] for frame in back if frame[TCP].flags & SYN)
                own = dict(syn_ack.options).get("WScale", 0)
                told = {frame[TCP].window for frame in to if not frame[TCP].flags & SYN}
                # 64,240 in the client's scale; a TCP without window scaling takes the field for bytes.
                expect_equal(told, {64_240 if own else 0xFFFF}, f"the client's window as the server's TCP gets it ({own})")
                expect(own != promised, f"the server offers another scale than {promised}")
                granted = {frame[TCP].window << own for frame in back if frame[TCP].flags & ACK and not frame[TCP].flags & SYN}
                seen = {frame[TCP].window << promised for frame in client.frames}
                wanted = {min(window >> promised, 0xFFFF) << promised for window in granted}
                expect_equal(seen, wanted, f"windows in bytes, as the client sees them (own scale {own})")
            with lab.connect(timeout=20) as connection:
                body = image("2m.bin")
                for path in ("/img/photo.jpg", "/sum.php", "/img/photo.jpg", "/sum.php"):
                    if path == "/sum.php":
                        answer = connection.request("POST", path, body=body)
                        expect_equal(answer.json()["sha256"], hashlib.sha256(body).hexdigest(), "the upload's sum")
                    else:
                        expect(connection.get(path).body == image("photo.jpg"), "the image's bytes")


class NarrowClient(RawClient):
    """A client with room for 128 bytes (window scale 7)."""

    def packet(self, flags, window=1, **words):
        return super().packet(flags, window=window, **words)


@case("a client whose window is smaller than the head of its answer gets the answer, though the filter holds incomplete heads")
def narrow_window(lab):
    with NarrowClient(lab, ip="10.0.0.118", port=next(_PORTS), isn=5_000) as client:
        client.handshake()
        client.send_data(get(lab, "/img/who.txt"))
        answer = client.read_response(20, "the answer")
        expect(answer.partition(b"\r\n\r\n")[2].strip().decode() in IMAGE_SERVERS, f"the answer: {answer[-60:]!r}")
        expect(len(answer.partition(b"\r\n\r\n")[0]) > 128, "a head that does not fit the window")


def sack_blocks(tcp):
    return dict(tcp.options).get("SAck", ())


@case("SACK blocks are moved with the numbers: the client's to the server, and the server's to the client after a return",
      labs=OTHER_SERVER)  # fmt: skip
def sack(lab):
    with RawClient(lab, ip="10.0.0.110", port=next(_PORTS), isn=0xFFFF_F800) as client:
        client.handshake()
        client.send_data(get(lab, "/img/icon.png"))
        server = server_of(client.read_response(5, "the image"))
        with Eyes(lab, server, client.port) as eyes:
            # Blocks of a range that has been sent: any will do, the server's TCP ignores what makes no sense to it.
            left, right = client.ack + 100, client.ack + 300
            client.send(client.packet(ACK, options=[("NOP", None), ("NOP", None), ("SAck", (left % _MODULO, right % _MODULO))]))
            moved = eyes.kernel.seen(lambda frame: frame[TCP].sport == client.port and sack_blocks(frame[TCP]), 3,
                                     "the SACK at the server's TCP")[TCP]  # fmt: skip
            found = [(edge - moved.ack) % _MODULO for edge in sack_blocks(moved)]
            expect_equal(found, [100, 300], "the block's edges from the acknowledged number on, at the server")
            expect(moved.ack != client.ack, "the server's numbers differ from the client's")
        for path in ("/ping.php", "/img/icon.png"):
            client.send_data(get(lab, path))
            client.read_response(5, f"the answer to {path}")
        body = image("photo.jpg")[:3_000]
        client.send_data(post(lab, "/sum.php", len(body)), flags=ACK | PSH)
        client.silent_for(0.05)
        begin = client.seq
        client.send(client.packet(ACK, seq=begin + 2_000, payload=body[2_000:]))
        told = client.wait(sack_blocks, 3, "a SACK from the server")
        expect_equal(sack_blocks(told), ((begin + 2_000) % _MODULO, (begin + 3_000) % _MODULO), "the block, in the client's numbers")
        expect_equal(told.ack, begin % _MODULO, "the acknowledged number")
        client.send(client.packet(ACK, payload=body[:2_000][:1_000]))
        client.send(client.packet(PSH | ACK, seq=begin + 1_000, payload=body[1_000:2_000]))
        client.seq = (begin + 3_000) % _MODULO
        answer = client.read_response(5, "the upload's answer")
        expect(hashlib.sha256(body).hexdigest().encode() in answer, "the upload's sum")


@case("urgent data stays in line: the server reads each byte that the client sent, in a head and in a body",
      labs=OTHER_SERVER)  # fmt: skip
def urgent(lab):
    with RawClient(lab, ip="10.0.0.111", port=next(_PORTS), isn=5_000) as client:
        client.handshake()
        for path, body in (("/img/icon.png", b""), ("/img/icon.png", b""), ("/sum.php", b"moves"), ("/sum.php", b"urgent")):
            # The first request of each pool goes through the web switch, the second straight to the server.
            for data in (post(lab, path, len(body)) if body else get(lab, path), body):
                if data:
                    packet = client.packet(PSH | ACK | URG, payload=data)
                    packet[TCP].urgptr = len(data)
                    client.send(packet)
                    client.seq = (client.seq + len(data)) % _MODULO
            answer = client.read_response(5, f"the answer to {path}")
            expect(answer.startswith(b"HTTP/1.1 200 "), f"the answer to {path}: {answer[:80]!r}")
            if body:
                expect(hashlib.sha256(body).hexdigest().encode() in answer, "the upload's sum")
