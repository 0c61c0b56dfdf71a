"""The learning rate over a run, as a pure function of the spec and of a position in the run.

One function serves training, preflight and the change log, so that what a rule says about the learning rate is what the
optimizer gets. It holds no state: a resume cannot run past its end (Lightning #15462), and an epoch with more batches
than the others (replay) does not shift the epochs after it.
"""

from __future__ import annotations

import math

from kag.spec.ramp import progress
from kag.spec.run import RunSpec

FINAL_DIVISOR = 1.0e4
"""The one-cycle ends at `lr` divided by this (torch's `final_div_factor`)."""


def learning_rate(spec: RunSpec, position: float) -> float:
    """Learning rate at a position in the run: 3.5 is in the middle of epoch 3, counted from 0.

    From `swa.start` on the rate moves from where the schedule stood to `swa.lr` within `swa.anneal_epochs`.
    """
    if spec.swa is None or position < spec.swa.start:
        return _scheduled(spec, position)
    before = _scheduled(spec, spec.swa.start)
    length = spec.swa.anneal_epochs
    done = progress((position - spec.swa.start) / length, spec.swa.shape) if length else 1.0
    return before + (spec.swa.lr - before) * done


def peak_epoch(spec: RunSpec) -> float:
    """The epoch, counted from 0, at which the schedule's learning rate is greatest (SWA left aside)."""
    schedule = spec.optimizer.schedule
    return schedule.pct_start * spec.epochs if schedule.kind == "one_cycle" else schedule.warmup_epochs


def _scheduled(spec: RunSpec, position: float) -> float:
    schedule, base = spec.optimizer.schedule, spec.optimizer.lr
    if schedule.kind == "one_cycle":
        share = min(position / spec.epochs, 1.0)
        if share < schedule.pct_start:
            return _cosine(base, schedule.max_lr, share / schedule.pct_start)
        return _cosine(schedule.max_lr, base / FINAL_DIVISOR, (share - schedule.pct_start) / (1.0 - schedule.pct_start))
    warmup = schedule.warmup_epochs
    if position < warmup:
        return base * position / warmup
    if schedule.kind == "constant":
        return base
    share = min((position - warmup) / (spec.epochs - warmup), 1.0) if warmup < spec.epochs else 1.0
    return base * (1.0 + math.cos(math.pi * share)) / 2.0


def _cosine(start: float, end: float, share: float) -> float:
    return start + (end - start) * progress(share, "cosine")
