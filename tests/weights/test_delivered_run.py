"""A blend is recorded as what it is: the spec of its largest part, and what was mixed with which shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kag.data.facts import DataFacts
from kag.data.sites import Sites
from kag.model.network import Network
from kag.spec import RunSpec, build_spec
from kag.track.folder import RunFolder
from kag.track.scores_of_run import scores_in
from kag.view.changes import diff
from kag.weights.bench import Bench
from kag.weights.blend import try_ratios
from kag.weights.checkpoint import read_checkpoint, snapshot, stored
from kag.weights.delivered_run import deliver_blend
from kag.weights.given import GivenWeights

START = datetime(2025, 10, 21, tzinfo=UTC)


@pytest.fixture
def parents(
    sites: Sites, module_spec: RunSpec, module_network: Callable[[RunSpec, int], Network]
) -> list[GivenWeights]:
    """Two checkpoints of `a` and one of `b`, which was trained under another learning rate."""
    facts = DataFacts.of(sites, module_spec.data.max_distance)
    weights = [
        stored(module_spec, snapshot(module_network(module_spec, seed).state_dict()), facts, epoch=0)
        for seed in range(3)
    ]
    spec = build_spec(module_spec.model_dump(mode="json"), {"name": "b", "optimizer.lr": 0.007})
    named = (("a", "best.ckpt"), ("b", "averaged.ckpt"), ("a", "last.ckpt"))
    weights[1] = replace(weights[1], spec=spec)
    return [GivenWeights(run, file, each, Path(file)) for (run, file), each in zip(named, weights, strict=True)]


@pytest.mark.parametrize(
    ("shares", "parent", "lr", "words"),
    [
        ((0.0, 1.0, 0.0), "b", 0.007, "Blend 1 b:averaged"),
        ((0.25, 0.5, 0.25), "b", 0.007, "Blend 0.25 a:best + 0.5 b:averaged + 0.25 a:last"),
        ((0.5, 0.5, 0.0), "a", None, "Blend 0.5 a:best + 0.5 b:averaged"),
    ],
)
def test_the_spec_is_that_of_the_largest_part(
    shares: tuple[float, ...],
    parent: str,
    lr: float | None,
    words: str,
    parents: list[GivenWeights],
    sites: Sites,
    tmp_path: Path,
) -> None:
    bench = Bench.of(parents[0].weights, sites)
    trials = list(try_ratios([one.weights for one in parents], [shares], bench))
    record = deliver_blend(tmp_path, parents, trials, bench, name="mixed", start=START)
    wanted = parents[0].weights.spec.optimizer.lr if lr is None else lr
    assert (record.parent, record.config["optimizer.lr"]) == (parent, wanted)
    assert (record.change or "").startswith(words)
    assert [source.ratio for source in record.sources] == list(shares)
    assert {source.run for source in record.made_from} == {
        one for one, share in zip("aba", shares, strict=True) if share
    }
    delivered = read_checkpoint(RunFolder(tmp_path / record.id).checkpoints / "delivered.ckpt")
    assert (delivered.spec.optimizer.lr, delivered.spec.name) == (wanted, "mixed"), "a child starts from this spec"
    for split in ("val", "test"):
        scores = scores_in(tmp_path / record.id, split)
        assert scores is not None
        assert scores.weights_digest == delivered.weights_digest
        told = next(one for one in record.results if (one.split, one.metric, one.delivered) == (split, "auprc", True))
        assert scores.draws["auprc"].value == told.value
    own = next(one.weights.spec for one in parents if one.run == parent)
    child = record.model_copy(update={"config": {**record.config, "seed": 5}})
    assert [change.key for change in diff(record, child)] == ["seed"]
    assert own.model_dump(exclude={"name", "change", "parent"}) == delivered.spec.model_dump(
        exclude={"name", "change", "parent"}
    )
