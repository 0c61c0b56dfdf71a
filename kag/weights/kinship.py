"""Whether weights have a common origin: only then do their means lie, as a rule, where the loss is low too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kag.finding import Finding, Severity
from kag.track.record import RunRecord, Source


def origins(weights: Source, records: Mapping[str, RunRecord]) -> frozenset[str]:
    """Run ids and weights digests that weights came from, over any number of steps, their own included.

    A run that is not among the records is an origin without origins.
    """
    runs: set[str] = set()
    digests: set[str] = set()
    waiting = [weights]
    while waiting:
        source = waiting.pop()
        digests |= {source.weights_digest} if source.weights_digest else set()
        if source.run not in runs:
            runs.add(source.run)
            waiting += records[source.run].made_from if source.run in records else []
    return frozenset(runs | digests)


def unrelated(parents: Sequence[Source], records: Mapping[str, RunRecord]) -> Finding | None:
    """What to say of a blend whose parents have no common origin; None if each has one with the first."""
    first = origins(parents[0], records)
    strangers = sorted({parent.run for parent in parents if first.isdisjoint(origins(parent, records))})
    if not strangers:
        return None
    return Finding(
        code="blend_unrelated",
        severity=Severity.WARNING,
        sentence=f"{', '.join(strangers)} and {parents[0].run} have no common origin: "
        "means of separately trained weights are often worse than either",
        evidence={"strangers": len(strangers), "parents": len(parents)},
    )
