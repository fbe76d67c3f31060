"""Cases of pre-allocation (paper figures 3 and 4): SYNs that go to a guessed server."""

import contextlib

from cases_answers import start_web_server, stop_web_server
from cases_hostile import refresh_checksums
from harness import APP_SERVERS, IMAGE_SERVERS, case, expect, expect_equal, image, unique, until
from packets import ACK, IP, RST, SYN, TCP, Ether, RawClient, Wire, response_bytes

ONLY = ("preallocate",)
IMAGE = "/img/icon.png"
PAGE = "/ping.php"


def train(lab, path, servers):
    """Opens connections whose first request is for one pool until the guess is right four times in a row."""
    right_in_a_row = 0
    for _ in range(700):
        before = lab.filter_counter("guesses_right", *servers)
        with lab.connect() as connection:
            expect_equal(connection.get(path).status, 200, "status while training")
        right_in_a_row = right_in_a_row + 1 if lab.filter_counter("guesses_right", *servers) > before else 0
        if right_in_a_row == 4:
            return
    raise AssertionError("700 first requests did not change the guess")


def head(lab, path, extra=""):
    return f"GET {path} HTTP/1.1\r\nHost: {lab.vip}\r\n{extra}\r\n".encode()


def own_number(wire, client):
    """The initial sequence number that a server's own TCP, seen on its side of the filter, gave a client's port."""
    frames = [frame for frame in wire.drain() if frame.haslayer(TCP) and frame[TCP].dport == client.port]
    return next(frame[TCP].seq for frame in frames if frame[TCP].flags & (SYN | ACK) == SYN | ACK)


@case("a right guess: the server's own SYN-ACK and numbers reach the client, nothing is rebuilt, one packet-in", labs=ONLY)
def right_guess(lab):
    train(lab, IMAGE, IMAGE_SERVERS)
    opens = lab.passive_opens()
    rebuilds = lab.filter_counter("rebuilds_started")
    wires = {server: Wire(lab.lab.hosts[server]["host"]) for server in IMAGE_SERVERS}
    try:
        with RawClient(lab, ip="10.0.0.81", mac="02:64:77:00:0f:81", port=62_501, isn=0xFFFF_FFF0) as client:
            answer = client.handshake(options=(("MSS", 1400), ("SAckOK", b""), ("NOP", None), ("WScale", 5)))
            server = next(name for name in IMAGE_SERVERS if lab.lab.hosts[name]["mac"] == answer.eth.src)
            expect_equal(own_number(wires[server], client), answer.seq, "the server's number and the one the client got")
            client.send_data(head(lab, IMAGE))
            expect(client.read_response(5, "the image").endswith(image("icon.png")), "the image's bytes")
            expect(all(frame.src == answer.eth.src for frame in client.frames), "every frame is the server's")
            lab.catch_up()
            expect_equal(len(lab.tap.of_client(client.port)), 1, "packet-ins of the connection")
            # And it moves as any other.
            client.send_data(head(lab, PAGE))
            client.read_response(5, "the page")
            client.send_data(head(lab, IMAGE))
            expect(client.read_response(5, "the image again").endswith(image("icon.png")), "the image's bytes, again")
    finally:
        for wire in wires.values():
            wire.close()
    expect_equal(lab.passive_opens() - opens, 2, "handshakes: the guess, and the move to the other pool")
    expect_equal(lab.filter_counter("rebuilds_started") - rebuilds, 1, "rebuilds: only the move")


@case("a wrong guess: the guessed server is reset at once, the request is answered by another pool", labs=ONLY)
def wrong_guess(lab):
    train(lab, IMAGE, IMAGE_SERVERS)
    wrong = lab.filter_counter("guesses_wrong")
    resets = sum(lab.tcp_counter(server, "EstabResets") for server in IMAGE_SERVERS)
    with RawClient(lab, ip="10.0.0.82", mac="02:64:77:00:0f:82", port=62_502, isn=3_000_000_000) as client:
        client.handshake()
        client.send_data(head(lab, PAGE))
        expect(client.read_response(5, "the page").startswith(b"HTTP/1.1 200"), "the page")
        expect(not set(lab.sockets_of(client.port)) & set(IMAGE_SERVERS), "the guessed server has no socket any more")
        expect_equal(lab.filter_counter("guesses_wrong") - wrong, 1, "wrong guesses")
        client.send_data(head(lab, IMAGE))
        expect(client.read_response(5, "the image").endswith(image("icon.png")), "the image's bytes")
        client.send_data(head(lab, PAGE))
        expect(client.read_response(5, "the page again").startswith(b"HTTP/1.1 200"), "the page again")
        expect(not any(frame[TCP].flags & RST for frame in client.frames), "no RST reaches the client")
    after = sum(lab.tcp_counter(server, "EstabResets") for server in IMAGE_SERVERS)
    expect(after > resets, "a server's TCP was reset")


@case("a session cookie of another server is a wrong guess, and the session goes on there", labs=ONLY)
def cookie_elsewhere(lab):
    with lab.connect() as connection:
        answer = connection.get("/index.php")
        cookie = answer.header("Set-Cookie").split(";")[0]
    train(lab, IMAGE, IMAGE_SERVERS)
    for number in range(4):
        with lab.connect() as connection:
            again = connection.get("/index.php", ("Cookie", cookie))
            expect_equal(again.server, answer.server, f"the session's server, connection {number}")
            expect_equal(connection.get(IMAGE).body, image("icon.png"), "an image behind it")


@case("200 connections to both pools, mixed: right and wrong guesses, every answer right, counters add up", labs=ONLY)
def many_guesses(lab):
    counters = ("guesses_taken", "guesses_right", "guesses_wrong")
    before = {name: lab.filter_counter(name) for name in counters}
    for number in range(200):
        path, servers = (IMAGE, IMAGE_SERVERS) if number * 7 % 10 < 4 else (PAGE, APP_SERVERS)
        with lab.connect() as connection:
            for request in range(3 if number % 5 == 0 else 1):
                answer = connection.get(path)
                expect(answer.status == 200 and answer.server in servers, f"request {request} of {number}: {answer}")
    found = {name: lab.filter_counter(name) - before[name] for name in counters}
    expect_equal(found["guesses_right"] + found["guesses_wrong"], found["guesses_taken"], "right and wrong guesses")
    expect(found["guesses_taken"] >= 150, f"{found['guesses_taken']} of 200 connections were guessed")
    print(f"        guesses of 200: {found}", flush=True)


@case("a guessed server that is gone: no client sees a reset or waits for its SYN's repetition", labs=ONLY, last=True)
def guessed_server_gone(lab):
    train(lab, IMAGE, IMAGE_SERVERS)
    refused = lab.filter_counter("guesses_refused")
    stop_web_server(lab, "s1")
    try:
        for number in range(6):
            with RawClient(lab, ip="10.0.0.83", mac="02:64:77:00:0f:83", port=62_510 + number, isn=number) as client:
                client.handshake()
                client.send_data(head(lab, IMAGE))
                expect(client.read_response(0.9, "the image").endswith(image("icon.png")), "the image's bytes")
                expect(not any(frame[TCP].flags & RST for frame in client.frames), "no RST reaches the client")
        expect(lab.filter_counter("guesses_refused") > refused, "the server that is gone was guessed")
    finally:
        start_web_server(lab, "s1")


@case("a server's nginx restarted between a guess's handshake and its request: another serves it", labs=ONLY, last=True)
def restarted_before_request(lab):
    train(lab, IMAGE, IMAGE_SERVERS)
    with RawClient(lab, ip="10.0.0.84", mac="02:64:77:00:0f:84", port=62_520, isn=77) as client:
        answer = client.handshake()
        server = next(name for name in IMAGE_SERVERS if lab.lab.hosts[name]["mac"] == answer.eth.src)
        until(lambda: lab.sockets_of(client.port, server), 3, "the server has the connection")
        # A kill -9 of its owner closes the listener: sockets it has not accepted are reset.
        stop_web_server(lab, server)
        try:
            client.send_data(head(lab, IMAGE))
            with contextlib.suppress(AssertionError):
                client.read(response_bytes, 2, "an answer")
            closed = any(frame[TCP].flags & 1 for frame in client.frames)
            expect(client.received.endswith(image("icon.png")) or closed, "an answer of another server, or a clean FIN")
            expect(closed or not any(frame[TCP].flags & RST for frame in client.frames), "no RST without a FIN before it")
        finally:
            start_web_server(lab, server)


@case("20,000 forged SYNs leave a bounded number of guesses, flows and half-open sockets, and the service goes on",
      labs=ONLY)  # fmt: skip
def forged_guesses(lab):
    flows = most_open = 0
    with contextlib.closing(lab.packet_socket("c1")) as sock:
        frame = bytes(Ether(src="02:64:77:00:0e:02", dst=lab.vmac) / IP(src="10.0.0.200", dst=lab.vip)
                      / TCP(sport=1, dport=80, seq=0, flags=SYN, options=[("MSS", 1460)]))  # fmt: skip
        for number in range(20_000):
            at = bytearray(frame)
            at[29] = 200 + number % 50
            at[34:36] = (1024 + number).to_bytes(2, "big")
            at[38:42] = (number * 7919).to_bytes(4, "big")
            refresh_checksums(at)
            sock.send(at)
            if number % 2_000 == 1_999:
                with lab.connect("c2") as connection:
                    expect_equal(connection.get("/ping.php?guessed").status, 200, "status on a new connection")
                flows = max(flows, len(lab.connection_flows()))
                most_open = max(most_open, lab.switch_counter("open_guesses"))
    expect(most_open <= 4096 and flows <= 4200, f"{most_open} open guesses, {flows} flows")
    until(lambda: lab.switch_counter("open_guesses") == 0, 15, "no guess is open any more")
    until(lab.idle, 20, "web switch, filters and Open vSwitch have forgotten the flood")
    half_open = sum(len(lab.sockets(server, "syn-recv")) for server in lab.lab.servers())
    expect_equal(half_open, 0, "half-open sockets at the servers")
    print(f"        at most {most_open} open guesses and {flows} flows at a time", flush=True)
