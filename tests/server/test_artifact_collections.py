"""Collections of artifacts: aliases, links, changes, lists."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.artifact_log import (
    CREATE,
    LINK,
    Log,
    alias_of,
    aliases,
    collection,
    content,
    found,
    linked,
    refused,
    version,
)


@pytest.mark.parametrize("alias", ["v0", "v17", "v99999999999"])
def test_an_alias_that_reads_like_a_number_is_refused_everywhere(site: Any, log: Log, alias: str) -> None:
    number = log({"f": b"f"})
    place = {"artifactCollectionName": "m", "entityName": "kag", "projectName": "p"}
    add = "mutation($input: AddAliasesInput!){ result: addAliases(input: $input) { success } }"
    given = {"artifactTypeName": "model", "artifactCollectionNames": ["m"], "projectName": "p", "digest": "other"}
    asked: list[tuple[str, dict[str, Any]]] = [
        (CREATE, {"input": {**given, "aliases": [alias_of(alias)]}}),
        (add, {"input": {"artifactID": number, "aliases": [{**place, "alias": alias}]}}),
        (LINK, {**linked(number, "shelf"), "aliases": [alias_of(alias)]}),
    ]
    for query, variables in asked:
        assert f"'{alias}' cannot be an alias" in refused(site, query, **variables)
    assert aliases(site, "m:v0") == ["latest", "v0"]
    assert collection(site, "shelf") == {}


def test_a_link_has_a_number_and_names_of_its_own(site: Any, log: Log) -> None:
    log({"f": b"0"})
    second, third = log({"f": b"1"}), log({"f": b"2"}, "n")
    for number, alias in ((second, "prod"), (third, "spare")):
        site.ask(LINK, **linked(number, "shelf"), aliases=[{"alias": alias, "artifactCollectionName": "shelf"}])
    member = found(site, "shelf:prod")
    assert member["artifactCollection"] == {"__typename": "ArtifactPortfolio", "name": "shelf"}
    assert member["artifact"]["id"] == second
    assert member["artifact"]["artifactSequence"]["name"] == "m"
    assert (member["versionIndex"], aliases(site, "shelf:prod")) == (0, ["prod", "v0"])
    assert aliases(site, "shelf:latest") == ["latest", "spare", "v1"]
    assert content(site, "shelf:v0") == {"f": "1"}
    assert aliases(site, "m:latest") == ["latest", "v1"]
    again = site.ask(LINK, **linked(second, "shelf"), aliases=[{"alias": "old", "artifactCollectionName": "shelf"}])
    assert again["linkArtifact"] == {"versionIndex": 0}
    assert aliases(site, "shelf:v0") == ["old", "prod", "v0"], "what is linked again gets the names given"
    assert aliases(site, "shelf:latest") == ["latest", "spare", "v1"], "and the newest stays the latest"
    site.ask(LINK, **linked(second, "shelf"), aliases=[{"alias": "latest", "artifactCollectionName": "shelf"}])
    assert version(site, "shelf:latest") == 0, "unless that is the name given"
    linked_query = """query FetchLinkedArtifacts($artifactID: ID!) { artifact(id: $artifactID) { artifactMemberships {
      edges { node { versionIndex createdAt aliases { alias } artifactCollection { __typename name } } } } } }"""
    edges = site.ask(linked_query, artifactID=second)["artifact"]["artifactMemberships"]["edges"]
    assert [one["node"]["artifactCollection"]["__typename"] for one in edges] == [
        "ArtifactSequence",
        "ArtifactPortfolio",
    ]


def test_unlinking_leaves_the_version_and_latest_moves(site: Any, log: Log) -> None:
    first, second = log({"f": b"0"}), log({"f": b"1"})
    for number in (first, second):
        site.ask(LINK, **linked(number, "shelf"))
    shelf = collection(site, "shelf")
    unlink = """mutation UnlinkArtifact($artifactID: ID!, $artifactPortfolioID: ID!) { unlinkArtifact(
      input: {artifactID: $artifactID, artifactPortfolioID: $artifactPortfolioID}) { artifactID success
      clientMutationId } }"""
    assert site.ask(unlink, artifactID=second, artifactPortfolioID=shelf["id"])["unlinkArtifact"]["success"]
    assert (version(site, "shelf:latest"), version(site, "shelf:v1"), version(site, "m:v1")) == (0, None, 1)
    assert "not linked" in refused(site, unlink, artifactID=second, artifactPortfolioID=shelf["id"])
    assert "delete it instead" in refused(site, unlink, artifactID=second, artifactPortfolioID=collection(site)["id"])


def test_a_link_that_cannot_be_is_refused_in_words(site: Any, log: Log) -> None:
    number = log({"f": b"0"})
    log({"f": b"0"}, "data", artifactTypeName="dataset")
    pending = log({"f": b"9"}, commit=False)
    site.ask(LINK, **linked(number, "shelf"))
    told = refused(site, LINK, **linked(number, "models", "wandb-registry-model"))
    assert "kag does not serve registries" in told
    assert "nothing can be linked into it" in refused(site, LINK, **linked(number, "m"))
    data = found(site, "data:v0")["artifact"]["id"]
    assert "has the type 'model', not 'dataset'" in refused(site, LINK, **linked(data, "shelf"))
    assert "has not arrived in full" in refused(site, LINK, **linked(pending, "shelf"))
    assert "no such artifact" in refused(site, LINK, **linked("QXJ0aWZhY3Q6OTk5", "shelf"))
    given = {"artifactTypeName": "model", "artifactCollectionNames": ["shelf"], "projectName": "p", "digest": "d"}
    assert "nothing can be logged into it" in refused(site, CREATE, input=given)


def test_a_collection_is_described_renamed_retyped_tagged_and_deleted(site: Any, log: Log) -> None:
    first = log({"f": b"0"})
    log({"f": b"0"}, "other")
    site.ask(LINK, **linked(first, "shelf"))
    number = collection(site)["id"]
    update = """mutation($input: UpdateArtifactSequenceInput!) { result: updateArtifactSequence(input: $input) {
      artifactCollection { __typename id name description type: defaultArtifactType { name } } } }"""
    told = refused(site, update, input={"artifactSequenceID": number, "name": "other"})
    assert "has a collection 'other' already" in told
    site.ask(update, input={"artifactSequenceID": number, "name": "renamed", "description": "for tests"})
    move = """mutation($input: MoveArtifactSequenceInput!) { result: moveArtifactSequence(input: $input) {
      artifactCollection { __typename id name } } }"""
    site.ask(move, input={"artifactSequenceID": number, "destinationArtifactTypeName": "weights"})
    place = {"entityName": "kag", "projectName": "p", "artifactCollectionName": "renamed"}
    tag = """mutation($input: CreateArtifactCollectionTagAssignmentsInput!) {
      result: createArtifactCollectionTagAssignments(input: $input) { tags { id name } } }"""
    site.ask(tag, input={**place, "tags": [{"tagName": "a"}, {"tagName": "b"}]})
    untag = """mutation($input: DeleteArtifactCollectionTagAssignmentsInput!) {
      result: deleteArtifactCollectionTagAssignments(input: $input) { success } }"""
    site.ask(untag, input={**place, "tags": [{"tagName": "a"}]})
    changed = collection(site, "renamed", "weights")
    assert (changed["description"], changed["type"]["name"]) == ("for tests", "weights")
    assert [one["node"]["name"] for one in changed["tags"]["edges"]] == ["b"]
    assert version(site, "renamed:latest") == 0
    delete = """mutation DeleteArtifactSequence($id: ID!) { result: deleteArtifactSequence(
      input: {artifactSequenceID: $id}) { artifactCollection { __typename state } } }"""
    gone = site.ask(delete, id=number)["result"]["artifactCollection"]
    assert gone == {"__typename": "ArtifactSequence", "state": "DELETED"}
    assert collection(site, "renamed", "weights") == {}
    assert collection(site, "shelf")["artifacts"]["totalCount"] == 0
    assert "no such collection" in refused(site, delete, id=number)


def test_a_deleted_portfolio_leaves_its_versions(site: Any, log: Log) -> None:
    site.ask(LINK, **linked(log({"f": b"0"}), "shelf"))
    delete = """mutation($id: ID!) { deleteArtifactPortfolio(input: {artifactPortfolioID: $id}) {
      artifactCollection { __typename state } } }"""
    site.ask(delete, id=collection(site, "shelf")["id"])
    assert (collection(site, "shelf"), version(site, "m:v0")) == ({}, 0)


def test_aliases_are_given_and_taken_in_the_collection_that_they_name(site: Any, log: Log) -> None:
    number = log({"f": b"0"})
    site.ask(LINK, **linked(number, "shelf"))
    add = "mutation($input: AddAliasesInput!){ result: addAliases(input: $input) { success } }"
    drop = "mutation($input: DeleteAliasesInput!){ result: deleteAliases(input: $input) { success } }"
    place = {"entityName": "kag", "projectName": "p", "artifactCollectionName": "shelf", "alias": "prod"}
    site.ask(add, input={"artifactID": number, "aliases": [place]})
    assert (aliases(site, "shelf:prod"), aliases(site, "m:v0")) == (["latest", "prod", "v0"], ["latest", "v0"])
    site.ask(drop, input={"artifactID": number, "aliases": [place]})
    assert version(site, "shelf:prod") is None
    elsewhere = {**place, "artifactCollectionName": "nowhere"}
    assert "no collection 'nowhere'" in refused(site, add, input={"artifactID": number, "aliases": [elsewhere]})


def test_versions_are_listed_in_the_order_that_is_asked_for(site: Any, log: Log) -> None:
    for index in range(3):
        log({"f": bytes([index])})
        site.now += 10
    query = """query($order: String, $filters: JSONString) { project(name: "p") { artifactType(name: "model") {
      artifactCollection(name: "m") { artifacts(order: $order, filters: $filters) { edges { version } } } } } }"""

    def listed(**words: Any) -> list[str]:
        edges = site.ask(query, **words)["project"]["artifactType"]["artifactCollection"]["artifacts"]["edges"]
        return [one["version"] for one in edges]

    assert listed() == listed(order="-createdAt", filters='{"state": "COMMITTED"}') == ["v2", "v1", "v0"]
    assert listed(order="+createdAt") == listed(order="versionIndex") == ["v0", "v1", "v2"]
    assert "not by 'digest'" in refused(site, query, order="digest")
    assert "no other filter" in refused(site, query, filters='{"tags": "blue"}')
