"""Artifacts made and changed: versions, their files and manifests, aliases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import RowMapping

from kag.server import artifacts
from kag.server.arguments import Arguments, input_of, items
from kag.server.context import Context, decode_id
from kag.server.faults import needed
from kag.server.graphql import Node, Registry, Resolver
from kag.server.resolvers.fields import columns, constants, identifier
from kag.server.resolvers.pages import connection
from kag.server.store import find
from kag.server.tables import artifacts as artifact_table
from kag.server.tables import manifests


def _answer(kind: str, change: Callable[[Context, Arguments], RowMapping]) -> Resolver[Context]:
    """A resolver that answers with the artifact that a function makes or changes."""

    def resolve(context: Context, _: Any, arguments: Arguments) -> Node:
        return Node(kind, {"artifact": Node("Artifact", change(context, input_of(arguments))), "success": True})

    return resolve


def _changed(kind: str, change: Callable[[Context, RowMapping, Arguments], RowMapping]) -> Resolver[Context]:
    """A resolver that finds an artifact, lets a function change it and answers with it."""
    return _answer(kind, lambda context, given: change(context, _artifact(context, given), given))


def _artifact(context: Context, given: Arguments) -> RowMapping:
    return artifacts.by_id(context.connection, given.get("artifactID"))


def _delete(context: Context, artifact: RowMapping, given: Arguments) -> RowMapping:
    context.connection.execute(artifact_table.delete().filter_by(id=artifact["id"]))
    return artifact


def _add_aliases(context: Context, artifact: RowMapping, given: Arguments) -> RowMapping:
    artifacts.set_aliases(context.connection, artifact, artifacts.words(given, "aliases", "alias"))
    return artifact


def _drop_aliases(context: Context, artifact: RowMapping, given: Arguments) -> RowMapping:
    artifacts.drop_aliases(context.connection, artifact, artifacts.words(given, "aliases", "alias"))
    return artifact


def _create_files(context: Context, _: Any, arguments: Arguments) -> Node:
    wanted = items(input_of(arguments), "artifactFiles", dict)
    rows = [artifacts.add_file(context.connection, _artifact(context, one), one) for one in wanted]
    nodes = [Node("NewArtifactFile", row) for row in rows]
    return Node("CreateArtifactFilesPayload", {"files": connection("NewArtifactFile", nodes, {})})


def _file_link(context: Context, row: RowMapping, arguments: Arguments) -> str:
    claim = {"do": "put", "to": "artifact", "id": row["id"]}
    return context.links.make(claim, row["name"], now=context.now)


def _create_manifest(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    return _manifest(artifacts.create_manifest(context.connection, _artifact(context, given), given))


def _update_manifest(context: Context, _: Any, arguments: Arguments) -> Node:
    number = decode_id("Manifest", input_of(arguments).get("artifactManifestID"))
    return _manifest(needed(find(context.connection, manifests, id=number), "no such manifest"))


def _manifest(row: RowMapping) -> Node:
    return Node("ArtifactManifestPayload", {"artifactManifest": Node("ArtifactManifest", row)})


TYPES: Registry[Context] = {
    "Mutation": {
        "createArtifact": _answer("CreateArtifactPayload", artifacts.create),
        "createArtifactFiles": _create_files,
        "createArtifactManifest": _create_manifest,
        "updateArtifactManifest": _update_manifest,
        "commitArtifact": _changed("CommitArtifactPayload", artifacts.commit),
        "updateArtifact": _changed("UpdateArtifactPayload", artifacts.update),
        "deleteArtifact": _changed("DeleteArtifactPayload", _delete),
        "useArtifact": _answer("UseArtifactPayload", artifacts.use),
        "addAliases": _changed("AliasesPayload", _add_aliases),
        "deleteAliases": _changed("AliasesPayload", _drop_aliases),
    },
    "NewArtifactFile": {
        "storagePath": lambda context, row, arguments: f"artifact-files/{row['id']}",
        "uploadUrl": _file_link,
        **constants(uploadHeaders=[], uploadMultipartUrls=None),
        "artifact": lambda context, row, arguments: Node(
            "Artifact", find(context.connection, artifact_table, id=row["artifact_id"])
        ),
        "id": identifier("File"),
        **columns("name", displayName="name"),
    },
}
