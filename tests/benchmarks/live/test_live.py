"""Unit tests of the live benchmarks' pure parts: python3 -m unittest discover tests/benchmarks/live."""

import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "mininet"))

import figures  # noqa: E402
import frames  # noqa: E402
import packets  # noqa: E402


class PercentileTest(unittest.TestCase):
    def test_nearest_rank(self):
        self.assertEqual(figures.percentile([5, 1, 3, 2, 4], 50), 3)
        self.assertEqual(figures.percentile(list(range(1, 101)), 99), 99)
        self.assertEqual(figures.percentile([7], 99), 7)

    def test_no_samples(self):
        with self.assertRaises(ValueError):
            figures.percentile([], 50)


class VerdictTest(unittest.TestCase):
    def test_reached_at_the_limit(self):
        self.assertTrue(figures.Verdict("x", 8.0, 8.0, "Gbit/s").reached)
        self.assertTrue(figures.Verdict("x", 101.0, 101.0, "us", at_least=False).reached)

    def test_missed_says_by_how_much(self):
        low = figures.Verdict("downloads", 6.0, 8.0, "Gbit/s")
        self.assertFalse(low.reached)
        self.assertIn("MISSED by 25.0 %", low.text())
        slow = figures.Verdict("rebuild", 202.0, 101.0, "us", at_least=False)
        self.assertIn("MISSED by 100.0 %", slow.text())


class TableTest(unittest.TestCase):
    def test_columns_line_up(self):
        self.assertEqual(figures.table([["a", "n"], ["long", "10"]]), ["a      n", "long  10"])


class PacketTest(unittest.TestCase):
    """Against the capture reader of the lab, which was written from docs/wire-format.md by itself."""

    def test_tag_of_the_wire_format_page(self):
        self.assertEqual(packets.tag("018").hex(":"), "d6:52:00:59:9d:e0")
        read = frames.Tag(packets.tag("020", mss_class=3, client_scale=9, sack=False))
        self.assertEqual((read.content_type, read.mss_class, read.client_scale, read.server_scale), ("020", 3, 9, 7))
        self.assertEqual((read.sack, read.kind), (False, "fresh"))

    def test_segment_reads_back(self):
        ends = ("10.0.0.7", "10.9.0.100", 4000, 80)
        frame = packets.segment(bytes(6), packets.tag("018"), *ends, 1 << 32, -1, packets.PSH | packets.ACK, b"odd")
        read = frames.decode(frame)
        self.assertEqual((read.source, read.destination, read.source_port, read.destination_port), ends)
        self.assertEqual((read.seq, read.ack, read.flags), (0, 0xFFFFFFFF, packets.PSH | packets.ACK))
        self.assertEqual(read.payload, b"odd")

    def test_checksums(self):
        # RFC 1071 section 3.
        self.assertEqual(packets.checksum(bytes.fromhex("0001f203f4f5f6f7")), 0x220D)
        frame = packets.segment(bytes(6), bytes(6), "10.0.0.7", "10.9.0.100", 4000, 80, 1, 2, packets.SYN)
        self.assertEqual(packets.checksum(frame[14:34]), 0)
        broken = frame[:50] + b"\x12\x34" + frame[52:]
        self.assertEqual(packets.with_tcp_checksum(broken), frame)


if __name__ == "__main__":
    unittest.main()
