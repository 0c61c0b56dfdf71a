from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kag.data.batches import evaluation_batches
from kag.data.facts import DataFacts
from kag.data.mined import read_mined, write_mined
from kag.data.sites import Sites
from kag.errors import DataError
from kag.model.network import Network
from kag.spec import RunSpec
from kag.weights.bench import Bench
from kag.weights.checkpoint import stored
from kag.weights.evaluate import Predictions, evaluate, score
from kag.weights.mine import false_negatives, mine


@pytest.fixture
def bench(spec: RunSpec, network: Network, facts: DataFacts, sites: Sites) -> Bench:
    return Bench.of(stored(spec, network.state_dict(), facts, epoch=0), sites)


def test_missed_positives_come_worst_first(sites: Sites) -> None:
    rows = sites.index("train")
    positive = rows[sites.label_N[rows] == 1][:5]
    negative = rows[sites.label_N[rows] == 0][:1]
    logit = {
        positive[0]: -1.0,
        positive[1]: 0.5,
        positive[2]: -3.0,
        positive[3]: 0.2,
        positive[4]: -1.0,
        negative[0]: -9.0,
    }
    index_N = np.array(sorted(logit), dtype=np.int64)
    predictions = Predictions(index_N, np.array([logit[row] for row in index_N], dtype=np.float32))
    expected = [positive[2], positive[0], positive[4], positive[3]]
    assert false_negatives(predictions, sites, 0.5).tolist() == expected


def test_what_is_mined_can_be_replayed(tmp_path: Path, bench: Bench) -> None:
    network, sites, tables = bench.network, bench.sites, bench.tables
    mining = mine(bench, run="2025-10-21_12-48-11_oct17")
    path = tmp_path / "hard.json"
    write_mined(path, mining.mined)
    index_M = read_mined(path, sites)
    predictions = score(network, tables, evaluation_batches(sites, "train"))
    threshold = evaluate(network, sites, tables, "val", samples=0).threshold
    assert mining.threshold == threshold
    logit = dict(zip(predictions.index_N.tolist(), predictions.logit_N.tolist(), strict=True))
    assert all(sites.label_N[row] == 1 and logit[row] < threshold for row in index_M)
    assert [logit[row] for row in index_M] == sorted(logit[row] for row in index_M)
    found = sum(value >= threshold for row, value in logit.items() if sites.label_N[row] == 1)
    assert mining.positives == mining.missed + found
    assert len(index_M) == mining.missed
    assert (mining.mined.run, mining.mined.weights_digest) == (
        "2025-10-21_12-48-11_oct17",
        bench.weights.weights_digest,
    )
    top = mine(bench, run="r", top=3)
    assert top.mined.indices == index_M[:3].tolist()
    assert top.missed == mining.missed


def test_other_data_and_other_splits_are_not_replayed(tmp_path: Path, bench: Bench, sites: Sites) -> None:
    mining = mine(bench, run="r", split="test")
    write_mined(tmp_path / "test.json", mining.mined)
    with pytest.raises(DataError, match="test split"):
        read_mined(tmp_path / "test.json", sites)
    write_mined(tmp_path / "other.json", mining.mined.model_copy(update={"data_digest": "e" * 64, "split": "train"}))
    with pytest.raises(DataError, match="other data"):
        read_mined(tmp_path / "other.json", sites)


def test_nothing_missed_is_said(bench: Bench) -> None:
    with torch.no_grad():
        bench.network.classifier.logit.weight.zero_()
    with pytest.raises(DataError, match="find every positive of train"):
        mine(bench, run="r")
