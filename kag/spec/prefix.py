"""What a spec says about the first epochs of a run, and what it does not say yet.

Two runs whose prefix digests agree at an epoch have trained exactly the same up to there, so one of them can do it for
both (arXiv 2006.11972 calls it stage merging).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from kag.spec.flat import DESCRIPTIVE, flatten
from kag.spec.ramp import ramps
from kag.spec.run import RunSpec


def prefix_digest(spec: RunSpec, epoch: int) -> str:
    """SHA-256 of everything in the spec that matters to epochs 0 ... epoch - 1.

    Left out or reduced to what it does in these epochs:

    - every `swa` field while the window has not begun, the window's length always (it only ends the run);
    - a ramp is its values in these epochs, so a step that comes later is not seen;
    - replay is which of these epochs replay, and with what only if one does;
    - the warm-up is the loss of each of these epochs;
    - the number of epochs, where the learning rate does not depend on it.
    """
    text = json.dumps(_prefix(spec, epoch), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def part_points(spec: RunSpec, part_at: Iterable[int]) -> list[int]:
    """Epochs after which a run that shares stores its state: those given and the window's ends, as far as it goes."""
    points = {*part_at, *((spec.swa.start, spec.swa.end) if spec.swa else ())}
    return sorted(point for point in points if 0 < point <= spec.last_epoch + 1)


def _prefix(spec: RunSpec, epoch: int) -> dict[str, Any]:
    tree = spec.model_dump(mode="json")
    keep_sums = bool(spec.swa and spec.swa.keep_sums)
    begun = spec.swa is not None and spec.swa.start < epoch
    swa = {key: value for key, value in (tree["swa"] or {}).items() if key != "window"} if begun else {}
    replay = spec.data.replay
    replayed = [number for number in range(epoch) if replay is not None and replay.active(number)]
    tree |= {"swa": swa | {"keep_sums": keep_sums}}
    tree["data"]["replay"] = (
        {"indices": replay.indices, "repeat": replay.repeat, "epochs": replayed} if replay and replayed else None
    )
    tree["loss"] |= {"warmup": None, "kind": [spec.loss.kind_at(number) for number in range(epoch)]}
    if spec.optimizer.schedule.kind == "constant":
        tree["epochs"] = None
    leaves: dict[str, Any] = flatten(tree)
    for key, ramp in ramps(spec).items():
        leaves = {name: value for name, value in leaves.items() if name != key and not name.startswith(f"{key}.")}
        leaves[key] = [ramp.at(number) for number in range(epoch)]
    return {key: value for key, value in leaves.items() if key not in DESCRIPTIVE}
