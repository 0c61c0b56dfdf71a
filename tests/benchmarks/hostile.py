"""3,000 hostile requests and 3,000 of four keys against each other's things, while somebody asks whether all is well.

python -m tests.benchmarks.hostile [--requests 3000] [--databases sqlite postgresql]
"""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import NamedTuple

from tests.benchmarks._databases import arguments, databases, serving
from tests.e2e.tracking import TrackingServer
from tests.server.crossing import SECRET, Crossing, Sent, crossed, furnish, kept
from tests.server.hostile import Hostile, hostile
from tests.server.test_rights import Lab

AT_ONCE = 8


class Answer(NamedTuple):
    """What came back."""

    status: int
    seconds: float
    failed: bool
    """Whether the server blames itself."""
    told: bool
    """Whether somebody of another project is shown what is none of theirs."""


def send(server: TrackingServer, key: str, sent: Sent) -> Answer:
    """Send a request."""
    request = sent.request
    before = time.perf_counter()
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)) as connection:
        headers = {"Authorization": f"Bearer {key}", **request.headers}
        connection.request(request.method, request.path, request.body, headers)
        answer = connection.getresponse()
        body = answer.read()
    told = sent.by == "elsewhere" and SECRET.encode() in body
    return Answer(answer.status, time.perf_counter() - before, b"the server failed" in body, told)


def attack(server: TrackingServer, keys: dict[str, str], requests: Iterable[Sent]) -> str:
    """Send all of them, some at once; what came of it in one line."""
    health: list[Answer] = []
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.05):
            health.append(send(server, server.key, Sent("tester", Hostile("GET", "/healthz"))))

    asking = threading.Thread(target=ask)
    asking.start()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda one: send(server, keys.get(one.by, server.key), one), requests))
    over.set()
    asking.join()
    codes = Counter(f"{answer.status // 100}xx" for answer in answers)
    return (
        f"{len(answers)} requests: {dict(sorted(codes.items()))}, {sum(answer.failed for answer in answers)} blamed on "
        f"the server, {sum(answer.told for answer in answers)} that tell too much, the slowest "
        f"{max(answer.seconds for answer in answers):.2f} s; /healthz {len(health)} times, "
        f"at most {max(answer.seconds for answer in health):.2f} s, {sum(one.status != 200 for one in health)} not well"
    )


def nasty(server: TrackingServer, number: int) -> str:
    """Requests of somebody who may do everything."""
    server.graphql('mutation{upsertBucket(input:{name:"first",modelName:"p"}){inserted}}')
    return attack(server, {}, [Sent("tester", request) for request in islice(hostile(1), number)])


def between(server: TrackingServer, number: int) -> str:
    """Requests of four keys against each other's things."""
    lab = Lab(server.folder, url=server.database, key=server.key)
    lab.fill()
    cookie = f"kag_session_{server.port}={furnish(lab)}"
    before = kept(lab)
    said = attack(server, lab.keys, list(islice(Crossing(lab, cookie, 1), number)))
    changed = {name: len(rows) for name, rows in crossed(before, kept(lab)).items()}
    lab.http.close()
    lab.store.close()
    return f"{said}; rows of others changed: {changed or 'none'}"


def main() -> None:
    """Attack servers on each database."""
    parser = arguments(__doc__)
    parser.add_argument("--requests", type=int, default=3000)
    options = parser.parse_args()
    ways = (nasty, between)
    for kind in options.databases:
        with databases(kind, *(way.__name__ for way in ways)) as (folder, addresses):
            for way, database in zip(ways, addresses, strict=True):
                place = folder / way.__name__
                place.mkdir()
                with serving(place, database) as server:
                    print(f"{kind}, {way.__name__}: {way(server, options.requests)}", flush=True)


if __name__ == "__main__":
    main()
