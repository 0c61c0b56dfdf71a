"""Shares of a blend and windows of epochs, as they are written on the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.cli.blend import grid, shares
from kag.cli.windows import parse_window
from kag.errors import UserError


def test_windows_in_words() -> None:
    assert parse_window("26:6") == (26, 6)
    for text in ("26", "26:0", "26-6", "a:b", "-1:2", "26:6:1", ""):
        with pytest.raises(UserError, match="START:LENGTH"):
            parse_window(text)


def test_grids() -> None:
    assert grid("0:1:0.1", 2)[3] == (0.7, 0.3)
    assert [ratios[1] for ratios in grid("0:1:0.1", 2)] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert grid("0.2:0.5:0.2", 2) == ((0.8, 0.2), (0.6, 0.4))
    assert grid("0.5:0.5:1", 2) == ((0.5, 0.5),)
    assert grid("0:1:0.5", 3) == (
        (1.0, 0.0, 0.0),
        (0.5, 0.0, 0.5),
        (0.0, 0.0, 1.0),
        (0.5, 0.5, 0.0),
        (0.0, 0.5, 0.5),
        (0.0, 1.0, 0.0),
    )


@given(st.integers(1, 100), st.integers(2, 3))
def test_every_blend_of_a_grid_shares_out_everything(parts: int, parents: int) -> None:
    step = 1 / parts
    if (parts + 1) ** (parents - 1) <= 1001:
        for ratios in grid(f"0:1:{step:.6f}", parents):
            assert len(ratios) == parents
            assert min(ratios) >= 0.0
            assert sum(ratios) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "text", ["3:1", "1", "0:1", "0:1:0", "0:2:0.5", "0.5:0.2:0.1", "a:b:c", "0:nan:1", "0:1:1e-9", ""]
)
def test_what_is_no_grid_is_refused_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(UserError, match=r"--ratios 0:1:0\.1"):
        grid(text, 2)


def test_shares_written_out() -> None:
    assert shares("0.5,0.5", 2) == (0.5, 0.5)
    assert shares("0.3, 0.3, 0.4", 3) == (0.3, 0.3, 0.4)
    assert shares("1,0", 2) == (1.0, 0.0)
    assert shares("0.333333,0.333333,0.333334", 3)[2] == 0.333334


@pytest.mark.parametrize(
    "text", ["3:1", "99:1", "3,1", "0.5", "0.5,0.6", "1.5,-0.5", "0.5,0.5,0", "half,half", "nan,1", ""]
)
def test_what_are_no_shares_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"--weights 0\.75,0\.25"):
        shares(text, 2)
