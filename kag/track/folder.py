"""`RunFolder`: the one place that knows which file of a run holds what, and how it is read and written.

Everything here survives `kill -9` at any moment: the record is replaced in one step, the history grows by whole lines.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kag.errors import RecordError, UserError
from kag.track import history, looks
from kag.track.atomic import require_place, storing, sync_folder, unfinished, write_atomically
from kag.track.reading import parse_record, read_text
from kag.track.record import RunRecord
from kag.track.result import Look

RUN_ID = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_(?P<name>.+)")
LONGEST_NAME = 64
"""Letters of the name of a run."""
_SNAPSHOT = re.compile(r"epoch_(0|[1-9]\d*)\.ckpt")
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}")


def record_text(record: RunRecord) -> str:
    """What `record.json` holds: the looks stand in a file of their own."""
    return record.model_dump_json(indent=2, exclude={"looks"}) + "\n"


def run_id(name: str, start: datetime) -> str:
    """`2025-10-21_12-48-11_oct17`: the start in UTC, then the name."""
    return f"{start.astimezone(UTC):%Y-%m-%d_%H-%M-%S}_{name}"


def short_name(title: str) -> str:
    """The name inside a run id; any other text as it is."""
    named = RUN_ID.fullmatch(title)
    return named["name"] if named else title


def require_runs(runs: Path) -> None:
    """Say what is wrong with a folder that runs are to be made in.

    Raises:
        RecordError: it is none, or takes nothing from this process.
    """
    try:
        require_place(runs)
    except UserError as error:
        raise RecordError(error.what, where=error.where, remedy="name another folder by --runs") from error


def _may_be_run(record: str) -> bool:
    """Whether a record is there; a folder that is closed to this user is no folder without a run."""
    try:
        return stat.S_ISREG(os.stat(record).st_mode)
    except PermissionError:
        return True
    except OSError:
        return False


@dataclass(frozen=True)
class _Inside:
    """Attribute of a run folder: a path inside it."""

    relative: str

    def __get__(self, folder: RunFolder, _: type[RunFolder]) -> Path:
        return folder.path / self.relative


@dataclass(frozen=True)
class RunFolder:
    """A run on disk."""

    path: Path

    spec_file = _Inside("spec.yaml")
    """Resolved spec, complete and reloadable."""
    record_file = _Inside("record.json")
    """The run's record."""
    history_file = _Inside("history.jsonl")
    """One line an epoch."""
    looks_file = _Inside("looks.jsonl")
    """One line a look at a test set."""
    notes_file = _Inside("notes.md")
    """What a person wrote."""
    console_file = _Inside("console.log")
    """What the run printed."""
    lock_file = _Inside(".lock")
    """Held by the process that trains the run."""
    owner_file = _Inside(".owner")
    """Which process that is, and its last sign of life; see `kag.track.owner`."""
    heartbeat_file = _Inside(".heartbeat")
    """Last sign of life of a process of an older kag; see `kag.track.heartbeat`."""
    patch_file = _Inside("uncommitted.patch")
    """Uncommitted changes of the code that ran; absent if there were none."""
    scores = _Inside("scores")
    """Folder of what it scored on each point; see `kag.track.scores_of_run`."""
    checkpoints = _Inside("checkpoints")
    """Folder of weights."""
    best = _Inside("checkpoints/best.ckpt")
    """Weights of the best epoch so far."""
    last = _Inside("checkpoints/last.ckpt")
    """State of training after the last finished epoch."""
    interrupted = _Inside("checkpoints/interrupted.ckpt")
    """State of training where a signal ended the run inside an epoch; absent if none did."""
    sums = _Inside("checkpoints/sums")
    """Running sums of the epoch weights; runs of before kept them instead of snapshots."""
    wandb = _Inside("wandb")
    """Folder of W&B's files."""

    @classmethod
    def create(cls, runs: Path, name: str, start: datetime) -> RunFolder:
        """Make the folder of a new run; no two callers ever get the same one, in whatever process.

        Runs of one name that start in the same second get `-2`, `-3`, ... at the end of the id.

        Raises:
            RecordError: the name cannot be part of a folder's name, `start` has no time zone, or `runs` is no folder
                that this process may write into.
            StorageError: the folder cannot be made.
        """
        if not _NAME.fullmatch(name):
            raise RecordError(
                f"{name!r} cannot name a run",
                remedy="use 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit",
            )
        if start.tzinfo is None:
            raise RecordError(f"the start {start.isoformat()} of run {name!r} has no time zone")
        require_runs(runs)
        first = run_id(name, start)
        attempt = 1
        with storing(runs):
            runs.mkdir(parents=True, exist_ok=True)
            while True:
                path = runs / (first if attempt == 1 else f"{first}-{attempt}")
                with suppress(FileExistsError):
                    path.mkdir()
                    sync_folder(runs)
                    return cls(path)
                attempt += 1

    @classmethod
    @contextmanager
    def creating(cls, runs: Path, name: str, start: datetime) -> Iterator[RunFolder]:
        """The folder of a new run as `create` makes it; an error inside the block takes it away again.

        Write the record inside: a folder without one is no run, and nobody would ever clear it away.
        """
        folder = cls.create(runs, name, start)
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, folder.path, ignore_errors=True)
            yield folder
            undo.pop_all()

    @classmethod
    def all(cls, runs: Path) -> list[RunFolder]:
        """Every run, by id: the subfolders that hold a record, or may not be looked into. Empty without a folder."""
        if not runs.is_dir():
            return []
        with os.scandir(runs) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir())
        return [cls(runs / name) for name in names if _may_be_run(os.path.join(runs, name, "record.json"))]

    @property
    def id(self) -> str:
        """The run id, which is the folder's name."""
        return self.path.name

    def snapshot(self, epoch: int) -> Path:
        """Weights at the end of an epoch, counted from 0; absent unless they are kept."""
        return self.checkpoints / f"epoch_{epoch}.ckpt"

    def snapshots(self) -> dict[int, Path]:
        """Snapshots that are there, by epoch, ascending."""
        matches = ((_SNAPSHOT.fullmatch(path.name), path) for path in self.checkpoints.glob("epoch_*.ckpt"))
        return dict(sorted((int(match[1]), path) for match, path in matches if match))

    def read_record(self) -> RunRecord:
        """The record, with the looks at test sets.

        Raises:
            RecordError: missing, broken (with its line), from a newer kag, or of another run.
        """
        record = parse_record(read_text(self.record_file), where=str(self.record_file))
        self._require_own(record)
        found = looks.read(self.looks_file)
        return record.model_copy(update={"looks": found}) if found else record

    def write_record(self, record: RunRecord) -> None:
        """Replace the record in one step; its looks stay where they stand.

        Raises:
            RecordError: it is the record of another run.
            StorageError: it cannot be written; the old one stays.
        """
        self._require_own(record)
        write_atomically(self.record_file, record_text(record))

    def append_looks(self, found: Sequence[Look]) -> None:
        """Add looks at test sets, whoever else adds some, and whoever trains the run.

        Raises:
            StorageError: they cannot be written.
        """
        looks.append(self.looks_file, found)

    def notes(self) -> str:
        """What a person wrote, character for character; empty if nothing.

        Raises:
            RecordError: the file is not UTF-8.
        """
        return read_text(self.notes_file) if self.notes_file.exists() else ""

    def history(self) -> list[dict[str, float]]:
        """One row an epoch, in the order written; empty before the first. NaN is NaN again.

        Raises:
            RecordError: a line inside is broken. An unfinished last line is no row yet and is left out.
        """
        return history.read(self.history_file)

    def append_history(self, row: Mapping[str, float]) -> None:
        """Add a row; when this returns it is on the disk. What a killed writer left unfinished is cut off first."""
        history.append(self.history_file, row)

    def truncate_history(self, first_epoch_to_drop: int) -> None:
        """Keep the rows of earlier epochs only, byte for byte, in one step."""
        history.truncate(self.history_file, first_epoch_to_drop)

    def sweep_up(self) -> None:
        """Remove what a process left that died while it wrote; for the one that holds the lock. Notes need no lock."""
        for folder in (self.path, self.scores, self.checkpoints, self.sums):
            for left in unfinished(folder):
                if not left.name.startswith(f".{self.notes_file.name}."):
                    left.unlink(missing_ok=True)

    def _require_own(self, record: RunRecord) -> None:
        if record.id != self.id:
            raise RecordError(
                f"the record is of run {record.id!r}, the folder is named {self.id!r}",
                where=str(self.record_file),
                remedy="give the folder its run's id again; a copy needs an id of its own in record.json",
            )
