"""Metrics as columns: kept in the document, with its notes; checked, renewed, refused."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kag.changelog.collect import collect
from kag.changelog.document import keeping, regions
from kag.changelog.formats import as_csv, as_html, as_json
from kag.changelog.markdown import render
from kag.changelog.marker import TABLE, marker
from kag.changelog.repository import NotKnown, Repository
from kag.changelog.table import table
from kag.changelog.version import Options
from kag.changelog.write import update
from kag.cli.main import app
from kag.errors import RecordError, UserError
from kag.track.folders import FolderSource
from kag.track.record import GitFacts
from tests.changelog.foreign_logs import ForeignSource, five, foreign, run, steps
from tests.changelog.run_logs import make_folder, options, parsed, run_record

END = marker(TABLE, "end")


def cells_of(source: ForeignSource, *metrics: str) -> list[list[str]]:
    siblings = collect(source, None, metrics)
    return parsed(render(table(siblings), siblings.metrics)).tables[0]


class Log:
    """Five runs of a plain script and their document."""

    def __init__(self, folder: Path) -> None:
        self.runs, self.file, self.options = folder / "runs", folder / "LOG.md", options(folder)
        for record, rows in five().runs:
            make_folder(self.runs, record, history=rows)

    def write(self, *metrics: str, dry: bool = False) -> str:
        chosen = Options(self.options.repository, self.options.specs, metrics=metrics)
        version = update(FolderSource(self.runs), self.file, chosen, dry=dry)
        return version.wanted if dry else self.text()

    def stale(self, *metrics: str) -> bool:
        return self.write(*metrics, dry=True) != self.text()

    def text(self) -> str:
        return self.file.read_text()

    def edit(self, before: str, after: str) -> None:
        text = self.text()
        assert text.count(before) == 1
        self.file.write_text(text.replace(before, after))


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_the_log_of_a_plain_script_row_by_row() -> None:
    head, *rows = cells_of(five())
    assert head == ["Date &amp; Run", "Key Changes", "Files Touched", "val/accuracy", "loss / Notes"]
    assert [row[1] for row in rows] == [
        "-",
        "<code>lr 0.1 -&gt; 0.01</code> against the run before",
        "<code>lr 0.01 -&gt; 0.1; model.width 32 -&gt; 64; dropout none -&gt; 0.1</code> against the run before",
        "<code>lr 0.1 -&gt; 10; model.width 64 -&gt; 32; dropout 0.1 -&gt; none</code> against the run before",
    ]
    assert [row[2] for row in rows] == ["-"] * 4, "nobody knows whether it ran in a repository"
    both = "mean 0.855, sd 0.00707, 0.85 to 0.86, n = 2"
    assert [row[3] for row in rows] == ["<strong>0.81</strong>", "0.75", both, "0.5"]
    assert "2026-03-03_00-00-00_wide</code> and its replicates, seeds 1, 2" in rows[2][0]
    said = [row[4].split("<!--")[0].strip() for row in rows]
    assert said == [
        "0.5",
        "0.9",
        "mean 0.35, sd 0.0707, 0.3 to 0.4, n = 2; taken to be of the same code, data and uncommitted changes;"
        " highest val/accuracy so far (0.81 before), among runs of unknown data; not tested;"
        " both runs, here seed 1: val/accuracy went from 0.85 (step 10) to 0.84 (step 20)"
        " <details><summary>2 runs</summary><code>2026-03-03_00-00-00_wide</code> seed 1 0.85 0.4<br>"
        "<code>2026-03-04_00-00-00_seed2</code> seed 2 0.86 0.3</details>",
        "2; aborted, with no error on record; loss became NaN at step 10",
    ]


def test_a_goal_turns_the_order_and_the_last_value_is_said_to_be_the_last() -> None:
    text = render(table(siblings := collect(five(), None, ["loss:min:last"])), siblings.metrics)
    assert text.startswith("Metrics that count: `loss`, last value of a run (asked for). <!--")
    rows = parsed(text).tables[0]
    assert rows[0][3:] == ["loss / Notes"]
    assert [row[3].split(" ")[0].rstrip(";") for row in rows[1:]] == [
        "<strong>0.5</strong>",
        "0.9",
        "mean",
        "-",
    ]
    assert "lowest loss so far (0.5 before), among runs of unknown data; not tested" in rows[3][3]


def test_every_format_has_the_same_columns(tmp_path: Path) -> None:
    siblings = collect(five(), None, ["val/accuracy", "loss"])
    rows, metrics = table(siblings), siblings.metrics
    lines = list(csv.reader(io.StringIO(as_csv(rows, metrics))))
    assert lines[0][3:] == ["val/accuracy", "loss / Notes", "Note"]
    assert lines[2][3:5] == ["0.75", "0.9"]
    assert lines[3][3] == "mean 0.855, sd 0.00707, 0.85 to 0.86, n = 2"
    assert "; highest val/accuracy so far" in lines[3][4]
    page = as_html(rows, metrics)
    assert "<th>val/accuracy</th><th>loss / Notes</th>" in page
    assert "<p>Metrics that count: <code>val/accuracy</code>, highest value of a run" in page
    found = json.loads(as_json(rows))[2]["metrics"]
    assert [(one["name"], one["value"], one["of"], one["at"], one["highest_so_far"]) for one in found] == [
        ("val/accuracy", 0.855, "best", None, True),
        ("loss", 0.35, "best", None, False),
    ]
    found = json.loads(as_json(rows))[1]["metrics"]
    assert [(one["value"], one["at"]) for one in found] == [(0.75, {"step": 20}), (0.9, {"step": 20})]


def test_runs_that_logged_nothing_have_a_column_of_notes_alone() -> None:
    assert cells_of(ForeignSource([run(0, "mute", [], config={"lr": 1})]))[0][3:] == ["Notes"]


def test_a_document_of_kag_says_nothing_of_metrics(tmp_path: Path) -> None:
    make_folder(tmp_path / "runs", run_record(0, val=0.3))
    update(FolderSource(tmp_path / "runs"), tmp_path / "LOG.md", options(tmp_path))
    text = (tmp_path / "LOG.md").read_text()
    assert "Metrics" not in text
    assert "metric=" not in text
    assert "| Val AUPRC | Test AUPRC / Notes |" in text


def test_what_was_asked_for_is_kept_and_others_replace_it(log: Log) -> None:
    assert "<!-- kag:changelog:begin -->" in log.write()
    first = log.write("loss:last", "val/accuracy:max")
    assert "<!-- kag:changelog:begin metric=loss:last metric=val/accuracy:max -->" in first
    assert log.write() == first, "the document says itself which metrics it has"
    assert not log.stale()
    assert log.stale("val/accuracy:max")
    assert "begin metric=val/accuracy:max -->" in log.write("val/accuracy:max")
    assert "| Files Touched | val/accuracy / Notes |" in log.text()


def test_notes_stay_with_their_runs_when_columns_change(log: Log) -> None:
    log.write()
    row = next(line for line in log.text().splitlines() if "_slow`" in line)
    log.edit(row, f"{row.removesuffix(' |')} too slow | never again |")
    for metrics in (("loss",), ("val/accuracy", "loss:last"), ("val/accuracy",)):
        assert "too slow &#124; never again |" in log.write(*metrics)
    assert FolderSource(log.runs).notes("2026-03-02_00-00-00_slow") == "too slow | never again\n"


def test_a_note_may_be_typed_in_the_call_that_changes_the_columns(log: Log) -> None:
    log.write("loss")
    row = next(line for line in log.text().splitlines() if "_slow`" in line)
    log.edit(row, f"{row.removesuffix(' |')} typed |")
    assert "typed |" in log.write("val/accuracy:max")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("highest value of a run (by", "best value of a run (by", "the line above the table was changed by hand"),
        ("| loss / Notes |", "| Loss / Notes |", "has no mark of a run"),
        ("mean 0.855,", "mean 0.955,", "generated text of run 2026-03-03_00-00-00_wide was changed by hand"),
    ],
)
def test_what_is_generated_is_not_lost_where_a_person_changed_it(log: Log, before: str, after: str, words: str) -> None:
    log.write()
    log.edit(before, after)
    with pytest.raises(RecordError, match=words):
        log.write("loss")


@pytest.mark.parametrize("name", ["val/accuracy", "with space", "a:b", "a--b", "<é>", "x=y", "100%"])
@pytest.mark.parametrize("suffix", ["", ":max", ":min:last", ":best"])
def test_any_name_is_kept_in_a_marker(name: str, suffix: str) -> None:
    text = marker(TABLE, "begin", [name + suffix, "loss"])
    assert regions(f"{text}\n{END}\n", where="x")[TABLE].begin.metrics == (name + suffix, "loss")
    assert text.count("--") == 2


def test_only_the_marker_of_the_table_changes() -> None:
    text = f"a metric=b\r\n{marker(TABLE, 'begin', ['loss'])}\r\nold\r\n{END}"
    new = keeping(text, ["val/accuracy:max"], where="x")
    assert new == text.replace("begin metric=loss", "begin metric=val/accuracy:max")
    assert keeping(new, where="x") == new, "what nobody asked for anew stays"
    assert keeping(new, seeds=["rng"], where="x") == new.replace(":max -->", ":max seed=rng -->")


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("<!-- kag:changelog:begin metric=val/acc:maximum -->", marker(TABLE, "begin", ["val/acc:max"])),
        ("<!-- kag:changelog:begin metrics=val/acc:min -->", marker(TABLE, "begin", ["val/acc:min"])),
        ("<!-- kag:changelog:begin  metric=loss -->", marker(TABLE, "begin", ["loss"])),
        ("<!-- kag:changelog:begin val/acc -->", marker(TABLE, "begin")),
    ],
)
def test_a_misspelt_metric_in_a_marker_is_told_what_it_should_be(wrong: str, nearest: str) -> None:
    with pytest.raises(RecordError, match="is no marker") as refused:
        regions(f"{wrong}\n{END}\n", where="LOG.md")
    assert (refused.value.where, refused.value.nearest) == ("LOG.md:1", nearest)


def test_metrics_stand_in_the_marker_of_the_table_alone() -> None:
    with pytest.raises(RecordError, match="is no marker"):
        regions(f"{marker(TABLE, 'begin')}\n{END}\n<!-- kag:planned:begin metric=loss -->\n", where="x")


def test_a_metric_that_no_run_has_is_refused_before_anything_is_written(log: Log) -> None:
    log.write("loss")
    before = log.text()
    with pytest.raises(UserError, match="no run has a metric 'los'") as asked_for:
        log.write("los")
    assert asked_for.value.nearest == "loss"
    log.edit("metric=loss", "metric=val/acuracy")
    with pytest.raises(RecordError, match="no run has a metric 'val/acuracy'") as in_marker:
        log.write()
    assert (in_marker.value.where, in_marker.value.nearest) == (str(log.file), "val/accuracy")
    assert log.text() == before.replace("metric=loss", "metric=val/acuracy")


def test_the_command_keeps_and_checks(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(log.file.parent)

    def kag(*words: str) -> Any:
        return CliRunner().invoke(app, ["changelog", "--source", str(log.runs), *words])

    assert kag("--metric", "val/accuracy:max", "--write", "LOG.md").exit_code == 0
    assert kag("--check", "--write", "LOG.md").exit_code == 0
    other = kag("--check", "--metric", "loss:min", "--write", "LOG.md")
    assert other.exit_code == 1
    assert "--write LOG.md --metric loss:min` renews it" in other.output
    assert "| loss / Notes |" in kag("--metric", "loss:min").output
    refused = kag("--metric", "val/acuracy")
    assert isinstance(refused.exception, UserError)
    assert refused.exception.exit_code == 2


def test_what_is_kept_of_a_history_is_of_the_metrics_that_count(log: Log) -> None:
    """The cache of findings gives what reading gives, whichever metrics counted before."""
    texts = [log.write(*metrics) for metrics in (("loss",), ("val/accuracy",), ("loss",))]
    for cached in (log.runs / ".changelog").iterdir():
        cached.unlink()
    assert log.write("loss") == texts[0] == texts[2] != texts[1]


def test_a_run_is_compared_with_the_one_before_in_its_group_or_project() -> None:
    grouped = [
        foreign(n, name, config={"lr": lr}, group=group, parent=parent, sweep=sweep)
        for n, (name, lr, group, parent, sweep) in enumerate(
            [
                ("a", 1, None, None, None),
                ("b", 2, "g", None, None),
                ("c", 3, None, None, None),
                ("t", 9, None, None, "s"),
                ("d", 4, "g", None, None),
                ("e", 5, "g", "a", None),
                ("f", 6, "g", "gone", None),
            ]
        )
    ]
    rows = cells_of(ForeignSource([(record, []) for record in grouped]))[1:]
    assert [row[1] for row in rows] == [
        "-",
        "<code>lr 1 -&gt; 2</code> against the run before",
        "<code>lr 2 -&gt; 3</code> against the run before",
        "-",
        "<code>lr 2 -&gt; 4</code> against the run before in its group",
        "<code>lr 1 -&gt; 5</code>",
        "-",
    ]


def test_a_sweep_of_another_program_is_one_row_with_its_best_trial() -> None:
    trials = [
        run(n, f"t{n}", steps(val__loss=[2.0, value]), config={"lr": n}, sweep="s") for n, value in enumerate((3, 1, 2))
    ]
    (cells,) = cells_of(ForeignSource(trials))[1:]
    assert cells[0].endswith("_t1</code>, best of 3 trials of sweep <code>s</code>: <code>lr 1</code>")
    assert cells[3].startswith("1; lowest val/loss so far")
    assert cells[3].index("_t0") < cells[3].index("_t2"), "both have 2 as their lowest, and stay in their order"


def test_metrics_of_kag_and_of_others_stand_side_by_side() -> None:
    source = ForeignSource([(run_record(0, val=0.3), []), *five().runs])
    head, own, *others = cells_of(source)
    assert head[3:] == ["Val AUPRC", "Test AUPRC", "val/accuracy", "loss / Notes"]
    assert own[3:6] == ["<strong>0.300</strong>", "0.400", "-"]
    assert others[0][3:6] == ["-", "-", "<strong>0.81</strong>"]
    assert others[0][1] == "-", "a run of kag is not the run before a program's own"


@dataclass(frozen=True)
class Commits(Repository):
    """A repository that has two commits, or none."""

    known: bool = True

    def changed(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
        if not self.known:
            raise NotKnown("no git")
        return {pair: ["b.py", "a.py"] for pair in pairs if (pair[0][0], pair[1][0]) == ("1", "2")}


def committed(folder: Path) -> FolderSource:
    """Four runs: two on a first commit, one on a second, one on that with changes."""
    stands = [("1", False), ("1", False), ("2", False), ("2", True)]
    for n, (digit, dirty) in enumerate(stands):
        git = GitFacts(commit=digit * 40, dirty=dirty)
        make_folder(folder / "runs", foreign(n, f"r{n}", steps(loss=[n + 2.0, n + 1.0]), git=git, config={"n": n}))
    return FolderSource(folder / "runs")


def test_files_touched_lie_between_the_commits_that_clients_sent(tmp_path: Path) -> None:
    source = committed(tmp_path)
    siblings = collect(source, Commits(tmp_path))
    first, second = f"<code>{'1' * 10}</code>", f"<code>{'2' * 10}</code>"
    assert [row[2] for row in parsed(render(table(siblings), siblings.metrics)).tables[0][1:]] == [
        f"commit {first}",
        f"commit {first}",
        f"<code>a.py</code>, <code>b.py</code>; commit {second} after {first}",
        f"commit {second}; uncommitted changes",
    ]


def test_a_document_keeps_what_it_says_of_files_where_git_cannot_say(tmp_path: Path) -> None:
    source, file, plain = committed(tmp_path), tmp_path / "LOG.md", options(tmp_path)
    with_git, without = (replace(plain, repository=Commits(tmp_path, known)) for known in (True, False))
    update(source, file, with_git)
    text = file.read_text()
    assert not update(source, file, without, dry=True).stale
    update(source, file, without)
    assert file.read_text() == text
    file.unlink()
    update(source, file, without)
    assert f"| commit `{'2' * 10}` after `{'1' * 10}` |" in file.read_text(), "what was never known is not made up"
    update(source, file, with_git)
    assert file.read_text() == text
