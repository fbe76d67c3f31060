"""Path MTU discovery over IPv6 (RFC 8201), where routers do not fragment: without it a narrow link stalls a download."""

import re

from harness import ALL, IMAGE_SERVERS, case, expect, expect_equal, image, unique, until
from packets import ACK, TCP, Ether, RawClient, payload_of, response_bytes
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6

ROUTER = "fd00::fe"
ROUTER_MAC = "02:64:77:00:0f:fe"
NARROW = 1_300


class RawClient6(RawClient):
    """The same client over IPv6. The servers are told its MAC: it answers no neighbour solicitation."""

    def __init__(self, lab, ip, **words):
        super().__init__(lab, ip=ip, **words)
        for server in lab.lab.servers():
            lab.run(server, "ip", "-6", "neigh", "replace", ip, "lladdr", self.mac, "dev", "eth0")

    def close(self):
        super().close()
        for server in self.lab.lab.servers():
            self.lab.run(server, "ip", "-6", "neigh", "del", self.ip, "dev", "eth0", check=False)

    def packet(self, flags, seq=None, ack=None, payload=b"", options=(), window=64_240, eth_src=None, eth_dst=None,
               port=80):  # fmt: skip
        tcp = TCP(
            sport=self.port,
            dport=port,
            seq=(self.seq if seq is None else seq) % (1 << 32),
            ack=(self.ack if ack is None else ack) % (1 << 32) if flags & ACK else 0,
            flags=flags,
            window=window,
            options=list(options),
        )
        ether = Ether(src=eth_src or self.mac, dst=eth_dst or self.lab.vmac)
        return ether / IPv6(src=self.ip, dst=self.lab.vip6) / tcp / payload

    def _take(self, frame):
        ether = Ether(frame)
        if not (ether.haslayer(IPv6) and ether.haslayer(TCP)):
            return None
        if ether[IPv6].dst != self.ip or ether[TCP].dport != self.port:
            return None
        self.frames.append(ether)
        tcp = ether[TCP]
        tcp.eth = ether
        return tcp


def too_big(lab, segment, mtu, seq=None):
    """What a router says of a segment (scapy Ether) that is too long for its next link (RFC 4443 section 3.2)."""
    quoted = segment[IPv6].copy()
    if seq is not None:
        quoted[TCP].seq = seq % (1 << 32)
        del quoted[TCP].chksum
    message = ICMPv6PacketTooBig(mtu=mtu) / bytes(quoted)[:1_232]
    return Ether(src=ROUTER_MAC, dst=lab.vmac) / IPv6(src=ROUTER, dst=lab.vip6) / message


def path_mtu(lab, server, client):
    """The path MTU that a server's kernel has learned toward a client, or None."""
    found = re.search(r"\bmtu (\d+)", lab.run(server, "ip", "-6", "route", "get", client, "from", lab.vip6))
    return int(found.group(1)) if found else None


@case("IPv6: packet too big reaches the server of a running download, forged ones do not", labs=ALL)
def path_mtu_discovery(lab):
    mark = unique("pmtu6")
    with RawClient6(lab, ip="fd00::86", port=62_402, isn=0xFFFF_FF80) as client:
        client.handshake(options=(("MSS", 1440), ("SAckOK", b""), ("NOP", None), ("WScale", 7)))
        # The connection moves first, so that the numbers differ between client and server.
        client.send_data(f"GET /ping.php?{mark} HTTP/1.1\r\nHost: [{lab.vip6}]\r\n\r\n".encode())
        client.read_response(5, "the page")
        client.send_data(f"GET /img/1m.bin?{mark} HTTP/1.1\r\nHost: [{lab.vip6}]\r\n\r\n".encode())
        first = client.wait(lambda tcp: len(payload_of(tcp)) > NARROW, 5, "a full segment of the image")
        server = until(lambda: lab.sockets_of(client.port, *IMAGE_SERVERS), 5, "the image's server")[0]
        try:
            for seq in (first.seq - 1, first.seq + (1 << 20), first.seq ^ 0x4000_0000):
                dropped = lab.filter_counter("dropped_icmp_error")
                client.send(too_big(lab, first.eth, 1_280, seq))
                until(lambda: lab.filter_counter("dropped_icmp_error") > dropped, 5, "the filter drops a forged message")
            expect_equal(path_mtu(lab, server, client.ip), None, "path MTU after forged messages")
            client.send(too_big(lab, first.eth, NARROW))
            until(lambda: path_mtu(lab, server, client.ip) == NARROW, 5, "the server's kernel learns the path MTU")
            again = client.wait(lambda tcp: tcp.seq == first.seq and payload_of(tcp), 5, "the segment again, shorter")
            room = NARROW - 60
            expect(len(payload_of(again)) <= room, lambda: f"{len(payload_of(again))} bytes where the path takes {room}")
            client.accept(again)
            client.read(response_bytes, 15, "the whole image")
            expect(client.received.endswith(image("1m.bin")), "the image's bytes")
            longest = max(len(payload_of(frame[TCP])) for frame in client.frames[-200:])
            expect(longest <= room, f"a segment of {longest} bytes at the end")
        finally:
            lab.run(server, "ip", "-6", "route", "flush", "cache")
