"""What a trial of a sweep is called: the sweep's name and its number in the order of issue, `demo-4`."""

from __future__ import annotations

from kag.sweep.step import place_of
from kag.track.record import RunRecord


def trial_name(sweep: str, number: int, attempt: int = 1) -> str:
    """`demo-4`; of a later attempt `demo-4, attempt 2`.

    Args:
        sweep: what the sweep is called.
        number: of the trial, from 0.
        attempt: at the same point, from 1.
    """
    return f"{sweep}-{number}{_again(attempt)}"


def name_of_run(sweep: str, sweep_id: str, run: str) -> str | None:
    """What a run of a sweep is called; None of one that the sweep has not named.

    Args:
        sweep: what the sweep is called.
        sweep_id: its id.
        run: W&B's id of the run.
    """
    place = place_of(sweep_id, run)
    return None if place is None else trial_name(sweep, place.trial, place.attempt)


def trial_of(record: RunRecord) -> str | None:
    """`trial 4`, of a record that does not know what its sweep is called; None of one that the sweep has not named."""
    place = place_of(record.sweep, record.wandb_id) if record.sweep and record.wandb_id else None
    return None if place is None else f"trial {place.trial}{_again(place.attempt)}"


def _again(attempt: int) -> str:
    return f", attempt {attempt}" if attempt > 1 else ""
