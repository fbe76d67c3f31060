"""Single packets: a client that is not a kernel, frames put on any interface, frames seen on any interface.

Scapy builds and reads the packets; sending and receiving is an AF_PACKET socket in the right network namespace.
"""

import contextlib
import fcntl
import logging
import select
import socket
import struct
import time

from harness import Failure

logging.getLogger("scapy").setLevel(logging.ERROR)

from scapy.layers.inet import IP, TCP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.l2 import ARP, Ether  # noqa: E402

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
MODULO = 1 << 32


class RawClient:
    """A client on c1's or c2's cable with an address and MAC of its own, without a kernel that interferes.

    Every packet is the case's; only ARP is answered by itself, whenever the case waits for something.
    """

    def __init__(self, lab, client="c1", ip="10.0.0.77", mac="02:64:77:00:0f:77", port=62_000, isn=1_000_000):
        self.lab = lab
        self.ip = ip
        self.mac = mac
        self.port = port
        self.isn = isn
        self.seq = (isn + 1) % MODULO
        self.ack = 0
        self.received = b""
        self.frames = []
        self.sock = lab.packet_socket(client)
        # Promiscuous: the frames are not for the interface's own MAC.
        self.sock.setsockopt(263, 1, _membership(self.sock))
        self.shaken = False

    def close(self):
        """Resets the connection, so that nobody keeps it for hours, and ends."""
        if self.shaken:
            self.send(self.packet(RST | ACK))
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- sending

    def packet(self, flags, seq=None, ack=None, payload=b"", options=(), window=64_240, eth_src=None, eth_dst=None,
               port=80):  # fmt: skip
        """A whole frame to the VIP, by default with this client's numbers."""
        tcp = TCP(
            sport=self.port,
            dport=port,
            seq=(self.seq if seq is None else seq) % MODULO,
            ack=(self.ack if ack is None else ack) % MODULO if flags & ACK else 0,
            flags=flags,
            window=window,
            options=list(options),
        )
        return (
            Ether(src=eth_src or self.mac, dst=eth_dst or self.lab.vmac)
            / IP(src=self.ip, dst=self.lab.vip, flags="DF")
            / tcp
            / payload
        )

    def send(self, packet):
        self.sock.send(bytes(packet))

    def handshake(self, options=(("MSS", 1460), ("SAckOK", b""), ("NOP", None), ("WScale", 7))):
        """Steps 1 to 3 of the paper's figure 2. Returns the SYN-ACK."""
        self.send(self.packet(SYN, seq=self.isn, options=options))
        answer = self.wait(lambda tcp: tcp.flags & (SYN | ACK) == SYN | ACK, 5, "a SYN-ACK")
        self.ack = (answer.seq + 1) % MODULO
        self.seq = (self.isn + 1) % MODULO
        self.send(self.packet(ACK))
        self.shaken = True
        return answer

    def send_data(self, data, flags=PSH | ACK):
        """Sends the next bytes of the stream in one segment."""
        self.send(self.packet(flags, payload=data))
        self.seq = (self.seq + len(data)) % MODULO

    def send_reordered(self, data, at):
        """Sends the next bytes in two segments, the second one first."""
        self.send(self.packet(PSH | ACK, seq=self.seq + at, payload=data[at:]))
        self.send(self.packet(PSH | ACK, payload=data[:at]))
        self.seq = (self.seq + len(data)) % MODULO

    def read_response(self, seconds, what):
        """Reads and acknowledges one whole response, takes it off the stream, and returns its bytes."""
        self.read(response_bytes, seconds, what)
        length = response_bytes(self.received)
        response, self.received = self.received[:length], self.received[length:]
        return response

    # ---- receiving

    def next_tcp(self, seconds):
        """The next TCP segment to this client (scapy's TCP, .eth is its frame), or None. Answers ARP meanwhile."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self.sock], [], [], left)[0]:
                return None
            frame, address = self.sock.recvfrom(70_000)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            tcp = self._take(frame)
            if tcp is not None:
                return tcp

    def _take(self, frame):
        ether = Ether(frame)
        if ether.haslayer(ARP) and ether[ARP].op == 1 and ether[ARP].pdst == self.ip:
            asked = ether[ARP]
            reply = ARP(op=2, hwsrc=self.mac, psrc=self.ip, hwdst=asked.hwsrc, pdst=asked.psrc)
            self.sock.send(bytes(Ether(src=self.mac, dst=asked.hwsrc) / reply))
            return None
        if not (ether.haslayer(IP) and ether.haslayer(TCP)):
            return None
        if ether[IP].dst != self.ip or ether[TCP].dport != self.port:
            return None
        self.frames.append(ether)
        tcp = ether[TCP]
        tcp.eth = ether
        return tcp

    def wait(self, condition, seconds, what):
        """Waits for a TCP segment."""
        deadline = time.monotonic() + seconds
        while True:
            tcp = self.next_tcp(max(0.0, deadline - time.monotonic()))
            if tcp is None:
                raise Failure(f"not within {seconds} s: {what}")
            if condition(tcp):
                return tcp

    def read(self, enough, seconds, what, acknowledge=True):
        """Reads the server's stream in order until enough(bytes so far); acknowledges each segment."""
        deadline = time.monotonic() + seconds
        while not enough(self.received):
            tcp = self.next_tcp(max(0.0, deadline - time.monotonic()))
            if tcp is None:
                raise Failure(f"not within {seconds} s: {what}; so far {self.received[:200]!r}")
            if tcp.flags & RST:
                raise Failure(f"RST while waiting for {what}; so far {self.received[:200]!r}")
            self.accept(tcp, acknowledge)
        return self.received

    def accept(self, tcp, acknowledge=True):
        """Takes a segment into the stream if it is the next one, and acknowledges."""
        data = payload_of(tcp)
        fin = bool(tcp.flags & FIN)
        if tcp.seq == self.ack and (data or fin):
            self.received += data
            self.ack = (self.ack + len(data) + fin) % MODULO
        if acknowledge and (data or fin):
            self.send(self.packet(ACK))

    def silent_for(self, seconds):
        """The TCP segments that come within a time."""
        deadline = time.monotonic() + seconds
        found = []
        while True:
            tcp = self.next_tcp(max(0.0, deadline - time.monotonic()))
            if tcp is None:
                return found
            found.append(tcp)


def payload_of(tcp):
    """A segment's payload without Ethernet padding."""
    if tcp.eth.haslayer(IPv6):
        return bytes(tcp.payload)[: tcp.eth[IPv6].plen - tcp.dataofs * 4]
    ip = tcp.eth[IP]
    return bytes(tcp.payload)[: ip.len - ip.ihl * 4 - tcp.dataofs * 4]


def response_bytes(stream):
    """The length of the first complete response in a stream, by Content-Length or chunked; 0 when not complete."""
    head, end, rest = stream.partition(b"\r\n\r\n")
    if not end:
        return 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
            return len(head) + 4 + length if len(rest) >= length else 0
        if line.startswith(b"transfer-encoding:"):
            return _chunked_end(stream, len(head) + 4)
    return 0


def _chunked_end(stream, at):
    while True:
        line = stream.find(b"\r\n", at)
        if line < 0:
            return 0
        size = int(stream[at:line], 16)
        at = line + 2 + size + 2
        if at > len(stream):
            return 0
        if size == 0:
            return at


class Wire:
    """An interface of the root namespace, for seeing and adding frames: LAB.lab.hosts[server] names them.

    "ovs" is Open vSwitch's own end of a cable: what is sent there goes to the other end, as if Open vSwitch had sent
    it; what is seen there is both directions.
    """

    def __init__(self, interface):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.sock.bind((interface, 0))
        self.sock.setsockopt(263, 1, _membership(self.sock))

    def inject(self, frame):
        self.sock.send(bytes(frame))

    def seen(self, condition, seconds, what):
        """Waits for a frame (scapy Ether) with TCP."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self.sock], [], [], left)[0]:
                raise Failure(f"not within {seconds} s: {what}")
            ether = Ether(self.sock.recv(70_000))
            if ether.haslayer(TCP) and condition(ether):
                return ether

    def drain(self):
        """Everything seen so far, oldest first."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(Ether(self.sock.recv(70_000, socket.MSG_DONTWAIT)))
        return found

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def is_tag(mac):
    """Whether a MAC has the migration tag's 15-bit prefix (docs/wire-format.md)."""
    first, second = (int(part, 16) for part in mac.split(":")[:2])
    return first == 0xD6 and second & 0xFE == 0x52


def tag_kind(mac):
    """fresh 0, moved 1, held 2, silence 3, refused 4, confirm 5."""
    return int(mac.replace(":", ""), 16) & 7


def _membership(sock):
    """struct packet_mreq: the socket's own interface, promiscuous; for SOL_PACKET (263), PACKET_ADD_MEMBERSHIP (1)."""
    name = sock.getsockname()[0].encode()
    # SIOCGIFINDEX asks in the socket's network namespace, which need not be this thread's.
    request = fcntl.ioctl(sock.fileno(), 0x8933, struct.pack("16sI20x", name, 0))
    return struct.pack("@iHH8s", struct.unpack_from("I", request, 16)[0], 1, 0, b"")
