"""Runs and words: which run a word means, and by what word runs are told apart."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path

from kag.errors import RecordError
from kag.text import command
from kag.track.folder import RunFolder, short_name
from kag.track.record import RunRecord
from kag.view.changes import differing_settings

_SHOWN = 5

TOLD = 3
"""Settings that a run can be called by, where names do not tell runs apart."""


class NamedRuns:
    """Runs by the words that records name them with: an id, or a name, which several can have.

    Nobody can be asked what such a word means. A person can: `choose` refuses one that stands for several runs.

    Args:
        records: the runs, in any order.
    """

    def __init__(self, records: Iterable[RunRecord]) -> None:
        ordered = sorted(records, key=begun)
        self.by_id = {record.id: record for record in ordered}
        self._by_name: defaultdict[str, list[RunRecord]] = defaultdict(list)
        for record in ordered:
            self._by_name[record.name].append(record)

    def meant(self, word: str, *, before: RunRecord | None = None) -> RunRecord | None:
        """The run with this id, or the newest of this name; None if there is none.

        Args:
            before: where a name could mean this run or a later one, an earlier one is meant.
        """
        named = (one for one in reversed(self._by_name.get(word, ())) if before is None or begun(one) < begun(before))
        return self.by_id.get(word) or next(named, None)

    def parent(self, record: RunRecord) -> RunRecord | None:
        """The run that a run is compared with: the one that it names; else `run_before`."""
        return self.meant(record.parent, before=record) if record.parent else self.run_before(record)

    def run_before(self, record: RunRecord) -> RunRecord | None:
        """Of another program's run that names no parent, the run before it in its group, else in its project.

        A trial of a sweep has none, and is none: its place among the others says nothing.
        """
        return None if record.parent else self._run_before.get(record.id)

    @cached_property
    def _run_before(self) -> dict[str, RunRecord]:
        found: dict[str, RunRecord] = {}
        latest: dict[str | None, RunRecord] = {}
        for record in (one for one in self.by_id.values() if one.is_foreign and one.sweep is None):
            before = (latest.get(record.group) if record.group else None) or latest.get(None)
            if before is not None:
                found[record.id] = before
            latest[record.group] = latest[None] = record
        return found


def begun(record: RunRecord) -> tuple[datetime, str]:
    """What puts runs in order: the start, then the id."""
    return record.start, record.id


def labels(records: Sequence[RunRecord], shown: Sequence[str] | None = None) -> tuple[str, ...]:
    """What each run is called beside the others: the name, what is set differently, or the id, as it tells all apart.

    Args:
        records: the runs.
        shown: names to try first, one a run, in place of those of the records.
    """
    apart = differing_settings(records)
    told = [
        ", ".join(f"{one.key.rpartition('.')[2]} {one.values[place]}" for one in apart) for place in range(len(records))
    ]
    names = shown if shown is not None else [record.name for record in records]
    for words in (names, told if len(apart) <= TOLD else []):
        if len(set(words)) == len(records):
            return tuple(words)
    return tuple(record.id for record in records)


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
        remedy=f"`{command('runs', 'list', source=where)}` shows all" if ids else "there are no runs here",
    )


def nearest(word: str, ids: Sequence[str]) -> list[str]:
    """The ids most like a word, by id or by name (the part after the start time), best first."""
    by_name = {run: short_name(run) for run in ids}
    close_names = set(difflib.get_close_matches(word, list(by_name.values()), n=_SHOWN, cutoff=0.5))
    named = [run for run, name in by_name.items() if name in close_names]
    alike = difflib.get_close_matches(word, ids, n=_SHOWN, cutoff=0.4)
    return list(dict.fromkeys([*named[-_SHOWN:], *alike]))[:_SHOWN]
