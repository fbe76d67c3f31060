"""Pre-allocation together with the paper's own request mode, in which every client packet passes the web switch."""

import hashlib
import os

from harness import APP_SERVERS, IMAGE_SERVERS, case, expect, expect_equal, image, unique, until

ONLY = ("preallocate-switch",)
TURNS = 6


@case("SYNs to guessed servers, and every packet through the web switch: right and wrong guesses, moves, returns, bulk",
      labs=ONLY)  # fmt: skip
def guesses_without_flows(lab):
    mark = unique("modes")
    names = ("guesses_taken", "guesses_right", "guesses_wrong")
    before = {name: lab.filter_counter(name) for name in names}
    switched = lab.switch_counter("requests_switched")
    body = os.urandom(1 << 20)
    ports = []
    for number in range(20):
        with lab.connect(timeout=20) as connection:
            ports.append(connection.port)
            # Most connections ask for an image first, as the guesses will learn; every fourth is a surprise.
            first = number % 4 == 3
            for turn in range(TURNS):
                if (first + turn) % 2:
                    answer = connection.request("POST", f"/sum.php?{mark}", body=body if turn == 3 else b"short")
                    wanted = hashlib.sha256(body if turn == 3 else b"short").hexdigest()
                    expect_equal(answer.json()["sha256"], wanted, f"sum of upload {turn} of connection {number}")
                    expect(answer.server in APP_SERVERS, f"upload {turn} of {number}: {answer}")
                else:
                    name = "1m.bin" if turn == 2 else "icon.png"
                    answer = connection.get(f"/img/{name}?{mark}")
                    expect(answer.body == image(name), f"bytes of image {turn} of connection {number}")
                    expect(answer.server in IMAGE_SERVERS, f"image {turn} of {number}: {answer}")
            expect_equal(lab.connection_flows(), [], "flows of single connections")
    lab.wait_logged(mark, 20 * TURNS)
    found = {name: lab.filter_counter(name) - before[name] for name in names}
    expect_equal(found["guesses_taken"], 20, "SYNs that guessed servers took")
    expect_equal(found["guesses_right"] + found["guesses_wrong"], 20, "right and wrong guesses")
    expect(found["guesses_right"] > 0 and found["guesses_wrong"] > 0, f"both kinds of guesses: {found}")
    expect(lab.switch_counter("requests_switched") - switched >= 20, "requests that the web switch saw on their way")
    until(lambda: not any(lab.open_sockets_of(port) for port in ports), 5, "the servers' sockets to go")
    until(lab.idle, 10, "web switch and filters to forget every connection")
