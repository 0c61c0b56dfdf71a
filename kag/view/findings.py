"""What a rule says, as it looks on a terminal: the same line before a run, while it begins, and after it."""

from __future__ import annotations

from rich.markup import escape

from kag.finding import Finding, Severity

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}


def severity(value: Severity) -> str:
    """How bad a finding is, in its colour."""
    return f"[{_COLOURS[value]}]{value.value}[/]"


def finding_line(finding: Finding) -> str:
    """Severity, name of the rule, and its sentence, on one line of markup."""
    return f"{severity(finding.severity)} {escape(finding.code)}: {escape(finding.sentence)}"
