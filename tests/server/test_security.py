"""Bad input gets a clear 4xx, writes nothing, and leaves the server alive."""

from __future__ import annotations

import base64
import gzip
import json
import math
import os
import string
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLObjectType,
    assert_object_type,
    get_nullable_type,
    is_list_type,
    is_required_argument,
    is_required_input_field,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kag.errors import UserError
from kag.server.keys import list_keys, new_key, revoke_key
from kag.server.refused import REFUSED
from kag.server.schema import served
from kag.server.serve import check_address
from kag.server.store import Store
from kag.server.tables import metadata
from kag.server.trash import KEPT

VIEWER = {"query": "{viewer{id}}"}
FEW, MANY = (150, 900) if "KAG_FULL_SIZE" in os.environ else (40, 120)
"""`make server` takes the larger ones; `hostile` has thousands of other requests."""
FUZZ = settings(max_examples=FEW, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FUZZ_LONG = settings(max_examples=MANY, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def contents(site: Any) -> dict[str, list[Any]]:
    """Everything in the database and on disk."""
    with site.store.read() as connection:
        found = {table.name: connection.execute(table.select()).all() for table in metadata.sorted_tables}
    return {**found, "disk": sorted(one.path for one in site.settings.files.lying(before=math.inf))}


def alive(site: Any) -> bool:
    return bool(site.http.get("/healthz").json() == {"ok": True})


@pytest.mark.parametrize(
    "header",
    [
        None, "", "Basic", "Basic !!!", "Bearer", "Bearer wrong", "Digest x",
        "Basic " + base64.b64encode(b"api").decode(),
        "Basic " + base64.b64encode(b"api:").decode(), "Basic " + base64.b64encode(b"root:KEY").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe").decode(), "Bearer " + "a" * 40, "Bearer ' OR 1=1 --",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/graphql", "/files/kag/p/first/file_stream"])
def test_without_a_valid_key_nothing_is_served(site: Any, header: str | None, path: str) -> None:
    site.http.headers.pop("Authorization")
    header = header.replace("KEY", site.key) if header else header
    answer = site.http.post(path, json=VIEWER, headers={} if header is None else {"Authorization": header})
    assert answer.status_code == 401
    assert "kag serve key new" in answer.text


def test_both_ways_of_giving_a_key_work_and_a_revoked_key_does_not(site: Any) -> None:
    basic = base64.b64encode(f"api:{site.key}".encode()).decode()
    for header in (f"Basic {basic}", f"Bearer {site.key}"):
        answer = site.http.post("/graphql", json=VIEWER, headers={"Authorization": header})
        assert answer.status_code == 200
    with site.store.write() as connection:
        revoke_key(connection, "tester", now=site.now)
    assert site.http.post("/graphql", json=VIEWER).status_code == 401


def test_keys_are_stored_as_digests_only(site: Any) -> None:
    assert len(site.key) == 40
    with site.store.read() as connection:
        rows = connection.execute(metadata.tables["api_keys"].select()).all()
    assert site.key not in repr(rows)
    site.store.close()
    held = b"".join(path.read_bytes() for path in site.store.file.parent.glob("tracking.db*"))
    assert b"tester" in held
    assert site.key.encode() not in held


def test_key_names_are_unique_and_revoked_once(site: Any) -> None:
    with site.store.write() as connection:
        with pytest.raises(UserError, match="already"):
            new_key(connection, "tester", now=0.0)
        with pytest.raises(UserError, match="no name"):
            new_key(connection, "a b", now=0.0)
        with pytest.raises(UserError, match="no key"):
            revoke_key(connection, "nobody", now=0.0)
        assert [row["name"] for row in list_keys(connection)] == ["tester"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost@evil", "[::2]", "evil:80"])
def test_a_foreign_host_is_turned_away(site: Any, host: str) -> None:
    for path in ("/graphql", "/healthz"):
        assert site.http.post(path, json=VIEWER, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8080", "[::1]:8080", "LOCALHOST"])
def test_the_own_hosts_are_served(site: Any, host: str) -> None:
    assert site.http.post("/graphql", json=VIEWER, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/graphql", "/files/kag/p/first/file_stream"])
def test_large_bodies_are_refused_before_they_are_read(site: Any, path: str) -> None:
    site.run()
    before = contents(site)
    sent = 0

    def endless() -> Any:
        nonlocal sent
        for _ in range(1600):
            sent += 65536
            yield b" " * 65536

    assert site.http.post(path, content=b"{}", headers={"Content-Length": str(100 * 2**20)}).status_code == 413
    assert site.http.post(path, content=endless()).status_code == 413
    bomb = gzip.compress(b" " * (50 * 2**20))
    assert len(bomb) < site.settings.max_body
    assert site.http.post(path, content=bomb, headers={"Content-Encoding": "gzip"}).status_code == 413
    assert contents(site) == before
    assert alive(site)


@pytest.mark.parametrize("path", ["/graphql", "/files/kag/p/first/file_stream"])
def test_damaged_bodies_are_refused(site: Any, path: str) -> None:
    site.run()
    before = contents(site)
    whole = gzip.compress(json.dumps(VIEWER).encode())
    for content in (whole[:-1], whole[: len(whole) // 2], whole[:5], b"", b"no gzip", b"\x1f\x8b" + b"\x00" * 30):
        answer = site.http.post(path, content=content, headers={"Content-Encoding": "gzip"})
        assert answer.status_code == 400, content
    assert site.http.post(path, content=b"{}", headers={"Content-Encoding": "br"}).status_code == 415
    for content in (b"", b"{", b"[]", b"\xff\xff", b'"x"', b"[" * 100_000, b'{"query": "\\ud800"}'):
        assert site.http.post(path, content=content).status_code == 400, content
    assert contents(site) == before


def test_gzip_is_taken(site: Any) -> None:
    body = gzip.compress(json.dumps(VIEWER).encode())
    assert site.http.post("/graphql", content=body, headers={"Content-Encoding": "gzip"}).json()["data"]["viewer"]


NAMES = [
    "../evil", "a/../../evil", "/etc/passwd", "..", ".", "", "a\\b", "C:\\x", "a\x00b", "a\nb", "x" * 1025,
    "../" * 30 + "etc/passwd", "a/../..", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_file_name_cannot_lead_out(site: Any, name: str) -> None:
    site.run()
    before = contents(site)
    query = """mutation($f: [String!]!){createRunFiles(input:{projectName:"p",runName:"first",files:$f}){
      files{name uploadUrl}}}"""
    answer = site.http.post(
        "/graphql", content=json.dumps({"query": query, "variables": {"f": [name]}}), headers={"Content-Type": "x"}
    )
    assert 400 <= answer.status_code < 500
    assert contents(site) == before


def upload_link(site: Any, name: str) -> str:
    site.run()
    query = """mutation($f: [String!]!){createRunFiles(input:{projectName:"p",runName:"first",files:$f}){
      files{name uploadUrl}}}"""
    return str(site.ask(query, f=[name])["createRunFiles"]["files"][0]["uploadUrl"])


@pytest.mark.everywhere
def test_an_odd_name_stays_a_name(site: Any) -> None:
    name = "a b/%2e%2e/'; DROP TABLE runs; --.txt"
    link = upload_link(site, name)
    assert site.http.put(link, content=b"data").status_code == 200
    query = '{project(name:"p"){run(name:"first"){files{edges{node{name sizeBytes md5 directUrl}}}}}}'
    node = site.ask(query)["project"]["run"]["files"]["edges"][0]["node"]
    assert (node["name"], node["sizeBytes"], node["md5"]) == (name, "4", "jXd/OF09/siBXSD3SWAm3A==")
    assert site.http.get(node["directUrl"]).content == b"data"
    (stored,) = site.settings.files.lying(before=math.inf)
    assert set(stored.path) <= set(string.hexdigits)


@pytest.mark.everywhere
def test_a_link_does_one_thing_until_it_expires(site: Any) -> None:
    link = upload_link(site, "a.txt")
    base, token, name = link.rsplit("/", 2)
    assert site.http.get(link).status_code == 403
    assert site.http.put(f"{base}/{token[:-1]}x/{name}", content=b"x").status_code == 403
    forged = base64.urlsafe_b64encode(json.dumps({"do": "put", "to": "run", "id": 1, "name": "../x"}).encode()).decode()
    for bad in (f"{forged}.x", forged, f".{token.split('.')[1]}", "é.x", f"{forged}.{token.split('.')[1]}"):
        assert site.http.put(f"{base}/{bad}/{name}", content=b"x").status_code == 403, bad
    site.now += 25 * 3600
    assert site.http.put(link, content=b"x").status_code == 403
    assert contents(site)["files"] == contents(site)["disk"] == []


@pytest.mark.everywhere
def test_a_file_beyond_the_limit_leaves_nothing(site: Any) -> None:
    link = upload_link(site, "a.bin")
    assert site.http.put(link, content=b"x" * 300_001).status_code == 413
    assert site.http.put(link, content=iter([b"x" * 100_000] * 5)).status_code == 413
    assert contents(site)["disk"] == contents(site)["blobs"] == []
    assert site.http.put(link, content=b"x" * 300_000).status_code == 200


@pytest.mark.everywhere
def test_a_file_for_a_run_that_is_gone_leaves_nothing(site: Any) -> None:
    link = upload_link(site, "a.bin")
    site.ask("mutation($id: ID!){deleteRun(input:{id:$id}){clientMutationId}}", id=site.run()["bucket"]["id"])
    assert 400 <= site.http.put(link, content=b"x").status_code < 500
    assert contents(site)["disk"] == contents(site)["blobs"] == []


@pytest.mark.everywhere
def test_a_replaced_file_leaves_one_blob(site: Any) -> None:
    link = upload_link(site, "a.bin")
    for content in (b"one", b"two"):
        assert site.http.put(link, content=content).status_code == 200
    assert (len(contents(site)["disk"]), len(contents(site)["blobs"])) == (1, 1)


DELETE_FILES = """mutation($f: [ID!]!){ deleteFiles(input: {files: $f}) { success } }"""
DELETE_RUN = "mutation($id: ID!){deleteRun(input:{id:$id}){clientMutationId}}"


@pytest.mark.everywhere
@pytest.mark.parametrize("gone", ["file", "run", "key"])
def test_a_download_ends_with_what_it_belongs_to(site: Any, gone: str) -> None:
    query = '{project(name:"p"){run(name:"first"){files{edges{node{id directUrl url}}}}}}'
    link = upload_link(site, "a.txt")
    assert site.http.put(link, content=b"one").status_code == 200
    node = site.ask(query)["project"]["run"]["files"]["edges"][0]["node"]
    assert site.http.put(link, content=b"two").status_code == 200
    assert [site.http.get(node[name]).content for name in ("directUrl", "url")] == [b"two", b"two"], "the file of now"
    if gone == "file":
        site.ask(DELETE_FILES, f=[node["id"]])
    elif gone == "run":
        site.ask(DELETE_RUN, id=site.run()["bucket"]["id"])
    else:
        with site.store.write() as connection:
            revoke_key(connection, "tester", now=site.now)
    answer = site.http.get(node["directUrl"])
    said = "opens nothing any more" if gone == "key" else "what this link belongs to is gone"
    assert (answer.status_code, said in answer.text) == (403 if gone == "key" else 404, True)


@pytest.mark.everywhere
def test_files_of_a_deleted_run_are_gone_after_the_next_start_a_day_later(site: Any) -> None:
    link = upload_link(site, "a.bin")
    assert site.http.put(link, content=b"one").status_code == 200
    site.restart()
    assert len(contents(site)["disk"]) == 1
    site.ask("mutation($id: ID!){deleteRun(input:{id:$id}){clientMutationId}}", id=site.run()["bucket"]["id"])
    site.restart()
    assert len(contents(site)["disk"]) == 1, "until then the run can be restored"
    site.now += KEPT
    site.restart()
    assert contents(site)["disk"] == contents(site)["blobs"] == []


@pytest.mark.parametrize(
    "query",
    [
        "", "{", "nonsense", "{viewer{id}", "query A{viewer{id}} query B{viewer{id}}", "subscription{a}",
        "{viewer{...Absent}}", "{viewer{...A}} fragment A on User{...A}", "{a}" * 3, "fragment A on User{id}",
        "{" * 5000, "{viewer{" + "id " * 30000 + "}}", "query($a: [[[[Int]]]] = [[[[1]]]]){viewer{id}} }",
        "{" + "a{" * 3000 + "b" + "}" * 3000 + "}",
        "query{viewer{...A}}"
        + "".join(f"fragment {a} on User{{...{b} ...{b}}}" for a, b in pairwise("ABCDEFGHIJKLMNOPQRSTU"))
        + "fragment U on User{id}",
    ],
)  # fmt: skip
def test_malformed_graphql_is_a_400(site: Any, query: str) -> None:
    answer = site.post(query)
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["message"]
    assert alive(site)


def test_unknown_fields_are_null_and_logged_or_errors(site: Any, tmp_path: Path, caplog: Any) -> None:
    query = "{viewer{id shoeSize teams{edges{node{colour}}}}}"
    answer = site.post(query)
    strict, request = answer.json(), answer.headers["x-request-id"]
    paths = ["Query.viewer.shoeSize".replace("Query", "User"), "Team.viewer.teams.edges.node.colour"]
    assert [error["message"] for error in strict["errors"]] == [f"unknown field {path}" for path in paths]
    assert strict["data"] is None
    object.__setattr__(site.settings, "strict", False)
    relaxed = site.post(query).json()
    assert relaxed["data"]["viewer"]["shoeSize"] is None
    assert "errors" not in relaxed
    said = f"request {request}: unknown GraphQL field"
    assert [record.getMessage() for record in caplog.records] == [f"{said} {path}" for path in paths]


@pytest.mark.parametrize(
    "name", ["'; DROP TABLE runs; --", '" OR 1=1', "Robert'); DELETE FROM projects;", "%", "_", "💥"]
)
def test_sql_in_names_is_only_a_name(site: Any, name: str) -> None:
    site.run("safe")
    site.run(name, project=name)
    found = site.ask("query($p: String!, $n: String!){project(name:$p){name run(name:$n){name}}}", p=name, n=name)
    assert found["project"] == {"name": name, "run": {"name": name}}
    assert site.ask('{project(name:"p"){runs{totalCount}}}')["project"]["runs"]["totalCount"] == 1


@pytest.mark.parametrize("name", ["", "a/b", "..\\", "x" * 129, "a\u0000", "a\tb", 7, ["x"], {"a": 1}])
def test_bad_names_of_runs_and_projects_are_refused(site: Any, name: Any) -> None:
    before = contents(site)
    query = "mutation($input: X!){upsertBucket(input:$input){bucket{id}}}"
    given: list[dict[str, Any]] = [{"name": "ok", "modelName": "p", "entityName": name or "a/b"}]
    if name != "":
        given += [{"name": name, "modelName": "p"}, {"name": "ok", "modelName": name}]
    for one in given:
        answer = site.post(query, input=one)
        assert answer.status_code == (400 if isinstance(name, str) else 200), "what is no text is refused by its type"
        assert answer.json()["errors"][0]["message"]
    assert contents(site) == before


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
KNOWN = st.sampled_from(["first", "p", "kag", "{}", "UnVuOjE=", "U3dlZXA6MQ==", "QWdlbnQ6MQ==", "RUNNING", "../x"])
numbers = st.integers(-5, 5)


def fitting(kind: GraphQLInputType) -> st.SearchStrategy[Any]:
    """Values that a type allows, and now and then any other."""
    bare = get_nullable_type(kind)
    if is_list_type(bare):
        strategy: st.SearchStrategy[Any] = st.lists(fitting(bare.of_type), max_size=2)
    elif isinstance(bare, GraphQLInputObjectType):
        fields = {name: fitting(one.type) for name, one in bare.fields.items()}
        needed = {name for name, one in bare.fields.items() if is_required_input_field(one)}
        optional = {name: one for name, one in fields.items() if name not in needed}
        strategy = st.fixed_dictionaries({name: fields[name] for name in needed}, optional=optional)
    elif isinstance(bare, GraphQLEnumType):
        strategy = st.sampled_from(list(bare.values))
    else:
        plain = {"Boolean": st.booleans(), "Int": numbers, "Int64": st.one_of(numbers, st.integers()), "Float": numbers}
        strategy = plain.get(str(bare), st.one_of(KNOWN, st.text(max_size=12)))
    return st.one_of(strategy, strategy, strategy, json_values)


def requests_of(kind: GraphQLObjectType, names: Sequence[str]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Fields of a type, each with arguments that it has."""
    chosen = []
    for name in names:
        arguments = kind.fields[name].args
        fits = {key: fitting(one.type) for key, one in arguments.items()}
        needed = {key: fits.pop(key) for key, one in arguments.items() if is_required_argument(one)}
        chosen.append(st.tuples(st.just(name), st.fixed_dictionaries(needed, optional=fits)))
    return st.one_of(*chosen)


def fuzz(site: Any, operation: str, outer: str, request: tuple[str, dict[str, Any]]) -> None:
    """Ask for a field somewhere in a document; no argument may break the server."""
    field, arguments = request
    words = "(" + " ".join(f"${key}: X" for key in arguments) + ")" if arguments else ""
    passed = "(" + " ".join(f"{key}: ${key}" for key in arguments) + ")" if arguments else ""
    document = f"{operation}{words}{{{outer % (field + passed + '{__typename}')}}}"
    answer = site.http.post(
        "/graphql", content=json.dumps({"query": document, "variables": arguments}), headers={"Content-Type": "x"}
    )
    assert answer.status_code < 500
    assert "the server failed" not in answer.text, (field, arguments)


MUTATION, RUN, PROJECT = (assert_object_type(served().type_map[name]) for name in ("Mutation", "Run", "Project"))
mutations = requests_of(MUTATION, [name for name in MUTATION.fields if f"Mutation.{name}" not in REFUSED])
of_runs = requests_of(RUN, [name for name, field in RUN.fields.items() if field.args])
of_projects = requests_of(PROJECT, [name for name, field in PROJECT.fields.items() if field.args])
OF_RUN, OF_PROJECT = 'project(name:"p"){run(name:"first"){%s}}', 'project(name:"p"){%s}'


@pytest.fixture
def logged(site: Any) -> Any:
    """A site with a row of a run."""
    site.run()
    site.log(0, [{"_step": 0, "loss": 1}])
    return site


@FUZZ
@given(request=mutations)
def test_no_mutation_breaks_the_server(site: Any, request: tuple[str, dict[str, Any]]) -> None:
    site.run()
    fuzz(site, "mutation", "%s", request)


@FUZZ
@given(of_run=of_runs, of_project=of_projects)
def test_no_query_breaks_the_server(logged: Any, of_run: Any, of_project: Any) -> None:
    fuzz(logged, "query", OF_RUN, of_run)
    fuzz(logged, "query", OF_PROJECT, of_project)


@FUZZ
@given(
    body=json_values, files=st.dictionaries(st.sampled_from(["wandb-history.jsonl", "output.log", "x"]), json_values)
)
def test_no_stream_breaks_the_server(site: Any, body: Any, files: dict[str, Any]) -> None:
    site.run()
    for content in (body, {"files": files}, {"files": files, "complete": body, "exitcode": body}):
        answer = site.http.post("/files/kag/p/first/file_stream", content=json.dumps(content))
        assert answer.status_code < 500
        assert "the server failed" not in answer.text


@FUZZ_LONG
@given(mutation=mutations, of_run=of_runs, of_project=of_projects)
def test_no_request_of_many_breaks_the_server(site: Any, mutation: Any, of_run: Any, of_project: Any) -> None:
    site.run()
    fuzz(site, "mutation", "%s", mutation)
    fuzz(site, "query", OF_RUN, of_run)
    fuzz(site, "query", OF_PROJECT, of_project)


def test_an_open_address_needs_tls_or_a_decision(tmp_path: Path) -> None:
    pem = tmp_path / "x.pem"
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        check_address(host, certificate=None, key=None, insecure=False)
    for host in ("0.0.0.0", "::", "10.0.0.1", "example.org"):
        with pytest.raises(UserError, match="clear text"):
            check_address(host, certificate=None, key=None, insecure=False)
        check_address(host, certificate=None, key=None, insecure=True)
        check_address(host, certificate=pem, key=pem, insecure=False)
        with pytest.raises(UserError, match="certificate and its key"):
            check_address(host, certificate=pem, key=None, insecure=False)


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "sqlite:////nowhere/at/all.db", "oracle://x"])
def test_a_database_that_cannot_be_opened_is_a_user_error(url: str) -> None:
    with pytest.raises(UserError, match="cannot open the database"):
        Store(url)
