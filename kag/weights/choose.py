"""Choose on val, test once, store: how weights come to stand for a run, whatever made them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kag import names
from kag.names import Kind
from kag.stats.scores import Scores
from kag.track.folder import RunFolder
from kag.track.measured import results
from kag.track.record import Checkpoint
from kag.track.result import Result
from kag.track.scores_of_run import write_scores
from kag.weights.bench import Bench
from kag.weights.checkpoint import StoredWeights, save_weights


@dataclass(frozen=True, eq=False)
class Delivery:
    """What a run hands on."""

    results: tuple[Result, ...]
    """Each candidate on val, then the chosen one on test unless that is sealed."""
    weights: Mapping[str, StoredWeights]
    """By checkpoint: `best` is the first candidate, further ones are named by their kind, `delivered` is the chosen.

    `start_from` and `kag eval` look for the first and the last by themselves."""
    scores: tuple[Scores, ...]
    """Of the chosen, on val and on test."""

    @property
    def checkpoints(self) -> dict[str, Checkpoint]:
        """The same for the run's record."""
        return {
            name: Checkpoint(path=f"checkpoints/{name}.ckpt", weights_digest=each.weights_digest, epoch=each.epoch)
            for name, each in self.weights.items()
        }

    def save(self, folder: RunFolder) -> None:
        """Write the checkpoints and the scores.

        Raises:
            StorageError: one cannot be written.
        """
        for name, each in self.weights.items():
            save_weights(folder.checkpoints / f"{name}.ckpt", each)
        write_scores(folder, self.scores)


def choose(
    candidates: Mapping[Kind, StoredWeights], bench: Bench, *, sealed: bool, selected_on: str = names.OBJECTIVE
) -> Delivery:
    """The candidate with the highest val AUPRC, the first of equals; test is evaluated once, with its val threshold.

    Args:
        candidates: the first one is what the run is known by if nothing beats it.
        sealed: leave test alone.
        selected_on: what the record says of how they were chosen.

    Raises:
        CheckpointError: they do not fit the bench.
        Diverged: one scores no finite number.
    """
    on_val = {kind: bench.scored(each, "val") for kind, each in candidates.items()}
    chosen = max(candidates, key=lambda kind: on_val[kind].evaluation.auprc)
    evaluations = list(on_val.items())
    if not sealed:
        threshold = on_val[chosen].evaluation.threshold
        evaluations.append((chosen, bench.scored(candidates[chosen], "test", threshold=threshold)))
    rows = tuple(
        row
        for kind, scored in evaluations
        for row in results(
            scored.evaluation,
            weights=kind,
            weights_digest=candidates[kind].weights_digest,
            data_digest=candidates[kind].data.data_digest,
            epoch=candidates[kind].epoch,
            selected_on=selected_on,
            delivered=kind == chosen,
            in_32_bits=scored.in_32_bits,
        )
    )
    first, *others = candidates
    named = {"best": candidates[first]} | {kind: candidates[kind] for kind in others}
    kept = tuple(scored.scores for kind, scored in evaluations if kind == chosen)
    return Delivery(rows, named | {"delivered": candidates[chosen]}, kept)
