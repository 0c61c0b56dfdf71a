"""One change of several runs: what came of it for each, and what was wrong with the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from kag.cli.words import name_left_out
from kag.errors import KagError, UserError
from kag.view.terminal import answer, echo


class Named(Protocol):
    """A run, wherever it is."""

    @property
    def id(self) -> str:
        """Its id."""


R = TypeVar("R", bound=Named)


class Done(NamedTuple):
    """What came of it, by run, and what was wrong with the others."""

    runs: dict[str, Any]
    errors: list[KagError]

    @property
    def changed(self) -> list[str]:
        """The runs that are other than before."""
        return [one for one, new in self.runs.items() if new]

    def said(self, state: str) -> list[str]:
        """A line for each run."""
        return [f"{one} {state}" if new else f"{one} {state} already" for one, new in self.runs.items()]

    def finish(self, page: dict[str, Any], as_json: bool, lines: Sequence[str]) -> None:
        """Print what came of it.

        Raises:
            KagError: with what a run was left as it was; of several that they were.
        """
        if as_json:
            answer({"runs": list(self.runs), **page})
        else:
            for line in lines:
                echo(line)
        if len(self.errors) == 1:
            raise self.errors[0]
        name_left_out(self.errors)
        if self.errors:
            raise UserError(f"{len(self.errors)} runs were left as they were, see above")


def each(runs: Sequence[R], act: Callable[[R], Any]) -> Done:
    """Do it to each run; one that is broken, or under way, does not stop the others."""
    done = Done({}, [])
    for run in runs:
        try:
            done.runs[run.id] = act(run)
        except KagError as error:
            done.errors.append(error)
    return done
