from __future__ import annotations

import numpy as np
import pytest
import torch

from kag.data.batches import evaluation_batches, shard
from kag.data.rows import EVALUATION, Share
from kag.data.sites import Sites
from kag.data.tables import SiteTables
from kag.errors import DataError, RunFailed
from kag.model.network import Network
from kag.model.precision import FEWEST_ROWS
from kag.names import METRICS
from kag.stats import metrics
from kag.stats.measure import measure
from kag.track.measured import results
from kag.weights.evaluate import Predictions, evaluate, evaluating, measured, score


def plain_logits(network: Network, tables: SiteTables, index_N: np.ndarray, share: Share = "nothing") -> np.ndarray:
    """One context for each point, or distinct ones, a row for each of their tokens; in one batch."""
    with evaluating(network):
        return network(tables.gather(torch.from_numpy(index_N), share=share)).logit_B.numpy()


def test_scores_are_those_of_the_plain_path_each_point_once(network: Network, sites: Sites, tables: SiteTables) -> None:
    """Residues that are shared change no bit where a product has rows enough.

    Shared contexts may, in the last digit of a few logits: the gate's last product has one column, and the kernels for
    such products round its last rows differently.
    """
    batches = evaluation_batches(sites, "val", 100)
    assert min(len(tables.lookup.rows(index_B, EVALUATION).point_C) for index_B in batches) >= FEWEST_ROWS
    predictions = score(network, tables, batches)
    assert predictions.index_N.tolist() == sites.index("val").tolist()
    np.testing.assert_allclose(predictions.logit_N, plain_logits(network, tables, sites.index("val")), atol=1e-6)
    parts = [Predictions.merged(rows, plain_logits(network, tables, rows, "contexts")) for rows in batches]
    assert np.array_equal(predictions.logit_N, np.concatenate([part.logit_N for part in parts]))


def test_rows_that_a_sampler_repeats_count_once(network: Network, sites: Sites, tables: SiteTables) -> None:
    batches = evaluation_batches(sites, "val", 50)
    parts = [score(network, tables, [*shard(batches, rank, 2, even=False), batches[0]]) for rank in range(2)]
    merged = Predictions.merged(
        np.concatenate([part.index_N for part in parts]), np.concatenate([part.logit_N for part in parts])
    )
    assert merged.index_N.tolist() == sites.index("val").tolist()
    alone = measured(score(network, tables, batches), sites, "val", samples=0)
    assert measured(merged, sites, "val", samples=0).values == pytest.approx(dict(alone.values), abs=1e-6)


def test_every_module_is_in_its_mode_again(network: Network, sites: Sites, tables: SiteTables) -> None:
    network.gate.eval()
    before = {name: module.training for name, module in network.named_modules()}
    statistics = network.tabular_encoder[1].running_mean.clone()
    evaluate(network, sites, tables, "val", samples=0)
    assert {name: module.training for name, module in network.named_modules()} == before
    assert torch.equal(network.tabular_encoder[1].running_mean, statistics)
    with pytest.raises(ZeroDivisionError), evaluating(network):
        raise ZeroDivisionError
    assert {name: module.training for name, module in network.named_modules()} == before


def test_the_random_state_is_left_alone(network: Network, sites: Sites, tables: SiteTables) -> None:
    before = torch.get_rng_state()
    evaluate(network, sites, tables, "val")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_threshold_is_chosen_on_val_and_used_on_test(network: Network, sites: Sites, tables: SiteTables) -> None:
    val = evaluate(network, sites, tables, "val")
    test = evaluate(network, sites, tables, "test", threshold=val.threshold)
    assert tuple(val.values) == METRICS
    assert test.threshold == val.threshold
    logit_N = plain_logits(network, tables, sites.index("test"))
    label_N = sites.label_N[sites.index("test")] == 1
    assert val.threshold is not None
    predicted_N = logit_N >= val.threshold
    assert test.values["iou"] == pytest.approx((predicted_N & label_N).sum() / (predicted_N | label_N).sum())
    assert test.values["auprc"] == pytest.approx(metrics.auprc(metrics.curve(logit_N, label_N)))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(torch.from_numpy(logit_N), torch.tensor(label_N * 1.0))
    assert test.values["bce"] == pytest.approx(float(loss), rel=1e-5)
    for name in set(METRICS) - {"threshold"}:
        value = val.values[name]
        assert value is not None
        assert val.intervals[name].low <= value <= val.intervals[name].high


def test_progress_counts_to_the_size_of_the_split(network: Network, sites: Sites, tables: SiteTables) -> None:
    seen: list[tuple[int, int]] = []
    batches = evaluation_batches(sites, "val", 60)
    score(network, tables, batches, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(60, 180), (120, 180), (180, 180)]


def test_nothing_to_score_gives_no_predictions(network: Network, tables: SiteTables) -> None:
    assert len(score(network, tables, []).index_N) == 0


def test_a_split_that_is_not_covered_is_refused(network: Network, sites: Sites, tables: SiteTables) -> None:
    predictions = score(network, tables, evaluation_batches(sites, "val", 60)[:-1])
    with pytest.raises(DataError, match="60 of 180 points of val"):
        measured(predictions, sites, "val")


def test_weights_that_diverged_are_named_as_such(network: Network, sites: Sites, tables: SiteTables) -> None:
    with torch.no_grad():
        network.classifier.logit.bias.fill_(torch.nan)
    with pytest.raises(RunFailed, match="180 of 180 logits are NaN"):
        evaluate(network, sites, tables, "val")


def test_results_carry_what_they_belong_to(network: Network, sites: Sites, tables: SiteTables) -> None:
    evaluation = evaluate(network, sites, tables, "val")
    rows = results(
        evaluation,
        weights="averaged",
        weights_digest="w" * 64,
        data_digest=sites.digest,
        epoch=7,
        selected_on="val/auprc",
        delivered=True,
    )
    assert {row.metric: row.value for row in rows} == dict(evaluation.values)
    assert {row.metric for row in rows if row.ci_low is None} == {"threshold"}
    assert {(row.split, row.weights, row.weights_digest, row.epoch, row.delivered) for row in rows} == {
        ("val", "averaged", "w" * 64, 7, True)
    }


def test_undefined_metrics_have_no_row() -> None:
    evaluation = measure("val", np.zeros(3, dtype=np.float32), np.zeros(3), np.arange(3))
    assert evaluation.values["auprc"] is None
    assert evaluation.auprc == 0.0
    rows = results(
        evaluation,
        weights="raw",
        weights_digest="w",
        data_digest="d",
        epoch=0,
        selected_on="last",
        delivered=False,
    )
    assert [row.metric for row in rows] == ["bce"]
