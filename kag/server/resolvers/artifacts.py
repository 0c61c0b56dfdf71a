"""Artifacts: best effort, enough to log, use, list and download them. Here: the fields of one version."""

from __future__ import annotations

from typing import Any

from sqlalchemy import RowMapping, select

from kag.server import artifacts
from kag.server.arguments import Arguments, items
from kag.server.context import Context, encode_id
from kag.server.faults import Fault
from kag.server.files import blob_path, media_type
from kag.server.graphql import Node, Registry
from kag.server.resolvers.fields import column, constant, moment
from kag.server.resolvers.files import get_link
from kag.server.resolvers.pages import connection, connection_types
from kag.server.runs import json_object, run_by_id
from kag.server.store import all_rows, first
from kag.server.tables import artifact_uses
from kag.server.tables import artifacts as artifact_table
from kag.server.tables import runs as run_table


def artifact_node(row: RowMapping | None) -> Node | None:
    """The artifact of a row as a node, or None."""
    return None if row is None else Node("Artifact", row)


def identifier(kind: str) -> Any:
    """Resolver of the opaque id of a row of this kind."""
    return lambda context, row, arguments: encode_id(kind, row["id"])


def sequence_of(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    """The collection that an artifact belongs to."""
    return Node("ArtifactSequence", artifacts.collection_of(context.connection, row["collection_id"]))


def alias_nodes(context: Context, row: RowMapping, arguments: Arguments) -> list[Node]:
    """Names that point to an artifact: `latest`, `v3`, ..."""
    return [Node("ArtifactAlias", one) for one in artifacts.aliases_of(context.connection, row["id"])]


def file_page(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    """Uploaded files, and the references of the manifest: the client asks for both in one list."""
    names = items(arguments, "names", str)
    stored = [Node("File", _with_run(one)) for one in artifacts.files_of(context.connection, row["id"])]
    references = [Node("ReferenceFile", one, "File") for one in _references(context, row["id"])]
    found = sorted([*stored, *references], key=lambda node: str(node.value["name"]))
    return connection("File", [node for node in found if not names or node.value["name"] in names], arguments)


def _with_run(row: RowMapping) -> dict[str, Any]:
    """An uploaded file of an artifact, with the columns that a run's file has."""
    return {**row, "updated_at": None, "run_id": 0}


def _references(context: Context, artifact_id: int) -> list[dict[str, Any]]:
    found = artifacts.current_manifest(context.connection, artifact_id)
    if found is None:
        return []
    path = blob_path(context.settings.files, found["path"])
    if not path.is_file() or path.stat().st_size > context.settings.max_body:
        return []
    entries = json_object("the manifest", path.read_text(encoding="utf-8")).get("contents")
    if not isinstance(entries, dict):
        raise Fault("the manifest has no contents")
    return [
        {"name": name, "ref": entry["ref"], "size": entry.get("size", 0), "digest": entry.get("digest")}
        for name, entry in entries.items()
        if isinstance(entry, dict) and isinstance(entry.get("ref"), str)
    ]


def _entries(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    wanted = artifacts.words(arguments, "entries", "name")
    return file_page(context, row, {**arguments, "names": wanted})


def _size(context: Context, row: RowMapping, arguments: Arguments) -> str:
    return str(sum(one["size"] for one in artifacts.files_of(context.connection, row["id"])))


def _manifest(context: Context, row: RowMapping, arguments: Arguments) -> Node | None:
    found = artifacts.current_manifest(context.connection, row["id"])
    return None if found is None else Node("ArtifactManifest", found)


def _manifest_link(context: Context, row: RowMapping, arguments: Arguments) -> str:
    claim = {"do": "put", "to": "manifest", "id": row["id"]}
    return context.links.make(claim, row["name"], now=context.now)


def _manifest_url(context: Context, row: RowMapping, arguments: Arguments) -> str | None:
    return get_link(context, row["path"], "manifest.json") if "path" in row else None


def _used_by(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    query = select(run_table).join(artifact_uses, artifact_uses.c.run_id == run_table.c.id)
    found = all_rows(context.connection, query.where(artifact_uses.c.artifact_id == row["id"]).order_by(run_table.c.id))
    return connection("Run", [Node("Run", one) for one in found], arguments)


def _created_by(context: Context, row: RowMapping, arguments: Arguments) -> Node | None:
    return None if row["run_id"] is None else Node("Run", run_by_id(context.connection, row["run_id"]))


def _outputs(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    where = (artifact_table.c.run_id == row["id"], artifact_table.c.state == artifacts.COMMITTED)
    found = all_rows(context.connection, select(artifact_table).where(*where).order_by(artifact_table.c.id))
    return connection("Artifact", [Node("Artifact", one) for one in found], arguments)


def _inputs(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    query = select(artifact_table).join(artifact_uses, artifact_uses.c.artifact_id == artifact_table.c.id)
    found = all_rows(context.connection, query.where(artifact_uses.c.run_id == row["id"]).order_by(artifact_table.c.id))
    return connection("Artifact", [Node("Artifact", one) for one in found], arguments)


def artifact_by_id(context: Context, _: Any, arguments: Arguments) -> Node:
    """The artifact with an opaque id."""
    return Node("Artifact", artifacts.by_id(context.connection, arguments.get("id")))


def _client_id(context: Context, _: Any, arguments: Arguments) -> Node | None:
    client = str(arguments.get("clientID"))
    found = first(context.connection, select(artifact_table).where(artifact_table.c.client_id == client))
    return None if found is None else Node("ClientIDMapping", {"serverID": encode_id("Artifact", found["id"])})


ARTIFACT: dict[str, Any] = {
    "id": identifier("Artifact"),
    "artifactSequence": sequence_of,
    "versionIndex": column("version"),
    "artifactType": lambda context, row, arguments: Node(
        "ArtifactType", {"id": 0, "name": artifacts.collection_of(context.connection, row["collection_id"])["type"]}
    ),
    "description": column("description"),
    "metadata": column("metadata"),
    "ttlDurationSeconds": constant(-1),
    "ttlIsInherited": constant(False),
    "tags": lambda context, row, arguments: [
        Node("Tag", one) for one in artifacts.tags_of(context.connection, row["id"])
    ],
    "historyStep": constant(None),
    "state": column("state"),
    "size": _size,
    "digest": column("digest"),
    "digestAlgorithm": constant("MANIFEST_MD5"),
    "commitHash": lambda context, row, arguments: f"{row['id']:020x}",
    "fileCount": lambda context, row, arguments: len(artifacts.files_of(context.connection, row["id"])),
    "createdAt": moment("created_at"),
    "updatedAt": moment("updated_at"),
    "aliases": alias_nodes,
    "currentManifest": _manifest,
    "files": file_page,
    "filesByManifestEntries": _entries,
    "usedBy": _used_by,
    "createdBy": _created_by,
}

TYPES: Registry[Context] = {
    "Query": {"artifact": artifact_by_id, "clientIDMapping": _client_id},
    "ArtifactManifest": {
        "id": identifier("Manifest"),
        "file": lambda context, row, arguments: Node("ManifestFile", row),
    },
    "ManifestFile": {
        "id": identifier("ManifestFile"),
        "uploadUrl": _manifest_link,
        "uploadHeaders": constant([]),
        "directUrl": _manifest_url,
    },
    "ArtifactAlias": {
        "id": identifier("Alias"),
        "alias": column("alias"),
        "artifactCollection": sequence_of,
    },
    "Tag": {"id": identifier("Tag"), "name": column("name")},
    "ClientIDMapping": {"serverID": column("serverID")},
    "Run": {"outputArtifacts": _outputs, "inputArtifacts": _inputs},
    "File": {
        "displayName": column("name"),
        "storagePath": lambda context, row, arguments: f"artifact-files/{row['id']}",
        "digest": column("md5"),
        "mimeType": lambda context, row, arguments: media_type(row["name"]),
    },
    "ReferenceFile": {
        "id": lambda context, row, arguments: encode_id("Reference", 0),
        "name": column("name"),
        "displayName": column("name"),
        "url": column("ref"),
        "directUrl": column("ref"),
        "sizeBytes": lambda context, row, arguments: str(row["size"]),
        "storagePath": constant(None),
        "mimetype": lambda context, row, arguments: media_type(row["name"]),
        "updatedAt": constant(None),
        "digest": column("digest"),
        "md5": column("digest"),
    },
    "Artifact": ARTIFACT,
    **connection_types("Artifact"),
    **connection_types("ArtifactAlias"),
    **connection_types("Tag"),
}
