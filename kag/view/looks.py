"""How often a test set has been looked at, and by how many different weights: the more, the less its numbers say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from kag.text import digest, printable
from kag.track.looks import SECRET, looks_of
from kag.track.past import attempts
from kag.track.record import RunRecord
from kag.track.result import Look, Looker


class LookedAt(NamedTuple):
    """A test set, known by the digest of its data and by its split."""

    data_digest: str
    split: str
    files: tuple[str, ...]
    """Names that the data file has had."""
    looks: int
    weights: int
    """Different ones among those that looked."""

    def __str__(self) -> str:
        rows = "all rows of" if self.split != "test" else "the test split of"
        named = f" ({', '.join(f'`{printable(file)}`' for file in self.files)})" if self.files else ""
        times = "once" if self.looks == 1 else f"{self.looks} times"
        return (
            f"Looks at {rows} data `{digest(self.data_digest)}`{named}: {times}, by "
            f"{'1 set' if self.weights == 1 else f'{self.weights} different sets'} of weights."
        )


def looks_at_test(record: RunRecord) -> tuple[Look, ...]:
    """Every look at a test set that is known of a run; a number of before looks were written down is one, too."""
    implied: list[Look] = []
    file, by = Path(str(record.config.get("data.file") or "")).name, _looker(record)
    for _, attempt in attempts(record):
        when = attempt.end or attempt.start
        implied += looks_of(attempt.results, by=by, when=when, file=file)
    for one in record.evaluations:
        implied += looks_of(one.results, by="eval", when=one.when, file=one.file)
    written = {_what(look) for look in record.looks}
    missing = {_what(look): look for look in reversed(implied) if _what(look) not in written}
    return (*reversed(missing.values()), *record.looks)


def sets_looked_at(records: Iterable[RunRecord]) -> list[LookedAt]:
    """The test sets that weights of the runs have looked at, those of the most looks first."""
    found: defaultdict[tuple[str, str], list[Look]] = defaultdict(list)
    for look in (look for record in records for look in looks_at_test(record)):
        found[look.data_digest, look.split].append(look)
    sets = [
        LookedAt(
            data_digest=data,
            split=split,
            files=tuple(sorted({look.file for look in looks if look.file})),
            looks=len(looks),
            weights=len({look.weights_digest for look in looks} - {None}),
        )
        for (data, split), looks in found.items()
    ]
    return sorted(sets, key=lambda one: (-one.looks, one.data_digest, one.split))


def looks_told(records: Iterable[RunRecord], *, verbatim: bool = False) -> list[str]:
    """A sentence for each test set; names and digests stand between back-ticks.

    Args:
        verbatim: say nothing of what a hand-kept log states.
    """
    records = tuple(record for record in records if not (verbatim and record.stated))
    unknown = sum(
        any(one.split in SECRET and one.data_digest is None for one in record.results)
        for record in records
        if not record.is_foreign
    )
    told = [str(one) for one in sets_looked_at(records)]
    if unknown:
        runs = "1 run states a test number" if unknown == 1 else f"{unknown} runs state test numbers"
        told.append(f"{runs} without a data digest: which test set was looked at, and how often, is not known.")
    return told


def _what(look: Look) -> tuple[str, str, str | None]:
    return look.data_digest, look.split, look.weights_digest


def _looker(record: RunRecord) -> Looker:
    if record.kind == "ensemble":
        return "ensemble"
    if record.kind != "blend":
        return "train"
    return "windows" if record.found and record.found.window else "blend"
