"""A W&B project as a source: `wandb:entity/project`, at the server that the environment names."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kag.errors import RecordError
from kag.names import ALL, SPLITS, Part
from kag.track.mirror import known_runs
from kag.track.mirrored import CLIENT_KEY, Mirrored, is_by_kag, where_of
from kag.track.record import Declared, Status
from kag.track.source import Found, WholeSource
from kag.track.wandb_beside import Beside, beside, objectives, with_files

if TYPE_CHECKING:  # numpy takes longer to load than a list of runs
    from kag.stats.scores import Scores

TIMEOUT = 30
"""Seconds for one request."""

_PAGE = 200
"""Runs in one request."""

STATUS = {
    "pending": Status.PLANNED,
    "running": Status.RUNNING,
    "preempting": Status.RUNNING,
    "finished": Status.FINISHED,
    "failed": Status.ABORTED,
    "crashed": Status.KILLED,
    "killed": Status.KILLED,
    "preempted": Status.KILLED,
}
"""`crashed` is W&B's word for a run that stopped to report."""


@dataclass(frozen=True)
class ProjectSource(WholeSource):
    """The runs of a project, asked once. Histories are asked when needed, every row of them."""

    entity: str | None
    """User or team; None is the key's own."""
    project: str

    @classmethod
    def named(cls, place: str) -> ProjectSource:
        """The project that `entity/project`, or `project` alone, names.

        Raises:
            RecordError: it is neither.
        """
        if not re.fullmatch(r"([^/\s]+/)?[^/\s]+", place):
            raise RecordError(f"{place!r} names no W&B project", remedy="write wandb:ENTITY/PROJECT")
        entity, _, project = place.rpartition("/")
        return cls(entity or None, project)

    def __str__(self) -> str:
        return f"wandb:{self.entity}/{self.project}" if self.entity else f"wandb:{self.project}"

    @cached_property
    def found(self) -> Found:
        """Every run; see `WholeSource.found`."""
        import wandb

        with self._reporting():
            api = wandb.Api(timeout=TIMEOUT)
            path = f"{self.entity or api.default_entity}/{self.project}"
            answers = {answer.id: answer for answer in api.runs(path, per_page=_PAGE, lazy=False)}
            # Runs of kag's own say everything themselves.
            foreign = [one for one in answers.values() if not is_by_kag(one.config, one.summary_metrics)]
            others = beside(api, path) if foreign else {}
            sweeps = objectives(api, path) if any(answer.sweep_name for answer in foreign) else {}

        def logged(wandb_id: str) -> list[dict[str, Any]]:
            with self._reporting():
                return list(answers[wandb_id].scan_history(use_cache=False))

        @cache
        def with_scores() -> frozenset[str]:
            return with_files(api, path, _score_files())

        @cache
        def files(wandb_id: str) -> dict[str, Any]:
            return _files(answers[wandb_id]) if wandb_id in with_scores() else {}

        def scored(wandb_id: str, split: Part) -> Scores | None:
            with self._reporting():
                return _scores(files(wandb_id), split, where_of(wandb_id))

        readers = [partial(_mirrored, one, others.get(one.id, Beside()), sweeps) for one in answers.values()]
        return known_runs(readers, logged, scored)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Tell what the server or the client refuses as a fault of the source."""
        from kag.track.wandb_private import REFUSED

        try:
            yield
        except REFUSED as error:
            raise RecordError(
                f"W&B does not give the runs: {error}",
                where=str(self),
                remedy="check the name, WANDB_BASE_URL and WANDB_API_KEY; offline:DIR reads without a server",
            ) from None


def _mirrored(answer: Any, others: Beside, sweeps: Mapping[str, Declared]) -> Mirrored:
    return Mirrored(
        wandb_id=answer.id,
        display_name=answer.name or answer.id,
        start=_moment(answer.created_at, answer.id, "start"),
        status=STATUS.get(answer.state, Status.RUNNING),
        config={**answer.config, CLIENT_KEY: others.said},
        summary=answer.summary_metrics,
        tags=tuple(answer.tags or ()),
        notes=answer.notes or "",
        sweep=answer.sweep_name,
        heard=_moment(answer.heartbeat_at, answer.id, "heartbeat") if answer.heartbeat_at else None,
        exit_code=others.exit_code,
        group=answer.group or None,
        job_type=answer.job_type or None,
        commit=answer.commit or None,
        has_patch=others.has_patch,
        used=others.used,
        objective=sweeps.get(answer.sweep_name),
    )


def _files(answer: Any) -> dict[str, Any]:
    """The files of scores of a run, by one question for all splits. A server may answer with a file of no size where
    there is none.
    """
    return {file.name: file for file in answer.files(names=_score_files()) if file.size}


def _score_files() -> list[str]:
    """Every name that a file of scores can have."""
    from kag.track.scores_of_run import names_of

    return [name for split in (*SPLITS, ALL) for name in names_of(split)]


def _scores(files: Mapping[str, Any], split: Part, where: str) -> Scores | None:
    from kag.track.scores_of_run import names_of, only_one, require_size, scores_in_file

    there = {name: files[name] for name in names_of(split) if name in files}
    name = only_one(list(there), where=where)
    if name is None:
        return None
    require_size(there[name].size, where=f"{where}, file {name}")
    with tempfile.TemporaryDirectory() as folder:
        there[name].download(root=folder, replace=True).close()
        return scores_in_file(Path(folder, name), split, where=f"{where}, file {name}")


def _moment(text: str, wandb_id: str, what: str) -> datetime:
    """W&B's times are UTC, with or without saying so."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        raise RecordError(f"its {what} is no time: {text!r}", where=where_of(wandb_id)) from None
