"""Projects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping, select

from kag.server.arguments import Arguments, entity_of, input_of, json_object
from kag.server.batches import rows_of
from kag.server.context import Context
from kag.server.graphql import Node, Registry
from kag.server.keyset import Key
from kag.server.resolvers.account import user
from kag.server.resolvers.fields import columns, constants, identifier, moments, optional
from kag.server.resolvers.pages import paged, queried
from kag.server.run_list import RunList
from kag.server.runs import checked_name, ensure_project, find_project, find_run
from kag.server.store import updated
from kag.server.tables import projects as project_table


def _project(context: Context, _: Any, arguments: Arguments) -> RowMapping | None:
    return find_project(context.connection, entity_of(context, arguments), arguments.get("name") or "uncategorized")


def _projects(context: Context, _: Any, arguments: Arguments) -> Node:
    query = select(project_table).filter_by(entity=entity_of(context, arguments))
    if context.key.place is not None:
        query = query.filter_by(entity=context.key.place[0], name=context.key.place[1])
    return queried(context, "Project", query, [Key(project_table.c.id, falling=True)], arguments)


def _of(entity: Mapping[str, Any]) -> Arguments:
    return {"entityName": entity["name"]}


def _upsert(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    entity = entity_of(context, given)
    name = checked_name("project", given.get("name"))
    inserted = find_project(context.connection, entity, name) is None
    row = ensure_project(context.connection, entity, name, now=context.now)
    if given.get("description") is not None:
        row = updated(context.connection, project_table, row["id"], {"description": str(given["description"])})
    project = Node("Project", row)
    return Node("UpsertModelPayload", {"project": project, "model": project, "inserted": inserted})


def _run(context: Context, row: RowMapping, arguments: Arguments) -> RowMapping | None:
    return find_run(context.connection, row["id"], arguments.get("name"))


def _selected(context: Context, row: RowMapping, arguments: Arguments) -> RunList:
    """The runs of a project that fit `filters`, by `order`."""
    expression = json_object("filters", arguments.get("filters") or "{}")
    return RunList(context, row["id"], expression, arguments.get("order"))


def _runs(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    return paged(context, _selected(context, row, arguments), arguments)


_PROJECTS = rows_of(project_table)


def project_of(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    """The project that a run, a sweep or a collection belongs to."""
    return Node("Project", context.batches.row("project", row["project_id"], _PROJECTS))


TYPES: Registry[Context] = {
    "Query": {
        **dict.fromkeys(("project", "model"), optional("Project", _project)),
        **dict.fromkeys(("projects", "models"), _projects),
    },
    "Mutation": {"upsertModel": _upsert},
    "Project": {
        "id": identifier("Project"),
        "internalId": lambda context, row, arguments: str(row["id"]),
        **columns("name", "description", entityName="entity"),
        "entity": lambda context, row, arguments: Node("Entity", {"name": row["entity"]}),
        **constants(access="PRIVATE", views=None, isBenchmark=False, readOnly=False, repo=None, dockerImage=None),
        **moments(createdAt="created_at"),
        "user": lambda context, row, arguments: user(context, context.user),
        **dict.fromkeys(("run", "bucket"), optional("Run", _run)),
        "runs": _runs,
        "buckets": _runs,
        "runCount": lambda context, row, arguments: _selected(context, row, arguments).count(),
    },
    "User": {"projects": _projects},
    "Entity": {
        "project": optional(
            "Project", lambda context, row, arguments: _project(context, row, {**arguments, **_of(row)})
        ),
        "projects": lambda context, row, arguments: _projects(context, row, {**arguments, **_of(row)}),
    },
}
