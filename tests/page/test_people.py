"""What people keep in the page: names, tags and notes of a run, views of a table, keys."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from kag.server.keys import key_of, list_keys, new_key
from kag.server.rights import Key, Role
from kag.server.store import all_rows
from kag.server.tables import api_keys, audit
from tests.page.conftest import token_of
from tests.page.test_access import before_of

RUN = "query($p: String!, $n: String!){project(name: $p){run(name: $n){displayName tags notes}}}"


@pytest.fixture
def one(reader: Any) -> Any:
    """A project with a run."""
    reader.as_client()
    reader.run()
    return reader


def send(site: Any, path: str, page: str = "/", **fields: str) -> Any:
    """Fill in a form of a page."""
    return site.submit(path, {"csrf": token_of(site.browse(page).text), **fields})


def seen(site: Any) -> Any:
    """The run as W&B's client sees it."""
    site.as_client()
    return site.ask(RUN, p="p", n="first")["project"]["run"]


def test_a_run_is_renamed_and_tagged_where_wandb_reads_it(one: Any) -> None:
    name = seen(one)["displayName"]
    answer = send(one, "/kag/p/runs/first/name", name=" the baseline ", before=name)
    assert (answer.status_code, answer.headers["location"]) == (303, "/kag/p/runs/first")
    tags = ", ".join(seen(one)["tags"])
    assert send(one, "/kag/p/runs/first/tags", tags="b, a,, b", before=tags).status_code == 303
    assert (seen(one)["displayName"], seen(one)["tags"]) == ("the baseline", ["b", "a"])
    assert '<span class="tag">b</span>' in one.browse("/kag/p/runs/first").text
    assert send(one, "/kag/p/runs/first/tags", tags="", before="b, a").status_code == 303
    assert seen(one)["tags"] == []


def test_of_two_who_rename_a_run_the_second_is_told(one: Any) -> None:
    before = seen(one)["displayName"]
    assert send(one, "/kag/p/runs/first/name", name="mine", before=before).status_code == 303
    answer = send(one, "/kag/p/runs/first/name", name="yours", before=before)
    assert answer.status_code == 409
    assert "It is now: mine" in answer.text
    assert send(one, "/kag/p/runs/first/tags", tags="x", before="other").status_code == 409
    assert seen(one)["displayName"] == "mine"


@pytest.mark.parametrize("name", ["x" * 129, "a\nb", "\u202eevil"])
def test_what_is_no_name_is_refused(one: Any, name: str) -> None:
    assert send(one, "/kag/p/runs/first/name", name=name).status_code == 400


def test_notes_are_markdown_and_nothing_else(one: Any) -> None:
    text = "\n".join(
        (
            "**bold** and `code`, [a link](https://example.org/), [bad](javascript:alert(1)), [data](data:text/html,x)",
            "",
            "<script>alert(1)</script> <img src=x onerror=alert(1)> ![picture](https://example.org/x.png)",
            "",
            "| a | b |",
            "|---|---|",
            "| 1 | 2 |",
        )
    )
    page = one.browse("/kag/p/runs/first").text
    send(one, "/kag/p/runs/first/notes", notes=text, before=before_of(page))
    page = one.browse("/kag/p/runs/first").text
    found = re.search(r'<div class="written">(.*?)</div>', page, re.DOTALL)
    assert found
    shown = found[1]
    assert "<strong>bold</strong>" in shown
    assert "<td>2</td>" in shown
    links = re.findall(r"<a [^>]*>", shown)
    assert links
    assert all('rel="noopener noreferrer nofollow"' in link for link in links)
    assert all(re.search(r'href="https://', link) for link in links)
    assert not re.search(r"<(script|img)", shown)
    assert seen(one)["notes"] == text


def test_views_are_shared_by_name_and_one_is_opened_first(one: Any) -> None:
    words = "q=loss+<+1&sort=-took&columns=summary:loss&evil=1&saved=old"
    answer = send(one, "/kag/p/views", name="low loss", words=words)
    address = answer.headers["location"]
    assert parse_qs(urlsplit(address).query) == {
        "saved": ["low loss"],
        "q": ["loss < 1"],
        "sort": ["-took"],
        "columns": ["summary:loss"],
    }
    assert one.browse("/kag/p").status_code == 200
    assert "low loss" in one.browse("/kag/p").text
    with one.store.write() as connection:
        key = new_key(connection, "guest", now=one.now, role=Role.READ)
    assert send(one, "/kag/p/views", name="low loss", words="q=a", first="1").status_code == 303
    send(one, "/kag/p/views", name="other", words="q=b", first="1")
    one.http.client.cookies.clear()
    one.log_in(key)
    opened = one.browse("/kag/p")
    assert (opened.status_code, opened.headers["location"]) == (303, "/kag/p?saved=other&q=b")
    page = one.browse("/kag/p?saved=none").text
    assert "low loss" in page
    assert "Save view" not in page


def test_a_view_is_changed_and_removed_by_whose_it_is(one: Any) -> None:
    with one.store.write() as connection:
        keys = [new_key(connection, name, now=one.now, role=Role.WRITE) for name in ("ann", "ben")]
    one.http.client.cookies.clear()
    one.log_in(keys[0])
    assert send(one, "/kag/p/views", name="hers", words="q=a").status_code == 303
    one.http.client.cookies.clear()
    one.log_in(keys[1])
    assert send(one, "/kag/p/views", name="hers", words="q=b").status_code == 403
    assert send(one, "/kag/p/views/remove", name="hers").status_code == 403
    assert send(one, "/kag/p/views/remove", name="none such").status_code == 404
    one.http.client.cookies.clear()
    one.log_in(keys[0])
    assert send(one, "/kag/p/views/remove", name="hers").status_code == 303
    assert "hers" not in one.browse("/kag/p").text


@pytest.mark.parametrize("name", ["", "none", "x" * 65, "a\nb"])
def test_what_is_no_name_of_a_view_is_refused(one: Any, name: str) -> None:
    assert send(one, "/kag/p/views", name=name, words="").status_code == 400


def test_a_key_is_shown_once_and_opens_what_it_is_for(one: Any) -> None:
    page = send(one, "/keys", "/keys", name="guest", role="read", project="kag/p", days="2").text
    found = re.search(r'<pre class="key" tabindex="0">([0-9a-f]{40})</pre>', page)
    assert found
    key = found[1]
    assert key not in one.browse("/keys").text
    with one.store.read() as connection:
        assert key_of(connection, key, now=one.now) == Key("guest", Role.READ, ("kag", "p"))
        assert key_of(connection, key, now=one.now + 2 * 86_400) is None
        kept = "".join(map(repr, [*all_rows(connection, audit.select()), *all_rows(connection, api_keys.select())]))
    assert key not in kept
    assert "newKey" in kept


def test_a_revoked_key_opens_nothing_any_more(one: Any) -> None:
    with one.store.write() as connection:
        key = new_key(connection, "lost", now=one.now)
    assert send(one, "/keys/revoke", "/keys", name="lost").status_code == 303
    with one.store.read() as connection:
        assert key_of(connection, key, now=one.now) is None
    assert send(one, "/keys/revoke", "/keys", name="lost").status_code == 400
    assert "revoked" in one.browse("/keys").text


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "no name", "role": "read"},
        {"name": "a", "role": "root"},
        {"name": "a", "role": "read", "project": "kag"},
        {"name": "a", "role": "read", "days": "-1"},
        {"name": "taken", "role": "read"},
    ],
)
def test_a_key_that_cannot_be_made_is_explained(one: Any, fields: dict[str, str]) -> None:
    with one.store.write() as connection:
        new_key(connection, "taken", now=one.now)
        before = list_keys(connection)
    answer = send(one, "/keys", "/keys", **fields)
    assert 'role="alert"' in answer.text
    with one.store.read() as connection:
        assert list_keys(connection) == before


@pytest.mark.parametrize(("role", "place"), [(Role.READ, None), (Role.WRITE, None), (Role.ADMIN, ("kag", "p"))])
def test_only_an_admin_of_everything_sees_the_keys(one: Any, role: Role, place: Any) -> None:
    with one.store.write() as connection:
        key = new_key(connection, "other", now=one.now, role=role, place=place)
    one.http.client.cookies.clear()
    one.log_in(key)
    page = one.browse("/").text
    assert "/keys" not in page
    assert one.browse("/keys").status_code == 403
    fields = {"csrf": token_of(page), "name": "mine", "role": "admin"}
    assert one.submit("/keys", fields).status_code == 403
    assert one.submit("/keys/revoke", {**fields, "name": "admin"}).status_code == 403
