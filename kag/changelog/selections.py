"""What the best trial of each sweep is worth, as rows say it; what was worked out before is kept in a cache.

A sweep whose best trial kept no scores, as all did once, has none: its row then says as much as it always did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from kag.changelog.cache import CODE, FOLDER, keep_file, version_of
from kag.compare.selection import chosen_among, selection
from kag.errors import RecordError
from kag.track.code import code_digest
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.record import RunRecord
from kag.track.result import Selection
from kag.track.source import RunSource, ScoresOf

SelectionOf = Callable[[Sequence[RunRecord]], Selection | None]
"""What the best of some trials is worth; None where there is nothing to say."""

MOST = 256
"""Sweeps that are kept: those that were asked for last."""

_FILE = f"{FOLDER}/selections.json"


def not_known(trials: Sequence[RunRecord]) -> None:
    """For whoever has records alone."""


def selected_in(source: RunSource) -> SelectionOf:
    """Where the trials of a source are; those of a folder are worked out once."""
    return KeptSelections(source) if isinstance(source, FolderSource) else selected_by(source.scores)


def selected_by(scores_of: ScoresOf) -> SelectionOf:
    """By the scores of trials, which are read anew."""

    def kept(run: str) -> bool:
        try:
            return scores_of(run, "val") is not None
        except RecordError:
            return True

    def found(trials: Sequence[RunRecord]) -> Selection | None:
        return selection(trials, scores_of) if is_told(trials, kept) else None

    return found


class KeptSelections:
    """What was worked out for a folder of runs, by all that it was made of: the records, the scores, and the code.

    Losing it costs time only.
    """

    def __init__(self, source: FolderSource) -> None:
        self._source = source
        self._found: dict[str, Selection | None] | None = None

    def __call__(self, trials: Sequence[RunRecord]) -> Selection | None:
        """What the best of the trials is worth."""
        if self._found is None:
            self._found = dict(self._read())
        key = self._made_of(trials)
        known = key in self._found
        # What was asked for last comes last.
        self._found[key] = self._found.pop(key) if known else selected_by(self._source.scores)(trials)
        if not known:
            self._keep(self._found)
        return self._found[key]

    def _made_of(self, trials: Sequence[RunRecord]) -> str:
        """Changes whenever a record or a file of scores does."""
        # numpy takes longer to load than a change log without a sweep
        from kag.track.scores_of_run import names_of

        folders = {trial.id: RunFolder(self._source.runs / trial.id) for trial in trials}
        files = {run: (one.record_file, *(one.path / name for name in names_of("val"))) for run, one in folders.items()}
        made_of = [(trial.id, trial.status, version_of(*files[trial.id])) for trial in trials]
        return hashlib.sha256(repr(made_of).encode()).hexdigest()

    def _read(self) -> Mapping[str, Selection | None]:
        try:
            content = _Content.model_validate_json((self._source.runs / _FILE).read_bytes())
        except (OSError, ValidationError):
            return {}
        return content.found if content.code == code_digest(*CODE) else {}

    def _keep(self, found: dict[str, Selection | None]) -> None:
        newest = dict(list(found.items())[-MOST:])
        keep_file(self._source.runs / _FILE, _Content(code=code_digest(*CODE), found=newest).model_dump_json())


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: str
    found: dict[str, Selection | None]


def is_told(trials: Sequence[RunRecord], kept: Callable[[str], bool]) -> bool:
    """Whether there is more to say than that nothing can be corrected.

    Args:
        trials: of a sweep.
        kept: whether a run kept its scores on val.
    """
    best_first, by_seed = chosen_among(trials)
    return by_seed or (bool(best_first) and kept(best_first[0].runs[0].id))
