"""Weights that no training made, such as a blend or a chosen window, as a run of their own.

Whatever works on runs (`kag eval`, `start_from`, the change log) then works on them. The folder is made last: a fault
before leaves nothing behind. Test is evaluated here and nowhere else, once, with val's threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kag import names
from kag.names import Kind
from kag.spec import Finding, RunSpec, build_spec
from kag.stats.bootstrap import SAMPLES
from kag.track.begin import begin
from kag.track.folder import RunFolder
from kag.track.record import Checkpoint, Found, Result, RunRecord, Source, Status, Tried
from kag.track.world import World
from kag.weights.average import RunSums
from kag.weights.bench import Bench, Variant
from kag.weights.blend import Trial, blended
from kag.weights.checkpoint import StoredWeights, save_weights
from kag.weights.evaluate import results
from kag.weights.given import GivenWeights
from kag.weights.windows import WindowMap, verified, window_weights

NAMES = ("best", "delivered")
"""Names under which the weights lie in the folder: those that `start_from` and `kag eval` look for by themselves."""


@dataclass(frozen=True)
class Making:
    """How weights were made, for the record."""

    name: str
    """Short name of the run."""
    start: datetime
    """When the work began."""
    change: str
    """One sentence for the change log."""
    kind: Kind
    sources: tuple[Source, ...]
    chosen: bool
    """Whether val chose them among others."""
    found: Found
    """What else is known."""


def named_spec(spec: RunSpec, name: str, **described: str | None) -> RunSpec:
    """The spec under another name; nothing that can change a number differs.

    Args:
        described: `change` and `parent`.

    Raises:
        SpecError: the name cannot name a run.
    """
    return build_spec(spec.model_dump(mode="json"), {"name": name, **described}, title="--name")


def deliver_run(runs: Path, weights: StoredWeights, bench: Bench, making: Making) -> RunRecord:
    """Evaluate weights on val and once on test, and keep them as a finished run.

    Args:
        runs: folder of the run folders.
        weights: what the run hands on; their spec and data become the run's.
        bench: of these weights.
        making: how they were made.

    Raises:
        SpecError: the name cannot name a run.
        CheckpointError: the weights cannot be written.
        RunFailed: they score NaN.
    """
    parent = max(making.sources, key=lambda source: source.ratio or 0.0).run
    spec = named_spec(weights.spec, making.name, change=making.change, parent=parent)
    weights = replace(weights, spec=spec)
    rows = _results(weights, bench, making)
    stored_as = {
        name: Checkpoint(path=f"checkpoints/{name}.ckpt", weights_digest=weights.weights_digest, epoch=weights.epoch)
        for name in NAMES
    }
    folder, record = begin(
        runs,
        spec,
        making.found,
        now=making.start,
        parent=parent,
        parent_commit=_commit(runs, parent),
        data_digest=weights.data.data_digest,
        world=World(device=str(bench.tables.residue_RD.device)),
        kind="blend",
        status=Status.FINISHED,
        end=datetime.now(UTC),
        sources=making.sources,
        results=rows,
        checkpoints=stored_as,
    )
    for name in NAMES:
        save_weights(folder.checkpoints / f"{name}.ckpt", weights)
    folder.write_record(record)
    return record


def deliver_blend(
    runs: Path,
    parents: Sequence[GivenWeights],
    trials: Sequence[Trial],
    best: Trial,
    bench: Bench,
    *,
    name: str,
    start: datetime,
    findings: Sequence[Finding] = (),
) -> RunRecord:
    """Keep the best of some blends as a run; every parent is in its lineage with its share.

    Args:
        runs: folder of the run folders.
        parents: what was blended.
        trials: all blends that were tried, for the record.
        best: one of them.
        bench: of the parents.
        name: short name of the run.
        start: when the work began.
        findings: what was noticed before.

    Raises:
        SpecError, CheckpointError, RunFailed: as `deliver_run`.
    """
    tried = sum(1 + (trial.recomputed is not None) for trial in trials)
    pairs = list(zip(parents, best.ratios, strict=True))
    shares = " + ".join(f"{ratio:.3g} {parent.run}" for parent, ratio in pairs if ratio)
    how = ", statistics recomputed" if best.recomputed_is_better else ""
    making = Making(
        name=name,
        start=start,
        change=f"Blend {shares}{how}; val chose among {tried}",
        kind="blend",
        sources=tuple(parent.source(ratio) for parent, ratio in pairs),
        chosen=tried > 1,
        found=Found(
            findings=tuple(findings),
            candidates=tuple(Tried.model_validate(trial_facts(trial)) for trial in trials),
            recomputed=best.recomputed_is_better,
        ),
    )
    return deliver_run(runs, blended([parent.weights for parent in parents], best, bench), bench, making)


def deliver_window(
    runs: Path,
    parent: GivenWeights,
    sums: RunSums,
    wanted: tuple[int, int],
    found: WindowMap,
    bench: Bench,
    *,
    name: str,
    start: datetime,
) -> RunRecord:
    """Keep the average over a window as a run; its lineage names the run and the averaged epochs.

    Args:
        runs: folder of the run folders.
        parent: any weights of the run whose epochs were averaged.
        sums: of that run.
        wanted: start and length of the window.
        found: the map from which the window was picked.
        bench: of the run.
        name: short name of the run.
        start: when the work began.

    Raises:
        CheckpointError: the window is not covered by the stored sums.
        SpecError, CheckpointError, RunFailed: as `deliver_run`.
    """
    known = (window for window in found.verified if (window.start, window.length) == wanted)
    window = next(known, None) or verified(sums, bench, *wanted)
    weights = window_weights(sums, bench, parent.weights, window)
    how = ", statistics recomputed" if window.recomputed_is_better else ""
    making = Making(
        name=name,
        start=start,
        change=f"Mean of epochs {window.start} to {window.last} of {parent.run}{how}; val chose among {found.tried}",
        kind="averaged_recomputed" if window.recomputed_is_better else "averaged",
        sources=(Source(run=parent.run, checkpoint=f"sums of epochs {window.start} to {window.last}", ratio=1.0),),
        chosen=True,
        found=Found(
            window=f"{window.start}:{window.length}",
            candidates_tried=found.tried,
            recomputed=window.recomputed_is_better,
        ),
    )
    return deliver_run(runs, weights, bench, making)


def trial_facts(trial: Trial) -> dict[str, Any]:
    """A blend that was tried, as plain values."""
    return {
        "ratios": list(trial.ratios),
        "plain": variant_facts(trial.plain),
        "recomputed": variant_facts(trial.recomputed),
    }


def variant_facts(variant: Variant | None) -> dict[str, Any] | None:
    """What a variant scores on val and its digest, as plain values; None for None."""
    if variant is None:
        return None
    return {"auprc": variant.evaluation.values["auprc"], "weights_digest": variant.weights_digest}


def _results(weights: StoredWeights, bench: Bench, making: Making) -> tuple[Result, ...]:
    on_val = bench.evaluate(weights.network, "val", samples=SAMPLES)
    on_test = bench.evaluate(weights.network, "test", threshold=on_val.threshold, samples=SAMPLES)
    return tuple(
        row
        for evaluation in (on_val, on_test)
        for row in results(
            evaluation,
            weights=making.kind,
            weights_digest=weights.weights_digest,
            data_digest=weights.data.data_digest,
            epoch=weights.epoch,
            selected_on=names.OBJECTIVE if making.chosen else "given",
            delivered=True,
        )
    )


def _commit(runs: Path, run: str) -> str | None:
    """Commit that a run of this folder stands on, if it is known."""
    folder = RunFolder(runs / run)
    git = folder.read_record().git if folder.record_file.is_file() else None
    return git.commit if git else None
