"""Where the gate went, and whether the penalty had a part in it."""

from __future__ import annotations

from collections.abc import Iterator

from kag import names
from kag.changelog.entry import Entry
from kag.changelog.logged import Logged
from kag.changelog.siblings import Siblings
from kag.finding import Finding, note, warning

SATURATED = 0.95
"""Alpha beyond this, or below one minus this, hardly lets the other side through."""
EDGE = 0.02
"""Distance from a clamp's edge at which alpha counts as lying on it."""
MOST = 0.5
"""Share of the points that counts as the gate."""
SETTLED = 0.02
"""Largest range of alpha over the last third that counts as settled."""
FAR = 0.25
"""Distance from its target at which alpha counts as not pulled there, where a log states its end alone."""
DRIFT = 0.05
"""Change of alpha from the start to the end of the last third that counts as drifting."""
SAME_ALPHA = 0.01
"""Two mean alphas this close are the same."""
CHANGED_PENALTY = 1.5
"""Ratio from which two penalty weights count as different."""

_WEIGHT = "model.gate.penalty.weight"


def gate_settled(run: Logged) -> Iterator[Finding]:
    """Alpha stayed where it was over the last third of the run."""
    thirds = run.thirds(names.ALPHA_MEAN)
    if thirds is None or _saturated(run) or _on_edge(run) is not None:
        return
    low, high = min(thirds[1]), max(thirds[1])
    if high - low <= SETTLED:
        alpha = run.end(names.ALPHA_MEAN) or 0.0
        yield note("gate_settled", f"alpha settled near {alpha:.2f}", alpha=alpha, lowest=low, highest=high)


def gate_drifting(run: Logged) -> Iterator[Finding]:
    """Alpha was still moving when the run ended."""
    thirds = run.thirds(names.ALPHA_MEAN)
    if thirds is None:
        return
    first, last = thirds[1][0], thirds[1][-1]
    if abs(last - first) >= DRIFT:
        said = f"alpha was still moving at the end, from {first:.2f} to {last:.2f} over the last third"
        yield warning("gate_drifting", said, first=first, last=last)


def gate_saturated(run: Logged) -> Iterator[Finding]:
    """Alpha ended so near 0 or 1 that one side of the gate hardly counts."""
    if _saturated(run):
        alpha, share = run.end(names.ALPHA_MEAN), run.end(names.SATURATED_SHARE)
        points = "" if share is None else f", {share:.0%} of the points beyond 0.05 or 0.95"
        yield warning("gate_saturated", f"the gate is saturated: alpha {alpha:.2f}{points}", alpha=alpha, share=share)


def gate_at_clamp(run: Logged) -> Iterator[Finding]:
    """Alpha lay on an edge of its clamp, where it has no gradient."""
    edge = _on_edge(run)
    if edge is not None:
        alpha, share = run.end(names.ALPHA_MEAN), run.end(names.SATURATED_SHARE)
        points = "" if share is None else f", {share:.0%} of the points on an edge"
        said = f"alpha {alpha:.2f} lies on the clamp's edge {edge:g}{points}"
        yield warning("gate_at_clamp", said, alpha=alpha, share=share, edge=edge)


def penalty_inert(run: Logged) -> Iterator[Finding]:
    """The penalty was on, and alpha ended no nearer to its target than it began, or far from it."""
    target, weight = run.number(f"{_WEIGHT.removesuffix('.weight')}.target"), _largest_weight(run)
    begun, ended = run.start(names.ALPHA_MEAN), run.end(names.ALPHA_MEAN)
    if target is None or not weight or ended is None:
        return
    before, after = None if begun is None else abs(begun - target), abs(ended - target)
    if (after > FAR) if before is None else (after >= before and after > DRIFT):
        since = "" if begun is None else f", from {begun:.2f}"
        said = f"with a penalty of up to {weight:g} towards {target:g} alpha ended at {ended:.2f}{since}"
        yield warning("penalty_inert", said, weight=weight, target=target, first=begun, last=ended)


def penalty_without_effect(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """Another penalty weight than the parent's, the same alpha."""
    parent, compared = siblings.parent(entry), siblings.against_parent(entry)
    if parent is None or compared is None or compared.reason is not None:
        return
    alpha, before = entry.course.alpha, parent.course.alpha
    own, other = _largest_weight(Logged(entry.record)), _largest_weight(Logged(parent.record))
    if alpha is None or before is None or own is None or other is None or own == other:
        return
    low, high = sorted((own, other))
    if abs(alpha - before) <= SAME_ALPHA and (low == 0 or high / low >= CHANGED_PENALTY):
        said = f"the penalty weight went from {other:g} to {own:g}, alpha stayed at {alpha:.2f}"
        yield warning("penalty_without_effect", said, before=other, after=own, alpha_before=before, alpha=alpha)


def _saturated(run: Logged) -> bool:
    if run.pair("model.gate.clamp") is not None:
        return False
    alpha, share = run.end(names.ALPHA_MEAN), run.end(names.SATURATED_SHARE)
    if alpha is None:
        return False
    return not 1 - SATURATED < alpha < SATURATED or (share is not None and share >= MOST)


def _on_edge(run: Logged) -> float | None:
    """The edge of the clamp that alpha lies on, or None."""
    clamp, alpha = run.pair("model.gate.clamp"), run.end(names.ALPHA_MEAN)
    if clamp is None or alpha is None:
        return None
    nearest = min(clamp, key=lambda edge: abs(edge - alpha))
    share = run.end(names.SATURATED_SHARE)
    return nearest if abs(nearest - alpha) <= EDGE or (share is not None and share >= MOST) else None


def _largest_weight(run: Logged) -> float | None:
    """The largest penalty weight that the spec asks for, or None if it is unknown."""
    values = [run.number(key) for key in (_WEIGHT, f"{_WEIGHT}.start", f"{_WEIGHT}.end")]
    return max((value for value in values if value is not None), default=None)
