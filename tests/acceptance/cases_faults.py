"""Frames that get lost, come twice or come late, and clients that are far away.

This machine's kernel has no netem. The filters themselves let the frames on their network side suffer (./dwsr filter
--faults), and a process before the clients does the same or delays them (./dwsr wire).
"""

import concurrent.futures
import contextlib
import hashlib
import os
import random
import re
import socket
import statistics
import time

from cases_switchback import page, picture
from harness import APP_SERVERS, IMAGE_SERVERS, case, expect, expect_equal, image, unique, until

FAULTS = "loss=2%,reorder=5%,duplicate=2%,seed=7"
TRANSFER = "2m.bin"
TRANSFER_BYTES = 2 << 20
PER_SERVER = 3
AT_A_TIME = 6


def download(connection, pool):
    """2 MB from a pool; every byte is compared. Returns the server."""
    path = f"/img/{TRANSFER}" if pool == IMAGE_SERVERS else f"/file.php?name={TRANSFER}"
    response = connection.get(path)
    expect_equal(response.status, 200, "status of a download")
    expect(response.server in pool, f"{path} came from {response.server}")
    expect(response.body == image(TRANSFER), f"{len(response.body)} bytes of a download from {response.server} are wrong")
    return response.server


def upload(lab, connection, pool, seed):
    """2 MB to a pool; the server's SHA-256 is compared, or the file it wrote. Returns the server."""
    body = random.Random(seed).randbytes(TRANSFER_BYTES)
    if pool == APP_SERVERS:
        response = connection.request("POST", "/sum.php", body=body)
        expect_equal(response.status, 200, "status of an upload")
        answer = response.json()
        expect_equal((answer["bytes"], answer["sha256"]), (len(body), hashlib.sha256(body).hexdigest()), "the upload")
    else:
        name = f"{unique('up')}{seed}.bin"
        response = connection.request("PUT", f"/upload/{name}", body=body)
        expect(response.status in (201, 204), f"status of an upload: {response}")
        path = lab.lab.path("servers", response.server, "upload", name)
        with open(path, "rb") as written:
            expect(written.read() == body, f"the file that {response.server} wrote is not the upload")
        os.unlink(path)
    expect(response.server in pool, f"an upload went to {response.server}")
    return response.server


def suffering_connection(lab, number, transfers, open_sockets):
    """One connection that changes its server every three requests: downloads, uploads to the other pool, and small
    answers at the first server again. Returns the number of downloads and uploads."""
    first, second = (IMAGE_SERVERS, APP_SERVERS) if number % 2 else (APP_SERVERS, IMAGE_SERVERS)
    small = picture if first == IMAGE_SERVERS else page
    client = "c1" if number % 4 < 2 else "c2"
    with lab.connect(client, timeout=90) as connection:
        open_sockets.append(connection.sock)
        for _ in range(transfers):
            download(connection, first)
        for turn in range(transfers):
            upload(lab, connection, second, number * PER_SERVER + turn)
        for _ in range(PER_SERVER):
            small(connection)
        return transfers


def suffer(lab, transfers, progress=lambda done: None):
    """That many downloads and as many uploads, each checked byte by byte, several connections at a time."""
    shares = [min(PER_SERVER, transfers - at) for at in range(0, transfers, PER_SERVER)]
    done = 0
    open_sockets = []
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        running = [pool.submit(suffering_connection, lab, number, share, open_sockets) for number, share in enumerate(shares)]
        try:
            for one in concurrent.futures.as_completed(running):
                done += one.result()
                progress(done)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for sock in open_sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            raise
    expect_equal(done, transfers, "downloads, and uploads")


def fault_counts(page_text):
    """Lost, doubled and held-back frames of both directions, from a counter page."""
    return {
        name: sum(
            int(float(value)) for value in re.findall(rf"^dwsr_\w+?_network_fault_{name}{{.*}} ([0-9.eE+]+)$", page_text or "", re.M)
        )
        for name in ("lost", "duplicated", "reordered", "overflow")
    }


@contextlib.contextmanager
def faulty_filters(lab, faults):
    """The lab's filters restarted with faults, and afterwards without."""
    lab.restart_filter(faults)
    try:
        yield
    finally:
        lab.restart_filter()


def check_faults(counts):
    expect(all(counts[name] > 20 for name in ("lost", "duplicated", "reordered")), f"frames that suffered: {counts}")
    print(f"        frames that suffered: {counts}")


@case(f"{FAULTS} at the filters' port: 10 downloads and 10 uploads of 2 MB, connections change server every 3 requests",
      last=True)  # fmt: skip
def faults_at_filters(lab):
    with faulty_filters(lab, FAULTS):
        suffer(lab, 10)
        check_faults(fault_counts(lab.lab.filter_counters()))
        # While the faulty filters still run: what a lost packet left behind must end by itself.
        until(lab.idle, 75, lambda: f"{lab.switch_counter('connections')} connections at the web switch, "
              f"{lab.filter_counter('connections')} at the filters, flows: {lab.connection_flows()}")  # fmt: skip


@case(f"{FAULTS} on the clients' wire, 4 ms long: handshakes with the web switch suffer too; 3 downloads, 3 uploads of 2 MB",
      labs=("far",), last=True)  # fmt: skip
def faults_on_wire(lab):
    lab.restart_wire(4, FAULTS)
    try:
        suffer(lab, 3)
        check_faults(fault_counts(lab.lab.wire_counters()))
    finally:
        lab.restart_wire()


def seconds(connection, name):
    """How long a download takes from its request to its last byte."""
    started = time.monotonic()
    response = connection.get(f"/img/{name}")
    took = time.monotonic() - started
    expect(response.body == image(name), f"{len(response.body)} bytes of {name} are wrong")
    return took


def unmigrated(lab):
    """The server's own address: the same wire, switch and filter, but a handshake with the server itself."""
    server = lab.lab.hosts[IMAGE_SERVERS[0]]
    with lab.connect(timeout=60, address=server["ip"]) as connection:
        return seconds(connection, FAR_DOWNLOAD)


def first_request(lab):
    with lab.connect(timeout=60) as connection:
        return seconds(connection, FAR_DOWNLOAD)


def after_move(lab):
    with lab.connect(timeout=60) as connection:
        page(connection)
        return seconds(connection, FAR_DOWNLOAD)


FAR_DOWNLOAD = "20m.bin"
FAR_ROUNDS = 5
FAR_LIMIT = 1.2


@case(f"a client 50 ms away: 20 MB take at most {FAR_LIMIT} times as long as from a server that shook hands itself",
      labs=("far",))  # fmt: skip
def far_bulk(lab):
    with lab.connect(address=lab.lab.hosts[IMAGE_SERVERS[0]]["ip"]) as connection:
        for _ in range(3):
            took = seconds(connection, "icon.png")
        expect(took > 0.05, f"the client is only {took * 1000:.1f} ms away")
    first_request(lab)
    problems = []
    for algorithm in ("cubic", "bbr"):
        lab.congestion_control(algorithm)
        times = {unmigrated: [], first_request: [], after_move: []}
        try:
            for _ in range(FAR_ROUNDS):
                for way, found in times.items():
                    found.append(way(lab))
        finally:
            lab.congestion_control("cubic")
        reference = statistics.median(times[unmigrated])
        for way, found in times.items():
            ratio = statistics.median(found) / reference
            line = (f"{algorithm:5} {way.__name__:13} {statistics.median(found):.2f} s ({ratio:.2f})  "
                    f"of {' '.join(f'{one:.2f}' for one in sorted(found))}")  # fmt: skip
            print(f"        {line}")
            if ratio > FAR_LIMIT:
                problems.append(line)
    expect(not problems, "; ".join(problems))
