"""Collections of artifacts changed: named, tagged and deleted; versions linked into them; aliases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import RowMapping, select

from kag.server import collections
from kag.server.aliases import drop_aliases, set_aliases
from kag.server.arguments import Arguments, entity_of, input_of, text
from kag.server.artifact_links import link, unlink
from kag.server.artifacts import by_id
from kag.server.context import Context
from kag.server.faults import needed
from kag.server.graphql import Node, Registry, Resolver
from kag.server.resolvers.artifact_changes import artifact_of
from kag.server.resolvers.collections import collection_node
from kag.server.runs import ensure_project, find_project
from kag.server.store import all_rows
from kag.server.tables import collection_tags

_SEQUENCE, _PORTFOLIO = "artifactSequenceID", "artifactPortfolioID"
"""Inputs that name a collection."""


def _changed(
    kind: str, which: str, change: Callable[[Context, RowMapping, Arguments], RowMapping | dict[str, Any]]
) -> Resolver[Context]:
    """A resolver that finds a collection, lets a function change it and answers with it."""

    def resolve(context: Context, _: Any, arguments: Arguments) -> Node:
        given = input_of(arguments)
        found = change(context, collections.collection_by_id(context.connection, given.get(which)), given)
        return Node(kind, {"artifactCollection": collection_node(found)})

    return resolve


def _edit(context: Context, collection: RowMapping, given: Arguments) -> RowMapping:
    return collections.edit_collection(context.connection, collection, given)


def _move(context: Context, collection: RowMapping, given: Arguments) -> RowMapping:
    name = given.get("destinationArtifactTypeName")
    return collections.retype_collection(context.connection, collection, name, now=context.now)


def _create_type(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    project = ensure_project(context.connection, entity_of(context, given), given.get("projectName"), now=context.now)
    name, about = given.get("name"), text(given, "description")
    made = collections.ensure_type(context.connection, project["id"], name, now=context.now, description=about)
    return Node("CreateArtifactTypePayload", {"artifactType": Node("ArtifactType", made)})


def _delete(context: Context, collection: RowMapping, given: Arguments) -> dict[str, Any]:
    collections.delete_collection(context.connection, collection)
    return {**collection, "state": "DELETED"}


def _named(context: Context, given: Arguments) -> RowMapping:
    """The collection that an input names in words."""
    name = given.get("artifactCollectionName")
    project = find_project(context.connection, entity_of(context, given), given.get("projectName"))
    found = None if project is None else collections.find_collection(context.connection, project["id"], name)
    return needed(found, f"no collection {name!r}")


def _add_tags(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    number = _named(context, given)["id"]
    collections.tag_collection(context.connection, number, collections.words(given, "tags", "tagName"))
    rows = all_rows(context.connection, select(collection_tags).filter_by(collection_id=number))
    return Node("CreateArtifactCollectionTagAssignmentsPayload", {"tags": [Node("Tag", row) for row in rows]})


def _drop_tags(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    gone = collection_tags.c.name.in_(collections.words(given, "tags", "tagName"))
    ours = collection_tags.delete().filter_by(collection_id=_named(context, given)["id"])
    context.connection.execute(ours.where(gone))
    return Node("DeleteArtifactCollectionTagAssignmentsPayload", {"success": True})


def _link(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    artifact = by_id(context.connection, given.get("artifactID") or given.get("clientID"), lock=True)
    membership = link(context, artifact, given)
    value = {"versionIndex": membership["version"], "clientMutationId": None}
    value["artifactMembership"] = Node("ArtifactCollectionMembership", membership)
    return Node("LinkArtifactPayload", value)


def _unlink(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    portfolio = collections.collection_by_id(context.connection, given.get(_PORTFOLIO))
    unlink(context.connection, artifact_of(context, given), portfolio)
    value = {"artifactID": given.get("artifactID"), "success": True, "clientMutationId": None}
    return Node("UnlinkArtifactPayload", value)


def _add_aliases(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    for membership, name in collections.members_named(context.connection, artifact_of(context, given), given):
        set_aliases(context.connection, membership, [name])
    return Node("AddAliasesPayload", {"success": True})


def _drop_aliases(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    for membership, name in collections.members_named(context.connection, artifact_of(context, given), given):
        drop_aliases(context.connection, membership, [name])
    return Node("DeleteAliasesPayload", {"success": True})


TYPES: Registry[Context] = {
    "Mutation": {
        "createArtifactType": _create_type,
        "updateArtifactSequence": _changed("UpdateArtifactSequencePayload", _SEQUENCE, _edit),
        "updateArtifactPortfolio": _changed("UpdateArtifactPortfolioPayload", _PORTFOLIO, _edit),
        "moveArtifactSequence": _changed("MoveArtifactSequencePayload", _SEQUENCE, _move),
        "deleteArtifactSequence": _changed("DeleteArtifactSequencePayload", _SEQUENCE, _delete),
        "deleteArtifactPortfolio": _changed("DeleteArtifactPortfolioPayload", _PORTFOLIO, _delete),
        "createArtifactCollectionTagAssignments": _add_tags,
        "deleteArtifactCollectionTagAssignments": _drop_tags,
        "linkArtifact": _link,
        "unlinkArtifact": _unlink,
        "addAliases": _add_aliases,
        "deleteAliases": _drop_aliases,
    },
}
