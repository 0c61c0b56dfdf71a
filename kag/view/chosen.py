"""That a choice of runs names what there is: a tag that nobody gave would choose nothing, and empty a table."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from datetime import date

from kag.errors import UserError
from kag.track.record import RunRecord

_NAMED = 8
"""Names that are listed where none is near."""


def require_known(
    records: Sequence[RunRecord],
    *,
    tags: Iterable[str] = (),
    sweep: str | None = None,
    since: date | None = None,
    until: date | None = None,
) -> None:
    """Say what a choice names that is not there.

    Args:
        records: all runs that can be chosen.
        tags: a run needs all of them.
        sweep: the sweep that it is of.
        since: the first day that counts.
        until: the last one.

    Raises:
        UserError: the span ends before it begins, no run has one of the tags, or none is of the sweep.
    """
    if since and until and since > until:
        raise UserError(
            f"the span ends before it begins: --since {since} --until {until}",
            nearest=f"--since {until} --until {since}",
        )
    for tag in tags:
        _require_name("tag", tag, (known for record in records for known in record.tags))
    if sweep is not None:
        _require_name("sweep", sweep, (record.sweep for record in records if record.sweep))


def _require_name(what: str, name: str, known: Iterable[str]) -> None:
    """Say which name is nearest to one that no run has.

    Raises:
        UserError: no run has it.
    """
    names = sorted(set(known))
    if name in names:
        return
    near = difflib.get_close_matches(name, names, n=1) or names[-_NAMED:]
    raise UserError(f"no run is of the {what} {name!r}", nearest=", ".join(near) or None)
