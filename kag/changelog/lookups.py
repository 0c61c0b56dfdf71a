"""What is looked up among all runs of a log. Pure functions over entries in the order of start."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from kag.changelog.entry import Entry
from kag.track.evaluations import Subject
from kag.track.past import attempts
from kag.view.alike import seeds_of
from kag.view.changes import settings_of
from kag.view.results import headline

Places = Mapping[str, tuple[Sequence[Entry], int]]
"""Run id -> the runs of its settings in order, archived ones left out, and its place in them."""


def places_among_alike(entries: Sequence[Entry], *, but_seed: bool, seed_keys: Sequence[str] = ()) -> Places:
    """Of runs of other programs that tell settings.

    Args:
        entries: every run.
        but_seed: another seed is the same.
        seed_keys: settings that are seeds of other programs; empty finds them by their names.
    """
    places: dict[str, tuple[Sequence[Entry], int]] = {}
    groups: dict[object, list[Entry]] = {}
    for entry in (one for one in entries if one.record.is_foreign and one.record.config):
        aside = seeds_of(entry.record, seed_keys) if but_seed else ()
        group = groups.setdefault(settings_of(entry.record, but=aside), [])
        places[entry.id] = group, len(group)
        if not entry.record.archived:
            group.append(entry)
    return places


def by_weights(entries: Sequence[Entry]) -> Mapping[str, Entry]:
    """Digest of weights -> the first run that holds them, or held them before it was resumed."""
    found: dict[str, Entry] = {}
    for entry in entries:
        for checkpoint in (one for _, record in attempts(entry.record) for one in record.checkpoints.values()):
            found.setdefault(checkpoint.weights_digest, entry)
    return found


def by_test(entries: Sequence[Entry]) -> Mapping[float | None, Sequence[Entry]]:
    """Test AUPRC -> the runs that have it, or had it before they were resumed."""
    found: defaultdict[float | None, list[Entry]] = defaultdict(list)
    for entry in entries:
        results = (headline(record, "test") for _, record in attempts(entry.record))
        for value in {result.value for result in results if result is not None}:
            found[value].append(entry)
    return found


def looks_by_data(entries: Sequence[Entry]) -> Mapping[str | None, Sequence[tuple[datetime, str | None]]]:
    """Data that are no run's own -> when which weights were evaluated on them."""
    found: defaultdict[str | None, list[tuple[datetime, str | None]]] = defaultdict(list)
    for evaluation in (one for entry in entries for one in entry.record.evaluations):
        subject = Subject.of(evaluation)
        found[subject.data_digest].append((evaluation.when, subject.weights_digest))
    return found


def listed_before(entries: Sequence[Entry]) -> Mapping[str, Entry]:
    """Run id -> the run that started last among those that a hand-kept log lists above it."""
    listed = sorted(
        (entry for entry in entries if entry.record.stated and entry.record.stated.row),
        key=lambda entry: (entry.record.stated and entry.record.stated.row) or 0,
    )
    found: dict[str, Entry] = {}
    latest: Entry | None = None
    for entry in listed:
        if latest is not None:
            found[entry.id] = latest
        if latest is None or entry.record.start > latest.record.start:
            latest = entry
    return found
