"""The figures of what one run scored: precision against recall, and how far its probabilities are to be believed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from kag.compare.comparison import COMPARED, number_on
from kag.compare.paired import ProfileOf, Unpaired, of_these_weights
from kag.names import Part
from kag.report.figure import Chart, Dots, Dotted, Figure, Line
from kag.text import number, three_decimals
from kag.track.record import RunRecord
from kag.view.results import delivered

if TYPE_CHECKING:  # numpy takes longer to load than a report of runs without scores
    from kag.stats.profile import Profile

PLACES = 6
"""Decimals of what is drawn: finer than any screen, and shorter than a float."""

PLAIN_LOSS = "bce"


class Pictured(NamedTuple):
    """Figures, and in sentences what could not be drawn."""

    figures: tuple[Figure, ...] = ()
    said: tuple[str, ...] = ()


def run_pictures(record: RunRecord, profiled: ProfileOf) -> Pictured:
    """Precision-recall curves and reliability of the weights that a run hands on, on val and test.

    Of a run that kept no scores at all nothing is drawn, and of another program's nothing is said either.
    """
    found = {split: profile_of_delivered(record, split, profiled) for split in COMPARED}
    known = {split: one for split, one in found.items() if not isinstance(one, Unpaired)}
    said = [one.reason for one in found.values() if isinstance(one, Unpaired)]
    if record.is_foreign and not known:
        return Pictured(said=tuple(reason for reason in said if "cannot be read" in reason))
    charts = [_precision_recall(known), _reliability(record, known)]
    said += [reason for split, one in known.items() for reason in _undefined(record, split, one)]
    return Pictured(tuple(chart for chart in charts if chart is not None), tuple(said))


def profile_of_delivered(record: RunRecord, split: Part, profiled: ProfileOf) -> Profile | Unpaired:
    """What the scores of a run look like, if they are of the weights whose numbers it reports."""
    found = profiled(record, split)
    if isinstance(found, Unpaired):
        return found
    return of_these_weights(record, number_on(split, delivered(record)), found, split) or found


def rounded(value: float) -> float:
    """A number as it is drawn."""
    return round(float(value), PLACES)


def _precision_recall(known: dict[Part, Profile]) -> Chart | None:
    curves = [*_curves(known), *_operating(known)]
    if not curves:
        return None
    shares = {split: one.positives / one.examples for split, one in known.items() if one.positives}
    told = " and ".join(f"{three_decimals(share)} on {split}" for split, share in shares.items())
    notes = (f"a guess has the precision {told}, the share of positives",)
    return Chart("scores-precision", "Precision and recall", "recall", "precision", tuple(curves), notes=notes)


def _curves(known: dict[Part, Profile]) -> Iterator[Line]:
    for split, one in known.items():
        if one.outline is not None:
            label = f"{split}, AUPRC {three_decimals(one.auprc)}"
            x, y = (tuple(map(rounded, values_C)) for values_C in one.outline)
            yield Line(label, x, y, colour=COMPARED.index(split))


def _operating(known: dict[Part, Profile]) -> Iterator[Line]:
    for split, one in known.items():
        if one.at_threshold is not None:
            recall, precision = map(rounded, one.at_threshold)
            label = f"{split} at the threshold {number(one.threshold)}"
            yield Line(label, (recall,), (precision,), points=True, colour=COMPARED.index(split))


def _reliability(record: RunRecord, known: dict[Part, Profile]) -> Dots | None:
    parts = tuple(
        Dotted(
            label=split,
            x=tuple(rounded(one.predicted) for one in profile.bins),
            y=tuple(rounded(one.observed) for one in profile.bins),
            told=tuple(f"{one.examples:,} examples, {one.positives:,} of them positive" for one in profile.bins),
            joined=True,
            colour=COMPARED.index(split),
        )
        for split, profile in known.items()
        if profile.bins
    )
    if not parts:
        return None
    notes = [_binned(split, profile) for split, profile in known.items() if profile.bins]
    return Dots(
        name="scores-reliability",
        title="Reliability",
        x_label="mean probability that the model gives",
        y_label="share of positives",
        diagonal="calibrated",
        parts=parts,
        notes=(*notes, *_shifted(record)),
    )


def _binned(split: Part, profile: Profile) -> str:
    counts = sorted(one.examples for one in profile.bins)
    each = f"{counts[0]:,}" if counts[0] == counts[-1] else f"{counts[0]:,} to {counts[-1]:,}"
    bins = "1 bin" if len(counts) == 1 else f"{len(counts)} bins"
    return f"{split}: {bins} of {each} examples"


def _shifted(record: RunRecord) -> Iterator[str]:
    """Why the sigmoid of a logit is no probability to begin with."""
    if record.is_foreign:
        return
    weight = record.config.get("loss.pos_weight", 1)
    if isinstance(weight, (int, float)) and not isinstance(weight, bool) and weight > 0:
        if weight != 1:
            yield f"loss.pos_weight {number(weight)} shifts each logit by its logarithm, {number(math.log(weight))}"
    else:
        yield "loss.pos_weight weighs positives in training, which lifts every probability"
    kind = record.config.get("loss.kind", PLAIN_LOSS)
    if kind != PLAIN_LOSS:
        yield f"loss.kind {kind} does not ask for calibrated probabilities"


def _undefined(record: RunRecord, split: Part, profile: Profile) -> Iterator[str]:
    if profile.positives is None:
        yield f"{record.id} kept losses of {split}, which have neither precision nor probability"
    elif profile.positives == 0:
        yield f"no example of {split} is positive: {record.id} has no precision and recall there"
    elif not profile.bins:
        yield f"the scores of {record.id} on {split} are no probabilities: they have no reliability curve"
    if profile.outline is not None and profile.threshold is None:
        yield f"{record.id} has no threshold on {split}"
    elif profile.outline is not None and profile.at_threshold is None:
        yield f"no example of {split} reaches the threshold {number(profile.threshold)} of {record.id}"
