"""The page on own data: the file that its pandas example makes is one to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kag.data.layout import EMBEDDING, OPTIONAL, REQUIRED, SIZES, STATEMENTS
from kag.data.read import read_sites
from kag.data.soundness import soundness
from kag.spec import build_spec
from kag.train.console import RunConsole
from kag.train.fit import fit
from tests.pages import DATA, blocks

PROTEINS = {"1abc": 30, "1e10": 24, "10": 25, "2xyz": 28, "two": 2, "alone": 1}
"""Residues of each; a key may look like a number, and a protein may have fewer neighbours than places for them."""

SPLITS = dict(zip(PROTEINS, (0, 0, 1, 2, 0, 2), strict=True))

TINY = {
    "name": "own",
    "epochs": 1,
    "data": {"file": "own.h5", "batch_size": 32},
    "model": {"hidden": [8, 4], "attention": {"heads": 2, "layers": 1, "width": 8, "feedforward": 8}},
    "early_stopping": None,
    "track": {"mode": "disabled"},
}


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Points and residues as the page wants them, in an order of no meaning."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    keys = [(protein, 100 + number) for protein, count in PROTEINS.items() for number in range(count)]
    residues = pd.DataFrame(keys, columns=["protein", "residue"])
    residues[["x", "y", "z"]] = 3.8 * np.array([[number % 3, number // 3 % 3, number // 9] for _, number in keys])
    residues[[f"e_{place}" for place in range(6)]] = random.standard_normal((len(residues), 6))
    points = residues[["protein", "residue"]].sample(400, replace=True, random_state=0)
    points["split"] = points["protein"].map(SPLITS)
    points["label"] = (random.random(400) < 0.3).astype(int)
    points[["f_depth", "f_charge"]] = random.integers(-5, 6, (400, 2))
    points.to_csv("points.csv", index=False)
    residues = residues.sample(frac=1, random_state=1, ignore_index=True)
    residues.to_csv("residues.csv", index=False)
    return points, residues


def make() -> None:
    """Do what the page says."""
    (example,) = blocks(DATA, "python")
    exec(compile(example.text, str(DATA), "exec"), {})


def test_the_example_makes_the_file_that_the_page_describes(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    points, residues = tables
    make()
    sites = read_sites(Path("own.h5"))
    assert soundness(sites) == []
    assert (sites.points, sites.residues, sites.neighbours) == (400, sum(PROTEINS.values()), 3)
    assert sites.features == ("f_depth", "f_charge")
    assert [sites.proteins[place] for place in sites.protein_N] == list(points["protein"])
    assert (residues.loc[sites.centre_N, "residue"].to_numpy() == points["residue"].to_numpy()).all()
    places = residues[["x", "y", "z"]].to_numpy()
    away_NK = np.linalg.norm(places[sites.neighbour_NK] - places[sites.centre_N][:, None], axis=2)
    there_NK = sites.neighbour_NK >= 0
    assert np.allclose(away_NK[there_NK], sites.distance_NK[there_NK])
    few = points["protein"].map(PROTEINS).clip(upper=4).to_numpy() - 1
    assert (there_NK.sum(axis=1) == few).all()


def test_it_can_be_trained_on(tables: object, tmp_path: Path) -> None:
    make()
    record = fit(build_spec(TINY, {}), runs=tmp_path / "runs", console=RunConsole(quiet=True))
    assert {result.split for result in record.results} == {"val", "test"}
    assert [finding for finding in record.preflight if finding.code.startswith(("embeddings", "neighbours"))] == []


def test_the_page_names_every_dataset_and_every_attribute_that_is_read() -> None:
    text = DATA.read_text(encoding="utf-8")
    for layout in (*REQUIRED, *OPTIONAL):
        assert f"| `{layout.name}` | {', '.join(layout.shape)} | {layout.kind} |" in text
    assert [name for name in (*STATEMENTS, *STATEMENTS.values(), *SIZES, *EMBEDDING) if f"`{name}`" not in text] == []
    assert len([line for line in blocks(DATA, "python")[0].text.split("\n\n")[1].splitlines() if line]) == 15
