"""The record of a run of another program: everything that W&B knows of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from kag import names
from kag.number import count, number, sound
from kag.spec.flat import Scalar
from kag.track.client import Client
from kag.track.folder import RUN_ID, run_id, short_name
from kag.track.mirrored import CLIENT_KEY, INTERNAL, Mirrored
from kag.track.record import Declared, Failure, GitFacts, Resume, RunRecord, Status
from kag.track.result import Result
from kag.track.rows import numbers
from kag.track.unchosen import parted

DATA_DIGESTS = ("data_digest", "dataset_digest", "data_hash", "dataset_hash", "dataset_fingerprint")
"""Last part of a setting that tells the data apart; the first that is there counts."""

_WHOLE = 2**53
_ENDED = (Status.FINISHED, Status.EARLY_STOPPED, Status.ABORTED)
_AGGREGATED = re.compile(r"\.(min|max|mean|best|last|first)$")
"""What W&B puts behind a metric in a summary where a program declared which value stands for it."""


def plain_name(title: str) -> str:
    """A name of another program as the name of a record, which is part of an id; empty where nothing is left."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", title).strip("-.")[:64]


def foreign_record(run: Mirrored) -> RunRecord:
    """The record of a run that kag did not write. Its lineage takes the other runs; see `kag.track.lineage`.

    Raises:
        ValidationError: what W&B knows of it is nothing that a record can hold, such as a start in the year 1.
    """
    client = run.client
    start = _start(run, client)
    title = short_name(run.display_name)
    name = plain_name(title) or run.wandb_id
    config, rest = parted(settings_of(run.config), frozenset({run.display_name, run.wandb_id, title}))
    metrics = dict(sorted(numbers(run.summary)))
    return RunRecord(
        id=run.display_name if RUN_ID.fullmatch(run.display_name) else run_id(name, start),
        name=name,
        status=run.status,
        start=start,
        end=_end(run, client, start),
        heartbeat=None if run.status in _ENDED else run.heard,
        tags=run.tags,
        config=config,
        metrics=metrics,
        data_digest=_data_digest(config),
        git=_git(run, client),
        environment=rest | ({"job_type": run.job_type} if run.job_type else {}) | dict(client.environment),
        failure=_failure(run),
        epochs_trained=epochs_trained(run),
        results=tuple(_results(run.summary)),
        resumes=(Resume(when=client.started),) if client.resumed else (),
        sweep=run.sweep,
        group=run.group,
        declared=_declared(run, client, metrics),
        wandb_id=run.wandb_id,
    )


def settings_of(config: Mapping[str, Any]) -> dict[str, Scalar]:
    """The settings in a config of W&B, by dotted key, in the order of keys: a server keeps no order of its own.

    A list is its JSON text, an empty mapping `{}`. A whole number is written as one, whichever way it was given: JSON
    does not tell 1.0 from 1, and on its way to a server a client makes the one the other. Of two values with one dotted
    key, whatever their types, the same one is taken each time.
    """
    leaves = _leaves(sound({key: value for key, value in config.items() if key not in INTERNAL}))
    return dict(sorted(leaves, key=lambda leaf: (leaf[0], repr(leaf[1]))))


def epochs_trained(run: Mirrored) -> int | None:
    """Epochs by the last that was logged, counted from 0; None where there is none."""
    last = count(run.summary.get(names.EPOCH))
    return None if last is None or last < 0 else last + 1


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Scalar]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            plain = _plain(value)
            yield f"{prefix}{key}", json.dumps(plain, sort_keys=True) if isinstance(plain, (list, dict)) else plain


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE:
        return int(value)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _start(run: Mirrored, client: Client) -> datetime:
    """When it began, by the client's clock, which every source has; `wandb sync` may come to a server weeks later.

    A client that went on with a run says only when it did that.
    """
    if client.started is None:
        return run.start
    return min(run.start, client.started) if client.resumed else client.started


def _end(run: Mirrored, client: Client, start: datetime) -> datetime | None:
    """When it ended, by the client's own count of seconds, which every source has; if resumed, by who heard of it."""
    if run.status not in _ENDED:
        return None
    told = run.summary.get(CLIENT_KEY)
    seconds = number(told.get("runtime")) if isinstance(told, Mapping) else None
    if seconds is None or client.resumed or not 0 <= seconds < _WHOLE:
        return run.heard
    try:
        return start + timedelta(seconds=seconds)
    except OverflowError:
        return run.heard


def _git(run: Mirrored, client: Client) -> GitFacts | None:
    commit = client.commit or run.commit
    return GitFacts(commit=commit, dirty=run.has_patch) if commit else None


def _failure(run: Mirrored) -> Failure | None:
    if run.status is not Status.ABORTED or run.exit_code is None:
        return None
    return Failure(error=f"exit code {run.exit_code}", message="what it said last is in its console output")


def _declared(run: Mirrored, client: Client, metrics: Mapping[str, float]) -> tuple[Declared, ...]:
    """What its sweep is after, then what it said itself."""
    said = client.declared(sorted({_AGGREGATED.sub("", key) for key in metrics}))
    return (run.objective, *said) if run.objective else said


def _data_digest(config: Mapping[str, Scalar]) -> str | None:
    by_name = {key.rpartition(".")[2]: value for key, value in config.items() if isinstance(value, str) and value}
    return next((str(by_name[name]) for name in DATA_DIGESTS if name in by_name), None)


def _results(summary: Mapping[str, Any]) -> Iterator[Result]:
    """What was logged last; W&B does not know of which weights."""
    values = dict(numbers(summary))
    for split in names.SPLITS:
        for metric in (*names.METRICS, "loss"):
            if (key := names.evaluation(split, metric)) in values:
                yield Result.model_validate({"split": split, "metric": metric, "value": values[key], "weights": None})
