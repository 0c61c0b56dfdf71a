"""What is held between the trials of a warm worker: the data of the last one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from kag.data.read import read_sites
from kag.data.sites import Sites
from kag.data.soundness import soundness_for
from kag.spec.run import RunSpec
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
    """Data that have been read once for several trials."""

    def __init__(self) -> None:
        self._sites: Sites | None = None
        self._state: FileState | None = None

    def hold(self, file: str) -> None:
        """Read a file, unless it is the one that is held and has not changed.

        Raises:
            DataError: it is at fault; nothing is held then.
            OSError: it is not there.
        """
        state = FileState.of(file)
        if self._sites is not None and (str(self._sites.path), self._state) == (file, state):
            return
        self._sites = self._state = None
        self._sites = read_sites(Path(file))
        # A file that is being written has another state by now, and is read again.
        self._state = state

    def inputs(self, spec: RunSpec) -> Inputs | None:
        """What a run is trained on, if that is what is held; None if it has to be read."""
        sites = self._sites
        if sites is None or str(sites.path) != spec.data.file or self._state != FileState.of(spec.data.file):
            return None
        return Inputs(spec, sites, soundness=tuple(soundness_for(sites, spec)))
