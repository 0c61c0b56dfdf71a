"""Rules of the change log, one module a topic. A rule states what the numbers say; causes and advice are human notes.

A rule is named like the code of its finding and fires at most once on a run. `kag.changelog.diagnose` lists them all.
"""

from __future__ import annotations

from kag.spec.finding import Evidence, Finding, Severity


def note(code: str, sentence: str, **evidence: float | int | str | bool | None) -> Finding:
    """A finding that is worth knowing."""
    return _finding(code, Severity.NOTE, sentence, evidence)


def warning(code: str, sentence: str, **evidence: float | int | str | bool | None) -> Finding:
    """A finding about a result that is probably not what was meant."""
    return _finding(code, Severity.WARNING, sentence, evidence)


def error(code: str, sentence: str, **evidence: float | int | str | bool | None) -> Finding:
    """A finding about a number that is not what it seems."""
    return _finding(code, Severity.ERROR, sentence, evidence)


def _finding(code: str, severity: Severity, sentence: str, evidence: Evidence) -> Finding:
    return Finding(code=code, severity=severity, sentence=sentence, evidence=evidence)
