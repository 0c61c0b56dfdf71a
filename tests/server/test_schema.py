"""Every document of the supported clients fits the schema, or is refused in words; nothing is ignored in silence."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    assert_valid_schema,
    build_schema,
    get_named_type,
    get_nullable_type,
    is_list_type,
    is_object_type,
    parse,
    print_schema,
    type_from_ast,
    validate,
)
from graphql.language import ast

from kag.errors import KagError
from kag.server.refused import REFUSED
from kag.server.resolvers import registry
from kag.server.schema import Documents, served
from tests.server.documents.record import recorded
from tests.server.test_security import contents

SHOWN_AS = {"AbsentFile": "File", "ReferenceFile": "File"}
"""Types of the registry that a client sees as another one."""

KNOWN: dict[str, Any] = {
    "entity": "kag", "entityName": "kag", "organization": "kag", "project": "p", "projectName": "p", "name": "p",
    "run": "first", "runName": "first", "sweepName": "none", "type": "model", "state": "running", "query": "test",
    "config": "{}", "filters": "{}", "metadata": "{}", "specs": ['{"keys": ["loss"]}'], "first": 5, "perPage": 5,
    "samples": 5, "minStep": 0, "maxStep": 9, "digest": "d", "artifactTypeName": "model", "title": "t", "text": "x",
}  # fmt: skip


def value_for(name: str, kind: GraphQLInputType) -> Any:
    """A value of a type that might be meant by a name."""
    bare = get_nullable_type(kind)
    if is_list_type(bare):
        return KNOWN.get(name) if isinstance(KNOWN.get(name), list) else [value_for(name, bare.of_type)]
    if isinstance(bare, GraphQLInputObjectType):
        return {one: value_for(one, field.type) for one, field in bare.fields.items() if f"{bare}.{one}" not in REFUSED}
    if isinstance(bare, GraphQLEnumType):
        return next(iter(bare.values))
    plain = {"Int": 1, "Int64": 1, "Float": 1.0, "Boolean": True, "Duration": 1, "JSONString": "{}"}
    return KNOWN.get(name, plain.get(str(bare), "UnVuOjE="))


def operation_of(document: str) -> ast.OperationDefinitionNode:
    found = [one for one in parse(document).definitions if isinstance(one, ast.OperationDefinitionNode)]
    return found[0]


def variables_of(operation: ast.OperationDefinitionNode) -> dict[str, Any]:
    """A value for each variable whose type is served."""
    kinds = {one.variable.name.value: type_from_ast(served(), one.type) for one in operation.variable_definitions or ()}
    return {name: value_for(name, kind) for name, kind in kinds.items() if kind is not None}


def refusal(document: str) -> str | None:
    try:
        Documents(served()).checked(document)
    except KagError as error:
        return error.what
    return None


@pytest.fixture(scope="module")
def refusals() -> dict[str, str | None]:
    """Document -> what its sender is told; None if it is served."""
    return {document: refusal(document) for document in recorded()}


def test_the_schema_is_one() -> None:
    """At start it is taken on trust: that it is valid, is shown here."""
    assert_valid_schema(build_schema(print_schema(served())))


def test_every_document_fits_the_schema_or_is_refused_in_words(refusals: dict[str, str | None]) -> None:
    unfit = {}
    for document, versions in recorded().items():
        words = refusals[document]
        if words is None:
            unfit.update({(error.message, document[:120]): versions for error in validate(served(), parse(document))})
        else:
            assert words in REFUSED.values(), (document, versions)
            assert words.startswith("kag ")
    assert unfit == {}


def test_every_document_is_answered_in_full(site: Any, refusals: dict[str, str | None]) -> None:
    """Values are made up: a refusal is an answer; a field that nobody resolves, or null for a change, is none."""
    site.run()
    site.log(0, [{"_step": 0, "loss": 1}])
    for document, versions in recorded().items():
        if refusals[document] is not None:
            continue
        operation = operation_of(document)
        answer = site.http.post("/graphql", json={"query": document, "variables": variables_of(operation)})
        told = answer.json()
        assert answer.status_code < 500, (answer.text, document)
        words = " ".join(error["message"] for error in told.get("errors", ()))
        assert "unknown field" not in words, (words, versions, document)
        assert "the server failed" not in words, (words, versions, document)
        if operation.operation is ast.OperationType.MUTATION and not words:
            assert all(value is not None for value in told["data"].values()), (document, versions)
        if "deleteRun" in document:
            site.run(host="node7")


def test_types_that_clients_ask_about_are_answered_or_refused() -> None:
    """They read the fields of the answer unseen, but for the one that may be absent."""
    asked = {
        argument.value.value
        for document in recorded()
        for one in operation_of(document).selection_set.selections
        if isinstance(one, ast.FieldNode) and one.name.value == "__type"
        for argument in one.arguments
        if isinstance(argument.value, ast.StringValueNode)
    }
    assert "CreateArtifactInput" in asked
    assert {one for one in asked if one not in served().type_map and one not in REFUSED} == {"LaunchAgent"}


def test_schema_and_resolvers_agree() -> None:
    """Each field of a type with resolvers has one, and each resolver stands in the schema."""
    resolved = registry()
    for name, fields in resolved.items():
        kind: Any = served().type_map[SHOWN_AS.get(name, name)]
        assert is_object_type(kind)
        wanted = {one for one in kind.fields if f"{name}.{one}" not in REFUSED}
        assert fields.keys() <= kind.fields.keys(), f"{name}: not in schema.graphql"
        assert name in SHOWN_AS or fields.keys() == wanted, f"{name}: no resolver, or resolved and refused"


def test_what_is_refused_is_nothing_that_is_served() -> None:
    resolved = registry()
    for name in REFUSED:
        owner, _, field = name.partition(".")
        assert field not in resolved.get(owner, ()), f"{name} is refused and has a resolver"


@pytest.mark.parametrize(
    ("document", "variables", "words"),
    [
        ("mutation{startRun(input:{id:1}){success}}", {}, "kag does not serve the mutation startRun.*stopRun"),
        ('mutation{stopRun(input:{id:"x"},force:true){success}}', {}, "'force'"),
        ("mutation($i: X!){upsertBucket(input:$i){bucket{id}}}", {"i": {"name": "b", "modelNam": "p"}}, "modelNam"),
        ('mutation{upsertBucket(input:{name:"b",modelNam:"p"}){bucket{id}}}', {}, "modelNam"),
        ("mutation($t: [String!]){upsertBucket(input:{name:\"b\",tags:$t}){bucket{id}}}", {"t": [1]}, "tags.0"),
        ("mutation{upsertBucket{bucket{id}}}", {}, "input is missing"),
        ("mutation{upsertBucket(input:null){bucket{id}}}", {}, "input is missing"),
        ("mutation{deleteRun(input:{}){success}}", {}, "'id'"),
        ('{project(name:"p"){runs(filter:"{}"){totalCount}}}', {}, "'filter'.*'filters'"),
        ('{project(name:"none"){run(name:"first"){history(step:1)}}}', {}, "'step'"),
        ('mutation{createTeam(input:{teamName:"a"}){entity{name}}}', {}, "kag does not serve teams"),
        ('{project(name:"p"){runQueues{id}}}', {}, "kag does not serve launch queues"),
        ("{__type(name:\"CreateRunQueueInput\"){name}}", {}, "kag does not serve launch queues"),
        ("query($n: String!){__type(name:$n){name}}", {"n": "PushToRunQueueInput"}, "kag does not serve launch queues"),
        ("mutation($i: UpsertSweepInput!){upsertSweep(input:$i){sweep{id}}}",
         {"i": {"projectName": "p", "config": "{}", "launchScheduler": "{}"}}, "kag does not serve launch queues"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_and_changes_nothing(
    site: Any, document: str, variables: dict[str, Any], words: str
) -> None:
    site.run()
    before = contents(site)
    answer = site.post(document, **variables)
    assert answer.status_code == 200, "clients show the words of no other"
    assert answer.json().get("data") is None
    assert re.search(words, answer.json()["errors"][0]["message"])
    assert contents(site) == before


def test_one_refused_change_undoes_the_others_of_its_document(site: Any) -> None:
    site.run()
    before = contents(site)
    both = 'mutation{a: upsertModel(input:{name:"new"}){inserted} b: upsertModel(input:{nam:"x"}){inserted}}'
    assert "nam" in site.post(both).json()["errors"][0]["message"]
    assert contents(site) == before


def test_a_field_that_must_stay_empty_may_be_null(site: Any) -> None:
    """Clients send every field of an input, those that the user left out as null: also those that are new in W&B."""
    document = "mutation($i: UpsertModelInput!){upsertModel(input:$i){inserted}}"
    given: dict[str, Any] = {"name": "p", "artifactTypes": None, "newInTheNextClient": None}
    assert site.ask(document, i=given)["upsertModel"]["inserted"] is True
    told = site.post(document, i={**given, "artifactTypes": [{"name": "model"}]}).json()
    assert "kag does not serve registries" in told["errors"][0]["message"]


def test_introspection_tells_what_is_served_by_variables_aliases_and_fragments(site: Any) -> None:
    document = """query($n: String!) { A: __type(name: $n) { ...names } B: __type(name: "Nothing") { name }
      viewer { username } __schema { mutationType { name } } } fragment names on __Type { name inputFields { name } }"""
    told = site.ask(document, n="UseArtifactInput")
    assert {"name": "usedAs"} in told["A"]["inputFields"]
    assert told["B"] is None
    assert (told["viewer"]["username"], told["__schema"]["mutationType"]["name"]) == ("tester", "Mutation")
    deep = "{__schema{types" + "{fields{type" * 5 + "{name}" + "}}" * 5 + "}}"
    assert "introspection depth" in site.post(deep).json()["errors"][0]["message"]


def test_a_fragment_on_an_interface_holds_for_what_implements_it(site: Any) -> None:
    create = """mutation($i: CreateArtifactInput!){createArtifact(input:$i){artifact{artifactSequence{
      ...on ArtifactCollection{name} ...on ArtifactPortfolio{id} __typename}}}}"""
    given = {"projectName": "p", "artifactTypeName": "model", "artifactCollectionNames": ["a"], "digest": "d"}
    site.run()
    found = site.ask(create, i={**given, "runName": "first"})["createArtifact"]["artifact"]["artifactSequence"]
    assert found == {"name": "a", "__typename": "ArtifactSequence"}


def test_documents_are_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checks: list[Any] = []
    monkeypatch.setattr("kag.server.schema.validate", lambda *words: checks.append(words) or [])
    documents = Documents(served())
    short, long = "{viewer{id}}", json.dumps("{viewer{id}}").strip('"') + " " * 30_000
    for text in (short, short, long, long):
        documents.checked(text)
    assert len(checks) == 3, "what is long is not kept"


def test_everyone_with_a_key_is_found(site: Any) -> None:
    document = "query($q: String){users(query:$q){edges{node{username email}}}}"
    found = [edge["node"] for edge in site.ask(document, q="TEST")["users"]["edges"]]
    assert found == [{"username": "tester", "email": "tester@localhost"}]
    assert site.ask(document, q="nobody")["users"]["edges"] == []


def test_every_type_of_the_schema_is_used() -> None:
    kinds = {name: kind for name, kind in served().type_map.items() if not name.startswith("__")}
    fields = [one for kind in kinds.values() for one in getattr(kind, "fields", {}).values()]
    used = {get_named_type(one.type).name for field in fields for one in (field, *getattr(field, "args", {}).values())}
    assert kinds.keys() - used == {"Query", "Mutation", "ArtifactPortfolio"}, "the last is seen as its interface"
