"""Artifacts: best effort, enough to log, use, list and download them. Here: the fields of one version."""

from __future__ import annotations

from typing import Any

from sqlalchemy import RowMapping, Select, Table, select

from kag.server import artifacts
from kag.server.arguments import Arguments, items, json_object
from kag.server.context import Context, encode_id
from kag.server.faults import Fault
from kag.server.files import blob_path, media_type
from kag.server.graphql import Node, Registry, Resolver
from kag.server.resolvers.fields import column, columns, constant, constants, identifier, moments, optional
from kag.server.resolvers.files import get_link
from kag.server.resolvers.pages import connection, listed
from kag.server.runs import run_by_id
from kag.server.store import all_rows, find
from kag.server.tables import aliases, artifact_tags, artifact_uses
from kag.server.tables import artifacts as artifact_table
from kag.server.tables import runs as run_table


def sequence_of(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    """The collection that an artifact belongs to."""
    return Node("ArtifactSequence", artifacts.collection_of(context.connection, row))


def _named(kind: str, table: Table) -> Resolver[Context]:
    """A resolver that gives the rows of a table that belong to an artifact, in order."""

    def resolve(context: Context, row: Any, arguments: Arguments) -> list[Node]:
        query = select(table).filter_by(artifact_id=row["id"]).order_by(table.c.id)
        return [Node(kind, one) for one in all_rows(context.connection, query)]

    return resolve


alias_nodes = _named("ArtifactAlias", aliases)
"""Names that point to an artifact: `latest`, `v3`, ..."""


def file_page(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    """Uploaded files, with the columns of a run's, and the manifest's references: a client asks for both at once."""
    names = items(arguments, "names", str)
    bare = {"updated_at": None, "run_id": 0}
    stored = [Node("File", {**one, **bare}) for one in artifacts.files_of(context.connection, row["id"])]
    references = [Node("ReferenceFile", one) for one in _references(context, row["id"])]
    found = sorted([*stored, *references], key=lambda node: str(node.value["name"]))
    return connection("File", [node for node in found if not names or node.value["name"] in names], arguments)


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


def _type(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    return Node("ArtifactType", {"id": 0, "type": artifacts.collection_of(context.connection, row)["type"]})


def _manifest(context: Context, row: RowMapping, arguments: Arguments) -> RowMapping | None:
    return artifacts.current_manifest(context.connection, row["id"])


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
    client = str(arguments.get("clientID"))
    found = find(context.connection, artifact_table, client_id=client)
    return None if found is None else {"serverID": encode_id("Artifact", found["id"])}


def _outputs(run: RowMapping) -> Select[Any]:
    return select(artifact_table).filter_by(run_id=run["id"], state=artifacts.COMMITTED).order_by(artifact_table.c.id)


def _inputs(run: RowMapping) -> Select[Any]:
    query = select(artifact_table).join(artifact_uses, artifact_uses.c.artifact_id == artifact_table.c.id)
    return query.where(artifact_uses.c.run_id == run["id"]).order_by(artifact_table.c.id)


def _users(artifact: RowMapping) -> Select[Any]:
    query = select(run_table).join(artifact_uses, artifact_uses.c.run_id == run_table.c.id)
    return query.where(artifact_uses.c.artifact_id == artifact["id"]).order_by(run_table.c.id)


TYPES: Registry[Context] = {
    "Query": {"artifact": artifact_by_id, "clientIDMapping": optional("ClientIDMapping", _client_id)},
    "Artifact": {
        "id": identifier("Artifact"),
        "artifactSequence": sequence_of,
        "artifactType": _type,
        **columns("description", "metadata", "state", "digest", versionIndex="version"),
        **constants(ttlDurationSeconds=-1, ttlIsInherited=False, historyStep=None, digestAlgorithm="MANIFEST_MD5"),
        **moments(createdAt="created_at", updatedAt="updated_at"),
        "tags": _named("Tag", artifact_tags),
        "aliases": alias_nodes,
        "size": _size,
        "commitHash": lambda context, row, arguments: f"{row['id']:020x}",
        "fileCount": lambda context, row, arguments: len(artifacts.files_of(context.connection, row["id"])),
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
        "uploadUrl": _manifest_link,
        "uploadHeaders": constant([]),
        "directUrl": _manifest_url,
        **columns("name", displayName="name"),
    },
    "ArtifactAlias": {"id": identifier("Alias"), "alias": column("alias"), "artifactCollection": sequence_of},
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
