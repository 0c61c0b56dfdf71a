"""Runs and words: which run a word means, and by what word runs are told apart."""

from __future__ import annotations

import difflib
import re
import textwrap
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from kag.errors import RecordError
from kag.text import command, three_decimals
from kag.track.folder import RUN_ID, RunFolder, short_name
from kag.track.hold import as_it_stands
from kag.track.record import RunRecord
from kag.view.alike import likeness
from kag.view.changes import differing_settings, settings_apart
from kag.view.results import headline
from kag.view.trials import trial_of

LATEST = "latest"
"""The word for the run that began last."""

_SHOWN = 5
_WORDS = 80
"""Characters of what a person said of a run, where runs are told apart."""
_DEFAULT_FOLDER = "runs"
_AGAIN = re.compile(r"(?P<first>.+)-\d+")
"""The id of a run that began in the same second as another one of its name."""

TOLD = 3
"""Settings that a run can be called by, where names do not tell runs apart."""


class NamedRuns:
    """Runs by the words that records name them with: an id, or a name, which several can have.

    Nobody can be asked what such a word means. A person can: `find_run` refuses one that stands for several runs.

    Args:
        records: the runs, in any order.
        seed_keys: settings that are seeds of other programs; empty finds them by their names.
    """

    def __init__(self, records: Iterable[RunRecord], seed_keys: Sequence[str] = ()) -> None:
        self._seed_keys = seed_keys
        ordered = sorted(records, key=begun)
        self.by_id = {record.id: record for record in ordered}
        self._by_name: defaultdict[str, list[RunRecord]] = defaultdict(list)
        # What records say of each other was said before a person called a run otherwise.
        self._by_former_name: defaultdict[str, list[RunRecord]] = defaultdict(list)
        for record in ordered:
            self._by_name[record.name].append(record)
            if (former := short_name(record.id)) != record.name:
                self._by_former_name[former].append(record)

    def meant(self, word: str, *, before: RunRecord | None = None) -> RunRecord | None:
        """The run with this id, or the newest of this name; None if there is none.

        Args:
            before: where a name could mean this run or a later one, an earlier one is meant.
        """
        named = [*self._by_former_name.get(word, ()), *self._by_name.get(word, ())]
        fitting = (one for one in reversed(named) if before is None or begun(one) < begun(before))
        return self.by_id.get(word) or next(fitting, None)

    def parent(self, record: RunRecord) -> RunRecord | None:
        """The run that a run is compared with: the one that it names; else `run_before`."""
        return self.meant(record.parent, before=record) if record.parent else self.run_before(record)

    def run_before(self, record: RunRecord) -> RunRecord | None:
        """Of another program's run that names no parent, the run before it in its group, else in its project.

        A trial of a sweep has none, and is none: its place among the others says nothing. Nor is an archived run one,
        nor one that differs in nothing but the seed.
        """
        found = None if record.parent else self._before.get(record.id)
        return found[0] if found else None

    def passed_over(self, record: RunRecord) -> bool:
        """Whether replicates of it lie between a run and `run_before`."""
        return record.id in self._before and self._before[record.id][1]

    @cached_property
    def _before(self) -> dict[str, tuple[RunRecord, bool]]:
        """The run before each, and whether replicates were passed over."""
        found: dict[str, tuple[RunRecord, bool]] = {}
        # The newest of each group, and the newest that is none of its replicates.
        latest: defaultdict[str | None, list[RunRecord]] = defaultdict(list)
        like = {record.id: likeness(record, self._seed_keys) for record in self.by_id.values() if record.is_foreign}

        def others(of: RunRecord, group: str | None) -> list[RunRecord]:
            return [one for one in latest[group] if like[one.id] is None or like[one.id] != like[of.id]]

        for record in (one for one in self.by_id.values() if one.is_foreign and one.sweep is None):
            groups = dict.fromkeys((record.group, None))
            nearby = [one for group in groups for one in latest[group][:1]]
            before = [one for group in groups for one in others(record, group)[:1]]
            if before:
                found[record.id] = before[0], before[0] is not nearby[0]
            if not record.archived:
                latest |= {group: [record, *others(record, group)][:2] for group in groups}
        return found


def begun(record: RunRecord) -> tuple[datetime, str]:
    """What puts runs in order: the start, then the id."""
    return record.start, record.id


def labels(
    records: Sequence[RunRecord], shown: Sequence[str] | None = None, *, settings_first: bool = False
) -> tuple[str, ...]:
    """What each run is called beside the others: the name, what is set differently, or its number as a trial of their
    sweep, as it tells all apart; else the id.

    Args:
        records: the runs.
        shown: names to try first, one a run, in place of those of the records.
        settings_first: a name is taken only where the settings do not tell the runs apart.
    """
    apart = differing_settings(records)
    told = [
        ", ".join(f"{one.key.rpartition('.')[2]} {one.values[place]}" for one in apart) for place in range(len(records))
    ]
    names = shown if shown is not None else [record.name for record in records]
    ways = [names, told if len(apart) <= TOLD else []]
    trials = [trial_of(record) for record in records] if len({record.sweep for record in records}) == 1 else []
    ways = [*(reversed(ways) if settings_first else ways), [one for one in trials if one is not None]]
    for words in ways:
        if len(set(words)) == len(records):
            return tuple(words)
    return tuple(record.id for record in records)


def find_run(runs: Path, word: str, *, ending: bool = True) -> RunFolder:
    """The run of a folder that a person means: by its path, else as `run_meant`.

    Args:
        runs: the folder.
        word: what the person wrote.
        ending: the end of a name is enough. It is for whoever looks at a run, not for what is kept or changed.

    Raises:
        RecordError: no run fits, or more than one does.
    """
    for path in (runs / word, Path(word)):
        if word and (path / "record.json").is_file():
            return RunFolder(path.resolve() if path.name in ("", ".", "..") else path)
    folders = {folder.id: folder for folder in RunFolder.all(runs)}

    def read(run: str) -> RunRecord:
        return as_it_stands(folders[run], folders[run].read_record())

    listed = command("runs", "list", **({"runs": runs} if str(runs) != _DEFAULT_FOLDER else {}))
    names = {run: _name_of(run, folders) for run in folders}
    return folders[_Asked(word, names, read, str(runs), listed).run(ending=ending)]


def run_meant(word: str, records: Sequence[RunRecord], *, where: str, ending: bool = True) -> RunRecord:
    """The run that a person means: its id, W&B's id of it, the only id that begins so, the only run of this name, the
    only name that ends so; or `latest`. Of several that fit, archived ones step back.

    Args:
        word: what the person wrote; a run's folder is as good a word as its id.
        records: every run of a source.
        where: the source.
        ending: the end of a name is enough; see `find_run`.

    Raises:
        RecordError: none or several fit; the text lists them, or the nearest ids.
    """
    known = {record.id: record for record in records}
    if (Path(word) / "record.json").is_file():
        word = Path(word).resolve().name
    of_wandb = next((record for record in records if record.wandb_id and record.wandb_id == word), None)
    if word not in known and of_wandb is not None:
        return of_wandb
    names = {run: record.name for run, record in known.items()}
    listed = command("runs", "list", source=where)
    return known[_Asked(word, names, known.__getitem__, where, listed).run(ending=ending)]


@dataclass(frozen=True)
class _Asked:
    """A word of a person, and the runs that it can mean."""

    word: str
    names: Mapping[str, str]
    """Run id -> name."""
    record: Callable[[str], RunRecord]
    """Reads the record of an id: of few runs, since a word rarely takes more than ids and names."""
    where: str
    listed: str
    """The command that lists the runs."""

    def run(self, *, ending: bool) -> str:
        """The id of the only run that fits; see `run_meant`."""
        for rule in self._rules(ending=ending):
            fitting = rule()
            if len(fitting) > 1:
                fitting = [run for run in fitting if not self._archived(run)] or fitting
            if len(fitting) == 1:
                return fitting[0]
            if fitting:
                raise self._several(fitting)
        raise RecordError(
            f"no run {self.word!r}",
            where=self.where,
            nearest=", ".join(nearest(self.word, list(self.names))) or None,
            remedy=f"`{self.listed}` shows them" if self.names else "there are no runs here; name another place",
        )

    def _rules(self, *, ending: bool) -> Iterator[Callable[[], list[str]]]:
        word, names = self.word, self.names
        if not word:
            return
        yield lambda: [word] if word in names else []
        if word == LATEST:
            yield lambda: list(dict.fromkeys([*self._named(), *self._newest()]))
        yield lambda: [run for run in names if run.startswith(word)]
        yield self._named
        if ending:
            yield lambda: [run for run, name in names.items() if name.endswith(f"_{word}")]
            yield lambda: [run for run, name in names.items() if name.endswith(word)]
        # A run that a person has renamed goes by both names.
        yield lambda: [run for run, one in self._readable(names).items() if word in (one.name, short_name(run))]

    def _named(self) -> list[str]:
        return [run for run, name in self.names.items() if name == self.word]

    def _newest(self) -> list[str]:
        """The run that began last, if there is one: an id begins with the start. One that cannot be read may be it."""
        dated = sorted((run for run in self.names if RUN_ID.fullmatch(run)), reverse=True)
        shown = next((run for run in dated if not self._archived(run)), None)
        named = (run for run in self.names if not RUN_ID.fullmatch(run) and not self._archived(run))
        known = self._readable([*([shown] if shown else []), *named])
        if shown is not None and shown not in known:
            return [shown]
        return [max(known.values(), key=begun).id] if known else []

    def _archived(self, run: str) -> bool:
        return any(record.archived for record in self._readable([run]).values())

    def _readable(self, runs: Iterable[str]) -> dict[str, RunRecord]:
        found = {}
        for run in runs:
            with suppress(RecordError):
                found[run] = self.record(run)
        return found

    def _several(self, fitting: Sequence[str]) -> RecordError:
        """The runs, each with what tells it apart from the others."""
        shown = fitting[-_SHOWN:]
        known = self._readable(shown)
        settings = settings_apart(list(known.values()), TOLD)
        told = {run: _told_of(record, settings[run]) for run, record in known.items()}
        lines = [f"\n  {run}  {told.get(run, 'its record cannot be read')}" for run in shown]
        more = f"\n  and {len(fitting) - _SHOWN} older ones" if len(fitting) > _SHOWN else ""
        return RecordError(
            f"{self.word!r} stands for {len(fitting)} runs:{''.join(lines)}{more}",
            where=self.where,
            remedy="give the id, or more of its beginning",
        )


def _told_of(record: RunRecord, settings: str) -> str:
    """What tells a run from others of its name: how it stands, its val AUPRC, its settings, and what a person said."""
    result = headline(record, "val")
    said = textwrap.shorten(record.change or "", _WORDS, placeholder="...")
    told = [record.status.value, f"val AUPRC {three_decimals(result.value)}" if result else "", settings, said]
    return ", ".join(part for part in (*told, "archived" if record.archived else "") if part)


def _name_of(run: str, known: Container[str]) -> str:
    """The name in the id of a run folder, without what tells it from another one that began in the same second."""
    again = _AGAIN.fullmatch(run)
    return short_name(again["first"] if again and again["first"] in known else run)


def nearest(word: str, ids: Sequence[str]) -> list[str]:
    """The ids most like a word: those that end so, by name (the part after the start time) or by id, best first."""
    ending = [run for run in ids if word and run.endswith(word)]
    by_name = {run: short_name(run) for run in ids}
    close_names = set(difflib.get_close_matches(word, list(by_name.values()), n=_SHOWN, cutoff=0.5))
    named = [run for run, name in by_name.items() if name in close_names]
    alike = difflib.get_close_matches(word, ids, n=_SHOWN, cutoff=0.4)
    return list(dict.fromkeys([*ending[-_SHOWN:], *named[-_SHOWN:], *alike]))[:_SHOWN]
