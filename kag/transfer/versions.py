"""Versions of artifacts of one server into another: numbers, aliases, files, who logged them and who used them."""

from __future__ import annotations

import base64
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from kag.errors import NotTaken
from kag.transfer.artifact_content import Content, Entry
from kag.transfer.asking import Project
from kag.transfer.target import Target

_TYPES = "page: artifactTypes(first: 100, after: $after) PAGE"
_COLLECTIONS = "artifactType(name: $t) { page: artifactCollections(first: 100, after: $after) PAGE }"
_VERSIONS = """artifactType(name: $t) { artifactCollection(name: $c) {
  page: artifacts(first: 50, after: $after, order: "versionIndex") PAGE } }"""
_VERSION = """version node { id digest state description metadata createdAt historyStep versionIndex
  tags { name } aliases { alias artifactCollection { name } }
  artifactSequence { name }
  createdBy { __typename ... on Run { name project { name entityName } } }
  usedBy(first: 100) { edges { node { name project { name entityName } } } pageInfo { hasNextPage } } }"""
_USERS = """query($i: ID!, $after: String) { artifact(id: $i) { usedBy(first: 500, after: $after) {
  edges { node { name project { name entityName } } } pageInfo { hasNextPage endCursor } } } }"""
_MADE_BY_WANDB = frozenset({"wandb-history", "wandb-run-config"})
"""Types that W&B's server makes of what it has of a run anyway."""
_CLIENT = re.compile(r"wandb-client-artifact://([0-9A-Za-z_-]+)/")


class Version(NamedTuple):
    """A version in a collection."""

    type: str
    collection: str
    number: int
    node: Mapping[str, Any]

    @property
    def name(self) -> str:
        """As people write it."""
        return f"{self.collection}:v{self.number}"

    @property
    def is_linked(self) -> bool:
        """Whether it was logged to another collection."""
        return bool(self.node["artifactSequence"]["name"] != self.collection)

    @property
    def aliases(self) -> set[str]:
        """Those that people gave it in this collection, and `latest`; servers list its number among them."""
        found = (one for one in self.node["aliases"] or () if one["artifactCollection"]["name"] == self.collection)
        return {one["alias"] for one in found if not re.fullmatch(r"v\d+", one["alias"])}


def versions_of(project: Project) -> Iterator[Version]:
    """Every committed version of every collection; those that were logged first, then those that were linked.

    Raises:
        NotTaken: the server does not list them.
    """
    types = [edge["node"]["name"] for edge in project.pages(_TYPES, "node { name }")]
    linked: list[Version] = []
    for kind in sorted(set(types) - _MADE_BY_WANDB):
        found = project.pages(_COLLECTIONS, "node { name }", "$t: String!", t=kind)
        for collection in sorted(edge["node"]["name"] for edge in found):
            words = {"t": kind, "c": collection}
            pages = project.pages(_VERSIONS, _VERSION, "$t: String!, $c: String!", **words)
            edges = [edge for edge in pages if edge["node"]["state"] == "COMMITTED"]
            every = [Version(kind, collection, int(edge["version"].removeprefix("v")), edge["node"]) for edge in edges]
            for version in sorted(every, key=lambda one: one.number):
                if version.is_linked:
                    linked.append(version)
                else:
                    yield version
    yield from linked


class Versions:
    """The versions of a server that are brought to another one.

    Args:
        target: where they go.
        content: gives what is in a version of the origin.
        origin: where they are.
    """

    def __init__(self, target: Target, origin: Project, content: Content) -> None:
        self.target = target
        self.origin = origin
        self.content = content
        self._ids: dict[str, str] = {}
        """Id there -> id here."""

    def bring(self, refused: Callable[[str, NotTaken], None], tell: Callable[[], None]) -> int:
        """Make the versions that the server has not, and bring aliases and links up to date; how many are new.

        Args:
            refused: told of a version that cannot be taken.
            tell: told after each one.

        Raises:
            NotTaken: one of the servers does not list its versions.
        """
        held = {(version.collection, version.number): version for version in versions_of(self.target)}
        new = 0
        for version in versions_of(self.origin):
            try:
                new += self._version(version, held.get((version.collection, version.number)))
            except NotTaken as error:
                refused(f"artifact {version.name}", error)
            tell()
        return new

    def _version(self, version: Version, there: Version | None) -> bool:
        if version.is_linked:
            return self._link(version, there)
        if there is not None and there.node["digest"] != version.node["digest"]:
            remedy = "import into a project of its own: --into ENTITY/PROJECT"
            raise NotTaken("there is a version of this number here, with another content", remedy=remedy)
        number = self._make(version) if there is None else there.node["id"]
        self._ids[version.node["id"]] = number
        if there is not None and there.aliases != version.aliases:
            aliases = _aliases(version.collection, version.aliases)
            self.target.change("updateArtifact", {"artifactID": number, "aliases": aliases}, "artifact { id }")
        used = set() if there is None else _users(there, self.target)
        for run in sorted(_users(version, self.origin) - used):
            given = {**self.target.place, "artifactID": number, "runName": run}
            self.target.change("useArtifact", given, "artifact { id }")
        return there is None

    def _make(self, version: Version) -> str:
        """A version with its number, its files and its manifest; its id. Until it is committed nobody finds it."""
        node, target = version.node, self.target
        manifest = self.content.manifest(version.node["id"])
        given = {
            **target.place,
            "runName": _maker(version, self.origin),
            "artifactTypeName": version.type,
            "artifactCollectionName": version.collection,
            "digest": node["digest"],
            "digestAlgorithm": "MANIFEST_MD5",
            **{name: node[name] for name in ("description", "metadata", "historyStep")},
            "aliases": _aliases(version.collection, version.aliases - {"latest"}),
            "tags": [{"tagName": tag["name"]} for tag in node["tags"] or ()],
            "enableDigestDeduplication": False,
        }
        number: str = target.change("createArtifact", given, "artifact { id }")["artifact"]["id"]
        stated = {"artifactID": number, "versionIndex": version.number, "createdAt": node["createdAt"]}
        target.change("importArtifact", stated, "artifact { id }")
        self._send(version, number, manifest)
        target.change("commitArtifact", {"artifactID": number}, "artifact { id }")
        return number

    def _send(self, version: Version, number: str, manifest: Mapping[str, Any]) -> None:
        target = self.target
        entries = {name: self._entry(entry, number) for name, entry in manifest["contents"].items()}
        body = json.dumps({**manifest, "contents": entries}).encode()
        named = {"artifactID": number, "name": "wandb_manifest.json", "digest": version.node["digest"], "type": "FULL"}
        made = target.change("createArtifactManifest", named, "artifactManifest { file { uploadUrl } }")
        target.put(made["artifactManifest"]["file"]["uploadUrl"], body)
        stored = [(name, entry) for name, entry in entries.items() if entry.get("ref") is None]
        for start in range(0, len(stored), 1000):
            part = stored[start : start + 1000]
            wanted = [{"artifactID": number, "name": name, "md5": entry["digest"]} for name, entry in part]
            edges = target.change(
                "createArtifactFiles", {"artifactFiles": wanted}, "files { edges { node { uploadUrl } } }"
            )
            for (name, _), edge in zip(part, edges["files"]["edges"], strict=True):
                if edge["node"]["uploadUrl"] is not None:
                    with tempfile.TemporaryDirectory() as folder:
                        file = self.content.fetch(version.node["id"], name, Path(folder))
                        target.put(edge["node"]["uploadUrl"], file)

    def _entry(self, entry: Entry, number: str) -> Entry:
        """What a manifest says of a file; a reference to a version there becomes one to the same version here."""
        entry = {**entry, **({"birthArtifactID": number} if entry.get("ref") is None else {})}
        found = re.fullmatch(r"wandb-artifact://([0-9a-f]+)(/.*)", str(entry.get("ref")))
        if found:
            there = base64.b64encode(bytes.fromhex(found[1])).decode()
            if there in self._ids:
                entry["ref"] = f"wandb-artifact://{base64.b64decode(self._ids[there]).hex()}{found[2]}"
        return entry

    def _link(self, version: Version, there: Version | None) -> bool:
        number = self._ids.get(version.node["id"])
        if number is None:
            raise NotTaken("it was logged in another project, which is not imported here")
        if there is not None and there.aliases == version.aliases:
            return False
        given = {**self.target.place, "artifactID": number, "artifactPortfolioName": version.collection}
        aliases = _aliases(version.collection, version.aliases - {"latest"})
        self.target.change("linkArtifact", {**given, "aliases": aliases}, "versionIndex")
        return there is None

    def introduce(self, lines: Iterator[str]) -> Iterator[str]:
        """The lines of a history, as they are; a version that one of them names by the id which its client chose is
        known here by that id before the line is.

        Raises:
            NotTaken: one of the servers refuses it.
        """
        known: set[str] = set()
        for line in lines:
            for client in _CLIENT.findall(line):
                if client not in known:
                    known.add(client)
                    self._introduce(client)
            yield line

    def _introduce(self, client: str) -> None:
        query = "query($c: ID!) { clientIDMapping(clientID: $c) { serverID } }"
        found = self.origin.ask(query, c=client)["clientIDMapping"]
        number = self._ids.get(found["serverID"]) if found else None
        if number is None or self.target.ask(query, c=client)["clientIDMapping"]:
            return
        asked = "query($i: ID!) { artifact(id: $i) { digest artifactType { name } artifactSequence { name } } }"
        node = self.target.ask(asked, i=number)["artifact"]
        given = {"artifactTypeName": node["artifactType"]["name"], "digest": node["digest"], "clientID": client}
        named = {**self.target.place, "artifactCollectionName": node["artifactSequence"]["name"]}
        self.target.change("createArtifact", {**given, **named}, "artifact { id }")


def _aliases(collection: str, aliases: set[str]) -> list[dict[str, str]]:
    return [{"artifactCollectionName": collection, "alias": alias} for alias in sorted(aliases)]


def _maker(version: Version, project: Project) -> str | None:
    run = version.node["createdBy"] or {}
    return run["name"] if run.get("__typename") == "Run" and _is_of(project, run) else None


def _users(version: Version, project: Project) -> set[str]:
    """Ids of the runs of the project that used a version."""
    found, after, edges = version.node["usedBy"], None, list[dict[str, Any]]()
    if found["pageInfo"]["hasNextPage"]:
        while True:
            found = project.ask(_USERS, i=version.node["id"], after=after)["artifact"]["usedBy"]
            edges += found["edges"]
            after = found["pageInfo"]["endCursor"]
            if not found["pageInfo"]["hasNextPage"]:
                break
    nodes = [edge["node"] for edge in edges or found["edges"]]
    return {run["name"] for run in nodes if _is_of(project, run)}


def _is_of(project: Project, run: Mapping[str, Any]) -> bool:
    home = run["project"]
    return (home["entityName"], home["name"]) == (project.entity, project.project)
