"""Projects."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from sqlalchemy import RowMapping, select

from kag.server.arguments import Arguments, entity_of, input_of, json_object
from kag.server.context import Context
from kag.server.filters import RunView, matches, place
from kag.server.graphql import Node, Registry
from kag.server.resolvers.account import user
from kag.server.resolvers.fields import columns, constants, identifier, moments, optional
from kag.server.resolvers.pages import connection
from kag.server.runs import WITH_SWEEP, checked_name, ensure_project, find_project, find_run
from kag.server.store import all_rows, find, updated
from kag.server.tables import projects as project_table
from kag.server.tables import runs as run_table


def _project(context: Context, _: Any, arguments: Arguments) -> RowMapping | None:
    return find_project(context.connection, entity_of(context, arguments), arguments.get("name") or "uncategorized")


def _projects(context: Context, _: Any, arguments: Arguments) -> Node:
    query = select(project_table).filter_by(entity=entity_of(context, arguments))
    if context.key.place is not None:
        query = query.filter_by(entity=context.key.place[0], name=context.key.place[1])
    rows = all_rows(context.connection, query.order_by(project_table.c.id.desc()))
    return connection("Project", [Node("Project", row) for row in rows], arguments, [[-row["id"]] for row in rows])


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


def _selected(context: Context, row: RowMapping, arguments: Arguments) -> list[RunView]:
    """The runs of a project that fit `filters`."""
    expression = json_object("filters", arguments.get("filters") or "{}")
    query = WITH_SWEEP.where(run_table.c.project_id == row["id"]).order_by(run_table.c.created_at, run_table.c.id)
    views = [RunView(run, context.shown_state(run)) for run in all_rows(context.connection, query)]
    return [view for view in views if matches(view, expression)]


def _runs(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    order = arguments.get("order")
    placed = sorted(((place(view, order), view) for view in _selected(context, row, arguments)), key=itemgetter(0))
    nodes = [Node("Run", view.row) for _, view in placed]
    return connection("Run", nodes, arguments, [place for place, _ in placed])


def project_of(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    """The project that a run, a sweep or a collection belongs to."""
    return Node("Project", find(context.connection, project_table, id=row["project_id"]))


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
        "runCount": lambda context, row, arguments: len(_selected(context, row, arguments)),
    },
    "User": {"projects": _projects},
    "Entity": {
        "project": optional(
            "Project", lambda context, row, arguments: _project(context, row, {**arguments, **_of(row)})
        ),
        "projects": lambda context, row, arguments: _projects(context, row, {**arguments, **_of(row)}),
    },
}
