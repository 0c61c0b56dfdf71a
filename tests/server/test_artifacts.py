"""Versions of artifacts: drafts, shared content, joint versions, numbers, what runs have logged."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import pytest
from graphql import GraphQLObjectType, get_named_type, is_abstract_type

from kag.server.app import WAY_TO_ARTIFACTS
from kag.server.schema import served
from tests.server.artifact_log import (
    COMMIT,
    DELETE,
    FILES,
    FRAGMENT,
    LINK,
    Log,
    alias_of,
    collection,
    content,
    found,
    linked,
    md5,
    outputs,
    refused,
    version,
)

pytestmark = pytest.mark.everywhere


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


def test_a_file_that_the_manifest_does_not_have_is_none_of_the_version(site: Any, log: Log) -> None:
    number = log({"kept.txt": b"kept"}, commit=False)
    log.send(number, {"stray.txt": b"stray"})
    site.ask(COMMIT, artifactID=number)
    assert content(site, "m:v0") == {"kept.txt": "kept"}


def test_content_that_the_server_has_is_not_sent_again_and_outlives_its_first_version(site: Any, log: Log) -> None:
    first = log({"a.txt": b"same", "b.txt": b"b"})
    log.sent.clear()
    log({"other.txt": b"same"}, "n")
    assert log.sent == []
    site.ask(DELETE, input={"artifactID": first, "deleteAliases": True})
    site.restart()
    assert content(site, "n:latest") == {"other.txt": "same"}
    assert len(site.settings.files.lying(before=math.inf)) == 2, "the content and the manifest that are left"


def test_content_whose_file_is_lost_is_asked_for_again(site: Any, log: Log) -> None:
    log({"a.txt": b"content"})
    place = site.settings.files
    place.remove(one.path for one in place.lying(before=math.inf) if place.read(one.path) == b"content")
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
    first = log({"part0": b"0"}, commit=False, digest="one", aliases=[alias_of("joint")], **words)
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
    log({"f": b"f"}, aliases=[alias_of("best")])
    words = {"aliases": [alias_of("best"), alias_of("latest")]}
    pending = log({"f": b"g"}, commit=False, **words)
    assert version(site, "m:best") == version(site, "m:latest") == 0
    site.ask(COMMIT, artifactID=pending)
    assert version(site, "m:best") == version(site, "m:latest") == 1


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
    assert (version(site, "own:v0"), version(site, "m:v0")) == (None, None), "nobody is left who has logged it"


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
    assert [version(site, f"m:v{index}") for index in range(3)] == [0, 1, None]
    assert version(site, "m:latest") == 1


def test_what_has_lived_its_time_is_found_by_nobody(site: Any, log: Log) -> None:
    kept = log({"f": b"1"})
    over = log({"f": b"2"}, ttlDurationSeconds=100, aliases=[alias_of("best")], clientID="c1")
    run = {"entityName": "kag", "projectName": "p", "runName": "first"}
    use = "mutation($input: UseArtifactInput!){ useArtifact(input: $input) { artifact { id } } }"
    site.ask(use, input={**run, "artifactID": over})
    inputs = '{project(name:"p"){run(name:"first"){inputArtifacts(first:9){edges{node{versionIndex}}}}}}'
    link = found(site, "m:best")["files"]["edges"][0]["node"]["directUrl"]
    manifest = found(site, "m:best")["artifact"]["currentManifest"]["file"]["directUrl"]
    assert [site.http.get(one).status_code for one in (link, manifest)] == [200, 200]
    site.now += 100
    assert [site.http.get(one).status_code for one in (link, manifest)] == [404, 404]
    assert [version(site, f"m:{name}") for name in ("v1", "best", "latest")] == [None, None, 0]
    assert [one["version"] for one in collection(site)["artifacts"]["edges"]] == ["v0"]
    assert [one["node"]["alias"] for one in collection(site)["aliases"]["edges"]] == ["latest"]
    assert outputs(site, "first") == [("m", 0, "first")]
    assert site.ask(inputs)["project"]["run"]["inputArtifacts"]["edges"] == []
    assert "no such artifact" in refused(site, "query($a: ID!){artifact(id: $a){digest}}", a=over)
    assert "no such artifact" in refused(site, use, input={**run, "artifactID": over})
    mapping = "query ClientIDMapping($clientID: ID!){ clientIDMapping(clientID: $clientID) { serverID } }"
    assert site.ask(mapping, clientID="c1")["clientIDMapping"] is None
    assert site.ask("query($a: ID!){artifact(id: $a){state}}", a=kept)["artifact"] == {"state": "COMMITTED"}


def test_a_link_ends_with_the_version_that_it_belongs_to(site: Any, log: Log) -> None:
    first, second = log({"f": b"shared"}), log({"f": b"shared", "g": b"g"})
    links = {name: found(site, name)["files"]["edges"][0]["node"]["directUrl"] for name in ("m:v0", "m:v1")}
    site.ask(DELETE, input={"artifactID": first, "deleteAliases": True})
    assert [site.http.get(link).status_code for link in links.values()] == [404, 200]
    site.ask(DELETE, input={"artifactID": second, "deleteAliases": True})
    answer = site.http.get(links["m:v1"])
    assert (answer.status_code, answer.json()["error"]) == (404, "what this link belongs to is gone")


def test_every_way_to_a_version_has_its_word() -> None:
    """Before a request with this word, versions that have lived their time are deleted."""
    schema = served()
    reached, left = set[str](), ["Query"]
    while left:
        kind = schema.type_map[left.pop()]
        inner = schema.get_possible_types(kind) if is_abstract_type(kind) else [kind]
        for one in inner:
            if one.name not in reached and isinstance(one, GraphQLObjectType):
                reached.add(one.name)
                fields = [field for name, field in one.fields.items() if WAY_TO_ARTIFACTS not in name]
                left += [get_named_type(field.type).name for field in fields]
    assert {"Run", "Project", "User"} <= reached
    assert [name for name in reached if "Artifact" in name] == []
