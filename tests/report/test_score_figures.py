"""Pictures of what one run scored, and sentences where there is nothing to draw."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kag.compare.paired import ProfileOf, profiles_of, read_once
from kag.names import Part
from kag.report.figure import Chart, Dots, as_json
from kag.report.score_figures import run_pictures
from kag.report.thin import thinned
from kag.stats.bootstrap import Resampled
from kag.stats.scores import Scores
from kag.track.record import RunRecord
from kag.view.results import delivered, measured
from tests.changelog.foreign_logs import foreign
from tests.scored_runs import ScoredRun, scored_runs
from tests.track.made_scores import made_scores

LARGEST = 507_501
"""Points of val in a file of full size."""


def of(found: Mapping[tuple[str, Part], Scores]) -> ProfileOf:
    return read_once(profiles_of(lambda run, split: found.get((run, split))))


def kept(*runs: ScoredRun, **changed: Any) -> ProfileOf:
    """What the runs kept, with other values in their scores."""
    return of({(run.record.id, one.split): replace(one, **changed) for run in runs for one in run.scores})


RUN = scored_runs()[0]


def drawn(record: RunRecord = RUN.record, profiled: ProfileOf | None = None) -> tuple[Chart, Dots]:
    curve, reliability = run_pictures(record, profiled or kept(RUN)).figures
    assert isinstance(curve, Chart)
    assert isinstance(reliability, Dots)
    return curve, reliability


def test_the_curve_has_the_numbers_of_the_record_and_its_own_threshold() -> None:
    curve, _ = drawn()
    numbers = {key: result.value for key, result in delivered(RUN.record).items()}
    assert [line.label for line in curve.lines] == [
        *(f"{split}, AUPRC {measured('auprc', numbers[f'{split}/auprc'])}" for split in ("val", "test")),
        "val at the threshold 0.25",
        "test at the threshold 0.25",
    ]
    assert [line.colour for line in curve.lines] == [0, 1, 0, 1]
    for line, split in zip(curve.lines[2:], ("val", "test"), strict=True):
        at = (*line.x, *line.y)
        assert at == pytest.approx((numbers[f"{split}/recall"], numbers[f"{split}/precision"]), abs=1e-6)
    shares = [measured("iou", float(one.label_N.mean())) for one in RUN.scores if one.label_N is not None]
    assert curve.notes == (
        f"a guess has the precision {shares[0]} on val and {shares[1]} on test, the share of positives",
    )


def test_the_curve_steps_over_the_area_that_is_its_auprc() -> None:
    line = drawn()[0].lines[0]
    area = sum((x - before) * y for before, x, y in zip(line.x, line.x[1:], line.y[1:], strict=False))
    assert area == pytest.approx(delivered(RUN.record)["val/auprc"].value, abs=1e-4)


def trained(config: dict[str, Any]) -> RunRecord:
    return RUN.record.model_copy(update={"config": {**RUN.record.config, **config}})


def test_a_reliability_curve_tells_its_counts_and_what_shifts_it() -> None:
    reliability = drawn()[1]
    for part, scores in zip(reliability.parts, RUN.scores, strict=True):
        counts = [int(told.split()[0].replace(",", "")) for told in part.told]
        assert sum(counts) == len(scores.value_N)
        assert scores.label_N is not None
        positives = sum(count * share for count, share in zip(counts, part.y, strict=True))
        assert positives == pytest.approx(int(scores.label_N.sum()), abs=1e-2)
    assert reliability.notes[0] == "val: 14 bins of 51 to 52 examples"
    assert reliability.notes[-1] == "loss.pos_weight weighs positives in training, which lifts every probability"
    weighed = trained({"loss.pos_weight": 20.0, "loss.kind": "focal"})
    assert drawn(weighed)[1].notes[-2:] == (
        "loss.pos_weight 20 shifts each logit by its logarithm, 3.00",
        "loss.kind focal does not ask for calibrated probabilities",
    )
    plain = trained({"loss.pos_weight": 1.0})
    assert len(drawn(plain)[1].notes) == 2


def test_scores_that_are_not_there_are_said() -> None:
    found = run_pictures(RUN.record, of({}))
    assert found.figures == ()
    assert found.said == tuple(f"{RUN.record.id} kept no scores of {split}" for split in ("val", "test"))


def test_scores_of_other_weights_are_not_drawn() -> None:
    found = run_pictures(RUN.record, kept(RUN, weights_digest="f" * 64))
    assert found.figures == ()
    assert found.said[0].startswith(
        f"the scores that {RUN.record.id} kept of val are of the weights ffffffffffff, not of 111111111111"
    )


def test_one_split_that_cannot_be_drawn_leaves_the_other() -> None:
    val, test = RUN.scores
    value_N = val.value_N.copy()
    value_N[0] = math.nan
    broken = {(RUN.record.id, "val"): replace(val, value_N=value_N), (RUN.record.id, "test"): test}
    found = run_pictures(RUN.record, of(broken))  # type: ignore[arg-type]
    assert [figure.name for figure in found.figures] == ["scores-precision", "scores-reliability"]
    assert found.said[0].startswith(f"the scores of {RUN.record.id} on val cannot be read: 1 of 720 logits are NaN")


@pytest.mark.parametrize(
    ("changed", "names", "said"),
    [
        ({"label_N": np.zeros(720, dtype=bool)}, ["scores-reliability"], "no example of val is positive: "),
        ({"label_N": None}, [], "kept losses of val, which have neither precision nor probability"),
        ({"threshold": None}, ["scores-precision", "scores-reliability"], "has no threshold on val"),
        ({"threshold": 1e6}, ["scores-precision", "scores-reliability"], "no example of val reaches the threshold"),
    ],
)
def test_what_is_undefined_is_said(changed: dict[str, Any], names: list[str], said: str) -> None:
    found = run_pictures(RUN.record, kept(RUN, **changed))
    assert [figure.name for figure in found.figures] == names
    assert said in found.said[0]


def test_another_programs_run_is_drawn_as_far_as_its_scores_go() -> None:
    record = foreign(0, "a")
    assert run_pictures(record, of({})) == ((), ())
    scores = replace(made_scores("val"), weights_digest=None)
    found = run_pictures(record, of({(record.id, "val"): scores}))
    assert [figure.name for figure in found.figures] == ["scores-precision"]
    assert f"the scores of {record.id} on val are no probabilities: they have no reliability curve" in found.said
    probable = replace(scores, value_N=np.linspace(0.0, 1.0, 40))
    found = run_pictures(record, of({(record.id, "val"): probable}))
    assert [figure.name for figure in found.figures] == ["scores-precision", "scores-reliability"]


def test_pictures_of_a_file_of_full_size_are_small() -> None:
    generator = np.random.default_rng(0)
    label_N = generator.random(LARGEST) < 0.03
    value_N = (generator.normal(size=LARGEST) + 2 * label_N).astype(np.float32)
    group_N = np.sort(generator.integers(0, 500, LARGEST))
    digest = delivered(RUN.record)["val/auprc"].weights_digest
    none: dict[str, Resampled] = {}
    groups = tuple(f"p{number:03}" for number in range(500))
    scores = Scores("val", value_N, label_N, group_N, groups, 0.5, digest, "d" * 64, none)
    found = run_pictures(RUN.record, of({(RUN.record.id, "val"): scores}))
    sizes = [len(json.dumps(as_json(thinned(figure, 800)), separators=(",", ":"))) for figure in found.figures]
    assert len(sizes) == 2
    assert sum(sizes) < 30_000
