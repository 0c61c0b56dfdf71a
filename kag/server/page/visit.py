"""One request of a page: who asks, for which project, with which words; and the form it sends."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import Connection, RowMapping
from starlette.requests import Request

from kag.server.base import Base
from kag.server.body import chunks
from kag.server.faults import Fault, needed
from kag.server.page.session import Session
from kag.server.rights import Act, Key, Role, Thing, ask, refusal
from kag.server.runs import find_project

MAX_FORM = 512 * 1024
"""Bytes of a form."""

KEYS = Thing("the keys of this server", None)
"""They are nobody's in particular, and in no project."""

CSRF = "csrf"
"""Field of every form."""


@dataclass(frozen=True)
class Visit:
    """A request of somebody who is logged in."""

    request: Request
    session: Session
    key: Key
    """Whose log-in it is."""
    form: dict[str, str]
    """Fields that were sent; empty for a GET."""
    now: float

    @property
    def entity(self) -> str:
        """Team of the project."""
        return str(self.request.path_params["entity"])

    @property
    def name(self) -> str:
        """Name of the project."""
        return str(self.request.path_params["project"])

    @property
    def word(self) -> str:
        """The run or sweep that the address names."""
        return str(self.request.path_params["word"])

    @property
    def writes(self) -> bool:
        """Whether it may be that the key changes something: whether forms are shown at all."""
        return self.key.role is not Role.READ

    @property
    def keeps_keys(self) -> bool:
        """Whether the key may make and revoke keys."""
        return refusal(self.key, Act.CHANGE, KEYS) is None

    @cached_property
    def query(self) -> dict[str, str]:
        """Words behind the question mark; the last one counts."""
        return dict(self.request.query_params)

    def project(self, connection: Connection) -> RowMapping:
        """The project, or NotFound; Forbidden if the key is for another one."""
        ask(self.key, Act.READ, Thing("this project", (self.entity, self.name)))
        return needed(find_project(connection, self.entity, self.name), f"no project {self.entity}/{self.name}")


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form.

    Raises:
        Fault: it is larger than a form may be, or it is none.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Fault("this address takes a form", status=415)
    text = b"".join([chunk async for chunk in chunks(request, limit=MAX_FORM)])
    try:
        fields = parse_qs(text.decode(), keep_blank_values=True, max_num_fields=100, errors="strict")
    except ValueError as error:
        raise Fault("the form is not UTF-8") from error
    return {name: values[-1] for name, values in fields.items()}


def check_origin(request: Request, base: Base) -> None:
    """Refuse what a page of another site sends.

    Raises:
        Fault: the browser says so.
    """
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    foreign = origin is not None and urlsplit(origin).netloc not in (base.host, request.headers["host"])
    if foreign or (site is not None and site not in ("same-origin", "none")):
        raise Fault("this request was sent from another site", status=403)


def check_token(form: dict[str, str], wanted: str) -> None:
    """Refuse a form that no page of this log-in has shown.

    Raises:
        Fault: its token is another.
    """
    if not hmac.compare_digest(form.get(CSRF, "").encode(), wanted.encode()):
        raise Fault("this form has expired: load its page again and repeat", status=403)
