"""Artifacts made and changed: versions, their files and manifests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import RowMapping

from kag.server import artifacts
from kag.server.arguments import Arguments, input_of, items
from kag.server.artifact_files import add_files
from kag.server.context import Context, decode_id
from kag.server.faults import Fault, needed
from kag.server.files import checked_path
from kag.server.graphql import Node, Registry, Resolver
from kag.server.manifests import INCREMENTAL, create_manifest
from kag.server.resolvers.fields import columns, constants, identifier
from kag.server.resolvers.pages import connection
from kag.server.store import find, updated
from kag.server.tables import COMMITTED, manifests
from kag.server.tables import artifacts as artifact_table


def _answer(kind: str, change: Callable[[Context, Arguments], RowMapping]) -> Resolver[Context]:
    """A resolver that answers with the artifact that a function makes or changes."""

    def resolve(context: Context, _: Any, arguments: Arguments) -> Node:
        return Node(kind, {"artifact": Node("Artifact", change(context, input_of(arguments))), "success": True})

    return resolve


def artifact_of(context: Context, given: Arguments) -> RowMapping:
    """The artifact that an input is about; nobody else changes it until the transaction ends."""
    return artifacts.by_id(context.connection, given.get("artifactID"), lock=True)


def _commit(context: Context, given: Arguments) -> RowMapping:
    return artifacts.commit(context, artifact_of(context, given))


def _update(context: Context, given: Arguments) -> RowMapping:
    return artifacts.update(context, artifact_of(context, given), given)


def _delete(context: Context, given: Arguments) -> RowMapping:
    artifact = artifact_of(context, given)
    artifacts.delete(context.connection, artifact, with_aliases=given.get("deleteAliases") is True)
    return artifact


def _pending(context: Context, given: Arguments) -> RowMapping:
    """The artifact that is about to get a file or a manifest: not a committed one, whose content stays what it is."""
    found = artifact_of(context, given)
    if found["state"] == COMMITTED:
        raise Fault("this version is committed: its files do not change any more", status=409)
    return found


def _create_files(context: Context, _: Any, arguments: Arguments) -> Node:
    """Where to send the files of one or more versions, in the order in which they were named."""
    named: dict[int, dict[str, str]] = {}
    order = []
    for one in items(input_of(arguments), "artifactFiles", dict):
        number, name = _pending(context, one)["id"], checked_path(one.get("name"))
        named.setdefault(number, {})[name] = str(one.get("md5"))[:256]
        order.append((number, name))
    rows = {number: add_files(context, number, digests) for number, digests in named.items()}
    nodes = [Node("NewArtifactFile", rows[number][name]) for number, name in order]
    return Node("CreateArtifactFilesPayload", {"files": connection("NewArtifactFile", nodes, {})})


def _file_link(context: Context, row: RowMapping, arguments: Arguments) -> str | None:
    """Where to put a file; null where the server has its content already, and the client sends nothing."""
    claim = {"do": "put", "to": "artifact", "id": row["id"]}
    return None if row["blob_id"] is not None else context.links.make(claim, row["name"], now=context.now)


def _create_manifest(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    base = given.get("baseArtifactID") if given.get("type") == INCREMENTAL else None
    base_id = artifacts.by_id(context.connection, base)["id"] if base else None
    return _manifest(create_manifest(context.connection, _pending(context, given)["id"], given, base_id))


def _update_manifest(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    number = decode_id("Manifest", given.get("artifactManifestID"))
    row = needed(find(context.connection, manifests, id=number), "no such manifest")
    digest = str(given.get("digest") or row["digest"])[:256]
    return _manifest(updated(context.connection, manifests, row["id"], {"digest": digest}))


def _manifest(row: RowMapping) -> Node:
    return Node("ArtifactManifestPayload", {"artifactManifest": Node("ArtifactManifest", row)})


TYPES: Registry[Context] = {
    "Mutation": {
        "createArtifact": _answer("CreateArtifactPayload", artifacts.create),
        "createArtifactFiles": _create_files,
        "createArtifactManifest": _create_manifest,
        "updateArtifactManifest": _update_manifest,
        "commitArtifact": _answer("CommitArtifactPayload", _commit),
        "updateArtifact": _answer("UpdateArtifactPayload", _update),
        "deleteArtifact": _answer("DeleteArtifactPayload", _delete),
        "useArtifact": _answer("UseArtifactPayload", artifacts.use),
    },
    "NewArtifactFile": {
        "id": identifier("ArtifactFile"),
        **columns("name", "md5", displayName="name", digest="md5"),
        "storagePath": lambda context, row, arguments: f"artifact-files/{row['id']}",
        "uploadUrl": _file_link,
        **constants(uploadHeaders=[], uploadMultipartUrls=None),
        "artifact": lambda context, row, arguments: Node(
            "Artifact", find(context.connection, artifact_table, id=row["artifact_id"])
        ),
    },
}
