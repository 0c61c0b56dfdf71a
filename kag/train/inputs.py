"""The files that a run reads: data and the list to replay. Those of a run that was there before may have been moved."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import NamedTuple

from kag.data.opened import open_sites
from kag.data.sites import Sites
from kag.data.soundness import soundness_for
from kag.data.whereabouts import KnownData, Read, Say, moved_clusters, moved_list, places_near
from kag.finding import Finding
from kag.model.size import Sizes
from kag.spec.load import build_spec
from kag.spec.run import RunSpec
from kag.track.folder import RunFolder
from kag.track.record import Found, RunRecord
from kag.train.console import RunConsole
from kag.weights.checkpoint import read_checkpoint

DATA, LIST = "data.file", "data.replay.indices"


class Inputs(NamedTuple):
    """What a run is trained on."""

    spec: RunSpec
    """Names the files where they are."""
    sites: Sites
    moved: tuple[str, ...] = ()
    """Keys of the files that are the run's own, elsewhere than its spec says."""
    soundness: tuple[Finding, ...] = ()
    """What is odd about the data."""
    told: bool = False
    """Whether that has been printed."""


def read_inputs(spec: RunSpec, known: RunFolder | None, *, copies: int, console: RunConsole) -> Inputs:
    """Read the data of a run; find the files of one that is trained on, or again, by their digests.

    A file that the command line names is taken as it is.

    Args:
        spec: of the run.
        known: the folder of that run; None for a new one.
        copies: processes of this host that each hold the arrays.
        console: told where a file is found.

    Raises:
        DataError: the data are at fault, or nowhere.
    """
    with console.busy(f"reading {spec.data.file}"):
        places = places_near(known.path.absolute().parent) if known else ()
        clusters = moved_clusters(spec.data.clusters, places)
        read = partial(open_sites, clusters=clusters, copies=copies, say=console.say)
        found = _inputs(spec, known, places, read, console.say)
        return found._replace(soundness=tuple(soundness_for(found.sites, found.spec)))


def _inputs(spec: RunSpec, known: RunFolder | None, places: tuple[Path, ...], read: Read, say: Say) -> Inputs:
    if known is None:
        return Inputs(spec, read(Path(spec.data.file)))
    record = known.read_record()
    file = Path(spec.data.file)
    if _is_own(spec.data.file, DATA, record):
        sites = _known_data(known, record, file, places).find(read=read, say=say, others_too=True)
    else:
        sites = read(file)
    found = {DATA: str(sites.path.absolute())} if sites.path != file else {}
    if (replay := spec.data.replay) is not None and _is_own(replay.indices, LIST, record):
        place = moved_list(Path(replay.indices), (record.found or Found()).mined_digest, places)
        if place is not None and str(place) != replay.indices:
            say(f"the list to replay is at {place}")
            found[LIST] = str(place)
    return Inputs(build_spec(spec.model_dump(mode="json"), found) if found else spec, sites, tuple(found))


def _is_own(path: str, key: str, record: RunRecord) -> bool:
    """Whether a path is the one of the record, as a spec that is loaded writes it: without links."""
    return os.path.realpath(str(record.config.get(key))) == path


def _known_data(folder: RunFolder, record: RunRecord, file: Path, places: tuple[Path, ...]) -> KnownData:
    def sizes() -> Sizes | None:
        return read_checkpoint(folder.best).data.sizes if folder.best.is_file() else None

    return KnownData(file, record.data_digest, places, sizes, remedy=f"name the file: {DATA}=FILE")
