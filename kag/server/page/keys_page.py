"""Keys of the server, made and revoked in the page by who may: an admin whose key opens every project."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from kag.errors import UserError
from kag.server.audit import note
from kag.server.faults import Fault
from kag.server.keys import list_keys, new_key, revoke_key
from kag.server.page.responses import moved
from kag.server.page.site import Site
from kag.server.page.visit import KEYS, Visit
from kag.server.rights import Act, Place, Role, Thing, ask

DAY = 86_400.0
MOST_DAYS = 36_500


def keys(site: Site, visit: Visit) -> Response:
    """The list of keys, each without the key itself."""
    ask(visit.key, Act.CHANGE, KEYS)
    return _page(site, visit)


def make(site: Site, visit: Visit) -> Response:
    """Make a key, and show it in this answer alone: it is kept as a digest.

    Raises:
        Forbidden: the key of this log-in may not.
    """
    ask(visit.key, Act.CHANGE, KEYS)
    name = visit.form.get("name", "").strip()
    try:
        role, place, until = _role(visit), _place(visit), _until(visit)
        with site.store.write() as connection:
            made = new_key(connection, name, now=visit.now, role=role, place=place, expires_at=until)
            told = f"{role.value}, {'/'.join(place) if place else 'all projects'}"
            note(connection, visit.key.name, "newKey", _key_thing(name), now=visit.now, detail=told)
    except UserError as error:
        return _page(site, visit, wrong=str(error))
    return _page(site, visit, made=made, name=name)


def revoke(site: Site, visit: Visit) -> Response:
    """Close a key for good.

    Raises:
        Forbidden: the key of this log-in may not.
    """
    ask(visit.key, Act.CHANGE, KEYS)
    name = visit.form.get("name", "")
    try:
        with site.store.write() as connection:
            revoke_key(connection, name, now=visit.now)
            note(connection, visit.key.name, "revokeKey", _key_thing(name), now=visit.now)
    except UserError as error:
        raise Fault(str(error)) from error
    return moved(site.address("keys"))


def _key_thing(name: str) -> Thing:
    return Thing(f"the key {name!r}", None)


def _role(visit: Visit) -> Role:
    word = visit.form.get("role", "")
    if word not in tuple(Role):
        raise UserError(f"{word!r} is no role", nearest=", ".join(Role))
    return Role(word)


def _place(visit: Visit) -> Place | None:
    text = visit.form.get("project", "").strip()
    entity, _, name = text.partition("/")
    if text and (not entity or not name or "/" in name):
        raise UserError(f"{text!r} is no project", nearest="kag/pockets: its team and its name")
    return (entity, name) if text else None


def _until(visit: Visit) -> float | None:
    text = visit.form.get("days", "").strip()
    if text and not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MOST_DAYS):
        raise UserError(f"{text!r} is no number of days", nearest="90")
    return visit.now + int(text) * DAY if text else None


def _page(site: Site, visit: Visit, **told: Any) -> Response:
    with site.store.read() as connection:
        found = list_keys(connection)
    values = {"made": None, "name": "", "wrong": None, **told}
    return site.page("keys.html", visit, keys=found, roles=tuple(Role), now=visit.now, given=visit.form, **values)
