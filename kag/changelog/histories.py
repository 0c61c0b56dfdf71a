"""What rules make of the history of each run, worked out in several processes where there are many.

These processes import this module, so it imports nothing that only the document needs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from kag.changelog.cache import Item, Version
from kag.changelog.diagnose import entry_of
from kag.changelog.logged import Logged
from kag.errors import RecordError
from kag.track.folder import RunFolder
from kag.track.hold import as_it_stands
from kag.track.record import RunRecord
from kag.view.metrics import Metric

FEWEST_RUNS = 250
"""Unread runs that are worth a process."""

CHUNK = 50
"""Runs that a process takes at a time."""


def items_of(
    folders: Sequence[RunFolder], versions: Sequence[Version], metrics: Sequence[Metric]
) -> Iterator[Item | RecordError]:
    """Read records and histories and ask the rules, in several processes where there are many."""
    processes = min(len(os.sched_getaffinity(0)), len(folders) // FEWEST_RUNS)
    item = partial(_item, metrics)
    if processes < 2:
        yield from map(item, folders, versions)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(item, folders, versions, chunksize=CHUNK)


def made_with(record: RunRecord, metrics: Sequence[Metric]) -> str:
    """What an entry depends on beside the files of its run; of kag's own runs the same is said whatever counts."""
    return repr(metrics) if record.is_foreign else ""


def _item(metrics: Sequence[Metric], folder: RunFolder, version: Version) -> Item | RecordError:
    try:
        record = as_it_stands(folder, folder.read_record())
        entry = entry_of(Logged(record, folder.history(), metrics))
    except RecordError as error:
        return error
    return Item(
        version=version,
        status=record.status,
        metrics=made_with(record, metrics),
        course=entry.course,
        courses=dict(entry.courses),
        findings=entry.findings,
        former=entry.former,
    )
