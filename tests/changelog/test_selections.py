"""A sweep's row says what its best trial is worth; what that takes is read once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from kag.changelog.collect import collect
from kag.changelog.parts import parts_of, sentences
from kag.changelog.table import Row, table
from kag.compare.selection import worth_told
from kag.names import Part
from kag.stats.scores import Scores
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.record import Found
from kag.track.result import Selection
from tests.changelog.run_logs import MemorySource, make_folder, run_record
from tests.compare.scored_trials import kept_trial, scored, seeded, trial_of

TRIALS = 4


class Counted(FolderSource):
    """A folder of runs that counts how often scores are read."""

    read = 0

    def scores(self, run_id: str, split: Part) -> Scores | None:
        type(self).read += 1
        return super().scores(run_id, split)


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counted, "read", 0)


def row_of(runs: Path) -> Row:
    (row,) = table(collect(Counted(runs)))
    return row


def test_the_row_of_a_sweep_says_what_its_best_is_worth_and_reads_no_score_twice(tmp_path: Path) -> None:
    for number in range(TRIALS):
        kept_trial(tmp_path, number)
    first = row_of(tmp_path)
    assert first.selection is not None
    assert (first.selection.candidates, first.selection.tied) == (TRIALS, TRIALS)
    assert first.selection.corrected is not None
    assert first.selection.corrected < first.selection.value
    assert "; ".join(worth_told(first.selection)) in sentences(parts_of(first), whole=False)
    reads = Counted.read
    assert reads >= TRIALS
    assert row_of(tmp_path).selection == first.selection
    assert Counted.read == reads, "nothing has changed"


def test_what_it_was_made_of_makes_it_anew(tmp_path: Path) -> None:
    """One trial more, other scores of a trial, another cache: none of them is answered from what is kept."""
    for number in range(TRIALS):
        kept_trial(tmp_path, number)
    before = row_of(tmp_path).selection
    late = kept_trial(tmp_path, TRIALS, noise=0.5)
    after = row_of(tmp_path).selection
    assert after != before
    assert after is not None
    assert after.candidates == TRIALS + 1
    for file in (RunFolder(tmp_path / late.id).scores).iterdir():
        file.write_bytes(b"torn")
    torn = row_of(tmp_path).selection
    assert torn is not None
    assert "cannot be read" in (torn.untested or "")
    reads = Counted.read
    (tmp_path / ".changelog" / "selections.json").write_text("{")
    assert row_of(tmp_path).selection == torn
    assert Counted.read > reads


def test_a_sweep_of_before_there_were_scores_says_what_it_always_said(tmp_path: Path) -> None:
    for number in range(TRIALS):
        kept_trial(tmp_path, number, scores=False)
    row = row_of(tmp_path)
    assert row.selection is None
    assert parts_of(row).worth == ""
    make_folder(tmp_path, trial_of(9, scored(9, noise=3.0)))
    kept_trial(tmp_path, 8, noise=0.5)
    mixed = row_of(tmp_path).selection
    assert mixed is not None
    assert "kept no scores of val" in (mixed.untested or "")


def test_the_row_of_a_sweep_over_seeds_is_that_of_the_best_mean() -> None:
    scores = [scored(number, noise=noise) for number, noise in enumerate((0.8, 1.0, 0.7, 1.6))]
    settings = [(0, 0.1), (1, 0.1), (0, 0.2), (1, 0.2)]
    trials = [trial_of(number, one, **seeded(*settings[number])) for number, one in enumerate(scores)]
    (row,) = table(collect(MemorySource(trials)))
    assert row.group is not None
    names = [[entry.record.name for entry in group.entries] for group in (row.group, *row.trials)]
    assert names == [["t0", "t1"], ["t2", "t3"]]
    assert max(trials, key=lambda one: one.results[0].value).name == "t2", "the luckiest of all"
    assert "the best of 2 settings by mean val AUPRC" in parts_of(row).worth


def test_the_row_of_a_blend_says_among_how_many_it_was_chosen() -> None:
    chosen = Selection(kind="candidates", candidates=22, value=0.4, expected=(0.35,) * 22, corrected=0.38, tied=20)
    record = run_record(0, "soup", val=0.4, kind="blend", found=Found(selection=chosen))
    (row,) = table(collect(MemorySource([record.model_copy(update={"end": datetime(2025, 10, 2, tzinfo=UTC)})])))
    said = sentences(parts_of(row), whole=False)
    assert any("0.380 corrected for having been chosen (BBC-CV); 20 of 22 candidates cannot be" in one for one in said)
