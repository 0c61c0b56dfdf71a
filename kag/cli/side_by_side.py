"""`kag runs compare`."""

from __future__ import annotations

from typing import Annotated

import typer

from kag.cli import completion, tables
from kag.cli.fitted import print_whole, terminal
from kag.cli.sources import RUNS, Json, Runs, SeedKeys, Source, opened, values_of
from kag.track.hold import as_it_stands
from kag.view.alike import require_seeds
from kag.view.metrics import chosen as metrics_of
from kag.view.terminal import answer
from kag.view.words import find_run, run_meant


def compare(
    run: Annotated[
        list[str],
        typer.Argument(help="Two runs or more; `latest` is one.", metavar="A B [C]...", autocompletion=completion.runs),
    ],
    runs: Runs = RUNS,
    source: Source = None,
    seed_key: SeedKeys = None,
    as_json: Json = False,
) -> None:
    """Compare runs: a verdict on each against the first, the settings on which they differ, then their metrics.

    The verdict says whether their numbers may be set side by side, which is higher and by how much, and what differs.
    Where both kept what they scored on each example (`kag eval RUN --store` adds it), the difference is tested by
    protein, and only what can be told apart is called better. Runs that differ in the seed alone count as one, by the
    mean over their seeds, where there are others to compare them with.
    Of runs of other programs it compares the metrics that count, as in the change log.
    """
    if len(run) < 2:
        raise typer.BadParameter("name two runs or more")
    from kag.compare.comparison import not_comparable
    from kag.compare.judge import verdicts
    from kag.compare.paired import kept_by, read_once
    from kag.compare.spreads import grouped_among

    place = opened(source, runs)
    if source:
        known = place.readable()[0]
        records = [run_meant(word, known, where=source) for word in run]
    else:
        folders = [find_run(runs, word) for word in run]
        records = [as_it_stands(folder, folder.read_record()) for folder in folders]
        # Other runs of the folder count only where they decide which metrics do.
        known = place.readable()[0] if any(record.is_foreign for record in records) else records
    values = values_of(place, records, known)
    require_seeds(seed_key or (), records)
    groups = grouped_among(known, records, values, seed_key or (), newest=False).found
    drawn = read_once(kept_by(place))
    told_of_each = verdicts(records, groups, metrics_of(known), values, drawn, seed_keys=seed_key or ())
    if as_json:
        told = {"verdicts": [one.as_json() for one in told_of_each], "not_comparable": not_comparable(records)}
        ids = [record.id for record in records]
        answer({"runs": ids, "records": records, **tables.comparison(records, values), **told})
        return
    console = terminal()
    for one in told_of_each:
        console.say(one.sentence)
    console.print()
    for part in tables.comparison_tables(records, values, console.width):
        print_whole(console, part)
