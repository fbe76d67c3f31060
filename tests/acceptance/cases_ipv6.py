"""The same service over IPv6, beside IPv4; and frames of VLANs, which are nobody's business here."""

import contextlib
import hashlib
import os
import random
import re
import select
import socket
import struct
import time

from cases_cookies import IDS, visit
from cases_load import check, nothing_stuck, standing, wrk_words
from cases_switchback import page, picture, upload
from harness import APP_SERVERS, IMAGE_SERVERS, case, expect, expect_equal, image, unique, until
from packets import ACK, RST, SYN, Wire
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether

BOTH = ("guard", "switch")
EVERY = (*BOTH, "apache")
MEGABYTE = 1 << 20


@case("IPv6: 40 requests alternate between two pools on one connection", labs=EVERY)
def alternate(lab):
    mark = unique("six")
    with lab.connect(ipv6=True) as connection:
        for _ in range(20):
            picture(connection, mark=mark)
            page(connection, mark)
        source = f":{connection.port}"
        client = lab.lab.hosts["c1"]["ip6"]
    logged = [entry for _, entry in lab.wait_logged(mark, 40)]
    expect_equal({entry["client"] for entry in logged}, {client + source}, "clients in the servers' logs")


@case("IPv6: returning within 15 s costs no handshake", labs=EVERY)
def switch_back(lab):
    before = lab.passive_opens()
    with lab.connect(ipv6=True) as connection:
        servers = {picture(connection), page(connection)}
        for number in range(20):
            servers.add(picture(connection, "icon.png" if number % 3 else "1m.bin"))
            servers.add(upload(connection, 3000, number) if number % 4 == 1 else page(connection))
        port = connection.port
    expect_equal(len(servers), 2, f"servers that answered ({sorted(servers)})")
    expect_equal(lab.passive_opens() - before, 2, "handshakes of the servers' own TCPs")
    until(lambda: not lab.sockets_of(port), 2, lambda: f"the servers' sockets to go: {lab.sockets_of(port)}")


@case("IPv6: a session stays with its server over new connections of both families", labs=EVERY)
def session(lab):
    mark = unique("session6")
    jar = None
    for number in range(1, 7):
        with lab.connect(ipv6=number % 3 != 0) as connection:
            picture(connection, mark=mark)
            response, told, cookie = visit(connection, *([jar] if jar else []), mark=mark)
            if number == 1:
                first = response.server
                expect_equal(cookie[0], f"DR020{IDS[first]}D", "name of the cookie that the browser gets")
                jar = "=".join(cookie)
            expect_equal((response.server, told["visits"]), (first, number), "server and visits")


@case("IPv6: 2 MB up and down, on a connection that has moved and moves after", labs=EVERY)
def transfers(lab):
    with lab.connect(ipv6=True, timeout=60) as connection:
        picture(connection)
        page(connection)
        for number in range(3):
            upload(connection, 2 * MEGABYTE, number)
            picture(connection, "1m.bin")
            picture(connection, "1m.bin")
            page(connection)


@case("IPv6: requests of both pools sent ahead in one segment are answered in order", labs=BOTH)
def pipelined(lab):
    with lab.connect(ipv6=True) as connection:
        wanted = ["/img/photo.jpg", "/index.php", "/img/icon.png", "/img/icon.png", "/index.php", "/img/photo.jpg"]
        connection.send(b"".join(connection.head("GET", path) for path in wanted))
        for path in wanted:
            answer = connection.response()
            if path.startswith("/img/"):
                expect(answer.server in IMAGE_SERVERS, f"{path} came from {answer.server}")
                expect_equal(answer.body, image(path[5:]), f"bytes of {path}")
            else:
                expect(answer.server in APP_SERVERS, f"{path} came from {answer.server}")


@case("IPv6: a client that half-closes after its last request still gets the whole response", labs=BOTH)
def half_close(lab):
    # nginx itself gives up on a response that waits for PHP; so the last request is for a file, and moves.
    for first in (True, False):
        for corked in (False, True):
            with lab.connect(ipv6=True, nodelay=False) as connection:
                if not first:
                    page(connection)
                if corked:
                    # FIN and request leave in one segment.
                    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
                connection.send(connection.head("GET", "/img/photo.jpg"))
                connection.shut()
                expect_equal(connection.response().body, image("photo.jpg"), "the response")
                connection.at_end()


@case("IPv6: malformed requests are answered with 400 and reach no server, as first and as later ones", labs=BOTH)
def malformed(lab):
    mark = unique("bad6")
    for first in (True, False):
        with lab.connect(ipv6=True) as connection:
            if not first:
                picture(connection)
            connection.send(f"GET /img/who.txt?{mark} HTTP/1.1\r\nHost : a\r\n\r\n".encode())
            answer = connection.response()
            expect_equal((answer.status, answer.header("Connection"), answer.server), (400, "close", None), "the answer")
            connection.at_end()
    expect_equal(lab.logged(mark), [], "malformed requests in the servers' logs")


@case("IPv6: the VIP answers ping, and a closed port resets", labs=BOTH)
def own_address(lab):
    with lab.inside("c1"):
        pinging = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    with pinging:
        pinging.settimeout(3)
        for number in range(3):
            # The kernel writes the checksum, and drops an answer whose checksum is wrong.
            request = struct.pack("!BBHHH", 128, 0, 0, 77, number) + random.Random(number).randbytes(1200)
            pinging.sendto(request, (lab.vip6, 0))
            while (answer := pinging.recv(2000))[0] != 129:
                pass
            expect_equal(answer[4:].hex(), request[4:].hex(), "what comes back")
    before = lab.switch_counter("closed_port_resets")
    try:
        lab.connect(port=81, ipv6=True).close()
        expect(False, "a closed port took a connection")
    except ConnectionRefusedError:
        pass
    expect_equal(lab.switch_counter("closed_port_resets") - before, 1, "resets counted")


# ------------------------------------------------------------------------------------------ neighbour discovery


class Cable:
    """A packet socket in a host's namespace that also tells VLAN tags, which the kernel takes off."""

    def __init__(self, lab, host):
        self.sock = lab.packet_socket(host)
        self.sock.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA

    def send(self, frame):
        self.sock.send(bytes(frame))

    def frames(self, seconds):
        """Whole frames as they were on the wire, those of the host itself left out."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self.sock], [], [], left)[0]:
                return
            frame, extra, _, address = self.sock.recvmsg(70_000, 256)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            for _, kind, data in extra:
                status, _, _, _, _, tci, tpid = struct.unpack_from("IIIHHHH", data) if kind == 8 else (0,) * 7
                if status & 1 << 4:
                    frame = frame[:12] + struct.pack("!HH", tpid if status & 1 << 6 else 0x8100, tci) + frame[12:]
            yield frame

    def wait(self, condition, seconds, what):
        for frame in self.frames(seconds):
            if condition(frame):
                return frame
        expect(False, f"not within {seconds} s: {what}")
        return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def solicited(address):
    """The group and the MAC that are asked for an address (RFC 4291 section 2.7.1, RFC 2464 section 7)."""
    low = socket.inet_pton(socket.AF_INET6, address)[-3:]
    group = socket.inet_ntop(socket.AF_INET6, bytes.fromhex("ff0200000000000000000001ff") + low)
    return group, "33:33:ff:" + low.hex(":")


@case("IPv6: neighbour solicitations for the VIP, probes for duplicates included, are answered with the VMAC")
def solicitations(lab):
    group, group_mac = solicited(lab.vip6)
    me, mine = "fd00::77", "02:64:77:00:06:77"
    asked = ICMPv6ND_NS(tgt=lab.vip6)
    probe = Ether(src=mine, dst=group_mac) / IPv6(src="::", dst=group, hlim=255) / asked
    multicast = Ether(src=mine, dst=group_mac) / IPv6(src=me, dst=group, hlim=255) / asked
    multicast /= ICMPv6NDOptSrcLLAddr(lladdr=mine)
    unicast = Ether(src=mine, dst=lab.vmac) / IPv6(src=me, dst=lab.vip6, hlim=255) / asked
    with Cable(lab, "c2") as cable:
        cable.sock.setsockopt(263, 1, _promiscuous(cable.sock))
        for question, answer_to, answer_mac, solicited_flag in (
            (multicast, me, mine, 1),
            (unicast, me, mine, 1),
            (probe, "ff02::1", "33:33:00:00:00:01", 0),
        ):
            cable.send(question)
            frame = cable.wait(lambda one: one[12:14] == b"\x86\xdd" and one[20] == 58 and one[54] == 136, 3, "an answer")
            wanted = Ether(src=lab.vmac, dst=answer_mac) / IPv6(src=lab.vip6, dst=answer_to, hlim=255)
            wanted /= ICMPv6ND_NA(R=0, S=solicited_flag, O=1, tgt=lab.vip6) / ICMPv6NDOptDstLLAddr(lladdr=lab.vmac)
            expect_equal(frame.hex(), bytes(wanted).hex(), "the advertisement")
    # A host that wants the address for itself learns that it is taken.
    lab.run("c2", "sysctl", "-q", "-w", "net.ipv6.conf.eth0.accept_dad=1", "net.ipv6.conf.eth0.dad_transmits=1")
    try:
        lab.run("c2", "ip", "addr", "add", f"{lab.vip6}/128", "dev", "eth0")
        until(lambda: "dadfailed" in lab.run("c2", "ip", "addr", "show", "dev", "eth0"), 5, "the duplicate to be noticed")
    finally:
        lab.run("c2", "ip", "addr", "del", f"{lab.vip6}/128", "dev", "eth0", check=False)
        lab.run("c2", "sysctl", "-q", "-w", "net.ipv6.conf.eth0.accept_dad=0", "net.ipv6.conf.eth0.dad_transmits=0")


def _promiscuous(sock):
    from packets import _membership

    return _membership(sock)


@case("IPv6: a server's claim to the VIP in neighbour discovery reaches nobody, and servers make none by themselves")
def claims(lab):
    server = lab.lab.hosts["s1"]
    claim = Ether(src=server["mac"], dst="33:33:00:00:00:01") / IPv6(src=lab.vip6, dst="ff02::1", hlim=255)
    claim /= ICMPv6ND_NA(R=0, S=0, O=1, tgt=lab.vip6) / ICMPv6NDOptDstLLAddr(lladdr=server["mac"])
    group, group_mac = solicited(lab.lab.hosts["c1"]["ip6"])
    asking = Ether(src=server["mac"], dst=group_mac) / IPv6(src=lab.vip6, dst=group, hlim=255)
    asking /= ICMPv6ND_NS(tgt=lab.lab.hosts["c1"]["ip6"]) / ICMPv6NDOptSrcLLAddr(lladdr=server["mac"])
    marker = Ether(src=server["mac"], dst="ff:ff:ff:ff:ff:ff", type=0x88B5) / (b"marker" + b"\0" * 40)
    lab.run("c1", "ip", "-6", "neigh", "flush", "dev", "eth0")
    wire = Wire(lab.lab.hosts["s1"]["ovs"])
    with lab.connect(ipv6=True) as connection, Cable(lab, "c1") as client, Cable(lab, "s1") as from_server, wire:
        picture(connection)
        for frame in (claim, asking, marker):
            from_server.send(frame)
        seen = []
        client.wait(lambda one: seen.append(one) or b"marker" in one, 3, "the marker")
        of_vip = [one for one in seen if Ether(one).haslayer(IPv6) and one[20] == 58 and Ether(one)[IPv6].src == lab.vip6]
        expect_equal(of_vip, [], "neighbour discovery in the VIP's name that reached the client")
        picture(connection)
        neighbours = lab.run("c1", "ip", "-6", "neigh", "show", lab.vip6)
        expect(lab.vmac in neighbours, f"the client's neighbour: {neighbours}")


# ------------------------------------------------------------------------------------------ single packets


def syn(lab, port, *headers):
    """A SYN from c1 with extension headers before its TCP."""
    packet = Ether(src=lab.lab.hosts["c1"]["mac"], dst=lab.vmac) / IPv6(src="fd00::78", dst=lab.vip6)
    for header in headers:
        packet /= header
    return packet / TCP(sport=port, dport=80, flags=SYN, seq=1000, window=64_000, options=[("MSS", 1440)])


@case("IPv6: options before TCP are skipped; fragments, routing headers and impossible sources are dropped and counted")
def headers(lab):
    def counted(name, frame):
        before = lab.switch_counter(name)
        cable.send(frame)
        until(lambda: lab.switch_counter(name) == before + 1, 3, name)

    with Cable(lab, "c1") as cable:
        for number, extra in enumerate(((), (IPv6ExtHdrDestOpt(),), (IPv6ExtHdrDestOpt(), IPv6ExtHdrDestOpt()))):
            counted("syns_answered", syn(lab, 50_000 + number, *extra))
        counted("dropped_fragment", syn(lab, 50_010, IPv6ExtHdrFragment(offset=0, m=1, id=7)))
        counted("dropped_fragment", syn(lab, 50_011, IPv6ExtHdrDestOpt(), IPv6ExtHdrFragment(offset=0, m=0, id=7)))
        counted("dropped_ipv6_headers", syn(lab, 50_012, IPv6ExtHdrRouting(addresses=["fd00::1"])))
        mapped = syn(lab, 50_013)
        mapped[IPv6].src = "::ffff:10.0.0.1"
        counted("dropped_ipv6_headers", mapped)
        for source in ("ff02::1", "::1"):
            strange = syn(lab, 50_014)
            strange[IPv6].src = source
            counted("dropped_reserved_source", strange)
        old = Ether(src=lab.lab.hosts["c1"]["mac"], dst=lab.vmac) / IP(src="240.0.0.1", dst=lab.vip)
        counted("dropped_reserved_source", old / TCP(sport=50_015, dport=80, flags=SYN))
        big = Ether(src=lab.lab.hosts["c1"]["mac"], dst=lab.vmac) / IPv6(src="fd00::78", dst=lab.vip6)
        big /= ICMPv6PacketTooBig(mtu=1280)
        big /= IPv6(src=lab.vip6, dst="fd00::78") / TCP(sport=80, dport=50_016)
        counted("dropped_icmp_error", big)


@case("IPv6: fragments and routing headers of a known connection do not reach its server")
def fragment_of_connection(lab):
    def counted(count, header, tcp):
        before = count()
        packet = Ether(src=client["mac"], dst=lab.vmac) / IPv6(src=client["ip6"], dst=lab.vip6) / header / tcp
        cable.send(packet)
        until(lambda: count() == before + 1, 3, f"the packet with {header.name} to be counted")

    client = lab.lab.hosts["c1"]
    with lab.connect(ipv6=True) as connection, Cable(lab, "c1") as cable:
        server = picture(connection)
        until(lambda: lab.connection_flows(), 3, "the connection's flow")
        end = TCP(sport=connection.port, dport=80, flags=RST | ACK, seq=1, ack=1)
        # Open vSwitch looks behind these headers, so the connection's flow takes them to the server's filter.
        counted(lambda: lab.filter_counter("dropped_fragment", server), IPv6ExtHdrFragment(offset=0, m=0, id=9), end)
        counted(lambda: lab.filter_counter("dropped_ipv6_headers", server),
                IPv6ExtHdrRouting(addresses=["fd00::1"]), end)  # fmt: skip
        # What is in pieces has no ports to Open vSwitch.
        for offset, more in ((0, 1), (4, 0)):
            counted(lambda: lab.switch_counter("dropped_fragment"),
                    IPv6ExtHdrFragment(offset=offset, m=more, id=9), end)  # fmt: skip
        picture(connection)


# ------------------------------------------------------------------------------------------ together, restarts, load


@case("IPv6 and IPv4 at a time from one client: each connection has its own servers, flows and bytes")
def together(lab):
    port = 41_777
    four = lab.connect(source_port=port)
    six = lab.connect(source_port=port, ipv6=True)
    with four, six:
        for _ in range(10):
            for connection in (four, six):
                picture(connection, "1m.bin")
                page(connection)
        flows = [flow for flow in lab.connection_flows() if f"tp_src={port}" in flow]
        if lab.mode == "guard":
            expect_equal(sorted("tcp6" in flow for flow in flows), [False, True], "a flow of each family")
        back = [flow for flow in lab.return_flows() if lab.lab.hosts["c1"]["mac"] in flow]
        expect_equal(sorted("ipv6" in flow for flow in back), [False, True], "a return flow of each family")


@case("IPv6: the controller restarted in a download and an upload: both complete, and connections live on", last=True)
def restart(lab):
    def known_again():
        # Open vSwitch may not have noticed yet that the old process is gone.
        with contextlib.suppress(OSError):
            counters = lab.switch_counters()
            return counters["controller_flows_read_back"] >= 2 and counters["connections"] >= 2
        return False

    whole = image("20m.bin")
    body = random.Random(6).randbytes(4 * MEGABYTE)
    with lab.connect(ipv6=True, timeout=60) as down, lab.connect(ipv6=True, timeout=60) as up:
        picture(down)
        page(up)
        picture(up)
        down.send(down.head("GET", "/img/20m.bin"))
        up.send(up.head("POST", "/sum.php", [("Content-Length", str(len(body)))]) + body[:MEGABYTE])
        first = down.stream.read(100_000)
        lab.kill("controller")
        up.send(body[MEGABYTE : 2 * MEGABYTE])
        first += down.stream.read(2 * MEGABYTE)
        lab.restart_controller()
        until(known_again, 30, "the connections to be known again")
        up.send(body[2 * MEGABYTE :])
        head_end = first.index(b"\r\n\r\n") + 4
        rest = down.stream.read(len(whole) - (len(first) - head_end))
        expect(first[head_end:] + rest == whole, "the bytes of the download are wrong")
        expect_equal(up.response().json()["sha256"], hashlib.sha256(body).hexdigest(), "SHA-256 of the upload")
        for connection in (down, up):
            page(connection)
            picture(connection)
    until(lab.idle, 15, "the connections to be forgotten")


@case("IPv6: wrk, keep-alive and Connection: close, has no error, and nothing is left", last=True)
def load(lab):
    before = standing(lab)
    for words in ((), ("-H", "Connection: close")):
        lines = [word.replace(f"http://{lab.vip}/", f"http://[{lab.vip6}]/") for word in
                 wrk_words(lab, "/img/icon.png", *words, seconds=5)]  # fmt: skip
        check(lab.run("c1", *lines, timeout=40), 500)
    nothing_stuck(lab, before)


# ------------------------------------------------------------------------------------------ VLANs


def tagged_frames(lab, source, target):
    """Frames of VLANs that would be of interest without their tag."""
    inside = [
        IP(src="10.0.0.1", dst=lab.vip) / TCP(sport=40_000, dport=80, flags=SYN),
        IP(src=lab.vip, dst="10.0.0.1") / TCP(sport=80, dport=40_000, flags=ACK) / (b"x" * 1460),
        ARP(op=1, psrc="10.0.0.1", pdst=lab.vip, hwsrc=source),
        ARP(op=2, psrc=lab.vip, pdst="10.0.0.1", hwsrc=source),
    ]
    if lab.vip6:
        inside.append(IPv6(src="fd00::1", dst=lab.vip6) / TCP(sport=40_000, dport=80, flags=SYN))
        inside.append(IPv6(src="fd00::1", dst=lab.vip6, hlim=255) / ICMPv6ND_NS(tgt=lab.vip6))
    for number, packet in enumerate(inside, 1):
        for tags in (Dot1Q(vlan=number, prio=5), Dot1Q(vlan=4094), Dot1AD(vlan=number) / Dot1Q(vlan=7)):
            # An interface takes one tag beyond its MTU.
            if len(packet) == 1500 and Dot1AD in tags:
                continue
            outer = 0x88A8 if isinstance(tags, Dot1AD) else 0x8100
            frame = bytes(Ether(src=source, dst=target, type=outer) / tags / packet)
            yield frame + b"\0" * max(0, 64 - len(frame))


@case("frames of VLANs (802.1Q, and two tags) pass Open vSwitch and filter untouched, both ways, whatever they carry",
      labs=BOTH)  # fmt: skip
def vlans(lab):
    client, server = lab.lab.hosts["c1"], lab.lab.hosts["s1"]
    mine = lab.switch_counter("packet_ins")
    with Cable(lab, "c1") as at_client, Cable(lab, "s1") as at_server:
        for sender, receiver, source, target in (
            (at_client, at_server, client["mac"], server["mac"]),
            (at_server, at_client, server["mac"], client["mac"]),
        ):
            for frame in tagged_frames(lab, source, target):
                sender.send(frame)
                seen = receiver.wait(lambda one: one[12:14] in (b"\x81\x00", b"\x88\xa8"), 3, f"{frame[:60].hex()}")
                expect_equal(seen.hex(), frame.hex(), "the frame")
    lab.catch_up()
    of_vlans = [one for one in lab.tap.packet_ins if one.frame[12:14] in (b"\x81\x00", b"\x88\xa8")]
    expect_equal(of_vlans, [], "packet-ins of VLANs")
    expect(lab.switch_counter("packet_ins") - mine < 20, "packet-ins for frames of VLANs")
    with lab.connect() as connection:
        picture(connection)


@case("frames with a priority tag (VLAN 0) do not get around the guards")
def priority_tagged(lab):
    group = "ff:ff:ff:ff:ff:ff"
    server = lab.lab.hosts["s1"]["mac"]
    claim = Ether(src=server, dst=group) / Dot1Q(vlan=0, prio=3) / ARP(op=2, psrc=lab.vip, pdst=lab.vip, hwsrc=server)
    forged = Ether(src="d6:52:00:00:00:00", dst=group) / Dot1Q(vlan=9) / IP(src="10.0.0.1", dst="10.0.0.2") / b"forged"
    marker = Ether(src=server, dst=group) / Dot1Q(vlan=9) / IP(src="10.0.0.1", dst="10.0.0.2") / b"marker"
    with Cable(lab, "c1") as client, Cable(lab, "s1") as from_server:
        for frame in (claim, forged, marker):
            from_server.send(frame)
        seen = []
        client.wait(lambda one: seen.append(one) or b"marker" in one, 3, "the marker")
        claims_seen = [one for one in seen if re.search(b"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x02", one)]
        expect_equal(claims_seen, [], "claims to the VIP that reached the client")
        expect(not any(b"forged" in one for one in seen), "a forged tag reached the client")


@case("curl -6 and curl -4 get the same bytes", labs=BOTH)
def curls(lab):
    for path in ("/img/photo.jpg", "/img/1m.bin"):
        sums = set()
        for family, vip in (("-6", "VIP6"), ("-4", "VIP")):
            out = lab.lab.path("curl.out")
            try:
                lab.curl(family, "-o", out, vip + path)
                with open(out, "rb") as data:
                    sums.add(hashlib.sha256(data.read()).hexdigest())
            finally:
                os.unlink(out)
        expect_equal(sums, {hashlib.sha256(image(path[5:])).hexdigest()}, f"SHA-256 of {path}")
