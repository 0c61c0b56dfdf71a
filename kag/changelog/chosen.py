"""That a choice of rows names what there is: a tag that nobody gave would choose nothing, and empty a table."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from kag.changelog.siblings import Siblings
from kag.changelog.table import Choice
from kag.errors import UserError

_NAMED = 8
"""Names that are listed where none is near."""


def require_known(choice: Choice, siblings: Siblings) -> None:
    """Say what a choice names that is not there.

    Raises:
        UserError: the span ends before it begins, no run has one of the tags, or none is of the sweep.
    """
    if choice.since and choice.until and choice.since > choice.until:
        raise UserError(
            f"the span ends before it begins: --since {choice.since} --until {choice.until}",
            nearest=f"--since {choice.until} --until {choice.since}",
        )
    records = [entry.record for entry in siblings.entries]
    for tag in choice.tags:
        _require("tag", tag, (known for record in records for known in record.tags))
    if choice.sweep is not None:
        _require("sweep", choice.sweep, (record.sweep for record in records if record.sweep))


def _require(what: str, name: str, known: Iterable[str]) -> None:
    names = sorted(set(known))
    if name in names:
        return
    near = difflib.get_close_matches(name, names, n=1) or names[-_NAMED:]
    raise UserError(f"no run is of the {what} {name!r}", nearest=", ".join(near) or None)
