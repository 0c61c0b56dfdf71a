"""Versions of artifacts in the database: made, committed, used, changed, deleted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, select

from kag.server.aliases import aliases_of, checked_alias, replace_aliases, set_aliases
from kag.server.arguments import entity_of, items, text
from kag.server.collections import SEQUENCE, ensure_collection, enter, origin_of, remove_versions, words
from kag.server.context import Context, decode_id
from kag.server.faults import Fault, Refused, needed
from kag.server.manifests import settle
from kag.server.rights import Act
from kag.server.runs import checked_name, ensure_project, find_run, run_by_path
from kag.server.store import Store, all_rows, count, find, first, inserted, updated, upsert
from kag.server.tables import (
    COMMITTED,
    PENDING,
    artifact_clients,
    artifact_outputs,
    artifact_tags,
    artifact_uses,
    artifacts,
    collections,
    memberships,
    runs,
)
from kag.server.things import artifact_thing

_MAX_SECONDS = 10**10
"""Longest time to live: three centuries."""


def by_id(connection: Connection, identifier: Any, *, lock: bool = False) -> RowMapping:
    """The version of an id, or of the id that the client chose; else NotFound. `lock` as for `find`."""
    chosen = find(connection, artifact_clients, client_id=str(identifier))
    number = decode_id("Artifact", identifier) if chosen is None else chosen["artifact_id"]
    return needed(find(connection, artifacts, lock=lock, id=number), "no such artifact")


def collection_of(connection: Connection, artifact: RowMapping) -> RowMapping:
    """The sequence that a version was logged to."""
    return needed(find(connection, collections, id=artifact["collection_id"]), "no such collection")


def create(context: Context, given: Mapping[str, Any]) -> RowMapping:
    """A version that waits for its files. A committed one with the same content is taken instead, or the one that other
    runs have begun under the same `distributedID`; it is an output of this run too.
    """
    connection, now = context.connection, context.now
    project = ensure_project(connection, entity_of(context, given), given.get("projectName"), now=now)
    name = next(iter(items(given, "artifactCollectionNames", str)), text(given, "artifactCollectionName"))
    type_name = given.get("artifactTypeName")
    place = {"project_id": project["id"], "name": name, "type_name": type_name}
    collection = ensure_collection(connection, kind=SEQUENCE, user=context.user, now=now, **place)
    run = find_run(connection, project["id"], given.get("runName"))
    found = _same(connection, collection["id"], given)
    if found is None:
        row = {
            "collection_id": collection["id"],
            "digest": str(given.get("digest"))[:256],
            "state": PENDING,
            **{name: text(given, name) for name in ("description", "metadata")},
            "distributed_id": text(given, "distributedID"),
            "history_step": _whole(given, "historyStep"),
            "run_id": None if run is None else run["id"],
            "user": context.user,
            **dict.fromkeys(("created_at", "updated_at"), now),
        }
        found = inserted(connection, artifacts, row)
    elif run is not None and run["id"] != found["run_id"]:
        row = {"artifact_id": found["id"], "run_id": run["id"]}
        upsert(connection, artifact_outputs, [row], key=["artifact_id", "run_id"], update=[])
    return _labelled(context, found, given)


def _same(connection: Connection, collection_id: int, given: Mapping[str, Any]) -> RowMapping | None:
    """The version that a client means when it logs this."""
    shared = text(given, "distributedID")
    if shared:
        return find(connection, artifacts, collection_id=collection_id, distributed_id=shared, state=PENDING)
    if given.get("enableDigestDeduplication") is False:
        return None
    same = {"collection_id": collection_id, "digest": str(given.get("digest")), "state": COMMITTED}
    return first(connection, select(artifacts).filter_by(**same).order_by(artifacts.c.id.desc()))


def _labelled(context: Context, artifact: RowMapping, given: Mapping[str, Any]) -> RowMapping:
    """A version with the tags, the time to live and the aliases that it is logged with. Before it is committed nothing
    is found by an alias, so that one which never arrives takes none away. How long another key's version lives is not
    for this one to say.
    """
    connection = context.connection
    client = text(given, "clientID")
    if client:
        row = {"client_id": client[:256], "artifact_id": artifact["id"]}
        upsert(connection, artifact_clients, [row], key=["client_id"], update=[])
    set_tags(connection, artifact["id"], words(given, "tags", "tagName"))
    wanted = [checked_alias(name) for name in words(given, "aliases", "alias")]
    changes = _lifetime(given)
    if changes:
        context.ask(Act.CHANGE, artifact_thing(connection, artifact))
    origin = origin_of(connection, artifact)
    if origin is None:
        earlier = json.loads(artifact["wanted_aliases"] or "[]")
        changes["wanted_aliases"] = json.dumps([*earlier, *wanted])
    else:
        set_aliases(connection, origin, wanted)
    return updated(connection, artifacts, artifact["id"], changes) if changes else artifact


def _lifetime(given: Mapping[str, Any]) -> dict[str, Any]:
    """The time to live that an input sets; W&B writes "none" and "as the team has it" as numbers below zero."""
    seconds = _whole(given, "ttlDurationSeconds")
    return {} if seconds is None else {"ttl_seconds": seconds if seconds > 0 else None}


def _whole(given: Mapping[str, Any], name: str) -> int | None:
    found = given.get(name)
    if found is not None and (not isinstance(found, int) or isinstance(found, bool) or abs(found) > _MAX_SECONDS):
        raise Fault(f"{name} must be a whole number up to {_MAX_SECONDS}")
    return found


def set_tags(connection: Connection, artifact_id: int, names: list[str]) -> None:
    """Tag a version."""
    rows = [{"artifact_id": artifact_id, "name": checked_name("tag", name)} for name in dict.fromkeys(names)]
    upsert(connection, artifact_tags, rows, key=["artifact_id", "name"], update=[])


def commit(context: Context, artifact: RowMapping) -> RowMapping:
    """All files are there: the version gets its number, the name `latest` and the names that it was logged with."""
    if artifact["state"] == COMMITTED:
        return artifact
    connection = context.connection
    digest = settle(context, artifact["id"]) or artifact["digest"]
    origin = enter(connection, artifact["collection_id"], artifact["id"], now=context.now)
    set_aliases(connection, origin, json.loads(artifact["wanted_aliases"] or "[]"))
    values = {"state": COMMITTED, "digest": digest, "wanted_aliases": None, "updated_at": context.now}
    return updated(connection, artifacts, artifact["id"], values)


def use(context: Context, given: Mapping[str, Any]) -> RowMapping:
    """A run takes an artifact as its input."""
    artifact = by_id(context.connection, given.get("artifactID"))
    run = run_by_path(context.connection, entity_of(context, given), given.get("projectName"), given.get("runName"))
    row = {"artifact_id": artifact["id"], "run_id": run["id"]}
    upsert(context.connection, artifact_uses, [row], key=["artifact_id", "run_id"], update=[])
    return artifact


def update(context: Context, artifact: RowMapping, given: Mapping[str, Any]) -> RowMapping:
    """Change what a person may change."""
    connection, number = context.connection, artifact["id"]
    changes = {name: text(given, name) for name in ("description", "metadata") if given.get(name) is not None}
    set_tags(connection, number, words(given, "tagsToAdd", "tagName"))
    gone = artifact_tags.c.name.in_(words(given, "tagsToDelete", "tagName"))
    connection.execute(artifact_tags.delete().filter_by(artifact_id=number).where(gone))
    origin = origin_of(connection, artifact)
    if given.get("aliases") is not None and origin is not None:
        replace_aliases(connection, origin, words(given, "aliases", "alias"))
    return updated(connection, artifacts, number, {**changes, **_lifetime(given), "updated_at": context.now})


def delete(connection: Connection, artifact: RowMapping, *, with_aliases: bool) -> None:
    """Delete a version; `latest` is then the newest that is left.

    Raises:
        Fault: it has aliases, and these are not to go with it.
    """
    names = [row["alias"] for row in aliases_of(connection, artifact["id"])]
    if names and not with_aliases:
        held = ", ".join(map(repr, dict.fromkeys(names)))
        raise Refused(f"this version has the aliases {held}: delete it with delete_aliases=True, or move them first")
    remove_versions(connection, artifacts.c.id == artifact["id"])


def delete_outputs(connection: Connection, run_id: int) -> None:
    """Delete what a run has logged, unless another run that is still there has logged the same."""
    remove_versions(connection, _only_of(run_id))


def outputs_of(connection: Connection, run_id: int) -> Sequence[RowMapping]:
    """What `delete_outputs` would delete."""
    return all_rows(connection, select(artifacts).where(_only_of(run_id)).order_by(artifacts.c.id))


def _only_of(run_id: int) -> ColumnElement[bool]:
    number = artifact_outputs.c.artifact_id
    logged = artifacts.c.id.in_(select(number).where(artifact_outputs.c.run_id == run_id))
    others = select(number).join(runs).where(artifact_outputs.c.run_id != run_id, runs.c.project_id.isnot(None))
    by_others = artifacts.c.id.in_(others)
    first_logged = artifacts.c.run_id == run_id
    gone = artifacts.c.run_id.is_(None) | artifacts.c.run_id.in_(select(runs.c.id).where(runs.c.project_id.is_(None)))
    return (first_logged | (logged & gone)) & ~by_others


def end_expired(store: Store, now: float) -> None:
    """Delete versions whose time to live is over. Whoever is about to look for versions calls this, so that nobody
    finds one of them, by whatever way.
    """
    over = _over(now)
    with store.read() as connection:
        if not count(connection, artifacts, over):
            return
    with store.write() as connection:
        remove_versions(connection, over)


def _over(now: float) -> ColumnElement[bool]:
    """The time to live is over, and the version is linked nowhere. `> 0` finds the few that have one by their index."""
    elsewhere = memberships.c.collection_id != artifacts.c.collection_id
    linked = select(memberships.c.id).where(memberships.c.artifact_id == artifacts.c.id, elsewhere)
    late = artifacts.c.created_at + artifacts.c.ttl_seconds <= now
    return and_(artifacts.c.ttl_seconds > 0, late, ~linked.correlate(artifacts).exists())
