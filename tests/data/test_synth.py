from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kag.data import synth
from kag.data.read import read_sites
from kag.data.sites import Sites
from kag.data.synth import synthesise
from kag.data.tables import SiteTables, train_statistics
from kag.errors import DataError


def features(sites: Sites, split: str, *, blinded: bool) -> tuple[Tensor, Tensor]:
    """Standardised columns and the centre's embedding, and unless blinded the mean of near neighbours' embeddings."""
    batch = SiteTables.from_sites(sites, 30.0).gather(torch.from_numpy(sites.index(split)), share="nothing")
    mean_F, std_F = train_statistics(sites)
    tabular_BF = (batch.tabular_BF.sign() * batch.tabular_BF.abs().log1p() - mean_F) / std_F
    weight_CK = torch.exp(-batch.distance_CK / 4.0) * batch.valid_CK
    pooled_CD = (batch.neighbour_CKD * weight_CK.unsqueeze(-1)).sum(1) / weight_CK.sum(1, keepdim=True).clamp(min=1e-6)
    seen = [tabular_BF, batch.centre_CD] + ([] if blinded else [pooled_CD])
    return torch.cat(seen, dim=1), batch.label_B


def average_precision(logit: Tensor, label: Tensor) -> float:
    ranked = label[logit.argsort(descending=True, stable=True)].numpy()
    precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return float(precision[ranked > 0].mean())


def val_precision(sites: Sites, *, blinded: bool) -> float:
    """Average precision on val of a logistic regression fitted on train."""
    torch.manual_seed(0)
    seen_BX, label_B = features(sites, "train", blinded=blinded)
    model = nn.Linear(seen_BX.shape[1], 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.1)
    loss = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(19.0))
    for _ in range(200):
        optimizer.zero_grad()
        loss(model(seen_BX).squeeze(1), label_B).backward()
        optimizer.step()
    seen_BX, label_B = features(sites, "val", blinded=blinded)
    with torch.no_grad():
        return average_precision(model(seen_BX).squeeze(1), label_B)


def test_neighbours_carry_signal_that_the_centre_lacks(synthetic_sites: Sites) -> None:
    seeing = val_precision(synthetic_sites, blinded=False)
    blinded = val_precision(synthetic_sites, blinded=True)
    assert seeing > 0.45
    assert blinded < 0.5 * seeing
    assert blinded > 1.2 * synthetic_sites.prevalence("val")


def test_equal_arguments_give_equal_bytes_and_other_seeds_other_files(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        synthesise(tmp_path / name, proteins=4, points_per_protein=30, seed=seed)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_sites(tmp_path / "a").digest != read_sites(tmp_path / "c").digest


def test_more_proteins_leave_the_first_ones_as_they_were(tmp_path: Path) -> None:
    for proteins in (4, 6):
        synthesise(tmp_path / str(proteins), proteins=proteins, points_per_protein=30)
    few, many = read_sites(tmp_path / "4"), read_sites(tmp_path / "6")
    assert np.array_equal(few.tabular_NF, many.tabular_NF[: few.points])
    assert np.array_equal(few.label_N, many.label_N[: few.points])


@pytest.mark.parametrize(("proteins", "held_out"), [(3, 1), (4, 1), (7, 1), (24, 5), (40, 8)])
def test_splits_are_by_protein_and_never_empty(tmp_path: Path, proteins: int, held_out: int) -> None:
    synthesise(tmp_path / "s.h5", proteins=proteins, points_per_protein=10)
    sites = read_sites(tmp_path / "s.h5")
    counts = [len(set(sites.protein_N[sites.index(split)].tolist())) for split in ("train", "val", "test")]
    assert counts == [proteins - 2 * held_out, held_out, held_out]


def test_every_protein_has_the_asked_share_of_positives(synthetic_sites: Sites) -> None:
    positives_P = np.bincount(synthetic_sites.protein_N, weights=synthetic_sites.label_N)
    assert positives_P.tolist() == [10.0] * 24


def test_columns_are_unscaled_as_in_files_of_users(synthetic_sites: Sites) -> None:
    span_F = np.abs(synthetic_sites.tabular_NF).max(axis=0)
    assert span_F.max() > 500
    assert span_F.min() < 10
    assert (synthetic_sites.tabular_NF[:, -1] == 1).all()


def test_neighbours_are_the_nearest_with_a_few_missing(synthetic_sites: Sites) -> None:
    there_NK = synthetic_sites.neighbour_NK >= 0
    assert there_NK[:, :-1].all()
    assert 0 < 1 - there_NK[:, -1].mean() < 0.1
    distance_NK = synthetic_sites.distance_NK
    assert (np.diff(distance_NK[there_NK.all(axis=1)], axis=1) >= 0).all()
    assert distance_NK[there_NK].min() > 2.0
    assert distance_NK[there_NK].max() < 12.0


def test_widths_and_counts_are_those_asked_for(tmp_path: Path) -> None:
    synthesise(
        tmp_path / "s.h5", proteins=3, points_per_protein=11, embedding=7, neighbours=5, features=1, prevalence=0.3
    )
    sites = read_sites(tmp_path / "s.h5")
    assert (sites.points, sites.embedding, sites.neighbours, sites.columns) == (33, 7, 5, 1)
    assert sites.label_N.sum() == 9
    with h5py.File(tmp_path / "s.h5") as file:
        assert file.attrs["knn_k"] == 5
        assert file["residue_embeddings"].chunks[0] <= 1024


@pytest.mark.parametrize(
    "asked",
    [
        {"proteins": 2},
        {"points_per_protein": 1},
        {"embedding": 0},
        {"neighbours": 0},
        {"neighbours": 8, "residues_per_protein": 8},
        {"features": 0},
        {"prevalence": 0.0},
        {"prevalence": 1.0},
        {"missing": 1.5},
    ],
)
def test_what_makes_no_file_is_refused_and_leaves_nothing(tmp_path: Path, asked: dict[str, int]) -> None:
    with pytest.raises(DataError):
        synthesise(tmp_path / "s.h5", **asked)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        synthesise(tmp_path / "file" / "s.h5", proteins=3, points_per_protein=10)


def test_an_embedding_is_written_once_unless_it_is_asked_for_each_point(tmp_path: Path) -> None:
    for name, esm in (("once.h5", False), ("twice.h5", True)):
        synthesise(tmp_path / name, proteins=4, points_per_protein=200, embedding=512, esm=esm)
    once, twice = (tmp_path / name for name in ("once.h5", "twice.h5"))
    assert read_sites(once).digest == read_sites(twice).digest
    with h5py.File(once) as file:
        assert "esm" not in file
    assert once.stat().st_size < 0.6 * twice.stat().st_size


def test_a_protein_has_as_many_residues_as_asked_for(tmp_path: Path) -> None:
    synthesise(tmp_path / "s.h5", proteins=3, points_per_protein=90, residues_per_protein=12)
    sites = read_sites(tmp_path / "s.h5")
    assert (sites.points, sites.residues) == (270, 36)


class Disk(NamedTuple):
    free: int


@pytest.mark.parametrize(("embedding", "esm"), [(2560, False), (64, True)])
def test_the_size_of_a_large_file_is_said_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedding: int, esm: bool
) -> None:
    said: list[str] = []
    monkeypatch.setattr(synth, "LARGE", 100_000)
    synthesise(tmp_path / "s.h5", proteins=3, points_per_protein=200, embedding=embedding, esm=esm, say=said.append)
    written = (tmp_path / "s.h5").stat().st_size
    (line,) = said
    told = re.fullmatch(r"the file takes about ([\d.]+) (.iB), .* are free there", line)
    assert told
    assert float(told[1]) * {"KiB": 2**10, "MiB": 2**20}[told[2]] == pytest.approx(written, rel=0.3)


def test_a_file_that_does_not_fit_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Disk(100_000))
    with pytest.raises(DataError, match=r"97\.7 KiB are free there"):
        synthesise(tmp_path / "new" / "s.h5", proteins=3, points_per_protein=200, embedding=2560)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_no_half_file(tmp_path: Path) -> None:
    def interrupted(done: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "s.h5").write_text("what was there")
    with pytest.raises(KeyboardInterrupt):
        synthesise(tmp_path / "s.h5", proteins=3, points_per_protein=20, on_protein=interrupted)
    assert [path.name for path in tmp_path.iterdir()] == ["s.h5"]
    assert (tmp_path / "s.h5").read_text() == "what was there"
