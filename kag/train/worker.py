"""What is held between the trials of a warm worker: the data of the last one, and the records of earlier runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from kag.data.clusters import read_clusters
from kag.data.opened import open_sites
from kag.data.sites import Sites
from kag.data.soundness import soundness_for
from kag.spec.run import RunSpec
from kag.track.folders import FolderSource
from kag.train.inputs import Inputs


class FileState(NamedTuple):
    """Which file a path is, and whether it has been written since."""

    device: int
    inode: int
    size: int
    changed: int

    @classmethod
    def of(cls, path: str) -> FileState:
        """As it stands now."""
        found = os.stat(path)
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


class Held:
    """What has been read once for several trials."""

    def __init__(self) -> None:
        self._sites: Sites | None = None
        self._state: FileState | None = None
        self._source: FolderSource | None = None

    def hold_records(self, runs: Path) -> None:
        """Read the records of a folder of runs that have come or changed since the last call."""
        self._source = self.source(runs) or FolderSource(runs)
        if runs.is_dir():
            self._source.readable()

    def source(self, runs: Path) -> FolderSource | None:
        """The runs of a folder, if that is the one whose records are held; it reads again what has changed."""
        return self._source if self._source is not None and self._source.runs == runs else None

    def hold_data(self, file: str) -> None:
        """Read a file, unless it is the one that is held and has not changed.

        Raises:
            DataError: it is at fault; nothing is held then.
            OSError: it is not there.
        """
        state = FileState.of(file)
        if self._sites is not None and (str(self._sites.path), self._state) == (file, state):
            return
        self._sites = self._state = None
        self._sites = open_sites(Path(file))
        # A file that is being written has another state by now, and is read again.
        self._state = state

    def inputs(self, spec: RunSpec) -> Inputs | None:
        """What a run is trained on, if that is what is held; None if it has to be read."""
        sites = self._sites
        if sites is None or str(sites.path) != spec.data.file or self._state != FileState.of(spec.data.file):
            return None
        if spec.data.clusters:
            sites = sites.with_clusters(read_clusters(Path(spec.data.clusters), sites.proteins))
        return Inputs(spec, sites, soundness=tuple(soundness_for(sites, spec)))
