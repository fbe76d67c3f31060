"""Frames for the live benchmarks: TCP over IPv4 with whole checksums, and the migration tag (docs/wire-format.md)."""

import socket
import struct

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
FRESH = 0
MSS_CLASSES = (536, 1220, 1300, 1360, 1400, 1440, 1460, 8960)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def mac(text):
    """The six bytes of a MAC address."""
    return bytes.fromhex(text.replace(":", ""))


def tag(content_type, mss_class=6, client_scale=7, server_scale=7, sack=True, kind=FRESH):
    """A migration tag as a source MAC. content_type: three characters of 0-9A-Z."""
    number = 0
    for digit in content_type:
        number = number * 36 + _DIGITS.index(digit)
    bits = 0x6B29 << 33 | number << 17 | mss_class << 14 | client_scale << 10 | server_scale << 6 | sack << 5 | kind
    return bits.to_bytes(6, "big")


def checksum(data):
    """The Internet checksum (RFC 1071) of bytes."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def segment(eth_destination, eth_source, source, destination, source_port, destination_port, seq, ack, flags, payload=b""):
    """A whole frame. MACs are bytes, addresses text, numbers are taken modulo 2^32."""
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40 + len(payload), 0, 0x4000, 64, socket.IPPROTO_TCP, 0) + ends
    ip = ip[:10] + checksum(ip).to_bytes(2, "big") + ip[12:]
    tcp = struct.pack(
        "!HHIIBBHHH", source_port, destination_port, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 64_240 >> 7, 0, 0
    )
    return with_tcp_checksum(eth_destination + eth_source + b"\x08\x00" + ip + tcp + payload)


def with_tcp_checksum(frame):
    """The same TCP/IPv4 frame with a right TCP checksum: a virtual interface leaves it to who comes next."""
    at = 14 + (frame[14] & 15) * 4
    end = 14 + int.from_bytes(frame[16:18], "big")
    tcp = frame[at : at + 16] + b"\0\0" + frame[at + 18 : end]
    pseudo = frame[26:34] + struct.pack("!BBH", 0, socket.IPPROTO_TCP, end - at)
    return frame[:at] + tcp[:16] + checksum(pseudo + tcp).to_bytes(2, "big") + tcp[18:] + frame[end:]
