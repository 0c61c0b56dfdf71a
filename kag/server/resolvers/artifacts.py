"""Artifacts: the fields of one version."""

from __future__ import annotations

from typing import Any

from sqlalchemy import RowMapping, Select, select

from kag.server import artifacts
from kag.server.arguments import Arguments, items
from kag.server.artifact_files import files_of
from kag.server.collections import origin_of, words
from kag.server.context import Context, encode_id
from kag.server.files import media_type
from kag.server.graphql import Node, Registry
from kag.server.manifests import current_manifest, entries_of
from kag.server.resolvers.fields import column, columns, constant, constants, identifier, moments, optional
from kag.server.resolvers.files import get_link
from kag.server.resolvers.pages import connection, listed
from kag.server.runs import run_by_id
from kag.server.store import all_rows, find
from kag.server.tables import (
    COMMITTED,
    artifact_clients,
    artifact_outputs,
    artifact_tags,
    artifact_types,
    artifact_uses,
)
from kag.server.tables import artifacts as artifact_table
from kag.server.tables import runs as run_table


def sequence_of(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    """The collection that an artifact was logged to."""
    return Node("ArtifactSequence", artifacts.collection_of(context.connection, row))


def _tags(context: Context, row: RowMapping, arguments: Arguments) -> list[Node]:
    query = select(artifact_tags).filter_by(artifact_id=row["id"]).order_by(artifact_tags.c.id)
    return [Node("Tag", one) for one in all_rows(context.connection, query)]


def _version(context: Context, row: RowMapping, arguments: Arguments) -> int | None:
    origin = origin_of(context.connection, row)
    return None if origin is None else int(origin["version"])


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
    return str(sum(one["size"] for one in files_of(context.connection, row["id"])))


def type_of(context: Context, collection: RowMapping, arguments: Arguments) -> Node:
    """The type of the artifacts in a collection."""
    place = {"project_id": collection["project_id"], "name": collection["type"]}
    return Node("ArtifactType", find(context.connection, artifact_types, **place))


def _type(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    return type_of(context, artifacts.collection_of(context.connection, row), {})


def _manifest(context: Context, row: RowMapping, arguments: Arguments) -> RowMapping | None:
    return current_manifest(context.connection, row["id"])


def _manifest_link(context: Context, row: RowMapping, arguments: Arguments) -> str:
    claim = {"do": "put", "to": "manifest", "id": row["id"]}
    return context.links.make(claim, row["name"], now=context.now)


def _manifest_url(context: Context, row: RowMapping, arguments: Arguments) -> str | None:
    return get_link(context, row["path"], "manifest.json") if "path" in row else None


def _created_by(context: Context, row: RowMapping, arguments: Arguments) -> RowMapping | None:
    return None if row["run_id"] is None else run_by_id(context.connection, row["run_id"])


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
    return query.where(artifact_uses.c.artifact_id == artifact["id"]).order_by(run_table.c.id)


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
        "fileCount": lambda context, row, arguments: len(files_of(context.connection, row["id"])),
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
