"""Projects."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from kag.server.arguments import Arguments, entity_of, input_of, required
from kag.server.context import Context, encode_id
from kag.server.filters import RunView, matches, ordered
from kag.server.graphql import Node, Registry
from kag.server.resolvers.account import user
from kag.server.resolvers.fields import column, constant, moment
from kag.server.resolvers.pages import connection, connection_types
from kag.server.runs import (
    checked_name,
    ensure_project,
    find_project,
    find_run,
    json_object,
    note_resume,
    project_runs,
    shown_state,
)
from kag.server.store import all_rows, first
from kag.server.tables import projects as project_table


def _project(context: Context, _: Any, arguments: Arguments) -> Node | None:
    row = find_project(context.connection, entity_of(context, arguments), arguments.get("name") or "uncategorized")
    return None if row is None else Node("Project", row)


def _projects(context: Context, _: Any, arguments: Arguments) -> Node:
    query = select(project_table).where(project_table.c.entity == entity_of(context, arguments))
    rows = all_rows(context.connection, query.order_by(project_table.c.created_at.desc()))
    return connection("Project", [Node("Project", row) for row in rows], arguments)


def _upsert(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    entity = entity_of(context, given)
    name = checked_name("project", required(given, "name"))
    inserted = find_project(context.connection, entity, name) is None
    row = ensure_project(context.connection, entity, name, now=context.now)
    if given.get("description") is not None:
        values = {"description": str(given["description"])}
        context.connection.execute(project_table.update().where(project_table.c.id == row["id"]).values(**values))
        row = find_project(context.connection, entity, name) or row
    project = Node("Project", row)
    return Node("UpsertModelPayload", {"project": project, "model": project, "inserted": inserted})


def _run(context: Context, row: Any, arguments: Arguments) -> Node | None:
    found = find_run(context.connection, row["id"], arguments.get("name"))
    return None if found is None else Node("Run", found)


def _bucket(context: Context, row: Any, arguments: Arguments) -> Node | None:
    """The run. A client that takes a missing one for an answer means to resume it; others mean to upload files."""
    found = find_run(context.connection, row["id"], arguments.get("name"))
    if found is None:
        return None
    if arguments.get("missingOk"):
        note_resume(context.connection, found["id"], now=context.now)
    return Node("Run", found)


def selected_runs(context: Context, project_id: int, arguments: Arguments) -> list[Node]:
    """The runs of a project that fit `filters`, in `order`."""
    expression = json_object("filters", arguments.get("filters") or "{}")
    now, started, patience = context.now, context.started, context.settings.crashed_after
    views = [
        RunView(row, shown_state(row, now=now, started=started, crashed_after=patience))
        for row in project_runs(context.connection, project_id)
    ]
    fitting = [view for view in views if matches(view, expression)]
    return [Node("Run", view.row) for view in ordered(fitting, arguments.get("order"))]


def _runs(context: Context, row: Any, arguments: Arguments) -> Node:
    return connection("Run", selected_runs(context, row["id"], arguments), arguments)


def _run_count(context: Context, row: Any, arguments: Arguments) -> int:
    return len(selected_runs(context, row["id"], arguments))


def project_by_id(context: Context, number: int) -> Node:
    """The project that a run or a sweep belongs to."""
    row = first(context.connection, select(project_table).where(project_table.c.id == number))
    return Node("Project", row)


TYPES: Registry[Context] = {
    "Query": {"project": _project, "model": _project, "models": _projects, "projects": _projects},
    "Mutation": {"upsertModel": _upsert},
    "UpsertModelPayload": {name: column(name) for name in ("project", "model", "inserted")},
    "Project": {
        "id": lambda context, row, arguments: encode_id("Project", row["id"]),
        "internalId": lambda context, row, arguments: str(row["id"]),
        "name": column("name"),
        "entityName": column("entity"),
        "entity": lambda context, row, arguments: Node("Entity", {"name": row["entity"]}),
        "description": column("description"),
        "access": constant("PRIVATE"),
        "views": constant(None),
        "createdAt": moment("created_at"),
        "isBenchmark": constant(False),
        "readOnly": constant(False),
        "user": lambda context, row, arguments: user(context, context.user),
        "run": _run,
        "bucket": _bucket,
        "runs": _runs,
        "buckets": _runs,
        "runCount": _run_count,
        "runQueues": lambda context, row, arguments: [],
        "allViews": lambda context, row, arguments: connection("View", [], arguments),
    },
    **connection_types("Project"),
    **connection_types("Run"),
    **connection_types("View"),
}
