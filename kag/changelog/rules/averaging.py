"""What became of weight averaging."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kag import names
from kag.changelog.logged import Logged
from kag.finding import Evidence, Finding, note, warning
from kag.text import three_decimals
from kag.track.record import RunRecord, Status
from kag.track.result import AVERAGED_STATISTICS, Result

SNAPSHOT, AVERAGED = ("raw", "raw_recomputed"), ("averaged", "averaged_recomputed")


def swa_never_started(run: Logged) -> Iterator[Finding]:
    """Averaging was asked for, and the run ended, or was ended, before it began."""
    start, averaged = run.number("swa.start"), _averaged_epochs(run)
    if start is None or averaged != 0 or run.record.status in (Status.PLANNED, Status.RUNNING):
        return
    last = run.course.last_epoch
    ended = "" if last is None else f"; the run ended with epoch {last}"
    said = f"averaging never started: it was to begin at epoch {start:g}{ended}"
    yield warning("swa_never_started", said, swa_start=start, last_epoch=last, averaged_epochs=0)


def swa_window(run: Logged) -> Iterator[Finding]:
    """The epochs that were averaged, as the run counted them."""
    epochs, counts = run.series(names.SWA_AVERAGED_EPOCHS)
    averaged = [epoch for epoch, before, count in zip(epochs, [0.0, *counts], counts, strict=False) if count > before]
    if not averaged:
        return
    window = run.number("swa.window")
    short = "" if window is None or len(averaged) >= window else f", not the {window:g} of the spec"
    make = warning if short else note
    count, first, last = len(averaged), averaged[0], averaged[-1]
    epochs_of = f"1 epoch, {first}" if count == 1 else f"{count} epochs, {first} to {last}"
    said = f"averaged {epochs_of}{short}"
    yield make("swa_window", said, first=first, last=last, averaged_epochs=count, window=window, **_statistics(run))


def average_below_snapshot(run: Logged) -> Iterator[Finding]:
    """The averaged weights score lower on val than the best single epoch."""
    raw = _best(run.record, SNAPSHOT)
    average = _best(run.record, AVERAGED)
    if not run.record.results and run.record.status is Status.KILLED:
        yield from _average_below_snapshot_so_far(run)
    if raw is not None and average is not None and average.value < raw.value:
        snapshot = "the snapshot" if raw.epoch is None else f"the snapshot of epoch {raw.epoch}"
        reached, highest = three_decimals(average.value), three_decimals(raw.value)
        said = f"on val the averaged weights reach {reached}, {snapshot} {highest}"
        yield note("average_below_snapshot", said, averaged=average.value, raw=raw.value, raw_epoch=raw.epoch)


def _average_below_snapshot_so_far(run: Logged) -> Iterator[Finding]:
    """The same of a run that delivered nothing, by what it had logged."""
    epochs, averages = run.series(names.averaged(names.OBJECTIVE))
    best, best_epoch = run.course.best, run.course.best_epoch
    if averages and best is not None and averages[-1] < best:
        reached, highest = three_decimals(averages[-1]), three_decimals(best)
        how = f" (with {AVERAGED_STATISTICS})" if _statistics(run) else ""
        said = f"on val the averaged weights had reached {reached} at epoch {epochs[-1]}{how}, "
        said += f"the snapshot of epoch {best_epoch} {highest}"
        numbers: Evidence = {"averaged": averages[-1], "raw": best, "raw_epoch": best_epoch, **_statistics(run)}
        yield note("average_below_snapshot", said, **numbers)


def _statistics(run: Logged) -> Evidence:
    """With which statistics the average was measured in training, where the record says so."""
    known = run.record.found and run.record.found.averaged_statistics
    return {"val_averaged": AVERAGED_STATISTICS} if known else {}


def _averaged_epochs(run: Logged) -> int | None:
    """How many epochs were averaged; None if nobody says."""
    counts = run.series(names.SWA_AVERAGED_EPOCHS)[1]
    if counts:
        return int(max(counts))
    found = run.record.found
    if found is not None and found.averaged_epochs is not None:
        return len(found.averaged_epochs)
    start, trained = run.number("swa.start"), run.record.epochs_trained
    if run.record.status is Status.KILLED and start is not None and trained is not None and trained <= start:
        return 0
    return run.stated.averaged_epochs


def _best(record: RunRecord, kinds: tuple[str, ...]) -> Result | None:
    on_val = [result for result in record.results if (result.split, result.metric) == ("val", "auprc")]
    found = [result for result in on_val if result.weights in kinds and math.isfinite(result.value)]
    return max(found, key=lambda result: result.value, default=None)
