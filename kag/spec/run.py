"""`RunSpec`: everything that describes a run, in one frozen object.

Defaults are what a search found on real chains (`runs/sites/README.md`), as `runs/specs/neighbours.yaml` has it: eight
epochs of a small model. What is off by default has, once it is switched on, values that fit into so short a run. In two
things they stand apart, in neither of which a difference was shown there: positives are weighted as the data at hand
have them, and no average over steps is taken, beside which a window of epochs would be refused.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from kag.spec.model import ModelSpec, NotNegativeRamp
from kag.spec.part import LISTED, WHOLE, Count, FileName, NotNegative, Ordinal, Part, Positive, Rate


class ReplaySpec(Part):
    """Extra passes over mined samples: every `period` epochs, `length` epochs show them `repeat` times."""

    indices: FileName
    """JSON file written by `kag mine`; relative to the spec file."""
    repeat: Count = 3
    """How often a mined sample appears in a replay epoch."""
    period: Count = 1
    """Length of the cycle in epochs; 1 replays in every epoch."""
    length: Count = 1
    """Replay epochs at the end of each cycle."""
    until: Ordinal | None = None
    """First epoch without replay, or null for never."""

    def active(self, epoch: int) -> bool:
        """Whether the epoch, counted from 0, shows the mined samples more than once."""
        if self.until is not None and epoch >= self.until:
            return False
        return epoch % self.period >= self.period - self.length


class DataSpec(Part):
    """Where samples come from and how a batch is drawn."""

    file: FileName
    """HDF5 file in the `v3_residue_table` layout; relative to the spec file."""
    batch_size: Annotated[int, Field(ge=2, le=1_000_000), WHOLE] = 512
    """Points in a batch, for each process, whatever the grouping."""
    grouping: Literal["point", "protein", "residue"] = "point"
    """A batch: random points; whole proteins; random residues. The latter two draw dropout of shared parts once."""
    points_per_residue: Count | None = None
    """Most points of a residue in an epoch, drawn anew for each, or null for all; replayed ones are never left out."""
    clusters: FileName | None = None
    """CSV file `protein,cluster` of what belongs together, such as homologues: drawn as one wherever it is tested."""
    max_distance: Positive = 30.0
    """Angstrom; farther or missing neighbours count as this far and are masked."""
    replay: ReplaySpec | None = None
    """Extra passes over mined samples, or null."""


_Auto = Annotated[Literal["auto"], Tag("auto")]
_AUTO_OR_GIVEN = Discriminator(lambda value: "auto" if isinstance(value, str) else "given")
PosWeight = Annotated[_Auto | Annotated[NotNegativeRamp, Tag("given")], _AUTO_OR_GIVEN]
AutoOrCount = Annotated[_Auto | Annotated[Count, Tag("given")], _AUTO_OR_GIVEN]


class WarmupSpec(Part):
    """Another loss for the first epochs."""

    kind: Literal["bce", "focal", "asymmetric"] = "focal"
    """Loss during the warm-up."""
    epochs: Count = 2
    """Epochs of warm-up."""


class LossSpec(Part):
    """The main loss and how it meets the class imbalance."""

    kind: Literal["bce", "focal", "asymmetric"] = "bce"
    """Binary cross-entropy, focal (arXiv 1708.02002) or asymmetric loss (arXiv 2009.14119)."""
    pos_weight: PosWeight = "auto"
    """Weight of a positive sample: `auto` is negatives / positives of the train split; a number; or a ramp."""
    gamma: NotNegative = 2.0
    """Focusing of the focal loss, and of the negatives in the asymmetric one."""
    margin: Rate = 0.05
    """Asymmetric loss: probability shift of the negatives."""
    label_smoothing: Rate = 0.0
    """Share s of each label of the main loss that is one half instead: (1 - s) x label + s / 2."""
    warmup: WarmupSpec | None = None
    """Another loss for the first epochs, or null."""

    def warms_up(self, epoch: float) -> bool:
        """Whether an epoch, counted from 0, is one of warm-up."""
        return self.warmup is not None and epoch < self.warmup.epochs

    def kind_at(self, epoch: float) -> str:
        """Name of the loss in an epoch, counted from 0."""
        return self.warmup.kind if self.warmup is not None and self.warms_up(epoch) else self.kind


class ScheduleSpec(Part):
    """The learning rate over the run; its length is `epochs`, whatever SWA or early stopping cut off."""

    kind: Literal["one_cycle", "cosine", "constant"] = "one_cycle"
    """`one_cycle`: lr -> max_lr -> ~0; `cosine`: lr -> 0; `constant`: lr."""
    max_lr: Positive = 4.0e-4
    """Top of the one-cycle."""
    pct_start: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.25
    """Share of the run in which the one-cycle rises."""
    warmup_epochs: NotNegative = 0.0
    """Epochs, or a part of one, in which the rate rises from 0; then the constant, or all of the cosine, follows."""


class OptimizerSpec(Part):
    """AdamW."""

    lr: Positive = 5.0e-5
    """Learning rate: where the one-cycle and the cosine start, and the constant."""
    weight_decay: NotNegative = 2.2e-2
    """Decoupled weight decay."""
    decay: Literal["everything", "matrices"] = "matrices"
    """What decays: every parameter, or matrices alone (no bias, norm, frequency, rate or logit of the gate)."""
    schedule: ScheduleSpec = ScheduleSpec()


class EarlyStoppingSpec(Part):
    """Stop when val AUPRC has not risen; inside the averaging window that of the average, counted anew."""

    patience: Count = 8
    """Epochs without a rise of more than `min_delta` before the run stops."""
    min_delta: NotNegative = 0.001
    """Smallest rise that counts."""


class SwaSpec(Part):
    """Stochastic weight averaging over epochs `start` ... `start + window - 1`, exactly these (arXiv 1803.05407)."""

    start: Ordinal
    """First averaged epoch, counted from 0."""
    window: Count
    """Averaged epochs; the run ends with the last of them."""
    lr: Positive = 5.0e-5
    """Learning rate that is reached `anneal_epochs` after `start`."""
    anneal_epochs: Ordinal = 1
    """Epochs from the schedule's learning rate to `lr`; 0 switches at once."""
    shape: Literal["linear", "cosine"] = "cosine"
    """How the learning rate gets there."""
    keep_sums: bool = False
    """Keep the weights of each epoch, `RUN:epoch_9`, so that `kag windows` can average any window."""

    @property
    def end(self) -> int:
        """The first epoch after the window."""
        return self.start + self.window


class EmaSpec(Part):
    """Exponential moving average of the weights over optimizer steps: these are measured, kept and delivered."""

    decay: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.998
    """Share of the average that a step keeps; the first steps keep less: (1 + step) / (10 + step)."""


class StartFromSpec(Part):
    """Begin with the weights of another run."""

    run: str
    """Run id, or a run folder."""
    checkpoint: str = "best"
    """`best`, `last`, `epoch_9` where epochs are kept, or another file of that run."""
    keep: Literal["weights", "everything"] = "weights"
    """Weights only, or optimizer, schedules and counters too."""


class EvaluateSpec(Part):
    """What is looked at beside val."""

    test: Literal["final", "never"] = "final"
    """`final` scores the delivered weights on test, once; `never`, and any trial of a sweep, leaves test alone."""


Precision = Literal["32-true", "tf32", "bf16-mixed", "16-mixed"]


class TrainerSpec(Part):
    """How Lightning runs it."""

    devices: AutoOrCount = 1
    """Processes on each node, one a device; `auto` takes every device of the machine."""
    nodes: Count = 1
    """Nodes on which `srun` or `torchrun` starts so many processes each."""
    precision: Precision = "32-true"
    """Number format of training and measuring; where it is mixed, gate and heads keep 32 bits. `tf32` is for GPUs."""
    gradient_clip: NotNegative = 0.5
    """Largest gradient norm; 0 does not clip."""
    accumulate: Count = 1
    """Batches per optimizer step, which takes their mean; the last step of an epoch takes what is left."""
    sync_batchnorm: bool = False
    """Normalise over the batches of all processes, not over each by itself; on GPUs."""
    checkpoint_every: Count = 1
    """Epochs from one stored state, from which a killed run goes on, to the next; the last is stored in any case."""
    compile: bool = False
    """torch.compile of training, for a few shapes that batches are padded to; pays on GPUs, not on CPUs."""
    threads: AutoOrCount = "auto"
    """Threads of a process on the CPU; `auto`: what `OMP_NUM_THREADS` says, else what the shape of a batch is worth."""


class TrackSpec(Part):
    """Where the run is mirrored."""

    project: str = "kag"
    """W&B project."""
    entity: str | None = None
    """W&B user or team."""
    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    """`auto` is online if a key or server is configured, else offline."""
    tags: Annotated[tuple[str, ...], LISTED] = ()
    """Words to find the run by."""


def _short_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ValueError("needs 1 to 64 letters, digits, '.', '_' or '-', and begins with a letter or digit")
    return name


class RunSpec(Part):
    """A run, described completely. Load one with `kag.spec.load_spec`."""

    name: Annotated[str, AfterValidator(_short_name)]
    """Short name; the run id is <start time>_<name>."""
    change: str | None = None
    """One sentence for the change log's Key Changes."""
    parent: str | None = None
    """Run that this one is compared with; default: the newest finished one of the same name or data, but no trial."""
    seed: Annotated[int, Field(ge=0, lt=2**32), WHOLE] = 42
    """Seed of initial weights, batches and dropout."""
    epochs: Count = 8
    """Length of the learning-rate schedule, and of the run unless SWA or early stopping end it."""
    data: DataSpec
    model: ModelSpec = ModelSpec()
    loss: LossSpec = LossSpec()
    optimizer: OptimizerSpec = OptimizerSpec()
    early_stopping: EarlyStoppingSpec | None = EarlyStoppingSpec()
    """Early stopping, or null."""
    swa: SwaSpec | None = None
    """Weight averaging over a window of epochs, or null."""
    ema: EmaSpec | None = None
    """Weight averaging over steps, or null."""
    start_from: StartFromSpec | None = None
    """Parent weights, or null for a fresh start."""
    evaluate: EvaluateSpec = EvaluateSpec()
    trainer: TrainerSpec = TrainerSpec()
    track: TrackSpec = TrackSpec()

    @property
    def last_epoch(self) -> int:
        """The epoch, counted from 0, with which the run ends at the latest."""
        return (self.swa.end if self.swa else self.epochs) - 1


def default_spec() -> RunSpec:
    """Every default; the two keys without one hold a word."""
    return RunSpec(name="default", data=DataSpec(file="default"))
