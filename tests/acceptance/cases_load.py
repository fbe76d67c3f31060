"""Load with wrk: no error, no stuck connection, also when client ports come again before the servers forget them."""

import concurrent.futures
import contextlib
import re
import time

from harness import ALL, APP_SERVERS, BOTH, EVERY, IMAGE_SERVERS, case, expect, expect_equal, until

SECONDS = 10


@contextlib.contextmanager
def few_ports(lab, client="c1", time_wait=True):
    """Leaves a client 500 ports, so that each comes again many times while servers still have its TIME_WAIT.

    Whoever closes first keeps the TIME_WAIT. A file's last bytes and the FIN leave nginx together, so with files that
    is the server. A dynamic answer's FIN comes a little later: 7 us after the data at the client (median, 79 us at p90),
    as it left the server. wrk needs as little to close; it is first in a fifth of those connections, has no port left
    after 2,000 of them, and counts EADDRNOTAVAIL as an error. (Without filters, lab up --controller none, Open vSwitch
    takes both in one batch.) For such answers time_wait=False keeps the client from holding its ports for 60 s.
    """
    settings = {"net.ipv4.ip_local_port_range": "40000 40499"}
    if not time_wait:
        settings["net.ipv4.tcp_max_tw_buckets"] = "0"
    before = {}
    for name, value in settings.items():
        before[name] = lab.run(client, "sysctl", "-n", name).strip()
        lab.run(client, "sysctl", "-q", "-w", f"{name}={value}")
    try:
        yield
    finally:
        for name, value in before.items():
            lab.run(client, "sysctl", "-q", "-w", f"{name}={value}")


def wrk_words(lab, path, *words, seconds=SECONDS, connections=32):
    return ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "2s", "--latency", *words,
            f"http://{lab.vip}{path}"]  # fmt: skip


def check(said, least):
    """Requests done, from wrk's report, which must not tell of any error."""
    done = re.search(r"(\d+) requests in", said)
    expect(done, f"wrk said: {said[-300:]}")
    expect("Socket errors" not in said, f"socket errors: {said[-300:]}")
    expect("Non-2xx" not in said, f"answers that are not 2xx: {said[-300:]}")
    requests = int(done.group(1))
    expect(requests >= least, f"only {requests} requests: {said[-300:]}")
    print("        " + " ".join(line.strip() for line in said.splitlines()
                                if re.search(r"requests in|Latency  |99%|Requests/sec", line)))  # fmt: skip
    return requests


STATES = ("established", "syn-recv", "close-wait", "fin-wait-1", "last-ack")


def standing(lab):
    """What is there before the load: earlier cases that killed filters leave servers with idle sockets for 75 s."""
    sockets = {(server, one[3]) for server in lab.lab.servers() for state in STATES for one in lab.sockets(server, state)}
    return lab.switch_counter("connections"), lab.filter_counter("connections"), len(lab.connection_flows()), sockets


def nothing_stuck(lab, before, seconds=15):
    """Everybody forgets every connection of the load soon: the clients have closed them all.

    wrk leaves in the middle of responses. A server that repeats one into the void is reset by its filter, but only
    when it repeats it; so this takes a while.
    """
    now = None

    def forgotten():
        nonlocal now
        now = standing(lab)
        return all(left <= earlier for left, earlier in zip(now, before))

    until(forgotten, seconds, lambda: f"connections in web switch, filters, flows, sockets: {before} before, now {now}")


def served(lab, count, since):
    """Each request of wrk's ran once or, when wrk stopped before its answer, was one of the last."""
    logged = sum(len(lab.access_log(server)) for server in lab.lab.servers()) - since
    expect(count <= logged <= count + 64, f"{count} requests done, {logged} in the servers' logs")


def logged_now(lab):
    return sum(len(lab.access_log(server)) for server in lab.lab.servers())


@case("wrk with keep-alive: no error, nothing stuck", labs=BOTH, last=True)
def keep_alive(lab):
    before = standing(lab)
    since = logged_now(lab)
    done = check(lab.run("c1", *wrk_words(lab, "/img/photo.jpg")), 2_000)
    nothing_stuck(lab, before)
    served(lab, done, since)


@case("wrk with Connection: close and 500 ports: no error, nothing stuck", labs=ALL, last=True)
def close_each(lab):
    before = standing(lab)
    since = logged_now(lab)
    # Apache sends the FIN some time after the last bytes, also of a file.
    files_end_first = lab.mode != "apache"
    with few_ports(lab, time_wait=files_end_first):
        done = check(lab.run("c1", *wrk_words(lab, "/img/photo.jpg", "-H", "Connection: close")), 1_000)
    expect(not files_end_first or any(lab.sockets(server, "time-wait") for server in IMAGE_SERVERS), "the servers have sockets in TIME_WAIT")
    expect(done > 1_000, "each port came again")
    nothing_stuck(lab, before)
    served(lab, done, since)


@case("two wrks at once, one a pool, closing and keeping, with 500 ports each", last=True)
def both_pools(lab):
    before = standing(lab)
    with few_ports(lab, "c1"), few_ports(lab, "c2", time_wait=False):
        first = lab.start("c1", *wrk_words(lab, "/img/photo.jpg", "-H", "Connection: close", connections=16))
        second = lab.start("c2", *wrk_words(lab, "/ping.php", "-H", "Connection: close", connections=16))
        said = [process.communicate(timeout=SECONDS + 20)[0] for process in (first, second)]
    check(said[0], 300)
    check(said[1], 300)
    nothing_stuck(lab, before)


@case("wrk that alternates pools on every connection: no error, nothing stuck", labs=EVERY, last=True)
def alternate(lab):
    script = lab.lab.path("alternate.lua")
    with open(script, "w", encoding="ascii") as out:
        # The connections of a thread share the script's state; with an odd number of them each alternates, mostly.
        out.write(
            'local n = 0\n'
            'request = function()\n'
            '  n = n + 1\n'
            '  return wrk.format("GET", n % 2 == 0 and "/img/photo.jpg" or "/ping.php")\n'
            'end\n'
        )
    before = standing(lab)
    counted = lab.switch_counters()
    back = lab.filter_counter("switch_backs")
    done = check(lab.run("c1", *wrk_words(lab, "/", "-s", script, connections=15)), 500)
    now = lab.switch_counters()
    moved = now["requests_moved"] - counted["requests_moved"]
    expect(moved >= done // 4, f"{moved} moves for {done} requests")
    expect(lab.filter_counter("switch_backs") - back >= moved // 2, "most moves return to a silent server")
    nothing_stuck(lab, before, 25)
    with lab.connect() as connection:
        expect(connection.get("/ping.php").server in APP_SERVERS, "service afterwards")


@case("300 clients that close while their request moves: nothing stuck", labs=BOTH, last=True)
def close_while_moving(lab):
    before = standing(lab)

    def leave(number):
        first, second = ("/ping.php", "/img/photo.jpg") if number % 4 else ("/img/photo.jpg", "/ping.php")
        with lab.connect("c1" if number % 2 else "c2") as connection:
            connection.get(first)
            # The answer finds a closed socket, and what the client's TCP says to it follows the flow that was.
            connection.send(connection.head("GET", second))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(leave, range(300)))
    nothing_stuck(lab, before)


@case("of 400 serial new connections at most 4 take as long as a repeated packet", labs=BOTH, last=True)
def no_spikes(lab):
    slow = []
    with few_ports(lab, time_wait=False):
        for number in range(400):
            started = time.monotonic()
            with lab.connect() as connection:
                path = "/img/who.txt" if number % 2 else "/ping.php"
                expect_equal(connection.request("GET", path, [("Connection", "close")]).status, 200, "status")
            took = time.monotonic() - started
            if took > 0.19:
                slow.append((number, round(took, 3)))
    expect(len(slow) <= 4, f"connections that took as long as a repeated packet: {slow}")
