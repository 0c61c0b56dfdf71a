"""Text to record, with an error that a person can act on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kag.errors import RecordError
from kag.number import sound
from kag.track.record import SCHEMA, RunRecord
from kag.track.upgrade import upgraded

_SHOWN = 5


def read_text(path: Path) -> str:
    """A UTF-8 file, line ends as they are.

    Raises:
        RecordError: it is missing or not UTF-8.
    """
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise RecordError(f"is not UTF-8 text (byte {error.start})", where=str(path)) from None


def read_bytes(path: Path) -> bytes:
    """What a file holds.

    Raises:
        RecordError: it is missing, closed to this user, or no file: a pipe would be waited for without end.
    """
    try:
        if not path.is_file():
            raise RecordError("is no regular file" if path.exists() else "there is no such file", where=str(path))
        return path.read_bytes()
    except OSError as error:
        raise RecordError(f"cannot be read: {error.strerror}", where=str(path)) from error


def parse_record(text: Any, *, where: str) -> RunRecord:
    """A record from its JSON, of this version or an older one.

    Raises:
        RecordError: not JSON (with the line), from a newer kag, or with fields that a record does not have.
    """
    if not isinstance(text, str):
        raise RecordError("is no text of a run record", where=where)
    try:
        return RunRecord.model_validate_json(text)
    except ValidationError:
        content = _object(text, where)
    version = content.get("schema_version", 1)
    if isinstance(version, int) and version > SCHEMA:
        raise RecordError(
            f"was written by a newer kag (record layout {version}, this one reads up to {SCHEMA})",
            where=where,
            remedy="update kag",
        )
    try:
        return RunRecord.model_validate(upgraded(content, SCHEMA))
    except ValidationError as error:
        raise RecordError(f"is not a run record: {faults_of(error)}", where=where) from None


def faults_of(error: ValidationError) -> str:
    """What is wrong with the fields of a record, the first of them."""
    faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    return f"{'; '.join(faults[:_SHOWN])}{more}"


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as broken:
        raise RecordError(f"is not JSON: {broken.msg}", where=f"{where}:{broken.lineno}") from None
    except (ValueError, RecursionError) as broken:
        raise RecordError(f"is not JSON that can be read: {str(broken)[:80]}", where=where) from None
    if not isinstance(content, dict):
        raise RecordError("is not a JSON object", where=f"{where}:1")
    found: dict[str, Any] = sound(content)
    return found
