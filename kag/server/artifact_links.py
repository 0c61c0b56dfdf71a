"""Versions of artifacts linked into portfolios: collections of a project whose versions were logged elsewhere."""

from __future__ import annotations

from sqlalchemy import Connection, RowMapping

from kag.server.aliases import restore_latest, set_aliases
from kag.server.arguments import Arguments, entity_of, text
from kag.server.collections import PORTFOLIO, collection_by_id, ensure_collection, enter, words
from kag.server.context import Context
from kag.server.faults import Refused, needed
from kag.server.refused import REGISTRIES
from kag.server.runs import ensure_project
from kag.server.store import find
from kag.server.tables import COMMITTED, collections, memberships

REGISTRY = "wandb-registry-"
"""How the names of W&B's registries begin."""


def link(context: Context, artifact: RowMapping, given: Arguments) -> RowMapping:
    """Link a version into a portfolio of a project, which is made if there is none; the membership.

    Raises:
        Fault: the target is a registry, or a sequence, or holds another type; the version is not committed.
    """
    connection, now = context.connection, context.now
    if given.get("artifactPortfolioID"):
        portfolio = collection_by_id(connection, given["artifactPortfolioID"])
        project_id, name = portfolio["project_id"], portfolio["name"]
    else:
        name, project = given.get("artifactPortfolioName"), text(given, "projectName")
        if str(project).startswith(REGISTRY):
            raise Refused(REGISTRIES)
        project_id = ensure_project(connection, entity_of(context, given), project, now=now)["id"]
    if artifact["state"] != COMMITTED:
        raise Refused("this artifact has not arrived in full: wait for it before you link it")
    origin = needed(find(connection, collections, id=artifact["collection_id"]), "no such collection")
    target = ensure_collection(
        connection, project_id, name=name, type_name=origin["type"], kind=PORTFOLIO, user=context.user, now=now
    )
    membership = enter(connection, target["id"], artifact["id"], now=now)
    set_aliases(connection, membership, words(given, "aliases", "alias"))
    return membership


def unlink(connection: Connection, artifact: RowMapping, portfolio: RowMapping) -> None:
    """Take a version out of a portfolio.

    Raises:
        Fault: the collection is where the version was logged, or the version is not in it.
    """
    if portfolio["kind"] != PORTFOLIO:
        raise Refused(f"{portfolio['name']!r} is where this version was logged: delete it instead")
    found = find(connection, memberships, collection_id=portfolio["id"], artifact_id=artifact["id"])
    number = needed(found, f"this version is not linked into {portfolio['name']!r}")["id"]
    connection.execute(memberships.delete().filter_by(id=number))
    restore_latest(connection, portfolio["id"])
