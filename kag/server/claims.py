"""What a signed link belongs to: a row, which it does not outlive."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, RowMapping, Table

from kag.server.faults import Fault, needed
from kag.server.store import find
from kag.server.tables import artifact_files, blobs, files, manifests, runs

Claim = Mapping[str, Any]
"""What a link says: whether it is to `do` a `get` or a `put`, and `to` which kind of row, by its `id`."""

KINDS: Mapping[str, Table] = MappingProxyType(
    {"run": runs, "file": files, "artifact": artifact_files, "manifest": manifests}
)
"""Kinds of rows that links belong to: a run that is to get a file, a file of a run, of an artifact, a manifest."""

GONE = "what this link belongs to is gone"


def row_of(connection: Connection, claim: Claim, *, lock: bool = False) -> RowMapping:
    """The row that a link belongs to; `lock` as for `find`.

    Raises:
        NotFound: it is gone.
        Fault: the link says nothing that this server knows.
    """
    kind = KINDS.get(str(claim.get("to")))
    if kind is None:
        raise Fault("this link leads to no file of this server", status=403)
    return needed(find(connection, kind, lock=lock, id=claim.get("id")), GONE)


def path_of(connection: Connection, claim: Claim) -> str:
    """The blob that a link to get a file leads to.

    Raises:
        NotFound: it is gone.
        Fault: the link says nothing that this server knows.
    """
    blob = find(connection, blobs, id=row_of(connection, claim).get("blob_id"))
    return str(needed(blob, GONE)["path"])
