"""The pages that people read, each the README.md of a folder: what stands in them, and the parts that are generated.

As a script (`python -m tests.pages`) it renews the generated parts.
"""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
import typer
import yaml
from typer.testing import CliRunner

from kag.changelog.diagnose import AMONG, OWN, diagnose, entry_of
from kag.changelog.logged import Logged
from kag.changelog.siblings import Siblings
from kag.cli.main import app
from kag.finding import Finding, Severity
from kag.spec import RunSpec, load_spec, preflight
from kag.spec.preflight import RULES
from kag.track.folders import FolderSource
from kag.track.record import RunRecord, Status

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SPEC, SWEEPS = ROOT / "runs" / "specs" / "README.md", ROOT / "sweeps" / "README.md"
FORENSICS, EXTENDING = ROOT / "kag" / "changelog" / "README.md", ROOT / "kag" / "README.md"
ANY_PROGRAM = ROOT / "kag" / "track" / "README.md"
DATA, COMING_FROM = ROOT / "kag" / "data" / "README.md", ROOT / "kag" / "transfer" / "README.md"
PAGES = [README, SPEC, FORENSICS, SWEEPS, EXTENDING, ANY_PROGRAM, DATA, COMING_FROM]
WIDE = {"COLUMNS": "200", "NO_COLOR": "1"}


class Block(NamedTuple):
    """A fenced block."""

    language: str
    text: str


def blocks(page: Path, *languages: str) -> list[Block]:
    """Fenced blocks of a page in the order in which they stand."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [Block(language, text) for language, text in found if language in languages]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def inline(page: Path, pattern: str) -> list[str]:
    """Inline code of a page that matches."""
    return [code for code in re.findall(r"`([^`\n]+)`", prose(page)) if re.fullmatch(pattern, code)]


def anchors(page: Path) -> set[str]:
    """The fragments that its headings make."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def said(line: str) -> str:
    """What a command line of kag prints, its refusal with it."""
    result = CliRunner().invoke(app, shlex.split(line, comments=True)[1:], env=WIDE)
    refusal = f"error: {result.exception}\n" if result.exception and result.exit_code != 0 else ""
    printed = "\n".join(row.rstrip() for row in result.output.splitlines()).strip("\n")
    return f"{printed}\n{refusal}"


def yaml_tree(text: str) -> dict[str, Any]:
    """A snippet as a tree."""
    tree: dict[str, Any] = yaml.safe_load(text)
    return tree


def commands_table() -> str:
    """Every command, read off the commands themselves; a group is one row."""
    lines = ["| command | what it does |", "|---|---|"]
    for name, command in getattr(typer.main.get_command(app), "commands", {}).items():
        first = " ".join((command.help or "").strip().split("\n\n")[0].split())
        lines.append(f"| {', '.join(f'`{path}`' for path in _acting(command, name))} | {first} |")
    return "\n".join(lines) + "\n"


def _acting(command: click.Command, path: str) -> Iterator[str]:
    """A command, and those inside it, by their words: each that does something itself."""
    inner = getattr(command, "commands", {})
    if not inner or getattr(command, "invoke_without_command", False):
        yield path
    for name, each in inner.items():
        yield from _acting(each, f"{path} {name}")


def two_rows() -> str:
    """Two rows of the change log as `kag changelog` writes it, without the files and what it hides in comments."""
    table = re.sub(r" <!--.*?-->", "", said("kag changelog --since 2025-10-23 --until 2025-10-23"))
    rows = [re.split(r"(?<!\\)\|", row) for row in table.splitlines() if row.startswith("|")]
    return "".join("|".join(row[:3] + row[4:]) + "\n" for row in rows)


def spec_table() -> str:
    """Every key of a spec, read off its JSON schema."""
    schema = RunSpec.model_json_schema()
    rows = [f"| `{key}` | {kind} | {default} | {meaning} |" for key, kind, default, meaning in _keys(schema, schema)]
    return "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *rows]) + "\n"


Row = tuple[str, str, str, str]


def _keys(node: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = "") -> Iterator[Row]:
    for name, field in node["properties"].items():
        whole = _resolved(field, schema)
        section = next((each for each in _forms(whole, schema) if "properties" in each), None)
        ramp = section is not None and section["title"] == "Ramp"
        default = "required" if name in node.get("required", ()) else _default(field, whole, bool(section) and not ramp)
        meaning = field.get("description") or whole.get("description", "").split("\n")[0]
        yield f"{prefix}{name}", _kind(whole, schema), default, meaning.replace("|", "\\|").replace("<", "&lt;")
        if section is not None and not ramp:
            yield from _keys(section, schema, f"{prefix}{name}.")


def _default(field: Mapping[str, Any], whole: Mapping[str, Any], section: bool) -> str:
    value = field.get("default", whole.get("default"))
    if section:
        return "none" if "default" in field and value is None else ""
    return f"`{json.dumps(value)}`".replace("|", "\\|")


def _resolved(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in node:
        return node
    found: Mapping[str, Any] = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return found


def _forms(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The alternatives of a value, nested ones too."""
    node = _resolved(node, schema)
    inner = node.get("anyOf") or node.get("oneOf")
    for each in inner or ():
        yield from _forms(each, schema)
    if not inner:
        yield node


def _kind(node: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    words = []
    for form in _forms(node, schema):
        if "properties" in form:
            words.append("ramp" if form["title"] == "Ramp" else "section")
        elif "enum" in form:
            words += [f"`{value}`" for value in form["enum"]]
        elif "const" in form:
            words.append(f"`{form['const']}`")
        else:
            words.append(form["type"] + _bounds(form))
    return " or ".join(dict.fromkeys(words))


def _bounds(form: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    told = [f"{sign} {form[key]:g}" for key, sign in signs.items() if key in form and abs(form[key]) < 1e6]
    return f" {', '.join(told)}" if told else ""


def _without_selection(record: RunRecord) -> RunRecord:
    results = tuple(result.model_copy(update={"selected_on": None}) for result in record.results)
    return record.model_copy(update={"results": results})


def _without_stated(**parts: object) -> Callable[[RunRecord], RunRecord]:
    return lambda record: record.model_copy(
        update={"stated": record.stated.model_copy(update=parts) if record.stated else None}
    )


CONCLUSIONS: Mapping[str, Callable[[RunRecord], RunRecord]] = {
    "how the run ended: `status`, `failure`": lambda record: record.model_copy(
        update={"status": Status.FINISHED, "failure": None}
    ),
    "whose weights were tested: `stated.tested`": _without_stated(tested=None),
    "what the weights were chosen on: `results[].selected_on`": _without_selection,
    "what a checkpoint brought back: `stated.restored`": _without_stated(restored={}),
    "that no epoch was averaged: `stated.averaged_epochs`": _without_stated(averaged_epochs=None),
    "what a resume changed: `resumes`": lambda record: record.model_copy(update={"resumes": ()}),
    "what else reading and running the code showed: `stated.caveats`": _without_stated(caveats=()),
}
"""What the imported records hold beside numbers and settings: a conclusion in words -> a record without it."""


def october_findings(*left_out: Callable[[RunRecord], RunRecord]) -> dict[str, list[Finding]]:
    """Run of October -> its findings, some conclusions of the import left out."""
    source = FolderSource(ROOT / "runs")
    records = list(source.records())
    for leave_out in left_out:
        records = list(map(leave_out, records))
    entries = [entry_of(Logged(record, source.history(record.id))) for record in records]
    siblings = Siblings(entries)
    return {entry.id: diagnose(entry, siblings) for entry in entries}


def october_table() -> str:
    """Each run of October: what preflight says of its settings, what the rules read back, and what they find."""
    said, found = october_findings(), october_findings(*CONCLUSIONS.values())
    lines = ["| run | before it starts | read back | found |", "|---|---|---|---|"]
    for file in sorted((ROOT / "runs" / "specs" / "october").glob("*.yaml")):
        before, run = _grave(preflight(load_spec(file))), _run_of(file)
        read_back = _grave([one for one in said[run] if one not in found[run]])
        lines.append(f"| {file.stem} | {before} | {read_back} | {_grave(found[run])} |")
    return "\n".join(lines) + "\n"


def origins_table() -> str:
    """Which conclusions of the import the rules read back, and what they find by themselves."""
    said, found = october_findings(), october_findings(*CONCLUSIONS.values())
    rows = {_run_of(file): file.stem[:2] for file in sorted((ROOT / "runs" / "specs" / "october").glob("*.yaml"))}
    lines = ["| what the import states | read back as | rows |", "|---|---|---|"]
    for words, leave_out in CONCLUSIONS.items():
        less = october_findings(leave_out)
        gone = {(one.code, rows[run]) for run, all_of in said.items() for one in all_of if one not in less[run]}
        codes = ", ".join(f"`{code}`" for code in sorted({code for code, _ in gone}))
        lines.append(f"| {words} | {codes} | {', '.join(sorted({row for _, row in gone}))} |")
    kinds, own = (_grave_kinds(findings) for findings in (said, found))
    listed = ", ".join(f"`{code}`" for code in sorted(own))
    told = f"{len(kinds - own)} of the {len(kinds)} kinds of errors and warnings are read back, {len(own)} are found"
    return "\n".join([*lines, "", textwrap.fill(f"{told}: {listed}.", 120)]) + "\n"


def _grave_kinds(findings: Mapping[str, list[Finding]]) -> set[str]:
    return {one.code for each in findings.values() for one in each if one.severity is not Severity.NOTE}


def _run_of(file: Path) -> str:
    """The run whose settings an October spec holds; the head of the file names it."""
    found = re.search(r"^# Row \d+ of the October log, run (\S+)\.$", file.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, file
    return found[1]


def _grave(findings: list[Finding]) -> str:
    told = [f"**{each.code}** {each.sentence}" for each in findings if each.severity is not Severity.NOTE]
    return "; ".join(told) or "–"


def rules_table() -> str:
    """Every rule by the name under which it reports, and what it states."""
    lines = ["| when | rule | what it looks for |", "|---|---|---|"]
    named: list[tuple[str, Any]] = [("before", rule) for rule in RULES]
    named += [("after", rule) for rule in (*OWN, *AMONG)]
    for when, rule in named:
        lines.append(f"| {when} | `{rule.__name__}` | {' '.join((rule.__doc__ or '').split(chr(10))[0].split())} |")
    return "\n".join(lines) + "\n"


GENERATED: Mapping[str, Callable[[], str]] = {
    "commands": commands_table,
    "two-rows": two_rows,
    "spec": spec_table,
    "october": october_table,
    "origins": origins_table,
    "rules": rules_table,
}
"""What stands between `<!-- NAME -->` and `<!-- /NAME -->`."""


def renewed(text: str) -> str:
    """A page with the generated parts of now; a console block without `...` is what its commands print."""
    for name in re.findall(r"^<!-- ([\w-]+) -->$", text, re.MULTILINE):
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        assert found, f"{name} has no end"
        text = f"{before}{begin}{GENERATED[name]()}{end}{after}"
    return re.sub(r"^```console\n(.*?)^```$", _printed, text, flags=re.MULTILINE | re.DOTALL)


def _printed(found: re.Match[str]) -> str:
    if "\n...\n" in found[1] or "# refused" in found[1]:
        return found[0]
    asked = [line for line in found[1].splitlines() if line.startswith("$ ")]
    return "```console\n" + "".join(f"{line}\n{said(line[2:])}" for line in asked) + "```"


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")
