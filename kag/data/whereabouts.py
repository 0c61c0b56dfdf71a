"""Where the data of a run lie now: run folders go to other machines, and data files get other names and places.

The digest of the data tells. A file is read for it only if it has the name that the spec says, or stands in one of a
few places and has the form of the data; one with another digest is never taken.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kag.data.hdf5 import open_layout
from kag.data.mined import mined_digest
from kag.data.opened import open_sites
from kag.data.sites import Sites
from kag.errors import DataError
from kag.text import digest as short

if TYPE_CHECKING:
    from kag.model.size import Sizes

FOLDER_OF_DATA = "KAG_DATA"
"""Variable that names a folder of data files."""

Read = Callable[[Path], Sites]
Say = Callable[[str], None]


class Search(NamedTuple):
    """What came of looking for data."""

    data: Sites | None
    """They, or None where they are in none of the places."""
    there: Sites | None
    """What lies where the spec says; None if nothing does."""
    looked: tuple[Path, ...]
    """Files that were read."""


@dataclass(frozen=True)
class KnownData:
    """What a run, or its weights, know of the data that they were trained on."""

    file: Path
    """Where the spec says."""
    digest: str | None
    """None where a record does not say: then any file at that place will do."""
    places: tuple[Path, ...]
    """Folders in which a file that was moved may lie, the likeliest first."""
    sizes: Callable[[], Sizes | None] = lambda: None
    """Gives `DataFacts.sizes`, by which most other files are ruled out without reading; None where nobody knows."""
    remedy: str = "name the file: --data FILE"
    """What a person can do who knows where it is."""

    def search(self, *, read: Read = open_sites, say: Say) -> Search:
        """Look for the data.

        Args:
            read: reads a file.
            say: told what is looked at where they are not where the spec says.

        Raises:
            DataError: the file where the spec says is at fault.
        """
        there = read(self.file) if self.file.is_file() or self.digest is None else None
        if there is not None and self.digest in (None, there.digest):
            return Search(there, there, (self.file,))
        looked = [self.file] if there is not None else []
        for path in moved(self.file, self.places, self.sizes()):
            say(f"the data {short(self.digest)} are not at {self.file}: looking at {path}")
            looked.append(path)
            found = _read_or_tell(path, read, say)
            if found is not None and found.digest == self.digest:
                say(f"they are at {path}")
                return Search(found, there, tuple(looked))
        return Search(None, there, tuple(looked))

    def find(self, *, read: Read = open_sites, say: Say, others_too: bool = False) -> Sites:
        """The data, wherever they lie now.

        Args:
            read: as for `search`.
            say: as for `search`.
            others_too: where the data are nowhere, take what lies at their place now; the caller says so.

        Raises:
            DataError: they are in none of the places; it names these, and what was looked at.
        """
        data, there, looked = self.search(read=read, say=say)
        if data is not None:
            return data
        if there is not None and others_too:
            return there
        raise self._nowhere(there, looked)

    def _nowhere(self, there: Sites | None, looked: Sequence[Path]) -> DataError:
        now = "is not there" if there is None else f"holds the data {short(there.digest)} now"
        others = ", ".join(map(str, looked)) or "no file of this name or form"
        return DataError(
            f"{now}; the run was trained on data {short(self.digest)}, which are not in "
            f"{', '.join(map(str, self.places))} either (looked at: {others})",
            where=str(self.file),
            remedy=f"{self.remedy}, or set {FOLDER_OF_DATA} to its folder",
        )


def places_near(runs: Path, environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Where data lie that were moved together with runs, or beside them: the folder of the runs, the one around it, the
    working folder, and the one that `KAG_DATA` names.
    """
    named = environment.get(FOLDER_OF_DATA)
    near = (runs.absolute(), runs.absolute().parent, Path.cwd(), *([Path(named).absolute()] if named else []))
    return tuple(dict.fromkeys(near))


def under_old_name(file: Path, places: Sequence[Path]) -> Iterator[Path]:
    """Files in the places that the end of the old path leads to: `PLACE/data/sites.h5`, `PLACE/sites.h5`."""
    tails = [Path(*file.parts[begin:]) for begin in range(1, len(file.parts))]
    for path in dict.fromkeys(place / tail for place in places for tail in tails):
        if path.is_file() and path != file:
            yield path


def moved(file: Path, places: Sequence[Path], sizes: Sizes | None = None) -> list[Path]:
    """Files that may be a data file under another path, the likeliest first: its name, then its form.

    Args:
        file: the old path.
        places: folders to look in, their subfolders of the name of the file's own folder, and that folder.
        sizes: of the data.
    """
    named = list(under_old_name(file, places))
    around = (file.parent, *places, *(place / file.parent.name for place in places))
    folders = [folder for folder in dict.fromkeys(around) if folder.is_dir()]
    others = [path for folder in folders for path in sorted(folder.glob(f"*{file.suffix or '.h5'}"))]
    return [*named, *(path for path in others if path not in (file, *named) and _has_form(path, sizes))]


def moved_list(file: Path, digest: str | None, places: Sequence[Path]) -> Path | None:
    """A list of mined samples: at its old path, or where a file of its name has its digest; None if nowhere."""
    known = (path for path in (file, *under_old_name(file, places)) if path.is_file())
    return next((path for path in known if digest in (None, mined_digest(path))), None)


def moved_clusters(file: str | None, places: Sequence[Path]) -> Path | None:
    """A file of clusters: at its old path, or where one of its name is, else the old path; None where there is none.

    No digest tells it apart: of other clusters than before, runs are no pairs (`kag.compare.paired`).
    """
    if file is None:
        return None
    path = Path(file)
    return path if path.is_file() else next(under_old_name(path, places), path)


def _has_form(path: Path, sizes: Sizes | None) -> bool:
    """Whether the header of a file fits; what is no data file does not."""
    try:
        with open_layout(path) as file:
            form: Sizes = {
                "features": file.sizes["F"],
                "embedding": file.sizes["D"],
                "neighbours": file.sizes["K"],
            }
    except DataError:
        return False
    return sizes in (None, form)


def _read_or_tell(path: Path, read: Read, say: Say) -> Sites | None:
    try:
        return read(path)
    except DataError as error:
        say(f"it cannot be read: {error}")
        return None
