"""What residue embeddings go through before the model sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kag.model.embedding import EmbeddingNorm, embedding_statistics

RESIDUE_RD = np.random.default_rng(0).normal(3.0, [2.0, 0.5, 0.0], (40, 3)).astype(np.float32)


def test_train_statistics_standardise_the_rows_that_they_are_of() -> None:
    rows = np.arange(0, 40, 2)
    norm = EmbeddingNorm("train", 3)
    norm.set_statistics(*embedding_statistics(RESIDUE_RD, rows))
    normal_UD = norm(torch.from_numpy(RESIDUE_RD[rows]))
    assert normal_UD.mean(0).tolist() == pytest.approx([0.0, 0.0, 0.0], abs=1e-5)
    assert normal_UD.std(0, correction=0).tolist() == pytest.approx([1.0, 1.0, 0.0], abs=1e-5)
    assert set(norm.state_dict()) == {"mean_D", "std_D"}, "the checkpoint carries them"


def test_layer_norm_makes_scale_and_shift_of_a_row_vanish() -> None:
    norm, row_UD = EmbeddingNorm("layer", 3), torch.randn(5, 3)
    assert torch.allclose(norm(row_UD), norm(4.0 * row_UD + 2.0), atol=1e-4)


def test_as_stored_is_the_same_tensor() -> None:
    row_UD = torch.randn(5, 3)
    assert EmbeddingNorm("none", 3)(row_UD) is row_UD
    assert not EmbeddingNorm("none", 3).state_dict()


@pytest.mark.parametrize("kind", ["train", "layer"])
def test_centre_and_neighbours_go_through_it(kind: str, make_spec: Any, make_network: Any, make_batch: Any) -> None:
    """The whole network with a norm is the network without one on normalised embeddings."""
    plain, network = (make_network(make_spec({"embedding_norm": each})).eval() for each in ("none", kind))
    network.load_state_dict(plain.state_dict(), strict=False)
    if kind == "train":
        network.set_embedding_statistics(torch.full((8,), 0.5), torch.full((8,), 2.0))
    batch = make_batch()
    normal = batch.with_residues(network.embedding_norm(batch.centre_CD), network.embedding_norm(batch.neighbour_CKD))
    assert torch.allclose(network(batch).logit_B, plain(normal).logit_B, atol=1e-6)
    assert not torch.allclose(network(batch).logit_B, plain(batch).logit_B, atol=1e-3)
