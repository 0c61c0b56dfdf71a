"""Weights that no training made, such as a blend or a chosen window, as a run of their own.

Whatever works on runs (`kag eval`, `start_from`, the change log) then works on them. The folder is made last: a fault
before leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from kag import names
from kag.model.precision import FULL
from kag.names import Kind
from kag.spec import Finding, RunSpec, build_spec
from kag.track.begin import begin
from kag.track.looks import looks_of
from kag.track.record import Found, RunRecord, Source, Status
from kag.track.result import Candidate, Looker, Selection
from kag.track.world import World
from kag.weights.bench import Bench, Tried
from kag.weights.blend import Trial, best_trial, blended, trial_facts
from kag.weights.checkpoint import StoredWeights
from kag.weights.choose import choose
from kag.weights.epochs import EpochWeights
from kag.weights.given import GivenWeights
from kag.weights.windows import Window, WindowMap, verified


def named_spec(spec: RunSpec, name: str, **described: str | None) -> RunSpec:
    """The spec under another name; nothing that can change a number differs.

    Args:
        described: `change`, `parent` and `data.file`.

    Raises:
        SpecError: the name cannot name a run.
    """
    return build_spec(spec.model_dump(mode="json"), {"name": name, **described}, title="--name")


def deliver_blend(
    runs: Path,
    parents: Sequence[GivenWeights],
    trials: Sequence[Trial],
    bench: Bench,
    *,
    name: str,
    start: datetime,
    findings: Sequence[Finding] = (),
    worth: Selection | None = None,
) -> RunRecord:
    """Keep the best of some blends as a finished run; every parent is in its lineage with its share.

    Its spec, the run that it is compared with included, is that of the parent with the largest share, the first one
    of several.

    Args:
        trials: all blends that were tried.
        start: when the work began.
        findings: what was noticed before.
        worth: what the best of them is worth.

    Raises:
        SpecError: the name cannot name a run.
        StorageError: the weights cannot be written.
        Diverged: they score no finite number.
    """
    best = best_trial(trials)
    pairs = list(zip(parents, best.ratios, strict=True))
    largest, _ = max(pairs, key=lambda pair: pair[1])
    return _deliver(
        runs,
        replace(blended([parent.weights for parent in parents], best, bench), spec=largest.weights.spec),
        bench,
        best.tried,
        name=name,
        start=start,
        by="blend",
        kind="blend",
        what="Blend " + " + ".join(f"{ratio:.3g} {parent}" for parent, ratio in pairs if ratio),
        candidates=sum(len(trial.tried.variants) for trial in trials),
        sources=tuple(parent.source(ratio) for parent, ratio in pairs),
        found=Found(
            findings=tuple(findings),
            candidates=tuple(Candidate.model_validate(trial_facts(trial)) for trial in trials),
            selection=worth,
        ),
    )


def deliver_window(
    runs: Path,
    parent: GivenWeights,
    epochs: EpochWeights,
    wanted: tuple[int, int],
    found: WindowMap,
    bench: Bench,
    *,
    name: str,
    start: datetime,
) -> RunRecord:
    """Keep the average over a window as a finished run; its lineage names the run and the averaged epochs.

    Args:
        parent: any weights of the run whose epochs were averaged.
        wanted: start and length of the window.
        found: the map from which the window was picked.

    Raises:
        CheckpointError: as `EpochWeights.mean`.
        SpecError, CheckpointError, RunFailed: as `deliver_blend`.
    """
    known = (window for window in found.verified if (window.start, window.length) == wanted)
    window = next(known, None) or verified(epochs, bench, Window(*wanted))
    assert window.tried is not None
    averaged = f"epochs {window.start} to {window.last}"
    return _deliver(
        runs,
        bench.better(epochs.mean(*wanted), window.tried, epoch=window.last),
        bench,
        window.tried,
        name=name,
        start=start,
        by="windows",
        kind="averaged_recomputed" if window.tried.recomputed_is_better else "averaged",
        what=f"Mean of {averaged} of {parent.run}",
        candidates=found.candidates,
        sources=(Source(run=parent.run, checkpoint=f"weights of {averaged}", ratio=1.0),),
        found=Found(window=str(window), candidates_tried=found.candidates, selection=_worth(found, window)),
    )


def _worth(found: WindowMap, kept: Window) -> Selection | None:
    """What the window that is kept is worth: how a person chose another one than the best, nobody can repeat."""
    if found.selection is None or (kept.start, kept.length) == (found.best.start, found.best.length):
        return found.selection
    told = {"value": kept.auprc, "corrected": None, "tied": None, "foremost": None}
    return found.selection.model_copy(update={**told, "untested": f"{found.best} is the best window of the map"})


def _deliver(
    runs: Path,
    weights: StoredWeights,
    bench: Bench,
    tried: Tried,
    *,
    name: str,
    start: datetime,
    by: Looker,
    kind: Kind,
    what: str,
    candidates: int,
    sources: tuple[Source, ...],
    found: Found,
) -> RunRecord:
    """The run of the better variant of what was tried; it is compared with the source of the largest share."""
    parent = max(sources, key=lambda source: source.ratio or 0.0).run
    how = ", statistics recomputed" if tried.recomputed_is_better else ""
    said = {"change": f"{what}{how}; val chose among {candidates}", "parent": parent}
    if (file := bench.sites.path) != Path(weights.spec.data.file):
        # The parent's spec names where the data were, perhaps on another machine.
        said["data.file"] = str(file.absolute())
    spec = named_spec(weights.spec, name, **said)
    selected_on = names.OBJECTIVE if candidates > 1 else "given"
    sealed = spec.evaluate.test == "never"
    delivery = choose({kind: replace(weights, spec=spec)}, bench, sealed=sealed, selected_on=selected_on)
    end = datetime.now(UTC)
    looks = looks_of(delivery.results, by=by, when=end, file=bench.sites.path.name)
    beginning = begin(
        runs,
        spec,
        found.model_copy(update={"recomputed": tried.recomputed_is_better}),
        now=start,
        parent=parent,
        data_digest=weights.data.data_digest,
        world=World(
            device=str(bench.tables.residue_RD.device),
            validation=None if spec.trainer.precision == FULL else bench.precision,
        ),
        epochs_trained=None,
        kind="blend",
        status=Status.FINISHED,
        end=end,
        sources=sources,
        results=delivery.results,
        looks=looks,
        checkpoints=delivery.checkpoints,
    )
    with beginning as (folder, record):
        folder.append_looks(looks)
        delivery.save(folder)
        folder.write_record(record)
    return record
