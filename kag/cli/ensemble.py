"""`kag ensemble`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kag.cli.sources import RunWords
from kag.errors import UserError
from kag.view.terminal import Terminal, answer


def ensemble(
    members: RunWords,
    name: Annotated[str, typer.Option(help="Name of the new run.")] = "ensemble",
    runs: Annotated[Path, typer.Option(help="Folder of the run folders.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Average what several runs say of every example, and keep that as a new run.

    It is the mean of their logits, on the splits of which all of them keep scores (`kag eval RUN --store` adds them);
    neither weights nor data are needed. Where all of them have looked at test, so does the ensemble.

    Examples:

      kag ensemble oct16 oct17 oct17-swa

      kag ensemble oct17 swa --name two
    """
    from datetime import UTC, datetime

    from kag.cli.made import mirrored, print_made
    from kag.spec import build_spec, load_spec
    from kag.view.words import find_run
    from kag.weights.ensemble import deliver_ensemble, kept_scores, mean_of

    console, start = Terminal(highlight=False, stderr=as_json), datetime.now(UTC)
    build_spec({"data": {"file": "-"}}, {"name": name}, title="--name")
    folders = [find_run(runs, word, ending=False) for word in members]
    if twice := {folder.id for folder in folders if [one.id for one in folders].count(folder.id) > 1}:
        raise UserError(f"{', '.join(sorted(twice))} is named twice", remedy="name each run once")
    made = mean_of([kept_scores(folder) for folder in folders])
    record = deliver_ensemble(runs, [folder.read_record() for folder in folders], made, name=name, start=start)
    if folders[0].spec_file.exists():
        record = mirrored(record, runs, load_spec(folders[0].spec_file).track, console)
    if as_json:
        answer({"run": record.id, "record": record, "results": list(record.results)})
        return
    print_made(record, runs, console)
