"""`kag check` and `kag schema`."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kag.cli import completion
from kag.cli.words import options_of, refuse_unknown_options
from kag.view.terminal import Terminal, answer

if TYPE_CHECKING:
    from kag.finding import Finding
    from kag.spec.run import RunSpec


class Described(StrEnum):
    """What there is a schema of."""

    SPEC = "spec"
    RECORD = "record"


def schema(
    of: Annotated[
        Described, typer.Argument(metavar="[spec | record]", help="Of a run spec, or of a run as --json shows it.")
    ] = Described.SPEC,
) -> None:
    """Print a JSON schema: of a run spec, for completion in an editor, or of a run as every --json shows it.

    Examples:

      kag schema > spec.schema.json

      kag schema record > record.schema.json
    """
    from kag.spec.run import RunSpec
    from kag.track.schema import DIALECT, record_schema

    if of is Described.RECORD:
        answer(record_schema())
    else:
        answer({"$schema": DIALECT, "$id": "urn:kag:spec", **RunSpec.model_json_schema()})


def check(
    context: typer.Context,
    spec_file: Annotated[Path, typer.Argument(metavar="SPEC | SWEEP", help="Spec file, or sweep file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...", help="Overrides of a spec, as for kag train.", autocompletion=completion.keys
        ),
    ] = None,
    rehearsal: Annotated[
        bool, typer.Option("--rehearsal/--no-rehearsal", help="Read the data and send one batch through everything.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; of a spec its settings and findings.")] = False,
) -> None:
    """Validate a spec or a sweep without training: settings, size, cost, and every preflight finding.

    Examples:

      kag check demo.yaml

      kag check demo.yaml swa.start=8 swa.window=3 --no-rehearsal

      kag check sweep.yaml
    """
    from rich.markup import escape

    from kag.cli.sweep_file import check_sweep, is_sweep
    from kag.errors import SpecError
    from kag.finding import Finding
    from kag.spec.load import read_spec, spec_text
    from kag.view.findings import finding_line

    refuse_unknown_options([str(spec_file), *(overrides or ())], options_of(context))
    console = Terminal(stderr=as_json)
    if is_sweep(spec_file):
        check_sweep(spec_file, overrides or (), as_json=as_json)
        console.print("[green]this sweep can be run[/green]")
        return
    spec, retired = read_spec(spec_file, overrides or ())
    if not as_json:
        console.say(spec_text(spec))
    findings: list[Finding] = []
    try:
        for told in _told(spec, retired, rehearsal):
            line = finding_line(told) if isinstance(told, Finding) else escape(told)
            findings += [told] if isinstance(told, Finding) else []
            console.print(line, highlight=False, soft_wrap=True)
    finally:
        if as_json:
            answer({"spec": spec, "findings": findings})
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise SpecError(f"{len(errors)} preflight error(s), see above", where=str(spec_file))
    for line in _looked_at(Path(spec.data.file), rehearsal):
        console.print(line, highlight=False, soft_wrap=True)


def _told(spec: RunSpec, retired: tuple[str, ...], rehearsal: bool) -> Iterator[str | Finding]:
    """What there is to say of a spec; of its data only where the spec itself is right."""
    from kag.spec import Facts, preflight

    findings = preflight(spec, Facts(retired=retired))
    yield from findings
    if rehearsal and not any(finding.severity == "error" for finding in findings):
        from kag.train.estimate import estimate

        yield from estimate(spec)


def _looked_at(data: Path, rehearsal: bool) -> list[str]:
    """What the check stands for, and what it does not."""
    from rich.markup import escape

    if rehearsal:
        return ["[green]this spec can be trained[/green]"]
    there = "was not read" if data.is_file() else "[yellow]is not there[/yellow]"
    return [
        "[green]nothing is wrong with this spec by itself[/green]",
        f"not looked at: memory, one batch through everything, and the data, whose file {escape(str(data))} {there}",
    ]
