"""Databases that earlier releases made, and what their servers answered."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, create_engine

from kag.server.app import make_app
from kag.server.blob_folder import BlobFolder
from kag.server.context import Settings
from kag.server.store import Store
from kag.server.transfer import copy_rows
from tests.server.conftest import Http

FOLDER = Path(__file__).parent / "layouts"
OLD = ("4d88beb", "dfe915f")
"""Of parts 6 and 7: without a number."""
NAMES = (*OLD, "c8b4ee2")

OF_PROJECT = 'query($p: String!, %s){ project(name: $p, entityName: "kag") { %s } }'
RUN = """run(name: $n) { id name displayName state config summaryMetrics notes tags group jobType createdAt heartbeatAt
  historyKeys historyLineCount logLineCount eventsLineCount stopped sweepName user { name } commit host
  history(minStep: 0, maxStep: 100, samples: 100) events
  files(first: 50) { edges { node { name sizeBytes md5 directUrl } } } }"""
RUNS = """id name createdAt runCount runs(first: 50, order: "+created_at") { totalCount edges { node {
  name state config summaryMetrics } } }"""
SWEEP = """sweep(sweepName: $n) { id name displayName state config bestLoss runCount
  runs(first: 50) { edges { node { name state summaryMetrics } } } }"""
VERSION = """artifactCollectionMembership(name: $n) { versionIndex
  artifact { id versionIndex description metadata state digest size createdAt updatedAt artifactType { name }
  tags { name } aliases { alias } currentManifest { file { directUrl } } }
  files(first: 100) { edges { node { name directUrl } } } }"""
ARTIFACTS = """run(name: $n) {
  inputArtifacts(first: 50) { edges { node { id versionIndex artifactSequence { name } } } }
  outputArtifacts(first: 50) { edges { node { id versionIndex artifactSequence { name } } } } }"""
TYPES = "artifactTypes(first: 50) { edges { node { name } } }"
QUERIES = {"run": RUN, "runs": RUNS, "sweep": SWEEP, "version": VERSION, "artifacts": ARTIFACTS, "types": TYPES}
"""By the first word of what the answers are called."""


def plain(tree: Any) -> Any:
    """An answer without what servers say in different ways: since part 8 a version's number is among its aliases."""
    if isinstance(tree, dict):
        return {key: plain(value) for key, value in tree.items()}
    if not isinstance(tree, list):
        return tree
    found = [
        plain(one) for one in tree if not re.fullmatch(r"v\d+", str(one.get("alias")) if isinstance(one, dict) else "")
    ]
    return sorted(found, key=str)


class Made:
    """One of the databases."""

    def __init__(self, name: str) -> None:
        self.name = name
        found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        self.key, self.now, self.sweep = found["key"], found["now"], found["sweep"]
        self.files: dict[str, str] = found["files"]
        self.answers: dict[str, Any] = plain(found["answers"])

    def sqlite(self, file: Path) -> str:
        """Make it as a file; its URL."""
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript((FOLDER / f"{self.name}.sql").read_text(encoding="utf-8"))
        return f"sqlite:///{file}"

    def postgresql(self, folder: Path, url: str) -> str:
        """Make it in an empty database of PostgreSQL: the same tables with the same rows; its URL."""
        source, target = create_engine(self.sqlite(folder / f"{self.name}.db")), create_engine(url)
        tables = MetaData()
        tables.reflect(source)
        with source.connect() as old, target.begin() as new:
            tables.create_all(new)
            copy_rows(old, new, tables)
        source.dispose()
        target.dispose()
        return url


class Served:
    """A server of this kag on one of them. It ends with its block."""

    def __init__(self, made: Made, store: Store, folder: Path) -> None:
        self.made, self.store, self.now = made, store, made.now
        for path, content in made.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content, encoding="utf-8")
        app = make_app(store, Settings(files=BlobFolder(folder), strict=True), clock=lambda: self.now)
        self.http = Http(app, {"Authorization": f"Bearer {made.key}"})

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.store.close()

    def ask(self, query: str, **variables: Any) -> Any:
        """A GraphQL request that must succeed; its data."""
        answer = self.http.post("/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def answers(self) -> Any:
        """What this server answers to the same questions, with the contents of files instead of links to them."""
        return plain({name: self._with_contents(self._answer(name)) for name in self.made.answers})

    def _answer(self, name: str) -> Any:
        kind, _, rest = name.partition(" ")
        project = "other" if "second" in rest or "other" in rest else "p"
        word = self.made.sweep if kind == "sweep" else rest.removeprefix("of ")
        declared = "$n: String!" if "$n" in QUERIES[kind] else "$n: String"
        return self.ask(OF_PROJECT % (declared, QUERIES[kind]), p=project, n=word)["project"]

    def _with_contents(self, tree: Any) -> Any:
        if isinstance(tree, list):
            return [self._with_contents(one) for one in tree]
        if not isinstance(tree, dict):
            return tree
        found = {key: self._with_contents(value) for key, value in tree.items() if key != "directUrl"}
        if "directUrl" in tree:
            found["content"] = None if tree["directUrl"] is None else self.http.get(tree["directUrl"]).text
        return found
