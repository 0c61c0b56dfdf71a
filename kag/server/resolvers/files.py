"""Files of a run."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from sqlalchemy import RowMapping

from kag.server.arguments import Arguments, entity_of, input_of, items, text
from kag.server.context import Context, decode_id, encode_id
from kag.server.faults import Fault
from kag.server.files import checked_path, media_type, run_files
from kag.server.graphql import Node, Registry
from kag.server.resolvers.fields import columns, constant, constants, identifier, moments
from kag.server.resolvers.pages import connection
from kag.server.runs import run_by_path
from kag.server.store import count
from kag.server.tables import files as file_table


def _create(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    entity = entity_of(context, given)
    run = run_by_path(context.connection, entity, given.get("projectName"), given.get("runName"))
    names = given.get("files")
    if not isinstance(names, list) or len(names) > 10_000:
        raise Fault("files must be a list of at most 10000 names")
    wanted = [Node("FileUpload", {"name": name, "uploadUrl": put_link(context, run["id"], name)}) for name in names]
    value = {"runID": encode_id("Run", run["id"]), "uploadHeaders": [], "files": wanted}
    return Node("CreateRunFilesPayload", value)


def put_link(context: Context, run_id: int, name: Any) -> str:
    """Where to put a file of a run."""
    path = checked_path(name)
    return context.links.make({"do": "put", "to": "run", "id": run_id, "name": path}, path, now=context.now)


def get_link(context: Context, kind: str, row: RowMapping) -> str:
    """Where to get a file; `kind` of `kag.server.claims.KINDS`."""
    name = row["name"]
    return context.links.make({"do": "get", "to": kind, "id": row["id"], "name": name}, name, now=context.now)


def _get_link(context: Context, row: RowMapping, arguments: Arguments) -> str:
    return get_link(context, "artifact" if row.get("artifact_id") else "file", row)


def _files(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    names, pattern = items(arguments, "names", str), text(arguments, "pattern")
    rows = sorted(run_files(context.connection, row["id"], names, pattern), key=itemgetter("name"))
    found = [Node("File", one) for one in rows]
    known = {one.value["name"] for one in found}
    if arguments.get("upload") or not names:
        return connection("File", found, arguments, [[one.value["name"]] for one in found])
    absent = [{"run_id": row["id"], "name": checked_path(name)} for name in names if checked_path(name) not in known]
    return connection("File", [*found, *(Node("AbsentFile", one) for one in absent)], arguments)


def _delete(context: Context, _: Any, arguments: Arguments) -> Node:
    numbers = [decode_id("File", one) for one in items(input_of(arguments), "files", str)]
    context.connection.execute(file_table.delete().where(file_table.c.id.in_(numbers)))
    return Node("DeleteFilesPayload", {"success": True})


def _url(context: Context, row: RowMapping, arguments: Arguments) -> str:
    if arguments.get("upload"):
        return put_link(context, row["run_id"], row["name"])
    return _get_link(context, row, arguments)


TYPES: Registry[Context] = {
    "Mutation": {
        "createRunFiles": _create,
        "deleteFiles": _delete,
        "markRunFilesUploaded": constant(Node("MarkRunFilesUploadedPayload", {"success": True})),
    },
    "Run": {
        "files": _files,
        "fileCount": lambda context, row, arguments: count(context.connection, file_table, run_id=row["id"]),
    },
    "File": {
        "id": identifier("File"),
        **columns("name", "md5"),
        **moments(updatedAt="updated_at"),
        "url": _url,
        "directUrl": _get_link,
        "sizeBytes": lambda context, row, arguments: str(row["size"]),
        "mimetype": lambda context, row, arguments: media_type(row["name"]),
    },
    "AbsentFile": {
        **columns("name"),
        **constants(id=None, directUrl=None, sizeBytes="0", updatedAt=None, md5=None),
        "url": lambda context, row, arguments: _url(context, row, arguments) if arguments.get("upload") else None,
        "mimetype": lambda context, row, arguments: media_type(row["name"]),
    },
    "FileConnection": {**columns("edges", "pageInfo", "totalCount"), **constants(uploadHeaders=[])},
}
