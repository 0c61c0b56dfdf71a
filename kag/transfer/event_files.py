"""Histories as event files, which TensorBoard shows: one folder a run, written by TensorBoard's own code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kag.names import EPOCH, STEP
from kag.track.record import RunRecord

FILE = "events.out.tfevents.kag"
"""One of this name in the folder of each run."""


def write_events(file: Path, record: RunRecord, history: Iterable[Mapping[str, float]]) -> None:
    """Every number of a history as a scalar of its epoch or step; settings as a text.

    Times are those at which the run began and ended, with the rows evenly between them where nobody knows theirs.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    rows = list(history)
    first = record.start.timestamp()
    last = (record.end or record.start).timestamp()
    with file.open("wb") as opened:
        writer = RecordWriter(opened)
        writer.write(Event(wall_time=first, file_version="brain.Event:2").SerializeToString())
        if record.config:
            summary = Summary(value=[_settings(record)])
            writer.write(Event(wall_time=first, step=0, summary=summary).SerializeToString())
        for number, row in enumerate(rows):
            values = [Summary.Value(tag=key, simple_value=row[key]) for key in row if key not in (STEP, EPOCH)]
            if values:
                time = row.get("_timestamp", first + (last - first) * (number + 1) / len(rows))
                step = int(row.get(STEP, row.get(EPOCH, number)))
                event = Event(wall_time=time, step=step, summary=Summary(value=values))
                writer.write(event.SerializeToString())
        writer.flush()


def _settings(record: RunRecord) -> object:
    from tensorboard.plugins.text.summary_v2 import text_pb

    lines: Sequence[str] = [f"| {key} | {value} |" for key, value in record.config.items()]
    return text_pb("config", "\n".join(["| setting | value |", "|---|---|", *lines])).value[0]
