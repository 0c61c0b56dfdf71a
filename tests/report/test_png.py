from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from kag.report.figure import Chart, Figure, Line, Parallel
from kag.report.png import png
from kag.report.sections import file_name
from tests.report.every_figure import EVERY, PARALLEL

Pixels = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]


def pixels(figure: Figure) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(png(figure))).convert("RGB"))


def near(found: Pixels, colour: tuple[int, int, int]) -> int:
    """Pixels of about this colour."""
    return int((np.abs(found.astype(int) - colour).max(axis=2) < 24).sum())


@pytest.fixture(scope="module")
def drawn() -> dict[str, Pixels]:
    """Every figure by its name."""
    return {figure.name: pixels(figure) for figure in EVERY}


@pytest.mark.parametrize("name", [figure.name for figure in EVERY])
def test_every_kind_is_drawn(name: str, drawn: dict[str, Pixels]) -> None:
    found = drawn[name]
    assert found.shape[0] > 150
    assert found.shape[1] > 600
    assert len(np.unique(found.astype(np.uint32) @ (65536, 256, 1))) > 20
    assert 0.005 < (found < 250).any(axis=2).mean() < 0.9


def test_a_curve_has_its_colour_and_the_span_its_shade(drawn: dict[str, Pixels]) -> None:
    bare = pixels(Chart("a", "A", "x", "y", (Line("l", [0, 1], [0.0, 1.0], colour=1),)))
    assert near(bare, (0xD5, 0x5E, 0x00)) > 300
    assert near(bare, (0x00, 0x72, 0xB2)) == 0
    assert near(drawn["chart"], (235, 243, 249)) > 2000


def test_a_gap_leaves_room() -> None:
    whole = Chart("a", "A", "x", "y", (Line("l", range(5), [0.0, 1.0, 0.5, 1.0, 0.0]),))
    gap = Chart("a", "A", "x", "y", (Line("l", range(5), [0.0, 1.0, math.nan, 1.0, 0.0]),))
    blue = (0x00, 0x72, 0xB2)
    assert 0 < near(pixels(gap), blue) < 0.8 * near(pixels(whole), blue)


def test_the_best_cell_is_framed_and_an_empty_one_white(drawn: dict[str, Pixels]) -> None:
    found = drawn["heatmap"]
    assert near(found, (0xD5, 0x5E, 0x00)) > 500
    assert near(found, (255, 255, 255)) > 50_000


def test_one_row_of_parallel_coordinates_is_drawn() -> None:
    single = Parallel("p", "P", PARALLEL.axes, PARALLEL.rows[:1], PARALLEL.labels[:1])
    assert (pixels(single) < 250).any(axis=2).mean() > 0.005


@pytest.mark.parametrize(
    ("text", "name"),
    [("2025-10-17_oct17-lr", "2025-10-17_oct17-lr"), ("../../etc/a b", "_.._etc_a_b"), ("..", "_"), ("", "_")],
)
def test_a_name_leads_nowhere_else(text: str, name: str) -> None:
    assert file_name(text) == name
