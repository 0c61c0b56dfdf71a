"""Where a run's weights came from and where they went, as a layered graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from kag.changelog.entry import Entry
from kag.report.figure import Edge, Graph, Node
from kag.report.layers import Place, layered
from kag.text import number, three_decimals
from kag.track.record import RunRecord, Source
from kag.view.words import NamedRuns

Link = Callable[[str], str | None]
"""Run id -> address of its page, or None."""


def lineage_figure(
    records: Iterable[RunRecord], run_id: str, link: Link = lambda _: None, name: str = "lineage"
) -> Graph | None:
    """Ancestors and descendants of a run by the weights that went from one to the next, and its comparison parent.

    Runs that no record knows appear with the word that names them.

    Returns:
        The graph, or None for an unknown run or one that stands alone.
    """
    known = _Known(records)
    if run_id not in known.by_id:
        return None
    ancestry = _walk(run_id, known.steps_to, lambda edge: edge.source)
    descent = _walk(run_id, known.steps_from, lambda edge: edge.target)
    found = (*known.comparison(run_id), *ancestry, *descent)
    edges = {(edge.source, edge.target): edge for edge in found}
    if not edges:
        return None
    # Unknown runs first, then by start, which an id begins with.
    ids = sorted({end for pair in edges for end in pair}, key=lambda run: (run in known.by_id, run))
    layout = layered(ids, list(edges))
    return Graph(
        name=name,
        title="Lineage",
        nodes=tuple(_node(known, run, place, link, current=run == run_id) for run, place in layout.places.items()),
        edges=tuple(replace(edge, via=layout.via.get(pair, ())) for pair, edge in edges.items()),
    )


class _Known:
    """Runs by id and by name, and who took weights from whom."""

    def __init__(self, records: Iterable[RunRecord]) -> None:
        self._named = NamedRuns(records)
        self.by_id = self._named.by_id
        self.steps_to: dict[str, list[Edge]] = defaultdict(list)
        self.steps_from: dict[str, list[Edge]] = defaultdict(list)
        for edge in (edge for record in self.by_id.values() for edge in self._inherited(record)):
            self.steps_to[edge.target].append(edge)
            self.steps_from[edge.source].append(edge)

    def comparison(self, run: str) -> Iterator[Edge]:
        """The step from the run that this one is compared with, if there is one."""
        record = self.by_id[run]
        if record.parent is not None and (parent := self._meant(record.parent, record)) != run:
            yield Edge(parent, run, "compared with", dashed=True)

    def _inherited(self, record: RunRecord) -> list[Edge]:
        """Where a run's weights came from; two checkpoints of one run are one step."""
        found: dict[str, list[str]] = defaultdict(list)
        for source in record.made_from:
            found[self._meant(source.run, record)].append(_taken(source))
        return [Edge(run, record.id, ", ".join(words)) for run, words in found.items() if run != record.id]

    def _meant(self, word: str, record: RunRecord) -> str:
        """The id that a word stands for: an id, or the newest earlier run of that name; else the word itself."""
        meant = self._named.meant(word, before=record)
        return meant.id if meant else word


def _taken(source: Source) -> str:
    if source.ratio is not None:
        return f"share {number(source.ratio)}"
    if source.epochs is not None:
        return f"{source.epochs} epoch{'' if source.epochs == 1 else 's'} shared"
    return source.checkpoint or "weights"


def _walk(run: str, steps: Mapping[str, Iterable[Edge]], end: Callable[[Edge], str]) -> Iterator[Edge]:
    """Every edge that is reached from a run by steps of one direction."""
    seen, waiting = {run}, [run]
    while waiting:
        for edge in steps.get(waiting.pop(), ()):
            yield edge
            if end(edge) not in seen:
                seen.add(end(edge))
                waiting.append(end(edge))


def _node(known: _Known, run: str, place: Place, link: Link, *, current: bool) -> Node:
    record = known.by_id.get(run)
    if record is None:
        return Node(run, f"{run}\nnot among these runs", *place)
    value = Entry(record).value("val")
    told = record.status.value.replace("_", " ") if value is None else f"val AUPRC {three_decimals(value)}"
    return Node(run, f"{record.name}\n{record.start:%Y-%m-%d}, {told}", *place, link(run), current)
