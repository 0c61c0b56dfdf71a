"""What is held between the trials of a warm worker: the data of the last one."""

from __future__ import annotations

from pathlib import Path

from kag.data.cache import FileKey
from kag.data.clusters import read_clusters
from kag.data.opened import open_sites
from kag.data.sites import Sites
from kag.data.soundness import soundness_for
from kag.data.storage import require_regular
from kag.spec.run import RunSpec
from kag.train.inputs import Inputs


class Held:
    """What has been read once for several trials."""

    def __init__(self) -> None:
        self._sites: Sites | None = None
        self._key: FileKey | None = None

    def hold_data(self, file: str) -> None:
        """Read a file, unless it is the one that is held and has not changed.

        Raises:
            DataError: it is at fault; nothing is held then.
            OSError: it is not there.
        """
        path = Path(file)
        require_regular(path)
        key = FileKey.of(path)
        if self._sites is not None and (str(self._sites.path), self._key) == (file, key):
            return
        self._sites = self._key = None
        self._sites = open_sites(path)
        # A file that is being written has another key by now, and is read again.
        self._key = key

    def inputs(self, spec: RunSpec) -> Inputs | None:
        """What a run is trained on, if that is what is held; None if it has to be read."""
        sites = self._sites
        if sites is None or str(sites.path) != spec.data.file or self._key != FileKey.of(sites.path):
            return None
        if spec.data.clusters:
            sites = sites.with_clusters(read_clusters(Path(spec.data.clusters), sites.proteins))
        return Inputs(spec, sites, soundness=tuple(soundness_for(sites, spec)))
