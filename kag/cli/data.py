"""`kag data check` and `kag data synth`; `kag data cache` is beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kag.cli import data_cache
from kag.cli.words import Clusters
from kag.text import command
from kag.view.terminal import Terminal, answer, echo

if TYPE_CHECKING:
    from rich.table import Table

    from kag.data.summary import Summary

app = typer.Typer(no_args_is_help=True, help="Check data files, or make one to try.")
app.add_typer(data_cache.app, name="cache")


@app.command(epilog="Example:  kag data check data/sites.h5")
def check(
    file: Annotated[Path, typer.Argument(help="HDF5 file in the v3_residue_table layout.")],
    allow_virtual: Annotated[
        bool,
        typer.Option("--allow-virtual", help="Look at virtual datasets and their sources; training wants plain ones."),
    ] = False,
    clusters: Clusters = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Read a file as training would and print what is in it; a faulty file is refused with dataset and row.

    A file without some of the splits is for evaluation only, one without labels for prediction only: it is said.
    """

    from kag.data.clusters import read_clusters
    from kag.data.read import read_sites
    from kag.data.soundness import soundness
    from kag.data.summary import summary
    from kag.view.findings import finding_line
    from kag.view.progress import busy

    with busy(f"reading {file}"):
        sites = read_sites(file, purpose=None, allow_virtual=allow_virtual, thorough=True)
        sites = sites.with_clusters(read_clusters(clusters, sites.proteins)) if clusters else sites
        found, odd = summary(sites), soundness(sites)
    if as_json:
        answer({**found.plain(), "findings": odd})
        return
    console = Terminal()
    for table in (_splits(found), _columns(found)):
        console.print(table)
    for line in _lines(found):
        console.say(line)
    for finding in odd:
        console.print(finding_line(finding), highlight=False, soft_wrap=True)


@app.command()
def synth(
    out: Annotated[Path, typer.Argument(help="HDF5 file to write.")],
    proteins: Annotated[int, typer.Option(min=3, help="Proteins, about 60/20/20 in train, val and test.")] = 24,
    points: Annotated[int, typer.Option(min=2, help="Points of each protein.")] = 200,
    residues: Annotated[
        int | None, typer.Option(min=2, help="Residues of each protein.", show_default="a residue for 1.25 points")
    ] = None,
    embedding: Annotated[int, typer.Option(min=1, help="Width of a residue embedding; ESM2 3B has 2560.")] = 32,
    neighbours: Annotated[int, typer.Option(min=1, help="Nearest residues of each residue.")] = 3,
    features: Annotated[int, typer.Option(min=1, help="Tabular columns.")] = 35,
    prevalence: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of positive points.")] = 0.05,
    missing: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of residues without a last neighbour.")
    ] = 0.02,
    esm: Annotated[
        bool, typer.Option("--esm", help="Write the embedding of each point's residue, too, as some files have it.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal files.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a synthetic file whose labels follow a rule: near neighbours carry most of the signal.

    The size of a large file is said before it is written; one for which the disk has no room is refused.

    Examples:

      kag data synth demo.h5 --proteins 40

      kag data synth wide.h5 --proteins 30 --points 3000 --residues 250 --embedding 2560
    """
    from kag.data.synth import SYNTHETIC, synthesise
    from kag.track.output import Output
    from kag.view.progress import reporting

    console = Terminal(stderr=as_json)
    Output(out, SYNTHETIC, force).require_free()
    with reporting(console, "proteins") as report:
        synthesise(
            out,
            proteins=proteins,
            points_per_protein=points,
            residues_per_protein=residues,
            embedding=embedding,
            neighbours=neighbours,
            features=features,
            seed=seed,
            prevalence=prevalence,
            missing=missing,
            esm=esm,
            on_protein=lambda done: report("writing", done, proteins),
            say=console.say,
        )
    if as_json:
        answer({"file": str(out), "proteins": proteins, "points": proteins * points})
        return
    echo(f"wrote {out}: {proteins} proteins, {proteins * points} points; see `{command('data', 'check', out)}`")


def _splits(found: Summary) -> Table:
    from kag.text import MISSING

    headings = ("split", "proteins", "points", "positives", "prevalence", "centre residues", "contexts")
    table = _table(found.path, *headings)
    for row in found.splits:
        positives, share = (
            (MISSING, MISSING) if row.positives is None else (f"{row.positives:,}", f"{row.prevalence:.2%}")
        )
        counts = [f"{count:,}" for count in (row.proteins, row.points, row.residues, row.contexts)]
        table.add_row(row.split, *counts[:2], positives, share, *counts[2:])
    return table


def _columns(found: Summary) -> Table:
    from rich.markup import escape

    from kag.text import number

    rows = "train" if found.splits[0].split == "train" else "all rows"
    title = f"widest of {found.columns} tabular columns ({rows})"
    table = _table(title, "column", "minimum", "median", "maximum", "skew")
    for row in found.widest_columns:
        table.add_row(escape(row.column), *map(number, (row.minimum, row.median, row.maximum, row.skew)))
    return table


def _table(title: str, first: str, *figures: str) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(first, title=escape(title))
    for heading in figures:
        table.add_column(heading, justify="right")
    return table


def _lines(found: Summary) -> list[str]:
    quantiles = "  ".join(f"{float(share):.0%} {value:.2f}" for share, value in found.distances.items())
    lines = [
        f"residue table   {found.residues:,} rows x {found.embedding} numbers, {found.neighbours} neighbours a residue",
        f"distances       {quantiles} angstrom" if quantiles else "distances       none: every neighbour is missing",
        f"neighbours      {found.missing_share:.2%} missing, {found.adjacent_share:.1%} next to the centre in sequence",
        "contexts        "
        + ("one per centre residue" if found.one_context_per_centre else "several per centre residue"),
        f"digest          {found.digest}",
    ]
    if found.clusters is not None:
        lines.insert(
            -1, f"clusters        {found.clusters:,} of {sum(row.proteins for row in found.splits):,} proteins"
        )
    if found.lacks:
        lines.append(f"use             {' and '.join(f'no {what}' for what in found.lacks)}: for {found.purpose} only")
    if found.constant_columns:
        lines.insert(4, f"constant        {', '.join(found.constant_columns)}")
    return lines
