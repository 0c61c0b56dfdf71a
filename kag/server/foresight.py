"""The next point of a search, drawn before the transaction that writes it.

To draw one by Bayes takes up to seconds, in which nobody could write. What was drawn is what would be drawn again, as
long as the trials are the same: it is taken then, and drawn anew otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kag.sweep import Sweep, Trial
from kag.sweep.config import Params
from kag.sweep.suggest import suggest


class Foresight:
    """`suggest`, which remembers what it was asked."""

    def __init__(self) -> None:
        self._drawn: list[tuple[Any, Params | None]] = []

    def __call__(self, sweep: Sweep, trials: Sequence[Trial], seed: int) -> Params | None:
        """The point after these trials, or None if the search is at its end."""
        asked = (sweep, seed, [(one.id, one.params, one.state, one.result, one.prior) for one in trials])
        known = next((pair for pair in self._drawn if pair[0] == asked), None)
        if known is not None:
            return known[1]
        params = suggest(sweep, trials, seed)
        self._drawn.append((asked, params))
        return params
