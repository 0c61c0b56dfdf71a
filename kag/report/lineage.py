"""Where a run's weights came from and where they went, as a layered graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from kag.changelog.entry import Entry
from kag.report.figure import Edge, Graph, Node
from kag.report.layers import Layout, layered
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

    Args:
        records: every run that may belong to it.
        run_id: the run in the middle.
        link: address of a run's page.
        name: name of the figure.

    Returns:
        The graph, or None for an unknown run or one that stands alone.
    """
    known = _Known(records)
    if run_id not in known.by_id:
        return None
    edges = {(edge.source, edge.target): edge for edge in (*known.ancestry(run_id), *known.descent(run_id))}
    compared = known.comparison(run_id)
    if compared is not None:
        edges.setdefault((compared.source, compared.target), compared)
    if not edges:
        return None
    ids = list(dict.fromkeys(end for pair in edges for end in pair))
    layout = layered(sorted(ids, key=known.order), list(edges))
    return Graph(
        name=name,
        title="Lineage",
        nodes=tuple(_node(known, run, layout, link, current=run == run_id) for run in layout.places),
        edges=tuple(_via(edge, layout) for edge in edges.values()),
    )


class _Known:
    """Runs by id and by name, and who took weights from whom."""

    def __init__(self, records: Iterable[RunRecord]) -> None:
        self._named = NamedRuns(records)
        self.by_id = self._named.by_id
        self._heirs: dict[str, list[Edge]] = defaultdict(list)
        for record in self.by_id.values():
            for edge in self._inherited(record):
                self._heirs[edge.source].append(edge)

    def order(self, run: str) -> tuple[bool, str]:
        """Unknown runs first, then by start, which an id begins with."""
        return run in self.by_id, run

    def ancestry(self, run: str) -> Iterator[Edge]:
        """Every step by which weights came to a run."""
        yield from self._walk(run, lambda record: self._inherited(record), lambda edge: edge.source)

    def descent(self, run: str) -> Iterator[Edge]:
        """Every step by which weights went on from a run."""
        yield from self._walk(run, lambda record: self._heirs[record.id], lambda edge: edge.target)

    def comparison(self, run: str) -> Edge | None:
        """The run that this one is compared with."""
        record = self.by_id[run]
        if record.parent is None:
            return None
        parent = self._meant(record.parent, record)
        return None if parent == run else Edge(parent, run, "compared with", dashed=True)

    def _walk(
        self, run: str, steps: Callable[[RunRecord], Sequence[Edge]], end: Callable[[Edge], str]
    ) -> Iterator[Edge]:
        seen, waiting = {run}, [run]
        while waiting:
            record = self.by_id.get(waiting.pop())
            for edge in steps(record) if record is not None else ():
                yield edge
                if end(edge) not in seen:
                    seen.add(end(edge))
                    waiting.append(end(edge))

    def _inherited(self, record: RunRecord) -> list[Edge]:
        """Where a run's weights came from; two checkpoints of one run are one step."""
        found: dict[str, list[str]] = defaultdict(list)
        for source in record.sources:
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


def _node(known: _Known, run: str, layout: Layout, link: Link, *, current: bool) -> Node:
    record = known.by_id.get(run)
    column, row = layout.places[run]
    if record is None:
        return Node(run, f"{run}\nnot among these runs", column, row)
    value = Entry(record).value("val")
    told = record.status.value.replace("_", " ") if value is None else f"val AUPRC {three_decimals(value)}"
    return Node(run, f"{record.name}\n{record.start:%Y-%m-%d}, {told}", column, row, link(run), current)


def _via(edge: Edge, layout: Layout) -> Edge:
    return Edge(edge.source, edge.target, edge.label, edge.dashed, layout.via.get((edge.source, edge.target), ()))
