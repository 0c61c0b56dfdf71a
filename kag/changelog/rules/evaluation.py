"""Whether a number is what it seems: whose weights, which split, chosen on what, and how sure."""

from __future__ import annotations

from collections.abc import Iterator

from kag.changelog.entry import Entry
from kag.changelog.siblings import Siblings
from kag.compare.comparison import chosen_on_test, on_other_data
from kag.finding import Evidence, Finding, error, note, warning
from kag.names import ALL
from kag.text import digest as short
from kag.text import three_decimals
from kag.view.results import interval

APART = 0.05
"""Difference between how far val moved and how far test moved that counts as disagreement."""
TYPED_DECIMALS = 3
"""Decimals of a hand-kept log."""


def test_of_other_weights(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """The test number was computed on weights that are not this run's."""
    found = _tested(entry, siblings)
    if found is not None:
        run, what = found
        said = f"the test number belongs to other weights: {what}"
        yield error("test_of_other_weights", said, test=entry.value("test"), weights_of=run)


def test_equals_other_run(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """The same test number, to the last digit, as an earlier run on the same data."""
    for other in siblings.same_test(entry):
        if other.id == entry.id:
            return
        if on_other_data(entry.record, other.record):
            continue
        if (_measured(entry) and _measured(other)) or _related(entry, other, siblings):
            said = f"the test number is that of `{other.id}`"
            yield warning("test_equals_other_run", said, test=entry.value("test"), other=other.id)
            return


def selected_on_test(entry: Entry, _: Siblings) -> Iterator[Finding]:
    """The weights were chosen by looking at the test set."""
    if on_test := chosen_on_test(entry.record):
        said = f"selected on {on_test}: the test number is no estimate for unseen proteins"
        yield error("selected_on_test", said, test=entry.value("test"), selected_on=on_test)


def external_evaluation(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """Weights of the run were evaluated on another file, an external benchmark; looks at it by any run are counted."""
    said: list[str] = []
    evidence: Evidence = {}
    for evaluation in entry.record.evaluations:
        auprc = next((one for one in evaluation.results if one.metric == "auprc"), None)
        if auprc is None:
            continue
        rows = "" if auprc.split == ALL else f" ({auprc.split})"
        looks = siblings.looks(evaluation)
        said.append(
            f"AUPRC {three_decimals(auprc.value)} {interval(auprc)} on `{evaluation.file}`{rows}, look {looks} at it"
        )
        evidence |= {f"{evaluation.file}{rows}": auprc.value, f"looks at {evaluation.file}": looks}
    if said:
        yield note("external_evaluation", "; ".join(said), **evidence)


def val_typed_as_test(entry: Entry, _: Siblings) -> Iterator[Finding]:
    """In a hand-kept log: the number in the test cell is a val number of the same run."""
    test, course = entry.auprc("test"), entry.course
    if test is None or entry.record.kind != "imported" or test.weights is not None:
        return
    for word, value in (("last", course.last), ("best", course.best)):
        if value is not None and round(value, TYPED_DECIMALS) == round(test.value, TYPED_DECIMALS):
            said = f"the {three_decimals(test.value)} in the test cell is the {word} val AUPRC of this run"
            yield error("val_typed_as_test", said, stated_as_test=test.value, val=value)
            return


def not_distinguishable(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """The difference from the parent lies inside the interval of one of them."""
    compared = siblings.against_parent(entry)
    if compared is None or not compared.same_data:
        return
    for found in (compared.difference("test"), compared.difference("val")):
        if found is None:
            continue
        if (width := found.inside) is not None:
            values = (found.after.value, found.before.value, width.low, width.high)
            own, other, low, high = map(three_decimals, values)
            said = f"{found.split} AUPRC {own} against {other} of the parent: not distinguishable"
            numbers: Evidence = dict(zip(("value", "parent", "ci_low", "ci_high"), values, strict=True))
            yield note("not_distinguishable", f"{said} (95 % interval {low} to {high})", **numbers)
        if found.measured:
            return


def val_test_disagree(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """Against the parent, val moved and test did not go with it. A move inside an interval is none."""
    parent, compared = siblings.parent(entry), siblings.against_parent(entry)
    if parent is None or compared is None or _withheld(entry) or _withheld(parent):
        return
    val, test = compared.difference("val"), compared.difference("test")
    if val is None or test is None:
        return
    on_val, on_test = (0.0 if one.inside else one.change for one in (val, test))
    if abs(on_val - on_test) > APART:
        doubt = "" if compared.same_data else " (whether on the same data is not known)"
        said = f"against the parent val AUPRC changed by {val.change:+.3f}, test AUPRC by {test.change:+.3f}{doubt}"
        yield warning("val_test_disagree", said, val_change=val.change, test_change=test.change)


def _tested(entry: Entry, siblings: Siblings) -> tuple[str, str] | None:
    """Run that the tested weights are of, and words for them; None if they are this run's or nobody knows."""
    tested = entry.record.stated.tested if entry.record.stated else None
    if tested is not None and tested.run != entry.id:
        checkpoint = f" ({tested.checkpoint})" if tested.checkpoint else ""
        return tested.run, f"those of `{tested.run}`{checkpoint}"
    digest = getattr(entry.auprc("test"), "weights_digest", None)
    if digest is None:
        return None
    own = {checkpoint.weights_digest for checkpoint in entry.record.checkpoints.values()}
    own |= {result.weights_digest for result in entry.record.results if result.split == "val" and result.weights_digest}
    source = next((source for source in entry.record.sources if source.weights_digest == digest), None)
    if source is not None and entry.record.epochs_done > 0:
        return source.run, f"those it started from, of `{source.run}`"
    if not own or digest in own:
        return None
    owner = siblings.of_weights(digest)
    return (owner.id, f"those of `{owner.id}`") if owner else (digest, f"none of this run's ({short(digest)})")


def _withheld(entry: Entry) -> bool:
    return any(True for _ in val_typed_as_test(entry, Siblings()))


def _measured(entry: Entry) -> bool:
    """Whether the test number has all its digits: a typed one is equal to others by chance."""
    result = entry.auprc("test")
    return result is not None and result.weights_digest is not None


def _related(entry: Entry, other: Entry, siblings: Siblings) -> bool:
    origins = siblings.origins(entry)
    return other.id in origins or bool(origins & siblings.origins(other))
