"""Log in and out, and the wrapping of every page: who asks, and whether a form is one that we have shown."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from kag.server.access_log import entry_of
from kag.server.base import Base
from kag.server.faults import Fault
from kag.server.keys import key_named
from kag.server.page.ended import end, has_ended
from kag.server.page.guesses import tried
from kag.server.page.responses import html, moved
from kag.server.page.session import LIFETIME, Session
from kag.server.page.site import Site
from kag.server.page.tickets import take_up
from kag.server.page.visit import Visit, check_origin, check_token, form_of
from kag.server.rights import Key

Handler = Callable[[Site, Visit], Response]


async def guarded(site: Site, handler: Handler, request: Request) -> Response:
    """The answer of a handler behind the log-in; a form reaches it only with the token of this log-in."""
    now = site.clock()
    found = await run_in_threadpool(_session, site, request, now)
    if found is None:
        raise Fault("log in with an API key", status=401)
    session, key = found
    entry_of(request.scope).user = key.name
    form: dict[str, str] = {}
    if request.method == "POST":
        check_origin(request, site.base(request))
        form = await form_of(request)
        check_token(form, session.csrf)
    return await run_in_threadpool(handler, site, Visit(request, session, key, form, now))


async def login_page(site: Site, request: Request) -> Response:
    """The form."""
    return _login_form(site, request, request.query_params.get("next", "/"))


async def log_in(site: Site, request: Request) -> Response:
    """Take a key and give a cookie."""
    base = site.base(request)
    check_origin(request, base)
    form = await form_of(request)
    check_token(form, site.sessions.form_token(request.cookies.get(_cookie(base, "form"), "")))
    now, address = site.clock(), request.client.host if request.client else ""
    key = await run_in_threadpool(_tried, site, address, form.get("key", "").strip(), now)
    if key is None:
        return _login_form(site, request, form.get("next", "/"), wrong="This key opens nothing here.")
    entry_of(request.scope).user = key.name
    answer = moved(base.path + local(form.get("next", "/")))
    _set(answer, base, "session", site.sessions.open(key.name, now=now), ttl=LIFETIME)
    answer.delete_cookie(_cookie(base, "form"), path=f"{base.path}/login", httponly=True, samesite="strict")
    return answer


async def log_in_once(site: Site, request: Request) -> Response:
    """Take a ticket and give a cookie."""
    now = site.clock()
    user = await run_in_threadpool(_taken_up, site, request.path_params["ticket"], now)
    if user is None:
        raise Fault("this link has been used, or has expired: `kag page` prints a new one", status=403)
    entry_of(request.scope).user = user
    base = site.base(request)
    answer = moved(f"{base.path}/")
    _set(answer, base, "session", site.sessions.open(user, now=now), ttl=LIFETIME)
    return answer


def _tried(site: Site, address: str, word: str, now: float) -> Key | None:
    with site.store.write() as connection:
        return tried(connection, address, word, now=now)


def _taken_up(site: Site, ticket: str, now: float) -> str | None:
    with site.store.write() as connection:
        return take_up(connection, ticket, now=now)


def log_out(site: Site, visit: Visit) -> Response:
    """End the log-in: a copy of its cookie opens nothing any more either."""
    with site.store.write() as connection:
        end(connection, visit.session, now=visit.now)
    base = site.base(visit.request)
    answer = moved(f"{base.path}/login")
    answer.delete_cookie(_cookie(base, "session"), path=f"{base.path}/", httponly=True, samesite="strict")
    return answer


def login_address(path: str) -> str:
    """Where to log in before a page is shown."""
    return f"/login?next={quote(path, safe='/')}"


def local(path: str) -> str:
    """An address of this server; the first page for any other."""
    inside = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return quote(path, safe="/?&=%:,+-._~!$'()*;@") if inside else "/"


def _login_form(site: Site, request: Request, after: str, *, wrong: str | None = None) -> Response:
    nonce = secrets.token_urlsafe(24)
    values = {"csrf": site.sessions.form_token(nonce), "next": local(after), "wrong": wrong}
    answer = html(site.text("login.html", session=None, **values), status=200 if wrong is None else 403)
    _set(answer, site.base(request), "form", nonce, path="/login")
    return answer


def _session(site: Site, request: Request, now: float) -> tuple[Session, Key] | None:
    session = site.sessions.read(request.cookies.get(_cookie(site.base(request), "session"), ""), now=now)
    if session is None:
        return None
    with site.store.read() as connection:
        key = key_named(connection, session.user, now=now)
        return None if key is None or has_ended(connection, session) else (session, key)


def _cookie(base: Base, what: str) -> str:
    """Cookies know no ports: without it in their name, two servers of one machine would log each other out."""
    return f"kag_{what}_{base.port}"


def _set(answer: Response, base: Base, what: str, value: str, path: str = "/", ttl: int | None = None) -> None:
    name, place = _cookie(base, what), base.path + path
    answer.set_cookie(name, value, ttl, path=place, secure=base.secure, httponly=True, samesite="strict")
