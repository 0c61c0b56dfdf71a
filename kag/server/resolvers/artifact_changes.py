"""Artifacts made and changed: versions, their files and manifests, aliases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import RowMapping

from kag.server import artifacts
from kag.server.arguments import Arguments, input_of
from kag.server.context import Context, decode_id, encode_id
from kag.server.faults import Fault
from kag.server.graphql import Node, Registry, Resolver
from kag.server.resolvers.artifacts import (
    artifact_by_id,
    artifact_node,
)
from kag.server.resolvers.fields import column, constant
from kag.server.resolvers.pages import connection, connection_types
from kag.server.tables import artifacts as artifact_table


def _payload(kind: str) -> Callable[[Callable[[Context, Arguments], RowMapping]], Resolver[Context]]:
    """A resolver that finds an artifact, lets a function change it and answers with it."""

    def wrap(change: Callable[[Context, Arguments], RowMapping]) -> Resolver[Context]:
        def resolve(context: Context, _: Any, arguments: Arguments) -> Node:
            return Node(kind, {"artifact": artifact_node(change(context, input_of(arguments))), "success": True})

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
    artifacts.set_aliases(context.connection, artifact, artifacts.words(given, "aliases", "alias"))
    return artifact


@_payload("AliasesPayload")
def _drop_aliases(context: Context, given: Arguments) -> RowMapping:
    artifact = artifacts.by_id(context.connection, given.get("artifactID"))
    artifacts.drop_aliases(context.connection, artifact, artifacts.words(given, "aliases", "alias"))
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


def _create_manifest(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    artifact = artifacts.by_id(context.connection, given.get("artifactID"))
    row = artifacts.create_manifest(context.connection, artifact, given)
    return Node("ArtifactManifestPayload", {"artifactManifest": Node("ArtifactManifest", row)})


def _update_manifest(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    row = artifacts.manifest(context.connection, decode_id("Manifest", given.get("artifactManifestID")))
    return Node("ArtifactManifestPayload", {"artifactManifest": Node("ArtifactManifest", row)})


TYPES: Registry[Context] = {
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
        "artifact": lambda context, row, arguments: artifact_by_id(
            context, None, {"id": encode_id("Artifact", row["artifact_id"])}
        ),
    },
    **connection_types("NewArtifactFile"),
}
