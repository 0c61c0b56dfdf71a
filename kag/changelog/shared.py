"""What is said of replicates: what each has by itself is said once, with how many runs it is said of.

What rests on the means of a group is the same for each of its runs, and is asked of the first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from kag.changelog.diagnose import AMONG, OF_GROUP, among_findings, diagnose
from kag.changelog.entry import Entry
from kag.changelog.groups import Group
from kag.changelog.siblings import Siblings
from kag.finding import Finding, gravest_first


def diagnose_group(group: Group, siblings: Siblings) -> list[Finding]:
    """Every finding about a run and its replicates, the gravest first; of a run alone those that `diagnose` has."""
    if not group.is_several:
        return diagnose(group.first, siblings)
    together = among_findings(group.first, siblings, [rule for rule in AMONG if rule in OF_GROUP])
    return gravest_first([*together, *_once(group, siblings)])


def _once(group: Group, siblings: Siblings) -> Iterator[Finding]:
    """The findings of the runs, those of one rule as one."""
    found: defaultdict[str, list[tuple[Entry, Finding]]] = defaultdict(list)
    rules = [rule for rule in AMONG if rule not in OF_GROUP]
    for entry in group.entries:
        for finding in (*among_findings(entry, siblings, rules), *entry.findings):
            found[finding.code].append((entry, finding))
    for told in found.values():
        entry, first = told[0]
        evidence = {**first.evidence, "runs": len(told), "of_runs": len(group.entries)}
        said = f"{_where(group, told)}: {first.sentence}"
        yield first.model_copy(update={"sentence": said, "evidence": evidence})


def _where(group: Group, told: list[tuple[Entry, Finding]]) -> str:
    """Of which runs it is said; where the sentences differ, whose is the one that stands for all."""
    count, of = len(told), len(group.entries)
    seed = f"seed {group.seed(told[0][0])}"
    if count == 1:
        return seed
    every = "both runs" if of == 2 else f"all {of} runs"
    many = every if count == of else f"{count} of {of} runs"
    same = len({finding.sentence for _, finding in told}) == 1
    return many if same else f"{many}, here {seed}"
