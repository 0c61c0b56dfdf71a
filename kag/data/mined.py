"""The file of mined samples: rows of one data file that are worth showing again."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from kag.data.sites import Sites
from kag.errors import DataError
from kag.text import digest
from kag.track.output import Kind, write_output

MINED = Kind("a list of mined samples")


class Mined(BaseModel):
    """Rows that a run got wrong, worst first."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["kag-mined"] = "kag-mined"
    data_digest: str
    """`Sites.digest` of the file that the rows belong to."""
    split: Literal["train", "val", "test"]
    """Split that they were taken from."""
    indices: list[int]
    """Rows, worst first."""
    run: str
    """Run id of the weights."""
    weights_digest: str
    """Weights that got them wrong."""


def write_mined(path: Path, mined: Mined) -> None:
    """Write the file by `write_output`."""
    write_output(path, mined.model_dump_json(indent=1) + "\n")


def mined_digest(path: Path) -> str:
    """SHA-256 of the file: a mined list that was made anew under the same name is another one."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_mined(path: Path) -> Mined:
    """Read the file.

    Raises:
        DataError: it is missing or not of this format.
    """
    try:
        return Mined.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(
            "there is no such file", where=str(path), remedy="make one with `kag mine RUN --out FILE`"
        ) from error
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        where = f"{path}, {place}" if place else str(path)
        raise DataError(f"this is not a file of mined samples: {first['msg']}", where=where) from error


def read_mined(path: Path, sites: Sites) -> NDArray[np.int64]:
    """Rows to replay in training, in the order of the file.

    Raises:
        DataError: the file is unreadable, belongs to other data or another split, or names rows that do not exist.
    """
    mined = load_mined(path)
    if mined.data_digest != sites.digest:
        raise DataError(
            f"these samples were mined from other data (digest {digest(mined.data_digest)})",
            where=str(path),
            nearest=f"{sites.path} has digest {digest(sites.digest)}",
            remedy="mine again on this file",
        )
    if mined.split != "train":
        raise DataError(
            f"these samples are of the {mined.split} split; training on them would spoil it",
            where=str(path),
            remedy="mine the train split",
        )
    index_M = np.asarray(mined.indices, dtype=np.int64)
    if not index_M.size:
        raise DataError("the list of samples is empty", where=str(path))
    for known_N, problem in (
        (np.arange(sites.points), f"does not exist; the file has {sites.points}"),
        (sites.index("train"), "is not in the train split"),
    ):
        stray_M = ~np.isin(index_M, known_N)
        if stray_M.any():
            place = int(stray_M.argmax())
            raise DataError(f"row {index_M[place]} {problem}", where=f"{path}, indices[{place}]")
    return index_M
