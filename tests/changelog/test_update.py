"""Writing a document: idempotent, one complete version at every moment, whoever writes and whenever they die."""

from __future__ import annotations

import ast
import hashlib
import json
import signal
import socket
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import kag
from kag.changelog import stamp
from kag.changelog.cache import CODE, FOLDER
from kag.changelog.collect import collect
from kag.changelog.marker import TABLE, marker
from kag.changelog.table import Choice
from kag.changelog.write import add_note, update
from kag.errors import RecordError
from kag.track.claim import look
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.hold import locked
from kag.track.record import Status
from kag.track.scores_of_run import write_scores
from tests.changelog.log_writers import two_choices
from tests.changelog.run_logs import epochs, make_folder, options, run_record, run_result
from tests.track.made_scores import made_scores
from tests.track.owners import own_elsewhere


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for number, value in enumerate((0.2, 0.3, 0.25)):
        make_folder(tmp_path / "runs", run_record(number, val=value), history=epochs(0.1, value, 0.9 * value))
    return tmp_path / "runs"


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files need no age: what was just written may be remembered."""
    monkeypatch.setattr(stamp, "SETTLED_NS", 0)


def test_a_second_update_changes_no_byte_and_does_not_touch_the_file(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "LOG.md"
    assert update(FolderSource(runs), file, options(tmp_path)).stale
    before, inode = file.read_bytes(), file.stat().st_ino
    assert not update(FolderSource(runs), file, options(tmp_path)).stale
    assert (file.read_bytes(), file.stat().st_ino) == (before, inode)


def test_a_dry_update_writes_nothing(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "LOG.md"
    version = update(FolderSource(runs), file, options(tmp_path), dry=True)
    assert version.stale
    assert not file.exists()
    update(FolderSource(runs), file, options(tmp_path))
    assert file.read_text(encoding="utf-8") == version.wanted


def test_words_outside_the_markers_stay(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "LOG.md"
    file.write_bytes(f"mine\r\n{marker(TABLE, 'begin')}\r\n{marker(TABLE, 'end')}\r\nmine too".encode())
    update(FolderSource(runs), file, options(tmp_path))
    text = file.read_bytes()
    assert text.startswith(b"mine\r\n")
    assert text.endswith(b"\r\nmine too")
    assert not update(FolderSource(runs), file, options(tmp_path)).stale


def test_a_document_with_broken_markers_is_left_alone(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "LOG.md"
    file.write_text("no markers\n", encoding="utf-8")
    with pytest.raises(RecordError, match="no place for the table"):
        update(FolderSource(runs), file, options(tmp_path))
    assert file.read_text(encoding="utf-8") == "no markers\n"


@pytest.mark.usefixtures("settled")
def test_an_unchanged_log_is_known_without_reading_a_run(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "LOG.md"
    update(FolderSource(runs), file, options(tmp_path))

    def refuse(*_: object) -> None:
        raise AssertionError("a run was read")

    monkeypatch.setattr("kag.changelog.write.collect", refuse)
    assert not update(FolderSource(runs), file, options(tmp_path)).stale


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("what", ["record", "history", "notes", "new run", "run gone", "document", "choice", "plan"])
def test_every_change_is_seen(what: str, runs: Path, tmp_path: Path) -> None:
    file, chosen = tmp_path / "LOG.md", options(tmp_path)
    update(FolderSource(runs), file, chosen)
    before = file.read_text(encoding="utf-8")
    folder = FolderSource(runs)
    record = next(iter(folder.records()))
    run = make_folder(runs, record)
    if what == "record":
        run.write_record(record.model_copy(update={"change": "another sentence"}))
    elif what == "history":
        run.append_history({"epoch": 3.0, "val/auprc": 0.01})
    elif what == "notes":
        add_note(run, "a note")
    elif what == "new run":
        make_folder(runs, run_record(7, val=0.5))
    elif what == "run gone":
        run.record_file.unlink()
    elif what == "document":
        file.write_text(before.replace(" --> |", " --> typed |", 1), encoding="utf-8")
    elif what == "choice":
        chosen = options(tmp_path, choice=Choice(until=date(2025, 10, 2)))
    else:
        (tmp_path / "planned").mkdir()
        (tmp_path / "planned" / "p.yaml").write_text("name: next\ndata: {file: x.h5}\n", encoding="utf-8")
    assert update(FolderSource(runs), file, chosen).stale
    assert file.read_text(encoding="utf-8") != before
    assert not update(FolderSource(runs), file, chosen).stale


@pytest.mark.usefixtures("settled")
def test_scores_that_come_later_are_seen(tmp_path: Path) -> None:
    """`kag eval RUN --store` changes nothing else of a run; nor does who lays another file in their place."""
    scores = [made_scores("val", weights_digest=str(number) * 64, data_digest="d" * 64) for number in (0, 1)]
    folders: list[RunFolder] = []
    for number, one in enumerate(scores):
        result = run_result("val", one.draws["auprc"].value, weights_digest=one.weights_digest)
        parent = folders[0].id if folders else None
        record = run_record(number, f"r{number}", results=(result,), data_digest="d" * 64, parent=parent)
        folders.append(make_folder(tmp_path / "runs", record))
    file, source = tmp_path / "LOG.md", FolderSource(tmp_path / "runs")
    update(source, file, options(tmp_path))
    before = file.read_text(encoding="utf-8")
    for folder, one in zip(folders, scores, strict=True):
        write_scores(folder, [one])
    assert update(source, file, options(tmp_path)).stale
    tested = file.read_text(encoding="utf-8")
    assert ("not distinguishable" in before, "not distinguishable" in tested) == (False, True)
    assert not update(source, file, options(tmp_path)).stale
    (folders[1].scores / "val.npz").write_bytes(b"damaged")
    assert update(source, file, options(tmp_path)).stale
    assert file.read_text(encoding="utf-8") == before, "what cannot be read makes no pair"


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_a_run_that_dies_makes_the_log_stale_without_a_change_of_its_files(
    where: str, runs: Path, tmp_path: Path
) -> None:
    """A document is known by the state of its files, which is not how a run stands that was killed with -9."""
    file, chosen = tmp_path / "LOG.md", options(tmp_path)
    config = {"swa.start": 8, "swa.window": 2}
    own = {"environment": {"hostname": socket.gethostname() if where == "here" else "another machine"}}
    living = run_record(7, "living", status=Status.RUNNING, epochs_trained=3, config=config, **own)
    folder = make_folder(runs, living, history=[{**row, "swa/averaged_epochs": 0.0} for row in epochs(0.1, 0.2, 0.3)])
    with locked(folder):
        assert update(FolderSource(runs), file, chosen).stale
        assert "-; running" in file.read_text(encoding="utf-8")
        assert not update(FolderSource(runs), file, chosen, dry=True).stale
        last = look(folder.owner_file)
    if where == "elsewhere":
        own_elsewhere(folder.owner_file, sign=datetime(2025, 10, 8, 2, tzinfo=UTC))
    assert update(FolderSource(runs), file, chosen, dry=True).stale
    assert update(FolderSource(runs), file, chosen).stale
    text = file.read_text(encoding="utf-8")
    assert "killed after 3 epochs" in text
    assert "averaging never started" in text, "its own rules see it as it stands, not as they saw it before"
    assert not update(FolderSource(runs), file, chosen).stale
    if where == "elsewhere":
        assert last is not None
        own_elsewhere(folder.owner_file, sign=last.sign)
        assert update(FolderSource(runs), file, chosen, dry=True).stale, "it was only silent"


def test_all_code_that_a_log_is_made_with_is_in_the_key_of_what_is_kept() -> None:
    """A change of any module that the change log reaches drops what other code found."""
    package, found = Path(kag.__file__).parent, set[str]()
    waiting = [f"kag.changelog.{file.stem}" for file in (package / "changelog").rglob("*.py")]
    while waiting:
        name = waiting.pop()
        if name in found or (path := source_of(name)) is None:
            continue
        found.add(name)
        waiting += imported(path)
    assert len(found) > 50
    assert {name.split(".")[1] for name in found if "." in name} == set(CODE)


def source_of(name: str) -> Path | None:
    stem = Path(kag.__file__).parent.parent.joinpath(*name.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


def imported(path: Path) -> list[str]:
    """Modules of kag that a file names in an import, wherever it stands."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    names = [name.name for node in nodes if isinstance(node, ast.Import) for name in node.names]
    names += [name for node in froms for name in (node.module, *(f"{node.module}.{one.name}" for one in node.names))]
    return [name for name in names if name.startswith("kag.")]


def test_a_young_file_is_never_taken_for_settled(runs: Path, tmp_path: Path) -> None:
    update(FolderSource(runs), tmp_path / "LOG.md", options(tmp_path))
    assert stamp.stamp(runs, tmp_path / "planned", "") is None
    assert not (runs / FOLDER / "stamps.json").exists()


def test_a_torn_cache_costs_nothing_but_time(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "LOG.md"
    update(FolderSource(runs), file, options(tmp_path))
    before = file.read_bytes()
    for name in ("findings.json", "stamps.json"):
        (runs / FOLDER / name).write_bytes(b'{"code": "x", "ite')
    file.unlink()
    update(FolderSource(runs), file, options(tmp_path))
    assert file.read_bytes() == before


def test_cached_findings_are_those_of_the_rules(runs: Path) -> None:
    fresh = collect(FolderSource(runs))
    cached = collect(FolderSource(runs))
    assert [entry.findings for entry in cached.entries] == [entry.findings for entry in fresh.entries]
    assert [entry.course for entry in cached.entries] == [entry.course for entry in fresh.entries]
    assert any(entry.findings for entry in fresh.entries)


def test_many_runs_are_read_by_several_processes_with_the_same_result(
    runs: Path, monkeypatch: pytest.MonkeyPatch, two_cores: None
) -> None:
    alone = collect(FolderSource(runs)).entries
    (runs / FOLDER / "findings.json").unlink()
    monkeypatch.setattr("kag.changelog.histories.FEWEST_RUNS", 1)
    together = collect(FolderSource(runs)).entries
    assert [(entry.id, entry.findings) for entry in together] == [(entry.id, entry.findings) for entry in alone]


def test_a_folder_that_cannot_be_written_to_goes_without_a_cache(runs: Path, tmp_path: Path) -> None:
    (runs / FOLDER).write_text("a file where the folder would be", encoding="utf-8")
    file = tmp_path / "LOG.md"
    assert update(FolderSource(runs), file, options(tmp_path)).stale
    assert not update(FolderSource(runs), file, options(tmp_path)).stale


def versions(runs: Path, folder: Path) -> set[bytes]:
    """The two complete documents."""
    found = set()
    for number, chosen in enumerate(two_choices(folder)):
        file = folder / f"whole{number}.md"
        update(FolderSource(runs), file, chosen)
        found.add(file.read_bytes())
    assert len(found) == 2
    return found


def command(runs: Path, file: Path, what: str, times: int) -> list[str]:
    return [sys.executable, "-m", "tests.changelog.log_writers", str(runs), str(file), what, str(times)]


def test_two_writers_at_once_leave_complete_versions_only(runs: Path, tmp_path: Path) -> None:
    file, whole = tmp_path / "LOG.md", versions(runs, tmp_path)
    writers = [subprocess.Popen(command(runs, file, "write", 20)) for _ in range(2)]
    seen: set[bytes] = set()
    while any(writer.poll() is None for writer in writers):
        seen |= {file.read_bytes()} if file.exists() else set()
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen <= whole
    assert file.read_bytes() in whole


def test_fifty_kills_in_the_middle_of_writing_leave_complete_versions_only(runs: Path, tmp_path: Path) -> None:
    """Two writers at a time, each killed at another line of the write; whoever comes next carries on."""
    file, whole = tmp_path / "LOG.md", versions(runs, tmp_path)
    update(FolderSource(runs), file, options(tmp_path))
    done = subprocess.run(command(runs, file, "kill", 25), check=True, capture_output=True, timeout=300)
    rounds = json.loads(done.stdout)
    assert [end for one in rounds for end in one["ends"]] == [-signal.SIGKILL] * 50
    assert {one["digest"] for one in rounds} <= {hashlib.sha256(text).hexdigest() for text in whole}
    update(FolderSource(runs), file, options(tmp_path))
    assert file.read_bytes() in whole
