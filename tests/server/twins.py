"""Two servers of the same things, one on SQLite and one on PostgreSQL: who asks asks both, and both answer alike."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from kag.server.store import Store
from kag.server.tables import metadata
from tests.server.conftest import Site, Verbs


class Lots:
    """Names and numbers that a server draws by lot: in the same turn the same ones."""

    def __init__(self) -> None:
        self.turn = 0
        self.drawn = 0

    def begin(self) -> None:
        """Somebody else's turn at the same request."""
        self.drawn = 0

    def __call__(self, size: int) -> str:
        """As `secrets.token_hex`."""
        self.drawn += 1
        return hashlib.sha512(f"{self.turn} {self.drawn}".encode()).hexdigest()[: 2 * size]

    def number(self, bits: int) -> int:
        """As `secrets.randbits`."""
        return int(self(64), 16) >> (512 - bits)


class Both(Verbs):
    """Sends each request to both; the answer of the first, which must be that of the second."""

    def __init__(self, sites: Sequence[Site], lots: Lots) -> None:
        self.sites = sites
        self.lots = lots
        self.headers = sites[0].http.headers

    def request(self, method: str, url: str, **words: Any) -> httpx.Response:
        """One request."""
        if not isinstance(words.get("content", b""), (str, bytes)):
            words["content"] = b"".join(words["content"])
        self.lots.turn += 1
        answers = [self._answer(site, method, url, words) for site in self.sites]
        told = [(one.status_code, one.headers.get("content-type"), one.text) for one in answers]
        assert told[0] == told[1], f"{method} {url} {words}: {told[0]} {told[1]}"
        return answers[0]

    def _answer(self, site: Site, method: str, url: str, words: dict[str, Any]) -> httpx.Response:
        self.lots.begin()
        site.http.client.headers = self.headers
        return site.http.request(method, url, **words)


class Twins(Site):
    """The same application on both kinds of database, as one.

    Args:
        folder: where their files lie.
        stores: of both, with nothing in them.
        lots: which names they draw.
    """

    def __init__(self, folder: Path, stores: Sequence[Store], lots: Lots) -> None:
        self.lots = lots
        self.sites: list[Site] = []
        for number, store in enumerate(stores):
            lots.begin()
            self.sites.append(Site(folder / str(number), store=store))
        self.settings = self.sites[0].settings
        self.key = self.sites[0].key
        self.store = self.sites[0].store
        self.http: Any = Both(self.sites, lots)

    @property  # type: ignore[override]
    def now(self) -> float:
        """The time of both."""
        return self.sites[0].now

    @now.setter
    def now(self, seconds: float) -> None:
        for site in self.sites:
            site.now = seconds

    def restart(self) -> None:
        """Begin both anew."""
        self.lots.turn += 1
        for site in self.sites:
            self.lots.begin()
            site.restart()
        self.http = Both(self.sites, self.lots)

    def check(self) -> None:
        """Both hold the same rows."""
        first, second = map(rows_of, self.sites)
        assert {name: rows for name, rows in first.items() if rows != second[name]} == {
            name: rows for name, rows in second.items() if rows != first[name]
        }

    def close(self) -> None:
        """Let go of clients and loops."""
        for site in self.sites:
            site.http.close()


def rows_of(site: Site) -> dict[str, list[str]]:
    """Every row, by its table, in an order that no database decides."""
    with site.store.snapshot() as connection:
        return {
            table.name: sorted(map(str, connection.execute(select(table)).all())) for table in metadata.sorted_tables
        }


@contextmanager
def twins(folder: Path, stores: Sequence[Store]) -> Iterator[Twins]:
    """Both, with the same key and the same names; they hold the same rows when the block ends."""
    lots = Lots()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "token_hex", lots)
        patch.setattr(secrets, "randbits", lots.number)
        made = Twins(folder, stores, lots)
        try:
            yield made
            made.check()
        finally:
            made.close()
