"""Reads captures: pcap files, Ethernet frames with TCP over IPv4 or IPv6, the migration tag, OpenFlow 1.3 messages. Decides nothing.

An implementation of its own, from docs/wire-format.md and the RFCs: what it finds in a capture is evidence from
outside the program, so it shares no code with it.
"""

import socket
import struct

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MSS_CLASSES = (536, 1220, 1300, 1360, 1400, 1440, 1460, 8960)
TAG_KINDS = ("fresh", "moved", "held", "silence", "refused", "confirm", "broken", "guess")
NO_SCALE = 15

HELLO, ECHO_REQUEST, ECHO_REPLY, PACKET_IN, FLOW_REMOVED, PACKET_OUT, FLOW_MOD = 0, 2, 3, 10, 11, 13, 14
FLOW_ADD, FLOW_DELETE, FLOW_DELETE_STRICT = 0, 3, 4


class FormatError(Exception):
    """A capture that is not what it must be."""


def read_pcap(path):
    """The packets of a capture file as (nanoseconds since the epoch, bytes); an unfinished last one is left out."""
    with open(path, "rb") as source:
        data = source.read()
    if len(data) < 24:
        return
    for order in "<>":
        magic = struct.unpack_from(order + "I", data)[0]
        if magic in (0xA1B2C3D4, 0xA1B23C4D):
            unit = 1 if magic == 0xA1B23C4D else 1000
            break
    else:
        raise FormatError(f"{path} is no pcap file")
    if struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF != 1:
        raise FormatError(f"{path} holds no Ethernet frames")
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, kept, length = struct.unpack_from(order + "IIII", data, at)
        at += 16
        if at + kept > len(data):
            return
        if kept < length:
            raise FormatError(f"{path} holds a packet that was cut to {kept} of {length} bytes")
        yield seconds * 1_000_000_000 + fraction * unit, data[at : at + kept]
        at += kept


def mac_text(mac):
    return mac.hex(":")


class Segment:
    """A TCP segment in an Ethernet frame; decode() makes it."""

    __slots__ = (
        "ack", "destination", "destination_port", "eth_destination", "eth_source", "flags", "options", "payload",
        "seq", "source", "source_port", "window",
    )  # fmt: skip

    @property
    def flag_text(self):
        names = ((SYN, "SYN"), (FIN, "FIN"), (RST, "RST"), (PSH, "PSH"), (ACK, "ACK"))
        return "+".join(name for bit, name in names if self.flags & bit)

    def key(self):
        """What makes two sightings the same segment on its way, whatever its sequence numbers."""
        return self.source, self.source_port, self.destination, self.destination_port


def decode(frame):
    """The TCP segment in an Ethernet frame, or None if there is none (behind IPv6 extension headers none is looked for)."""
    carried = _ipv6(frame) if frame[12:14] == b"\x86\xdd" else _ipv4(frame)
    if carried is None or len(carried[2]) < 20:
        return None
    tcp = carried[2]
    found = Segment()
    found.eth_destination, found.eth_source = frame[0:6], frame[6:12]
    found.source, found.destination = carried[:2]
    found.source_port, found.destination_port, found.seq, found.ack = struct.unpack_from("!HHII", tcp)
    data_offset = (tcp[12] >> 4) * 4
    found.flags = tcp[13]
    found.window = struct.unpack_from("!H", tcp, 14)[0]
    found.options = _options(tcp[20:data_offset])
    found.payload = tcp[data_offset:]
    return found


def _ipv4(frame):
    """(source, destination, TCP segment) of a frame, or None. What follows the IP packet is Ethernet's padding."""
    if len(frame) < 34 or frame[12:14] != b"\x08\x00":
        return None
    header = (frame[14] & 15) * 4
    if frame[14] >> 4 != 4 or frame[23] != socket.IPPROTO_TCP or struct.unpack_from("!H", frame, 20)[0] & 0x1FFF:
        return None
    packet = frame[14 : 14 + struct.unpack_from("!H", frame, 16)[0]]
    return socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20]), packet[header:]


def _ipv6(frame):
    """The same over IPv6 (RFC 8200 section 3)."""
    if len(frame) < 54 or frame[14] >> 4 != 6 or frame[20] != socket.IPPROTO_TCP:
        return None
    source, destination = (socket.inet_ntop(socket.AF_INET6, frame[at : at + 16]) for at in (22, 38))
    return source, destination, frame[54 : 54 + struct.unpack_from("!H", frame, 18)[0]]


def _options(data):
    found = {}
    at = 0
    while at < len(data) and data[at] != 0:
        if data[at] == 1:
            at += 1
            continue
        length = data[at + 1] if at + 1 < len(data) else 0
        if length < 2 or at + length > len(data):
            break
        value = data[at + 2 : at + length]
        if data[at] == 2 and length == 4:
            found["mss"] = int.from_bytes(value, "big")
        elif data[at] == 3 and length == 3:
            found["scale"] = value[0]
        elif data[at] == 4:
            found["sack"] = True
        elif data[at] == 8:
            found["timestamps"] = True
        at += length
    return found


# ------------------------------------------------------------------------------------------ migration tag, SYN cookie


class Tag:
    """The migration tag in a source MAC (docs/wire-format.md)."""

    def __init__(self, mac):
        bits = int.from_bytes(mac, "big")
        self.mac = mac
        self.content_type = base36(bits >> 17 & 0xFFFF)
        self.mss = MSS_CLASSES[bits >> 14 & 7]
        self.mss_class = bits >> 14 & 7
        self.client_scale = bits >> 10 & 15
        self.server_scale = bits >> 6 & 15
        self.sack = bool(bits >> 5 & 1)
        self.timestamps = bool(bits >> 4 & 1)
        self.ecn = bool(bits >> 3 & 1)
        kind = bits & 7
        self.kind = TAG_KINDS[kind] if kind < len(TAG_KINDS) else f"kind {kind}"

    @staticmethod
    def is_tag(mac):
        return mac[0] == 0xD6 and mac[1] & 0xFE == 0x52


def base36(number):
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return digits[number // 1296 % 36] + digits[number // 36 % 36] + digits[number % 36]


class SynCookie:
    """The web switch's initial sequence number: what is in it besides the keyed hash."""

    def __init__(self, wseq):
        self.mss = MSS_CLASSES[wseq >> 29]
        self.mss_class = wseq >> 29
        self.client_scale = wseq >> 25 & 15
        self.sack = bool(wseq >> 24 & 1)
        self.hash = wseq & 0xFFFFFF


def scale_text(scale):
    return "none" if scale == NO_SCALE else str(scale)


# ------------------------------------------------------------------------------------------ OpenFlow 1.3


class Message:
    """One OpenFlow message: when it was complete, whether the switch sent it, its type and its bytes."""

    def __init__(self, time_ns, from_switch, data):
        self.time_ns = time_ns
        self.from_switch = from_switch
        self.type = data[1]
        self.data = data

    def packet_in(self):
        """(port it came in by, frame) of a packet-in."""
        match_length = struct.unpack_from("!H", self.data, 26)[0]
        fields = dict(_fields(self.data[28 : 24 + match_length]))
        return int.from_bytes(fields.get(0, b""), "big"), self.data[24 + _padded(match_length) + 2 :]

    def packet_out(self):
        """(ports it goes out of, frame) of a packet-out."""
        actions_length = struct.unpack_from("!H", self.data, 16)[0]
        ports = [port for name, port in _actions(self.data[24 : 24 + actions_length]) if name == "output"]
        return ports, self.data[24 + actions_length :]

    def flow_mod(self):
        """(command, priority, match by OXM field, actions) of a flow-mod; actions as (name, value)."""
        command = self.data[25]
        priority = struct.unpack_from("!H", self.data, 30)[0]
        match_length = struct.unpack_from("!H", self.data, 50)[0]
        actions = []
        at = 48 + _padded(match_length)
        while at + 8 <= len(self.data):
            kind, length = struct.unpack_from("!HH", self.data, at)
            if length < 8:
                break
            if kind == 4:
                actions += _actions(self.data[at + 8 : at + length])
            at += length
        return command, priority, dict(_fields(self.data[52 : 48 + match_length])), actions


def _padded(length):
    return (length + 7) // 8 * 8


def _fields(data):
    """OXM fields of OpenFlow's basic class as (number, value); masks are cut off."""
    at = 0
    while at + 4 <= len(data):
        oxm_class, field, length = struct.unpack_from("!HBB", data, at)
        value = data[at + 4 : at + 4 + length]
        if oxm_class == 0x8000:
            yield field >> 1, value[: length // 2] if field & 1 else value
        at += 4 + length


def _actions(data):
    found = []
    at = 0
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("!HH", data, at)
        if length < 8:
            break
        if kind == 0:
            found.append(("output", struct.unpack_from("!I", data, at + 4)[0]))
        elif kind == 25:
            found += [("set", field) for field in _fields(data[at + 4 : at + length])]
        else:
            found.append((f"action {kind}", None))
        at += length
    return found


class OpenFlowCapture:
    """The OpenFlow sessions in a capture of one TCP port, put together from the first byte of each.

    messages: all of them in the order of completion. sessions: the switch's ports, one a session.
    bytes_to_controller, bytes_from_controller: TCP payload of the sessions, repeated bytes counted once.
    Raises FormatError where a byte is missing: what is not seen cannot be vouched for.
    """

    def __init__(self, path, port, from_start=True):
        self.messages = []
        self.sessions = set()
        self.bytes_to_controller = self.bytes_from_controller = 0
        streams = {}
        for time_ns, frame in read_pcap(path):
            segment = decode(frame)
            if segment is None or port not in (segment.source_port, segment.destination_port):
                continue
            from_switch = segment.destination_port == port
            switch_port = segment.source_port if from_switch else segment.destination_port
            way = (switch_port, from_switch)
            if segment.flags & SYN:
                streams[way] = _Stream((segment.seq + 1) & 0xFFFFFFFF)
            elif segment.payload:
                if way not in streams:
                    if from_start:
                        raise FormatError("the OpenFlow session began before the capture")
                    streams[way] = _Stream(segment.seq)
                stream = streams[way]
                self.sessions.add(switch_port)
                for data in stream.take(segment.seq, segment.payload):
                    self.messages.append(Message(time_ns, from_switch, data))
        for (_, from_switch), stream in streams.items():
            if stream.waiting:
                raise FormatError("the capture lacks a part of the OpenFlow session")
            if from_switch:
                self.bytes_to_controller += stream.length
            else:
                self.bytes_from_controller += stream.length

    def packet_ins(self):
        """(message, port, frame) of every packet-in."""
        for message in self.messages:
            if message.type == PACKET_IN:
                yield (message, *message.packet_in())


class _Stream:
    """One direction of an OpenFlow session."""

    def __init__(self, next_seq):
        self.next_seq = next_seq
        self.length = 0
        self.waiting = {}
        self.rest = b""

    def take(self, seq, payload):
        """Adds a segment and returns the messages that are complete with it."""
        self.waiting[seq] = max(self.waiting.get(seq, b""), payload, key=len)
        found = []
        progress = True
        while progress:
            progress = False
            for start in list(self.waiting):
                old = (self.next_seq - start) & 0xFFFFFFFF
                if old >= 1 << 31:
                    continue
                new = self.waiting.pop(start)[old:]
                self.next_seq = (self.next_seq + len(new)) & 0xFFFFFFFF
                self.length += len(new)
                self.rest += new
                progress = True
        while len(self.rest) >= 8:
            version, _, length = struct.unpack_from("!BBH", self.rest)
            if not 1 <= version <= 6 or length < 8:
                raise FormatError("the capture of the OpenFlow port holds something else")
            if len(self.rest) < length:
                break
            found.append(self.rest[:length])
            self.rest = self.rest[length:]
        return found
