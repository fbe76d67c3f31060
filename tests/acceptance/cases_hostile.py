"""Attackers on clients' and servers' cables: forged packets change nothing, floods leave no state, others are served."""

import contextlib
import itertools
import os
import socket
import time
import urllib.error
import urllib.request

from harness import APP_SERVERS, BOTH, EVERY_LAB, IMAGE_SERVERS, case, expect, expect_equal, hold_for, image, until
from packets import ACK, ARP, FIN, IP, PSH, RST, SYN, TCP, Ether, RawClient, Wire, response_bytes
from scapy.layers.inet import ICMP, fragment
from scapy.packet import Raw

_PORTS = itertools.count(42_000)
_RUNS = itertools.count(1)


def mark(word):
    return f"{word}-{os.getpid()}-{next(_RUNS)}"


def tag(kind, content_type=72, mss=6, client_scale=7, server_scale=7, sack=1):
    """A migration tag as docs/wire-format.md has it."""
    bits = (0xD652 >> 1) << 33 | content_type << 17 | mss << 14 | client_scale << 10 | server_scale << 6 | sack << 5 | kind
    return ":".join(f"{bits >> shift & 255:02x}" for shift in range(40, -8, -8))


def raw(lab, **words):
    return RawClient(lab, port=next(_PORTS), **words)


def get(lab, path):
    return f"GET {path} HTTP/1.1\r\nHost: {lab.vip}\r\n\r\n".encode()


def post(lab, path):
    return f"POST {path} HTTP/1.1\r\nHost: {lab.vip}\r\nContent-Length: 5\r\n\r\nhello".encode()


@contextlib.contextmanager
def witness(lab):
    """A slow download of another client, and a keep-alive connection: what happens within must not disturb them."""
    with lab.connect("c2") as kept:
        first = kept.get("/img/who.txt")
        with lab.connect("c2", timeout=30) as slow:
            slow.send(slow.head("GET", "/chunk.php?n=40&ms=10"))
            yield kept
            answer = slow.response()
            expect_equal(answer.body.decode(), "".join(f"{answer.server} line {n} of 40\n" for n in range(1, 41)),
                         "the other client's response")  # fmt: skip
        again = kept.get("/img/who.txt")
        expect_equal(again.server, first.server, "the server of the other client's kept connection")


@case("data without a handshake is dropped, counted, and reaches no server", labs=BOTH)
def no_cookie(lab):
    word = mark("no-cookie")
    opens = lab.passive_opens()
    waited = lab.switch_counter("dropped_waited_too_long")
    flagless = lab.switch_counter("dropped_unexpected_flags")
    with raw(lab) as guess, raw(lab, isn=5_000) as honest, raw(lab, isn=9_000) as thief:
        guess.ack = 0x12345678
        guess.send_data(post(lab, f"/sum.php?{word}-guess"))
        honest.handshake()
        # The cookie of another client port with the same ISN, and one's own cookie with another ISN.
        thief.isn, thief.seq, thief.ack = honest.isn, honest.seq, honest.ack
        thief.send_data(post(lab, f"/sum.php?{word}-thief"))
        honest.send(honest.packet(PSH | ACK, seq=honest.seq + 1, payload=post(lab, f"/sum.php?{word}-isn")))
        honest.send(honest.packet(PSH | ACK, ack=honest.ack + 1, payload=post(lab, f"/sum.php?{word}-ack")))
        honest.send(honest.packet(PSH, payload=post(lab, f"/sum.php?{word}-flagless")))
        until(lambda: lab.switch_counter("dropped_waited_too_long") - waited == 4, 3,
              lambda: f"4 drops counted, but {lab.switch_counter('dropped_waited_too_long') - waited}")  # fmt: skip
        expect_equal(lab.switch_counter("dropped_unexpected_flags") - flagless, 1, "segments without ACK counted")
        expect_equal(lab.passive_opens() - opens, 0, "handshakes of the servers' own TCPs")
        expect_equal(lab.logged(word), [], "forged requests in the servers' logs")
        for client in (guess, thief):
            expect_equal(client.silent_for(0.2), [], "answers to forged data")
        # The real connection is none the worse.
        honest.send_data(get(lab, f"/ping.php?{word}-honest"))
        honest.read(response_bytes, 5, "the answer to the honest client")
        honest.send(honest.packet(RST, ack=0))
    lab.wait_logged(word, 1)


@case("frames with a forged tag from a client's port are dropped by Open vSwitch", labs=BOTH)
def forged_tags(lab):
    word = mark("forged-tag")
    opens = lab.passive_opens()
    with witness(lab) as victim:
        packet_ins = lab.switch_counter("packet_ins")
        wires = {server: Wire(lab.lab.hosts[server]["ovs"]) for server in lab.lab.servers()}
        try:
            with raw(lab) as attacker:
                attacker.seq, attacker.ack = 7_000, 8_000
                sent = 0
                for kind in range(8):
                    for target in [lab.vmac, *(lab.lab.hosts[server]["mac"] for server in lab.lab.servers())]:
                        for flags, payload in ((PSH | ACK, post(lab, f"/sum.php?{word}")), (RST | ACK, b""), (SYN, b"")):
                            attacker.send(attacker.packet(flags, payload=payload, eth_src=tag(kind), eth_dst=target))
                            # The same aimed at the victim: its address and port.
                            aimed = attacker.packet(flags, payload=payload, eth_src=tag(kind), eth_dst=target)
                            aimed[IP].src = lab.lab.hosts["c2"]["ip"]
                            aimed[TCP].sport = victim.port
                            attacker.send(aimed)
                            sent += 2
                until(lambda: dropped(lab) >= sent, 5, lambda: f"{sent} drops in the flow of the tag guard: {dropped(lab)}")
            arrived = [frame for wire in wires.values() for frame in wire.drain() if frame.src.startswith("d6:5")]
            expect_equal(arrived, [], "tagged frames on the servers' cables")
        finally:
            for wire in wires.values():
                wire.close()
        if lab.mode == "guard":
            lab.tap.read()
            tagged = [one for one in lab.tap.packet_ins if one.frame[6:8] in (b"\xd6\x52", b"\xd6\x53")
                      and one.in_port == lab.lab.hosts["c1"]["port"]]  # fmt: skip
            expect_equal(tagged, [], "packet-ins with a tag from the client's port")
        expect(lab.switch_counter("packet_ins") >= packet_ins, "the web switch answers")
    expect_equal(lab.logged(word), [], "forged requests in the servers' logs")
    expect(lab.passive_opens() - opens <= 2, "handshakes of the servers' own TCPs: only those of the other client")


def dropped(lab):
    """Packets in the flow of the tag guard."""
    guards = [flow for flow in lab.lab.flows() if "priority=500" in flow]
    return sum(int(flow.split("n_packets=")[1].split(",")[0]) for flow in guards)


@case("frames that look like a server's or a bounce change nothing", labs=BOTH)
def forged_bounce(lab):
    word = mark("forged-bounce")
    opens = lab.passive_opens()
    with witness(lab) as victim:
        server_macs = [lab.lab.hosts[server]["mac"] for server in lab.lab.servers()]
        before = {server: lab.tcp_counter(server, "EstabResets") for server in lab.lab.servers()}
        with raw(lab) as attacker:
            # Numbers all around the circle: some are "after" the victim's, whatever those are.
            for mac, base in itertools.product(server_macs, (7_000, 7_000 + (1 << 30), 7_000 + (1 << 31), 7_000 + (3 << 30))):
                attacker.seq, attacker.ack = base, base + 1_000
                # A bounce is known by the port it enters, not by its source.
                for flags, payload in ((PSH | ACK, post(lab, f"/sum.php?{word}")), (RST | ACK, b""), (FIN | ACK, b"")):
                    for ip, port in ((attacker.ip, attacker.port), (lab.lab.hosts["c2"]["ip"], victim.port)):
                        frame = attacker.packet(flags, payload=payload, eth_src=mac)
                        frame[IP].src, frame[TCP].sport = ip, port
                        attacker.send(frame)
                        # Straight to the server, past the web switch.
                        frame[Ether].src, frame[Ether].dst = attacker.mac, mac
                        attacker.send(frame)
        expect_equal(victim.get("/img/who.txt").status, 200, "status for the victim")
        expect_equal({server: lab.tcp_counter(server, "EstabResets") for server in lab.lab.servers()}, before, "resets")
    hold_for(0.5, lambda: not lab.logged(word), "a forged request in the servers' logs")
    expect(lab.passive_opens() - opens <= 2, "handshakes of the servers' own TCPs: only those of the other client")


@case("an ARP answer in the VIP's name from a server's or a client's port is dropped")
def arp_spoof(lab):
    with Wire(lab.lab.hosts["c2"]["ovs"]) as victim:
        client = lab.lab.hosts["c2"]
        spoofs = 0
        for host in ("s1", "c1"):
            source = lab.lab.hosts[host]
            if host == "s1":
                # Open vSwitch's cable of s1 from the filter's end.
                sender = Wire(source["network"])
                send = sender.inject
            else:
                sender = lab.packet_socket(host)
                send = lambda frame, sender=sender: sender.send(bytes(frame))  # noqa: E731
            with contextlib.closing(sender):
                for target_mac, op, target in ((client["mac"], 2, client["ip"]), ("ff:ff:ff:ff:ff:ff", 1, lab.vip),
                                               ("ff:ff:ff:ff:ff:ff", 2, lab.vip)):  # fmt: skip
                    send(Ether(src=source["mac"], dst=target_mac)
                         / ARP(op=op, hwsrc=source["mac"], psrc=lab.vip, hwdst=client["mac"], pdst=target))  # fmt: skip
                    spoofs += 1
        until(lambda: sum(int(flow.split("n_packets=")[1].split(",")[0]) for flow in lab.lab.flows()
                          if "priority=450" in flow) >= spoofs, 3, "the spoofs in the ARP guard's flow")  # fmt: skip
        got = [frame for frame in victim.drain()
               if frame.haslayer(ARP) and frame[ARP].psrc == lab.vip and frame[ARP].hwsrc != lab.vmac]  # fmt: skip
        expect_equal(got, [], "ARP in the VIP's name on another client's cable")
    with lab.connect("c2") as connection:
        expect(connection.get("/img/who.txt").server in IMAGE_SERVERS, "service for the spoofs' target")
    neighbour = lab.run("c2", "ip", "neigh", "show", lab.vip)
    expect(lab.vmac in neighbour, f"the VIP's MAC at the client: {neighbour}")


@case("20,000 forged SYNs leave no state and the service goes on", labs=BOTH)
def syn_flood(lab):
    connections = lab.switch_counter("connections")
    opens = lab.passive_opens()
    answered = lab.switch_counter("syns_answered")
    served = 0
    with witness(lab) as kept, contextlib.closing(lab.packet_socket("c1")) as sock:
        # One frame, its source address, port and ISN changed in place: 20,000 frames in about a second.
        source = "02:64:77:00:0e:01"
        frame = bytearray(bytes(Ether(src=source, dst=lab.vmac) / IP(src="10.0.0.200", dst=lab.vip)
                                / TCP(sport=1, dport=80, seq=0, flags=SYN, options=[("MSS", 1460)])))  # fmt: skip
        for number in range(20_000):
            at = bytearray(frame)
            at[29] = 200 + number % 50
            at[34:36] = (1024 + number).to_bytes(2, "big")
            at[38:42] = (number * 7919).to_bytes(4, "big")
            refresh_checksums(at)
            sock.send(at)
            if number % 2_000 == 1_999:
                expect_equal(kept.get("/img/who.txt").status, 200, "status on a kept connection during the flood")
                with lab.connect("c2") as connection:
                    expect_equal(connection.get("/ping.php?flood").status, 200, "status on a new connection")
                    served += 1
    expect_equal(served, 10, "new connections served during the flood")
    until(lambda: lab.switch_counter("syns_answered") - answered >= 15_000, 10,
          lambda: f"most SYNs answered: {lab.switch_counter('syns_answered') - answered}")  # fmt: skip
    until(lambda: lab.switch_counter("connections") <= connections + 2, 5,
          lambda: f"no state of the flood: {lab.switch_counter('connections')} connections")  # fmt: skip
    expect_equal(lab.passive_opens() - opens, 2 + served, "handshakes of the servers' own TCPs")
    expect_equal([flow for flow in lab.return_flows() if source in flow], [], "return flows for the flood")


def refresh_checksums(frame):
    """Recomputes the IP and TCP checksums of a 14+20+24 byte frame."""
    frame[24:26] = b"\0\0"
    frame[24:26] = checksum(frame[14:34]).to_bytes(2, "big")
    frame[50:52] = b"\0\0"
    pseudo = frame[26:34] + b"\0\6" + (len(frame) - 34).to_bytes(2, "big")
    frame[50:52] = checksum(pseudo + frame[34:]).to_bytes(2, "big")


def checksum(data):
    total = int.from_bytes(data, "big") % 0xFFFF
    return ~total & 0xFFFF


def half_head(lab, client="c1"):
    """A connection that has sent half a head."""
    with lab.inside(client):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(5)
    sock.connect((lab.vip, 80))
    sock.sendall(b"GET /img/who.txt?half-head HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200)
    return sock


HALF_HEADS = []


def open_half_heads(lab):
    """Connections for the case that waits a minute, opened as early as possible."""
    HALF_HEADS.append((time.monotonic(), [half_head(lab, "c2") for _ in range(50)]))


@case("2,000 heads that stop half-way: others are served; who closes is answered with 400 and forgotten")
def half_heads(lab):
    open_half_heads(lab)
    before = lab.switch_counter("connections")
    cut_off = lab.switch_counter("heads_cut_short")
    rss = resident(lab, "controller")
    socks = []
    with witness(lab) as kept:
        try:
            for number in range(2_000):
                socks.append(half_head(lab))
                if number % 200 == 199:
                    expect_equal(kept.get("/img/who.txt").status, 200, "status on a kept connection meanwhile")
            until(lambda: lab.switch_counter("connections") >= before + 2_000, 5, "2,000 connections to be counted")
            started = time.monotonic()
            for number in range(20):
                with lab.connect("c2") as connection:
                    expect_equal(connection.get(f"/img/who.txt?meanwhile={number}").status, 200, "status meanwhile")
            took = time.monotonic() - started
            expect(took < 5, f"20 requests beside 2,000 half heads took {took:.1f} s")
            grown = resident(lab, "controller") - rss
            expect(grown < 200 << 20, f"the web switch grew by {grown >> 20} MB")
            for sock in socks[:20]:
                sock.shutdown(socket.SHUT_WR)
                answer = b""
                while more := sock.recv(4096):
                    answer += more
                expect(answer.startswith(b"HTTP/1.1 400 "), f"the answer to a head cut off: {answer[:60]!r}")
        finally:
            for sock in socks:
                sock.close()
    until(lambda: lab.switch_counter("connections") <= before + 2, 15,
          lambda: f"closed half heads to be forgotten: {lab.switch_counter('connections')} connections")  # fmt: skip
    expect_equal(lab.switch_counter("heads_cut_short") - cut_off, 2_000, "heads cut off")
    expect_equal(lab.logged("half-head"), [], "half heads in the servers' logs")


@case("a second head that is cut off by the client's FIN is answered with 400", labs=BOTH)
def second_half_head(lab):
    for pause in (0, 0.3):
        with lab.connect() as connection:
            expect(connection.get("/img/who.txt").server in IMAGE_SERVERS, "the first request")
            connection.send(connection.head("GET", "/img/who.txt?cut-off")[:-2])
            # After 40 ms the guard has acknowledged the half head, and must hand it over confirmed.
            time.sleep(pause)
            connection.shut()
            response = connection.response()
            expect_equal((response.status, response.server), (400, None), "the answer")
            connection.at_end()
    expect_equal(lab.logged("cut-off"), [], "heads cut off in the servers' logs")


def resident(lab, role):
    """The resident memory of one of the lab's processes, in bytes."""
    with open(f"/proc/{lab.lab.processes()[role]['pid']}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@case("30 clients that send a head byte by byte do not delay others", labs=BOTH)
def slow_loris(lab):
    slow = [lab.connect("c1") for _ in range(30)]
    try:
        head = slow[0].head("GET", "/img/who.txt?loris")
        for at in range(len(head)):
            for connection in slow:
                connection.send(head[at : at + 1])
            if at % 10 == 0:
                started = time.monotonic()
                with lab.connect("c2") as connection:
                    expect_equal(connection.get("/ping.php").status, 200, "status beside slow heads")
                expect(time.monotonic() - started < 1, "a request beside slow heads took 1 s")
        for connection in slow:
            expect(connection.response().server in IMAGE_SERVERS, "the answer to a slow head")
    finally:
        for connection in slow:
            connection.close()
    lab.wait_logged("loris", 30)


@case("closed ports are reset with the right numbers", labs=BOTH)
def closed_ports(lab):
    resets = lab.switch_counter("closed_port_resets")
    with raw(lab, isn=55) as client:
        for port in (81, 443, 22, 8080):
            client.send(client.packet(SYN, seq=client.isn, port=port))
            answer = client.wait(lambda tcp, port=port: tcp.sport == port, 3, f"an answer of port {port}")
            expect_equal((int(answer.flags), answer.seq, answer.ack), (RST | ACK, 0, 56), f"the answer of port {port}")
            client.send(client.packet(ACK, seq=77, ack=99, port=port))
            answer = client.wait(lambda tcp, port=port: tcp.sport == port, 3, f"an answer of port {port}")
            expect_equal((int(answer.flags), answer.seq), (RST, 99), f"the answer to an ACK of port {port}")
            client.send(client.packet(RST, seq=77, port=port))
        expect_equal(client.silent_for(0.3), [], "answers to RSTs")
    expect_equal(lab.switch_counter("closed_port_resets") - resets, 8, "counted resets")
    with contextlib.suppress(ConnectionRefusedError):
        lab.connect(port=8443, timeout=3).close()
        expect(False, "a kernel's connection to a closed port")


@case("the VIP answers pings; larger ones than a packet are counted", labs=BOTH)
def pings(lab):
    echoes = lab.switch_counter("echo_replies")
    fragments = lab.switch_counter("dropped_fragment")
    mac = "02:64:77:00:0f:78"
    with raw(lab, mac=mac, ip="10.0.0.78") as client:
        for number, size in enumerate((0, 1, 56, 1_400, 1_472)):
            data = bytes(byte % 251 for byte in range(size))
            ping = IP(src=client.ip, dst=lab.vip) / ICMP(id=7, seq=number) / Raw(data)
            client.send(Ether(src=mac, dst=lab.vmac) / ping)
            answer = next_echo_reply(client)
            expect_equal((answer[IP].src, answer[IP].dst, answer.src), (lab.vip, client.ip, lab.vmac), "addresses")
            expect_equal((answer[ICMP].id, answer[ICMP].seq), (7, number), "identifier and sequence number")
            whole = bytes(answer[ICMP])[: answer[IP].len - 20]
            expect_equal(whole[8:], data, f"data of a ping of {size} bytes")
            expect(checksum(whole) in (0, 0xFFFF), "ICMP checksum of the answer")
        pieces = fragment(IP(src=client.ip, dst=lab.vip, id=9) / ICMP() / Raw(b"x" * 4_000), fragsize=1_400)
        for piece in pieces:
            client.send(Ether(src=mac, dst=lab.vmac) / piece)
        until(lambda: lab.switch_counter("dropped_fragment") - fragments == len(pieces), 3,
              lambda: f"{len(pieces)} fragments counted: {lab.switch_counter('dropped_fragment') - fragments}")  # fmt: skip
    expect_equal(lab.switch_counter("echo_replies") - echoes, 5, "counted answers")
    with lab.connect() as connection:
        expect_equal(connection.get("/img/who.txt").status, 200, "status afterwards")


def next_echo_reply(client):
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        client.sock.settimeout(max(0.01, deadline - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            ether = Ether(client.sock.recv(70_000))
            if ether.haslayer(ICMP) and ether[ICMP].type == 0 and ether[IP].dst == client.ip:
                return ether
            client._take(bytes(ether))  # answers ARP
    expect(False, "an echo reply within 3 s")
    return None


@case("blind RST, FIN, SYN and data with wrong numbers change nothing on a live connection", labs=EVERY_LAB)
def blind(lab):
    word = mark("blind")
    with raw(lab) as client:
        client.handshake()
        client.send_data(get(lab, f"/img/who.txt?{word}-1"))
        client.read(response_bytes, 5, "the first answer")
        before = len(client.frames)
        for offset in (-1, 1, 5_000, -70_000, 70_000, 1 << 30, (1 << 31) + 5):
            for flags in (RST, RST | ACK, SYN, FIN | ACK, PSH | ACK):
                payload = get(lab, f"/img/who.txt?{word}-forged") if flags & PSH else b""
                if flags & (PSH | FIN) and abs(offset) <= 5_000:
                    # Any TCP takes what lies within its window. An RST there must have the exact number (RFC 5961).
                    continue
                client.send(client.packet(flags, seq=client.seq + offset, ack=client.ack + offset, payload=payload))
        time.sleep(0.2)
        ends = [tcp for tcp in client.silent_for(0.3) if tcp.flags & (RST | FIN)]
        expect_equal(ends, [], f"ends of the connection after {len(client.frames) - before} answers")
        # The stream goes on in its own numbers, in the same pool and in the other one.
        seen = len(client.received)
        client.send_data(get(lab, f"/img/who.txt?{word}-2"))
        client.read(lambda stream: response_bytes(stream[seen:]), 5, "the second answer")
        seen = len(client.received)
        client.send_data(get(lab, f"/ping.php?{word}-3"))
        client.read(lambda stream: response_bytes(stream[seen:]), 5, "the third answer, of the other pool")
        client.send(client.packet(RST))
    until(lambda: len(lab.logged(word)) == 3, 5, lambda: f"three requests in the logs: {lab.logged(word)}")
    expect_equal(lab.logged(f"{word}-forged"), [], "forged requests in the servers' logs")


@case("garbage at the OpenFlow and control ports does not disturb traffic; the control port wants the key",
      labs=BOTH)  # fmt: skip
def control_ports(lab):
    host, _, openflow = lab.lab.options["openflow"].partition(":")
    _, _, control = lab.lab.options["control"].partition(":")
    garbage = (b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(65_536), b"\4\0\0\4\0\0\0\0", b"\4\0\xff\xff\0\0\0\0" + b"x" * 70_000,
               b"\4\0\0\x08\0\0\0\1" * 2_000, b"\1\0\0\x08\0\0\0\1", b"\4\n\0\x20" + b"\0" * 28, b"\xff" * 100)  # fmt: skip
    left = []
    with witness(lab) as kept:
        for port in (openflow, control):
            for data in garbage:
                sock = socket.create_connection((host, int(port)), timeout=2)
                left.append(sock)
                with contextlib.suppress(OSError):
                    sock.sendall(data)
                expect_equal(kept.get("/img/who.txt").status, 200, "status meanwhile")
        url = f"http://{lab.lab.options['control']}"
        for path, body in (("/filters/s1/config", None), ("/filters/s1/report", b"{}"), ("/filters/nobody/config", None)):
            for key in (None, "wrong", "0" * 48):
                ask = urllib.request.Request(url + path, data=body)
                if key is not None:
                    ask.add_header("Authorization", f"Bearer {key}")
                try:
                    status = urllib.request.urlopen(ask, timeout=3).status
                except urllib.error.HTTPError as answer:
                    status = answer.code
                expect_equal(status, 401, f"status of {path} with key {key}")
        with lab.connect("c2") as connection:
            expect_equal(connection.get("/ping.php").status, 200, "status of a new connection")
        expect(lab.lab.connected(), "Open vSwitch is still connected")
    for sock in left:
        sock.close()
    with lab.connect("c2") as connection:
        expect_equal(connection.get("/img/photo.jpg").body, image("photo.jpg"), "bytes of a picture afterwards")
        expect(connection.get("/ping.php").server in APP_SERVERS, "the other pool afterwards")
    expect(lab.lab.connected(), "Open vSwitch is still connected afterwards")
