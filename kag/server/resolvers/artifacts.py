"""Artifacts: the fields of one version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping, Select, select

from kag.server import artifacts
from kag.server.arguments import Arguments, items
from kag.server.artifact_files import extents, files_of
from kag.server.batches import lists_of, rows_of
from kag.server.collections import words
from kag.server.context import Context, encode_id
from kag.server.faults import needed
from kag.server.files import media_type
from kag.server.graphql import Node, Registry
from kag.server.manifests import current_manifest, current_manifests, entries_of
from kag.server.resolvers.fields import column, columns, constant, constants, identifier, moments, optional
from kag.server.resolvers.files import get_link
from kag.server.resolvers.pages import connection, listed
from kag.server.store import find
from kag.server.tables import (
    COMMITTED,
    artifact_clients,
    artifact_outputs,
    artifact_tags,
    artifact_types,
    artifact_uses,
    memberships,
)
from kag.server.tables import artifacts as artifact_table
from kag.server.tables import collections as collection_table
from kag.server.tables import runs as run_table

_COLLECTIONS = rows_of(collection_table)
_ARTIFACT_TYPES = lists_of(select(artifact_types), artifact_types.c.project_id)
_TAGS = lists_of(select(artifact_tags).order_by(artifact_tags.c.id), artifact_tags.c.artifact_id)
_RUNS = rows_of(run_table)
MEMBERSHIPS = lists_of(select(memberships).order_by(memberships.c.id), memberships.c.artifact_id)
"""Where versions belong: each to the collection that it was logged to, then to those that it is linked to."""


def collection_row(context: Context, row: Mapping[str, Any] | RowMapping) -> RowMapping:
    """The collection that the row of a version, of a membership or of an alias belongs to."""
    return needed(context.batches.row("collection", row["collection_id"], _COLLECTIONS), "no such collection")


def sequence_of(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    """The collection that an artifact was logged to."""
    return Node("ArtifactSequence", collection_row(context, row))


def _tags(context: Context, row: RowMapping, arguments: Arguments) -> list[Node]:
    return [Node("Tag", one) for one in context.batches.get("artifact", row["id"], _TAGS) or ()]


def _version(context: Context, row: RowMapping, arguments: Arguments) -> int | None:
    places = context.batches.get("artifact", row["id"], MEMBERSHIPS, gives="membership") or ()
    return next((int(one["version"]) for one in places if one["collection_id"] == row["collection_id"]), None)


def file_page(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    """Uploaded files, with the columns of a run's, and the manifest's references: a client asks for both at once."""
    names = items(arguments, "names", str)
    bare = {"updated_at": None, "run_id": 0}
    stored = [Node("File", {**one, **bare}) for one in files_of(context.connection, row["id"])]
    references = [Node("ReferenceFile", one) for one in _references(context, row["id"])]
    found = sorted([*stored, *references], key=lambda node: str(node.value["name"]))
    return connection("File", [node for node in found if not names or node.value["name"] in names], arguments)


def _references(context: Context, artifact_id: int) -> list[dict[str, Any]]:
    found = current_manifest(context.connection, artifact_id)
    entries = {} if found is None else entries_of(context, found)
    return [
        {"name": name, "ref": entry["ref"], "size": entry.get("size", 0), "digest": entry.get("digest")}
        for name, entry in entries.items()
        if isinstance(entry.get("ref"), str)
    ]


def _entries(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    wanted = words(arguments, "entries", "name")
    return file_page(context, row, {**arguments, "names": wanted})


def _size(context: Context, row: RowMapping, arguments: Arguments) -> str:
    return str((context.batches.get("artifact", row["id"], extents) or (0, 0))[1])


def _file_count(context: Context, row: RowMapping, arguments: Arguments) -> int:
    return (context.batches.get("artifact", row["id"], extents) or (0, 0))[0]


def type_of(context: Context, collection: RowMapping, arguments: Arguments) -> Node:
    """The type of the artifacts in a collection."""
    known = context.batches.get("project", collection["project_id"], _ARTIFACT_TYPES) or ()
    return Node("ArtifactType", next(one for one in known if one["name"] == collection["type"]))


def _type(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    return type_of(context, collection_row(context, row), {})


def _manifest(context: Context, row: RowMapping, arguments: Arguments) -> RowMapping | None:
    return context.batches.get("artifact", row["id"], current_manifests)


def _manifest_link(context: Context, row: RowMapping, arguments: Arguments) -> str:
    claim = {"do": "put", "to": "manifest", "id": row["id"]}
    return context.links.make(claim, row["name"], now=context.now)


def _manifest_url(context: Context, row: RowMapping, arguments: Arguments) -> str | None:
    return get_link(context, "manifest", row) if "path" in row else None


def _created_by(context: Context, row: RowMapping, arguments: Arguments) -> RowMapping | None:
    if row["run_id"] is None:
        return None
    made = needed(context.batches.row("run", row["run_id"], _RUNS), "no such run")
    return None if made["project_id"] is None else made


def artifact_by_id(context: Context, _: Any, arguments: Arguments) -> Node:
    """The artifact with an opaque id."""
    return Node("Artifact", artifacts.by_id(context.connection, arguments.get("id")))


def _client_id(context: Context, _: Any, arguments: Arguments) -> dict[str, Any] | None:
    found = find(context.connection, artifact_clients, client_id=str(arguments.get("clientID")))
    return None if found is None else {"serverID": encode_id("Artifact", found["artifact_id"])}


def _outputs(run: RowMapping) -> Select[Any]:
    """What a run has logged, also where another run had logged the same before."""
    again = select(artifact_outputs.c.artifact_id).filter_by(run_id=run["id"])
    ours = (artifact_table.c.run_id == run["id"]) | artifact_table.c.id.in_(again)
    return select(artifact_table).filter_by(state=COMMITTED).where(ours).order_by(artifact_table.c.id)


def _inputs(run: RowMapping) -> Select[Any]:
    query = select(artifact_table).join(artifact_uses, artifact_uses.c.artifact_id == artifact_table.c.id)
    return query.where(artifact_uses.c.run_id == run["id"]).order_by(artifact_table.c.id)


def _users(artifact: RowMapping) -> Select[Any]:
    query = select(run_table).join(artifact_uses, artifact_uses.c.run_id == run_table.c.id)
    there = run_table.c.project_id.isnot(None)
    return query.where(artifact_uses.c.artifact_id == artifact["id"], there).order_by(run_table.c.id)


NO_TTL = -2
"""Seconds to live of what lives for ever, as the client reads them."""


TYPES: Registry[Context] = {
    "Query": {"artifact": artifact_by_id, "clientIDMapping": optional("ClientIDMapping", _client_id)},
    "Artifact": {
        "id": identifier("Artifact"),
        "artifactSequence": sequence_of,
        "artifactType": _type,
        **columns("description", "metadata", "state", "digest", historyStep="history_step"),
        **constants(ttlIsInherited=False, digestAlgorithm="MANIFEST_MD5"),
        **moments(createdAt="created_at", updatedAt="updated_at"),
        "versionIndex": _version,
        "ttlDurationSeconds": lambda context, row, arguments: row["ttl_seconds"] or NO_TTL,
        "tags": _tags,
        "size": _size,
        "commitHash": lambda context, row, arguments: f"{row['id']:020x}",
        "fileCount": _file_count,
        "currentManifest": optional("ArtifactManifest", _manifest),
        "files": file_page,
        "filesByManifestEntries": _entries,
        "usedBy": listed("Run", _users),
        "createdBy": optional("Run", _created_by),
    },
    "ArtifactManifest": {
        "id": identifier("Manifest"),
        "file": lambda context, row, arguments: Node("ManifestFile", row),
    },
    "ManifestFile": {
        "id": identifier("ManifestFile"),
        **columns("name", displayName="name"),
        "uploadUrl": _manifest_link,
        "uploadHeaders": constant([]),
        "directUrl": _manifest_url,
    },
    "Tag": {"id": identifier("Tag"), "name": column("name"), "tagCategoryName": constant(None)},
    "Run": {"outputArtifacts": listed("Artifact", _outputs), "inputArtifacts": listed("Artifact", _inputs)},
    "File": {
        **columns(displayName="name", digest="md5"),
        "storagePath": lambda context, row, arguments: f"artifact-files/{row['id']}",
        "mimeType": lambda context, row, arguments: media_type(row["name"]),
    },
    "ReferenceFile": {
        **columns("name", "digest", displayName="name", url="ref", directUrl="ref", md5="digest"),
        **constants(id=encode_id("Reference", 0), storagePath=None, updatedAt=None),
        "sizeBytes": lambda context, row, arguments: str(row["size"]),
        "mimetype": lambda context, row, arguments: media_type(row["name"]),
    },
}
