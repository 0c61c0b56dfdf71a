"""What every preflight rule must do: fire where it should, under its code and severity, and stay silent elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from kag.errors import SpecError
from kag.spec import Facts, Finding, RunSpec, Severity, build_spec, load_spec, preflight
from kag.spec.model import ModelSpec
from kag.spec.preflight import RULES, Rule
from tests.october import october

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
SPECS = sorted((Path(__file__).parents[2] / "runs" / "specs").rglob("*.yaml"))

Overrides = dict[str, Any]
CLOSED = {"model": ModelSpec().model_dump(mode="json"), "model.gate.kind": "closed"}
"""The defaults with the gate closed."""
SWA = {"swa.start": 60, "swa.window": 6, "swa.lr": 1e-6, "swa.anneal_epochs": 2, "early_stopping.patience": 70}
"""An averaging to which no rule objects."""


class Fires(NamedTuple):
    code: str
    severity: Severity
    overrides: Overrides
    evidence: Mapping[str, Any] = MappingProxyType({})
    """What the finding must rest on."""
    words: str = ""
    """What its sentence must say."""
    facts: Facts = Facts()


ONE_BATCH = Facts(batches_per_epoch=1)
OLD_CPU = Facts(device="cpu", formats=frozenset(), processes=1)


class Case(NamedTuple):
    fires: tuple[Fires, ...]
    silent: tuple[Overrides, ...]


def replay(**changes: Any) -> Overrides:
    return {"data.replay": {"indices": "/data/hard.json", **changes}}


CASES: dict[str, Case] = {
    "retired_keys": Case(
        (
            Fires(
                "retired_key",
                WARNING,
                {},
                {"keys": "data.workers, trainer.strategy"},
                "data.workers and trainer.strategy do nothing any more: ",
                Facts(retired=("data.workers", "trainer.strategy")),
            ),
        ),
        ({},),
    ),
    "heads_divide_width": Case(
        (
            Fires(
                "heads_divide_width",
                ERROR,
                {"model.attention.heads": 7},
                {"heads": 7, "width": 2400},
                "nearest widths are 2394 and 2401",
            ),
        ),
        ({}, {"model.attention.heads": 1, "model.attention.width": 7}, {"model.attention.heads": 2400}),
    ),
    "one_cycle_rises": Case(
        (Fires("one_cycle_falls", ERROR, {"optimizer.lr": 6e-4}, {"max_lr": 5e-4, "lr": 6e-4}),),
        ({}, {"optimizer.lr": 5e-4}, {"optimizer.lr": 6e-4, "optimizer.schedule.kind": "cosine"}),
    ),
    "warm_up_ends": Case(
        (
            Fires("warmup_too_long", ERROR, {"epochs": 2, "loss.warmup": {}}, {"warmup": 2, "epochs": 2}),
            Fires("warmup_too_long", ERROR, {**SWA, "loss.warmup": {"epochs": 66}}, {"warmup": 66, "epochs": 66}),
            Fires("warmup_without_effect", WARNING, {"loss.warmup": {"kind": "bce"}}),
        ),
        ({}, {"loss.warmup": {}}, {"epochs": 6, "loss.warmup": {}}, {"loss.warmup": {"epochs": 79}}),
    ),
    "schedule_warms_up": Case(
        (
            Fires(
                "lr_warmup_too_long",
                ERROR,
                {"epochs": 4, "optimizer.schedule.kind": "constant", "optimizer.schedule.warmup_epochs": 3.5},
                {"warmup": 3.5, "last_epoch": 3},
                "leaves no epoch at optimizer.lr",
            ),
        ),
        ({}, {"epochs": 4, "optimizer.schedule.kind": "cosine", "optimizer.schedule.warmup_epochs": 3}),
    ),
    "one_average": Case(
        (Fires("two_averages", ERROR, {**SWA, "ema": {}}, {}, "ema and swa both average the weights"),),
        ({}, SWA, {"ema": {"decay": 0.9}}),
    ),
    "ramps_end": Case(
        (
            Fires("ramp_past_end", WARNING, {"epochs": 15}, {"ramp_end": 15, "last_epoch": 14}, "context_scale"),
            Fires(
                "ramp_past_end", WARNING, {"loss.pos_weight": {"start": 1, "end": 9, "epochs": 90}}, {"ramp_end": 90}
            ),
            Fires("ramp_past_swa_start", WARNING, {**SWA, "swa.start": 14}, {"ramp_end": 15, "swa_start": 14}),
            Fires(
                "ramp_past_swa_start",
                WARNING,
                {**SWA, "model.auxiliary.weight.epochs": 61},
                {"ramp_end": 61},
                "model.auxiliary.weight still changes",
            ),
        ),
        (
            {},
            {"epochs": 16},
            {"epochs": 5, "model.gate.kind": "closed", "model.auxiliary": None},
            {**SWA, "swa.start": 15},
            {"loss.pos_weight": 45},
            {"model.auxiliary": None},
        ),
    ),
    "swa_window_fits": Case(
        (
            Fires(
                "swa_past_end", ERROR, {**SWA, "swa.window": 21}, {"start": 60, "window": 21, "epochs": 80}, "60 to 80"
            ),
            Fires("swa_window", NOTE, {**SWA, "swa.window": 20}, {"start": 60, "window": 20}, "60 to 79"),
            Fires(
                "swa_window",
                NOTE,
                {**SWA, "swa.window": 20, "early_stopping.patience": 18},
                {},
                "ends with epoch 79, or once the average has not risen for 18 epochs",
            ),
        ),
        ({},),
    ),
    "swa_reachable": Case(
        (
            Fires("swa_unreachable", WARNING, {**SWA, "early_stopping.patience": 59}, {"needed": 1, "early": 0}),
            Fires(
                "swa_unreachable",
                WARNING,
                {**SWA, "early_stopping.patience": 15},
                {"needed": 45, "patience": 15, "start": 60, "early": 2},
                "2 of 3 earlier runs peaked before that",
                Facts(sibling_best_epochs=(20, 44, 45)),
            ),
        ),
        ({}, {**SWA, "early_stopping.patience": 60}, {**SWA, "early_stopping": None}),
    ),
    "swa_learning_rate": Case(
        (
            Fires("swa_lr_near_peak", WARNING, {**SWA, "swa.start": 26}, {}, "94% of its peak 0.0005"),
            Fires("swa_raises_lr", WARNING, {**SWA, "swa.lr": 2e-4}, {"swa_lr": 2e-4}),
            Fires("swa_anneal_outlasts_window", NOTE, {**SWA, "swa.anneal_epochs": 6}, {"anneal": 6, "window": 6}),
        ),
        ({}, SWA, {**SWA, "optimizer.schedule.kind": "constant", "swa.start": 26}),
    ),
    "stopping_before_peak": Case(
        (Fires("patience_before_lr_peak", NOTE, {}, {"patience": 15, "peak_epoch": 16.0}),),
        ({"early_stopping.patience": 16}, {"early_stopping": None}, {"optimizer.schedule.kind": "cosine"}),
    ),
    "accumulation_fits": Case(
        (
            Fires(
                "accumulate_past_epoch",
                WARNING,
                {"trainer.accumulate": 1000},
                {"accumulate": 1000, "batches": 11},
                "trainer.accumulate = 1000 is more than an epoch has: it makes one optimizer step of 11 batches",
                Facts(batches_per_epoch=11),
            ),
            Fires("accumulate_past_epoch", WARNING, {"trainer.accumulate": 2}, {}, "of 1 batch", ONE_BATCH),
        ),
        ({"trainer.accumulate": 1000},),
    ),
    "norm_fits_grouping": Case(
        (
            Fires(
                "batch_norm_by_protein",
                WARNING,
                {"data.grouping": "protein"},
                {},
                "normalises each batch over one or a few proteins",
            ),
        ),
        ({}, {"data.grouping": "residue"}, {"data.grouping": "protein", "model.norm": "layer"}),
    ),
    "residues_mix_in_batches": Case(
        (
            Fires(
                "batch_norm_by_residue",
                WARNING,
                {"data.grouping": "residue", "data.batch_size": 18},
                {"points": 18, "batch_size": 18},
                "one has 18 points, data.batch_size is 18",
                Facts(points_of_residue=18),
            ),
        ),
        ({"data.grouping": "residue", "data.batch_size": 2},),
    ),
    "precision_has_units": Case(
        (
            Fires(
                "tf32_without_units",
                WARNING,
                {"trainer.precision": "tf32"},
                {"device": "cpu"},
                "changes nothing on this device (cpu): it computes in 32 bits",
                OLD_CPU,
            ),
            Fires(
                "bf16_without_units",
                WARNING,
                {"trainer.precision": "bf16-mixed"},
                {"device": "cpu"},
                "without them a step takes 3.2 times as long as in 32 bits; take trainer.precision = 32-true",
                OLD_CPU,
            ),
            Fires(
                "bf16_without_units",
                WARNING,
                {"trainer.precision": "bf16-mixed"},
                {"device": "Tesla V100"},
                "is of an earlier compute capability",
                Facts(device="Tesla V100", formats=frozenset(), processes=1),
            ),
        ),
        ({"trainer.precision": "tf32"}, {"trainer.precision": "bf16-mixed"}),
    ),
    "batch_norm_over_processes": Case(
        (
            Fires(
                "sync_batchnorm_on_cpu",
                ERROR,
                {"trainer.sync_batchnorm": True},
                {"device": "cpu"},
                "torch has no such normalisation for the CPU",
                Facts(device="cpu", processes=2),
            ),
        ),
        ({}, {"trainer.sync_batchnorm": True}),
    ),
    "gate_can_move": Case(
        (
            Fires("penalty_without_gate", ERROR, {"model.gate.kind": "fixed"}),
            Fires("penalty_without_gate", ERROR, {"model.gate.kind": "closed", "model.auxiliary": None}),
            Fires("auxiliary_without_neighbours", ERROR, {"model.gate.kind": "closed", "model.gate.penalty.weight": 0}),
            Fires(
                "gate_outside_clamp",
                WARNING,
                {"model.gate.clamp": [0.3, 0.6]},
                {"value": 0.6, "low": 0.3, "high": 0.6},
                "penalty.target",
            ),
            Fires(
                "gate_outside_clamp",
                WARNING,
                {"model.gate.clamp": [0.55, 0.7], "model.gate.penalty.weight": 0},
                {"value": 0.5},
                "initial",
            ),
        ),
        (
            {},
            {"model.gate.kind": "fixed", "model.gate.penalty.weight": 0},
            {"model.gate.kind": "closed", "model.gate.penalty.weight": 0, "model.auxiliary": None},
            {"model.gate.clamp": [0.3, 0.7]},
            {"model.gate.clamp": [0.3, 0.6], "model.gate.penalty.weight": 0},
        ),
    ),
    "replay_fits": Case(
        (
            Fires("replay_longer_than_period", ERROR, replay(period=2, length=3)),
            Fires("replay_never_active", WARNING, replay(until=0), {}, "0 to 79"),
            Fires("replay_never_active", WARNING, replay(period=100)),
            Fires("replay_inside_swa", WARNING, {**SWA, **replay()}, {}, "until = 60"),
        ),
        ({}, replay(), replay(period=5, length=5), {**SWA, **replay(until=60)}),
    ),
    "settings_without_effect": Case(
        (
            Fires("no_effect", WARNING, {"loss.gamma": 1.0}, {"key": "loss.gamma"}),
            Fires("no_effect", WARNING, {"loss.margin": 0.1, "loss.kind": "focal"}, {"key": "loss.margin"}),
            Fires(
                "no_effect",
                WARNING,
                {"optimizer.schedule.kind": "cosine", "optimizer.schedule.max_lr": 1e-3},
                {"key": "optimizer.schedule.max_lr"},
            ),
            Fires(
                "no_effect",
                WARNING,
                {"optimizer.schedule.kind": "constant", "optimizer.schedule.pct_start": 0.3},
                {"key": "optimizer.schedule.pct_start"},
            ),
            Fires(
                "no_effect",
                WARNING,
                {"model.gate.penalty.weight": 0, "model.gate.penalty.target": 0.5},
                {"key": "model.gate.penalty.target"},
            ),
            Fires(
                "no_effect",
                WARNING,
                {"model.gate.dropout.rate": 0, "model.gate.dropout.target": 0.5},
                {"key": "model.gate.dropout.target"},
            ),
            Fires(
                "no_effect",
                WARNING,
                {"model.gate.kind": "fixed", "model.gate.temperature": 2.0},
                {"key": "model.gate.temperature"},
            ),
            Fires("no_effect", WARNING, {"model.gate.context_scale": 0}, {"key": "every key of model.attention"}),
            Fires(
                "no_effect",
                WARNING,
                {"optimizer.schedule.warmup_epochs": 2},
                {"key": "optimizer.schedule.warmup_epochs"},
                "the one-cycle begins at optimizer.lr",
            ),
        ),
        (
            {},
            {"model.gate.kind": "closed", "model.gate.penalty.weight": 0, "model.auxiliary": None},
            {"loss.gamma": 1.0, "loss.kind": "focal"},
            {"loss.gamma": 1.0, "loss.warmup": {}},
            {"loss.margin": 0.1, "loss.warmup": {"kind": "asymmetric"}},
            {"optimizer.schedule.max_lr": 1e-3},
        ),
    ),
    "behind_a_closed_gate": Case(
        (
            Fires(
                "behind_closed_gate", NOTE, {**CLOSED, "model.attention.layers": 2}, {"keys": "model.attention.layers"}
            ),
            Fires(
                "behind_closed_gate",
                NOTE,
                {**CLOSED, "model.gate.dropout.rate": 0.1},
                {"keys": "model.gate.dropout.rate"},
            ),
            Fires(
                "behind_closed_gate",
                NOTE,
                {"model.gate.kind": "closed", "model.gate.penalty.weight": 0, "model.auxiliary": None},
                {},
                "reads model.attention.heads, model.attention.layers and 14 more",
            ),
        ),
        (CLOSED, {}, {"model.attention.layers": 3}),
    ),
}
"""Rule -> where it fires and where it is silent. A rule that is not here fails `test_every_rule_has_its_cases`."""

NAMES = {rule.__name__: rule for rule in RULES}


def spec(overrides: Overrides) -> RunSpec:
    return build_spec(october({"name": "x", "data": {"file": "/data/a.h5"}}), overrides)


def found(rule: Rule, overrides: Overrides, facts: Facts | None = None) -> list[Finding]:
    return list(rule(spec(overrides), facts or Facts()))


def test_every_rule_has_its_cases() -> None:
    assert set(CASES) == set(NAMES)
    assert all(case.fires and case.silent for case in CASES.values())


@pytest.mark.parametrize(
    ("name", "case"),
    [(name, fires) for name, case in CASES.items() for fires in case.fires],
    ids=lambda v: getattr(v, "code", v),
)
def test_a_rule_fires(name: str, case: Fires) -> None:
    findings = [one for one in found(NAMES[name], case.overrides, case.facts) if one.code == case.code]
    fitting = [one for one in findings if case.evidence.items() <= one.evidence.items() and case.words in one.sentence]
    assert fitting, findings
    assert {one.severity for one in findings} == {case.severity}
    assert fitting[0] in preflight(spec(case.overrides), case.facts)


@pytest.mark.parametrize(
    ("name", "overrides"), [(name, silent) for name, case in CASES.items() for silent in case.silent], ids=str
)
def test_a_rule_is_silent(name: str, overrides: Overrides) -> None:
    assert [one for one in found(NAMES[name], overrides) if one.code != "swa_window"] == []


@pytest.mark.parametrize("name", NAMES)
def test_findings_name_keys_or_numbers_and_are_one_sentence(name: str) -> None:
    for case in CASES[name].fires:
        for finding in found(NAMES[name], case.overrides, case.facts):
            assert "\n" not in finding.sentence
            assert not finding.sentence.endswith(".")
            for value in finding.evidence.values():
                assert value is None or isinstance(value, (int, float, str))


@given(st.lists(st.sampled_from([fires.overrides for case in CASES.values() for fires in case.fires]), max_size=4))
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
def test_preflight_is_the_sum_of_its_rules_errors_first(chosen: list[Overrides]) -> None:
    overrides = {key: value for one in chosen for key, value in one.items()}
    try:
        run = spec(overrides)
    except SpecError:  # one may have no such part, and the next a number of it
        reject()
    findings = preflight(run)
    assert sorted(map(repr, findings)) == sorted(repr(one) for rule in RULES for one in rule(run, Facts()))
    order = [list(Severity).index(finding.severity) for finding in findings]
    assert order == sorted(order)


def test_the_october_26_swa_spec_is_told_what_went_unseen() -> None:
    overrides = {"swa": {"start": 26, "window": 6}, "early_stopping.patience": 15}
    codes = {finding.code for finding in preflight(spec(overrides), Facts(sibling_best_epochs=(4, 9)))}
    assert {"swa_unreachable", "swa_lr_near_peak", "swa_window"} <= codes


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_shipped_spec_may_be_trained(path: Path) -> None:
    assert [finding.sentence for finding in preflight(load_spec(path)) if finding.severity is ERROR] == []


def test_there_are_shipped_specs() -> None:
    assert {"demo", "sites", "oct17"} <= {path.stem for path in SPECS}


@pytest.mark.parametrize(("accumulate", "batches"), [(11, 11), (3, 11), (1, 1), (2, 0), (2, None)])
def test_accumulation_that_fits_an_epoch_is_silent(accumulate: int, batches: int | None) -> None:
    facts = Facts(batches_per_epoch=batches)
    assert found(NAMES["accumulation_fits"], {"trainer.accumulate": accumulate}, facts) == []


@pytest.mark.parametrize(
    ("overrides", "facts"),
    [
        ({"trainer.precision": "tf32"}, Facts(device="A100", formats=frozenset(["bf16", "tf32"]))),
        ({"trainer.precision": "bf16-mixed"}, Facts(device="cpu", formats=frozenset(["bf16"]))),
        ({"trainer.precision": "bf16-mixed"}, Facts(device="cpu", formats=None)),
        ({"trainer.precision": "16-mixed"}, OLD_CPU),
        ({}, OLD_CPU),
    ],
)
def test_a_format_with_units_or_of_an_unknown_device_is_silent(overrides: Overrides, facts: Facts) -> None:
    assert found(NAMES["precision_has_units"], overrides, facts) == []


def test_synchronised_normalisation_of_one_process_or_of_layers_has_no_effect() -> None:
    rule, wanted = NAMES["batch_norm_over_processes"], {"trainer.sync_batchnorm": True}
    [alone] = found(rule, wanted, Facts(device="A100", processes=1))
    [layers] = found(rule, {**wanted, "model.norm": "layer"}, Facts(device="cpu", processes=2))
    assert (alone.code, layers.code, alone.severity) == ("no_effect", "no_effect", WARNING)
    assert found(rule, wanted, Facts(device="A100", processes=2)) == []


@pytest.mark.parametrize(("most", "norm"), [(17, "batch"), (18, "layer"), (None, "batch")])
def test_batches_of_several_residues_are_silent(most: int | None, norm: str) -> None:
    overrides = {"data.grouping": "residue", "data.batch_size": 18, "model.norm": norm}
    assert found(NAMES["residues_mix_in_batches"], overrides, Facts(points_of_residue=most)) == []
