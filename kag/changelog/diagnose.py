"""Every rule, and `diagnose`: what they say about a run.

A rule is a pure function, named like the code of its finding, and fires at most once on a run. Rules of a run's own
look at its record and history; rules among runs look at the others too, by what remains of their histories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from kag.changelog.entry import Entry
from kag.changelog.logged import Logged
from kag.changelog.rules import attention, averaging, course, ending, evaluation, gate, lineage, progress, repeats
from kag.changelog.siblings import Siblings
from kag.finding import Finding, gravest_first
from kag.view.metrics import OWN as OWN_METRICS
from kag.view.metrics import Metric
from kag.view.results import measured_column

OwnRule = Callable[[Logged], Iterator[Finding]]
AmongRule = Callable[[Entry, Siblings], Iterator[Finding]]

OWN: tuple[OwnRule, ...] = (
    averaging.swa_never_started,
    lineage.patience_restored,
    lineage.resume_changed_spec,
    progress.not_finite,
    progress.no_progress,
    course.collapse,
    course.late_drift,
    course.peaked_early,
    progress.still_improving,
    averaging.swa_window,
    averaging.average_below_snapshot,
    gate.gate_settled,
    gate.gate_drifting,
    gate.gate_saturated,
    gate.gate_at_clamp,
    gate.penalty_inert,
    attention.entropy_rose,
    attention.entropy_fell,
    attention.entropy_collapsed,
    attention.context_norm_ratio,
    ending.results_of_former_end,
    ending.results_before_resume,
    lineage.resumed,
    lineage.trained_again,
    lineage.uncommitted_code,
    ending.caveat,
)
"""Rules of a run's own."""

AMONG: tuple[AmongRule, ...] = (
    ending.aborted,
    evaluation.test_of_other_weights,
    evaluation.selected_on_test,
    evaluation.val_typed_as_test,
    evaluation.test_equals_other_run,
    evaluation.same_weights,
    lineage.unknown_parent,
    lineage.parent_settings_unknown,
    evaluation.val_test_disagree,
    ending.best_to_date,
    ending.highest_so_far,
    repeats.seed_differs,
    repeats.same_settings,
    evaluation.told_apart,
    evaluation.not_distinguishable,
    evaluation.external_evaluation,
    gate.penalty_without_effect,
    lineage.row_order,
)
"""Rules among runs."""

OF_KAG: frozenset[OwnRule | AmongRule] = frozenset(
    {
        *(averaging.swa_never_started, averaging.swa_window, averaging.average_below_snapshot),
        *(gate.gate_settled, gate.gate_drifting, gate.gate_saturated, gate.gate_at_clamp, gate.penalty_inert),
        *(attention.entropy_rose, attention.entropy_fell, attention.entropy_collapsed, attention.context_norm_ratio),
        *(lineage.patience_restored, ending.results_of_former_end, ending.caveat),
        *(evaluation.test_of_other_weights, evaluation.selected_on_test, evaluation.val_typed_as_test),
        *(evaluation.test_equals_other_run, evaluation.same_weights, evaluation.val_test_disagree),
        *(evaluation.told_apart, evaluation.not_distinguishable),
        *(evaluation.external_evaluation, gate.penalty_without_effect, lineage.row_order),
    }
)
"""Rules that need kag's own facts: another program may mean something else by the same name."""


OF_GROUP: frozenset[AmongRule] = frozenset(
    {
        *(evaluation.val_test_disagree, evaluation.told_apart, evaluation.not_distinguishable),
        *(ending.best_to_date, ending.highest_so_far, lineage.parent_settings_unknown),
    }
)
"""Rules that look at the means of replicates, where a run has some: what they say is the same for each of these."""


def own_findings(run: Logged) -> tuple[Finding, ...]:
    """What a record and its history say by themselves."""
    rules = (rule for rule in OWN if not (run.record.is_foreign and rule in OF_KAG))
    return tuple(finding for rule in rules for finding in rule(run))


def entry_of(run: Logged, notes: str = "") -> Entry:
    """A run as the change log holds it; its history is not needed any more."""
    return Entry(run.record, run.course, own_findings(run), notes, run.former, run.courses)


def values_of(run: Logged) -> dict[Metric, float | None]:
    """What stands for a run of another program, by the metrics that count; of kag's own runs typed results say it."""
    entry = Entry(run.record, courses=run.courses)
    return {one: entry.measured(one) for one in run.metrics if one not in OWN_METRICS} if run.record.is_foreign else {}


def values_side_by_side(runs: Sequence[Logged]) -> dict[str, tuple[str, ...]]:
    """`val/accuracy (highest)` -> the value of each run, `-` of kag's own."""
    found = [values_of(run) for run in runs]
    metrics = dict.fromkeys(metric for one in found for metric in one)
    return {
        metric.label: measured_column(metric.name, [one.get(metric) for one in found])
        for metric in metrics
        if any(one.get(metric) is not None for one in found)
    }


def among_findings(entry: Entry, siblings: Siblings, rules: Iterable[AmongRule] = AMONG) -> list[Finding]:
    """What is said of a run with a look at the others, by all rules among runs or some of them."""
    known = (rule for rule in rules if not (entry.record.is_foreign and rule in OF_KAG))
    return [finding for rule in known for finding in rule(entry, siblings)]


def diagnose(entry: Entry, siblings: Siblings) -> list[Finding]:
    """Every finding about a run, the gravest first."""
    return gravest_first([*among_findings(entry, siblings), *entry.findings])
