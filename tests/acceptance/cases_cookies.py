"""Cookie name rewriting: what the browser sees, what the server sees, and what nobody may touch."""

import hashlib
import json
import re

from cases_switchback import page, picture
from harness import APP_SERVERS, EVERY_LAB, IMAGE_SERVERS, case, expect, expect_equal, unique

BOTH = ("guard", "switch")
# docs/wire-format.md: DR, content type, server id, then the name's own tail.
IDS = {"s1": "9C1", "s2": "9C2", "s3": "9C3", "s4": "9C4"}


def tagged(server, tail="D", content_type=None):
    """The name under which the browser knows a server's session cookie."""
    return f"DR{content_type or ('018' if server in IMAGE_SERVERS else '020')}{IDS[server]}{tail}"


def visit(connection, *cookies, path="/index.php", mark=""):
    """A page with a session: (response, its JSON, name and value of the cookie it sets or None)."""
    headers = [("Cookie", cookie) for cookie in cookies]
    response = connection.request("GET", f"{path}?{mark}", headers)
    expect_equal(response.status, 200, "status")
    set_cookies = response.all_headers("Set-Cookie")
    expect(len(set_cookies) <= 1, f"Set-Cookie headers: {set_cookies}")
    cookie = tuple(set_cookies[0].split(";")[0].split("=", 1)) if set_cookies else None
    return response, response.json(), cookie


@case("the browser has a DR cookie, the server has PHPSESSID, and the visits rise over new connections", labs=EVERY_LAB)
def both_names(lab):
    mark = unique("names")
    jar = None
    for number in range(1, 6):
        with lab.connect() as connection:
            for _ in range(2):
                picture(connection, mark=mark)
            response, told, cookie = visit(connection, *([jar] if jar else []), mark=mark)
            if number == 1:
                first = response.server
                expect_equal(cookie[0], tagged(first), "name of the cookie that the browser gets")
                expect_equal(cookie[1], told["session"], "value of the cookie")
                jar = "=".join(cookie)
            else:
                expect(cookie is None, f"a new cookie at visit {number}: {cookie}")
                expect_equal(told["headers"].get("Cookie"), f"PHPSESSID={cookie_value(jar)}", "cookie as PHP has it")
            expect_equal((response.server, told["visits"]), (first, number), "server and visits")
            picture(connection, mark=mark)
    logged = lab.wait_logged(f"index.php?{mark}", 5)
    expect_equal({server for server, _ in logged}, {first}, "servers that had the session")
    expect_equal(
        [entry["cookie"] for _, entry in logged], [""] + [f"PHPSESSID={cookie_value(jar)}"] * 4, "cookies in the log"
    )
    expect(logged[0][1]["set_cookie"].startswith("PHPSESSID="), "the server itself set PHPSESSID")


def cookie_value(jar):
    return jar.split("=", 1)[1]


@case("two pools that both set PHPSESSID share one cookie jar", labs=EVERY_LAB)
def one_jar(lab):
    mark = unique("jar")
    jar = lab.lab.path(f"jar-{mark}txt")
    seen = []
    for number in range(1, 5):
        # Two connections, and both pools on each of them.
        text = lab.curl("-b", jar, "-c", jar, f"VIP/img/login.php?{mark}", f"VIP/index.php?{mark}")
        told = [json.loads(line) for line in text.splitlines()]
        expect_equal([one["visits"] for one in told], [number, number], "visits of the two sessions")
        seen.append([(one["server"], one["session"]) for one in told])
    expect(all(one == seen[0] for one in seen), f"servers and sessions changed: {seen}")
    (image_server, image_session), (app_server, app_session) = seen[0]
    expect(image_server in IMAGE_SERVERS and app_server in APP_SERVERS, "wrong pools")
    with open(jar, encoding="ascii") as lines:
        names = set(re.findall(r"^[^\t\n]+\t.*\t(\S+)\t\S+$", lines.read(), re.M))
    expect_equal(names, {tagged(image_server), tagged(app_server)}, "names in the jar")
    for path, session in (("img/login.php", image_session), ("index.php", app_session)):
        for _, entry in lab.wait_logged(f"{path}?{mark}", 4)[1:]:
            mine = [pair for pair in entry["cookie"].split("; ") if pair.startswith("PHPSESSID=")]
            expect_equal(mine, [f"PHPSESSID={session}"], "the one session cookie that this server sees")


@case("a forged tag is no cookie: unknown server, another pool's, lower case, truncated, absurd", labs=BOTH)
def forged(lab):
    mark = unique("forged")
    names = ["DR0209CZD", "DR020ZZZD", tagged("s1"), tagged("s1", content_type="020"), tagged("s3", content_type="018"),
             "DRZZZ9C3D", "dr0209c3d", "Dr0209C3D", "DR0209C3", "DR0209C", "DR020", "DR", "DR0209C3DD", "XDR0209C3D",
             "DR0209C3ID2", "DR020-9CD"]  # fmt: skip
    for position in ("first", "later"):
        with lab.connect() as connection:
            if position == "later":
                picture(connection)
            for name in names:
                if position == "first":
                    connection.close()
                    connection = lab.connect()
                cookie = f"{name}=abcdefghij0123456789abcdef"
                response, told, _ = visit(connection, cookie, mark=mark)
                expect(response.server in APP_SERVERS, f"{name!r} as {position} request went to {response.server}")
                expect_equal(told["visits"], 1, f"visits with the forged {name!r}")
                expect_equal(told["headers"]["Cookie"].encode("utf-8", "surrogateescape")[:2].lower(),
                             cookie.encode()[:2].lower(), "the cookie arrives as it was sent")  # fmt: skip
            # PHP cannot echo this one in JSON.
            expect_equal(connection.get("/ping.php", ("Cookie", "DR020\xe99CD=x")).status, 200, "status")
            connection.close()
    for _, entry in lab.wait_logged(mark, 2 * len(names)):
        expect("PHPSESSID=" not in entry["cookie"], f"a forged tag became {entry['cookie']}")
    # The right server's tag with a session it does not know: its cookie, but a new session (strict mode).
    with lab.connect() as connection:
        response, told, _ = visit(connection, f"{tagged('s4')}=abcdefghij0123456789abcdef")
        expect_equal((response.server, told["visits"]), ("s4", 1), "server and visits")


@case("a session cookie moves a connection to its server, and back", labs=BOTH)
def cookie_moves(lab):
    sessions = {}
    for _ in range(4):
        with lab.connect() as connection:
            response, _, cookie = visit(connection)
            sessions.setdefault(response.server, "=".join(cookie))
    expect_equal(set(sessions), set(APP_SERVERS), "servers with a session")
    before = lab.passive_opens()
    with lab.connect() as connection:
        counts = dict.fromkeys(APP_SERVERS, 1)
        for number in range(12):
            server = APP_SERVERS[number % 2 if number < 8 else 1]
            counts[server] += 1
            response, told, _ = visit(connection, sessions[server])
            expect_equal((response.server, told["visits"]), (server, counts[server]), f"server and visits at {number}")
        picture(connection)
        # Without a cookie the connection returns to where it was.
        expect(page(connection) in APP_SERVERS, "wrong pool")
    expect_equal(lab.passive_opens() - before, 3, "handshakes for three servers")


@case("several cookies in one header and in several headers: only the session's name changes", labs=BOTH)
def several(lab):
    with lab.connect() as connection:
        response, told, cookie = visit(connection)
    server, session = response.server, told["session"]
    name = tagged(server)
    wrong = tagged("s1" if server == "s3" else "s2")
    for sent, wanted in (
        (f"a=b; {name}={session}; c=d", f"a=b; PHPSESSID={session}; c=d"),
        (f"{name}={session};c={name}", f"PHPSESSID={session};c={name}"),
        (f"{wrong}=1; {name}={session}", f"{wrong}=1; PHPSESSID={session}"),
        (f"x{name}=1; {name}={session}", f"x{name}=1; PHPSESSID={session}"),
        (f"{name}={session}; {tagged(server, 'ID')}=j; {tagged(server, 'SessionId')}=n",
         f"PHPSESSID={session}; JSESSIONID=j; ASP.NET_SessionId=n"),
        (f"big={'v' * 3000}; {name}={session}", f"big={'v' * 3000}; PHPSESSID={session}"),
    ):  # fmt: skip
        for first in (False, True):
            with lab.connect() as connection:
                if not first:
                    picture(connection)
                response, told, _ = visit(connection, sent)
                expect_equal(told["headers"]["Cookie"], wanted, "cookies as PHP has them")
                expect_equal((response.server, told["session"]), (server, session), "server and session")
    with lab.connect() as connection:
        response, told, _ = visit(connection, "a=b", f"{name}={session}")
        expect_equal(told["session"], session, "session from a second Cookie header")


@case("a session cookie's name split over two segments is restored", labs=BOTH)
def split_name(lab):
    mark = unique("split-name")
    with lab.connect() as connection:
        response, told, _ = visit(connection)
    server, session = response.server, told["session"]
    name = tagged(server)
    for pause in (False, True):
        for at in (0, 1, 4, 8, 9, 12):
            with lab.connect() as connection:
                for turn in range(3):
                    if turn == 1:
                        picture(connection)
                    head = connection.head("GET", f"/index.php?{mark}", [("Cookie", f"{name}={session}")])
                    cut = head.index(name.encode()) + at
                    connection.send(head[:cut])
                    if pause and turn != 2:
                        lab.catch_up()
                    connection.send(head[cut:])
                    response = connection.response()
                    expect_equal(response.json()["session"], session, f"session, name cut at {at}, request {turn + 1}")
                    expect_equal(response.server, server, "server")
    for _, entry in lab.wait_logged(mark, 36):
        expect_equal(entry["cookie"], f"PHPSESSID={session}", "cookie in the log")


@case("only session cookies are renamed in responses: all of them, and nothing that looks like one", labs=BOTH)
def renamed_only(lab):
    lines = {
        "PHPSESSID=a; Path=/": "DR{}D=a; Path=/",
        "JSESSIONID=b; HttpOnly": "DR{}ID=b; HttpOnly",
        "ASP.NET_SessionId=c": "DR{}SessionId=c",
        "PHPSESSID=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT": "DR{}D=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT",
        "PHPSESSIDX=d": "PHPSESSIDX=d",
        "phpsessid=e": "phpsessid=e",
        "other=PHPSESSID=f": "other=PHPSESSID=f",
        "xPHPSESSID=g": "xPHPSESSID=g",
        "theme=dark": "theme=dark",
    }
    query = "&".join("set[]=" + line.replace(" ", "%20").replace(";", "%3B") for line in lines)
    with lab.connect() as connection:
        for turn in range(3):
            response = connection.get(f"/cookies.php?{query}")
            tag = "020" + IDS[response.server]
            expect_equal(response.all_headers("Set-Cookie"), [wanted.format(tag) for wanted in lines.values()],
                         "Set-Cookie headers")  # fmt: skip
            expect_equal(response.body.decode(), "".join(f"Set-Cookie: {line}\r\n" for line in lines), "the body")
            if turn:
                picture(connection)


@case("text that looks like cookies in bodies stays: up, down, and in the address")
def bodies(lab):
    trap = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: PHPSESSID=abc; path=/\r\nContent-Length: 0\r\n\r\n"
        b"GET /img/photo.jpg HTTP/1.1\r\nHost: x\r\nCookie: DR0209C3D=abc; DR0209C4D=abc; PHPSESSID=abc\r\n\r\n"
    ) * 700
    mark = unique("trap")
    with lab.connect() as connection:
        for _ in range(2):
            picture(connection)
            response = connection.request("POST", "/sum.php", body=trap)
            expect_equal((response.json()["bytes"], response.json()["sha256"]), (len(trap), sha256(trap)), "the upload")
            kept = connection.request("PUT", f"/upload/{mark}", body=trap)
            expect(kept.status in (201, 204), f"the PUT was answered {kept}")
            back = connection.get(f"/upload/{mark}")
            expect(back.status == 200 and back.body == trap, f"the download differs: {back}")
            response = connection.get("/index.php?Set-Cookie:PHPSESSID=1;DR0209C3D=2")
            expect_equal(response.json()["uri"], "/index.php?Set-Cookie:PHPSESSID=1;DR0209C3D=2", "the address")
        expect_equal(connection.request("DELETE", f"/upload/{mark}").status, 204, "status of DELETE")


def sha256(data):
    return hashlib.sha256(data).hexdigest()
