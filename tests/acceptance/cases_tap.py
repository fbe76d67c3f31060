"""The check that no response byte reaches the web switch, checked itself: it must be able to fail."""

import io
import os
import struct

import lab as dwsr_lab
from harness import IMAGE_SERVERS, case, expect, expect_equal, until
from packets import ACK, IP, PSH, SYN, TCP, Ether
from tap import OpenFlowTap, Stream

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def packet_in(frame, port):
    """An OpenFlow 1.3 packet-in."""
    match = struct.pack("!HHHBBI", 1, 12, 0x8000, 0, 4, port) + b"\0" * 4
    body = struct.pack("!IHBBQ", 0xFFFFFFFF, len(frame), 1, 0, 0) + match + b"\0\0" + frame
    return struct.pack("!BBHI", 4, 10, 8 + len(body), 0) + body


def capture(pieces):
    """A capture file, from its first packet on, of (sequence number, bytes) to port 6653."""
    out = b""
    for number, (seq, data) in enumerate([(0xFFFFFFF0, None), *pieces]):
        tcp = TCP(sport=999, dport=6653, seq=seq, flags=SYN if data is None else ACK | PSH)
        frame = bytes(Ether(src="00:00:00:00:00:00", dst="00:00:00:00:00:00") / IP(src="127.0.0.1", dst="127.0.0.1") / tcp)
        frame = bytearray(frame + (data or b""))
        struct.pack_into("!H", frame, 16, len(frame) - 14)
        out += struct.pack("<IIII", number, 0, len(frame), len(frame)) + frame
    return out


def read(vip, pieces):
    tap = OpenFlowTap(6653, "", (vip,))
    tap._reading = io.BytesIO(capture(pieces))
    return tap.read()


@case("the check for response bytes fails for a capture that has one, in whatever pieces")
def made_capture(lab):
    def frame(source, destination, payload, sport, dport):
        return bytes(Ether() / IP(src=source, dst=destination) / TCP(sport=sport, dport=dport, flags=ACK) / payload)

    request = frame("10.0.0.1", lab.vip, b"GET / HTTP/1.1\r\n\r\n", 5000, 80)
    bare = frame(lab.vip, "10.0.0.1", b"", 80, 5000)
    response = frame(lab.vip, "10.0.0.1", RESPONSE, 80, 5000)
    hello = struct.pack("!BBHI", 4, 0, 8, 0)
    clean = hello + packet_in(request, 1) + packet_in(bare, 3)
    bad = clean + packet_in(response, 3)
    start = 0xFFFFFFF1

    def pieces(data, size):
        return [((start + at) % (1 << 32), data[at : at + size]) for at in range(0, len(data), size)]

    for size in (1, 7, 100, len(bad)):
        expect_equal((read(lab.vip, pieces(clean, size)).total, read(lab.vip, pieces(clean, size)).response_segments),
                     (2, []), f"a clean capture in pieces of {size}")  # fmt: skip
        tap = read(lab.vip, pieces(bad, size))
        expect_equal((tap.total, len(tap.response_segments), tap.gaps), (3, 1, 0), f"a bad capture in pieces of {size}")
        expect_equal(tap.response_segments[0].tcp[7], RESPONSE, "the response bytes found")
        expect_equal(tap.packet_ins[-1].in_port, 3, "the port it entered")
    # Repeated and overlapping segments are read once; a hole is noticed.
    repeated = [piece for piece in pieces(bad, 50) for _ in range(2)]
    expect_equal((read(lab.vip, repeated).total, read(lab.vip, repeated).gaps), (3, 0), "each segment twice")
    holed = pieces(bad, 50)
    del holed[2]
    expect(read(lab.vip, holed).gaps > 0, "a hole in the capture is noticed")


@case("the check for response bytes fails when Open vSwitch really sends one to the web switch")
def made_packet_in(lab):
    expect_equal(lab.tap.read().response_segments, [], "response bytes so far")
    ports = [lab.lab.hosts[server]["port"] for server in IMAGE_SERVERS]
    seen = lab.switch_counter("response_segments_seen")
    cookie = "cookie=0x77/-1"
    try:
        for port in ports:
            dwsr_lab.output("ovs-ofctl", "-O", "OpenFlow13", "add-flow", lab.lab.bridge,
                            f"cookie=0x77,priority=600,in_port={port},tcp,nw_src={lab.vip},actions=CONTROLLER:65535,NORMAL")  # fmt: skip
        with lab.connect() as connection:
            expect_equal(connection.get("/img/who.txt?shown").status, 200, "status")
        until(lambda: lab.tap.read().response_segments, 5, "the response in the capture")
    finally:
        dwsr_lab.output("ovs-ofctl", "-O", "OpenFlow13", "del-flows", lab.lab.bridge, cookie)
    expect(b"HTTP/1.1 200" in b"".join(one.tcp[7] for one in lab.tap.response_segments), "the response's own bytes")
    until(lambda: lab.switch_counter("response_segments_seen") > seen, 5, "the web switch's counter")
    lab.catch_up()
    # This one was made; any later one is not.
    lab.tap.read().response_segments.clear()


@case("the capture is not whole when Open vSwitch's own stream cannot be read, garbage of others does not matter")
def misread(_lab):
    tap = OpenFlowTap(1, os.devnull, "10.0.0.100")
    tap._messages(0, Stream(0), b"GET / HTTP/1.1\r\n\r\n")
    expect_equal(tap.gaps, 0, "gaps after garbage from the start")
    stream = Stream(0)
    tap._messages(0, stream, packet_in(bytes(60), 3))
    expect_equal((tap.total, tap.gaps), (1, 0), "packet-ins and gaps")
    tap._messages(0, stream, b"\x99 no message")
    expect_equal(tap.gaps, 1, "gaps after a packet-in and then garbage")
