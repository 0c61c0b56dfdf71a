from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kag.report.figure import Graph
from kag.report.layers import layered
from kag.report.lineage import lineage_figure
from kag.track.record import RunRecord
from tests.changelog.run_logs import run_record


def run(number: int, name: str, *sources: str | dict[str, Any], parent: str | None = None) -> RunRecord:
    given = [source if isinstance(source, dict) else {"run": source} for source in sources]
    return run_record(number, name, sources=given, parent=parent)


def shape(graph: Graph | None) -> tuple[set[str], set[tuple[str, str, str, bool]]]:
    """Names of the nodes and of the ends of the edges."""
    assert graph is not None
    names = {node.id: node.label.split("\n")[0] for node in graph.nodes}
    edges = {(names[edge.source], names[edge.target], edge.label, edge.dashed) for edge in graph.edges}
    return set(names.values()), edges


def test_ancestors_and_descendants_by_weights_and_the_comparison_parent() -> None:
    first, other = run(0, "first"), run(1, "other")
    fork = run(2, "fork", {"run": first.id, "checkpoint": "best"}, parent=other.id)
    blend = run(3, "blend", {"run": first.id, "ratio": 0.25}, {"run": fork.id, "ratio": 0.75})
    aside = run(4, "aside", {"run": first.id, "epochs": 4})
    records = [blend, aside, fork, other, first]
    graph = lineage_figure(records, fork.id, link=lambda word: f"#{word}")
    nodes, edges = shape(graph)
    assert nodes == {"first", "other", "fork", "blend"}
    assert edges == {
        ("first", "fork", "best", False),
        ("fork", "blend", "share 0.75", False),
        ("other", "fork", "compared with", True),
    }
    assert graph is not None
    assert [node.link for node in graph.nodes if node.current] == [f"#{fork.id}"]
    assert shape(lineage_figure(records, first.id))[1] == {
        ("first", "fork", "best", False),
        ("first", "aside", "4 epochs shared", False),
        ("first", "blend", "share 0.25", False),
        ("fork", "blend", "share 0.75", False),
    }


def test_a_parent_that_gave_its_weights_is_one_step() -> None:
    first = run(0, "first")
    heir = run(1, "heir", {"run": first.id, "checkpoint": "last"}, parent=first.id)
    assert shape(lineage_figure([first, heir], heir.id))[1] == {("first", "heir", "last", False)}


def test_a_name_means_the_newest_earlier_run_of_that_name() -> None:
    old, new, heir, later = run(0, "base"), run(1, "base"), run(2, "heir", "base"), run(3, "base")
    graph = lineage_figure([old, new, heir, later], heir.id)
    assert graph is not None
    assert {edge.source for edge in graph.edges} == {new.id}


def test_unknown_parents_and_cycles_are_survived() -> None:
    lost = run(0, "lost", "gone", parent="nobody")
    nodes, edges = shape(lineage_figure([lost], lost.id))
    assert nodes == {"lost", "gone", "nobody"}
    assert edges == {("gone", "lost", "weights", False), ("nobody", "lost", "compared with", True)}
    ids = [run(number, name).id for number, name in enumerate("abc")]
    circle = [run(number, name, ids[number - 1]) for number, name in enumerate("abc")]
    graph = lineage_figure(circle, ids[0])
    assert graph is not None
    assert len({(node.column, node.row) for node in graph.nodes}) == 3
    assert len(graph.edges) == 3
    assert lineage_figure([run(0, "self", run(0, "self").id)], run(0, "self").id) is None


def test_a_run_alone_has_no_lineage() -> None:
    alone = run(0, "alone")
    assert lineage_figure([alone, run(1, "other")], alone.id) is None
    assert lineage_figure([alone], "nobody") is None


def test_a_chain_of_thousands_is_no_matter() -> None:
    ids = [run_record(number, "link").id for number in range(3000)]
    chain = [run(number, "link", *ids[max(number - 1, 0) : number]) for number in range(3000)]
    graph = lineage_figure(chain, ids[1500])
    assert graph is not None
    assert [node.column for node in sorted(graph.nodes, key=lambda node: node.id)] == list(range(3000))


NODES = "abcdefgh"
EDGES = st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=16, unique=True)


@given(EDGES)
def test_every_node_has_a_place_of_its_own_and_edges_go_right(edges: list[tuple[str, str]]) -> None:
    layout = layered(NODES, edges)
    bends = [place for found in layout.via.values() for place in found]
    places = [*layout.places.values(), *bends]
    assert set(layout.places) == set(NODES)
    assert len(set(places)) == len(places)
    for source, target in layout.via:
        (first, _), (last, _) = layout.places[source], layout.places[target]
        assert first < last
        assert [column for column, _ in layout.via[source, target]] == list(range(first + 1, last))
    if all(source < target for source, target in edges):
        assert set(layout.via) == set(edges)


def test_two_lines_of_descent_do_not_cross() -> None:
    pairs = [("a", "d"), ("b", "c"), ("d", "f"), ("c", "e")]
    places = layered("abcdef", pairs).places
    rows = [[places[name][1] for name in line] for line in ("adf", "bce")]
    assert rows in ([[0, 0, 0], [1, 1, 1]], [[1, 1, 1], [0, 0, 0]])


def test_a_long_edge_passes_beside_what_lies_between() -> None:
    layout = layered("abc", [("a", "b"), ("b", "c"), ("a", "c")])
    assert layout.places["b"][0] == 1
    assert layout.via["a", "c"] == ((1, 1 - layout.places["b"][1]),)
