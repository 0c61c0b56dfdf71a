"""Who may look: log-in by key, cookies, forms of our own pages only, and what a stranger is told."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kag.server.keys import new_key, revoke_key
from kag.server.links import token_of as signed
from kag.server.page.access import local
from kag.server.page.guesses import ATTEMPTS, WINDOW
from kag.server.page.session import LIFETIME
from tests.page.conftest import token_of

PAGES = ("/", "/kag/p", "/kag/p/runs/first", "/kag/p/compare", "/kag/p/sweeps", "/kag/p/changelog")
VALUES = ("/kag/p/runs.json", "/kag/p/runs/first/course.json", "/kag/p/runs/first/findings.json")


@pytest.fixture
def logged(visitor: Any) -> Any:
    """A run that somebody may look at."""
    visitor.run()
    visitor.log(0, [{"loss": 1.0, "_step": 0}])
    return visitor


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_is_led_to_the_form_and_back(logged: Any, path: str) -> None:
    answer = logged.browse(f"{path}?q=a")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/login?next={path}%3Fq%3Da"
    form = logged.browse(answer.headers["location"])
    assert f'name="next" value="{path}?q=a"' in form.text
    after = logged.submit("/login", {"csrf": token_of(form.text), "key": logged.key, "next": f"{path}?q=a"})
    assert (after.status_code, after.headers["location"]) == (303, f"{path}?q=a")
    assert logged.browse(path).status_code == 200


@pytest.mark.parametrize("path", VALUES)
def test_a_script_of_a_stranger_gets_nothing_and_asks_for_no_password(logged: Any, path: str) -> None:
    answer = logged.fetch(path)
    assert answer.status_code == 401
    assert "www-authenticate" not in answer.headers
    assert "loss" not in answer.text
    assert logged.log_in().status_code == 303
    assert logged.fetch(path).status_code == 200


def test_an_api_key_alone_opens_no_page(logged: Any) -> None:
    headers = {"Authorization": f"Bearer {logged.key}"}
    assert logged.browse("/kag/p", **headers).status_code == 303


@pytest.mark.parametrize("key", ["", "wrong", "a" * 40, "' OR 1=1 --", "\u00e4\u00f6"])
def test_a_wrong_key_is_refused_in_clear_words(visitor: Any, key: str) -> None:
    answer = visitor.log_in(key)
    assert answer.status_code == 403
    assert "This key opens nothing here" in answer.text
    assert not any("session" in name for name in visitor.cookies())
    assert visitor.browse("/").status_code == 303


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(visitor: Any) -> None:
    (cookie,) = (one for one in visitor.log_in().headers.get_list("set-cookie") if "kag_session_80=" in one)
    words = {word.strip().lower() for word in cookie.split(";")[1:]}
    assert words == {"httponly", "samesite=strict", "path=/", f"max-age={LIFETIME}"}


def test_over_tls_the_cookie_stays_on_tls(visitor: Any) -> None:
    page = visitor.http.get("https://127.0.0.1/login", headers={"Accept": "text/html"})
    assert all("Secure" in cookie for cookie in page.headers.get_list("set-cookie"))
    fields = {"csrf": token_of(page.text), "key": visitor.key}
    answer = visitor.http.request("POST", "https://127.0.0.1/login", data=fields, headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert any("kag_session_443=" in one and "Secure" in one for one in answer.headers.get_list("set-cookie"))


def test_a_revoked_key_stops_at_once(visitor: Any) -> None:
    with visitor.store.write() as connection:
        key = new_key(connection, "guest", now=visitor.now)
    assert visitor.log_in(key).status_code == 303
    assert visitor.browse("/").status_code == 200
    with visitor.store.write() as connection:
        revoke_key(connection, "guest", now=visitor.now)
    assert visitor.browse("/").status_code == 303
    assert visitor.fetch("/kag/p/runs.json").status_code == 401


def test_a_log_in_expires(reader: Any) -> None:
    reader.now += LIFETIME - 2
    assert reader.browse("/").status_code == 200
    reader.now += 4
    assert reader.browse("/").status_code == 303


def test_a_cookie_that_was_not_made_here_opens_nothing(reader: Any) -> None:
    body, _, signature = reader.cookies()["kag_session_80"].partition(".")
    with reader.store.read() as connection:
        secret = bytes.fromhex(str(connection.exec_driver_sql("select value from secrets").scalar_one()))
    link = signed(secret, {"user": "tester"}, until=reader.now + 100)
    for value in ("", "x", f"{body}.", f"{body}.{signature[::-1]}", f"x{body}.{signature}", link):
        assert reader.browse("/", Cookie=f"kag_session_80={value}").status_code == 303
    reader.http.client.cookies.clear()
    assert reader.browse("/", Cookie=f"kag_session_80={body}.{signature}").status_code == 200


def test_a_session_is_no_link_to_a_file(reader: Any) -> None:
    token = reader.cookies()["kag_session_80"]
    assert reader.http.get(f"/storage/{token}/x").status_code == 403


def test_log_out_takes_the_cookie_back(reader: Any) -> None:
    answer = reader.submit("/logout", {"csrf": token_of(reader.browse("/").text)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert reader.browse("/").status_code == 303


def test_a_copied_cookie_is_dead_after_the_log_out_and_another_log_in_is_not(visitor: Any) -> None:
    copies = []
    for _ in range(2):
        assert visitor.log_in().status_code == 303
        copies.append("; ".join(f"{name}={value}" for name, value in visitor.cookies().items()))
    assert copies[0] != copies[1], "two log-ins in one second are two"
    assert visitor.submit("/logout", {"csrf": token_of(visitor.browse("/").text)}).status_code == 303
    visitor.http.client.cookies.clear()
    assert visitor.browse("/", Cookie=copies[1]).status_code == 303
    assert visitor.browse("/", Cookie=copies[0]).status_code == 200
    visitor.restart()
    assert visitor.browse("/", Cookie=copies[1]).status_code == 303, "after a start of the server, too"


def test_nobody_may_guess_on_and_on(visitor: Any) -> None:
    for _ in range(ATTEMPTS):
        assert visitor.log_in("wrong").status_code == 403
    assert visitor.log_in().status_code == 429
    visitor.now += WINDOW + 1
    assert visitor.log_in().status_code == 303


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        ("/kag/p?q=a b", "/kag/p?q=a%20b"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("evil", "/"),
        ("", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("/kag/<b>", "/kag/%3Cb%3E"),
    ],
)
def test_a_log_in_leads_to_no_other_site(visitor: Any, path: str, safe: str) -> None:
    assert local(path) == safe
    assert visitor.log_in(after=path).headers["location"] == safe


@pytest.mark.parametrize("token", ["", "0" * 64, "f" * 63])
@pytest.mark.parametrize("path", ["/kag/p/runs/first/notes", "/kag/p/sweeps/x/state", "/logout"])
def test_a_form_without_the_token_of_this_log_in_is_refused(logged: Any, path: str, token: str) -> None:
    logged.log_in()
    answer = logged.submit(path, {"csrf": token, "notes": "planted", "action": "cancel"})
    assert answer.status_code == 403
    assert "expired" in answer.text
    assert "planted" not in logged.browse("/kag/p/runs/first").text
    assert logged.browse("/").status_code == 200


def test_the_token_of_another_log_in_is_refused(logged: Any) -> None:
    logged.log_in()
    first = token_of(logged.browse("/").text)
    logged.now += 5
    logged.log_in()
    assert token_of(logged.browse("/").text) != first
    assert logged.submit("/kag/p/runs/first/notes", {"csrf": first, "notes": "planted"}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_of_another_site_is_refused(logged: Any, headers: dict[str, str]) -> None:
    logged.log_in()
    page = logged.browse("/kag/p/runs/first").text
    fields = {"csrf": token_of(page), "before": before_of(page), "notes": "planted"}
    assert logged.submit("/kag/p/runs/first/notes", fields, **headers).status_code == 403
    own = {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}
    assert logged.submit("/kag/p/runs/first/notes", fields, **own).status_code == 303


def test_the_log_in_form_too_needs_its_token(visitor: Any) -> None:
    token = token_of(visitor.browse("/login").text)
    assert visitor.submit("/login", {"key": visitor.key}).status_code == 403
    visitor.http.client.cookies.clear()
    assert visitor.submit("/login", {"key": visitor.key, "csrf": token}).status_code == 403


def test_a_form_must_be_a_form_of_modest_size(reader: Any) -> None:
    json = {"Content-Type": "application/json", "Accept": "text/html"}
    assert reader.http.request("POST", "/logout", content="{}", headers=json).status_code == 415
    assert reader.submit("/logout", {"csrf": "x" * 600_000}).status_code == 413
    raw = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
    for body in (b"csrf=%ff", b"a=b&" * 200):
        assert reader.http.request("POST", "/logout", content=body, headers=raw).status_code == 400


def before_of(page: str) -> str:
    """What the notes were when a page was shown."""
    found = re.search(r'name="before" value="([0-9a-f]{64})"', page)
    assert found
    return found[1]
