"""Captures one migrated request and one move in the lab that is up, and prints the packets with the paper's steps.

Run by ./dwsr lab capture. tcpdump listens at the client's port of Open vSwitch, on both sides of every server's host
filter, and on the OpenFlow port; curl asks two pages of different pools on one connection. What is printed is read
from those captures alone, by frames.py.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import textwrap
import time

import frames
import lab as labs

WIDTH = 110
CLIENT = "c1"
PAGES = ("/img/login.php", "/index.php")
START_SECONDS = 10
CURL_SECONDS = 10
END_SECONDS = 3
# tcpdump writes packets up to 1 s after they came (--immediate-mode would shrink its buffer to a few packets).
LATE_SECONDS = 1.2

INTRODUCTION = """\
One curl asks for {first} and then {second} on one connection; they belong to different servers.
Below are all packets of that connection, in the order of time, at every place where they were seen:
"""
EXPLANATION = """
seq and ack are absolute, len counts payload. wseq: the web switch's initial sequence number; rseq: the one
that a server's own TCP chose. Steps and figures are the paper's (Lin, Tsai, Lin, Tien: Direct Web Switch
Routing, 2005); the bits of the migration tag and the SYN cookie are in docs/wire-format.md."""

COLUMNS = f"{'':3} {'ms':>8}  {'where':<10} {'flags':<7} {'seq':>10} {'ack':>10} {'len':>5}  "


class Sighting:
    """One packet at one place, or one flow-mod (then without a segment)."""

    def __init__(self, time_ns, place, segment, heading_for=None, flow=None):
        self.time_ns = time_ns
        self.place = place
        self.segment = segment
        self.server = heading_for
        self.flow = flow

    @property
    def tag(self):
        if self.segment is not None and frames.Tag.is_tag(self.segment.eth_source):
            return frames.Tag(self.segment.eth_source)
        return None


# ------------------------------------------------------------------------------------------ capturing


class Captures:
    """The running tcpdumps, by name."""

    def __init__(self, folder):
        self.folder = folder
        self.children = {}

    def path(self, name):
        return os.path.join(self.folder, name + ".pcap")

    def start(self, name, interface, expression):
        # With -Z root it stays root: a change of user would undo setpriv's promise to end it with us.
        self.children[name] = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "tcpdump", "-Z", "root", "-i", interface, "-n", "-U", "-s", "0",
             "--time-stamp-precision=nano", "-w", self.path(name), *expression.split()],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def wait_until_ready(self):
        for name, child in self.children.items():
            said = ""
            for line in child.stderr:
                said += line
                if "listening on" in line:
                    break
            else:
                raise labs.LabError(f"tcpdump for {name} did not start: {said.strip()}")

    def stop(self):
        for child in self.children.values():
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
        for child in self.children.values():
            child.wait()
        self.children = {}


class Ends:
    """The addresses of both ends, in one family."""

    def __init__(self, lab, ipv6=False):
        self.client = lab.hosts[CLIENT]["ip6" if ipv6 else "ip"]
        self.vip = lab.record["vip6" if ipv6 else "vip"]
        self.url = f"http://[{self.vip}]" if ipv6 else f"http://{self.vip}"


def browse(lab, ends, *pages, words=()):
    """Runs one curl in the client and returns (status, client port, connections made) of each page."""
    target = [word for page in pages for word in ("-o", os.devnull, ends.url + page)]
    text = lab.run(
        CLIENT, "curl", "-q", "-g", "-sS", "--noproxy", "*", "-m", str(CURL_SECONDS), *words,
        "-w", "%{http_code} %{local_port} %{num_connects}\n", *target, timeout=CURL_SECONDS * len(pages) + 5,
    )  # fmt: skip
    return [tuple(int(number) for number in line.split()) for line in text.splitlines()]


def record(lab, folder, ends):
    """Captures one curl with two requests. Returns the client's port."""
    openflow = lab.options["openflow"].rpartition(":")[2]
    jar = os.path.join(folder, "jar")
    captures = Captures(folder)
    try:
        # A session at the second page's pool, so that the capture shows a cookie's name restored in a request.
        browse(lab, ends, PAGES[1], words=("-c", jar))
        captures.start("client", lab.hosts[CLIENT]["ovs"], f"tcp and host {ends.client}")
        for name in lab.servers():
            for side in ("network", "host"):
                captures.start(f"{name}-{side}", lab.hosts[name][side], f"tcp and host {ends.client}")
        captures.start("openflow", "lo", f"tcp port {openflow}")
        captures.wait_until_ready()
        answers = browse(lab, ends, *PAGES, words=("-b", jar))
        if [answer[0] for answer in answers] != [200, 200] or sum(answer[2] for answer in answers) != 1:
            raise labs.LabError(f"curl got (status, port, connections) {answers}, not two pages on one connection")
        port = answers[0][1]
        # The connection's end is reported and its flow deleted a little later.
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline and not has_ended(lab, captures, port):
            time.sleep(0.1)
        time.sleep(LATE_SECONDS)
        return port
    finally:
        captures.stop()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(jar)


def has_ended(lab, captures, port):
    found = openflow_sightings(lab, captures.path("openflow"), port)
    return any(sighting.flow and sighting.flow[0] != frames.FLOW_ADD for sighting in found)


# ------------------------------------------------------------------------------------------ reading


def openflow_sightings(lab, path, port):
    """What of this connection went over the OpenFlow session."""
    by_port = {host["port"]: name for name, host in lab.hosts.items()}
    of_port = int(lab.options["openflow"].rpartition(":")[2])
    for message in frames.OpenFlowCapture(path, of_port, from_start=False).messages:
        if message.type == frames.PACKET_IN:
            in_port, frame = message.packet_in()
            segment = frames.decode(frame)
            if segment and port in (segment.source_port, segment.destination_port):
                yield Sighting(message.time_ns, "packet-in", segment, by_port.get(in_port))
        elif message.type == frames.PACKET_OUT:
            ports, frame = message.packet_out()
            segment = frames.decode(frame)
            if segment and port in (segment.source_port, segment.destination_port):
                yield Sighting(message.time_ns, "packet-out", segment, by_port.get(ports[0]) if ports else None)
        elif message.type == frames.FLOW_MOD:
            command, priority, match, actions = message.flow_mod()
            if match.get(13) == port.to_bytes(2, "big"):
                to = [by_port.get(value) for name, value in actions if name == "output"]
                yield Sighting(message.time_ns, "flow-mod", None, to[0] if to else None, (command, priority, actions))


def sightings(lab, folder, port, ends):
    """Every packet of the connection, at every place, in the order of time; and how many were copies.

    A bridge that has not learnt the client's port sends answers out of all ports: those copies are only counted.
    """
    found = list(openflow_sightings(lab, os.path.join(folder, "openflow.pcap"), port))
    copies = 0

    def read(name, inward, outward, is_inward, server):
        nonlocal copies
        for time_ns, frame in frames.read_pcap(os.path.join(folder, name + ".pcap")):
            segment = frames.decode(frame)
            if segment is None or port not in (segment.source_port, segment.destination_port):
                continue
            if server and not from_client(segment) and frames.mac_text(segment.eth_source) != lab.hosts[server]["mac"]:
                copies += 1
                continue
            found.append(Sighting(time_ns, inward if is_inward(segment) else outward, segment, server))

    vmac = bytes.fromhex(lab.record["vmac"].replace(":", ""))

    def from_client(segment):
        return segment.source == ends.client

    read("client", f"{CLIENT} > OVS", f"OVS > {CLIENT}", from_client, None)
    for name in lab.servers():
        filter_name = "f" + name[1:]
        # A client's segment that the filter bounces goes to the web switch's MAC.
        read(f"{name}-network", f"OVS > {filter_name}", f"{filter_name} > OVS",
             lambda segment: from_client(segment) and segment.eth_destination != vmac, name)  # fmt: skip
        read(f"{name}-host", f"{filter_name} > {name}", f"{name} > {filter_name}", from_client, name)
    return sorted(found, key=lambda sighting: sighting.time_ns), copies


# ------------------------------------------------------------------------------------------ annotating


def difference(after, before):
    """A sequence number offset, as a signed number."""
    offset = (after - before) & 0xFFFFFFFF
    return offset - (1 << 32) if offset >= 1 << 31 else offset


def tag_text(tag, like=None):
    """A migration tag, decoded; with another one given, only what differs from it."""

    def fields(of):
        return [
            f"content type {of.content_type}",
            f"MSS class {of.mss_class} ({of.mss})",
            f"window scale client {frames.scale_text(of.client_scale)}",
            f"server {frames.scale_text(of.server_scale)}",
            f"SACK {'yes' if of.sack else 'no'}",
            f"timestamps {'yes' if of.timestamps else 'no'}",
            f"ECN {'yes' if of.ecn else 'no'}",
            f"kind {of.kind}",
        ]

    known = fields(like) if like else []
    shown = [field for field in fields(tag) if field not in known]
    rest = ", else the same" if like and shown else ""
    return f"tag {frames.mac_text(tag.mac)}: {', '.join(shown) or 'the same'}{rest}"


def options_text(segment):
    options = segment.options
    parts = [f"MSS {options['mss']}"] if "mss" in options else []
    parts += [f"window scale {options['scale']}"] if "scale" in options else []
    parts += ["SACK"] if "sack" in options else []
    parts += ["timestamps" if "timestamps" in options else "no timestamps"]
    return ", ".join(parts)


def request_line(payload):
    found = re.match(rb"([A-Z]+ [^ \r\n]+) HTTP/1\.[01]\r\n", payload)
    return found.group(1).decode("ascii", "replace") if found else None


def cookie_names(payload):
    """The names of the cookies in a request or response head."""
    head = payload.partition(b"\r\n\r\n")[0].decode("latin-1")
    names = re.findall(r"^Set-Cookie: *([^=\r\n]+)=", head, re.M | re.I)
    for line in re.findall(r"^Cookie: *([^\r\n]+)", head, re.M | re.I):
        names += [pair.partition("=")[0].strip() for pair in line.split(";")]
    return names


class Story:
    """Goes through the sightings in order and says of each what it is in the paper's terms.

    It knows only what has been seen: the roles of the two servers, the sequence numbers, what each was told.
    """

    def __init__(self, lab, port, ends):
        self.lab = lab
        self.ends = ends
        self.port = port
        with open(lab.path("dwsr.json"), encoding="utf-8") as source:
            document = json.load(source)
        self.every_packet = document["services"][0].get("requests") == "switch"
        self.by_rule = "from the web switch" if self.every_packet else "by the connection's rule"
        self.ids = {server["id"]: server["name"] for server in document["servers"]}
        self.isn = self.wseq = None
        self.requests = []
        self.first = self.second = None
        self.rebuilt = {}
        self.base = {}
        self.silenced = set()
        self.replays = {}
        self.answered = set()
        self.restored = {}
        self.renamed = {}
        self.given = set()
        self.closing = False
        self.heading = None
        self.tag = None
        self.flows = 0
        self.vmac = lab.record["vmac"]

    def decoded(self, tag):
        """The connection's tag: in full the first time, then what has changed."""
        self.tag, before = tag, self.tag
        return tag_text(tag, before)

    def steps(self, server, of_first, of_second):
        """The paper's step: figure 2 for the server that got the connection first, figure 5 for the second."""
        return of_second if server == self.second else of_first

    def tell(self, sighting):
        """(heading or None, note) of a sighting."""
        self.heading = None
        segment = sighting.segment
        if sighting.place == "flow-mod":
            note = self.flow_mod(sighting)
        elif sighting.place == "packet-in":
            note = self.packet_in(sighting, segment)
        elif sighting.place == "packet-out":
            note = self.packet_out(sighting, segment)
        elif sighting.place.startswith(f"{CLIENT} "):
            note = self.from_client(segment)
        elif sighting.place.endswith(f" {CLIENT}"):
            note = self.to_client(segment)
        else:
            filter_name = "f" + sighting.server[1:]
            act = {
                f"OVS > {filter_name}": self.to_filter,
                f"{filter_name} > OVS": self.from_filter,
                f"{filter_name} > {sighting.server}": self.to_server,
                f"{sighting.server} > {filter_name}": self.from_server,
            }[sighting.place]
            note = act(sighting.server, sighting, segment)
        return self.heading, note

    def from_client(self, segment):
        if segment.flags & frames.SYN:
            self.heading = "Figure 2, steps 1-3: the client shakes hands, with the web switch"
            self.isn = segment.seq
            return f"step 1: SYN to the VIP. {options_text(segment)}"
        if segment.flags & frames.FIN:
            self.heading = "The end of the connection"
            self.closing = True
            return "the client closes"
        line = request_line(segment.payload)
        if line and segment.seq not in [seq for seq, _ in self.requests]:
            self.requests.append((segment.seq, line))
            names = cookie_names(segment.payload)
            cookies = f", cookies {' '.join(names)}" if names else ""
            if len(self.requests) == 1:
                self.heading = "Figure 2, steps 4-5: the request; with it the web switch migrates the connection"
                return f"step 4: {line}{cookies}"
            self.heading = "Figure 5, steps 23-25: the second request belongs to another server"
            return f"step 23: {line}{cookies}, on the same connection"
        if segment.payload:
            return "more of the client's bytes, or the same again"
        if not self.requests:
            return "step 3: the client believes it talks to a server"
        return "the last ACK" if self.closing else f"step {'31' if self.second else '11'}: the client acknowledges"

    def packet_in(self, sighting, segment):
        tag = sighting.tag
        if tag is not None:
            text = f"step 23: bounced by {sighting.server}'s filter, tag kind {tag.kind}. "
            if tag.kind == "moved":
                return text + "The web switch reads the request"
            return text
        if sighting.server != CLIENT:
            return f"from {sighting.server}'s port"
        if segment.flags & frames.SYN:
            return "no rule knows this connection: to the web switch"
        if segment.payload and self.isn is not None and segment.seq != self.isn + 1 & 0xFFFFFFFF:
            return "shown to the web switch" + (
                ', as is every packet with "requests": "switch"' if self.every_packet else ": no rule (yet) for it"
            )
        if segment.payload:
            return ("step 4: ack-1 is a valid SYN cookie for seq-1, so there was a handshake. The web switch reads the "
                    "request: rule table, then session cookie or schedule")  # fmt: skip
        if self.isn is not None and segment.seq == self.isn + 1 & 0xFFFFFFFF and not segment.flags & frames.FIN:
            return "nothing to keep: all state is in the client's numbers"
        return "shown to the web switch" + (', as every packet' if self.every_packet else ": no rule (any more) for it")

    def packet_out(self, sighting, segment):
        tag = sighting.tag
        if segment.flags & frames.SYN:
            self.wseq = segment.seq
            cookie = frames.SynCookie(segment.seq)
            return (
                f"step 2: the web switch answers. wseq {segment.seq} = {segment.seq:#010x} is a SYN cookie: MSS class "
                f"{cookie.mss_class} ({cookie.mss}), client's window scale {frames.scale_text(cookie.client_scale)}, "
                f"SACK {'yes' if cookie.sack else 'no'}, keyed hash {cookie.hash:#08x}. Window {segment.window}"
            )
        if tag is None:
            return f"the web switch sends it on to {sighting.server}"
        if tag.kind == "silence":
            if sighting.server in self.silenced:
                return f"the connection has ended: a second RST tagged silence ends {sighting.server}'s (section III-A)"
            return f"step 24: RST to {sighting.server}, the server so far. {self.decoded(tag)}"
        if tag.kind == "fresh":
            self.first = sighting.server
            return (f"step 5: the request to {sighting.server}, ack still wseq+1. The source MAC carries the rest of "
                    f"the TCP state: {self.decoded(tag)}")  # fmt: skip
        if tag.kind == "moved":
            self.second = sighting.server
            why = "by the pool's schedule"
            for name in cookie_names(segment.payload):
                if name.startswith("DR" + tag.content_type) and self.ids.get(name[5:8]) == sighting.server:
                    why = f"by its cookie {name}: content type {name[2:5]}, server id {name[5:8]}"
            return f"step 25: the request to {sighting.server}, {why}. {self.decoded(tag)}"
        return self.decoded(tag)

    def flow_mod(self, sighting):
        command, priority, actions = sighting.flow
        if command in (frames.FLOW_DELETE, frames.FLOW_DELETE_STRICT):
            return "delete: the filter has reported the connection's end"
        self.flows += 1
        mac = [frames.mac_text(value[1]) for name, value in actions if name == "set" and value[0] == 3]
        return (f"add, priority {priority}{', in the place of the first' if self.flows > 1 else ''}: from now on this "
                f"connection's packets go to {sighting.server}, MAC {' '.join(mac)} (MAC changer, figure 10)")  # fmt: skip

    def to_filter(self, server, sighting, segment):
        tag = sighting.tag
        if tag is None:
            if segment.payload and server == self.first and len(self.requests) > 1 and not self.second:
                return f"to {server}'s filter, whose guard reads every request with the web switch's own rules"
            if segment.payload:
                return f"the request, {self.by_rule}"
            if segment.flags & frames.FIN:
                return f"the client's FIN, {self.by_rule}"
            return f"step {self.steps(server, '12', '32')}: {self.by_rule}"
        if tag.kind == "silence":
            again = server in self.silenced
            self.silenced.add(server)
            if again:
                return "second silence: end it now"
            return f"step 24 arrives: {server} must keep silent, for 15 s, in case the connection comes back (figure 6)"
        if tag.kind in ("fresh", "moved", "held"):
            self.base[server] = segment
            return (f"step {self.steps(server, '5', '25')} arrives: seq-1 = {segment.seq - 1 & 0xFFFFFFFF}, "
                    f"ack-1 = {segment.ack - 1 & 0xFFFFFFFF}")  # fmt: skip
        return f"tag kind {tag.kind}"

    def from_filter(self, server, sighting, segment):
        tag = sighting.tag
        if tag is not None:
            return (f"not {server}'s: bounced, which is sent to the web switch's MAC, as the previous answer is complete "
                    f"and acknowledged. {self.decoded(tag)}")  # fmt: skip
        if segment.source == self.ends.client:
            return "bounced to the web switch's MAC, without a tag"
        if segment.payload:
            text = f"step {self.steps(server, '10', '30')}: masqueraded, seq {self.offset_text(server, outward=True)}"
            new, old = cookie_names(segment.payload), self.renamed.get(server, [])
            if new and new != old:
                text += f"; Set-Cookie {' '.join(old)} renamed to {' '.join(new)}"
            return text
        return f"masqueraded, seq {self.offset_text(server, outward=True)}"

    def offset_text(self, server, outward):
        """The offset between this server's own numbers and the client's."""
        rseq, base = self.rebuilt.get(server), self.base.get(server)
        if rseq is None or base is None:
            return ""
        offset = difference(rseq + 1, base.ack)
        if outward:
            offset = -offset
        return f"{'+' if offset >= 0 else '-'} {abs(offset)}"

    def to_server(self, server, sighting, segment):
        if segment.flags & frames.SYN:
            number = self.replays.get(server, 0)
            self.replays[server] = number + 1
            if number:
                return "the same again, so that BBR does not take the replay's round-trip time for the client's"
            figure = self.steps(server, "Figure 2, steps 6-9", "Figure 5, steps 26-29")
            self.heading = f"{figure}: {server}'s filter rebuilds the connection with {server}'s own TCP"
            return (f"step {self.steps(server, '6', '26')}: SYN replayed, seq = the request's seq-1. Options from "
                    f"the tag: {options_text(segment)}")  # fmt: skip
        if segment.flags & frames.RST:
            return f"{server}'s TCP is closed for good"
        if segment.payload:
            text = f"step {self.steps(server, '9', '29')}: the request, ack {self.offset_text(server, outward=False)}"
            before = cookie_names(self.base[server].payload) if server in self.base else []
            after = cookie_names(segment.payload)
            changed = [f"{old} restored to {new}" for old, new in zip(before, after) if old != new]
            self.given.add(server)
            return text + (f" = rseq+1; cookie {', '.join(changed)}" if changed else " = rseq+1")
        if segment.flags & frames.FIN:
            return f"masqueraded, ack {self.offset_text(server, outward=False)}"
        if server not in self.given:
            return f"step {self.steps(server, '8', '28')}: ACK, the handshake is complete"
        if frames.mac_text(segment.eth_source) == self.vmac and server == self.first:
            return f"made by the filter: the ACK that the second request carried; from now on {server} is cut off"
        return f"masqueraded, ack {self.offset_text(server, outward=False)}"

    def from_server(self, server, sighting, segment):
        if segment.flags & frames.SYN:
            again = server in self.rebuilt
            self.rebuilt[server] = segment.seq
            if again:
                return "the same again"
            return (f"step {self.steps(server, '7', '27')}: {server}'s own TCP chooses rseq {segment.seq}. Offset from "
                    f"the client's numbers: {self.offset_text(server, outward=False)}")  # fmt: skip
        if segment.flags & frames.FIN:
            return f"{server} closes"
        if segment.payload:
            first = server not in self.answered
            if first:
                self.answered.add(server)
                self.heading = (self.steps(server, "Figure 2, steps 10-12", "Figure 5, steps 30-32")
                                + ": the answer, straight to the client")  # fmt: skip
            names = cookie_names(segment.payload)
            if names:
                self.renamed[server] = names
            cookies = f", Set-Cookie {' '.join(names)}" if names else ""
            return (f"{server}'s answer in its own numbers{cookies}" if first else "more of it")
        return f"{server}'s TCP acknowledges the request" if server not in self.answered else "ACK"

    def to_client(self, segment):
        if segment.flags & frames.SYN:
            return f"step 2: {options_text(segment)}: 16 KB until a server has the connection"
        sender = [name for name, host in self.lab.hosts.items() if host["mac"] == frames.mac_text(segment.eth_source)]
        source = f"directly from {sender[0]}" if sender else f"from MAC {frames.mac_text(segment.eth_source)}"
        if segment.flags & frames.FIN:
            return f"{source}"
        if segment.payload:
            return f"step {'30' if self.second else '10'}: {source}: the web switch has seen none of it"
        return f"{source}"

    def summary(self, seen):
        """(what, how it was, whether it is right) of what the capture must show."""
        answers_in = sum(len(s.segment.payload) for s in seen
                         if s.place == "packet-in" and s.segment.source == self.ends.vip)  # fmt: skip
        answers_out = sum(len(s.segment.payload) for s in seen if s.place == f"OVS > {CLIENT}")
        yield ("servers", f"{self.first} had the connection first, {self.second} then",
               bool(self.first and self.second and self.first != self.second))  # fmt: skip
        for server in (self.first, self.second):
            if server in self.rebuilt and server in self.base:
                base = self.base[server]
                replayed = [s.segment.seq for s in seen
                            if s.place == f"f{server[1:]} > {server}" and s.segment.flags & frames.SYN]  # fmt: skip
                yield (f"{server}'s rebuild", f"SYN seq {replayed[0]} = request's seq - 1; "
                       f"rseq {self.rebuilt[server]}; offset {self.offset_text(server, outward=False)}",
                       replayed[0] == base.seq - 1 & 0xFFFFFFFF)  # fmt: skip
            else:
                yield f"{server}'s rebuild", "not seen", False
        base = self.base.get(self.first)
        yield ("one packet's state", f"seq-1 {self.isn} = client's ISN, ack-1 {self.wseq} = wseq",
               base is not None and base.seq - 1 & 0xFFFFFFFF == self.isn
               and base.ack - 1 & 0xFFFFFFFF == self.wseq)  # fmt: skip
        yield ("bytes of answers", f"{answers_out} at the client's port, {answers_in} in packet-ins",
               answers_out > 0 and answers_in == 0)  # fmt: skip


def lines(seen, story):
    """The annotated table."""
    began = seen[0].time_ns
    for number, sighting in enumerate(seen, 1):
        heading, note = story.tell(sighting)
        if heading:
            yield ""
            yield heading
            yield COLUMNS.rstrip()
        segment = sighting.segment
        row = f"{number:3} {(sighting.time_ns - began) / 1e6:8.3f}  {sighting.place:<10} "
        if segment is None:
            row += f"{'':<7} {'':>10} {'':>10} {'':>5}  "
        else:
            ack = segment.ack if segment.flags & frames.ACK else ""
            row += f"{segment.flag_text:<7} {segment.seq:>10} {ack:>10} {len(segment.payload):>5}  "
        wrapped = textwrap.wrap(note, WIDTH - len(row)) or [""]
        yield (row + wrapped[0]).rstrip()
        for line in wrapped[1:]:
            yield " " * len(row) + line


# ------------------------------------------------------------------------------------------ the command


def check_lab(lab, prefix):
    option = "" if prefix == "dw" else f" --prefix {prefix}"
    if not lab.is_whole():
        raise labs.LabError(f"the lab is not up: run ./dwsr lab up{option} first")
    if lab.options["controller"] == "none":
        raise labs.LabError("this lab has no web switch (--controller none): nothing is migrated there")


def interrupt(number, _frame):
    raise KeyboardInterrupt(number)


def main(lab, arguments):
    check_lab(lab, arguments.prefix)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    if arguments.ipv6 and not lab.record["vip6"]:
        raise labs.LabError("this lab has no IPv6")
    ends = Ends(lab, arguments.ipv6)
    kept = arguments.pcap
    if kept:
        try:
            os.makedirs(kept, exist_ok=True)
        except OSError as problem:
            raise labs.LabError(f"--pcap {kept}: {problem.strerror}") from problem
    with tempfile.TemporaryDirectory(prefix="dwsr-capture-") as folder:
        try:
            port = record(lab, folder, ends)
        except subprocess.TimeoutExpired as problem:
            raise labs.LabError(f"curl did not end within {problem.timeout} s") from problem
        try:
            seen, copies = sightings(lab, folder, port, ends)
        except frames.FormatError as problem:
            raise labs.LabError(f"the capture cannot be read: {problem}") from problem
        if not seen:
            raise labs.LabError("tcpdump has seen no packet of the connection")
        story = Story(lab, port, ends)
        table = list(lines(seen, story))
        if kept:
            for name in os.listdir(folder):
                shutil.copy(os.path.join(folder, name), kept)
    print(INTRODUCTION.format(first=PAGES[0], second=PAGES[1]))
    first = story.first or "s1"
    for left, right in (
        ((f"{CLIENT} > OVS", f"{CLIENT}'s port of Open vSwitch"),
         ("packet-in", "Open vSwitch shows the web switch a packet")),
        ((f"OVS > f{first[1:]}", f"network side of {first}'s host filter, f{first[1:]}"),
         ("packet-out", "the web switch sends one through Open vSwitch")),
        ((f"f{first[1:]} > {first}", f"its host side: what {first}'s own TCP sees"),
         ("flow-mod", "the web switch changes a rule of Open vSwitch")),
    ):  # fmt: skip
        print(f"  {left[0]:<10} {left[1]:<38}  {right[0]:<11} {right[1]}")
    print(EXPLANATION)
    print("\n".join(table))
    print("\nIn short")
    all_right = True
    for what, how, is_right in story.summary(seen):
        all_right &= is_right
        print(f"  {'ok' if is_right else 'FAILED':<7}{what:<20} {how}")
    if copies:
        print(f"  note   {copies} copies of answers went to other servers: Open vSwitch had not learnt the client's port")
    if kept:
        print(f"\nThe captures are in {kept}: tcpdump -enS -r FILE, or Wireshark.")
    else:
        print("\nTo keep the captures: ./dwsr lab capture --pcap DIR")
    return 0 if all_right else 1
