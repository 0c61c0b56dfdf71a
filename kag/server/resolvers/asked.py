"""What each mutation asks of a key before it does anything, and which of them leave a trace.

A mutation without an entry here is not served (see `guarded`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import select

from kag.server import artifacts, collections
from kag.server.arguments import Arguments, entity_of, input_of, items
from kag.server.audit import note
from kag.server.context import Context, decode_id
from kag.server.graphql import Resolver
from kag.server.rights import Act, Place, Thing
from kag.server.runs import find_project, find_run_by_id, find_run_by_path
from kag.server.store import all_rows, find
from kag.server.tables import artifacts as artifact_table
from kag.server.tables import files, manifests, sweeps
from kag.server.things import artifact_thing, collection_thing, run_thing, sweep_thing

Asked = Iterable[tuple[Act, Thing]]
Rule = Callable[[Context, Arguments], Asked]


def _into(context: Context, given: Arguments, name: str = "projectName") -> Asked:
    """A thing is added to the project that an input names."""
    place: Place = (entity_of(context, given), str(given.get(name) or "uncategorized"))
    yield Act.MAKE, Thing("a project", place)


def _project(context: Context, given: Arguments) -> Asked:
    yield from _into(context, given, "name")
    entity, name = entity_of(context, given), str(given.get("name"))
    if given.get("description") is not None and find_project(context.connection, entity, name) is not None:
        yield Act.CHANGE, Thing(f"the project {name!r}", (entity, name))


def _begun(context: Context, given: Arguments) -> Asked:
    """A run that exists is asked for where it is locked: see `kag.server.begin`."""
    if given.get("id") and not given.get("name"):
        yield from _run(context, given)
    else:
        yield from _into(context, given, "modelName")


def _run(context: Context, given: Arguments) -> Asked:
    row = find_run_by_id(context.connection, decode_id("Run", given.get("id")))
    if row is not None:
        yield Act.CHANGE, run_thing(context.connection, row)
        if given.get("deleteArtifacts"):
            for one in artifacts.outputs_of(context.connection, row["id"]):
                yield Act.CHANGE, artifact_thing(context.connection, one)


def _named_run(context: Context, given: Arguments) -> Asked:
    path = (entity_of(context, given), given.get("projectName"), given.get("runName"))
    row = find_run_by_path(context.connection, *path)
    if row is not None:
        yield Act.CHANGE, run_thing(context.connection, row)


def _sweep(context: Context, given: Arguments) -> Asked:
    if not given.get("id"):
        return  # where it goes to, its config may say: see `kag.server.sweeps`
    row = find(context.connection, sweeps, id=decode_id("Sweep", given.get("id")))
    if row is not None:
        yield Act.CHANGE, sweep_thing(context.connection, row)


def _beating(context: Context, given: Arguments) -> Asked:
    """An agent is asked for where its sweep is locked: see `kag.server.heartbeats`."""
    return ()


def _files(context: Context, given: Arguments) -> Asked:
    numbers = {decode_id("File", one) for one in items(given, "files", str)}
    owners = {row["run_id"] for row in (find(context.connection, files, id=number) for number in numbers) if row}
    for number in owners:
        row = find_run_by_id(context.connection, number)
        if row is not None:
            yield Act.CHANGE, run_thing(context.connection, row)


def _logged(context: Context, given: Arguments) -> Asked:
    yield from _into(context, given)
    if given.get("runName"):
        yield from _named_run(context, given)


def _artifact(context: Context, given: Arguments) -> Asked:
    row = artifacts.by_id(context.connection, given.get("artifactID"))
    yield Act.CHANGE, artifact_thing(context.connection, row)


def _artifact_files(context: Context, given: Arguments) -> Asked:
    for number in {str(one.get("artifactID")) for one in items(given, "artifactFiles", dict)}:
        yield from _artifact(context, {"artifactID": number})


def _manifest(context: Context, given: Arguments) -> Asked:
    row = find(context.connection, manifests, id=decode_id("Manifest", given.get("artifactManifestID")))
    owner = None if row is None else find(context.connection, artifact_table, id=row["artifact_id"])
    if owner is not None:
        yield Act.CHANGE, artifact_thing(context.connection, owner)


def _used(context: Context, given: Arguments) -> Asked:
    yield from _named_run(context, given)
    row = artifacts.by_id(context.connection, given.get("artifactID"))
    yield Act.READ, artifact_thing(context.connection, row)


def _linked(context: Context, given: Arguments) -> Asked:
    row = artifacts.by_id(context.connection, given.get("artifactID") or given.get("clientID"))
    yield Act.READ, artifact_thing(context.connection, row)
    if given.get("artifactPortfolioID"):
        yield Act.MAKE, _portfolio(context, given)
    else:
        yield from _into(context, given)


def _unlinked(context: Context, given: Arguments) -> Asked:
    yield Act.CHANGE, _portfolio(context, given)


def _portfolio(context: Context, given: Arguments) -> Thing:
    row = collections.collection_by_id(context.connection, given.get("artifactPortfolioID"))
    return collection_thing(context.connection, row)


def _sequence(context: Context, given: Arguments) -> Asked:
    row = collections.collection_by_id(context.connection, given.get("artifactSequenceID"))
    yield Act.CHANGE, collection_thing(context.connection, row)


def _emptied(context: Context, given: Arguments) -> Asked:
    """Others may have logged versions to it, which would be gone with it."""
    row = collections.collection_by_id(context.connection, given.get("artifactSequenceID"))
    yield Act.CHANGE, collection_thing(context.connection, row)
    for one in all_rows(context.connection, select(artifact_table).filter_by(collection_id=row["id"])):
        yield Act.CHANGE, artifact_thing(context.connection, one)


def _named_collection(context: Context, given: Arguments) -> Asked:
    project = find_project(context.connection, entity_of(context, given), given.get("projectName"))
    name = given.get("artifactCollectionName")
    row = None if project is None else collections.find_collection(context.connection, project["id"], name)
    if row is not None:
        yield Act.CHANGE, collection_thing(context.connection, row)


RULES: Mapping[str, Rule] = {
    "upsertModel": _project,
    "upsertBucket": _begun,
    **dict.fromkeys(("deleteRun", "stopRun", "updateRunState", "importRun"), _run),
    **dict.fromkeys(("rewindRun", "notifyScriptableRunAlert", "createRunFiles", "markRunFilesUploaded"), _named_run),
    "deleteFiles": _files,
    **dict.fromkeys(("upsertSweep", "deleteSweep"), _sweep),
    **dict.fromkeys(("createAgent", "importSweep"), _into),
    "agentHeartbeat": _beating,
    "createArtifact": _logged,
    "createArtifactType": _into,
    **dict.fromkeys(("createArtifactManifest", "commitArtifact", "updateArtifact", "deleteArtifact"), _artifact),
    "importArtifact": _artifact,
    "createArtifactFiles": _artifact_files,
    "updateArtifactManifest": _manifest,
    "useArtifact": _used,
    **dict.fromkeys(("updateArtifactSequence", "moveArtifactSequence"), _sequence),
    "deleteArtifactSequence": _emptied,
    **dict.fromkeys(("updateArtifactPortfolio", "deleteArtifactPortfolio", "unlinkArtifact"), _unlinked),
    "createArtifactCollectionTagAssignments": _named_collection,
    "deleteArtifactCollectionTagAssignments": _named_collection,
    "linkArtifact": _linked,
    **dict.fromkeys(("addAliases", "deleteAliases"), _artifact),
}
"""Mutation -> what it asks for. That its key may make anything at all is asked before."""

AUDITED = frozenset(
    {"deleteRun", "stopRun", "rewindRun", "deleteFiles", "upsertSweep", "deleteSweep", "deleteArtifact"}
    | {"deleteArtifactSequence", "deleteArtifactPortfolio"}
)
"""Mutations that leave a trace, where they change what is there."""


def guarded(name: str, resolver: Resolver[Context]) -> Resolver[Context]:
    """A mutation that asks first.

    Raises:
        KeyError: nobody has said what it asks for.
    """
    rule = RULES[name]

    def resolve(context: Context, row: Any, arguments: Arguments) -> Any:
        given = input_of(arguments)
        context.ask(Act.MAKE, Thing("anything", context.key.place))
        changed = []
        for act, thing in rule(context, given):
            context.ask(act, thing)
            changed += [thing] if act is Act.CHANGE else []
        answer = resolver(context, row, arguments)
        for thing in changed if name in AUDITED else ():
            note(context.connection, context.user, name, thing, now=context.now, detail=_detail(given))
        return answer

    return resolve


def _detail(given: Arguments) -> str:
    """What was changed of a sweep."""
    state = given.get("state")
    return ", ".join([*([str(state).lower()] if state else []), *(["config"] if given.get("config") else [])])
