"""Artifacts: versions, drafts, joint versions, aliases, links and collections, by the documents that clients send."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

CREATE = """mutation CreateArtifact($input: CreateArtifactInput!) {
  createArtifact(input: $input) { ...CreatedArtifact } }
fragment CreatedArtifact on CreateArtifactPayload {
  artifact { id state artifactSequence { latestArtifact { id } } } }"""
FILES = """mutation CreateArtifactFiles($storageLayout: ArtifactStorageLayout!
  $artifactFiles: [CreateArtifactFileSpecInput!]!) { createArtifactFiles(
  input: {artifactFiles: $artifactFiles, storageLayout: $storageLayout}) { files { edges { node {
  id name displayName storagePath uploadUrl uploadHeaders
  uploadMultipartUrls { uploadID uploadUrlParts { partNumber uploadUrl } } artifact { id } } } } } }"""
MANIFEST = """mutation CreateArtifactManifest($artifactID: ID! $baseArtifactID: ID $name: String! $digest: String!
  $entityName: String! $projectName: String! $runName: String! $manifestType: ArtifactManifestType!
  $includeUpload: Boolean!) { createArtifactManifest(input: {artifactID: $artifactID baseArtifactID: $baseArtifactID
  name: $name digest: $digest entityName: $entityName projectName: $projectName runName: $runName type: $manifestType})
  { artifactManifest { id file { id name displayName uploadUrl @include(if: $includeUpload)
    uploadHeaders @include(if: $includeUpload) } } } }"""
UPDATE_MANIFEST = """mutation UpdateArtifactManifest($artifactManifestID: ID! $digest: String $baseArtifactID: ID
  $includeUpload: Boolean!) { updateArtifactManifest(input: {artifactManifestID: $artifactManifestID digest: $digest
  baseArtifactID: $baseArtifactID}) { artifactManifest { id file { id uploadUrl @include(if: $includeUpload)
  uploadHeaders @include(if: $includeUpload) } } } }"""
COMMIT = "mutation($artifactID: ID!){ commitArtifact(input: {artifactID: $artifactID}) { artifact { id digest } } }"
FRAGMENT = """fragment ArtifactFragment on Artifact { __typename id versionIndex description metadata state digest
  digestAlgorithm size fileCount historyStep commitHash createdAt updatedAt ttlDurationSeconds ttlIsInherited
  artifactType { name } tags { __typename id name }
  artifactSequence { __typename name project { id internalId name entity { name } } }
  aliases { __typename id alias artifactCollection { __typename name project { name entity { name } } } } }"""
MEMBERSHIP = (
    """query($name: String!){ project(name: "p", entityName: "kag") { artifactCollectionMembership(name: $name) {
  __typename id versionIndex createdAt aliases { alias } artifactCollection { __typename name }
  artifact { ...ArtifactFragment currentManifest { file { directUrl } } }
  files(first: 100) { edges { node { name directUrl } } } } } } """
    + FRAGMENT
)
DELETE = """mutation($input: DeleteArtifactInput!){ deleteArtifact(input: $input) { artifact { id } } }"""
LINK = """mutation LinkArtifact($artifactPortfolioName: String!, $entityName: String!, $projectName: String!,
  $aliases: [ArtifactAliasInput!], $clientId: ID, $artifactId: ID) { linkArtifact(input: {
  artifactPortfolioName: $artifactPortfolioName, entityName: $entityName, projectName: $projectName, aliases: $aliases,
  artifactID: $artifactId, clientID: $clientId}) { versionIndex } }"""
COLLECTION = """query($type: String!, $name: String!){ project(name: "p", entityName: "kag") {
  artifactType(name: $type) { artifactCollection(name: $name) { __typename id name description state type: defaultArtifactType { name }
  tags { edges { node { id name } } } aliases { edges { node { alias } } }
  artifacts(first: 50) { totalCount edges { version node { id digest } } } } } } }"""
OUTPUTS = """query($run: String!){ project(name: "p") { run(name: $run) { outputArtifacts(first: 50) { edges { node {
  versionIndex artifactSequence { name } createdBy { name } } } } } } }"""


def md5(content: bytes) -> str:
    """As a client writes the digest of a file."""
    return base64.b64encode(hashlib.md5(content).digest()).decode()


class Log:
    """Logs artifacts as the client does."""

    def __init__(self, site: Any) -> None:
        self.site = site
        self.sent: list[str] = []
        site.run()

    def create(self, name: str, digest: str, **words: Any) -> dict[str, Any]:
        """Ask for a version."""
        given = {
            "entityName": "kag", "projectName": "p", "runName": "first", "artifactTypeName": "model", "digest": digest,
            "artifactCollectionNames": [name], "digestAlgorithm": "MANIFEST_MD5", **words,
        }  # fmt: skip
        made: dict[str, Any] = self.site.ask(CREATE, input=given)["createArtifact"]["artifact"]
        return made

    def manifest(self, number: str, contents: dict[str, Any], kind: str, base: str | None) -> None:
        """Send a manifest."""
        given = {
            "artifactID": number, "baseArtifactID": base, "name": "wandb_manifest.json", "digest": "", "entityName":
            "kag", "projectName": "p", "runName": "first", "manifestType": kind, "includeUpload": False,
        }  # fmt: skip
        made = self.site.ask(MANIFEST, **given)["createArtifactManifest"]["artifactManifest"]
        given = {"artifactManifestID": made["id"], "digest": "x", "includeUpload": True}
        file = self.site.ask(UPDATE_MANIFEST, **given)["updateArtifactManifest"]["artifactManifest"]["file"]
        document = {"version": 1, "storagePolicy": "wandb-storage-policy-v1", "contents": contents}
        assert self.site.http.put(file["uploadUrl"], content=json.dumps(document)).status_code == 200

    def send(self, number: str, files: dict[str, bytes]) -> dict[str, Any]:
        """Send files; their manifest entries."""
        specs = [{"artifactID": number, "name": name, "md5": md5(content)} for name, content in files.items()]
        answer = self.site.ask(FILES, artifactFiles=specs, storageLayout="V2")["createArtifactFiles"]
        for spec, edge in zip(specs, answer["files"]["edges"], strict=True):
            node = edge["node"]
            assert (node["name"], node["displayName"]) == (spec["name"], spec["name"])
            assert node["id"]
            assert node["storagePath"]
            if node["uploadUrl"] is not None:
                self.sent.append(node["name"])
                assert self.site.http.put(node["uploadUrl"], content=files[node["name"]]).status_code == 200
        return {name: {"digest": md5(content), "size": len(content)} for name, content in files.items()}

    def __call__(
        self,
        files: dict[str, bytes],
        name: str = "m",
        *,
        old: dict[str, Any] | None = None,
        kind: str = "FULL",
        base: str | None = None,
        commit: bool = True,
        digest: str | None = None,
        **words: Any,
    ) -> str:
        """Log a version whose manifest has these files, and `old` entries that are not sent; its id."""
        contents = {name: {"digest": md5(content)} for name, content in files.items()} | (old or {})
        digest = digest or hashlib.md5(json.dumps(contents, sort_keys=True).encode()).hexdigest()
        made = self.create(name, digest, **words)
        number = str(made["id"])
        if made["state"] == "PENDING":
            self.manifest(number, self.send(number, files) | (old or {}), kind, base)
            if commit:
                self.site.ask(COMMIT, artifactID=number)
        return number


@pytest.fixture
def log(site: Any) -> Log:
    return Log(site)


def found(site: Any, name: str) -> dict[str, Any]:
    """What a name like `m:latest` names; {} if nothing."""
    project = site.ask(MEMBERSHIP, name=name)["project"]
    return dict(project["artifactCollectionMembership"] or {})


def version(site: Any, name: str) -> int | None:
    return found(site, name).get("versionIndex")


def content(site: Any, name: str) -> dict[str, str]:
    """The files that a version gives, fetched."""
    edges = found(site, name)["files"]["edges"]
    return {one["node"]["name"]: site.http.get(one["node"]["directUrl"]).text for one in edges}


def aliases(site: Any, name: str) -> list[str]:
    return sorted(one["alias"] for one in found(site, name)["aliases"])


def refused(site: Any, query: str, **variables: Any) -> str:
    """What a client is told when a request is refused."""
    answer = site.post(query, **variables)
    assert 400 <= answer.status_code < 500, answer.text
    return str(answer.json()["errors"][0]["message"])


def collection(site: Any, name: str = "m", type_name: str = "model") -> dict[str, Any]:
    found = site.ask(COLLECTION, type=type_name, name=name)["project"]["artifactType"]["artifactCollection"]
    return dict(found or {})


def outputs(site: Any, run: str) -> list[tuple[str, int, str]]:
    """What a run has logged: collection, number, the run that made it."""
    edges = site.ask(OUTPUTS, run=run)["project"]["run"]["outputArtifacts"]["edges"]
    nodes = [one["node"] for one in edges]
    return [(one["artifactSequence"]["name"], one["versionIndex"], one["createdBy"]["name"]) for one in nodes]


def test_a_draft_holds_the_files_that_were_not_sent_again(site: Any, log: Log) -> None:
    log({"f.txt": b"f", "deep/g.txt": b"g"})
    log.sent.clear()
    log({"h.txt": b"h"}, old={"f.txt": {"digest": md5(b"f")}, "moved.txt": {"digest": md5(b"g")}})
    assert log.sent == ["h.txt"]
    assert content(site, "m:latest") == {"f.txt": "f", "h.txt": "h", "moved.txt": "g"}
    assert content(site, "m:v0") == {"f.txt": "f", "deep/g.txt": "g"}


def test_a_version_is_not_committed_without_all_of_its_content(site: Any, log: Log) -> None:
    number = log({"f.txt": b"f"}, old={"lost.txt": {"digest": md5(b"lost")}}, commit=False)
    assert "'lost.txt' has not arrived" in refused(site, COMMIT, artifactID=number)
    bare = log.create("m", "digest")["id"]
    assert "manifest" in refused(site, COMMIT, artifactID=bare)
    assert found(site, "m:latest") == {}
    referred = {"away": {"digest": "etag", "ref": "s3://bucket/away", "size": 3}}
    log({}, old=referred)
    assert [one["node"]["directUrl"] for one in found(site, "m:v0")["files"]["edges"]] == ["s3://bucket/away"]


def test_content_that_the_server_has_is_not_sent_again_and_outlives_its_first_version(site: Any, log: Log) -> None:
    first = log({"a.txt": b"same", "b.txt": b"b"})
    log.sent.clear()
    log({"other.txt": b"same"}, "n")
    assert log.sent == []
    site.ask(DELETE, input={"artifactID": first, "deleteAliases": True})
    site.restart()
    assert content(site, "n:latest") == {"other.txt": "same"}
    kept = [path for path in site.settings.files.rglob("*") if path.is_file()]
    assert len(kept) == 2, "the content and the manifest that are left"


def test_content_whose_file_is_lost_is_asked_for_again(site: Any, log: Log) -> None:
    log({"a.txt": b"content"})
    for path in site.settings.files.rglob("*"):
        if path.is_file() and path.read_bytes() == b"content":
            path.unlink()
    log.sent.clear()
    log({"again.txt": b"content"})
    assert log.sent == ["again.txt"]
    assert content(site, "m:latest") == {"again.txt": "content"}


def test_replacing_a_file_that_versions_share_leaves_it_to_the_others(site: Any, log: Log) -> None:
    log({"a.txt": b"shared"})
    pending = log.create("m", "other")["id"]
    log.send(pending, {"a.txt": b"shared"})
    log.send(pending, {"a.txt": b"changed"})
    log.manifest(pending, {"a.txt": {"digest": md5(b"changed")}}, "FULL", None)
    site.ask(COMMIT, artifactID=pending)
    assert (content(site, "m:v0"), content(site, "m:v1")) == ({"a.txt": "shared"}, {"a.txt": "changed"})


def test_a_committed_version_does_not_change(site: Any, log: Log) -> None:
    made = log.create("m", "digest")["id"]
    specs = [{"artifactID": made, "name": "a.txt", "md5": md5(b"a")}]
    answer = site.ask(FILES, artifactFiles=specs, storageLayout="V2")["createArtifactFiles"]["files"]["edges"]
    link = answer[0]["node"]["uploadUrl"]
    assert site.http.put(link, content=b"a").status_code == 200
    log.manifest(made, {"a.txt": {"digest": md5(b"a")}}, "FULL", None)
    site.ask(COMMIT, artifactID=made)
    assert site.http.put(link, content=b"b").status_code == 409
    assert "committed" in refused(site, FILES, artifactFiles=specs, storageLayout="V2")
    assert content(site, "m:v0") == {"a.txt": "a"}


def test_an_incremental_version_goes_on_from_its_base(site: Any, log: Log) -> None:
    base = log({"f.txt": b"f", "g.txt": b"g"})
    number = log({"g.txt": b"new", "h.txt": b"h"}, kind="INCREMENTAL", base=base)
    whole = {"f.txt": "f", "g.txt": "new", "h.txt": "h"}
    assert content(site, "m:v1") == whole
    manifest = site.http.get(found(site, "m:v1")["artifact"]["currentManifest"]["file"]["directUrl"]).json()
    assert {name: one["digest"] for name, one in manifest["contents"].items()} == {
        name: md5(text.encode()) for name, text in whole.items()
    }
    lines = "".join(f"{name}:{md5(text.encode())}\n" for name, text in sorted(whole.items()))
    digest = hashlib.md5(f"wandb-artifact-manifest-v1\n{lines}".encode()).hexdigest()
    assert found(site, "m:v1")["artifact"]["digest"] == digest
    same = {name: text.encode() for name, text in whole.items()}
    assert log(same, digest=digest) == number, "all of it logged at once is the same version"


def test_an_incremental_version_without_a_base_is_what_was_sent_and_a_lost_base_is_named(site: Any, log: Log) -> None:
    base = log({"f.txt": b"f"}, kind="INCREMENTAL", base=None)
    assert content(site, "m:v0") == {"f.txt": "f"}
    pending = log({"g.txt": b"g"}, kind="INCREMENTAL", base=base, commit=False)
    site.ask(DELETE, input={"artifactID": base, "deleteAliases": True})
    assert "goes on from is gone" in refused(site, COMMIT, artifactID=pending)


def test_a_joint_version_has_the_files_of_all_its_runs(site: Any, log: Log) -> None:
    for run in ("second", "third"):
        site.run(run)
    words = {"kind": "PATCH", "distributedID": "group"}
    first = log({"part0": b"0"}, commit=False, digest="one", aliases=[{"alias": "joint"}], **words)
    second = log({"part1": b"1"}, commit=False, digest="two", runName="second", **words)
    assert found(site, "m:joint") == {}
    last = log({"part2": b"2"}, digest="three", runName="third", tags=[{"tagName": "whole"}], **words)
    assert first == second == last
    assert content(site, "m:joint") == {"part0": "0", "part1": "1", "part2": "2"}
    assert [one["name"] for one in found(site, "m:latest")["artifact"]["tags"]] == ["whole"]
    assert outputs(site, "second") == outputs(site, "third") == [("m", 0, "first")]
    log({"part0": b"new"}, digest="four", **words)
    assert content(site, "m:v1") == {"part0": "new"}, "the same id begins anew once the version is committed"


def test_numbers_are_given_once_and_latest_is_the_newest_that_is_left(site: Any, log: Log) -> None:
    numbers = [log({"f": bytes([index])}) for index in range(3)]
    told = refused(site, DELETE, input={"artifactID": numbers[2], "deleteAliases": False})
    assert "'latest'" in told
    assert "delete_aliases=True" in told
    site.ask(DELETE, input={"artifactID": numbers[0]})
    assert (version(site, "m:v0"), version(site, "m:latest")) == (None, 2)
    site.ask(DELETE, input={"artifactID": numbers[2], "deleteAliases": True})
    assert version(site, "m:latest") == 1
    log({"f": b"again"})
    assert version(site, "m:latest") == 3
    assert [one["version"] for one in collection(site)["artifacts"]["edges"]] == ["v3", "v1"]


def test_a_version_that_never_arrives_takes_no_name_away(site: Any, log: Log) -> None:
    log({"f": b"f"}, aliases=[{"alias": "best"}])
    words = {"aliases": [{"alias": "best"}, {"alias": "latest"}]}
    pending = log({"f": b"g"}, commit=False, **words)
    assert version(site, "m:best") == version(site, "m:latest") == 0
    site.ask(COMMIT, artifactID=pending)
    assert version(site, "m:best") == version(site, "m:latest") == 1


@pytest.mark.parametrize("alias", ["v0", "v17", "v99999999999"])
def test_an_alias_that_reads_like_a_number_is_refused_everywhere(site: Any, log: Log, alias: str) -> None:
    number = log({"f": b"f"})
    place = {"artifactCollectionName": "m", "entityName": "kag", "projectName": "p"}
    add = "mutation($input: AddAliasesInput!){ result: addAliases(input: $input) { success } }"
    given = {"artifactTypeName": "model", "artifactCollectionNames": ["m"], "projectName": "p", "digest": "other"}
    asked: list[tuple[str, dict[str, Any]]] = [
        (CREATE, {"input": {**given, "aliases": [{"alias": alias}]}}),
        (add, {"input": {"artifactID": number, "aliases": [{**place, "alias": alias}]}}),
        (LINK, {**linked(number, "shelf"), "aliases": [{"alias": alias}]}),
    ]
    for query, variables in asked:
        assert f"'{alias}' cannot be an alias" in refused(site, query, **variables)
    assert aliases(site, "m:v0") == ["latest", "v0"]
    assert collection(site, "shelf") == {}


def linked(number: str, name: str, project: str = "p") -> dict[str, Any]:
    return {"artifactId": number, "artifactPortfolioName": name, "entityName": "kag", "projectName": project}


def test_the_same_content_logged_again_is_an_output_of_both_runs(site: Any, log: Log) -> None:
    site.run("second")
    first = log({"f": b"f"}, clientID="c1")
    assert log({"f": b"f"}, clientID="c2", runName="second") == first
    assert outputs(site, "first") == outputs(site, "second") == [("m", 0, "first")]
    mapping = "query ClientIDMapping($clientID: ID!){ clientIDMapping(clientID: $clientID) { serverID } }"
    known = [site.ask(mapping, clientID=name)["clientIDMapping"]["serverID"] for name in ("c1", "c2")]
    assert known == [first, first], "what a later artifact refers to by its own id is found"


def test_delete_artifacts_takes_what_no_other_run_has_logged(site: Any, log: Log) -> None:
    second = site.run("second")["bucket"]["id"]
    log({"f": b"shared"})
    log({"f": b"shared"}, runName="second")
    log({"f": b"own"}, "own", runName="second")
    first = site.run()["bucket"]["id"]
    query = """mutation DeleteRun($id: ID!, $deleteArtifacts: Boolean) {
      deleteRun(input: {id: $id, deleteArtifacts: $deleteArtifacts}) { clientMutationId } }"""
    site.ask(query, id=first, deleteArtifacts=True)
    assert version(site, "m:v0") == 0
    site.ask(query, id=second, deleteArtifacts=True)
    assert (version(site, "own:v0"), version(site, "m:v0")) == (None, 0)


def test_a_time_to_live_is_kept_changed_and_ends_what_is_not_linked(site: Any, log: Log) -> None:
    first = log({"f": b"1"}, ttlDurationSeconds=100)
    second = log({"f": b"2"}, ttlDurationSeconds=100)
    third = log({"f": b"3"})
    update = """mutation UpdateArtifact($input: UpdateArtifactInput!, $includeAliases: Boolean = true) {
      result: updateArtifact(input: $input) { artifact { ...ArtifactFragment } } } """
    site.ask(update + FRAGMENT, input={"artifactID": third, "ttlDurationSeconds": 100, "metadata": "{}"})
    site.ask(update + FRAGMENT, input={"artifactID": second, "ttlDurationSeconds": -2})
    site.ask(LINK, **linked(first, "shelf"))
    lives = [found(site, f"m:v{index}")["artifact"]["ttlDurationSeconds"] for index in range(3)]
    assert lives == [100, -2, 100]
    site.now += 101
    log({"f": b"4"}, "other")
    assert [version(site, f"m:v{index}") for index in range(3)] == [0, 1, None]
    assert version(site, "m:latest") == 1


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
    again = site.ask(LINK, **linked(second, "shelf"))["linkArtifact"]
    assert again == {"versionIndex": 0}
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
    assert "kag serve keeps no registries" in told
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
    assert "filters them by nothing else" in refused(site, query, filters='{"tags": "blue"}')
