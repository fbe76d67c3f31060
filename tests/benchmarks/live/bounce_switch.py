"""The switch between client and filter, as far as the live benchmarks need one: a piece of cable with an OpenFlow session.

The client's frames go to the filter and back without it: the two are one veth pair. Only what the filter hands to the
web switch (frames to VMAC: every SYN, a first request without a tag) is taken off the cable, by a socket with a filter
in the kernel, and becomes a packet-in; packet-outs are laid on the cable in the right direction. Flows are of no use and
ignored. So the web switch is the real one, and once a connection has its server this process never hears of it.
"""

import argparse
import os
import select
import signal
import socket
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import bed as beds  # noqa: E402
import packets  # noqa: E402
import frames  # noqa: E402

VERSION = 4
FEATURES_REQUEST, FEATURES_REPLY = 5, 6
MULTIPART_REQUEST, MULTIPART_REPLY = 18, 19
BARRIER_REQUEST, BARRIER_REPLY = 20, 21
MULTIPART_FLOW, MULTIPART_PORTS = 1, 13
REASON_ACTION = 1
IN_PORT = 0x80000004
NO_BUFFER = 0xFFFFFFFF


def message(kind, xid=0, body=b""):
    """An OpenFlow 1.3 message."""
    return struct.pack("!BBHI", VERSION, kind, 8 + len(body), xid) + body


def features(xid):
    """The answer of a switch with datapath id 1, no buffers, one table."""
    return message(FEATURES_REPLY, xid, struct.pack("!QIBBHII", 1, 0, 1, 0, 0, 0, 0))


def port(number, name):
    """A port's description (OpenFlow 1.3.5 section 7.2.1)."""
    return struct.pack("!I4x6s2x16s8I", number, bytes(6), name.encode(), *[0] * 8)


def packet_in(in_port, frame):
    """A packet-in with a whole frame."""
    match = struct.pack("!HHII4x", 1, 12, IN_PORT, in_port)
    return message(
        frames.PACKET_IN, 0, struct.pack("!IHBBQ", NO_BUFFER, len(frame), REASON_ACTION, 0, 0) + match + bytes(2) + frame
    )


def answer(data):
    """The answer to a message of the controller's, or None if it wants none."""
    kind, xid = data[1], int.from_bytes(data[4:8], "big")
    if kind == FEATURES_REQUEST:
        return features(xid)
    if kind == frames.ECHO_REQUEST:
        return message(frames.ECHO_REPLY, xid, data[8:])
    if kind == BARRIER_REQUEST:
        return message(BARRIER_REPLY, xid)
    if kind == MULTIPART_REQUEST:
        what = int.from_bytes(data[8:10], "big")
        body = port(beds.CLIENT_OF_PORT, "client") + port(beds.SERVER_OF_PORT, "s1") if what == MULTIPART_PORTS else b""
        return message(MULTIPART_REPLY, xid, struct.pack("!HH4x", what, 0) + body)
    return None


class Messages:
    """Cuts a byte stream into OpenFlow messages."""

    def __init__(self):
        self.rest = b""

    def take(self, data):
        self.rest += data
        while len(self.rest) >= 8:
            length = int.from_bytes(self.rest[2:4], "big")
            if length < 8:
                raise beds.BenchError("the controller speaks no OpenFlow")
            if len(self.rest) < length:
                return
            found, self.rest = self.rest[:length], self.rest[length:]
            yield found


def to_vmac():
    """Classic BPF: whole frames to VMAC."""
    vmac = packets.mac(beds.VMAC)
    return [
        (0x20, 0, 0, 0), (0x15, 0, 3, int.from_bytes(vmac[:4], "big")),
        (0x28, 0, 0, 4), (0x15, 0, 1, int.from_bytes(vmac[4:], "big")), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0),
    ]  # fmt: skip


def connected(controller):
    """A session's socket, or None if nobody listens yet."""
    try:
        return socket.create_connection(controller, timeout=10)
    except ConnectionRefusedError:
        return None


def serve(client_namespace, filter_namespace, controller):
    """Runs until the controller closes."""
    cable = beds.packet_socket(client_namespace, "via0", to_vmac())
    to_client = beds.packet_socket(filter_namespace, "net0")
    session = beds.until(lambda: connected(controller), beds.START_SECONDS, "the web switch takes OpenFlow sessions")
    session.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    session.settimeout(None)
    session.sendall(message(frames.HELLO))
    messages = Messages()
    while True:
        ready = select.select([session, cable], [], [])[0]
        if cable in ready:
            frame = packets.with_tcp_checksum(cable.recv(65536))
            session.sendall(packet_in(beds.SERVER_OF_PORT, frame))
        if session in ready:
            data = session.recv(65536)
            if not data:
                return
            for one in messages.take(data):
                if one[1] == frames.PACKET_OUT:
                    ports, frame = frames.Message(0, False, one).packet_out()
                    # To the client's port, or as a learning switch would: there is only one other.
                    (cable if ports == [beds.SERVER_OF_PORT] else to_client).send(frame)
                else:
                    reply = answer(one)
                    if reply:
                        session.sendall(reply)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    top = argparse.ArgumentParser()
    top.add_argument("--client", required=True, help="the client's namespace")
    top.add_argument("--filter", required=True, help="the filter's namespace")
    chosen = top.parse_args()
    serve(chosen.client, chosen.filter, ("127.0.0.1", 6653))
