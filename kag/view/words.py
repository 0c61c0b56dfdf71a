"""Which run a person means by a word."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

from kag.errors import RecordError
from kag.track.folder import RunFolder

_SHOWN = 5


def find_run(runs: Path, word: str) -> RunFolder:
    """The run that a person means: its id, the only id that begins so, the only name that ends so, or its path.

    Raises:
        RecordError: no run fits, or more than one does.
    """
    for path in (runs / word, Path(word)):
        if word and (path / "record.json").is_file():
            return RunFolder(path.resolve() if path.name in ("", ".", "..") else path)
    return RunFolder(runs / choose(word, [folder.id for folder in RunFolder.all(runs)], where=str(runs)))


def choose(word: str, ids: Sequence[str], *, where: str) -> str:
    """The only id that the word stands for: the id, its beginning, its name, or the end of its name, in this order.

    Raises:
        RecordError: none or several fit; the text names the nearest ids.
    """
    rules: tuple[Callable[[str], bool], ...] = (
        lambda run: run == word,
        lambda run: run.startswith(word),
        lambda run: run.endswith(f"_{word}"),
        lambda run: run.endswith(word),
    )
    for rule in rules:
        fitting = [run for run in ids if word and rule(run)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise RecordError(
                f"{word!r} stands for {len(fitting)} runs",
                where=where,
                nearest=", ".join(fitting[-_SHOWN:]),
                remedy="give more of the id",
            )
    raise RecordError(
        f"no run {word!r}",
        where=where,
        nearest=", ".join(nearest(word, ids)) or None,
        remedy=f"{'`kag runs list` shows them' if ids else 'there are no runs here'}; --runs names another folder",
    )


def nearest(word: str, ids: Sequence[str]) -> list[str]:
    """The ids most like a word, by id or by name (the part after the start time), best first."""
    by_name = {run: run.split("_", 2)[-1] for run in ids}
    close_names = set(difflib.get_close_matches(word, list(by_name.values()), n=_SHOWN, cutoff=0.5))
    named = [run for run, name in by_name.items() if name in close_names]
    alike = difflib.get_close_matches(word, ids, n=_SHOWN, cutoff=0.4)
    return list(dict.fromkeys([*named[-_SHOWN:], *alike]))[:_SHOWN]
