"""`looks.jsonl`: what several processes write at once, what a killed one leaves, what is broken."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest

from kag.errors import RecordError
from kag.track import looks
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.hold import locked
from kag.track.result import Look
from tests.changelog.run_logs import make_folder, run_record, run_result

WHEN = datetime(2025, 10, 21, tzinfo=UTC)


def look(weights: str = "w", data: str = "d") -> Look:
    return Look(when=WHEN, by="eval", split="test", data_digest=data, weights_digest=weights, file="sites.h5")


def _look_often(folder: RunFolder, name: str) -> None:
    for number in range(30):
        folder.append_looks([look(f"{name}{number}"), look(f"{name}{number}", "e")])


def test_looks_of_two_processes_are_all_there_in_order(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, run_record())
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(_look_often, [folder, folder], ["a", "b"]))
    found = folder.read_record().looks
    assert len(found) == 120
    for name in "ab":
        own = [one for one in found if str(one.weights_digest).startswith(name)]
        assert own == [look(f"{name}{number}", data) for number in range(30) for data in "de"]


def test_a_look_is_kept_while_the_run_is_trained_and_its_record_is_written(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, run_record())
    training = folder.read_record()
    source = FolderSource(tmp_path)
    assert next(source.records()).looks == ()
    with locked(folder):
        folder.append_looks([look()])
        folder.write_record(training.model_copy(update={"epochs_trained": 3}))
    record = next(source.records())
    assert (record.looks, record.epochs_trained) == ((look(),), 3)


def test_what_a_killed_writer_left_is_no_look_and_goes(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, run_record())
    folder.append_looks([look("a")])
    with folder.looks_file.open("a") as file:
        file.write(look("b").model_dump_json()[:-5])
    assert folder.read_record().looks == (look("a"),)
    folder.append_looks([look("c")])
    assert folder.read_record().looks == (look("a"), look("c"))


def test_a_broken_line_is_named_and_leaves_the_other_runs(tmp_path: Path) -> None:
    folder, other = (make_folder(tmp_path, run_record(day, name)) for day, name in ((1, "one"), (2, "other")))
    folder.append_looks([look()])
    with folder.looks_file.open("a") as file:
        file.write('{"by": "nobody"}\n')
    with pytest.raises(RecordError, match="is no look"):
        folder.read_record()
    records, (error,) = FolderSource(tmp_path).readable()
    assert [one.id for one in records] == [other.id]
    assert str(error.where).endswith("looks.jsonl:2")


def test_results_on_val_are_no_look_and_metrics_of_one_pass_are_one() -> None:
    known = {"data_digest": "d", "weights_digest": "w"}
    results = [
        run_result(split, 0.4, **known, metric=metric) for split in ("val", "test") for metric in ("auprc", "f1")
    ]
    assert looks.looks_of(results, by="eval", when=WHEN, file="sites.h5") == (look(),)
    assert looks.looks_of([run_result("test", 0.4)], by="eval", when=WHEN, file="sites.h5") == ()
