"""A run on data that were prepared once is the run on the file: the same weights, bit for bit, and the same record."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import pytest

from kag.data.cache import Cache
from kag.track.folder import RunFolder
from kag.track.record import RunRecord
from tests.train.conftest import MakeSpec, Train


def told(record: RunRecord) -> dict[str, object]:
    """What a record says of the run, without when it was and where its files lie."""
    weights = {name: checkpoint.weights_digest for name, checkpoint in record.checkpoints.items()}
    return {"data": record.data_digest, "weights": weights, "best": record.best_epoch, "config": record.config}


@pytest.fixture
def opened_as_hdf5(monkeypatch: pytest.MonkeyPatch, synthetic_file: Path) -> list[Path]:
    """Times that the data file was opened by h5py."""
    times: list[Path] = []

    class Counted(h5py.File):
        def __init__(self, path: Path, *args: object, **options: object) -> None:
            times.extend([Path(path)] if Path(path) == synthetic_file else [])
            super().__init__(path, *args, **options)

    monkeypatch.setattr(h5py, "File", Counted)
    return times


def test_weights_and_record_do_not_tell_where_the_arrays_came_from(
    make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch, opened_as_hdf5: list[Path]
) -> None:
    monkeypatch.setattr("kag.data.cache.SETTLED", -1e9)  # the file of the tests has just been written
    spec = make_spec(epochs=2)
    records, rows = [], []
    for smallest in (2**40, 0, 0):  # the file itself; into the cache; out of it
        monkeypatch.setattr("kag.data.opened.SMALLEST", smallest)
        record = train(spec)
        records.append(told(record))
        history = RunFolder(runs / record.id).history()
        rows.append([{key: value for key, value in row.items() if "per_second" not in key} for row in history])
    assert len(opened_as_hdf5) == 2, "the third run opens no data file"
    cache = Cache.of(os.environ)
    assert cache is not None
    assert len(cache.entries()) == 1
    assert records[0] == records[1] == records[2]
    assert rows[0] == rows[1] == rows[2]
