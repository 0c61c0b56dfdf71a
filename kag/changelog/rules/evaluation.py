"""Whether a number is what it seems: whose weights, which split, chosen on what, and how sure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kag.changelog.entry import Entry
from kag.changelog.siblings import Siblings
from kag.changelog.tested import AgainstParent
from kag.compare.comparison import COMPARED, Comparison, Difference, chosen_on_test, on_other_data
from kag.compare.groups import seeds_text
from kag.compare.paired import Unpaired
from kag.compare.wording import tested_text
from kag.finding import Evidence, Finding, error, note, warning
from kag.names import ALL
from kag.text import digest as short
from kag.text import three_decimals
from kag.view.results import interval

APART = 0.05
"""Difference between how far val moved and how far test moved that counts as disagreement where none can be tested."""
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
    """The same test number, to the last digit, as an earlier run on the same data, by other weights."""
    for other in siblings.same_test(entry):
        if other.id == entry.id:
            return
        if on_other_data(entry.record, other.record) or _same_weights(entry, other):
            continue
        if (_measured(entry) and _measured(other)) or _related(entry, other, siblings):
            said = f"the test number is that of `{other.id}`"
            yield warning("test_equals_other_run", said, test=entry.value("test"), other=other.id)
            return


def same_weights(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """The weights that were tested are those of an earlier run, so that nothing can differ."""
    earlier = (other for other in siblings.same_test(entry) if other.id != entry.id)
    other = next((one for one in earlier if one.record.start <= entry.record.start and _same_weights(entry, one)), None)
    if other is not None:
        yield note("same_weights", f"the same weights as `{other.id}`", other=other.id)


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
    """The difference from the parent may be nothing: its paired interval holds zero; or, where nothing is paired, the
    interval of one of them holds the other one's number.
    """
    compared = siblings.against_parent(entry)
    if compared is None or not compared.same_data or compared.same_weights:
        return
    if tests := _tests(entry, siblings):
        if alike := {split: one for split, one in tests.items() if not one.apart}:
            said = f"{_against_parent(alike, compared)}: not distinguishable"
            yield note("not_distinguishable", said, **_numbers(alike))
        return
    for found in (compared.difference("test"), compared.difference("val")):
        if found is None:
            continue
        if (width := found.inside) is not None:
            values = (found.after.value, found.before.value, width.low, width.high)
            own, other, low, high = map(three_decimals, values)
            said = f"{found.split} AUPRC {own} against {other} of the parent: not distinguishable"
            numbers: Evidence = dict(zip(("value", "parent", "ci_low", "ci_high"), values, strict=True))
            yield note("not_distinguishable", f"{said} (95 % interval {low} to {high}; unpaired)", **numbers)
        if found.measured:
            return


def told_apart(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """A paired test tells the run apart from its parent."""
    compared = siblings.against_parent(entry)
    apart = {split: one for split, one in _tests(entry, siblings).items() if one.apart}
    if compared is not None and apart:
        yield note("told_apart", _against_parent(apart, compared), **_numbers(apart))


def val_test_disagree(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """Against the parent, val moved and test did not go with it: the interval of how far the two moves lie apart leaves
    zero out. Where nothing is paired, they lie far apart, and a move inside an interval is none.
    """
    parent, compared = siblings.parent(entry), siblings.against_parent(entry)
    if parent is None or compared is None or _withheld(entry) or _withheld(parent):
        return
    val, test = compared.difference("val"), compared.difference("test")
    if val is None or test is None:
        return
    if _disagree(entry, siblings, val, test):
        doubt = "" if compared.same_data else " (whether on the same data is not known)"
        said = f"against the parent val AUPRC changed by {val.change:+.3f}, test AUPRC by {test.change:+.3f}{doubt}"
        yield warning("val_test_disagree", said, val_change=val.change, test_change=test.change)


def _tests(entry: Entry, siblings: Siblings) -> dict[str, AgainstParent]:
    """What could be tested against the parent, by split, val first."""
    found = {split: siblings.tested(entry, split) for split in COMPARED}
    return {split: one for split, one in found.items() if one is not None and not isinstance(one, Unpaired)}


def _against_parent(tests: Mapping[str, AgainstParent], compared: Comparison) -> str:
    texts = (f"{split} AUPRC {tested_text('auprc', one.difference)}" for split, one in tests.items())
    return f"{' and '.join(texts)} against the parent{seeds_text(compared)}{next(iter(tests.values())).among}"


def _numbers(tests: Mapping[str, AgainstParent]) -> Evidence:
    found: Evidence = {}
    for split, one in tests.items():
        held = one.difference.interval
        found |= {f"{split}_change": one.difference.value, f"{split}_family": one.family}
        found |= {f"{split}_low": held.low, f"{split}_high": held.high} if held else {}
    return found


def _disagree(entry: Entry, siblings: Siblings, val: Difference, test: Difference) -> bool:
    tests = _tests(entry, siblings)
    if len(tests) < len(COMPARED):
        on_val, on_test = (0.0 if one.inside else one.change for one in (val, test))
        return abs(on_val - on_test) > APART
    from kag.stats.paired import independent_difference

    return independent_difference(*(tests[split].difference for split in COMPARED)).told_apart


def _same_weights(entry: Entry, other: Entry) -> bool:
    digests = [getattr(one.auprc("test"), "weights_digest", None) for one in (entry, other)]
    return digests[0] is not None and digests[0] == digests[1]


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
