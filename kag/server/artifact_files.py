"""Files of artifact versions. Versions share content: what the server has already is never sent again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, RowMapping, func, select

from kag.server.context import Context
from kag.server.faults import Refused
from kag.server.files import checked_path
from kag.server.store import all_rows, upsert
from kag.server.tables import artifact_files, blobs

_AT_ONCE = 500
"""Digests in one query."""


def files_of(connection: Connection, artifact_id: int) -> Sequence[RowMapping]:
    """The files of a version that have arrived."""
    query = (
        select(artifact_files, blobs.c.size)
        .join(blobs, artifact_files.c.blob_id == blobs.c.id)
        .where(artifact_files.c.artifact_id == artifact_id)
        .order_by(artifact_files.c.name)
    )
    return all_rows(connection, query)


def extents(connection: Connection, artifact_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Number and bytes of the files of some versions that have arrived."""
    owner = artifact_files.c.artifact_id
    query = select(owner, func.count(), func.sum(blobs.c.size)).join(blobs, artifact_files.c.blob_id == blobs.c.id)
    found = connection.execute(query.where(owner.in_(artifact_ids)).group_by(owner))
    return {number: (count, int(size)) for number, count, size in found}


def add_files(context: Context, artifact_id: int, digests: Mapping[str, str]) -> dict[str, RowMapping]:
    """Name the files of a version; by name, each with the blob of its content if the server has that already.

    Args:
        context: of the request.
        artifact_id: the version, which is not committed.
        digests: name -> MD5 in base64.
    """
    stored = _stored(context, list(digests.values()))
    rows = [
        {"artifact_id": artifact_id, "name": checked_path(name), "md5": md5, "blob_id": stored.get(md5)}
        for name, md5 in digests.items()
    ]
    upsert(context.connection, artifact_files, rows, key=["artifact_id", "name"], update=["md5", "blob_id"])
    found = all_rows(context.connection, select(artifact_files).filter_by(artifact_id=artifact_id))
    return {row["name"]: row for row in found}


def complete(context: Context, artifact_id: int, digests: Mapping[str, str]) -> None:
    """Make the files of a version those of its manifest: what was not sent is taken from other versions by its digest.

    Raises:
        Fault: a file has neither been sent nor is it here.
    """
    query = select(artifact_files.c.name, blobs.c.md5).join(blobs, artifact_files.c.blob_id == blobs.c.id)
    arrived = {
        row["name"]: row["md5"] for row in all_rows(context.connection, query.filter_by(artifact_id=artifact_id))
    }
    lacking = {name: md5 for name, md5 in digests.items() if arrived.get(checked_path(name)) != md5}
    added = add_files(context, artifact_id, lacking) if lacking else {}
    absent = sorted(name for name in lacking if added[checked_path(name)]["blob_id"] is None)
    if absent:
        more = f" and {len(absent) - 1} others" if len(absent) > 1 else ""
        raise Refused(f"the content that the manifest has for {absent[0]!r}{more} has not arrived")
    stray = artifact_files.c.name.in_(arrived.keys() - set(map(checked_path, digests)))
    context.connection.execute(artifact_files.delete().filter_by(artifact_id=artifact_id).where(stray))


def _stored(context: Context, digests: Sequence[str]) -> dict[str, int]:
    """The blobs with these digests that artifacts name and that lie on disk; they stay until the transaction ends."""
    place, found = context.settings.files, dict[str, int]()
    shared = artifact_files.c.blob_id == blobs.c.id
    for start in range(0, len(digests), _AT_ONCE):
        wanted = select(blobs).where(blobs.c.md5.in_(digests[start : start + _AT_ONCE]))
        named = wanted.where(select(artifact_files.c.id).where(shared).exists())
        rows = all_rows(context.connection, named.with_for_update(read=True, key_share=True))
        there = place.there([row["path"] for row in rows])
        found |= {row["md5"]: row["id"] for row in rows if row["path"] in there}
    return found
