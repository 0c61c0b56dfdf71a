"""Behind a proxy that encrypts: links, cookies and the throttle are those of the address that the client sees."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from kag.cli.serve import app as commands
from kag.errors import UserError
from kag.server.app import make_app
from kag.server.base import Base, parse_base
from kag.server.serve import check_proxies
from tests.page.conftest import Visitor, token_of
from tests.server.conftest import Http
from tests.server.test_security import upload_link

README = Path(__file__).parents[2] / "sweeps" / "README.md"


def documented() -> dict[str, Any]:
    """The options of the server that the README recommends behind a proxy."""
    line = re.search(r"^ *kag serve (--base-url .*?)$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert line
    command = typer.main.get_command(commands)
    context = command.make_context("serve", shlex.split(line[1]))
    return dict(context.params)


class Proxied(Visitor):
    """A browser and a client whose requests a proxy hands on, as the README has it set up."""

    options = documented()
    source = "172.18.0.1"

    def restart(self) -> None:
        made: Any = make_app(self.store, self.settings, clock=lambda: self.now)
        believing: Any = ProxyHeadersMiddleware(made, self.options["forwarded_allow_ips"])

        async def from_proxy(scope: Any, receive: Any, send: Any) -> None:
            await believing({**scope, "client": (self.source, 40_000)}, receive, send)

        said = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7", "Host": "tracking.example.org"}
        self.http = Http(from_proxy, {"Authorization": f"Bearer {self.key}", **said})


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Proxied]:
    made = Proxied(tmp_path, base=parse_base(Proxied.options["base_url"]))
    yield made
    made.http.close()
    made.store.close()


def test_links_are_those_of_the_documented_set_up_and_work(proxied: Proxied) -> None:
    link = upload_link(proxied, "a.txt")
    assert link.startswith(f"{proxied.options['base_url']}/storage/")
    assert proxied.http.put(urlsplit(link).path, content=b"model").status_code == 200


def test_cookies_are_secure_and_forms_come_back(proxied: Proxied) -> None:
    origin = {"Origin": "https://tracking.example.org"}
    first = proxied.browse("/login")
    form = first.headers["set-cookie"]
    assert "; Secure" in form
    fields = {"csrf": token_of(first.text), "key": proxied.key, "next": "/"}
    answer = proxied.submit("/login", fields, Cookie=form.split(";")[0], **origin)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert all("; Secure" in one for one in answer.headers.get_list("set-cookie") if "Max-Age=0" not in one)
    assert "kag_session_443=" in answer.headers["set-cookie"]


def wrong_keys(proxied: Proxied, count: int, address: str) -> int:
    proxied.http.headers["X-Forwarded-For"] = address
    status = 0
    for _ in range(count):
        first = proxied.browse("/login")
        fields = {"csrf": token_of(first.text), "key": "wrong", "next": "/"}
        status = proxied.submit("/login", fields, Cookie=first.headers["set-cookie"].split(";")[0]).status_code
    return status


def test_one_guesser_does_not_lock_the_others_out(proxied: Proxied) -> None:
    assert wrong_keys(proxied, 11, "203.0.113.7") == 429
    assert wrong_keys(proxied, 1, "203.0.113.8") == 403


def test_nobody_else_is_believed(proxied: Proxied) -> None:
    proxied.source = "198.51.100.9"
    assert wrong_keys(proxied, 6, "203.0.113.7") == 403
    assert wrong_keys(proxied, 5, "203.0.113.8") == 429, "both names are of one address"


def test_a_server_below_a_path(tmp_path: Path) -> None:
    site = Proxied(tmp_path, base=parse_base("https://tracking.example.org/kag/"))
    site.run()
    link = upload_link(site, "a.txt")
    assert link.startswith("https://tracking.example.org/kag/storage/")
    assert site.http.put(urlsplit(link).path, content=b"model").status_code == 200
    assert site.http.get("/healthz").json() == {"ok": True}, "who asks the server itself need not know of the path"
    away = site.browse("/kag/kag/p")
    assert (away.status_code, away.headers["location"]) == (303, "/kag/login?next=/kag/p")
    first = site.browse("/kag/login")
    assert 'action="/kag/login"' in first.text
    assert "/kag/static/" in first.text
    cookie = first.headers["set-cookie"]
    assert "Path=/kag/login" in cookie
    fields = {"csrf": token_of(first.text), "key": site.key, "next": "/kag/p"}
    answer = site.submit("/kag/login", fields, Cookie=cookie.split(";")[0])
    assert answer.headers["location"] == "/kag/kag/p"
    session = next(one for one in answer.headers.get_list("set-cookie") if "kag_session" in one)
    page = site.browse("/kag/kag/p", Cookie=session.split(";")[0])
    assert page.status_code == 200
    inner = re.findall(r'(?:href|src|action)="(/[^"]*)"', page.text)
    assert inner
    assert [one for one in inner if not one.startswith("/kag/")] == []
    site.http.close()
    site.store.close()


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("https://a.example", Base("https", "a.example")),
        ("http://127.0.0.1:8080/", Base("http", "127.0.0.1:8080")),
        ("https://A.example:8443/x/y/", Base("https", "a.example:8443", "/x/y")),
        ("https://[::1]:8443", Base("https", "[::1]:8443")),
    ],
)
def test_a_base(text: str, base: Base) -> None:
    assert parse_base(text) == base
    assert str(base) == text.lower().rstrip("/")


@pytest.mark.parametrize(
    "text", ["tracking.example.org", "ftp://a", "https://", "https://a:0", "https://a:x", "https://u@a", "https://a/?q"]
)
def test_no_base(text: str) -> None:
    with pytest.raises(UserError, match="no address of a server"):
        parse_base(text)


@pytest.mark.parametrize("text", ["proxy", "172.16.0.0/99", "127.0.0.1,", "10.0.0.1/8"])
def test_a_proxy_that_cannot_be_known_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="neither an address nor a network"):
        check_proxies(text)
    check_proxies("*, 127.0.0.1,::1,10.0.0.0/8")
