"""Moves bytes over HTTP/1.1 for the live benchmarks: a server that swallows uploads, and clients that read or write for a time."""

import argparse
import json
import signal
import socket
import threading
import time

CHUNK = 1 << 20
UPLOAD_BYTES = 64 * CHUNK
# Slow start and the first request's way over the web switch are not what is measured.
SETTLE_SECONDS = 0.5
PATIENCE_SECONDS = 10


class Connection:
    """A client's side of one connection; counts the bytes of bodies."""

    def __init__(self, address, path):
        self.path = path.encode()
        self.sock = socket.create_connection(address, timeout=PATIENCE_SECONDS)
        self.buffer = memoryview(bytearray(CHUNK))
        self.moved = 0

    def _head(self):
        """Reads a head and perhaps a part of the body; returns (Content-Length, bytes of the body that came along)."""
        got = 0
        while True:
            count = self.sock.recv_into(self.buffer[got:])
            if count == 0:
                raise ConnectionError("closed in a response's head")
            got += count
            end = self.buffer[:got].tobytes().find(b"\r\n\r\n")
            if end >= 0:
                head = self.buffer[:end].tobytes().lower()
                if not head.startswith(b"http/1.1 20"):
                    raise ConnectionError(head.decode("latin-1"))
                length = 0
                for line in head.split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                return length, got - end - 4

    def download(self, deadline):
        """Reads one response; stops in the midst of it at the deadline."""
        self.sock.sendall(b"GET %s HTTP/1.1\r\nHost: bench\r\n\r\n" % self.path)
        length, got = self._head()
        self.moved += got
        while got < length and time.monotonic() < deadline:
            count = self.sock.recv_into(self.buffer)
            if count == 0:
                raise ConnectionError("closed in a response's body")
            got += count
            self.moved += count

    def upload(self, deadline):
        """Sends one request and reads the answer; does not begin after the deadline."""
        self.sock.sendall(b"PUT %s HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n" % (self.path, UPLOAD_BYTES))
        for _ in range(UPLOAD_BYTES // CHUNK):
            self.sock.sendall(self.buffer)
            self.moved += CHUNK
            if time.monotonic() > deadline:
                return
        self._head()


def move(way, address, path, seconds):
    """Moves bytes in one direction over one connection for a time. Returns (bytes, seconds) after the first half second."""
    connection = Connection(address, path)
    begin = time.monotonic()
    deadline = begin + SETTLE_SECONDS + seconds
    marks = []
    watch = threading.Timer(SETTLE_SECONDS, lambda: marks.append((time.monotonic(), connection.moved)))
    watch.start()
    while time.monotonic() < deadline:
        (connection.download if way == "download" else connection.upload)(deadline)
    end, moved = time.monotonic(), connection.moved
    watch.join()
    settled, before = marks[0]
    return moved - before, end - settled


def sink(port):
    """Serves uploads, one connection a thread: reads the body and answers 204."""
    with socket.create_server(("", port), backlog=64) as listener:
        while True:
            threading.Thread(target=swallow, args=(listener.accept()[0],), daemon=True).start()


def swallow(sock):
    buffer = memoryview(bytearray(CHUNK))
    got = 0
    try:
        while True:
            count = sock.recv_into(buffer[got:])
            if count == 0:
                return
            got += count
            end = buffer[:got].tobytes().find(b"\r\n\r\n")
            if end < 0:
                continue
            head = buffer[:end].tobytes().lower()
            left = int(head.partition(b"content-length:")[2].split(b"\r\n")[0]) - (got - end - 4)
            while left > 0:
                count = sock.recv_into(buffer, min(left, CHUNK))
                if count == 0:
                    return
                left -= count
            got = 0
            sock.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    except OSError:
        pass  # the client has gone
    finally:
        sock.close()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    top = argparse.ArgumentParser()
    top.add_argument("way", choices=("sink", "download", "upload"))
    top.add_argument("address", help="HOST:PORT, of a sink only :PORT")
    top.add_argument("--path", default="/")
    top.add_argument("--seconds", type=float, default=3)
    chosen = top.parse_args()
    host, _, port_text = chosen.address.rpartition(":")
    if chosen.way == "sink":
        sink(int(port_text))
    else:
        moved_bytes, took = move(chosen.way, (host, int(port_text)), chosen.path, chosen.seconds)
        print(json.dumps({"bytes": moved_bytes, "seconds": took}))
