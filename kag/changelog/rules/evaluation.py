"""Whether a number is what it seems: whose weights, which split, chosen on what, and how sure."""

from __future__ import annotations

from collections.abc import Iterator

from kag.changelog.entry import Entry, Siblings
from kag.finding import Finding, error, note, warning
from kag.text import digest as short
from kag.text import three_decimals
from kag.track.record import Result

APART = 0.05
"""Difference between how far val moved and how far test moved that counts as disagreement."""
TYPED_DECIMALS = 3
"""Decimals of a hand-kept log."""


def test_of_other_weights(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """The test number was computed on weights that are not this run's."""
    found = _tested(entry, siblings)
    if found is not None:
        run, what = found
        yield error(
            "test_of_other_weights",
            f"the test number belongs to other weights: {what}",
            test=entry.value("test"),
            weights_of=run,
        )


def test_equals_other_run(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """The same test number, to the last digit, as an earlier run."""
    for other in siblings.same_test(entry):
        if other.id == entry.id:
            return
        if (_measured(entry) and _measured(other)) or _related(entry, other, siblings):
            yield warning(
                "test_equals_other_run",
                f"the test number is that of `{other.id}`",
                test=entry.value("test"),
                other=other.id,
            )
            return


def selected_on_test(entry: Entry, _: Siblings) -> Iterator[Finding]:
    """The weights were chosen by looking at the test set."""
    for result in entry.record.results:
        if (result.selected_on or "").startswith("test/"):
            yield error(
                "selected_on_test",
                f"selected on {result.selected_on}: the test number is no estimate for unseen proteins",
                test=entry.value("test"),
                selected_on=result.selected_on,
            )
            return


def val_typed_as_test(entry: Entry, _: Siblings) -> Iterator[Finding]:
    """In a hand-kept log: the number in the test cell is a val number of the same run."""
    test, course = entry.auprc("test"), entry.course
    if test is None or entry.record.kind != "imported" or test.weights is not None:
        return
    for word, value in (("last", course.last), ("best", course.best)):
        if value is not None and round(value, TYPED_DECIMALS) == round(test.value, TYPED_DECIMALS):
            yield error(
                "val_typed_as_test",
                f"the {three_decimals(test.value)} in the test cell is the {word} val AUPRC of this run",
                stated_as_test=test.value,
                val=value,
            )
            return


def not_distinguishable(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """The difference from the parent lies inside the interval of one of them."""
    parent = siblings.parent(entry)
    for split in ("test", "val"):
        own, other = entry.auprc(split), parent.auprc(split) if parent else None
        if parent is None or own is None or other is None or not _same_data(entry, parent):
            continue
        width = _interval(own, other) or _interval(other, own)
        if width is not None:
            yield note(
                "not_distinguishable",
                f"{split} AUPRC {three_decimals(own.value)} against {three_decimals(other.value)} of the parent: "
                f"not distinguishable (95 % interval {three_decimals(width[0])} to {three_decimals(width[1])})",
                value=own.value,
                parent=other.value,
                ci_low=width[0],
                ci_high=width[1],
            )
        if own.ci_low is not None:
            return


def val_test_disagree(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """Against the parent, val moved and test did not go with it. A move inside an interval is none."""
    parent = siblings.parent(entry)
    if parent is None or _withheld(entry) or _withheld(parent):
        return
    on_val, on_test = _move(entry, parent, "val"), _move(entry, parent, "test")
    if on_val is None or on_test is None:
        return
    (val, val_counts), (test, test_counts) = on_val, on_test
    if abs(val * val_counts - test * test_counts) > APART:
        yield warning(
            "val_test_disagree",
            f"against the parent val AUPRC changed by {val:+.3f}, test AUPRC by {test:+.3f}",
            val_change=val,
            test_change=test,
        )


def _move(entry: Entry, parent: Entry, split: str) -> tuple[float, bool] | None:
    """How far a value moved against the parent's, and whether that is more than its interval."""
    own, other = entry.auprc(split), parent.auprc(split)
    if own is None or other is None:
        return None
    return own.value - other.value, (_interval(own, other) or _interval(other, own)) is None


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


def _same_data(entry: Entry, other: Entry) -> bool:
    return entry.record.data_digest is not None and entry.record.data_digest == other.record.data_digest


def _interval(result: Result, other: Result) -> tuple[float, float] | None:
    """The interval of a result, if the other one's value lies inside."""
    if result.ci_low is None or result.ci_high is None or not result.ci_low <= other.value <= result.ci_high:
        return None
    return result.ci_low, result.ci_high
