"""The main job: requests of one connection go to different pools, connections to different servers."""

from harness import ALL, APP_SERVERS, IMAGE_SERVERS, case, expect, expect_equal, image, until


def ours(lab, source):
    return [entry for _, entry in lab.logged("alternate=") if entry["client"].endswith(source)]


@case("40 requests alternate between two pools on one connection", labs=ALL)
def alternate(lab):
    with lab.connect() as connection:
        for number in range(20):
            picture = connection.get(f"/img/photo.jpg?alternate={number}")
            expect(picture.server in IMAGE_SERVERS, f"image {number} came from {picture.server}")
            expect_equal(picture.body, image("photo.jpg"), f"bytes of image {number}")
            page = connection.get(f"/index.php?alternate={number}")
            expect(page.server in APP_SERVERS, f"page {number} came from {page.server}")
            expect_equal(page.json()["uri"], f"/index.php?alternate={number}", "the request as the server read it")
        source = f":{connection.port}"
    until(lambda: len(ours(lab, source)) >= 40, 5, "40 requests in the servers' logs")
    expect_equal(len(ours(lab, source)), 40, "requests of this client port in the servers' logs")


@case("100 requests to one pool cost at most 5 packet-ins, the median of 5 connections")
def few_packet_ins(lab):
    # How many requests are faster than the flow is live depends on when Open vSwitch's revalidator gets a core.
    counts = []
    for run in range(5):
        with lab.connect() as connection:
            for number in range(100):
                expect(connection.get(f"/img/icon.png?few={run}-{number}").server in IMAGE_SERVERS, "wrong pool")
            port = connection.port
        lab.catch_up()
        seen = lab.tap.of_client(port)
        request = next(one for one in seen if one.tcp[7])
        beyond = [one for one in seen if one.seen >= request.seen]
        counts.append(len(beyond))
        late = [round(one.seen - request.seen, 3) for one in beyond if one.seen - request.seen > 0.05 and one.tcp[7]]
        expect(not late, f"packet-ins with payload {late} s after the first request")
    expect(sorted(counts)[2] <= 5, f"packet-ins from the first request on: {counts}")


@case("20 new connections use both servers of a pool", labs=ALL)
def spread(lab):
    used = set()
    for _ in range(20):
        with lab.connect() as connection:
            used.add(connection.get("/img/who.txt").server)
    expect_equal(used, set(IMAGE_SERVERS), "servers that answered")
