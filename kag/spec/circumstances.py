"""Rules of preflight that ask what is known only once the data is read and the devices are seen; see `Facts`."""

from __future__ import annotations

from collections.abc import Iterator

from kag.finding import Finding, error, warning
from kag.spec.facts import Facts, Rule
from kag.spec.run import RunSpec

EMULATED = 3.2
"""CPU time of a training step in bf16 on a CPU without units for it, with the same in 32 bits as 1.

Measured with one thread, width 768, batches of 256 points and oneDNN held to AVX-512 without bf16; with the units it
was 1.4, as all else of a step is converted to and fro."""


def accumulation_fits(spec: RunSpec, facts: Facts) -> Iterator[Finding]:
    """An optimizer step takes no more batches than an epoch has: gradients do not outlast the epoch."""
    wanted, there = spec.trainer.accumulate, facts.batches_per_epoch
    if there and wanted > there:
        batches = f"{there} batch{'es' if there > 1 else ''}"
        sentence = f"trainer.accumulate = {wanted} is more than an epoch has: it makes one optimizer step of {batches}"
        yield warning("accumulate_past_epoch", sentence, accumulate=wanted, batches=there)


def residues_mix_in_batches(spec: RunSpec, facts: Facts) -> Iterator[Finding]:
    """Points of one residue share their neighbours: alone in a batch, they are no random part of the data."""
    most, size = facts.points_of_residue, spec.data.batch_size
    if spec.data.grouping == "residue" and spec.model.norm == "batch" and most is not None and most >= size:
        sentence = (
            f"model.norm = batch normalises over batches of a single residue: one has {most:,} points, "
            f"data.batch_size is {size:,}; take a larger one, data.points_per_residue, or model.norm = layer"
        )
        yield warning("batch_norm_by_residue", sentence, points=most, batch_size=size)


def precision_has_units(spec: RunSpec, facts: Facts) -> Iterator[Finding]:
    """The device multiplies in the number format that is asked for, faster than in 32 bits."""
    wanted, formats, on = spec.trainer.precision, facts.formats, facts.device
    if on is None or formats is None:
        return
    needs = "an NVIDIA GPU of compute capability 8.0 or later"
    if wanted == "tf32" and "tf32" not in formats:
        sentence = f"trainer.precision = tf32 changes nothing on this device ({on}): it computes in 32 bits"
        yield warning("tf32_without_units", f"{sentence}; TF32 takes {needs}", device=on)
    if wanted == "bf16-mixed" and "bf16" not in formats:
        price = f"without them a step takes {EMULATED:g} times as long as in 32 bits"
        cpu = f"lists neither avx512_bf16 nor amx_bf16; {price}"
        lacks = cpu if on == "cpu" else "is of an earlier compute capability and converts each number instead"
        what = f"trainer.precision = bf16-mixed has no units here: this device ({on}) {lacks}"
        sentence = f"{what}; take trainer.precision = 32-true, or {needs}"
        yield warning("bf16_without_units", sentence, device=on)


def batch_norm_over_processes(spec: RunSpec, facts: Facts) -> Iterator[Finding]:
    """Torch has SyncBatchNorm for GPUs alone, and it is for several processes and a network with BatchNorm."""
    if not spec.trainer.sync_batchnorm:
        return
    if facts.processes == 1 or spec.model.norm != "batch":
        why = "one process trains" if facts.processes == 1 else f"model.norm is {spec.model.norm}"
        yield warning("no_effect", f"trainer.sync_batchnorm has no effect: {why}", key="trainer.sync_batchnorm")
    elif facts.device == "cpu":
        sentence = "trainer.sync_batchnorm needs GPUs: torch has no such normalisation for the CPU; leave it out"
        yield error("sync_batchnorm_on_cpu", sentence, device="cpu")


OF_DATA_AND_DEVICE: tuple[Rule, ...] = (
    accumulation_fits,
    residues_mix_in_batches,
    precision_has_units,
    batch_norm_over_processes,
)
"""All of them."""
