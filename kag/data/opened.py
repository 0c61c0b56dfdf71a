"""`open_sites`: the data of a file, prepared once.

The first process reads the file into arrays that lie in the cache, works out what follows from them, and writes both
down; whoever comes later, or at the same time, maps them within milliseconds, and all share one copy. Arrays are then
read-only, and larger ones than the memory of the machine will do.

What is found there is what `read_sites` would give: a file that has changed, or that is asked for what it was not
checked for, is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kag.data.array_file import ArrayWriter, Facts, Mapped
from kag.data.cache import PREPARING, Cache, FileKey
from kag.data.clusters import read_clusters
from kag.data.facts import EmbeddingFacts
from kag.data.read import read_sites
from kag.data.sites import Prepared, Purpose, Sites
from kag.data.storage import require_regular
from kag.errors import DataError, StorageError
from kag.finding import Finding
from kag.names import SPLITS
from kag.track.code import code_digest

SMALLEST = 8 * 2**20
"""Bytes of a file from which on its arrays are kept: smaller ones are read as fast as they are found."""

ARRAYS = (
    "tabular_NF",
    "label_N",
    "centre_N",
    "neighbour_NK",
    "distance_NK",
    "protein_N",
    "split_N",
    "residue_RD",
    "residue_number_R",
    "context_N",
)

Say = Callable[[str], None]


def open_sites(
    path: Path,
    purpose: Purpose = Purpose.TRAINING,
    *,
    clusters: Path | None = None,
    copies: int = 1,
    say: Say = lambda sentence: None,
    cache: Cache | None = None,
    now: Callable[[], float] = time.time,
) -> Sites:
    """The data of a file, out of the cache or into it; without a cache as `read_sites`.

    Args:
        purpose: as for `read_sites`.
        clusters: csv file of which proteins belong together, in place of what the data file says of it.
        copies: as for `read_sites`; arrays of the cache are held once.
        say: told if another process prepares the data, and why they are read without the cache.
        cache: where; None takes the one that the environment names.
        now: seconds since 1970.

    Raises:
        DataError: as `read_sites`; or the file was changed while it was read, or the clusters are none of its proteins.
    """
    require_regular(path)
    sites = _opened(path, purpose, copies, say, cache or Cache.of(os.environ), now)
    return sites.with_clusters(read_clusters(clusters, sites.proteins)) if clusters else sites


def _opened(
    path: Path, purpose: Purpose, copies: int, say: Say, cache: Cache | None, now: Callable[[], float]
) -> Sites:
    if cache is None or path.stat().st_size < SMALLEST:
        return read_sites(path, purpose, copies=copies)
    key = FileKey.of(path)
    if (sites := _found(cache, key, path, purpose)) is not None:
        return sites
    if not key.settled(now()):
        say(f"{path} was written a moment ago: it is read without the cache")
        return read_sites(path, purpose, copies=copies)
    try:
        with cache.preparing(key, lambda: say(f"another process prepares {path}: waiting for it")):
            return _found(cache, key, path, purpose) or _prepared(cache, key, path, purpose)
    except StorageError as error:
        say(f"the data are read without the cache: {error}")
        return read_sites(path, purpose, copies=copies)


def _found(cache: Cache, key: FileKey, path: Path, purpose: Purpose) -> Sites | None:
    mapped = cache.find(key)
    return None if mapped is None or not serves(mapped.facts, purpose) else _sites(mapped, path, purpose)


def serves(facts: Facts, purpose: Purpose) -> bool:
    """Whether data that were kept are known to be good for a purpose; if not, reading them finds out, or says why."""
    if purpose is Purpose.PREDICTION:
        return True
    return bool(facts["labelled"]) and (purpose is Purpose.EVALUATION or tuple(facts["parts"]) == SPLITS)


class _Into:
    """Arrays of a file of the cache, for which there is room."""

    def __init__(self, cache: Cache, writer: ArrayWriter) -> None:
        self._cache, self._writer = cache, writer

    def reserve(self, size: int) -> None:
        """Make room for them all."""
        self._cache.make_room(size)
        self._writer.reserve(size)

    def allocate(self, name: str, shape: tuple[int, ...], kind: DTypeLike) -> NDArray[Any]:
        """One that lies in the file."""
        return self._writer.allocate(name, shape, kind)


def _prepared(cache: Cache, key: FileKey, path: Path, purpose: Purpose) -> Sites:
    """Read a file into the cache, and map what lies there then.

    Raises:
        StorageError: the cache does not take it; nothing of it stays.
    """
    temporary = cache.temporary()
    writer = ArrayWriter(temporary)
    try:
        cache.keep(temporary, _write(cache, writer, key, path, purpose), key)
    finally:
        writer.close()
        temporary.unlink(missing_ok=True)
    kept = _found(cache, key, path, purpose)
    if kept is None:
        raise StorageError("what was just written is gone or damaged", where=str(cache.folder))
    return kept


def _write(cache: Cache, writer: ArrayWriter, key: FileKey, path: Path, purpose: Purpose) -> str:
    """Read a file into arrays that lie in another one; the name is that of all that is in it."""
    sites = read_sites(path, purpose, into=_Into(cache, writer))
    if FileKey.of(path) != key:
        raise DataError("the file was changed while it was read", where=str(path), remedy="start again")
    for array in ARRAYS:
        writer.add(array, getattr(sites, array))
    facts = _facts(sites)
    # The digest of the data does not cover the numbers of residues, on which no training depends.
    content = (facts, hashlib.sha256(sites.residue_number_R.tobytes()).hexdigest(), code_digest(*PREPARING))
    writer.finish({**facts, "read_from": str(path.absolute())})
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def _facts(sites: Sites) -> Facts:
    """All of `Sites` that is no array, and what follows from the arrays, as JSON has it."""
    from kag.data.soundness import findings_of_arrays
    from kag.data.tables import train_statistics

    trained = bool((sites.split_N == SPLITS.index("train")).any())
    return {
        "digest": sites.digest,
        "points": sites.points,
        "proteins": sites.proteins,
        "features": sites.features,
        "labelled": sites.labelled,
        "parts": sites.parts,
        "embedding_stated": sites.embedding_stated,
        "unchecked": sites.unchecked,
        "clusters": None if sites.cluster_P is None else sites.cluster_P.tolist(),
        "findings": [finding.model_dump(mode="json") for finding in findings_of_arrays(sites)],
        "embedded": vars(EmbeddingFacts.of(sites, "train")) if trained else None,
        "statistics": [each_F.tolist() for each_F in train_statistics(sites)] if trained else None,
    }


def _sites(mapped: Mapped, path: Path, purpose: Purpose) -> Sites:
    facts = mapped.facts
    sites = Sites(
        **mapped.arrays,
        proteins=tuple(facts["proteins"]),
        features=None if facts["features"] is None else tuple(facts["features"]),
        path=path,
        digest=facts["digest"],
        labelled=facts["labelled"] and purpose is not Purpose.PREDICTION,
        embedding_stated=tuple(map(tuple, facts["embedding_stated"])),
        unchecked=tuple(facts["unchecked"]),
        cluster_P=None if facts["clusters"] is None else np.array(facts["clusters"], np.int64),
    )
    mean_F, std_F = facts["statistics"] or (None, None)
    prepared = Prepared(
        findings=tuple(map(Finding.model_validate, facts["findings"])),
        embedded=EmbeddingFacts.read(facts["embedded"]) if facts["embedded"] else None,
        mean_F=mean_F,
        std_F=std_F,
    )
    return sites.with_prepared(prepared)
