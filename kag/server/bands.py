"""Hyperband by running bands: what trials have reached at each band is kept, so none is read twice for a threshold.

A threshold changes when a trial passes its band, or takes back what it had reached there; only then are those judged
anew that stand at this band. `kag.sweep.stop.stop` says the same of all trials of a sweep at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, func, select

from kag.server.tables import bands, trials
from kag.server.trials import trial_of
from kag.sweep import Sweep, Trial, TrialState
from kag.sweep.stop import is_hopeless, passed, place


def keep_bands(
    connection: Connection, sweep_id: int, sweep: Sweep, before: Iterable[Trial], after: Sequence[Trial]
) -> set[int]:
    """Keep what trials have reached at bands; the bands whose thresholds may have changed."""
    if sweep.early_terminate is None:
        return set()
    old = {trial.id: passed(sweep, trial) for trial in before}
    new = {trial.id: passed(sweep, trial) for trial in after}
    gone = {(number, *at) for number, found in old.items() for at in found.items()}
    come = {(number, *at) for number in new for at in new[number].items()}
    gone = {one for one in gone if one[0] in new}
    for number, band, _ in sorted(gone - come):
        connection.execute(bands.delete().filter_by(sweep_id=sweep_id, band=band, number=number))
    rows = [  # no database is to keep a zero with a sign: SQLite does not
        {"sweep_id": sweep_id, "number": number, "band": at, "loss": loss + 0.0} for number, at, loss in come - gone
    ]
    if rows:
        connection.execute(bands.insert(), rows)
    return {band for _, band, _ in gone ^ come}


def fill_bands(connection: Connection, sweep_id: int, sweep: Sweep, every: Sequence[Trial]) -> None:
    """Keep what all trials of a sweep have reached, and nothing else."""
    connection.execute(bands.delete().filter_by(sweep_id=sweep_id))
    keep_bands(connection, sweep_id, sweep, (), every)


def hopeless(
    connection: Connection, sweep_id: int, sweep: Sweep, anew: Iterable[Trial], changed: Iterable[int]
) -> list[Trial]:
    """Leased trials that are behind a threshold and were not told to stop; what they have reached is kept before.

    Args:
        anew: leased trials of which there is news.
        changed: bands whose thresholds may have changed.
    """
    thresholds: dict[int, float] = {}

    def threshold(band: int) -> float:
        if band not in thresholds:
            thresholds[band] = _threshold(connection, sweep_id, sweep, band)
        return thresholds[band]

    judged = {trial.id: trial for trial in anew}
    for band in changed:
        judged |= {trial.id: trial for trial in _standing(connection, sweep_id, band)}
    last = {number: max(passed(sweep, trial), default=None) for number, trial in judged.items()}
    bound = {number: {band: threshold(band)} for number, band in last.items() if band is not None}
    return [judged[number] for number in bound if is_hopeless(sweep, judged[number], bound[number])]


def _threshold(connection: Connection, sweep_id: int, sweep: Sweep, band: int) -> float:
    """Of a band that some trial has passed."""
    at = select(bands.c.loss).where(bands.c.sweep_id == sweep_id, bands.c.band == band)
    size = connection.scalar(select(func.count()).select_from(at.subquery()))
    return float(
        connection.execute(at.order_by(bands.c.loss).offset(place(sweep, int(size or 0))).limit(1)).scalar_one()
    )


def _standing(connection: Connection, sweep_id: int, band: int) -> list[Trial]:
    """Leased trials for which a band is the last one that they have passed."""
    farther = bands.alias()
    own = (bands.c.sweep_id == trials.c.sweep_id) & (bands.c.number == trials.c.number) & (bands.c.band == band)
    beyond = select(farther.c.number).where(
        farther.c.sweep_id == trials.c.sweep_id, farther.c.number == trials.c.number, farther.c.band > band
    )
    query = select(trials.c.body, trials.c.lease_until).join(bands, own)
    leased = (trials.c.sweep_id == sweep_id, trials.c.state == TrialState.LEASED, ~beyond.exists())
    return [trial_of(row) for row in connection.execute(query.where(*leased))]
