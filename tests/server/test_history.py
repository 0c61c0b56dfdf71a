"""Pages, samples and chosen keys of a history."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.server.history import reach, spread


@given(st.integers(0, 300), st.integers(0, 60))
def test_a_sample_is_even_and_keeps_both_ends(total: int, count: int) -> None:
    found = spread(total, count)
    assert len(found) == min(total, count)
    assert found == sorted(set(found))
    if found and count > 1:
        assert (found[0], found[-1]) == (0, total - 1)
    gaps = [b - a for a, b in pairwise(found)]
    assert max(gaps, default=0) - min(gaps, default=0) <= 1


def test_a_value_is_reached_by_a_key_with_dots() -> None:
    tree = {"a.b": {"c": 1}, "a": {"b": {"d": 2}}, "val/auprc": 3}
    assert reach(tree, "a.b.c") == (True, 1)
    assert reach(tree, "a.b.d") == (True, 2)
    assert reach(tree, "val/auprc") == (True, 3)
    assert reach(tree, "a.x") == (False, None)


@pytest.mark.parametrize(("first", "last"), [(lambda page: page * 7, lambda page: page * 7 + 7)], ids=["to 0.23"])
def test_pages_of_older_clients_join_without_gap_or_overlap(site: Any, first: Any, last: Any) -> None:
    check_pages(site, first, last)


@pytest.mark.parametrize(("first", "last"), [(lambda page: page * 7, lambda page: page * 7 + 6)], ids=["newer"])
def test_pages_of_newer_clients_join_without_gap_or_overlap(site: Any, first: Any, last: Any) -> None:
    check_pages(site, first, last)


def check_pages(site: Any, first: Any, last: Any) -> None:
    site.run()
    site.log(0, [{"_step": step, "odd": step} if step % 2 else {"_step": step} for step in range(40)])
    found = []
    for page in range(6):
        spec = json.dumps({"keys": ["odd"], "minStep": first(page), "maxStep": last(page), "samples": 7})
        query = 'query($s: JSONString!){project(name:"p"){run(name:"first"){sampledHistory(specs:[$s])}}}'
        found += [row["odd"] for row in site.ask(query, s=spec)["project"]["run"]["sampledHistory"][0]]
    assert found == list(range(1, 40, 2))
