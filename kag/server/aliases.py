"""Names of versions within a collection: `latest`, `best`, and the number that a version has, `v3`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from kag.server.faults import Refused
from kag.server.runs import checked_name
from kag.server.store import all_rows, count, find, first, upsert
from kag.server.tables import aliases, memberships

LATEST = "latest"

_NUMBER = re.compile(r"v(\d+)")


def number_of(word: str) -> int | None:
    """The number in a version's own name, `v3`; None for any other word."""
    found = _NUMBER.fullmatch(word)
    return int(found[1]) if found and len(found[1]) < 10 else None


def checked_alias(name: Any) -> str:
    """A name for a version.

    Raises:
        Fault: it is no name, or reads like the number of a version and would hide the version with that number.
    """
    word = checked_name("alias", name)
    if _NUMBER.fullmatch(word):
        raise Refused(f"{word!r} cannot be an alias: it reads like a version's number, which the server alone gives")
    return word


def set_aliases(connection: Connection, membership: RowMapping, names: Sequence[str]) -> None:
    """Point names of the collection to this member; a name that pointed to another one moves."""
    place = {"membership_id": membership["id"], "collection_id": membership["collection_id"]}
    rows = [{**place, "alias": checked_alias(name)} for name in dict.fromkeys(names)]
    upsert(connection, aliases, rows, key=["collection_id", "alias"], update=["membership_id"])


def drop_aliases(connection: Connection, membership: RowMapping, names: Sequence[str]) -> None:
    """Remove names of this member."""
    ours = aliases.delete().filter_by(membership_id=membership["id"])
    connection.execute(ours.where(aliases.c.alias.in_(names)))


def replace_aliases(connection: Connection, membership: RowMapping, names: Sequence[str]) -> None:
    """Give a member these names and no others."""
    connection.execute(aliases.delete().filter_by(membership_id=membership["id"]))
    set_aliases(connection, membership, names)


def restore_latest(connection: Connection, collection_id: int) -> None:
    """After a member has gone: `latest` is the newest that is left."""
    newest = select(memberships).filter_by(collection_id=collection_id).order_by(memberships.c.version.desc())
    left = first(connection, newest)
    if left is not None and not count(connection, aliases, collection_id=collection_id, alias=LATEST):
        set_aliases(connection, left, [LATEST])


def aliases_of(connection: Connection, artifact_id: int) -> Sequence[RowMapping]:
    """The names of a version in all collections that it is in, in the order in which they were given."""
    query = select(aliases).join(memberships, aliases.c.membership_id == memberships.c.id)
    return all_rows(connection, query.where(memberships.c.artifact_id == artifact_id).order_by(aliases.c.id))


def named(connection: Connection, collection_id: int, word: str) -> RowMapping | None:
    """A member of a collection by its number, `v3`, or by another name."""
    number = number_of(word)
    if number is not None:
        return find(connection, memberships, collection_id=collection_id, version=number)
    alias = find(connection, aliases, collection_id=collection_id, alias=word)
    return None if alias is None else find(connection, memberships, id=alias["membership_id"])
