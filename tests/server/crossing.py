"""Four keys of different roles against each other's things: none of these requests may change them or show them.

Alice and bob write, the reader reads, and the admin of another project sees nothing of theirs.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from kag.server.context import encode_id
from kag.server.resolvers.asked import RULES
from tests.server.hostile import Hostile, hostile
from tests.server.test_rights import COMMON, READS, Lab, contents

SECRET = "what-alice-alone-has-written"
RUNS = {"first": ("alice", "p"), "bobs": ("bob", "p"), "theirs": ("elsewhere", "q")}
"""Run -> whose it is, and in which project."""
OTHERS = ("bob", "reader", "elsewhere")


class Sent(NamedTuple):
    """A request, and the name of the key that it is sent with."""

    by: str
    request: Hostile


def furnish(lab: Lab) -> str:
    """Give everybody something: alice has one of everything already; the value of the outsider's cookie comes back."""
    for name, (owner, project) in RUNS.items():
        lab.become(owner)
        words = {"notes": SECRET, "config": json.dumps({"a": {"value": SECRET}})} if owner == "alice" else {}
        lab.run(name, project, **words)
    assert lab.log_in(lab.keys["elsewhere"]).status_code == 303
    (cookie,) = [value for name, value in lab.cookies().items() if "session" in name]
    lab.http.client.cookies.clear()
    lab.become("admin")
    return cookie


class Crossing:
    """Makes requests.

    Args:
        lab: where alice has a thing of every kind.
        cookie: name and value of the cookie of the admin of another project.
        seed: which ones.
    """

    def __init__(self, lab: Lab, cookie: str, seed: int) -> None:
        self.cookie = cookie
        self.draw = random.Random(seed)
        self.inputs = lab.inputs()
        self.reads = {"a": lab.ids("artifacts", "Artifact"), "c": lab.ids("collections", "ArtifactCollection")}
        self.ids = {row.name: encode_id("Run", row.id) for row in contents(lab)["runs"]}
        self.nasty = hostile(seed)

    def __iter__(self) -> Iterator[Sent]:
        """Requests without end."""
        while True:
            yield self.draw.choice([self._mutation, self._run, self._stream, self._read, self._nasty])()

    def _mutation(self) -> Sent:
        """Any mutation, about what alice has made."""
        name = self.draw.choice(sorted(RULES))
        by = self.draw.choice(OTHERS[1:] if name in COMMON else OTHERS)
        return Sent(by, _mutation(name, self.inputs[name]))

    def _victim(self) -> tuple[str, str, str]:
        run = self.draw.choice(sorted(RUNS))
        owner, project = RUNS[run]
        return run, project, self.draw.choice([one for one in ("alice", *OTHERS) if one != owner])

    def _run(self) -> Sent:
        """A change of somebody else's run."""
        run, project, by = self._victim()
        named = {"entityName": "kag", "projectName": project, "runName": run}
        name, given = self.draw.choice([
            ("upsertBucket", {"name": run, "modelName": project, "notes": "mine"}),
            ("upsertBucket", {"id": self.ids[run], "name": run, "modelName": project, "host": "h"}),
            *((name, {"id": self.ids[run]}) for name in ("deleteRun", "stopRun")),
            ("updateRunState", {"id": self.ids[run], "state": "pending"}),
            ("rewindRun", {**named, "metricName": "_step", "metricValue": 0}),
            ("createRunFiles", {**named, "files": ["a.txt"]}),
        ])  # fmt: skip
        return Sent(by, _mutation(name, given))

    def _stream(self) -> Sent:
        run, project, by = self._victim()
        file = {"offset": 0, "content": ['{"_step": 0, "x": 1}']}
        body = {"files": {"wandb-history.jsonl": file}, "complete": True, "exitcode": 1}
        return Sent(by, Hostile("POST", f"/files/kag/{project}/{run}/file_stream", json.dumps(body).encode()))

    def _read(self) -> Sent:
        """A look at what is in another project."""
        pages = ["/kag/p", "/kag/p/runs.json", "/kag/p/runs/first", "/kag/p/runs/first/course.json", "/kag/p/changelog"]
        if self.draw.random() < 0.5:
            return Sent("elsewhere", Hostile("GET", self.draw.choice(pages), b"", {"Cookie": self.cookie}))
        query = self.draw.choice([*READS, '{project(name:"p"){runs{edges{node{config notes}}}}}'])
        return Sent("elsewhere", _graphql(query, self.reads))

    def _nasty(self) -> Sent:
        """Any request that means harm: most of them are about alice's run."""
        return Sent(self.draw.choice(OTHERS), next(self.nasty))


def _graphql(query: str, variables: dict[str, Any]) -> Hostile:
    used = {name: value for name, value in variables.items() if f"${name}" in query}
    return Hostile("POST", "/graphql", json.dumps({"query": query, "variables": used}).encode())


def _mutation(name: str, given: dict[str, Any]) -> Hostile:
    kind = f"{name[0].upper()}{name[1:]}Input!"
    return _graphql(f"mutation($i: {kind}){{{name}(input:$i){{__typename}}}}", {"i": given})


MADE_ANEW = ("projects", "collections")
"""Tables with counters: what others make beside a thing of alice's moves them."""


def kept(lab: Lab) -> dict[str, set[str]]:
    """Every row that is somebody's."""
    return {name: set(map(str, rows)) for name, rows in contents(lab).items() if name not in MADE_ANEW}


def crossed(before: dict[str, set[str]], after: dict[str, set[str]]) -> dict[str, set[str]]:
    """Rows that are gone or changed, by table; what somebody has made beside them is no crossing."""
    return {name: rows - after[name] for name, rows in before.items() if rows - after[name]}
