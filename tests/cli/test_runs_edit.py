"""Runs are tagged, renamed, deleted and pruned: each by itself, after a look, and nothing that others stand on."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from kag.errors import RecordError
from kag.track import removal
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.hold import locked
from kag.track.record import Checkpoint, RunRecord, Source, Status
from kag.view.descent import Descent
from kag.view.words import NamedRuns, find_run, run_meant
from tests.changelog.run_logs import make_folder, run_record
from tests.cli.conftest import Kag
from tests.scored_runs import write_scored


def weights(*names: str) -> dict[str, Checkpoint]:
    return {name: Checkpoint(path=f"checkpoints/{name}.ckpt", weights_digest=name[0] * 64) for name in names}


def trained(runs: Path, number: int, name: str, **fields: object) -> RunFolder:
    """A finished run with all that one leaves: weights, a state, two epochs."""
    record = run_record(number, name, **{"checkpoints": weights("best", "delivered"), **fields})
    folder = make_folder(runs, record, history=[{"epoch": 0.0}])
    folder.checkpoints.mkdir()
    for file, size in (("best", 10), ("delivered", 10), ("last", 100), ("epoch_0", 1000), ("epoch_1", 1000)):
        (folder.checkpoints / f"{file}.ckpt").write_bytes(b"x" * size)
    return folder


def left(folder: RunFolder) -> set[str]:
    return {path.stem for path in folder.checkpoints.iterdir()}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """`first`, `second` that began with first's best, `third` apart, `killed`, and one whose record is broken."""
    folder = tmp_path / "runs"
    first = trained(folder, 0, "first")
    trained(folder, 1, "second", sources=(Source(run=first.id, checkpoint="best.ckpt"),), parent=first.id)
    trained(folder, 2, "third", tags=("draft", "old"))
    trained(folder, 3, "killed", status=Status.KILLED)
    make_folder(folder, run_record(4, "broken")).record_file.write_text('{"id": ')
    return folder


def test_tags_are_given_and_taken_and_one_broken_run_does_not_stop_the_others(runs: Path, kag: Kag) -> None:
    done = kag("runs", "tag", "third", "broken", "first", "--add", "paper", "--remove", "old", "--runs", runs)
    assert done.code == 2
    assert "is not JSON" in done.error
    assert find_run(runs, "third").read_record().tags == ("draft", "paper")
    assert find_run(runs, "first").read_record().tags == ("paper",)
    page = json.loads(kag("runs", "tag", "third", "first", "--remove", "draft", "--json", "--runs", runs).out)
    assert page["changed"] == [find_run(runs, "third").id]
    shown = kag("runs", "list", "--tag", "paper", "--runs", runs).out
    assert "third" in shown
    assert "second" not in shown


def test_a_word_that_means_no_run_changes_none(runs: Path, kag: Kag) -> None:
    for words in (("tag", "third", "nobody", "--add", "x"), ("delete", "third", "nobody", "--yes")):
        assert kag("runs", *words, "--runs", runs).code == 2
    assert find_run(runs, "third").read_record().tags == ("draft", "old")


@pytest.mark.parametrize("word", ["", " x", "a\nb", "\x1b[2J", "x" * 65])
def test_no_tag_and_no_name_breaks_a_line(word: str, runs: Path, kag: Kag) -> None:
    assert kag("runs", "tag", "third", "--add", word, "--runs", runs).code == 2
    assert kag("runs", "rename", "third", word, "--runs", runs).code == 2
    assert find_run(runs, "third").read_record().name == "third"


def test_a_tag_is_given_or_taken(runs: Path, kag: Kag) -> None:
    assert kag("runs", "tag", "third", "--runs", runs).code == 2
    assert kag("runs", "tag", "third", "--add", "a", "--remove", "a", "--runs", runs).code == 2


def test_a_renamed_run_goes_by_both_names_and_keeps_its_lineage(runs: Path, kag: Kag) -> None:
    third = find_run(runs, "third")
    child = trained(runs, 5, "child", parent="third")
    assert kag("runs", "rename", "third", "the best", "--runs", runs).code == 0
    records = [one.read_record() for one in (third, child)]
    assert (records[0].id, records[0].name) == (third.id, "the best")
    for word in ("third", "the best"):
        assert find_run(runs, word).id == third.id
        assert run_meant(word, records, where="runs").id == third.id
    parent = NamedRuns(records).parent(records[1])
    assert parent is not None
    assert parent.id == third.id
    assert "already" in kag("runs", "rename", "the best", "the best", "--runs", runs).out


def test_two_runs_do_not_get_one_name(runs: Path, kag: Kag) -> None:
    done = kag("runs", "rename", "third", "second", "--runs", runs)
    assert done.code == 2
    assert find_run(runs, "second").id in done.error


def test_runs_that_differ_in_the_seed_alone_may_share_a_name(tmp_path: Path, kag: Kag) -> None:
    write_scored(tmp_path)
    for name in ("base-0", "base-1", "base-2"):
        assert kag("runs", "rename", name, "plain", "--runs", tmp_path).code == 0
    names = sorted(one.name for one in FolderSource(tmp_path).records())
    assert names == ["plain", "plain", "plain", "wide-0", "wide-1", "wide-2"]
    done = kag("runs", "rename", "wide-0", "plain", "--runs", tmp_path)
    assert (done.code, "another run goes by this name" in done.error) == (2, True)


def test_nothing_is_deleted_before_it_is_asked_for(runs: Path, kag: Kag) -> None:
    done = kag("runs", "delete", "third", "--runs", runs)
    assert done.code == 0
    assert "nothing was removed" in done.out
    assert find_run(runs, "third").path.is_dir()
    assert kag("runs", "delete", "third", "--yes", "--runs", runs).code == 0
    assert not [path for path in runs.iterdir() if "third" in path.name or "deleted" in path.name]


def test_a_run_that_others_come_from_stays_unless_they_go_too(runs: Path, kag: Kag) -> None:
    first, second, third = (find_run(runs, name) for name in ("first", "second", "third"))
    done = kag("runs", "delete", "first", "third", "--yes", "--runs", runs)
    assert done.code == 2
    assert second.id in done.error
    assert first.path.is_dir()
    assert not third.path.exists(), "that one was nobody's"
    assert kag("runs", "delete", "first", "second", "--yes", "--runs", runs).code == 0
    assert not first.path.exists()
    assert not second.path.exists()


def test_a_run_stays_where_its_heir_cannot_go(runs: Path, kag: Kag) -> None:
    """Both are asked for; the heir is held, and what it comes from must not go before it."""
    with locked(find_run(runs, "second")):
        done = kag("runs", "delete", "first", "second", "--yes", "--runs", runs)
    assert done.code == 2
    assert find_run(runs, "first").path.is_dir()
    assert find_run(runs, "second").path.is_dir()


def test_a_run_is_known_by_its_folder_too_wherever_that_is(runs: Path, kag: Kag, tmp_path: Path) -> None:
    first, third = find_run(runs, "first"), find_run(runs, "third")
    assert kag("runs", "delete", first.path, "--yes", "--runs", tmp_path / "none").code == 2
    assert kag("runs", "prune", third.path, "--yes", "--runs", tmp_path / "none").code == 0
    assert "last" not in left(third)
    assert kag("runs", "delete", third.path, "--yes", "--runs", tmp_path / "none").code == 0
    assert (first.path.exists(), third.path.exists()) == (True, False)


def test_a_run_that_a_broken_one_names_is_not_deleted_unasked(runs: Path, kag: Kag) -> None:
    third = find_run(runs, "third")
    (runs / run_record(4, "broken").id / "record.json").write_text(f'{{"sources": [{{"run": "{third.id}"')
    assert kag("runs", "delete", "third", "--yes", "--runs", runs).code == 2
    assert kag("runs", "delete", "third", "--yes", "--descended", "--runs", runs).code == 0


def test_it_is_deleted_all_the_same_where_that_is_said(runs: Path, kag: Kag) -> None:
    assert kag("runs", "delete", "first", "--descended", "--yes", "--runs", runs).code == 0
    assert "first" in kag("runs", "show", "second", "--runs", runs).out, "it is named still"


def test_a_run_that_is_held_is_neither_changed_nor_deleted(runs: Path, kag: Kag) -> None:
    """A thread holds it, as another process would."""
    folder, begun, end = find_run(runs, "third"), threading.Event(), threading.Event()

    def hold() -> None:
        with locked(folder):
            begun.set()
            end.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    begun.wait(60)
    try:
        for words in (("tag", "third", "--add", "x"), ("delete", "third", "--yes"), ("prune", "third", "--yes")):
            done = kag("runs", *words, "--runs", runs)
            assert done.code == 2
            assert "another process" in done.error
    finally:
        end.set()
        thread.join()
    assert folder.read_record().tags == ("draft", "old")
    assert "last" in left(folder)


def test_a_delete_that_is_killed_in_between_leaves_no_half_run(
    runs: Path, kag: Kag, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(removal.shutil, "rmtree", die)
        with pytest.raises(Killed):
            removal.delete(find_run(runs, "third"))
    assert "third" not in kag("runs", "list", "--runs", runs).out
    assert list(runs.glob(".deleted-*")), "what it left is cleared away by the next one"
    assert kag("runs", "delete", "killed", "--yes", "--runs", runs).code == 0
    assert not list(runs.glob(".deleted-*"))


def test_states_of_finished_runs_are_pruned_and_nothing_before_it_is_asked_for(runs: Path, kag: Kag) -> None:
    third, killed = find_run(runs, "third"), find_run(runs, "killed")
    dry = kag("runs", "prune", "--runs", runs)
    assert dry.code == 0
    assert "would be removed: 300 B of 3 runs" in dry.out
    assert "broken" in dry.error
    assert "last" in left(third)
    done = json.loads(kag("runs", "prune", "--yes", "--json", "--runs", runs).out)
    assert done["bytes"] == {find_run(runs, name).id: 100 for name in ("first", "second", "third")}
    assert left(third) == {"best", "delivered", "epoch_0", "epoch_1"}
    assert "last" in left(killed), "it can be resumed"
    assert json.loads(kag("runs", "prune", "--yes", "--json", "--runs", runs).out)["bytes"] == {}


def test_a_run_that_is_trained_is_left_alone_and_is_no_fault(runs: Path, kag: Kag) -> None:
    running = trained(runs, 6, "running", status=Status.RUNNING)
    with locked(running):
        done = kag("runs", "prune", "--yes", "--runs", runs)
    assert done.code == 0
    assert "last" in left(running)


def test_weights_of_epochs_go_where_that_is_said(runs: Path, kag: Kag) -> None:
    third = find_run(runs, "third")
    assert kag("runs", "prune", "third", "--epochs", "--yes", "--runs", runs).code == 0
    assert left(third) == {"best", "delivered"}
    assert "epoch_0" in left(find_run(runs, "first"))


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ({"checkpoint": "last.ckpt"}, {"last"}),
        ({"checkpoint": "epoch_1"}, {"epoch_1"}),
        ({"checkpoint": "my.own"}, {"my.own"}),
        ({"checkpoint": "weights of epochs 0 to 1"}, {"last", "epoch_0", "epoch_1"}),
        ({}, {"last", "epoch_0", "epoch_1"}),
        ({"epochs": 2}, set()),
    ],
)
def test_what_others_come_from_stays(source: dict[str, str], kept: set[str], tmp_path: Path, kag: Kag) -> None:
    """By its file, as one epoch of a blend, as a window of epochs, unsaid; a shared state lies elsewhere."""
    folder = trained(tmp_path, 0, "origin")
    if "my.own" in kept:
        (folder.checkpoints / "my.own.ckpt").write_bytes(b"x")
    trained(tmp_path, 1, "heir", sources=(Source(run="origin", **source),))  # type: ignore[arg-type]
    assert kag("runs", "prune", "origin", "--epochs", "--yes", "--runs", tmp_path).code == 0
    assert left(folder) == {"best", "delivered"} | kept


def test_what_a_broken_run_may_come_from_stays(runs: Path, kag: Kag) -> None:
    third = find_run(runs, "third")
    (runs / run_record(4, "broken").id / "record.json").write_text(f'{{"sources": [{{"run": "{third.id}"')
    assert kag("runs", "prune", "--yes", "--runs", runs).code == 0
    assert "last" in left(third)
    assert "last" not in left(find_run(runs, "first"))


def test_bytes_that_stay_elsewhere_are_not_counted(tmp_path: Path) -> None:
    folder = trained(tmp_path / "runs", 0, "shared")
    os.link(folder.last, tmp_path / "state.ckpt")
    assert removal.prune(folder, folder.read_record(), frozenset(), epochs=False) == 0
    assert (tmp_path / "state.ckpt").stat().st_size == 100


def test_a_run_that_has_changed_since_it_was_looked_at_is_not_pruned(tmp_path: Path) -> None:
    folder = trained(tmp_path, 0, "moving")
    seen: RunRecord = folder.read_record()
    folder.write_record(seen.model_copy(update={"tags": ("resumed",)}))
    with pytest.raises(RecordError, match="has changed"):
        removal.prune(folder, seen, frozenset(), epochs=False)
    assert "last" in left(folder)


def test_descent_is_by_word_as_it_was_meant_then() -> None:
    """A name means the run before, not one that came later."""
    old, heir, new = run_record(0, "base"), run_record(1, "heir", parent="base"), run_record(2, "base")
    descent = Descent([old, heir, new])
    assert [one.id for one in descent.of(old)] == [heir.id]
    assert descent.of(new) == []
    again = run_record(3, "again", again={"run": new.id})
    assert [one.id for one in Descent([old, heir, new, again]).of(new)] == [again.id]
