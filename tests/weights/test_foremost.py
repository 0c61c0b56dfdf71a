from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kag.weights.foremost import Foremost


@given(st.lists(st.integers(0, 5), max_size=12), st.integers(1, 4))
def test_the_best_are_kept_and_all_are_counted(values: list[int], most: int) -> None:
    foremost = Foremost(most)
    for number, value in enumerate(values):
        foremost.add(float(value), np.full(2, number, dtype=np.float32))
    kept = list(foremost)
    assert foremost.values == [float(value) for value in values]
    assert [one.value for one in kept] == sorted(foremost.values, reverse=True)[:most]
    assert all(values[int(one.logit_N[0])] == one.value for one in kept), "each with its own logits"
    assert len({int(one.logit_N[0]) for one in kept}) == len(kept)
