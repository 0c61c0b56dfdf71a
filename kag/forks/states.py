"""Shared states: what a run needs to go on from an epoch that another run has trained.

A state is a folder, named by its key, that appears in one step and never changes:

    state.ckpt      Lightning's checkpoint       best.ckpt       best weights so far
    history.jsonl   rows so far                  epoch_9.ckpt    weights of each epoch, if they are kept
    about.json      which runs trained which epochs                  (sums/, of epochs that an older kag trained)
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from kag.track.atomic import atomic_path, storing, write_atomically
from kag.track.folder import RunFolder


class Segment(BaseModel):
    """Epochs `first` ... `first + epochs - 1`, trained by one run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    first: int
    epochs: int


class About(BaseModel):
    """What is known of a shared state."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int
    """Trained epochs."""
    weights_digest: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class SharedStates:
    """A folder of shared states. Methods that change it are called under its lock."""

    folder: Path
    largest: int | None = None
    """Bytes that all states together may take."""

    def about(self, key: str) -> About | None:
        """What a state holds, or None if there is none."""
        try:
            return About.model_validate_json((self.folder / key / "about.json").read_bytes())
        except FileNotFoundError:
            return None

    def put(self, key: str, run: RunFolder, about: About) -> None:
        """Store the state in which a run is, then make room. Files are linked, not copied, where the disk allows it.

        Raises:
            StorageError: it cannot be written; nothing of it is left.
        """
        if (self.folder / key).exists():
            return
        temporary = self.folder / f".{uuid.uuid4().hex}"
        with storing(self.folder / key):
            try:
                temporary.mkdir()
                link(run.last, temporary / "state.ckpt")
                link(run.best, temporary / run.best.name)
                for snapshot in run.snapshots().values():
                    link(snapshot, temporary / snapshot.name)
                _link_all(run.sums, temporary / run.sums.name)
                shutil.copyfile(run.history_file, temporary / "history.jsonl")
                (temporary / "about.json").write_text(about.model_dump_json(), encoding="utf-8")
                os.rename(temporary, self.folder / key)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        self._make_room(key)

    def give(self, key: str, run: RunFolder) -> None:
        """Put a run into a state: its checkpoints and its history become those of the state.

        Raises:
            StorageError: it cannot be written; the run goes on where it was, or from the state, never in between.
        """
        source = self.folder / key
        shutil.rmtree(run.sums, ignore_errors=True)
        with storing(run.sums):
            _link_all(source / run.sums.name, run.sums)
        write_atomically(run.history_file, (source / "history.jsonl").read_bytes())
        # Last what a resume begins from, as in training: killed in between, the run is where it was.
        snapshots = {path.name: run.checkpoints / path.name for path in source.glob("epoch_*.ckpt")}
        for name, checkpoint in (snapshots | {run.best.name: run.best, "state.ckpt": run.last}).items():
            with atomic_path(checkpoint) as temporary:
                link(source / name, temporary)
        uses = source / "uses.json"
        count = json.loads(uses.read_text()) if uses.exists() else 0
        write_atomically(uses, json.dumps(count + 1))

    def sweep_up(self) -> None:
        """Remove what processes left that died while they stored a state."""
        for path in self.folder.glob(".????????????????????????????????"):
            shutil.rmtree(path, ignore_errors=True)

    def _make_room(self, newest: str) -> None:
        """Remove the least useful states until the rest fits; the newest one stays."""
        if self.largest is None:
            return
        states = {path.parent.name: _size(path.parent) for path in self.folder.glob("*/about.json")}
        for key in sorted(states, key=self._usefulness):
            if sum(states.values()) <= self.largest:
                return
            if key != newest:
                shutil.rmtree(self.folder / key)
                del states[key]

    def _usefulness(self, key: str) -> tuple[float, float]:
        """Epochs that a state has saved and may save again; among equals the older one is less useful."""
        about, uses = self.about(key), self.folder / key / "uses.json"
        count = json.loads(uses.read_text()) if uses.exists() else 0
        return (about.epochs if about else 0) * (1 + count), (self.folder / key).stat().st_mtime


def extended(segments: Sequence[Segment], run: str, epochs: int) -> tuple[Segment, ...]:
    """The segments of a state after `epochs` epochs, with what this run has trained on top of the last one."""
    before = tuple(segments[:-1] if segments and segments[-1].run == run else segments)
    done = sum(segment.epochs for segment in before)
    return (*before, Segment(run=run, first=done, epochs=epochs - done)) if epochs > done else before


def _link_all(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir()
        for path in source.iterdir():
            link(path, target / path.name)


def link(source: Path, target: Path) -> None:
    """Make `target`, which is not there yet, the same file; a copy where the two lie on different disks."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP):
            raise
        shutil.copyfile(source, target)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
