"""Cases about what TCP carries besides bytes: path MTU messages, options, probes."""

import re

from harness import EVERY_LAB, IMAGE_SERVERS, case, expect, expect_equal, image, unique, until
from packets import ACK, IP, PSH, TCP, Ether, RawClient, payload_of, response_bytes
from scapy.layers.inet import ICMP

ROUTER = "10.0.0.254"
ROUTER_MAC = "02:64:77:00:0f:fe"


def needs_fragmentation(lab, segment, mtu, seq=None):
    """What a router says of a segment (scapy Ether) that is too long for its next link (RFC 1191)."""
    quoted = segment[IP].copy()
    if seq is not None:
        quoted[TCP].seq = seq % (1 << 32)
        del quoted[TCP].chksum
    return (
        Ether(src=ROUTER_MAC, dst=lab.vmac)
        / IP(src=ROUTER, dst=lab.vip)
        / ICMP(type=3, code=4, nexthopmtu=mtu)
        / bytes(quoted)[:48]
    )


def path_mtu(lab, server, client):
    """The path MTU that a server's kernel has learned toward a client, or None."""
    found = re.search(r"\bmtu (\d+)", lab.run(server, "ip", "route", "get", client, "from", lab.vip))
    return int(found.group(1)) if found else None


@case("a path MTU message reaches the server of a running download, forged ones do not", labs=EVERY_LAB)
def path_mtu_discovery(lab):
    mark = unique("pmtu")
    with RawClient(lab, ip="10.0.0.78", port=62_401, isn=0xFFFF_FF80) as client:
        client.handshake()
        # The connection moves first, so that the numbers differ between client and server.
        client.send_data(f"GET /ping.php?{mark} HTTP/1.1\r\nHost: {lab.vip}\r\n\r\n".encode())
        client.read_response(5, "the page")
        client.send_data(f"GET /img/1m.bin?{mark} HTTP/1.1\r\nHost: {lab.vip}\r\n\r\n".encode())
        first = client.wait(lambda tcp: len(payload_of(tcp)) == 1460, 5, "a full segment of the image")
        server = until(lambda: lab.sockets_of(client.port, *IMAGE_SERVERS), 5, "the image's server")[0]
        try:
            for seq in (first.seq - 1, first.seq + (1 << 20), first.seq ^ 0x4000_0000):
                dropped = lab.filter_counter("dropped_icmp_error")
                client.send(needs_fragmentation(lab, first.eth, 600, seq))
                until(lambda: lab.filter_counter("dropped_icmp_error") > dropped, 5, "the filter drops a forged message")
            expect_equal(path_mtu(lab, server, client.ip), None, "path MTU after forged messages")
            client.send(needs_fragmentation(lab, first.eth, 1000))
            until(lambda: path_mtu(lab, server, client.ip) == 1000, 5, "the server's kernel learns the path MTU")
            again = client.wait(lambda tcp: tcp.seq == first.seq and payload_of(tcp), 5, "the segment again, shorter")
            expect(len(payload_of(again)) <= 960, lambda: f"{len(payload_of(again))} bytes where the path takes 960")
            client.accept(again)
            client.read(response_bytes, 15, "the whole image")
            expect(client.received.endswith(image("1m.bin")), "the image's bytes")
            longest = max(len(payload_of(frame[TCP])) for frame in client.frames[-200:])
            expect(longest <= 960, f"a segment of {longest} bytes at the end")
        finally:
            lab.run(server, "ip", "route", "flush", "cache")
