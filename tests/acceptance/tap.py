"""Reads along what Open vSwitch tells the web switch: packet-ins, from a capture of the OpenFlow port on lo."""

import contextlib
import ipaddress
import os
import struct
import subprocess
import time

PACKET_IN = 10
_MAX_FRAME = 65_550
_MAX_LATER = 500


class PacketIn:
    """One packet-in: when it was seen (seconds since the epoch), where the frame entered, the frame itself."""

    def __init__(self, seen, in_port, frame):
        self.seen = seen
        self.in_port = in_port
        self.frame = frame

    @property
    def tcp(self):
        """(source, source port, destination, destination port, seq, ack, flags, payload) or None."""
        frame = self.frame
        if len(frame) >= 74 and frame[12:14] == b"\x86\xdd" and frame[20] == 6:
            header = 54
            total = header + struct.unpack_from("!H", frame, 18)[0]
            addresses = [ipaddress.IPv6Address(frame[at : at + 16]).compressed for at in (22, 38)]
        elif len(frame) >= 54 and frame[12:14] == b"\x08\x00" and frame[23] == 6:
            header = 14 + (frame[14] & 15) * 4
            total = 14 + struct.unpack_from("!H", frame, 16)[0]
            addresses = [dotted(frame[at : at + 4]) for at in (26, 30)]
        else:
            return None
        source_port, port, seq, ack, offset, flags = struct.unpack_from("!HHIIBB", frame, header)
        payload = frame[header + (offset >> 4) * 4 : total]
        return (addresses[0], source_port, addresses[1], port, seq, ack, flags, payload)


def dotted(address):
    return ".".join(str(byte) for byte in address)


class Stream:
    """One direction of one TCP connection. Two processors may hand segments to the capture in another order."""

    def __init__(self, seq):
        self.has_packet_ins = False
        self.next = seq & 0xFFFFFFFF
        self.rest = b""
        self.later = {}

    def take(self, seq, payload):
        """Takes a segment and yields what is in order by now."""
        self.later[seq] = max(payload, self.later.get(seq, b""), key=len)
        found = True
        while found:
            found = False
            for start in list(self.later):
                behind = (self.next - start + 0x80000000 & 0xFFFFFFFF) - 0x80000000
                if behind >= 0:
                    data = self.later.pop(start)[behind:]
                    if data:
                        found = True
                        self.next = self.next + len(data) & 0xFFFFFFFF
                        yield data


class OpenFlowTap:
    """A tcpdump on the OpenFlow port for the whole test run, and the packet-ins in it so far."""

    def __init__(self, port, path, vips):
        self.port = port
        self.path = path
        self.vips = vips
        self.packet_ins = []
        self.response_segments = []
        self.total = 0
        self._unread = 0
        self._streams = {}
        self._reading = None
        self._rest = b""
        self.process = None

    @property
    def gaps(self):
        """How often bytes were missing, or still are: a segment that is only late fills its hole."""
        return self._unread + sum(bool(stream.later) for stream in self._streams.values())

    def open(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        # Not in immediate mode: then every packet would take a slot of the snapshot length in the kernel's ring, and a
        # flood fills it. So the capture is up to a second late. Bare ACKs, as many as the messages, are left out.
        payload = "ip[2:2] - ((ip[0] & 15) << 2) - ((tcp[12] & 240) >> 2) != 0"
        self.process = subprocess.Popen(
            ["tcpdump", "-i", "lo", "-U", "-n", "-s", str(_MAX_FRAME), "-B", "131072", "-Z", "root",
             "-w", self.path, f"tcp dst port {self.port} and ({payload} or tcp[tcpflags] & tcp-syn != 0)"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        deadline = time.monotonic() + 10
        while not (os.path.exists(self.path) and os.path.getsize(self.path) >= 24):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"tcpdump on lo did not start: {self.process.stderr.read()}")
            time.sleep(0.02)
        self._reading = open(self.path, "rb")  # closed in close()
        self._reading.read(24)

    def close(self):
        """Ends the capture. Returns how many packets tcpdump lost."""
        if self.process is None:
            return 0
        self.process.terminate()
        said = self.process.communicate(timeout=20)[1]
        self.read()
        self._reading.close()
        self.process = None
        lost = [line.split()[0] for line in said.splitlines() if "dropped by kernel" in line]
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        return int(lost[0]) if lost else 0

    def read(self):
        """Takes in what was captured since the last call. Packet-ins are kept until forget()."""
        while True:
            more = self._reading.read(1 << 20)
            if not more:
                return self
            self._rest += more
            at = 0
            while len(self._rest) - at >= 16:
                seconds, micros, kept, _ = struct.unpack_from("<IIII", self._rest, at)
                if len(self._rest) - at - 16 < kept:
                    break
                self._frame(seconds + micros / 1e6, self._rest[at + 16 : at + 16 + kept])
                at += 16 + kept
            self._rest = self._rest[at:]

    def forget(self):
        """Drops the packet-ins read so far (their totals stay)."""
        self.read()
        self.packet_ins = []
        return self

    def of_client(self, client_port):
        """The packet-ins of one client port, oldest first: TCP from the client only."""
        self.read()
        found = []
        for packet_in in self.packet_ins:
            tcp = packet_in.tcp
            if tcp and tcp[1] == client_port and tcp[2] in self.vips:
                found.append(packet_in)
        return found

    def _frame(self, seen, frame):
        if len(frame) < 54 or frame[12:14] != b"\x08\x00":
            return
        header = 14 + (frame[14] & 15) * 4
        source_port, _, seq, _, offset, flags = struct.unpack_from("!HHIIBB", frame, header)
        total = 14 + struct.unpack_from("!H", frame, 16)[0]
        # A segment of lo may be larger than an IP length can say; then the length field is 0.
        payload = frame[header + (offset >> 4) * 4 : total if total > 14 else len(frame)]
        if flags & 2:
            self._streams[source_port] = Stream(seq + 1)
        elif payload:
            # The capture may have begun in the middle: Open vSwitch sends whole messages, so begin here.
            stream = self._streams.setdefault(source_port, Stream(seq))
            for data in stream.take(seq, payload):
                stream.rest = self._messages(seen, stream, stream.rest + data)
            if len(stream.later) > _MAX_LATER:
                self._unread += 1
                self._streams[source_port] = Stream(seq + len(payload))

    def _messages(self, seen, stream, data):
        at = 0
        while len(data) - at >= 8:
            version, kind, length = struct.unpack_from("!BBH", data, at)
            if version != 4 or length < 8:
                # Some case sends garbage to this port; but what has sent packet-ins is Open vSwitch, and is misread here.
                self._unread += stream.has_packet_ins
                return b""
            if len(data) - at < length:
                break
            if kind == PACKET_IN:
                stream.has_packet_ins = True
                self._packet_in(seen, data[at : at + length])
            at += length
        return data[at:]

    def _packet_in(self, seen, message):
        # OpenFlow 1.3: header 8, buffer id 4, total length 2, reason 1, table 1, cookie 8, match, 2 bytes, frame
        length = struct.unpack_from("!H", message, 26)[0]
        in_port = None
        at = 28
        while at + 4 <= 24 + length:
            field_class, field, size = struct.unpack_from("!HBB", message, at)
            if field_class == 0x8000 and field >> 1 == 0:
                in_port = struct.unpack_from("!I", message, at + 4)[0]
            at += 4 + size
        frame = message[24 + (length + 7) // 8 * 8 + 2 :]
        packet_in = PacketIn(seen, in_port, frame)
        self.total += 1
        self.packet_ins.append(packet_in)
        tcp = packet_in.tcp
        if tcp and tcp[0] in self.vips and tcp[7]:
            self.response_segments.append(packet_in)
