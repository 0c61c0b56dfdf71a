"""What every rule of the change log must do: fire where it should, with its numbers, and stay silent elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag import names
from kag.changelog.diagnose import AMONG, OF_KAG, OWN, diagnose, entry_of
from kag.changelog.entry import Entry
from kag.changelog.logged import Logged
from kag.changelog.siblings import Siblings
from kag.compare.paired import DrawnOf, not_asked
from kag.finding import Finding, Severity
from kag.track.past import former
from kag.track.record import Again, Change, Checkpoint, Failure, Found, GitFacts, Resume, RunRecord, Source, Status
from kag.track.result import Result
from kag.view.metrics import Metric
from tests.compare.drawn_runs import drawn_as

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
START = datetime(2025, 10, 1, tzinfo=UTC)
DATA, OWN_WEIGHTS, OTHER_WEIGHTS = "d" * 64, "a" * 64, "b" * 64

Rows = list[dict[str, float]]


class Case(NamedTuple):
    fires: Logged
    """The last run of the log, on which the rule fires."""
    silent: Sequence[Logged]
    """Runs, each the last of the log, on which it does not."""
    severity: Severity
    evidence: dict[str, Any]
    """Numbers that the finding must rest on."""
    words: str
    """What its sentence must say."""
    others: Sequence[Logged] = ()
    """Runs before it."""
    fixes: dict[tuple[str, str], str] = {}  # noqa: RUF012
    drawn: DrawnOf = not_asked
    """What the runs scored on each example."""


def record(name: str = "run", day: int = 9, **fields: Any) -> RunRecord:
    start = START + timedelta(days=day)
    basic = {"id": f"{start:%Y-%m-%d_%H-%M-%S}_{name}", "name": name, "status": Status.FINISHED, "start": start}
    return RunRecord.model_validate({**basic, "data_digest": DATA, **fields})


def result(split: str, value: float, **fields: Any) -> Result:
    basic = {"split": split, "metric": "auprc", "value": value, "weights": "raw", "weights_digest": OWN_WEIGHTS}
    return Result.model_validate({**basic, "data_digest": DATA, "delivered": True, **fields})


def typed(split: str, value: float) -> Result:
    return result(split, value, weights=None, weights_digest=None, data_digest=None, delivered=False)


def scored(val: float | None, test: float | None = None, **fields: Any) -> tuple[Result, ...]:
    return tuple(result(split, value, **fields) for split, value in (("val", val), ("test", test)) if value is not None)


def evaluated(day: int, weights: str, split: str = "all", data: str = "e" * 64) -> dict[str, Any]:
    """A look at COACH420 on a day of October."""
    found = result(split, 0.4123, weights_digest=weights, data_digest=data, delivered=False, ci_low=0.39, ci_high=0.43)
    return {"file": "coach420.h5", "when": START + timedelta(days=day), "results": (found,)}


def run(rows: Rows | None = None, **fields: Any) -> Logged:
    return Logged(record(**fields), rows or [])


def rows(key: str, values: Sequence[float]) -> Rows:
    return [{names.EPOCH: float(epoch), key: value} for epoch, value in enumerate(values)]


def course(*values: float) -> Rows:
    return [{**row, names.LR: 1e-4 * (n + 1)} for n, row in enumerate(rows(names.OBJECTIVE, values))]


def gate(values: Sequence[float], **spec: Any) -> Logged:
    return run(rows(names.ALPHA_MEAN, values), config=spec)


def ended_at(
    alpha: float, weight: float, name: str = "run", day: int = 9, parent: str | None = None, data_digest: str = DATA
) -> Logged:
    spec = {"model.gate.penalty.weight": weight, "model.gate.penalty.target": 0.6}
    history = rows(names.ALPHA_MEAN, [alpha] * 6)
    return run(history, name=name, day=day, parent=parent, config=spec, data_digest=data_digest)


def gone_on(**fields: Any) -> Logged:
    """A run that had ended with val AUPRC 0.3 and test AUPRC 0.4 and went on."""
    before = record(results=scored(0.30, 0.40))
    return run(**fields, resumes=(Resume(when=START + timedelta(days=12), before=former(before, before.config)),))


ACCURACY = Metric("val/accuracy", "max", "best", "by its name")
LOSS = Metric("loss", "min", "best", "by its name")
ENERGY = Metric("energy", None, "last", "")


def other(metric: Metric = ACCURACY, *values: float, **fields: Any) -> Logged:
    """A run of another program, which logged a metric every ten steps."""
    rows = [{names.STEP: 10.0 * n, metric.name: value} for n, value in enumerate(values)]
    last = {metric.name: values[-1]} if values else {}
    return Logged(record(**{"wandb_id": "w", "metrics": last, **fields}), rows, (metric,))


LR = {"lr": 0.1, "seed": 1}
FIRST = other(ACCURACY, 0.5, 0.8, name="first", day=1, config=LR)

CLAMP = {"model.gate.clamp": "[0.3, 0.7]"}
PENALTY = {
    "model.gate.penalty.weight.start": 0.15,
    "model.gate.penalty.weight.end": 0.05,
    "model.gate.penalty.target": 0.6,
}
SWA = {"swa.start": 4, "swa.window": 3}
STOPPING = {"early_stopping.patience": 3, "early_stopping.min_delta": 0.001}
BEFORE = run(
    name="before",
    day=1,
    results=scored(0.30, 0.40, weights_digest=OTHER_WEIGHTS),
    checkpoints={"best": Checkpoint(path="b", weights_digest=OTHER_WEIGHTS)},
)
PARENT = BEFORE.record.id
CHILD = run(parent=PARENT, results=scored(0.31, 0.43))


def beside_before(last: Logged, error: float = 0.0005) -> DrawnOf:
    """Scores of a run and of the one before it, on the same examples."""
    known = {one.record.id: {name.split: name.value for name in one.record.results} for one in (BEFORE, last)}
    return drawn_as(known, error=error)


OLD = run(
    name="old",
    day=2,
    end=START + timedelta(days=11),
    config={"epochs": 14},
    resumes=(Resume(changes=(Change(key="epochs", before=12, after=14),)),),
)
"""A run that an older kag resumed, and nobody wrote when."""
FILE = "kag/train/job.py"
BROKEN = {"status": Status.ABORTED, "failure": Failure(error="TypeError", message="no tensor", where=f"{FILE}:12")}


CASES: dict[str, Case] = {
    "gate_settled": Case(
        gate([0.9, 0.7, 0.6, 0.55, 0.55, 0.56]),
        [gate([0.9, 0.7, 0.6, 0.5, 0.55, 0.6]), gate([0.98] * 6), gate([0.7] * 6, **CLAMP), gate([0.5] * 5), run()],
        NOTE,
        {"alpha": pytest.approx(0.555), "lowest": 0.55, "highest": 0.56},
        "0.56",
    ),
    "gate_drifting": Case(
        gate([0.5, 0.5, 0.5, 0.5, 0.55, 0.6, 0.62, 0.66, 0.7]),
        [gate([0.2, 0.3, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]), gate([0.5, 0.9]), run()],
        WARNING,
        {"first": 0.62, "last": 0.7},
        "from 0.62 to 0.70",
    ),
    "gate_saturated": Case(
        gate([0.5, 0.7, 0.9, 0.97, 0.98, 0.98]),
        [gate([0.9] * 6), gate([0.98] * 6, **{"model.gate.clamp": "[0.0, 0.99]"}), run()],
        WARNING,
        {"alpha": 0.98},
        "alpha 0.98",
    ),
    "gate_at_clamp": Case(
        gate([0.5, 0.6, 0.7, 0.7, 0.7, 0.7], **CLAMP),
        [gate([0.5] * 6, **CLAMP), gate([0.7] * 6), gate([0.7] * 6, **{"model.gate.clamp": None}), run()],
        WARNING,
        {"alpha": 0.7, "edge": 0.7},
        "edge 0.7",
    ),
    "penalty_inert": Case(
        gate([0.8, 0.8, 0.9, 0.98, 0.98, 0.98], **PENALTY),
        [
            gate([0.9, 0.9, 0.8, 0.7, 0.65, 0.65], **PENALTY),
            gate(
                [0.8, 0.8, 0.9, 0.98, 0.98, 0.98],
                **{**PENALTY, "model.gate.penalty.weight.start": 0.0, "model.gate.penalty.weight.end": 0.0},
            ),
            run(config=PENALTY),
        ],
        WARNING,
        {"weight": 0.15, "target": 0.6, "first": 0.8, "last": 0.98},
        "0.98, from 0.80",
    ),
    "penalty_without_effect": Case(
        ended_at(0.98, 0.15, parent=ended_at(0.98, 0.02, "weak", 1).record.id),
        [
            ended_at(0.60, 0.15, parent=ended_at(0.98, 0.02, "weak", 1).record.id),
            ended_at(0.98, 0.021, parent=ended_at(0.98, 0.02, "weak", 1).record.id),
            ended_at(0.98, 0.15, parent=ended_at(0.98, 0.02, "weak", 1).record.id, data_digest="e" * 64),
            ended_at(0.98, 0.15),
        ],
        WARNING,
        {"before": 0.02, "after": 0.15, "alpha": pytest.approx(0.98)},
        "from 0.02 to 0.15",
        others=[ended_at(0.98, 0.02, "weak", 1)],
    ),
    "entropy_rose": Case(
        run(rows(names.ENTROPY, [0.4, 0.4, 0.5, 0.5, 0.6, 0.6])),
        [run(rows(names.ENTROPY, [0.5] * 6)), run(rows(names.ENTROPY, [0.1, 0.9])), run()],
        NOTE,
        {"first": pytest.approx(0.4), "last": pytest.approx(0.6)},
        "from 0.40 to 0.60",
    ),
    "entropy_fell": Case(
        run(rows(names.ENTROPY, [0.9, 0.9, 0.8, 0.8, 0.7, 0.7])),
        [run(rows(names.ENTROPY, [0.9, 0.9, 0.5, 0.5, 0.1, 0.1])), run(rows(names.ENTROPY, [0.5] * 6)), run()],
        NOTE,
        {"first": pytest.approx(0.9), "last": pytest.approx(0.7)},
        "from 0.90 to 0.70",
    ),
    "entropy_collapsed": Case(
        run(rows(names.ENTROPY, [0.9, 0.9, 0.5, 0.5, 0.1, 0.1])),
        [run(rows(names.ENTROPY, [0.9, 0.9, 0.5, 0.5, 0.26, 0.26])), run()],
        WARNING,
        {"first": pytest.approx(0.9), "last": pytest.approx(0.1)},
        "collapsed to 0.10",
    ),
    "context_norm_ratio": Case(
        run(rows(names.NORM_RATIO, [1.0, 1.0, 2.0, 3.0, 4.0, 4.0])),
        [run(rows(names.NORM_RATIO, [1.0, 1.0, 3.0, 3.0, 1.9, 1.9])), run()],
        WARNING,
        {"ratio": pytest.approx(4.0)},
        "4 times",
    ),
    "peaked_early": Case(
        run(course(0.2, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3)),
        [run(course(0.2, 0.25, 0.3, 0.3, 0.3)), run(course(0.3, 0.2, 0.2, 0.2)), run()],
        NOTE,
        {"best_epoch": 1, "last_epoch": 7, "lr_at_best": 2e-4},
        "epoch 1 of 0 to 7 (lr 0.0002)",
    ),
    "late_drift": Case(
        run(course(0.2, 0.3, 0.28)),
        [run(course(0.2, 0.3, 0.295)), run(course(0.2, 0.3, 0.1)), run()],
        NOTE,
        {
            "best": 0.3,
            "best_epoch": 1,
            "last": 0.28,
            "last_epoch": 2,
            "lr_at_best": 2e-4,
            "lr_at_last": pytest.approx(3e-4),
        },
        "0.300 (epoch 1, lr 0.0002) to 0.280 (epoch 2, lr 0.0003)",
    ),
    "collapse": Case(
        run(course(0.2, 0.3, 0.17)),
        [run(course(0.2, 0.3, 0.19)), run(course(0.1, 0.3)), run()],
        WARNING,
        {"best": 0.3, "last": 0.17, "lr_at_best": 2e-4, "lr_at_last": pytest.approx(3e-4)},
        "collapsed from 0.300",
    ),
    "swa_never_started": Case(
        run([{**row, names.SWA_AVERAGED_EPOCHS: 0.0} for row in course(0.1, 0.2, 0.2)], config=SWA),
        [
            run([{**row, names.SWA_AVERAGED_EPOCHS: float(n)} for n, row in enumerate(course(0.1, 0.2))], config=SWA),
            run(course(0.1, 0.2), config={"swa": None}),
            run(config=SWA),
            run(rows(names.SWA_AVERAGED_EPOCHS, [0.0]), config=SWA, status=Status.RUNNING),
        ],
        WARNING,
        {"swa_start": 4, "last_epoch": 2, "averaged_epochs": 0},
        "begin at epoch 4; the run ended with epoch 2",
    ),
    "swa_window": Case(
        run(rows(names.SWA_AVERAGED_EPOCHS, [0, 0, 0, 0, 1, 2, 3]), config=SWA),
        [run(rows(names.SWA_AVERAGED_EPOCHS, [0, 0]), config=SWA), run()],
        NOTE,
        {"first": 4, "last": 6, "averaged_epochs": 3, "window": 3},
        "averaged 3 epochs, 4 to 6",
    ),
    "average_below_snapshot": Case(
        run(results=(result("val", 0.31, epoch=9), result("val", 0.30, weights="averaged", delivered=False))),
        [
            run(results=(result("val", 0.30), result("val", 0.31, weights="averaged"))),
            run(results=(result("val", 0.29, weights="raw_recomputed"), result("val", 0.3, weights="averaged"))),
            run(results=scored(0.3)),
            run(),
        ],
        NOTE,
        {"averaged": 0.30, "raw": 0.31, "raw_epoch": 9},
        "reach 0.300, the snapshot of epoch 9 0.310",
    ),
    "resume_changed_spec": Case(
        run(resumes=(Resume(), Resume(changes=(Change(key="epochs", before=40, after=60),)))),
        [run(resumes=(Resume(),)), run()],
        WARNING,
        {"changes": 1, "resumes": 2},
        "epochs 40 -> 60",
    ),
    "trained_again": Case(
        run(again=Again(run="first", same=True, differences=(Change(key="threads", before=1, after=2),))),
        [run(), run(parent="first")],
        NOTE,
        {"run": "first", "same": True, "differences": 1},
        "the same run again: first: the same weights, bit for bit; not the same: threads",
    ),
    "patience_restored": Case(
        run(course(0.1, 0.2, 0.2, 0.2), config=STOPPING, status=Status.EARLY_STOPPED),
        [
            run(course(0.1, 0.2, 0.2, 0.2, 0.2), config=STOPPING, status=Status.EARLY_STOPPED),
            run(course(0.1, 0.2, 0.2005, 0.2, 0.2), config=STOPPING, status=Status.EARLY_STOPPED),
            run(course(0.1, 0.2), config=STOPPING),
            run(config=STOPPING, stated={"restored": {"early_stopping.patience": 3}}),
        ],
        WARNING,
        {"patience": 3, "worked_with": 2},
        "after 2 epochs without a rise, not after 3",
    ),
    "caveat": Case(
        run(kind="imported", stated={"caveats": ["its configuration is lost"]}),
        [run(kind="imported", stated={"caveats": []}), run()],
        NOTE,
        {"caveats": 1},
        "its configuration is lost",
    ),
    "aborted": Case(
        run(git=GitFacts(commit="c1"), epochs_trained=2, **BROKEN),
        [run(), run(status=Status.KILLED), run(status=Status.EARLY_STOPPED)],
        ERROR,
        {"error": "TypeError", "message": "no tensor", "where": f"{FILE}:12", "epochs_trained": 2, "next_commit": "c2"},
        f"TypeError in `{FILE}:12` after 2 epochs; the next commit to touch that file is `c2`",
        fixes={("c1", FILE): "c2"},
    ),
    "test_of_other_weights": Case(
        run(
            results=(result("val", 0.3), result("test", 0.4, weights_digest=OTHER_WEIGHTS)),
            checkpoints={"best": Checkpoint(path="b", weights_digest=OWN_WEIGHTS)},
        ),
        [
            run(results=scored(0.3, 0.4), checkpoints={"best": Checkpoint(path="b", weights_digest=OWN_WEIGHTS)}),
            run(results=scored(0.3, 0.4)),
            run(results=(typed("test", 0.4),)),
            run(),
        ],
        ERROR,
        {"test": 0.4, "weights_of": PARENT},
        f"those of `{PARENT}`",
        others=[BEFORE],
    ),
    "test_equals_other_run": Case(
        run(results=scored(0.31, 0.40)),
        [
            run(results=scored(0.31, 0.4000001)),
            run(results=(typed("test", 0.40),)),
            run(results=scored(0.31, 0.40), data_digest="e" * 64),
            run(),
        ],
        WARNING,
        {"test": 0.40, "other": PARENT},
        f"is that of `{PARENT}`",
        others=[BEFORE],
    ),
    "same_weights": Case(
        run(results=scored(0.31, 0.40, weights_digest=OTHER_WEIGHTS)),
        [run(results=scored(0.31, 0.40)), run(results=(typed("test", 0.40),)), run()],
        NOTE,
        {"other": PARENT},
        f"the same weights as `{PARENT}`",
        others=[BEFORE],
    ),
    "selected_on_test": Case(
        run(results=scored(None, 0.44, selected_on="test/auprc")),
        [run(results=scored(0.3, 0.44, selected_on="val/auprc")), run(results=scored(0.3, 0.44)), run()],
        ERROR,
        {"test": 0.44, "selected_on": "test/auprc"},
        "selected on test/auprc",
    ),
    "val_typed_as_test": Case(
        run(kind="imported", results=(typed("val", 0.297), typed("test", 0.285)), stated={"course": {"last": 0.2851}}),
        [
            run(
                kind="imported", results=(typed("val", 0.297), typed("test", 0.414)), stated={"course": {"last": 0.285}}
            ),
            run(course(0.3, 0.285), results=scored(0.3, 0.285)),
            run(),
        ],
        ERROR,
        {"stated_as_test": 0.285, "val": 0.2851},
        "the 0.285 in the test cell is the last val AUPRC",
    ),
    "not_distinguishable": Case(
        run(parent=PARENT, results=scored(0.31, 0.43, ci_low=0.35, ci_high=0.5)),
        [
            run(parent=PARENT, results=scored(0.31, 0.43, ci_low=0.41, ci_high=0.5)),
            run(parent=PARENT, results=scored(0.31, 0.43)),
            run(parent=PARENT, results=scored(0.31, 0.43, ci_low=0.35, ci_high=0.5), data_digest="e" * 64),
            run(results=scored(0.31, 0.43, ci_low=0.35, ci_high=0.5)),
        ],
        NOTE,
        {"value": 0.43, "parent": 0.40, "ci_low": 0.35, "ci_high": 0.5},
        "test AUPRC 0.430 against 0.400 of the parent: not distinguishable",
        others=[BEFORE],
    ),
    "told_apart": Case(
        CHILD,
        [
            run(parent=PARENT, results=scored(0.31, 0.43), data_digest="e" * 64),
            run(parent=PARENT, results=scored(0.31, 0.43, weights_digest="c" * 64), name="lost"),
            run(results=scored(0.31, 0.43)),
            run(parent=PARENT),
        ],
        NOTE,
        {"val_change": pytest.approx(0.01), "test_change": pytest.approx(0.03), "test_family": 1},
        "val AUPRC +0.010 [+0.009, +0.011] and test AUPRC +0.030 [+0.029, +0.031] against the parent",
        others=[BEFORE],
        drawn=beside_before(CHILD),
    ),
    "external_evaluation": Case(
        run(evaluations=(evaluated(20, OWN_WEIGHTS), evaluated(22, "c" * 64, "test", "f" * 64))),
        [run(), run(results=scored(0.3, 0.4))],
        NOTE,
        {"coach420.h5": 0.4123, "coach420.h5 (test)": 0.4123},
        "AUPRC 0.412 [0.390, 0.430] on `coach420.h5`, look 1 at it; AUPRC",
    ),
    "val_test_disagree": Case(
        run(parent=PARENT, results=scored(0.18, 0.39)),
        [
            run(parent=PARENT, results=scored(0.20, 0.30)),
            run(parent=PARENT, results=scored(0.18, 0.39, ci_low=0.1, ci_high=0.5)),
            run(results=scored(0.18, 0.39)),
            run(parent=PARENT),
        ],
        WARNING,
        {"val_change": pytest.approx(-0.12), "test_change": pytest.approx(-0.01)},
        "val AUPRC changed by -0.120, test AUPRC by -0.010",
        others=[BEFORE],
    ),
    "unknown_parent": Case(
        run(parent=PARENT, sources=(Source(run=PARENT), Source(run="2025-10-21_lost"))),
        [run(parent=PARENT, sources=(Source(run=PARENT),)), run(parent="before"), run()],
        WARNING,
        {"missing": "2025-10-21_lost"},
        "no record of `2025-10-21_lost`",
        others=[BEFORE],
    ),
    "parent_settings_unknown": Case(
        run(parent="old"),
        [run(parent="old", day=12), run(parent=PARENT), run(parent="lost"), run()],
        NOTE,
        {"parent": OLD.record.id, "changes": 1},
        "had been resumed by then is not known (epochs 12 -> 14)",
        others=[OLD, BEFORE],
    ),
    "results_of_former_end": Case(
        run(results=scored(0.30), status="aborted", resumes=(Resume(),), epochs_trained=7),
        [
            run(results=scored(0.30), status="finished", resumes=(Resume(),)),
            run(results=(), status="killed", resumes=(Resume(),)),
            run(results=scored(0.30), status="killed"),
        ],
        NOTE,
        {"resumes": 1, "epochs_trained": 7},
        "delivered before",
    ),
    "results_before_resume": Case(
        gone_on(results=scored(0.35, 0.45)),
        [
            gone_on(results=scored(0.30, 0.40)),
            run(results=scored(0.35, 0.45), resumes=(Resume(when=START + timedelta(days=12)),)),
            run(results=scored(0.35, 0.45)),
        ],
        NOTE,
        {"val before 2025-10-13 00:00": 0.30, "test before 2025-10-13 00:00": 0.40},
        "val AUPRC 0.300 and test AUPRC 0.400 before it was resumed on 2025-10-13",
    ),
    "highest_so_far": Case(
        run(results=scored(0.31)),
        [
            run(results=scored(0.30)),
            run(results=scored(0.29)),
            run(results=scored(None, 0.9)),
            run(),
            run(results=scored(0.31), data_digest="f" * 64),
            run(results=scored(0.31), data_digest=None),
        ],
        NOTE,
        {"value": 0.31, "before": 0.30, "run_before": PARENT},
        "highest val AUPRC so far (0.300 before); not tested",
        others=[BEFORE, run(name="toy", day=2, results=scored(0.9), data_digest="e" * 64)],
    ),
    "best_to_date": Case(
        CHILD,
        [run(results=scored(0.29)), run(results=scored(0.31, 0.43), data_digest="f" * 64), run()],
        NOTE,
        {"change": pytest.approx(0.01), "run_before": PARENT},
        f"best val AUPRC to date: +0.010 [+0.009, +0.011] over `{PARENT}`",
        others=[BEFORE],
        drawn=beside_before(CHILD),
    ),
    "not_finite": Case(
        other(LOSS, 2.0, math.nan, math.nan),
        [other(LOSS, 2.0, 1.0), other(ACCURACY), run(rows("loss", [2.0, math.nan]))],
        WARNING,
        {"metric": "loss", "value": "NaN", "place": 10, "unit": "step"},
        "loss became NaN at step 10",
    ),
    "no_progress": Case(
        other(ACCURACY, 0.5, 0.5, 0.5, 0.5),
        [
            other(ACCURACY, 0.5, 0.5, 0.5, 0.6),
            other(ACCURACY, 0.5, 0.5, 0.5),
            other(ENERGY, 4, 3, 2, 1),
            other(ACCURACY, 0.5, 0.5, 0.5, 0.5, status=Status.RUNNING),
            run(course(0.5, 0.5, 0.5, 0.5)),
        ],
        WARNING,
        {"metric": "val/accuracy", "first": 0.5, "last": 0.5, "values": 4},
        "val/accuracy did not move: 0.5 from step 0 to 30",
    ),
    "still_improving": Case(
        other(LOSS, 6, 5, 4, 3, 2, 1),
        [
            other(LOSS, 6, 3, 2, 1.1, 1.01, 1),
            other(LOSS, 6, 5, 4, 3, 1, 2),
            other(LOSS, 6, 5, 4, 3, 2),
            other(ENERGY, 6, 5, 4, 3, 2, 1),
            other(LOSS, 6, 5, 4, 3, 2, 1, status=Status.ABORTED),
            run(course(0.1, 0.2, 0.3, 0.4, 0.5, 0.6)),
        ],
        NOTE,
        {"first": 6.0, "last_third": 2.0, "last": 1.0},
        "loss was still improving at the end, from 2 to 1 over the last third",
    ),
    "resumed": Case(
        other(resumes=(Resume(), Resume())),
        [other(), run(resumes=(Resume(),))],
        NOTE,
        {"resumes": 2},
        "resumed 2 times",
    ),
    "uncommitted_code": Case(
        other(git=GitFacts(commit="c" * 40, dirty=True, uncommitted=("a.py", "b.py"))),
        [other(git=GitFacts(commit="c" * 40)), other(), run(git=GitFacts(commit="c" * 40, dirty=True))],
        NOTE,
        {"commit": "c" * 40, "files": 2},
        "uncommitted changes in 2 files: `cccccccccc` is not the code that ran",
    ),
    "seed_differs": Case(
        other(ACCURACY, 0.5, 0.7, config={**LR, "seed": 2}, git=GitFacts(commit="c" * 40)),
        [
            other(ACCURACY, 0.5, 0.7, config={**LR, "seed": 2}),
            other(ACCURACY, 0.5, 0.7, config=LR),
            other(ACCURACY, 0.5, 0.7, config={**LR, "seed": 2, "lr": 0.2}),
            other(ACCURACY, 0.5, 0.7, config={**LR, "seed": 2}, data_digest="e" * 64),
            other(ACCURACY, 0.5, 0.7, config={**LR, "seeds": 2}),
            run(config={**LR, "seed": 2}),
        ],
        NOTE,
        {"other": FIRST.record.id, "keys": 1},
        f"nothing but the seed differs from `{FIRST.record.id}` (seed 1 -> 2)",
        others=[FIRST],
    ),
    "same_settings": Case(
        other(ACCURACY, 0.5, 0.7, config=LR),
        [
            other(ACCURACY, 0.5, 0.8, config=LR),
            other(ACCURACY, 0.5, 0.7, config={**LR, "seed": 2}),
            other(ACCURACY, 0.5, 0.7, config=LR, data_digest="e" * 64),
            other(ACCURACY, config=LR),
            other(ACCURACY, 0.5, 0.7, config=LR, day=0),
            run(config=LR),
        ],
        NOTE,
        {"value": 0.7, "other": FIRST.record.id, "value_of_other": 0.8},
        f"the same settings as `{FIRST.record.id}`: val/accuracy 0.7, there 0.8",
        others=[FIRST],
    ),
    "row_order": Case(
        run(day=5, stated={"row": 2}),
        [run(day=8, stated={"row": 2}), run(day=5)],
        NOTE,
        {"row": 2, "above": run(name="above", day=7).record.id},
        "started later",
        others=[run(name="above", day=7, stated={"row": 1})],
    ),
}
"""Rule -> where it fires and where it is silent. A rule that is not here fails `test_every_rule_has_its_case`."""

RULES = {rule.__name__: rule for rule in (*OWN, *AMONG)}


def log(case: Case, last: Logged) -> tuple[Entry, Siblings]:
    """The last run among the others, in the order of a source."""
    entries = sorted(map(entry_of, (*case.others, last)), key=lambda entry: (entry.record.start, entry.id))
    siblings = Siblings(entries, case.fixes, metrics=last.metrics, drawn=case.drawn)
    return siblings.by_id[last.record.id], siblings


def said(name: str, case: Case, last: Logged) -> list[Finding]:
    """What the rule itself says, asked directly."""
    rule = RULES[name]
    return list(rule(last)) if rule in OWN else list(rule(*log(case, last)))  # type: ignore[arg-type, call-arg]


def test_every_rule_has_its_case() -> None:
    assert set(CASES) == set(RULES)
    assert len(RULES) == len(OWN) + len(AMONG)


@pytest.mark.parametrize("name", CASES)
def test_a_rule_fires_once_under_its_own_name(name: str) -> None:
    case = CASES[name]
    (finding,) = said(name, case, case.fires)
    assert (finding.code, finding.severity) == (name, case.severity)
    assert {key: finding.evidence[key] for key in case.evidence} == case.evidence
    assert case.words in finding.sentence
    assert finding in diagnose(*log(case, case.fires))


@pytest.mark.parametrize("name", CASES)
def test_a_rule_is_silent_elsewhere(name: str) -> None:
    case = CASES[name]
    assert case.silent
    for last in case.silent:
        assert said(name, case, last) == []


@pytest.mark.parametrize("name", CASES)
def test_a_finding_is_one_sentence_with_its_numbers(name: str) -> None:
    case = CASES[name]
    (finding,) = said(name, case, case.fires)
    assert "\n" not in finding.sentence
    assert not finding.sentence.endswith(".")
    assert any(value is not None for value in finding.evidence.values())
    for value in finding.evidence.values():
        assert not isinstance(value, float) or math.isfinite(value)


def test_a_window_that_was_cut_short_is_a_warning() -> None:
    (finding,) = said(
        "swa_window", CASES["swa_window"], run(rows(names.SWA_AVERAGED_EPOCHS, [0, 0, 0, 0, 1]), config=SWA)
    )
    assert (finding.severity, finding.evidence["averaged_epochs"]) == (WARNING, 1)
    assert "not the 3 of the spec" in finding.sentence


def test_a_run_that_trained_on_and_was_tested_by_its_source_is_told() -> None:
    source = Source(run=PARENT, weights_digest=OTHER_WEIGHTS)
    tested = (result("val", 0.3), result("test", 0.4, weights_digest=OTHER_WEIGHTS))
    last = run(sources=(source,), epochs_trained=5, results=tested)
    (finding,) = said("test_of_other_weights", CASES["test_of_other_weights"], last)
    assert finding.evidence["weights_of"] == PARENT


def test_a_look_counts_the_weights_that_were_evaluated_before_it_by_any_run() -> None:
    first = run(name="first", day=1, evaluations=(evaluated(20, OTHER_WEIGHTS), evaluated(30, "c" * 64)))
    twice = run(name="twice", day=2, evaluations=(evaluated(21, OTHER_WEIGHTS), evaluated(22, OWN_WEIGHTS, "test")))
    case = CASES["external_evaluation"]._replace(others=[first])
    (finding,) = said("external_evaluation", case, twice)
    assert finding.sentence.count("look 1 at it") == 1, "the same weights again are no new look"
    assert finding.sentence.endswith("on `coach420.h5` (test), look 2 at it"), "what came later does not count"
    (before,) = said("external_evaluation", case._replace(others=[]), first)
    (after,) = said("external_evaluation", case._replace(others=[run(name="late", day=9)]), first)
    assert before == after


def test_equal_typed_numbers_count_only_between_relatives() -> None:
    case = CASES["test_equals_other_run"]._replace(others=[run(name="before", day=1, results=(typed("test", 0.4),))])
    relative = run(results=(typed("test", 0.4),), sources=(Source(run=PARENT),))
    assert [finding.evidence["other"] for finding in said("test_equals_other_run", case, relative)] == [PARENT]
    assert said("test_equals_other_run", case, run(results=(typed("test", 0.4),))) == []


def found_in(last: Logged, *others: Logged, drawn: DrawnOf = not_asked) -> dict[str, str]:
    """Code -> sentence of all that is said of a run among others."""
    entries = sorted(map(entry_of, (*others, last)), key=lambda entry: (entry.record.start, entry.id))
    siblings = Siblings(entries, metrics=last.metrics, drawn=drawn)
    return {finding.code: finding.sentence for finding in diagnose(siblings.by_id[last.record.id], siblings)}


@pytest.mark.parametrize(
    ("last", "code", "sentence"),
    [
        (other(LOSS, 2, 1, 1.06), "late_drift", "loss went from 1 (step 10) to 1.06 (step 20)"),
        (other(LOSS, 2, 1, 1.04), "late_drift", ""),
        (other(LOSS, 2, 1, 3), "collapse", "loss went far up from 1 (step 10) to 3 (step 20)"),
        (other(ACCURACY, 0.5, 0.9, 0.4), "collapse", "val/accuracy collapsed from 0.9 (step 10) to 0.4 (step 20)"),
        (other(ENERGY, 2, 1, 3), "collapse", ""),
        (other(ENERGY, 2, 1, 3), "late_drift", ""),
        (
            other(LOSS, 2, 1, *[1.01] * 8),
            "peaked_early",
            "loss was lowest early, at step 10 of 0 to 90",
        ),
        (other(LOSS, 1, *[1.01] * 8), "peaked_early", ""),
        (
            other(LOSS, 1, *[1.01] * 8),
            "no_progress",
            "loss was never lower than 1 at step 0, where it began",
        ),
        (other(LOSS, math.inf, 2, 1), "not_finite", "loss was inf at step 0"),
    ],
)
def test_a_course_is_told_by_the_goal_of_any_metric(last: Logged, code: str, sentence: str) -> None:
    assert found_in(last).get(code, "") == sentence


def test_epochs_are_named_where_each_value_has_one_of_its_own() -> None:
    rows = [{names.STEP: 7.0 * n, names.EPOCH: float(n), "loss": value} for n, value in enumerate((2, 1, 3))]
    told = Logged(record(wandb_id="w", metrics={"loss": 3.0}), rows, (LOSS,))
    assert found_in(told)["collapse"] == "loss went far up from 1 (epoch 1) to 3 (epoch 2)"
    twice = [{**row, names.EPOCH: 0.0} for row in rows]
    told = Logged(record(wandb_id="w", metrics={"loss": 3.0}), twice, (LOSS,))
    assert found_in(told)["collapse"] == "loss went far up from 1 (step 7) to 3 (step 14)"


def test_the_lowest_counts_where_that_is_the_goal_and_none_where_nobody_knows() -> None:
    before = [other(LOSS, 3.0, name="a", day=1), other(LOSS, 2.0, name="b", day=2), other(LOSS, 4.0, name="c", day=3)]
    assert found_in(other(LOSS, 1.0), *before)["highest_so_far"] == "lowest loss so far (2 before); not tested"
    assert "highest_so_far" not in found_in(other(LOSS, 2.5), *before)
    assert "highest_so_far" not in found_in(other(ENERGY, 9.0), other(ENERGY, 1.0, name="a", day=1))


def test_what_a_test_does_not_tell_apart_is_called_neither_better_nor_best() -> None:
    found = found_in(CHILD, BEFORE, drawn=beside_before(CHILD, error=0.02))
    assert found["not_distinguishable"] == (
        "val AUPRC +0.010 [-0.031, +0.051] and test AUPRC +0.030 [-0.011, +0.071] against the parent: "
        "not distinguishable"
    )
    assert found["highest_so_far"] == (
        "highest val AUPRC so far (0.300 before): +0.010 [-0.031, +0.051], not distinguishable"
    )
    assert not {"told_apart", "best_to_date"} & found.keys()


def test_many_children_of_a_parent_are_a_family() -> None:
    """The more are tried, the more often one lies apart by chance."""
    others = [run(name=f"c{day}", day=day, parent=PARENT, results=scored(0.3, 0.4)) for day in range(2, 9)]
    known = {one.record.id: {name.split: name.value for name in one.record.results} for one in (BEFORE, *others, CHILD)}
    alone = found_in(CHILD, BEFORE, drawn=drawn_as(known, error=0.012))
    assert "test AUPRC +0.030 [+0.006, +0.054]" in alone["told_apart"]
    among = found_in(CHILD, BEFORE, *others, drawn=drawn_as(known, error=0.012))
    assert "told_apart" not in among
    assert "against the parent, Holm over 8 runs of this parent: not distinguishable" in among["not_distinguishable"]


def test_val_and_test_disagree_where_how_far_they_lie_apart_leaves_its_interval() -> None:
    last = run(parent=PARENT, results=scored(0.31, 0.39))
    assert "val_test_disagree" in found_in(last, BEFORE, drawn=beside_before(last, error=0.001))
    assert "val_test_disagree" not in found_in(last, BEFORE, drawn=beside_before(last, error=0.02))
    far = run(parent=PARENT, results=scored(0.36, 0.38))
    assert "val_test_disagree" in found_in(far, BEFORE), "unpaired, it goes by how far they are apart"
    assert "val_test_disagree" not in found_in(far, BEFORE, drawn=beside_before(far, error=0.05))


def test_weights_of_the_parent_are_said_where_test_was_left_alone() -> None:
    sealed = {"results": scored(0.30, weights_digest=OTHER_WEIGHTS)}
    first = run(name="first", day=1, **sealed)
    assert found_in(run(**sealed, parent=first.record.id), first)["same_weights"] == (
        f"the same weights as `{first.record.id}`"
    )
    assert "same_weights" not in found_in(run(**sealed), first), "nobody has compared the two"


def test_another_seed_of_kags_own_is_said_beside_its_test() -> None:
    first = run(name="first", day=1, results=scored(0.30, 0.40, weights_digest=OTHER_WEIGHTS), config={"seed": 1})
    code = {"found": Found(code_digest="c" * 64)}
    last = run(results=scored(0.31, 0.43), config={"seed": 2}, parent=first.record.id, **code)
    known = {one.record.id: {name.split: name.value for name in one.record.results} for one in (first, last)}
    found = found_in(last, first, drawn=drawn_as(known, error=0.0005))
    assert found["told_apart"].startswith("val AUPRC +0.010")
    assert found["seed_differs"] == f"nothing but the seed differs from `{first.record.id}` (seed 1 -> 2)"


def test_a_seed_is_no_progress() -> None:
    seeds = [
        run(name=name, day=day, results=scored(value, weights_digest=str(day) * 64), config={"seed": day})
        for name, day, value in (("a", 1, 0.3), ("b", 2, 0.4))
    ]
    drawn = drawn_as({one.record.id: {"val": one.record.results[0].value} for one in seeds}, error=0.001)
    assert not {"best_to_date", "highest_so_far"} & found_in(seeds[1], seeds[0], drawn=drawn).keys()
    unknown = Logged(seeds[1].record.model_copy(update={"found": Found(code_digest="c" * 64)}), seeds[1].rows)
    found = found_in(unknown, seeds[0], drawn=drawn)
    assert "best_to_date" not in found, "nobody knows whether they are replicates"
    assert found["highest_so_far"].startswith("highest val AUPRC so far (0.300 before, by another seed alone): +0.100")


def test_rules_of_kag_are_silent_about_other_programs() -> None:
    """Another program means something else by the same names: entropy in nats, a clamp of its own, a number typed."""
    for name in sorted(rule.__name__ for rule in OF_KAG):
        case = CASES[name]
        fires = case.fires.record.model_copy(update={"wandb_id": "w", "stated": None, "kind": "train"})
        others = [Logged(one.record, one.rows) for one in case.others]
        assert name not in found_in(Logged(fires, case.fires.rows), *others)


def test_a_name_means_the_newest_earlier_run_of_that_name() -> None:
    runs = [entry_of(run(name="same", day=day, parent="same")) for day in (1, 2, 3)]
    siblings = Siblings(runs)
    assert [getattr(siblings.parent(entry), "id", None) for entry in runs] == [None, runs[0].id, runs[1].id]
    assert [entry.id for entry in runs if any(f.code == "unknown_parent" for f in diagnose(entry, siblings))] == [
        runs[0].id
    ]


def test_a_killed_run_of_another_program_was_still_improving_when_it_was_killed() -> None:
    killed = other(LOSS, 6, 5, 4, 3, 2, 1, status=Status.KILLED)
    (said,) = (one.sentence for one in entry_of(killed).findings if one.code == "still_improving")
    assert said == "loss was still improving when it was killed, from 2 to 1 over the last third"


def test_what_a_hand_kept_log_states_is_enough_where_it_gives_numbers() -> None:
    facts = {"observed": {"end": {names.ALPHA_MEAN: 0.98}}, "course": {"best": 0.313, "best_epoch": 9, "last": 0.138}}
    stated = run(kind="imported", stated=facts, config=PENALTY)
    codes = {finding.code for finding in entry_of(stated).findings}
    assert codes == {"gate_saturated", "penalty_inert", "collapse"}


numbers = st.floats(-1.0, 2.0) | st.just(math.nan)
keys = st.sampled_from(
    [names.OBJECTIVE, names.ALPHA_MEAN, names.ENTROPY, names.NORM_RATIO, names.SATURATED_SHARE, names.LR]
)
histories = st.lists(st.dictionaries(keys, numbers), max_size=30).map(
    lambda found: [{names.EPOCH: float(epoch), **row} for epoch, row in enumerate(found)]
)
specs = st.dictionaries(st.sampled_from([*PENALTY, *SWA, *STOPPING]), st.sampled_from([0, 0.15, 3])) | st.just(CLAMP)


@given(
    st.lists(st.dictionaries(st.sampled_from(["loss", "val/accuracy", names.EPOCH]), st.floats()), max_size=12),
    st.sampled_from(list(Status)),
)
def test_no_history_of_another_program_is_too_odd(history: Rows, status: Status) -> None:
    rows = [{names.STEP: float(n), **row} for n, row in enumerate(history)]
    last = {key: value for row in history for key, value in row.items()}
    runs = [
        entry_of(Logged(record(name, day, wandb_id=name, metrics=last, status=status), rows, (ACCURACY, LOSS, ENERGY)))
        for day, name in enumerate(("a", "b"))
    ]
    siblings = Siblings(runs, metrics=(ACCURACY, LOSS, ENERGY))
    for entry in runs:
        findings = diagnose(entry, siblings)
        assert len({finding.code for finding in findings}) == len(findings)
        for finding in findings:
            assert "\n" not in finding.sentence
            finding.model_dump_json()


@given(histories, specs, st.sampled_from(list(Status)))
def test_no_history_is_too_odd(history: Rows, spec: dict[str, Any], status: Status) -> None:
    entry = entry_of(Logged(record(status=status, config=spec), history))
    findings = diagnose(entry, Siblings([entry]))
    assert len({finding.code for finding in findings}) == len(findings)
    order = [list(Severity).index(finding.severity) for finding in findings]
    assert order == sorted(order)
