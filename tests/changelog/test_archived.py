"""An archived run has no row, and its lineage stays: of folders, of other programs, and in a document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kag.changelog.collect import collect
from kag.changelog.export import FORMS, update_export
from kag.changelog.rows import Tally
from kag.changelog.siblings import Siblings
from kag.changelog.table import Row, table
from kag.changelog.write import update
from kag.errors import RecordError
from kag.track.edit import set_archived
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.mirror import record_of
from kag.track.output import Output
from kag.track.record import Status
from kag.view.choice import Choice
from kag.view.metrics import chosen
from tests.changelog.foreign_logs import ForeignSource, run, steps
from tests.changelog.run_logs import make_folder, options, run_record
from tests.track.test_mirror import RUN

ARCHIVED = {"tags": ("archived",)}


def shown(siblings: Siblings, choice: Choice | None = None) -> dict[str, Row]:
    return {row.entry.record.name: row for row in table(siblings, choice or Choice())}


def three(**junk: Any) -> Siblings:
    """A script, three times; the second run is junk of the highest score."""
    return collect(
        ForeignSource(
            [
                run(0, "base", steps(score=[0.5]), config={"lr": 0.1}),
                run(1, "junk", steps(score=[0.9]), config={"lr": 9.0}, **junk),
                run(2, "next", steps(score=[0.6]), config={"lr": 9.0}),
            ]
        )
    )


def test_it_is_nobodys_default_parent_and_counts_for_nothing_highest() -> None:
    with_junk, without = shown(three()), shown(three(**ARCHIVED))
    assert list(without) == ["base", "next"]
    assert [change.before for change in without["next"].changes] == [0.1], "against the run before, which is base"
    assert with_junk["next"].changes == ()
    assert (with_junk["next"].highest_so_far, without["next"].highest_so_far) == (False, True)
    assert with_junk["next"].says("same_settings")
    assert not without["next"].says("same_settings")


def test_shown_again_it_is_judged_by_the_others() -> None:
    rows = shown(three(**ARCHIVED), Choice(archived=True))
    assert list(rows) == ["base", "junk", "next"]
    assert [change.before for change in rows["junk"].changes] == [0.1]
    assert rows["junk"].highest_so_far
    assert rows["next"].highest_so_far, "not by it"


def test_a_run_that_names_it_is_compared_with_it_still(tmp_path: Path) -> None:
    junk = run_record(0, "junk", val=0.9, config={"epochs": 1}, **ARCHIVED)
    child = run_record(1, "child", val=0.3, config={"epochs": 2}, parent=junk.id)
    for record in (junk, child):
        make_folder(tmp_path, record)
    row = shown(collect(FolderSource(tmp_path)))["child"]
    assert [(change.before, change.after) for change in row.changes] == [(1, 2)]
    assert not row.says("unknown_parent")


def test_the_best_trial_is_one_of_the_others() -> None:
    trials = [run(n, f"t{n}", steps(score=[n / 10]), sweep="s1", **(ARCHIVED if n == 2 else {})) for n in range(3)]
    (row,) = shown(collect(ForeignSource(trials))).values()
    assert (row.entry.record.name, [one.first.record.name for one in row.trials]) == ("t1", ["t0"])


def test_metrics_of_junk_are_not_chosen() -> None:
    records = [record for record, _ in (run(0, "a", steps(loss=[1.0])), run(1, "b", steps(accuracy=[1.0]), **ARCHIVED))]
    assert [metric.name for metric in chosen(records)] == ["loss"]
    assert [metric.name for metric in chosen(records, ["accuracy"])] == ["accuracy"], "it is asked for"
    assert [metric.name for metric in chosen(records[1:])] == ["accuracy"], "there is no other run"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for number, name in enumerate(("one", "two")):
        make_folder(tmp_path / "runs", run_record(number, name, val=0.3 + number), notes=f"about {name}\n")
    return tmp_path / "runs"


def folder(runs: Path, number: int) -> RunFolder:
    return RunFolder.all(runs)[number]


def test_its_row_goes_from_a_document_unasked_and_comes_again(runs: Path, tmp_path: Path) -> None:
    file, source = tmp_path / "LOG.md", FolderSource(runs)
    update(source, file, options(tmp_path))
    before = file.read_text()
    assert set_archived(folder(runs, 0), True)
    version = update(source, file, options(tmp_path))
    assert version.tally == Tally(went=1, changed=1), "with its note, and two is the first"
    text = file.read_text()
    assert "1 archived run has no row. <!-- archived -->\n\n| Date & Run |" in text
    assert ("about one" in text, "about two" in text) == (False, True)
    assert folder(runs, 0).notes() == "about one\n"
    assert not update(source, file, options(tmp_path)).stale, "the line is kag's own"
    assert not update(source, file, options(tmp_path), dry=True).stale
    assert set_archived(folder(runs, 1), True)
    update(source, file, options(tmp_path))
    assert "2 archived runs have no row." in file.read_text(), "no --drop-rows, though no row is left"
    for number in range(2):
        assert set_archived(folder(runs, number), False)
    update(source, file, options(tmp_path))
    assert file.read_text() == before


def test_a_line_above_the_table_that_somebody_changed_is_refused(runs: Path, tmp_path: Path) -> None:
    set_archived(folder(runs, 0), True)
    file = tmp_path / "LOG.md"
    update(FolderSource(runs), file, options(tmp_path))
    file.write_text(file.read_text().replace("run has no row.", "run has no row, good riddance."))
    with pytest.raises(RecordError, match="good riddance"):
        update(FolderSource(runs), file, options(tmp_path))


def test_a_note_that_was_changed_in_its_row_goes_back_first(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "LOG.md"
    update(FolderSource(runs), file, options(tmp_path))
    file.write_text(file.read_text().replace("about one", "about one, which is junk"))
    set_archived(folder(runs, 0), True)
    update(FolderSource(runs), file, options(tmp_path))
    assert folder(runs, 0).notes() == "about one, which is junk\n"
    assert "which is junk" not in file.read_text()


@pytest.mark.parametrize("form", ["json", "csv", "html"])
def test_a_file_without_notes_may_lose_all_rows_so_and_only_so(runs: Path, tmp_path: Path, form: str) -> None:
    file, source = tmp_path / f"log.{form}", FolderSource(runs)
    update_export(source, file, FORMS[form], options(tmp_path))
    for one in RunFolder.all(runs):
        set_archived(one, True)
    assert update_export(source, file, FORMS[form], options(tmp_path)).tally.went == 2
    assert Output(file, FORMS[form].kind, force=None)
    for one in RunFolder.all(runs):
        set_archived(one, False)
    update_export(source, file, FORMS[form], options(tmp_path))
    for one in RunFolder.all(runs):
        one.record_file.unlink()
    with pytest.raises(RecordError, match="would lose all of its rows"):
        update_export(source, file, FORMS[form], options(tmp_path))


def test_a_run_under_way_is_not_archived(runs: Path) -> None:
    one = folder(runs, 0)
    record = one.read_record().model_copy(
        update={"status": Status.RUNNING, "environment": {"hostname": "another machine"}}
    )
    one.write_record(record)
    with pytest.raises(RecordError, match="is under way"):
        set_archived(one, True)
    assert one.read_record() == record
    assert not set_archived(folder(runs, 1), False), "nothing to undo, nothing written"


def test_a_tag_that_was_set_in_wandb_counts_for_a_run_of_kags_own() -> None:
    from dataclasses import replace

    from kag.track.mirrored import END_KEY

    own = run_record(0, "oct17", tags=["gate"])
    mirrored = replace(RUN, summary={END_KEY: own.model_dump_json()}, tags=("a", "archived"))
    assert record_of(mirrored).tags == ("gate", "archived")
    assert record_of(mirrored).archived
