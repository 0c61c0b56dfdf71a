"""Who may do what: one decision over a key, what it is about to do, and the thing that it is about to do it to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kag.server.faults import Forbidden

Place = tuple[str, str]
"""Entity and name of a project."""


class Role(StrEnum):
    """What a key is for."""

    READ = "read"
    """To look at everything, and to change nothing."""
    WRITE = "write"
    """To make things, and to change what it has made."""
    ADMIN = "admin"
    """To do everything."""


class Act(StrEnum):
    """What somebody is about to do."""

    READ = "read"
    MAKE = "make"
    """Add to a project: a run, a sweep, an agent, an artifact, a link."""
    CHANGE = "change"
    """Change, stop or delete a thing that has an owner."""


@dataclass(frozen=True)
class Key:
    """An API key that is in force."""

    name: str
    role: Role = Role.ADMIN
    place: Place | None = None
    """The only project that it opens; None for all."""


@dataclass(frozen=True)
class Thing:
    """What it is about."""

    what: str
    """`the run first`"""
    place: Place | None
    """Its project; None where it is in none."""
    owners: frozenset[str] = frozenset()
    """Names of the keys whose it is: that which made it, and of a run of a sweep that of the sweep."""


def refusal(key: Key, act: Act, thing: Thing) -> str | None:
    """Why a key may not do something; None if it may."""
    if key.place is not None and thing.place != key.place:
        return f"the key {key.name!r} is for the project {'/'.join(key.place)} alone"
    if act is Act.READ or key.role is Role.ADMIN:
        return None
    if key.role is Role.READ:
        return f"the key {key.name!r} is for reading: it changes nothing"
    if act is Act.MAKE or key.name in thing.owners:
        return None
    return f"{thing.what} was not made with the key {key.name!r}, which may change its own things alone"


def ask(key: Key, act: Act, thing: Thing) -> None:
    """Let something be done.

    Raises:
        Forbidden: the key may not.
    """
    why = refusal(key, act, thing)
    if why is not None:
        raise Forbidden(why)
