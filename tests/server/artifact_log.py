"""Artifacts logged, linked and read in-process, by the documents that clients send."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

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
  artifactType(name: $type) { artifactCollection(name: $name) {
  __typename id name description state type: defaultArtifactType { name }
  tags { edges { node { id name } } } aliases { edges { node { alias } } }
  artifacts(first: 50) { totalCount edges { version node { id digest } } } } } } }"""
OUTPUTS = """query($run: String!){ project(name: "p") { run(name: $run) { outputArtifacts(first: 50) { edges { node {
  versionIndex artifactSequence { name } createdBy { name } } } } } } }"""


def md5(content: bytes) -> str:
    """As a client writes the digest of a file."""
    return base64.b64encode(hashlib.md5(content).digest()).decode()


def alias_of(alias: str, collection: str = "m") -> dict[str, str]:
    """An alias as it is given to a version of a collection."""
    return {"artifactCollectionName": collection, "alias": alias}


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
    assert answer.status_code < 500, answer.text
    return str(answer.json()["errors"][0]["message"])


def collection(site: Any, name: str = "m", type_name: str = "model") -> dict[str, Any]:
    found = site.ask(COLLECTION, type=type_name, name=name)["project"]["artifactType"]["artifactCollection"]
    return dict(found or {})


def outputs(site: Any, run: str) -> list[tuple[str, int, str]]:
    """What a run has logged: collection, number, the run that made it."""
    edges = site.ask(OUTPUTS, run=run)["project"]["run"]["outputArtifacts"]["edges"]
    nodes = [one["node"] for one in edges]
    return [(one["artifactSequence"]["name"], one["versionIndex"], one["createdBy"]["name"]) for one in nodes]


def linked(number: str, name: str, project: str = "p") -> dict[str, Any]:
    return {"artifactId": number, "artifactPortfolioName": name, "entityName": "kag", "projectName": project}
