from __future__ import annotations

import json
import math
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kag.errors import RecordError
from kag.track.folder import RunFolder
from kag.track.record import SCHEMA, RunRecord, Status
from kag.view.words import find_run

START = datetime(2025, 10, 21, 12, 48, 11, tzinfo=UTC)


def record_of(folder: RunFolder, **changes: object) -> RunRecord:
    return RunRecord.model_validate(
        {"id": folder.id, "name": "oct17", "status": Status.RUNNING, "start": START, **changes}
    )


def made(runs: Path, name: str, start: datetime = START) -> RunFolder:
    folder = RunFolder.create(runs, name, start)
    folder.write_record(record_of(folder, name=name, start=start))
    return folder


def test_id_is_the_start_in_utc_and_the_name(tmp_path: Path) -> None:
    paris = timezone(timedelta(hours=2))
    folder = RunFolder.create(tmp_path / "new" / "runs", "oct17", START.astimezone(paris))
    assert folder.id == "2025-10-21_12-48-11_oct17"
    assert folder.path.is_dir()


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a" * 65, "späti"])
def test_a_name_that_cannot_be_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordError, match="cannot name a run"):
        RunFolder.create(tmp_path, name, START)
    assert not list(tmp_path.iterdir())


def test_a_start_without_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="time zone"):
        RunFolder.create(tmp_path, "oct17", START.replace(tzinfo=None))


def _create_many(runs: Path) -> list[str]:
    return [RunFolder.create(runs, "oct17", START).id for _ in range(20)]


def test_concurrent_processes_never_share_a_folder(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        ids = [run for part in pool.map(_create_many, [tmp_path] * 4) for run in part]
    first = "2025-10-21_12-48-11_oct17"
    assert sorted(ids) == sorted([first, *(f"{first}-{n}" for n in range(2, 81))])


def test_find_by_id_prefix_name_and_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "runs"
    a = made(runs, "oct17")
    b = made(runs, "oct17-swa", START + timedelta(days=1))
    (runs / "specs").mkdir()
    for word in (a.id, "2025-10-21", "oct17", str(a.path), f"{a.path}/"):
        assert find_run(runs, word) == a
    for word in (b.id, "2025-10-22", "swa", "oct17-swa"):
        assert find_run(runs, word) == b
    monkeypatch.chdir(a.path)
    assert find_run(Path("elsewhere"), ".") == a


def test_find_names_what_fits_or_is_near(tmp_path: Path) -> None:
    made(tmp_path, "baseline")
    made(tmp_path, "baseline", START + timedelta(seconds=1))
    with pytest.raises(RecordError, match="stands for 2 runs") as caught:
        find_run(tmp_path, "2025-10-21")
    listed = [line.split()[0] for line in caught.value.what.split("\n")[1:]]
    assert listed == ["2025-10-21_12-48-11_baseline", "2025-10-21_12-48-12_baseline"]
    with pytest.raises(RecordError, match="no run 'basline'") as caught:
        find_run(tmp_path, "basline")
    assert "2025-10-21_12-48-12_baseline" in str(caught.value.nearest)
    for word in ("", "x"):
        with pytest.raises(RecordError, match="no run"):
            find_run(tmp_path / "none", word)


def test_record_is_written_and_read(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "oct17", START)
    record = record_of(folder, config={"optimizer.lr": 1e-4, "swa": None, "epochs": 80})
    folder.write_record(record)
    assert folder.read_record() == record
    assert [path.name for path in folder.path.iterdir()] == ["record.json"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text[:-40], r"record.json:\d+: is not JSON"),
        (lambda text: text.replace('"name"', '"nome"'), "is not a run record: name: Field required"),
        (lambda text: text.replace(f'"schema_version": {SCHEMA}', '"schema_version": 99'), "written by a newer kag"),
        (
            lambda text: text.replace(f'_version": {SCHEMA}', f'_version": {SCHEMA + 1},"new": 1'),
            "written by a newer kag",
        ),
        (lambda text: text.replace("_oct17", "_oct18"), "the folder is named"),
        (lambda text: "[]", "not a JSON object"),
        (lambda text: text.replace("oct17", "\udcff"), "is not UTF-8"),
    ],
)
def test_a_record_that_is_none_is_refused_with_its_place(tmp_path: Path, change: object, says: str) -> None:
    folder = made(tmp_path, "oct17")
    text = change(folder.record_file.read_text())  # type: ignore[operator]
    folder.record_file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(RecordError, match=says):
        folder.read_record()


def test_another_runs_record_is_not_written(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "oct17", START)
    with pytest.raises(RecordError, match="the folder is named"):
        folder.write_record(record_of(folder, id="other"))
    assert not folder.record_file.exists()


values = st.floats() | st.integers()
rows = st.dictionaries(st.text(min_size=1), values, max_size=5).flatmap(
    lambda row: values.map(lambda epoch: {"epoch": epoch, **row})
)


def same(a: object, b: object) -> bool:
    return (a == b and str(a) == str(b)) or (a != a and b != b)


@settings(deadline=None)
@given(st.lists(rows, max_size=5))
def test_history_keeps_every_bit(tmp_path_factory: pytest.TempPathFactory, written: list[dict[str, float]]) -> None:
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    for row in written:
        folder.append_history(row)
    read = folder.history()
    assert [list(row) for row in read] == [list(row) for row in written]
    for row, other in zip(read, written, strict=True):
        assert all(same(row[key], other[key]) for key in row)
    for line in folder.history_file.read_text().splitlines() if written else []:
        json.loads(line, parse_constant=pytest.fail)


@settings(deadline=None)
@given(st.data())
def test_history_cut_anywhere_keeps_the_finished_rows(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    written = [{"epoch": epoch, "train/loss": 1 / (epoch + 3), "é": math.pi} for epoch in range(3)]
    for row in written:
        folder.append_history(row)
    whole = folder.history_file.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    folder.history_file.write_bytes(whole[:cut])
    finished = whole[:cut].count(b"\n")
    assert folder.history() == written[:finished]
    folder.append_history({"epoch": 7})
    assert folder.history() == [*written[:finished], {"epoch": 7}]


@pytest.mark.parametrize("line", ["{", "[1]", '{"a": "b"}', "\x00\x00", ""])
def test_a_broken_line_inside_the_history_is_named(tmp_path: Path, line: str) -> None:
    folder = RunFolder(tmp_path)
    folder.history_file.write_text(f'{{"epoch": 0}}\n{line}\n{{"epoch": 2}}\n')
    with pytest.raises(RecordError, match=r"history\.jsonl:2"):
        folder.history()


def test_truncated_history_keeps_earlier_epochs_byte_for_byte(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.truncate_history(3)
    assert folder.history() == []
    assert not folder.history_file.exists()
    lines = ['{"epoch": 0, "lr": 1.00e-4}', '{"epoch":1}', '{"epoch": 2}']
    folder.history_file.write_text("\n".join(lines) + '\n{"epo')
    folder.truncate_history(2)
    assert folder.history_file.read_text() == "\n".join(lines[:2]) + "\n"
    folder.history_file.write_text('{"lr": 1}\n')
    with pytest.raises(RecordError, match="no 'epoch'"):
        folder.truncate_history(0)


def test_notes_keep_their_characters(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.notes() == ""
    folder.notes_file.write_bytes("α settled\r\n| pipes |\n".encode())
    assert folder.notes() == "α settled\r\n| pipes |\n"


_WRITER = """
import sys
from pathlib import Path
from kag.track.folder import RunFolder
folder = RunFolder(Path(sys.argv[1]))
record = folder.read_record()
print("started", flush=True)
while True:
    record = record.model_copy(update={"epochs_trained": record.epochs_done + 1})
    folder.write_record(record)
    folder.append_history({"epoch": record.epochs_trained, "value": 1 / record.epochs_trained})
    print(record.epochs_trained, flush=True)
"""


def test_kill_in_mid_write_never_breaks_the_record(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "oct17", START)
    folder.write_record(record_of(folder, change="x" * 200_000))
    seen = 0
    for kill in range(10):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(folder.path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _ in range(kill % 4 + 2):
                told = writer.stdout.readline().strip()
            writer.kill()
            rest = writer.stdout.read().split()
        seen = int(rest[-1] if rest else told)
        record = folder.read_record()
        assert record.epochs_trained in (seen, seen + 1)
        assert folder.history()[-1]["epoch"] in (seen, seen + 1)
        assert len(record.change or "") == 200_000
