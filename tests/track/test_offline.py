from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kag.errors import RecordError
from kag.track.mirrored import END_KEY
from kag.track.offline import OfflineSource
from kag.track.record import RunRecord, Status

START = datetime(2025, 10, 20, 17, 19, 10, tzinfo=UTC)


class File:
    """A `.wandb` file, record by record, as the client's own protobuf classes write it."""

    def __init__(self, folder: Path, opened: str, run: str = "w1") -> None:
        self.path = folder / f"offline-run-{opened}-{run}" / f"run-{run}.wandb"
        self.records: list[Any] = []

    def add(self, kind: str) -> Any:
        from kag.track.wandb_private import Record

        self.records.append(Record(num=len(self.records) + 1))
        part = getattr(self.records[-1], kind)
        part.SetInParent()
        return part

    def run(self, **config: Any) -> None:
        part = self.add("run")
        part.run_id, part.display_name, part.notes = "w1", "fox", "said"
        part.start_time.FromDatetime(START)
        self.change(part.config, config)

    def change(self, part: Any, values: dict[str, Any]) -> None:
        for key, value in values.items():
            part.update.add(nested_key=key.split("|"), value_json=json.dumps(value))

    def row(self, **values: float) -> None:
        part = self.add("history")
        for key, value in values.items():
            part.item.add(key=key, value_json=json.dumps(value))

    def write(self) -> Path:
        import struct
        import zlib

        data = b":W&B\xe1\xbe\x00"
        for record in self.records:
            text = record.SerializeToString()
            data += struct.pack("<IHB", zlib.crc32(b"\x01" + text), len(text), 1) + text
        self.path.parent.mkdir(parents=True)
        self.path.write_bytes(data)
        return self.path


def only(folder: Path) -> tuple[OfflineSource, RunRecord]:
    source = OfflineSource(folder)
    (record,) = source.records()
    return source, record


def test_a_resumed_run_is_one_run(tmp_path: Path) -> None:
    ended = RunRecord(id="2025-10-20_17-19-10_a", name="a", status=Status.KILLED, start=START)
    first = File(tmp_path, "20251020_171910")
    first.run(epochs=4)
    for epoch in range(3):
        first.row(epoch=epoch, loss=float(epoch), _step=epoch)
    first.change(first.add("summary"), {END_KEY: ended.model_dump_json(), "epoch": 2})
    first.add("exit").exit_code = 1
    second = File(tmp_path, "20251021_080000")
    second.run(epochs=8)
    second.row(epoch=2, loss=-2.0, _step=2)
    second.change(second.add("summary"), {"epoch": 2})
    second.write()
    first.write()
    source, record = only(tmp_path)
    assert (record.status, record.config, record.epochs_trained) == (Status.RUNNING, {"epochs": 8}, 3)
    assert [row["loss"] for row in source.history(record.id)] == [0.0, 1.0, -2.0]
    assert source.notes(record.id) == "said"


def test_nested_and_removed_keys(tmp_path: Path) -> None:
    file = File(tmp_path, "20251020_171910")
    file.run(**{"a|b": 1, "a|c": 2, "gone": 3})
    part = file.add("config")
    part.remove.add(key="gone")
    part.remove.add(nested_key=["a", "b"])
    file.change(part, {"d": [1, 2]})
    file.write()
    assert only(tmp_path)[1].config == {"a.c": 2, "d": "[1, 2]"}


@pytest.mark.parametrize(("code", "status"), [(0, Status.FINISHED), (1, Status.ABORTED), (None, Status.RUNNING)])
def test_the_exit_code_is_the_status(tmp_path: Path, code: int | None, status: Status) -> None:
    file = File(tmp_path, "20251020_171910")
    file.run()
    if code is not None:
        file.add("exit").exit_code = code
    file.write()
    assert only(tmp_path)[1].status is status


def test_every_torn_tail_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    file = File(tmp_path, "20251020_171910")
    file.run()
    for epoch in range(2):
        file.row(epoch=epoch)
    path = file.write()
    whole = path.read_bytes()
    counts = []
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        source = OfflineSource(tmp_path)
        counts += [len(source.history(record.id)) for record in source.records()]
    assert sorted(counts) == counts
    assert set(counts) == {0, 1, 2}
    assert len(counts) < len(whole)


def test_a_folder_without_runs_has_none(tmp_path: Path) -> None:
    assert list(OfflineSource(tmp_path).records()) == []


def test_a_record_that_is_no_protobuf_is_told(tmp_path: Path) -> None:
    file = File(tmp_path, "20251020_171910")
    file.records.append(type("Broken", (), {"SerializeToString": lambda self: b"\x08\x01\xff\xff\xff"})())
    file.write()
    with pytest.raises(RecordError, match="cannot read"):
        list(OfflineSource(tmp_path).records())


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_there(tmp_path: Path) -> None:
    whole = File(tmp_path, "20251020_171910")
    whole.run(lr=0.1)
    whole.write()
    broken = tmp_path / "offline-run-20251020_181910-w2" / "run-w2.wandb"
    broken.parent.mkdir()
    broken.write_bytes(b"no file of W&B")
    found = OfflineSource(tmp_path).found
    assert [record.name for record in (known.record for known in found.runs.values())] == ["fox"]
    assert "run-w2.wandb" in str(found.broken[0])


@pytest.mark.parametrize("seconds", [-(2**62), 2**62, -62135596800])
def test_a_run_that_begins_at_no_time_is_named_and_the_others_are_there(tmp_path: Path, seconds: int) -> None:
    whole, odd = File(tmp_path, "20251020_171910"), File(tmp_path, "20251020_181910", "w2")
    for file in (whole, odd):
        file.run(lr=0.1)
    odd.records[0].run.start_time.seconds = seconds
    for file in (whole, odd):
        file.write()
    found = OfflineSource(tmp_path).found
    assert [known.record.wandb_id for known in found.runs.values()] == ["w1"]
    (broken,) = found.broken
    assert "w2" in str(broken)
    assert "start" in str(broken)


@pytest.mark.parametrize("values", [["0.1", "{"], ["1,2"], ['"a', 'b"'], ["[1", "2]"], ["[" * 9999 + "]" * 9999]])
def test_a_logged_value_that_is_no_json_is_named_with_its_file(tmp_path: Path, values: list[str]) -> None:
    file = File(tmp_path, "20251020_171910")
    file.run()
    file.row(loss=0.5)
    part = file.add("history")
    for number, value in enumerate(values):
        part.item.add(key=f"m{number}", value_json=value)
    path, source = file.write(), OfflineSource(tmp_path)
    (record,) = source.records()
    with pytest.raises(RecordError, match=f"{path}: holds a value that cannot be read"):
        source.history(record.id)


def test_a_summary_that_is_nested_beyond_measure_is_named_and_the_others_are_there(tmp_path: Path) -> None:
    whole, deep = File(tmp_path, "20251020_171910"), File(tmp_path, "20251020_181910", "w2")
    whole.run(lr=0.1)
    deep.run(lr=0.1)
    deep.add("summary").update.add(key="a", value_json="[" * 9999 + "]" * 9999)
    whole.write()
    path, found = deep.write(), OfflineSource(tmp_path).found
    assert [known.record.wandb_id for known in found.runs.values()] == ["w1"]
    assert str(found.broken[0]).startswith(f"{path}: holds a start or a value that cannot be read")
