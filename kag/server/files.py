"""Files of runs and artifacts: rows that name a blob (see blobs.py), which goes when no row names it any more."""

from __future__ import annotations

import mimetypes
import posixpath
import unicodedata
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select, union_all

from kag.server.blobs import Blobs
from kag.server.claims import KINDS, Claim, row_of
from kag.server.faults import Fault
from kag.server.store import Store, all_rows, count, find, inserted_id, upsert
from kag.server.tables import COMMITTED, artifact_files, artifacts, blobs, files, manifests


def checked_path(name: Any) -> str:
    """The name of a file inside a run or an artifact: relative, inside, with forward slashes.

    Raises:
        Fault: it is not.
    """
    if not isinstance(name, str) or not 1 <= len(name) <= 1024:
        raise Fault("a file needs a name of 1 to 1024 characters")
    if "\\" in name or any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        raise Fault(f"the file name {name!r} holds a backslash or a control character")
    clean = posixpath.normpath(name)
    if clean in (".", "..") or clean.startswith(("/", "../")):
        raise Fault(f"the file name {name!r} leads out of its run")
    return clean


def is_path(name: Any) -> bool:
    """Whether a file may be called so: see `checked_path`."""
    try:
        return bool(checked_path(name) == name)
    except Fault:
        return False


def attach(connection: Connection, claim: Claim, blob: dict[str, Any], *, now: float) -> str | None:
    """Give an uploaded blob the name that its link claims; the path of a blob that it replaces comes back."""
    found = row_of(connection, claim, lock=True)
    if claim["to"] == "run":
        old = find(connection, files, run_id=claim["id"], name=claim["name"])
        row = {"run_id": claim["id"], "name": claim["name"], "blob_id": inserted_id(connection, blobs, blob)}
        row["updated_at"] = now
        upsert(connection, files, [row], key=["run_id", "name"], update=["blob_id", "updated_at"])
        return _drop(connection, None if old is None else old["blob_id"])
    if find(connection, artifacts, id=found["artifact_id"], state=COMMITTED) is not None:
        raise Fault("this version is committed: its files do not change any more", status=409)
    named = KINDS[claim["to"]].update().filter_by(id=found["id"])
    connection.execute(named.values(blob_id=inserted_id(connection, blobs, blob)))
    return _drop(connection, found["blob_id"])


def _drop(connection: Connection, blob_id: int | None) -> str | None:
    """Remove a blob that has been replaced, unless a version of an artifact shares it; its path if it is gone."""
    row = None if blob_id is None else find(connection, blobs, lock=True, id=blob_id)
    if row is None or count(connection, artifact_files, blob_id=blob_id):
        return None
    connection.execute(blobs.delete().filter_by(id=blob_id))
    return str(row["path"])


def unnamed(connection: Connection, *, without: Sequence[int] = (), lock: bool = False) -> Sequence[RowMapping]:
    """Blobs that no run and no artifact names any more: deleted runs leave them.

    Args:
        without: runs that count as gone already.
        lock: keep others from naming them until the transaction ends; without those that somebody holds already.
    """
    columns = (files.c.blob_id, artifact_files.c.blob_id, manifests.c.blob_id)
    of_runs, *others = (select(column).where(column.isnot(None)) for column in columns)
    named = union_all(of_runs.where(files.c.run_id.notin_(without)), *others)
    query = select(blobs).where(blobs.c.id.notin_(named))
    return all_rows(connection, query.with_for_update(skip_locked=True) if lock else query)


def drop_unnamed(store: Store, place: Blobs) -> int:
    """Remove blobs that nothing names any more; how many there were.

    One that is about to be named again, by a version with the same content, is held meanwhile, and stays.
    """
    with store.write() as connection:
        ours = {row["id"] for row in unnamed(connection, lock=True)}
        gone = [row for row in unnamed(connection) if row["id"] in ours]
        for row in gone:
            connection.execute(blobs.delete().filter_by(id=row["id"]))
    place.remove(row["path"] for row in gone)
    return len(gone)


def run_files(connection: Connection, run_id: int, names: Sequence[str], pattern: str | None) -> Sequence[RowMapping]:
    """The files of a run by name; `pattern` has the wildcards of SQL's LIKE."""
    query = (
        select(files, blobs.c.size, blobs.c.md5)
        .join(blobs, files.c.blob_id == blobs.c.id)
        .where(files.c.run_id == run_id)
        .order_by(files.c.name)
    )
    if names:
        query = query.where(files.c.name.in_([checked_path(name) for name in names]))
    if pattern:
        query = query.where(files.c.name.ilike(checked_pattern(pattern), escape="\\"))
    return all_rows(connection, query)


def checked_pattern(pattern: str) -> str:
    """A pattern with the wildcards of SQL's LIKE; a Fault if no database takes it."""
    if len(pattern) > 1024 or (len(pattern) - len(pattern.rstrip("\\"))) % 2:
        raise Fault("a pattern of file names has 1024 characters at most, and none is a lone backslash at its end")
    return pattern


def media_type(name: str) -> str:
    """The MIME type that a name suggests."""
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
