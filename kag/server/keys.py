"""API keys: shown once, kept as a digest. A key is 160 random bits, so a plain SHA-256 of it cannot be searched."""

from __future__ import annotations

import base64
import binascii
import difflib
import hashlib
import re
import secrets as random_source
from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, select

from kag.errors import UserError
from kag.server.rights import Key, Place, Role
from kag.server.store import all_rows, count, find, upsert
from kag.server.tables import api_keys, secrets

KEY_BYTES = 20
_NAMED = 8
"""Names that are listed where none is near."""


def digest_of(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def new_key(
    connection: Connection,
    name: str,
    *,
    now: float,
    role: Role = Role.ADMIN,
    place: Place | None = None,
    expires_at: float | None = None,
) -> str:
    """Make a key for a person or a machine; the only time it can be read.

    Args:
        connection: a transaction that writes.
        name: who will use it.
        now: seconds since the epoch.
        role: what it is for.
        place: entity and name of the only project that it opens; None for all.
        expires_at: when it opens nothing any more; None for never.

    Raises:
        UserError: the name is taken or is no short word.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise UserError(f"{name!r} is no name for a key", remedy="use 1 to 64 letters, digits, '.', '_' or '-'")
    if count(connection, api_keys, name=name):
        raise UserError(f"there is a key {name!r} already", remedy="choose another name; a revoked name stays taken")
    key = random_source.token_hex(KEY_BYTES)
    entity, project = place or (None, None)
    row = {"name": name, "digest": digest_of(key), "created_at": now, "role": role.value, "expires_at": expires_at}
    connection.execute(api_keys.insert().values(**row, entity=entity, project=project))
    return key


def list_keys(connection: Connection) -> Sequence[RowMapping]:
    """Everything about every key but the key."""
    columns = [column for column in api_keys.c if column.name not in ("id", "digest")]
    return all_rows(connection, select(*columns).order_by(api_keys.c.created_at, api_keys.c.id))


def revoke_key(connection: Connection, name: str, *, now: float) -> None:
    """From now on the key opens nothing.

    Raises:
        UserError: there is no such key, or it is revoked.
    """
    revoking = api_keys.update().filter_by(name=name, revoked_at=None).values(revoked_at=now)
    if connection.execute(revoking).rowcount != 1:
        names = [str(row["name"]) for row in list_keys(connection) if row["revoked_at"] is None]
        near = difflib.get_close_matches(name, names, n=1) or names[-_NAMED:]
        raise UserError(f"no key {name!r} is in force", nearest=", ".join(near) or None)


def key_of_header(header: str | None) -> str | None:
    """The key of an Authorization header: `Basic base64(api:KEY)` or `Bearer KEY`; None if it holds none."""
    scheme, _, rest = (header or "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip() or None
    if scheme.lower() != "basic":
        return None
    try:
        user, sign, key = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return key if sign and user == "api" and key else None


def key_of(connection: Connection, key: str | None, *, now: float) -> Key | None:
    """What a key opens, or None if that is nothing."""
    return _in_force(find(connection, api_keys, digest=digest_of(key)), now) if key else None


def key_named(connection: Connection, name: str, *, now: float) -> Key | None:
    """What the key of this name opens, or None if that is nothing; names are never given twice."""
    return _in_force(find(connection, api_keys, name=name), now)


def _in_force(row: RowMapping | None, now: float) -> Key | None:
    if row is None or row["revoked_at"] is not None or (row["expires_at"] is not None and row["expires_at"] <= now):
        return None
    place = None if row["project"] is None else (str(row["entity"]), str(row["project"]))
    return Key(str(row["name"]), Role(row["role"]), place)


def signing_secret(connection: Connection) -> bytes:
    """The secret that file links are signed with; made on first use, then the same for every server of the database."""
    fresh = random_source.token_hex(32)
    upsert(connection, secrets, [{"name": "links", "value": fresh}], key=["name"], update=[])
    return bytes.fromhex(connection.execute(select(secrets.c.value).filter_by(name="links")).scalar_one())
