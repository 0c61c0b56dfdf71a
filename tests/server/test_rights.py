"""Who may do what: one decision, asked by everything that changes something, and four keys that cannot cross it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from kag.server.app import Server
from kag.server.batches import Batches
from kag.server.context import Context, encode_id
from kag.server.faults import Forbidden
from kag.server.keys import new_key
from kag.server.links import Links
from kag.server.metrics import Metrics
from kag.server.page.routes import POST
from kag.server.page.site import Site as PageSite
from kag.server.resolvers import registry
from kag.server.resolvers.asked import AUDITED, RULES
from kag.server.rights import Act, Key, Place, Role, Thing, refusal
from kag.server.schema import served
from kag.server.tables import audit, metadata
from tests.page.conftest import Visitor, token_of
from tests.page.conftest import visitor as visitor
from tests.server.artifact_log import Log
from tests.server.test_security import upload_link

P: Place = ("kag", "p")
SWEEP = {"method": "grid", "parameters": {"a": {"values": [1, 2]}}, "program": "train.py"}


@pytest.mark.parametrize("act", list(Act))
@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("place", [None, P, ("kag", "q"), ("other", "p")])
@pytest.mark.parametrize("owner", ["me", "she", ""])
def test_the_decision(act: Act, role: Role, place: Place | None, owner: str) -> None:
    key, thing = Key("me", role, place), Thing("the run 'a'", P, frozenset({owner}))
    inside = place in (None, P)
    may = {
        Role.READ: act is Act.READ,
        Role.WRITE: act is not Act.CHANGE or owner == "me",
        Role.ADMIN: True,
    }[role]
    assert (refusal(key, act, thing) is None) == (inside and may)


def contents(site: Any) -> dict[str, list[Any]]:
    with site.store.read() as connection:
        return {table.name: connection.execute(table.select()).all() for table in metadata.sorted_tables}


class Lab(Visitor):
    """Four people, and one who has made a thing of every kind."""

    def fill(self) -> None:
        """Make the keys, and what alice has."""
        roles = {"alice": Role.WRITE, "bob": Role.WRITE, "reader": Role.READ, "elsewhere": Role.ADMIN}
        with self.store.write() as connection:
            self.keys = {
                name: new_key(
                    connection, name, now=self.now, role=role, place=("kag", "q") if name == "elsewhere" else None
                )
                for name, role in roles.items()
            }
        self.become("alice")
        self.run()
        link = upload_link(self, "a.txt")
        assert self.http.put(link, content=b"hers").status_code == 200
        self.link = link
        self.artifact = Log(self)({"f": b"1"}, "model")
        query = "mutation($i: UpsertSweepInput!){upsertSweep(input:$i){sweep{id name}}}"
        self.sweep = self.ask(query, i={"projectName": "p", "config": json.dumps(SWEEP)})["upsertSweep"]["sweep"]
        made = self.ask(
            "mutation($i: CreateAgentInput!){createAgent(input:$i){agent{id}}}",
            i={"projectName": "p", "sweep": self.sweep["name"], "host": "h"},
        )
        self.agent = made["createAgent"]["agent"]["id"]

    def become(self, name: str) -> None:
        """Ask with another key from now on."""
        self.http.headers["Authorization"] = f"Bearer {self.keys.get(name, self.key)}"

    @contextmanager
    def context(self, key: Key) -> Iterator[Context]:
        """A request with a key."""
        with self.store.write() as connection:
            links = Links(b"x" * 32, key.name, "http://127.0.0.1")
            yield Context(connection, Batches(connection, keep=False), self.settings, links, key, self.now, self.now)

    def inputs(self) -> dict[str, dict[str, Any]]:
        """Of every mutation, one about what alice has made."""
        run, artifact, portfolio = self.ids("runs", "Run"), self.ids("artifacts", "Artifact"), {"projectName": "p"}
        collection = self.ids("collections", "ArtifactCollection")
        named = {"entityName": "kag", "projectName": "p", "runName": "first"}
        tags = {"entityName": "kag", "projectName": "p", "artifactCollectionName": "model", "tags": [{"tagName": "t"}]}
        alias = {"entityName": "kag", "projectName": "p", "artifactCollectionName": "model", "alias": "best"}
        logged = {**named, "artifactTypeName": "model", "artifactCollectionNames": ["model"], "digest": "x"}
        return {
            "upsertModel": {"name": "p", "description": "hers"},
            "upsertBucket": {"name": "first", "modelName": "p", "notes": "x", "host": "h"},
            **{name: {"id": run} for name in ("deleteRun", "stopRun")},
            "importRun": {"id": run, "state": "finished"},
            "importSweep": {**portfolio, "name": self.sweep["name"], "config": json.dumps(SWEEP), "state": "FINISHED"},
            "importArtifact": {"artifactID": artifact, "versionIndex": 7},
            "updateRunState": {"id": run, "state": "pending"},
            "rewindRun": {**named, "metricName": "_step", "metricValue": 0},
            "notifyScriptableRunAlert": {**named, "title": "t", "text": "x"},
            "createRunFiles": {**named, "files": ["a.txt"]},
            "markRunFilesUploaded": named,
            "deleteFiles": {"files": [self.ids("files", "File")]},
            "upsertSweep": {"id": self.sweep["id"], "state": "CANCELED"},
            "deleteSweep": {"id": self.sweep["id"]},
            "createAgent": {"entityName": "kag", "projectName": "p", "sweep": self.sweep["name"]},
            "agentHeartbeat": {"id": self.agent, "runState": "{}"},
            "createArtifact": logged,
            "createArtifactType": {**portfolio, "name": "other"},
            "createArtifactFiles": {"artifactFiles": [{"artifactID": artifact, "name": "g", "md5": "x"}]},
            "createArtifactManifest": {"artifactID": artifact, "name": "m", "digest": "x", "type": "FULL"},
            "updateArtifactManifest": {"artifactManifestID": self.ids("manifests", "Manifest"), "digest": "y"},
            **{name: {"artifactID": artifact} for name in ("commitArtifact", "updateArtifact", "deleteArtifact")},
            "useArtifact": {**named, "artifactID": artifact},
            "updateArtifactSequence": {"artifactSequenceID": collection, "name": "mine"},
            "moveArtifactSequence": {"artifactSequenceID": collection, "destinationArtifactTypeName": "other"},
            "deleteArtifactSequence": {"artifactSequenceID": collection},
            "updateArtifactPortfolio": {"artifactPortfolioID": collection, "name": "mine"},
            "deleteArtifactPortfolio": {"artifactPortfolioID": collection},
            "unlinkArtifact": {"artifactPortfolioID": collection, "artifactID": artifact},
            **dict.fromkeys(("createArtifactCollectionTagAssignments", "deleteArtifactCollectionTagAssignments"), tags),
            "linkArtifact": {**portfolio, "artifactID": artifact, "artifactPortfolioName": "best"},
            **{name: {"artifactID": artifact, "aliases": [alias]} for name in ("addAliases", "deleteAliases")},
        }

    def ids(self, table: str, kind: str) -> str:
        """The id of the first row of a table."""
        return encode_id(kind, contents(self)[table][0].id)


COMMON = {"createAgent", "createArtifactType", "linkArtifact"}
"""Mutations that add something of one's own beside what somebody else has made."""

OF_ALL = {f"/{{entity}}/{{project}}/{form}" for form in ("changelog/metrics", "views", "views/remove", "deleted")}
"""Forms about what nobody in particular has made: whoever writes to the project may send them, as `upsertModel`."""


@contextmanager
def opened(folder: Path) -> Iterator[Lab]:
    made = Lab(folder)
    try:
        made.fill()
        yield made
    finally:
        made.http.close()
        made.store.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """For tests that leave it as it is."""
    with opened(tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Lab]:
    with opened(tmp_path) as made:
        yield made


def test_every_mutation_has_a_rule_and_a_case_here(lab: Lab) -> None:
    mutations = registry()["Mutation"].keys()
    assert mutations == RULES.keys() == lab.inputs().keys()
    known = served().mutation_type
    assert known is not None
    assert mutations <= known.fields.keys()
    assert mutations >= AUDITED


@pytest.mark.parametrize("name", sorted(RULES))
def test_no_other_key_changes_what_alice_made(lab: Lab, name: str) -> None:
    before, given = contents(lab), lab.inputs()[name]
    keys = [Key("reader", Role.READ), Key("elsewhere", Role.ADMIN, ("kag", "q"))]
    for key in [*keys, *([] if name in COMMON else [Key("bob", Role.WRITE)])]:
        with pytest.raises(Forbidden), lab.context(key) as context:
            registry()["Mutation"][name](context, None, {"input": given})
    assert contents(lab) == before


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_key_for_reading_is_asked_before_anything_is_looked_up(lab: Lab, name: str) -> None:
    with pytest.raises(Forbidden, match="for reading"), lab.context(Key("reader", Role.READ)) as context:
        registry()["Mutation"][name](context, None, {"input": {}})


def test_every_route_that_changes_something_asks(lab: Lab) -> None:
    """A new one has to be thought of here."""
    site = PageSite(lab.store, lab.settings, b"x" * 32, lambda: lab.now)
    routes = Server(site, Metrics(lab.store, lab.settings.files)).routes()
    changing = {
        route.path for route in routes if isinstance(route, Route) and {"POST", "PUT"} & (route.methods or set())
    }
    stream, storage = "/files/{entity}/{project}/{run}/file_stream", "/storage/{token}/{name:path}"
    assert changing == {"/graphql", stream, storage, "/login", *POST}
    before = contents(lab)
    for name in ("bob", "reader", "elsewhere"):
        lab.become(name)
        assert lab.stream({"files": {}, "complete": True, "exitcode": 0}).status_code == 403, name
        lab.http.headers.pop("Authorization")
        assert lab.log_in(lab.keys[name]).status_code == 303
        token = token_of(lab.browse("/").text)
        for path in POST.keys() - {"/logout"} - (OF_ALL if name == "bob" else set()):
            word = lab.sweep["name"] if "sweeps" in path else "first"
            address = path.replace("{entity}", "kag").replace("{project}", "p").replace("{word}", word)
            fields = {"csrf": token, "notes": "mine", "action": "cancel", "before": ""}
            fields |= {"do": "tag", "tag": "mine", "runs": "first", "name": "mine"}
            assert lab.submit(address, fields).status_code == 403, (name, path)
        lab.http.client.cookies.clear()
    lab.become("admin")
    assert contents(lab) == before


def test_a_link_is_as_good_as_its_key(fresh: Lab) -> None:
    site = fresh
    claim, sign = site.link.split("/storage/")[1].split("/")[0].split(".")
    said = json.loads(base64.urlsafe_b64decode(claim + "=" * (-len(claim) % 4)))
    assert said["by"] == "alice"
    site.become("reader")
    query = '{project(name:"p"){run(name:"first"){files(names:["a.txt"]){edges{node{url(upload:true)}}}}}}'
    found = site.ask(query)["project"]["run"]["files"]["edges"][0]["node"]["url"]
    assert site.http.put(found, content=b"theirs").status_code == 403
    with site.store.write() as connection:
        connection.execute(metadata.tables["api_keys"].update().filter_by(name="alice").values(expires_at=site.now))
    assert site.http.put(site.link, content=b"late").status_code == 403
    assert sign


READS = [
    '{project(name:"p"){id}}',
    '{entity(name:"kag"){project(name:"p"){id}}}',
    "query($a: ID!){artifact(id:$a){digest}}",
    "query($c: ID!){artifactCollection(id:$c){name}}",
]


@pytest.mark.parametrize("query", READS)
def test_a_key_for_one_project_sees_no_other(lab: Lab, query: str) -> None:
    wanted = {"a": lab.ids("artifacts", "Artifact"), "c": lab.ids("collections", "ArtifactCollection")}
    variables = {name: value for name, value in wanted.items() if f"${name}" in query}
    lab.become("reader")
    assert "errors" not in lab.post(query, **variables).json()
    lab.become("elsewhere")
    answer = lab.post(query, **variables)
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (
        200,
        "the key 'elsewhere' is for the project kag/q alone",
    )
    assert lab.ask('{entity(name:"kag"){projects{edges{node{name}}}}}')["entity"]["projects"]["edges"] == []
    lab.become("admin")


def test_a_key_for_one_project_sees_no_other_page(lab: Lab) -> None:
    lab.http.headers.pop("Authorization")
    assert lab.log_in(lab.keys["elsewhere"]).status_code == 303
    assert '"/kag/p"' not in lab.browse("/").text
    for path in ("/kag/p", "/kag/p/runs/first", "/kag/p/sweeps", "/kag/p/changelog", "/kag/p/runs.json"):
        assert lab.browse(path).status_code == 403, path
    lab.http.client.cookies.clear()
    lab.become("admin")


def test_an_expired_key_opens_nothing(visitor: Visitor) -> None:
    site = visitor
    with site.store.write() as connection:
        key = new_key(connection, "guest", now=site.now, expires_at=site.now + 10)
    site.http.headers["Authorization"] = f"Bearer {key}"
    assert site.ask("{viewer{username}}")["viewer"]["username"] == "guest"
    assert site.log_in(key).status_code == 303
    site.now += 11
    assert site.post("{viewer{username}}").status_code == 401
    assert site.browse("/").status_code == 303, "the log-in by it is over, too"


def test_what_a_key_has_made_it_may_change_and_the_trail_says_so(fresh: Lab) -> None:
    site = fresh
    site.become("alice")
    for state in ("PAUSED", "RUNNING"):
        query = "mutation($i: UpsertSweepInput!){upsertSweep(input:$i){sweep{id}}}"
        site.ask(query, i={"id": site.sweep["id"], "state": state})
    run = site.run()["bucket"]["id"]
    site.ask("mutation($i: StopRunInput!){stopRun(input:$i){success}}", i={"id": run})
    site.ask("mutation($i: DeleteRunInput!){deleteRun(input:$i){success}}", i={"id": run})
    with site.store.read() as connection:
        rows = connection.execute(audit.select().order_by(audit.c.id)).mappings().all()
    assert [(row["user"], row["action"], row["project"], row["what"], row["detail"]) for row in rows] == [
        ("alice", "upsertSweep", "p", f"the sweep {site.sweep['name']!r}", "paused"),
        ("alice", "upsertSweep", "p", f"the sweep {site.sweep['name']!r}", "running"),
        ("alice", "stopRun", "p", "the run 'first'", ""),
        ("alice", "deleteRun", "p", "the run 'first'", ""),
    ]


def test_a_run_of_a_sweep_is_the_sweeps_makers_too(fresh: Lab) -> None:
    site = fresh
    site.become("bob")
    run = site.run("trial", sweep=site.sweep["name"])["bucket"]["id"]
    site.become("alice")
    site.ask("mutation($i: StopRunInput!){stopRun(input:$i){success}}", i={"id": run})
    site.become("bob")
    own = site.run("own")["bucket"]["id"]
    site.become("alice")
    answer = site.post("mutation($i: StopRunInput!){stopRun(input:$i){success}}", i={"id": own})
    assert "may change its own things alone" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("change", [{"program": "other.py"}, {"command": ["sh", "-c", "evil"]}, {"method": "random"}])
def test_what_a_sweep_runs_is_fixed_once_it_has_a_trial(fresh: Lab, change: dict[str, Any]) -> None:
    site = fresh
    site.become("alice")
    query = "mutation($i: UpsertSweepInput!){upsertSweep(input:$i){sweep{id}}}"
    given = {"id": site.sweep["id"], "config": json.dumps(SWEEP | {"program": "first.py"})}
    site.ask(query, i=given)
    beat = "mutation($i: AgentHeartbeatInput!){agentHeartbeat(input:$i){commands}}"
    site.ask(beat, i={"id": site.agent, "runState": "{}", "metrics": "{}"})
    answer = site.post(query, i={**given, "config": json.dumps(SWEEP | {"program": "first.py"} | change)})
    assert "fixed once it has a trial" in answer.text
    site.ask(query, i={**given, "displayName": "a name"})
