"""Artifacts: best effort, enough to log, use, list and download them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import RowMapping, select

from kag.server import artifacts
from kag.server.context import Context, decode_id, encode_id
from kag.server.faults import Fault
from kag.server.files import blob_path, media_type
from kag.server.graphql import Node, Registry, Resolver
from kag.server.resolvers.common import Arguments, column, connection, connection_types, constant, input_of, moment
from kag.server.resolvers.files import get_link
from kag.server.resolvers.projects import project_by_id
from kag.server.runs import json_object, run_by_id
from kag.server.store import all_rows, first
from kag.server.tables import artifact_uses
from kag.server.tables import artifacts as artifact_table
from kag.server.tables import collections as collection_table
from kag.server.tables import runs as run_table


def _node(row: RowMapping | None) -> Node | None:
    return None if row is None else Node("Artifact", row)


def _payload(kind: str) -> Callable[[Callable[[Context, Arguments], RowMapping]], Resolver[Context]]:
    """A resolver that finds an artifact, lets a function change it and answers with it."""

    def wrap(change: Callable[[Context, Arguments], RowMapping]) -> Resolver[Context]:
        def resolve(context: Context, _: Any, arguments: Arguments) -> Node:
            return Node(kind, {"artifact": _node(change(context, input_of(arguments))), "success": True})

        return resolve

    return wrap


@_payload("CommitArtifactPayload")
def _commit(context: Context, given: Arguments) -> RowMapping:
    artifact = artifacts.by_id(context.connection, given.get("artifactID"))
    return artifacts.commit(context.connection, artifact, now=context.now)


@_payload("UpdateArtifactPayload")
def _update(context: Context, given: Arguments) -> RowMapping:
    artifact = artifacts.by_id(context.connection, given.get("artifactID"))
    return artifacts.update(context.connection, artifact, given, now=context.now)


@_payload("DeleteArtifactPayload")
def _delete(context: Context, given: Arguments) -> RowMapping:
    artifact = artifacts.by_id(context.connection, given.get("artifactID"))
    context.connection.execute(artifact_table.delete().where(artifact_table.c.id == artifact["id"]))
    return artifact


@_payload("AliasesPayload")
def _add_aliases(context: Context, given: Arguments) -> RowMapping:
    artifact = artifacts.by_id(context.connection, given.get("artifactID"))
    artifacts.set_aliases(context.connection, artifact, [str(one["alias"]) for one in given.get("aliases") or []])
    return artifact


@_payload("AliasesPayload")
def _drop_aliases(context: Context, given: Arguments) -> RowMapping:
    artifact = artifacts.by_id(context.connection, given.get("artifactID"))
    artifacts.drop_aliases(context.connection, artifact, [str(one["alias"]) for one in given.get("aliases") or []])
    return artifact


def _create_files(context: Context, _: Any, arguments: Arguments) -> Node:
    wanted = input_of(arguments).get("artifactFiles")
    if not isinstance(wanted, list) or not all(isinstance(one, dict) for one in wanted):
        raise Fault("artifactFiles must be a list of objects")
    nodes = []
    for one in wanted:
        artifact = artifacts.by_id(context.connection, one.get("artifactID"))
        nodes.append(Node("NewArtifactFile", artifacts.add_file(context.connection, artifact, one)))
    return Node("CreateArtifactFilesPayload", {"files": connection("NewArtifactFile", nodes, {})})


def _file_link(context: Context, row: RowMapping, arguments: Arguments) -> str:
    claim = {"do": "put", "to": "artifact", "id": row["id"]}
    return context.links.make(claim, row["name"], now=context.now)


def _manifest_link(context: Context, row: RowMapping, arguments: Arguments) -> str:
    claim = {"do": "put", "to": "manifest", "id": row["id"]}
    return context.links.make(claim, row["name"], now=context.now)


def _create_manifest(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    artifact = artifacts.by_id(context.connection, given.get("artifactID"))
    row = artifacts.create_manifest(context.connection, artifact, given)
    return Node("ArtifactManifestPayload", {"artifactManifest": Node("ArtifactManifest", row)})


def _update_manifest(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    row = artifacts.manifest(context.connection, decode_id("Manifest", given.get("artifactManifestID")))
    return Node("ArtifactManifestPayload", {"artifactManifest": Node("ArtifactManifest", row)})


def _sequence(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    return Node("ArtifactSequence", artifacts.collection_of(context.connection, row["collection_id"]))


def _membership(context: Context, row: Any, arguments: Arguments) -> Node | None:
    found = artifacts.by_path(context.connection, row["id"], arguments.get("name"))
    return (
        None if found is None else Node("ArtifactCollectionMembership", {"collection": found[0], "artifact": found[1]})
    )


def _membership_by_alias(context: Context, row: RowMapping, arguments: Arguments) -> Node | None:
    found = artifacts.named(context.connection, row["id"], str(arguments.get("aliasName") or "latest"))
    return None if found is None else Node("ArtifactCollectionMembership", {"collection": row, "artifact": found})


def _artifact_by_name(context: Context, row: Any, arguments: Arguments) -> Node | None:
    found = artifacts.by_path(context.connection, row["id"], arguments.get("name"))
    return None if found is None else _node(found[1])


def _collection(context: Context, row: Any, arguments: Arguments) -> Node | None:
    found = artifacts.find_collection(context.connection, row["id"], arguments.get("name"))
    return None if found is None else Node("ArtifactSequence", found)


def _collections(context: Context, row: Any, arguments: Arguments) -> Node:
    query = select(collection_table).where(collection_table.c.project_id == row["id"])
    found = all_rows(context.connection, query.order_by(collection_table.c.id))
    return connection("ArtifactCollection", [Node("ArtifactSequence", one) for one in found], arguments)


def _types(context: Context, row: Any, arguments: Arguments) -> list[Node]:
    query = select(collection_table.c.type).where(collection_table.c.project_id == row["id"]).distinct()
    return [_type_node(row, one["type"]) for one in all_rows(context.connection, query.order_by("type"))]


def _type_node(project: Any, name: str) -> Node:
    return Node("ArtifactType", {"id": project["id"], "name": name})


def _type(context: Context, row: Any, arguments: Arguments) -> Node | None:
    return next((one for one in _types(context, row, {}) if one.value["name"] == arguments.get("name")), None)


def _collections_of_type(context: Context, row: Any, arguments: Arguments) -> Node:
    where = (collection_table.c.project_id == row["id"], collection_table.c.type == row["name"])
    found = all_rows(context.connection, select(collection_table).where(*where).order_by(collection_table.c.id))
    return connection("ArtifactCollection", [Node("ArtifactSequence", one) for one in found], arguments)


def _collection_of_type(context: Context, row: Any, arguments: Arguments) -> Node | None:
    found = artifacts.find_collection(context.connection, row["id"], arguments.get("name"))
    return None if found is None or found["type"] != row["name"] else Node("ArtifactSequence", found)


def _versions(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    where = (artifact_table.c.collection_id == row["id"], artifact_table.c.state == artifacts.COMMITTED)
    found = all_rows(context.connection, select(artifact_table).where(*where).order_by(artifact_table.c.version.desc()))
    return connection("Artifact", [Node("Artifact", one) for one in found], arguments)


def _aliases(context: Context, row: RowMapping, arguments: Arguments) -> list[Node]:
    return [Node("ArtifactAlias", one) for one in artifacts.aliases_of(context.connection, row["id"])]


def _all_aliases(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    versions = all_rows(context.connection, select(artifact_table).where(artifact_table.c.collection_id == row["id"]))
    found = [one for version in versions for one in _aliases(context, version, {})]
    return connection("ArtifactAlias", found, arguments)


def _files(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    """Uploaded files, and the references of the manifest: the client asks for both in one list."""
    names = arguments.get("names")
    stored = [Node("File", _with_run(one)) for one in artifacts.files_of(context.connection, row["id"])]
    references = [Node("ReferenceFile", one, "File") for one in _references(context, row["id"])]
    found = sorted([*stored, *references], key=lambda node: str(node.value["name"]))
    return connection("ArtifactFile", [node for node in found if not names or node.value["name"] in names], arguments)


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


def _membership_files(context: Context, row: Any, arguments: Arguments) -> Node:
    return _files(context, row["artifact"], arguments)


def _entries(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    wanted = {str(one.get("name")) for one in arguments.get("entries") or [] if isinstance(one, dict)}
    return _files(context, row, {**arguments, "names": wanted})


def _size(context: Context, row: RowMapping, arguments: Arguments) -> str:
    return str(sum(one["size"] for one in artifacts.files_of(context.connection, row["id"])))


def _manifest(context: Context, row: RowMapping, arguments: Arguments) -> Node | None:
    found = artifacts.current_manifest(context.connection, row["id"])
    return None if found is None else Node("ArtifactManifest", found)


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


def _by_id(context: Context, _: Any, arguments: Arguments) -> Node:
    return Node("Artifact", artifacts.by_id(context.connection, arguments.get("id")))


def _client_id(context: Context, _: Any, arguments: Arguments) -> Node | None:
    client = str(arguments.get("clientID"))
    found = first(context.connection, select(artifact_table).where(artifact_table.c.client_id == client))
    return None if found is None else Node("ClientIDMapping", {"serverID": encode_id("Artifact", found["id"])})


def _project_node(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    return project_by_id(context, row["project_id"])


def _identifier(kind: str) -> Any:
    return lambda context, row, arguments: encode_id(kind, row["id"])


ARTIFACT: dict[str, Any] = {
    "id": _identifier("Artifact"),
    "artifactSequence": _sequence,
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
    "aliases": _aliases,
    "currentManifest": _manifest,
    "files": _files,
    "filesByManifestEntries": _entries,
    "usedBy": _used_by,
    "createdBy": _created_by,
    "artifactMemberships": lambda context, row, arguments: connection("ArtifactMembership", [], arguments),
}

COLLECTION: dict[str, Any] = {
    "id": _identifier("ArtifactCollection"),
    "name": column("name"),
    "description": constant(None),
    "createdAt": moment("created_at"),
    "updatedAt": moment("created_at"),
    "state": constant("READY"),
    "project": _project_node,
    "defaultArtifactType": lambda context, row, arguments: Node("ArtifactType", {"id": 0, "name": row["type"]}),
    "digestAlgorithm": constant("MANIFEST_MD5"),
    "latestArtifact": lambda context, row, arguments: _node(artifacts.latest(context.connection, row["id"])),
    "artifactMembership": _membership_by_alias,
    "artifacts": _versions,
    "aliases": _all_aliases,
    "tags": lambda context, row, arguments: connection("Tag", [], arguments),
}

TYPES: Registry[Context] = {
    "Query": {"artifact": _by_id, "clientIDMapping": _client_id},
    "Mutation": {
        "createArtifact": _payload("CreateArtifactPayload")(artifacts.create),
        "createArtifactFiles": _create_files,
        "createArtifactManifest": _create_manifest,
        "updateArtifactManifest": _update_manifest,
        "commitArtifact": _commit,
        "updateArtifact": _update,
        "deleteArtifact": _delete,
        "useArtifact": _payload("UseArtifactPayload")(artifacts.use),
        "addAliases": _add_aliases,
        "deleteAliases": _drop_aliases,
    },
    **{
        f"{name}Payload": {"artifact": column("artifact"), "success": column("success")}
        for name in ("CreateArtifact", "CommitArtifact", "UpdateArtifact", "DeleteArtifact", "UseArtifact", "Aliases")
    },
    "CreateArtifactFilesPayload": {"files": column("files")},
    "ArtifactManifestPayload": {"artifactManifest": column("artifactManifest")},
    "NewArtifactFile": {
        "storagePath": lambda context, row, arguments: f"artifact-files/{row['id']}",
        "uploadUrl": _file_link,
        "uploadHeaders": constant([]),
        "uploadMultipartUrls": constant(None),
        "artifact": lambda context, row, arguments: _by_id(
            context, None, {"id": encode_id("Artifact", row["artifact_id"])}
        ),
    },
    "ArtifactManifest": {
        "id": _identifier("Manifest"),
        "file": lambda context, row, arguments: Node("ManifestFile", row),
    },
    "ManifestFile": {
        "id": _identifier("ManifestFile"),
        "uploadUrl": _manifest_link,
        "uploadHeaders": constant([]),
        "directUrl": _manifest_url,
    },
    "ArtifactCollectionMembership": {
        "id": lambda context, row, arguments: encode_id("Membership", row["artifact"]["id"]),
        "versionIndex": lambda context, row, arguments: row["artifact"]["version"],
        "createdAt": lambda context, row, arguments: moment("created_at")(context, row["artifact"], {}),
        "aliases": lambda context, row, arguments: _aliases(context, row["artifact"], {}),
        "artifactCollection": lambda context, row, arguments: Node("ArtifactSequence", row["collection"]),
        "artifact": lambda context, row, arguments: _node(row["artifact"]),
        "files": _membership_files,
    },
    "ArtifactAlias": {
        "id": _identifier("Alias"),
        "alias": column("alias"),
        "artifactCollection": _sequence,
    },
    "Tag": {"id": _identifier("Tag"), "name": column("name")},
    "ArtifactType": {
        "id": _identifier("ArtifactType"),
        "name": column("name"),
        "description": constant(None),
        "createdAt": constant("1970-01-01T00:00:00Z"),
        "artifactCollections": _collections_of_type,
        "artifactCollection": _collection_of_type,
    },
    "ClientIDMapping": {"serverID": column("serverID")},
    "Project": {
        "artifact": _artifact_by_name,
        "artifactCollectionMembership": _membership,
        "artifactCollection": _collection,
        "artifactCollections": _collections,
        "artifactTypes": lambda context, row, arguments: connection(
            "ArtifactType", _types(context, row, {}), arguments
        ),
        "artifactType": _type,
    },
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
    "ArtifactSequence": COLLECTION,
    **connection_types("Artifact"),
    **connection_types("ArtifactFile"),
    **connection_types("NewArtifactFile"),
    **connection_types("ArtifactCollection"),
    **connection_types("ArtifactType"),
    **connection_types("ArtifactAlias"),
    **connection_types("ArtifactMembership"),
    **connection_types("Tag"),
}
