"""Tables of what the page alone keeps: log-ins, and views of the table of runs."""

from __future__ import annotations

import sqlalchemy as sa

from kag.server.columns import maker, needed, numbered, owner, table, times, words

tickets = table("tickets", sa.Column("digest", sa.String(64), primary_key=True), *words(user=128), *times("until"))
"""Log-ins to the page that somebody may take up once."""
ended_sessions = table("ended_sessions", sa.Column("id", sa.String(32), primary_key=True), *times("until"))
"""Log-ins to the page that somebody has ended before their time."""

ADDRESS = 64
"""Letters of the address of a sender that are kept."""

wrong_keys = numbered("wrong_keys", needed("address", sa.String(ADDRESS), index=True), *times("at"))
"""Attempts to log in to the page, as far as they still count."""

saved_views = numbered(
    "saved_views",
    owner("projects", "project_id"),
    *words(name=64),
    needed("words", sa.Text),
    needed("first", sa.Boolean),
    maker(),
    *times("created_at"),
    sa.UniqueConstraint("project_id", "name"),
)
"""Words of an address that shows the table of a project; `first` if it opens with them."""
