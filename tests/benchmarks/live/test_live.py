"""Unit tests of the live benchmarks' pure parts: python3 -m unittest discover tests/benchmarks/live."""

import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "mininet"))

import bounce_switch  # noqa: E402
import bulk  # noqa: E402
import figures  # noqa: E402
import frames  # noqa: E402
import packets  # noqa: E402
import rebuild  # noqa: E402


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


class OpenFlowTest(unittest.TestCase):
    """The little switch's messages, read back by the lab's own reader."""

    def test_packet_in_reads_back(self):
        data = bounce_switch.packet_in(3, b"a whole frame")
        self.assertEqual(int.from_bytes(data[2:4], "big"), len(data))
        self.assertEqual(frames.Message(0, True, data).packet_in(), (3, b"a whole frame"))

    def test_answers_bear_the_question_s_number(self):
        for kind, reply in ((5, 6), (2, 3), (20, 21)):
            data = bounce_switch.answer(bounce_switch.message(kind, 0x1234, b""))
            self.assertEqual((data[1], data[4:8]), (reply, bytes.fromhex("00001234")))
        ports = bounce_switch.answer(bounce_switch.message(18, 9, bytes.fromhex("000d000000000000")))
        self.assertEqual((ports[1], ports[8:12], len(ports)), (19, bytes.fromhex("000d0000"), 16 + 2 * 64))
        self.assertIsNone(bounce_switch.answer(bounce_switch.message(frames.FLOW_MOD, 1)))

    def test_messages_are_cut_at_any_byte(self):
        stream = bounce_switch.message(2, 1, b"ab") + bounce_switch.message(5, 2)
        for cut in range(len(stream) + 1):
            messages = bounce_switch.Messages()
            got = [*messages.take(stream[:cut]), *messages.take(stream[cut:])]
            self.assertEqual([one[1] for one in got], [2, 5])


class ReportTest(unittest.TestCase):
    def test_rebuild(self):
        samples = [(us * 1000, 2 * us * 1000) for us in range(1, 101)]
        regimes = {name: {"rebuild": samples, "connect": samples} for name in ("paced", "busy")}
        told, verdicts = rebuild.report(regimes, [0.0] * 6, (1, 2), {"rebuilds_done": 7})
        self.assertEqual(told["paced_rebuild_stands_us"], {"p50": 50.0, "p99": 99.0, "least": 1.0})
        self.assertEqual(told["busy_connect_read_us"]["p50"], 100.0)
        self.assertEqual([one.reached for one in verdicts], [True, True])
        told["others"] = "nobody else"
        self.assertTrue(any("99.0" in line for line in rebuild.lines(told)))

    def test_bulk(self):
        found = {(what, path): [10.0, 30.0, 20.0] for what in bulk.WORK for path in bulk.PATHS}
        found["download", "filter"] = [4.0, 18.0, 7.0]
        cost = {"agent_ns": 9_000, "process_ns": 10_000, "frames": 3, "packets": 90}
        told, verdicts = bulk.report(found, {what: [cost] for what in bulk.WORK}, {"dropped_x": 1, "y": 2}, 3, 2)
        self.assertEqual(told["work"]["download"]["share_percent"], 40.0)
        self.assertEqual(told["work"]["small"]["cost"]["agent_ns_per_packet"], 100.0)
        self.assertEqual([one.reached for one in verdicts], [False, False, True])
        self.assertEqual(told["filter_drops"], {"dropped_x": 1})
        told["others"] = "nobody else"
        self.assertTrue(any("40.0 %" in line for line in bulk.lines(told)))


if __name__ == "__main__":
    unittest.main()
