"""A link that logs somebody in once, without a key."""

from __future__ import annotations

from typing import Any

from kag.server.keys import new_key, revoke_key
from kag.server.page.tickets import PATH, TICKET_SECONDS, new_ticket


def ticket_of(visitor: Any, user: str = "tester") -> str:
    with visitor.store.write() as connection:
        return new_ticket(connection, user, now=visitor.now)


def test_a_ticket_opens_the_page_once(visitor: Any) -> None:
    link = ticket_of(visitor)
    answer = visitor.browse(link)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "Log out" in visitor.browse("/").text
    visitor.restart()
    again = visitor.browse(link)
    assert again.status_code == 403
    assert "kag page" in again.text
    assert visitor.browse("/").status_code == 303, "nobody is logged in by a link that was used"


def test_a_ticket_expires_and_makes_room(visitor: Any) -> None:
    link = ticket_of(visitor)
    visitor.now += TICKET_SECONDS + 1
    assert visitor.browse(link).status_code == 403
    old = ticket_of(visitor)
    visitor.now += TICKET_SECONDS + 1
    ticket_of(visitor)
    with visitor.store.read() as connection:
        assert connection.exec_driver_sql("select count(*) from tickets").scalar_one() == 1
    assert visitor.browse(old).status_code == 403


def test_a_ticket_of_a_revoked_key_and_one_that_was_never_made_open_nothing(visitor: Any) -> None:
    with visitor.store.write() as connection:
        new_key(connection, "guest", now=visitor.now)
    link = ticket_of(visitor, "guest")
    with visitor.store.write() as connection:
        revoke_key(connection, "guest", now=visitor.now)
    for path in (link, f"{PATH}/{'0' * 40}", f"{PATH}/x"):
        assert visitor.browse(path).status_code == 403
        assert visitor.browse("/").status_code == 303


def test_the_database_holds_no_ticket_that_could_be_used(visitor: Any) -> None:
    link = ticket_of(visitor)
    with visitor.store.read() as connection:
        kept = str(connection.exec_driver_sql("select * from tickets").all())
    assert link.rsplit("/", 1)[1] not in kept
