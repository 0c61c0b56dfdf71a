"""kag in Python: what a place's runs give, what two of them give, and what a notebook shows."""

from __future__ import annotations

import doctest
import math
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import kag
import kag.api
from kag.compare.comparison import Comparison
from kag.compare.paired import Unpaired
from kag.errors import RecordError, UserError
from kag.track.record import Status
from tests.changelog.run_logs import make_folder, run_record
from tests.scored_runs import scored_runs, write_scored

LIGHT = """
import sys
import kag
before = set(sys.modules)
assert not {"pydantic", "numpy", "kag.track", "kag.compare"} & before, before
runs = kag.runs(sys.argv[1])
print(*[run.name for run in runs])
print(kag.compare(runs[0], runs[1]).seed_alone, kag.compare(runs[1], runs[0]).seed_alone)
print(*sorted({"torch", "lightning", "wandb", "pandas", "matplotlib", "h5py", "sqlalchemy"} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six runs with scores."""
    folder = tmp_path_factory.mktemp("api") / "runs"
    write_scored(folder)
    return folder


@pytest.fixture(scope="module")
def runs(place: Path) -> kag.Runs:
    return kag.runs(str(place))


def test_the_examples_of_the_module_are_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in enumerate(("plain", "other")):
        make_folder(tmp_path / "runs", run_record(number, name), history=[{"epoch": 0.0, "val/auprc": 0.2}])
    monkeypatch.chdir(tmp_path)
    done = doctest.testmod(kag.api)
    assert (done.failed, done.attempted > 5) == (0, True)


def test_kag_is_light_and_can_be_called_again_and_again(place: Path) -> None:
    words = [sys.executable, "-c", LIGHT, str(place)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names, alone, heavy = done.stdout.split("\n")[:3]
    assert names.split() == [one.record.name for one in scored_runs()]
    assert (alone, heavy) == ("True True", "")


def test_runs_are_read_when_they_are_asked_for_and_broken_ones_are_named(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, run_record(0, "fine"))
    found = kag.runs(str(tmp_path))
    (late := make_folder(tmp_path, run_record(1, "late"))).record_file.write_text("{")
    assert [run.id for run in found] == [folder.id]
    assert late.id in str(found.broken[0])
    assert repr(found) == f"1 run of {str(tmp_path)!r}, 1 more cannot be read"
    with pytest.raises(RecordError, match="no source of runs"):
        kag.runs(str(tmp_path / "none"))


def test_a_run_is_picked_by_place_or_by_word(runs: kag.Runs) -> None:
    assert runs[-1].name == "wide-2"
    assert runs["base-1"].record == scored_runs()[1].record
    assert [run.name for run in runs[1:3]] == ["base-1", "base-2"]
    assert runs["latest"].status is Status.KILLED
    with pytest.raises(RecordError, match="no run 'nobody'"):
        runs["nobody"]
    with pytest.raises(IndexError):
        runs[6]
    assert runs["base-0"].history() == scored_runs()[0].rows
    assert runs["base-0"].notes() == ""


def test_a_run_has_its_scores_by_split(runs: kag.Runs) -> None:
    kept = runs["base-0"].scores("test")
    (own,) = (one for one in scored_runs()[0].scores if one.split == "test")
    assert kept is not None
    assert kept.value_N.tolist() == own.value_N.tolist()
    assert runs["wide-2"].scores("val") is None


def test_a_comparison_is_that_of_the_command_line(runs: kag.Runs) -> None:
    found = kag.compare(runs["base-0"], runs["wide-0"])
    assert isinstance(found, Comparison)
    assert {change.key for change in found.settings} >= {"optimizer.lr"}
    tested = found.test("val")
    assert not isinstance(tested, Unpaired)
    assert tested.interval is not None
    assert tested.interval.low > 0
    assert str(found) == found.verdict.sentence
    back = kag.compare(runs["wide-0"], runs["base-0"]).test("val")
    assert not isinstance(back, Unpaired)
    assert back.value == -tested.value
    with pytest.raises(UserError, match="is no run"):
        kag.compare(runs["base-0"], "wide-0")


def test_runs_of_two_places_with_one_id_are_told_apart(place: Path, runs: kag.Runs, tmp_path: Path) -> None:
    """A copy whose scores were never fetched: the original's must not stand in for them."""
    make_folder(tmp_path, scored_runs()[0].record)
    copy = kag.runs(str(tmp_path))[0]
    assert copy.id == runs["base-0"].id
    tested = kag.compare(runs["base-0"], copy).test("val")
    assert isinstance(tested, Unpaired)
    assert "kept no scores of val" in tested.reason


def test_a_frame_has_a_row_a_run_and_no_column_twice(runs: kag.Runs) -> None:
    frame = runs.frame()
    assert list(frame.index) == [one.record.id for one in scored_runs()]
    assert list(frame["optimizer.lr"])[3:] == [2e-4] * 3
    assert frame["val/auprc"].iloc[0] == runs[0].metrics["val/auprc"]
    assert math.isnan(frame["val/auprc"].iloc[5])
    assert frame.columns.is_unique
    history = runs["base-1"].frame()
    assert list(history["val/auprc"]) == [row["val/auprc"] for row in scored_runs()[1].rows]


def test_a_setting_with_the_name_of_a_metric_is_told_apart(tmp_path: Path) -> None:
    foreign = run_record(
        0, "mnist", found=None, wandb_id="abc", config={"loss": "mse", "name": "a"}, metrics={"loss": 0.5}
    )
    make_folder(tmp_path, foreign)
    frame = kag.runs(str(tmp_path)).frame()
    assert (frame["loss"].item(), frame["config.loss"].item()) == (0.5, "mse")
    assert (frame["name"].item(), frame["config.name"].item()) == ("mnist", "a")


def test_without_pandas_a_frame_says_what_it_takes(runs: kag.Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    for of in (runs, runs[0]):
        with pytest.raises(UserError, match=r"takes pandas\n.*pip install pandas"):
            of.frame()


class Outline(HTMLParser):
    """What a browser would make of it: elements, and whether each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_notebook_shows_runs_and_comparisons_and_runs_nothing(tmp_path: Path) -> None:
    odd = {"change": "<script>alert(1)</script>", "config": {"<img src=x>": "<b>"}, "tags": ("a\x1b[2J",)}
    for number in range(2):
        make_folder(tmp_path, run_record(number, f"<i>{number}", val=0.2 + number / 10, id=f"r{number}", **odd))
        odd = {**odd, "config": {"<img src=x>": "<u>"}}
    found = kag.runs(str(tmp_path))
    shown = [found._repr_html_(), found[0]._repr_html_(), kag.compare(found[0], found[1])._repr_html_()]
    for page in shown:
        outline = Outline()
        outline.feed(page)
        assert outline.open == []
        assert outline.seen <= {"table", "thead", "tbody", "tr", "th", "td", "p", "h4", "br", "small"}
        assert "\x1b" not in page
        assert len(page) < 20_000
    assert "&lt;script&gt;" in shown[1]
    assert "&lt;img src=x&gt;" in shown[2]


def test_a_hand_kept_log_is_a_place_too(tmp_path: Path) -> None:
    (tmp_path / "log.md").write_text(
        "| Date & Run | Key Changes | Files Touched | Val AUPRC | Test AUPRC / Notes |\n|---|---|---|---|---|\n"
        "| 2025-10-01_00-00-00_october | lower rate | `a.py` | 0.3 | 0.4 |\n"
    )
    (only,) = kag.runs(f"markdown:{tmp_path / 'log.md'}")
    assert (only.name, only.history(), only.scores("val")) == ("october", [], None)
