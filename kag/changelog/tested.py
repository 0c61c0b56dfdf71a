"""Differences that are tested, as rules ask for them: against the parent, and against the best before.

Where several runs are compared with one parent, their p-values are those of a family (Holm 1979): the more are tried,
the more often one of them lies apart by chance. Replicates are tried once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from kag.compare.comparison import Comparison
from kag.compare.groups import GroupComparison
from kag.compare.paired import Unpaired
from kag.names import Part

if TYPE_CHECKING:
    from kag.stats.paired import Difference


class Child(NamedTuple):
    """A run beside the parent that it is compared with; of replicates the first, with the means of both."""

    run: str
    parent: str
    compared: Comparison


class AgainstParent(NamedTuple):
    """The tested difference of a run from its parent on a split."""

    difference: Difference
    apart: bool
    """Whether the two are told apart, as one of the family."""
    family: int
    """Runs that are compared with the same parent, replicates as one."""
    of_groups: bool = False
    """Whether any of them stands for replicates."""

    @property
    def among(self) -> str:
        """What a sentence adds for a family."""
        what = "rows" if self.of_groups else "runs"
        return f", Holm over {self.family} {what} of this parent" if self.family > 1 else ""


class Families:
    """What was tested of runs that are compared with the same parent, worked out when it is asked for.

    Args:
        children: every run that has a parent.
    """

    def __init__(self, children: Iterable[Child]) -> None:
        self._children = {child.run: child for child in children}
        self._known: dict[tuple[str, Part], Mapping[str, AgainstParent]] = {}

    def test(self, run: str, split: Part) -> AgainstParent | Unpaired | None:
        """The tested difference of the AUPRC of a run from its parent's; None for a run without one."""
        child = self._children.get(run)
        if child is None:
            return None
        alone = child.compared.test(split)
        if isinstance(alone, Unpaired):
            return alone
        key = child.parent, split
        if key not in self._known:
            self._known[key] = dict(self._family(child.parent, split))
        return self._known[key][run]

    @cached_property
    def _by_parent(self) -> Mapping[str, list[Child]]:
        found: defaultdict[str, list[Child]] = defaultdict(list)
        for child in self._children.values():
            found[child.parent].append(child)
        return found

    def _family(self, parent: str, split: Part) -> Iterator[tuple[str, AgainstParent]]:
        from kag.stats.paired import ALPHA, holm

        tests = {child.run: child.compared.test(split) for child in self._by_parent[parent]}
        tested = {run: one for run, one in tests.items() if not isinstance(one, Unpaired)}
        p_values = holm([one.p_value for one in tested.values()])
        of_groups = any(isinstance(self._children[run].compared, GroupComparison) for run in tested)
        for (run, one), p in zip(tested.items(), p_values, strict=True):
            yield run, AgainstParent(one, p < ALPHA, len(tested), of_groups)
