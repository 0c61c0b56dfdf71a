"""`Finding`: what a rule has to say, before a run (preflight) or after it (diagnose)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

Evidence = dict[str, float | int | str | bool | None]


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """The result would be wrong: training is refused."""
    WARNING = "warning"
    """The result is what was asked for, and probably not what was meant."""
    NOTE = "note"
    """Worth knowing."""

    @property
    def rank(self) -> int:
        """0 is the gravest."""
        return list(Severity).index(self)


class Finding(BaseModel):
    """One sentence by one rule, with the numbers that it rests on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    """Stable name of the rule: `swa_unreachable`."""
    severity: Severity
    sentence: str
    """A statement of fact; no cause, no advice that the numbers do not carry."""
    evidence: Evidence = {}
    """The numbers: name -> value."""


def gravest_first(findings: Iterable[Finding]) -> list[Finding]:
    """Errors, warnings, notes; those of one severity stay in their order."""
    return sorted(findings, key=lambda finding: finding.severity.rank)


def note(code: str, sentence: str, **evidence: float | int | str | bool | None) -> Finding:
    """A finding that is worth knowing."""
    return Finding(code=code, severity=Severity.NOTE, sentence=sentence, evidence=evidence)


def warning(code: str, sentence: str, **evidence: float | int | str | bool | None) -> Finding:
    """A finding about a result that is probably not what was meant."""
    return Finding(code=code, severity=Severity.WARNING, sentence=sentence, evidence=evidence)


def error(code: str, sentence: str, **evidence: float | int | str | bool | None) -> Finding:
    """A finding about a run that cannot be, or a number that is not what it seems."""
    return Finding(code=code, severity=Severity.ERROR, sentence=sentence, evidence=evidence)
