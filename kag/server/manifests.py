"""Manifests: what a version of an artifact holds, as JSON that the client reads.

A client sends a manifest in full; or, of a version that goes on from another one, what is new (INCREMENTAL); or, of a
version that several runs make together, its own part (PATCH). Whoever reads a version gets one manifest in full.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, select

from kag.server.arguments import json_object, text
from kag.server.artifact_files import complete
from kag.server.context import Context
from kag.server.faults import Fault, NotFound, needed
from kag.server.store import all_rows, inserted, inserted_id
from kag.server.tables import blobs, manifests

FULL, INCREMENTAL, PATCH = "FULL", "INCREMENTAL", "PATCH"

MAX_BYTES = 256 * 2**20
"""A manifest that is larger is not read: about two million files."""

Entries = dict[str, dict[str, Any]]
"""Name of a file -> what the manifest says of it."""


def create_manifest(connection: Connection, artifact_id: int, given: Mapping[str, Any], base: int | None) -> RowMapping:
    """A manifest that is about to be sent; `base` is the version that an incremental one goes on from. Its number stays
    when that version is deleted: what goes on from nothing must not pass for a first version.
    """
    kind = text(given, "type") or FULL
    if kind not in (FULL, INCREMENTAL, PATCH):
        raise Fault(f"a manifest is {FULL}, {INCREMENTAL} or {PATCH}, not {kind!r}")
    texts = {name: str(given.get(name))[:256] for name in ("name", "digest")}
    return inserted(connection, manifests, {"artifact_id": artifact_id, "type": kind, "base_id": base, **texts})


def current_manifest(connection: Connection, artifact_id: int) -> RowMapping | None:
    """The newest manifest of a version that has arrived, with the path of its blob."""
    return current_manifests(connection, [artifact_id]).get(artifact_id)


def current_manifests(connection: Connection, artifact_ids: Sequence[int]) -> dict[int, RowMapping]:
    """The same of some versions."""
    return {row["artifact_id"]: row for row in all_rows(connection, _arrived(artifact_ids))}


def _arrived(artifact_ids: Sequence[int]) -> Select[Any]:
    """Those that have arrived, the newest last."""
    query = select(manifests, blobs.c.path).join(blobs, manifests.c.blob_id == blobs.c.id)
    return query.where(manifests.c.artifact_id.in_(artifact_ids)).order_by(manifests.c.id)


def entries_of(context: Context, manifest: RowMapping) -> Entries:
    """What a manifest lists.

    Raises:
        NotFound: its file is gone.
        Fault: it is no manifest.
    """
    entries: Entries = _document(context, manifest)["contents"]
    return entries


def _document(context: Context, manifest: RowMapping) -> dict[str, Any]:
    size = context.settings.files.size(manifest["path"])
    if size is None:
        raise NotFound("the file of this manifest is gone")
    if size > MAX_BYTES:
        raise Fault(f"a manifest may have {MAX_BYTES} bytes at most")
    found = json_object("the manifest", context.settings.files.read(manifest["path"]))
    entries = found.get("contents")
    if not isinstance(entries, dict) or not all(isinstance(one, dict) for one in entries.values()):
        raise Fault("the manifest has no contents")
    return found


def settle(context: Context, artifact_id: int) -> str | None:
    """Make one manifest of what was sent for a version, and its files those of the manifest.

    Returns:
        The digest of a manifest that was made here of several; None if it was sent in full.

    Raises:
        Fault: manifest, base or a file is missing.
    """
    sent = all_rows(context.connection, _arrived([artifact_id]))
    if not sent:
        raise Fault("the manifest of this artifact has not arrived")
    kind = sent[-1]["type"]
    if kind == FULL:
        _complete(context, artifact_id, entries_of(context, sent[-1]))
        return None
    parts = [_document(context, one) for one in sent if one["type"] == kind]
    entries = _base(context, sent[-1]) if kind == INCREMENTAL else {}
    for part in parts:
        entries |= part["contents"]
    _complete(context, artifact_id, entries)
    digest = digest_of(entries)
    content = json.dumps({**parts[-1], "contents": entries}).encode()
    blob = inserted_id(context.connection, blobs, context.settings.files.keep(content))
    row = {"artifact_id": artifact_id, "type": FULL, "name": "wandb_manifest.json", "digest": digest, "blob_id": blob}
    inserted(context.connection, manifests, row)
    return digest


def _base(context: Context, manifest: RowMapping) -> Entries:
    """What the version held that an incremental one goes on from; nothing if it is the first."""
    if manifest["base_id"] is None:
        return {}
    found = current_manifest(context.connection, manifest["base_id"])
    return entries_of(context, needed(found, "the version that this one goes on from is gone"))


def _complete(context: Context, artifact_id: int, entries: Entries) -> None:
    """References are kept as they are; of all other entries the content must be here."""
    complete(
        context, artifact_id, {name: str(one.get("digest")) for name, one in entries.items() if one.get("ref") is None}
    )


def digest_of(entries: Entries) -> str:
    """The digest of a version: as the client computes it, of the names and digests of its files in order."""
    lines = "".join(f"{name}:{one.get('digest')}\n" for name, one in sorted(entries.items()))
    return hashlib.md5(f"wandb-artifact-manifest-v1\n{lines}".encode(), usedforsecurity=False).hexdigest()
