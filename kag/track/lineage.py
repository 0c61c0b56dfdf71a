"""What another program's run stands on: the run before, the runs that its weights came from, its data.

The run before is told by a fork, by a word in the config, or by a model that was taken as an artifact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from kag.track.mirrored import Mirrored, Used
from kag.track.record import RunRecord, Source

MODEL, DATASET = "model", "dataset"
"""Types of the artifacts that hold weights, and data."""

PARENT_KEYS = ("parent", "parent_run", "parent_run_id", "resume_from")
"""Config keys that name the run before, where their value is one of the project's; else they are settings."""

Pair = tuple[RunRecord, Mirrored]


def linked(pairs: Sequence[Pair]) -> list[RunRecord]:
    """The records with what they stand on; those of kag's own say it themselves.

    Args:
        pairs: all runs of a source in the order of start time, with the ids that their records are to have.
    """
    known = _Known(pairs)
    return [record if run.by_kag else _linked(record, run, known) for record, run in pairs]


def _linked(record: RunRecord, run: Mirrored, known: _Known) -> RunRecord:
    branch = run.client.branch
    data = tuple(sorted({known.version_of(one) for one in run.used if one.type == DATASET}))
    told = {"sources": known.models_of(run), "datasets": data}
    if branch and branch.run != run.wandb_id:
        word = known.id_of(branch.run)
        return record.model_copy(update={**told, "parent": word, "sources": (Source(run=word), *told["sources"])})
    for key in PARENT_KEYS:
        parent = known.meant(record.config.get(key), before=record)
        if parent is not None:
            left = {name: value for name, value in record.config.items() if name != key}
            return record.model_copy(update={**told, "parent": parent.id, "config": left})
    makers = {source.run for source in known.models_of(run)} & known.by_id.keys()
    return record.model_copy(update={**told, "parent": makers.pop() if len(makers) == 1 else None})


class _Known:
    """The runs of a source by the words that others name them with, and the artifacts that they logged and used."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.by_wandb_id = {run.wandb_id: record for record, run in pairs}
        self.by_id = {record.id: record for record, _ in pairs}
        self._by_name: defaultdict[str, list[RunRecord]] = defaultdict(list)
        self._makers: defaultdict[str, set[str]] = defaultdict(set)
        for record, run in pairs:
            for name in {record.name, run.display_name}:
                self._by_name[name].append(record)
            for name in run.made:
                self._makers[name].add(run.wandb_id)
        self._versions = {one.id: one.name for _, run in pairs for one in run.used if one.is_version}

    def version_of(self, used: Used) -> str:
        """A text that no other version of an artifact has."""
        name = used.name.rpartition(":")[0] or used.name
        return used.name if used.is_version else self._versions.get(used.id, f"{name}@{used.id}")

    def models_of(self, run: Mirrored) -> tuple[Source, ...]:
        """Where weights came from that a run took as artifacts; one that nobody knows the maker of tells nothing."""
        models = sorted((one for one in run.used if one.type == MODEL), key=lambda one: one.name)
        made = [(one, self._maker(one)) for one in models]
        return tuple(
            Source(run=self.id_of(maker), checkpoint=self.version_of(one))
            for one, maker in made
            if maker and maker != run.wandb_id
        )

    def id_of(self, wandb_id: str) -> str:
        """The id of a run, or W&B's where it is none of these."""
        return self.by_wandb_id[wandb_id].id if wandb_id in self.by_wandb_id else wandb_id

    def meant(self, word: object, *, before: RunRecord) -> RunRecord | None:
        """The run of an id, of a path `entity/project/id`, or the newest of a name among those that come before."""
        if not isinstance(word, str):
            return None
        last = word.rpartition("/")[2]
        found = self.by_wandb_id.get(word) or self.by_id.get(word) or self._named(word, before)
        found = found or self.by_wandb_id.get(last) or self.by_id.get(last)
        return None if found is None or found.id == before.id else found

    def _named(self, word: str, before: RunRecord) -> RunRecord | None:
        named = (one for one in self._by_name.get(word, ()) if (one.start, one.id) < (before.start, before.id))
        return max(named, key=lambda one: (one.start, one.id), default=None)

    def _maker(self, used: Used) -> str | None:
        """The run that logged a version; of one that several logged under one name, nobody can say which."""
        makers = self._makers.get(used.name.rpartition(":")[0] or used.name, set())
        return used.made_by or (next(iter(makers)) if len(makers) == 1 else None)
