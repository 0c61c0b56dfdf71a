"""The learning rate of every optimizer step, as a pure function of the spec.

One function serves training (through torch's LambdaLR), preflight and the change log, so that what a rule says about
the learning rate is what the optimizer gets. It holds no state: a resume cannot run past its end (Lightning #15462).
"""

from __future__ import annotations

import math

from kag.spec.ramp import progress
from kag.spec.run import RunSpec

FINAL_DIVISOR = 1.0e4
"""The one-cycle ends at `lr` divided by this (torch's `final_div_factor`)."""


def learning_rate(spec: RunSpec, step: int, steps_per_epoch: int) -> float:
    """Learning rate of an optimizer step, counted from 0 at the start of the run.

    From `swa.start` on the rate moves from where the schedule stood to `swa.lr` within `swa.anneal_epochs`.
    """
    if spec.swa is None or step < spec.swa.start * steps_per_epoch:
        return _scheduled(spec, step, steps_per_epoch)
    first = spec.swa.start * steps_per_epoch
    before = _scheduled(spec, first, steps_per_epoch)
    length = spec.swa.anneal_epochs * steps_per_epoch
    done = progress((step - first) / length, spec.swa.shape) if length else 1.0
    return before + (spec.swa.lr - before) * done


def peak_epoch(spec: RunSpec) -> float:
    """The epoch, counted from 0, at which the schedule's learning rate is greatest (SWA left aside)."""
    return spec.optimizer.schedule.pct_start * spec.epochs if spec.optimizer.schedule.kind == "one_cycle" else 0.0


def _scheduled(spec: RunSpec, step: int, steps_per_epoch: int) -> float:
    schedule, base, total = spec.optimizer.schedule, spec.optimizer.lr, spec.epochs * steps_per_epoch
    if schedule.kind == "constant":
        return base
    if schedule.kind == "cosine":
        return base * (1.0 + math.cos(math.pi * min(step / total, 1.0))) / 2.0
    top, last = schedule.pct_start * total - 1.0, total - 1.0
    if step < top:
        return _cosine(base, schedule.max_lr, step / top)
    return _cosine(schedule.max_lr, base / FINAL_DIVISOR, min((step - top) / (last - top), 1.0))


def _cosine(start: float, end: float, share: float) -> float:
    return start + (end - start) * progress(share, "cosine")
