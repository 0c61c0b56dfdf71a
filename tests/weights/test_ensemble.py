"""The mean of what runs say, as a run: from their scores alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kag.errors import RecordError
from kag.stats import metrics
from kag.stats.scores import Scores
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.scores_of_run import scores_in, write_scores
from kag.view.words import find_run
from kag.weights.ensemble import kept_scores, mean_of
from tests.cli.conftest import Kag, kag
from tests.scored_runs import scored_runs, write_scored

__all__ = ["kag"]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    write_scored(tmp_path / "runs")
    return tmp_path / "runs"


def auprc(scores: Scores) -> float:
    assert scores.label_N is not None
    return metrics.auprc(metrics.curve(scores.value_N, scores.label_N))


def test_the_mean_of_the_logits_is_kept_as_a_run(kag: Kag, runs: Path) -> None:
    done = kag("ensemble", "base-0", "base-1", "base-2", "--name", "three", "--runs", str(runs))
    assert (done.code, done.error) == (0, "")
    made = find_run(runs, "three").read_record()
    assert (made.kind, made.name, made.status.done, made.sealed) == ("ensemble", "three", True, False)
    assert made.change == "Mean of the logits of 3 runs"
    assert [(source.run, source.ratio) for source in made.sources] == [
        (one.record.id, 1 / 3) for one in scored_runs()[:3]
    ]
    members = [one.scores for one in scored_runs()[:3]]
    for place, split in enumerate(("val", "test")):
        kept = scores_in(RunFolder(runs / made.id).path, split)
        assert kept is not None
        mean_N = np.mean([scores[place].value_N.astype(np.float64) for scores in members], axis=0)
        np.testing.assert_array_equal(kept.value_N, mean_N.astype(np.float32))
        (said,) = (one for one in made.results if (one.split, one.metric) == (split, "auprc"))
        assert said.value == pytest.approx(auprc(kept), abs=1e-12)
        assert said.ci_low is not None
        assert (said.delivered, said.weights) == (True, "ensemble")
        assert kept.draws["auprc"].value == pytest.approx(said.value)
    threshold = [one.value for one in made.results if one.metric == "threshold"]
    assert threshold[0] == threshold[1], "val chooses it"
    assert [(look.by, look.split) for look in made.looks] == [("ensemble", "test")]


def test_it_is_compared_listed_and_logged_as_any_run(kag: Kag, runs: Path) -> None:
    assert kag("ensemble", "base-0", "base-1", "--name", "two", "--runs", str(runs)).code == 0
    compared = kag("runs", "compare", "base-0", "two", "--runs", str(runs))
    assert (compared.code, compared.error) == (0, "")
    assert "ensemble" in kag("runs", "show", "two", "--runs", str(runs)).out
    log = kag("changelog", "--source", str(runs))
    assert "Mean of the logits of 2 runs" in log.out
    again = kag("ensemble", "two", "base-2", "--name", "deeper", "--runs", str(runs))
    assert again.code == 0
    assert len(FolderSource(runs).readable()[0]) == len(scored_runs()) + 2


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(3)))
def test_the_order_of_the_members_changes_nothing_but_who_is_first(order: list[int]) -> None:
    members = [{scores.split: scores for scores in one.scores} for one in scored_runs()[:3]]
    made, turned = mean_of(members), mean_of([members[place] for place in order])
    assert made["val"].scores.weights_digest == turned["val"].scores.weights_digest
    np.testing.assert_allclose(made["val"].scores.value_N, turned["val"].scores.value_N, atol=1e-6)


def test_only_what_all_keep_is_averaged_and_test_stays_sealed_where_one_has_not_looked() -> None:
    members = [{scores.split: scores for scores in one.scores} for one in scored_runs()[:2]]
    assert set(mean_of(members)) == {"val", "test"}
    del members[1]["test"]
    assert set(mean_of(members)) == {"val"}


def test_other_examples_are_refused() -> None:
    members = [{scores.split: scores for scores in one.scores} for one in scored_runs()[:2]]
    members[1]["val"] = replace(members[1]["val"], data_digest="e" * 64)
    with pytest.raises(RecordError, match="other examples of val"):
        mean_of(members)
    with pytest.raises(RecordError, match="two runs or more"):
        mean_of(members[:1])


def test_a_run_without_scores_or_of_another_program_is_refused(runs: Path) -> None:
    folder = find_run(runs, "wide-2")
    with pytest.raises(RecordError, match="keeps no scores of val") as caught:
        kept_scores(folder)
    assert caught.value.remedy == f"kag eval {folder.id} --store"
    (folder.path / "scores").mkdir(exist_ok=True)
    np.savez(folder.path / "scores" / "val.npz", score=np.array([0.2, 0.7]), label=np.array([0, 1]))
    with pytest.raises(RecordError, match="of another program"):
        kept_scores(folder)


def test_mistakes_make_nothing(kag: Kag, runs: Path) -> None:
    before = sorted(path.name for path in runs.iterdir())
    for words in (("base-0",), ("base-0", "base-0"), ("base-0", "none"), ("base-0", "base-1", "--name", "not a name")):
        done = kag("ensemble", *words, "--runs", str(runs))
        assert (done.code, done.out) == (2, ""), words
    assert sorted(path.name for path in runs.iterdir()) == before


def test_scores_that_were_stored_later_count(runs: Path) -> None:
    folder = find_run(runs, "base-0")
    (folder.path / "scores" / "test.npz").unlink()
    assert set(kept_scores(folder)) == {"val"}
    write_scores(folder, scored_runs()[0].scores)
    assert set(kept_scores(folder)) == {"val", "test"}
