"""Which runs a table shows, and that what a choice names is there: a tag that nobody gave would choose nothing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, tzinfo

from kag.errors import UserError
from kag.track.record import ARCHIVED, RunRecord

_NAMED = 8
"""Names that are listed where none is near."""


@dataclass(frozen=True)
class Choice:
    """Which runs are shown; what is said about them does not depend on it."""

    since: date | None = None
    until: date | None = None
    """Last day that counts."""
    tags: tuple[str, ...] = ()
    """A run needs all of them."""
    sweep: str | None = None
    archived: bool = False
    """Archived runs are shown, too; asking for their tag shows them as well."""
    zone: tzinfo | None = UTC
    """Whose days count; None for local time, which no document may depend on."""

    def takes(self, record: RunRecord) -> bool:
        """Whether a run is shown."""
        return self._fits(record) and not self.hides(record)

    def hides(self, record: RunRecord) -> bool:
        """Whether a run would be shown, but is archived."""
        return record.archived and not self.archived and ARCHIVED not in self.tags and self._fits(record)

    def _fits(self, record: RunRecord) -> bool:
        day = record.start.astimezone(self.zone).date()
        return (
            (self.since is None or day >= self.since)
            and (self.until is None or day <= self.until)
            and set(self.tags) <= set(record.tags)
            and (self.sweep is None or record.sweep == self.sweep)
        )


def require_known(choice: Choice, records: Sequence[RunRecord]) -> None:
    """Say what a choice names that is not there.

    Raises:
        UserError: the span ends before it begins, no run has one of the tags, or none is of the sweep.
    """
    if choice.since and choice.until and choice.since > choice.until:
        raise UserError(
            f"the span ends before it begins: --since {choice.since} --until {choice.until}",
            nearest=f"--since {choice.until} --until {choice.since}",
        )
    for tag in choice.tags:
        _require("tag", tag, (known for record in records for known in record.tags))
    if choice.sweep is not None:
        _require("sweep", choice.sweep, (record.sweep for record in records if record.sweep))


def archived_text(count: int, *, have: str) -> str:
    """How many runs are left out since they are archived; empty if none is.

    Args:
        count: their number.
        have: what they do not have where this is said: `row`.
    """
    if not count:
        return ""
    return f"{count} archived {'run has' if count == 1 else 'runs have'} no {have}"


def _require(what: str, name: str, known: Iterable[str]) -> None:
    names = sorted(set(known))
    if name in names:
        return
    near = difflib.get_close_matches(name, names, n=1) or names[-_NAMED:]
    raise UserError(f"no run is of the {what} {name!r}", nearest=", ".join(near) or None)
