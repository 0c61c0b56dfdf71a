"""Runs of MLflow: of its file store (`mlruns`), or of its database (`mlflow.db`), which needs no MLflow to be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from kag.errors import NotTaken
from kag.transfer.facts import RunFacts, RunFile
from kag.transfer.stored import StoredOrigin, last_values, moment_text, run_id_of, wrapped

STATES = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "killed", "RUNNING": "running", "SCHEDULED": "pending"}
_NOTE = "mlflow.note.content"
_OWN = "mlflow."


@dataclass(frozen=True)
class MlflowRun:
    """A run as MLflow keeps it."""

    id: str
    name: str
    experiment: str
    status: str
    start_ms: int
    end_ms: int | None
    artifacts: str
    """URI of the folder of its files."""
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[tuple[int, int, str, float]] = ()
    """Milliseconds, step, key and value of everything that was logged, in the order of time."""


class MlflowOrigin(StoredOrigin):
    """The runs of a store; see `Origin`.

    Args:
        place: a folder `mlruns`, or a database of SQLite.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._runs: dict[str, MlflowRun] = {}
        self._remarks: list[str] = []

    def __str__(self) -> str:
        return f"mlflow:{self.place}"

    def remarks(self) -> Sequence[str]:
        """What could be read in part only; see `Origin.remarks`."""
        return self._remarks

    def run_facts(self) -> Iterator[RunFacts]:
        """Every run; see `Origin.run_facts`."""
        from kag.transfer.mlflow_store import runs_of

        for run in sorted(runs_of(self.place, self._remarks), key=lambda one: (one.start_ms, one.id)):
            self._runs[run.id] = run
            yield _facts(run)

    def rows(self, run: RunFacts) -> list[dict[str, Any]]:
        """One row for what was logged at one time for one step; see `StoredOrigin.rows`."""
        return _rows(self._runs[run.id])

    def files(self, run: RunFacts) -> Sequence[RunFile]:
        """The artifacts, under `artifacts/`; see `Origin.files`."""
        folder = self._folder(run)
        if folder is None:
            return ()
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        return [RunFile(f"artifacts/{path.relative_to(folder).as_posix()}", path.stat().st_size) for path in found]

    def fetch(self, run: RunFacts, file: RunFile, folder: Path) -> Path:
        """An artifact; see `Origin.fetch`."""
        home = self._folder(run)
        if home is None:
            raise NotTaken(f"file {file.name}: it is gone", where=f"run {run.id}")
        return home / file.name.removeprefix("artifacts/")

    def _folder(self, run: RunFacts) -> Path | None:
        """Where the files of a run lie: beside its record, wherever the store has been moved to, or where it says."""
        beside = list(self.place.glob(f"*/{run.id}/artifacts")) if self.place.is_dir() else []
        parts = urlsplit(self._runs[run.id].artifacts)
        said = [Path(unquote(parts.path))] if parts.scheme in ("", "file") and parts.path else []
        if parts.scheme not in ("", "file"):
            self._remarks.append(f"run {run.id}: its files are at {parts.scheme}://, and are not fetched")
        return next((path for path in (*beside, *said) if path.is_dir()), None)


def _facts(run: MlflowRun) -> RunFacts:
    own = {key: value for key, value in run.tags.items() if key.startswith(_OWN)}
    free = {key: value for key, value in run.tags.items() if not key.startswith(_OWN)}
    rows = _rows(run)
    heard = run.end_ms or max([run.start_ms, *(one[0] for one in run.metrics)])
    state = STATES.get(run.status, "finished")
    return RunFacts(
        id=run_id_of(run.id),
        name=run.name or run.id,
        config=wrapped({**{key: _plain(value) for key, value in run.params.items()}, **own}),
        summary=last_values(rows),
        created=moment_text(run.start_ms / 1000),
        heard=moment_text(heard / 1000),
        state=state,
        exit_code={"finished": 0, "failed": 1}.get(state),
        notes=own.get(_NOTE, ""),
        tags=tuple(sorted(f"{key}:{value}" for key, value in free.items())),
        group=run.experiment,
        commit=own.get("mlflow.source.git.commit", ""),
        repo=own.get("mlflow.source.git.repoURL", ""),
        program=own.get("mlflow.source.name", ""),
    )


def _rows(run: MlflowRun) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    place: tuple[int, int] | None = None
    for moment, step, key, value in run.metrics:
        if (moment, step) != place or key in found[-1]:
            place = (moment, step)
            found.append({"_step": step, "_timestamp": moment / 1000})
        found[-1][key] = value
    return found


def _plain(text: str) -> Any:
    """A parameter: MLflow keeps each as its text, of which numbers and truth values are told here."""
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if str(value) == text or kind is float else text
    return text
