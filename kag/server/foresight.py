"""The next point of a search, drawn outside of the transaction that writes it.

To draw one by Bayes takes up to seconds, in which nobody could write. So a transaction that needs one is given up and
begun again when the point is drawn: it takes it then, unless the trials are others by now.
"""

from __future__ import annotations

from collections.abc import Sequence

from kag.sweep import Sweep, Trial
from kag.sweep.config import Params
from kag.sweep.suggest import Model, suggest

PATIENCE = 3
"""Points that are drawn in vain; after them nobody else may write until one is drawn."""


class Foresight:
    """`suggest`, which asks for the time that it takes.

    Args:
        model: of the trials of a search by Bayes.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._asked: object = None
        self._drawn: Params | None = None
        self._vain = 0

    def __call__(self, sweep: Sweep, trials: Sequence[Trial], seed: int) -> Params | None:
        """The point after these trials, or None if the search is at its end.

        Raises:
            Unforeseen: it is not drawn yet.
        """
        asked = (sweep, seed, [(one.id, one.params, one.state, one.result, one.prior) for one in trials])
        if asked == self._asked:
            return self._drawn
        if self._vain >= PATIENCE:
            return suggest(sweep, trials, seed, self._model)
        raise Unforeseen(asked, sweep, trials, seed)

    def draw(self, wanted: Unforeseen) -> None:
        """Draw a point that was asked for; no transaction is open now."""
        self._vain += 1
        self._asked = wanted.asked
        self._drawn = suggest(wanted.sweep, wanted.trials, wanted.seed, self._model)


class Unforeseen(Exception):
    """A transaction needs a point that is still to be drawn."""

    def __init__(self, asked: object, sweep: Sweep, trials: Sequence[Trial], seed: int) -> None:
        super().__init__("a point is to be drawn before")
        self.asked, self.sweep, self.trials, self.seed = asked, sweep, trials, seed
