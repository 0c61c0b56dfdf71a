"""What can be said about a run before it starts. Each rule is a pure function of the spec and of a few facts.

An error refuses training: the result would be wrong or the run cannot reach its end. A warning is printed, stored in
the record and does not stop anybody. The rules answer what went unseen in October: averaging that never began, a window
past the end, a learning rate at its peak when averaging started, settings without effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydantic import BaseModel, ConfigDict

from kag.finding import Evidence, Finding, Severity
from kag.spec.ramp import Ramp
from kag.spec.run import RunSpec
from kag.spec.schedule import learning_rate, peak_epoch

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


class Facts(BaseModel):
    """What preflight knows beside the spec; all of it optional."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sibling_best_epochs: tuple[int, ...] = ()
    """Best epochs of earlier runs on the same data."""


Rule = Callable[[RunSpec, Facts], Iterator[Finding]]


def preflight(spec: RunSpec, facts: Facts | None = None) -> list[Finding]:
    """Every finding of every rule, errors first."""
    found = [finding for rule in RULES for finding in rule(spec, facts or Facts())]
    return sorted(found, key=lambda finding: list(Severity).index(finding.severity))


def ramps(spec: RunSpec) -> dict[str, Ramp]:
    """Dotted key -> ramp, for every value of the spec that may change over epochs."""
    gate, auxiliary = spec.model.gate, spec.model.auxiliary
    found = {
        "model.gate.penalty.weight": gate.penalty.weight,
        "model.gate.dropout.rate": gate.dropout.rate,
        "model.gate.context_scale": gate.context_scale,
    }
    if auxiliary is not None:
        found["model.auxiliary.weight"] = auxiliary.weight
    if isinstance(spec.loss.pos_weight, Ramp):
        found["loss.pos_weight"] = spec.loss.pos_weight
    return found


def heads_divide_width(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """Attention splits its width evenly over its heads."""
    heads, width = spec.model.attention.heads, spec.model.attention.width
    if width % heads:
        near = width - width % heads
        yield Finding(
            code="heads_divide_width",
            severity=ERROR,
            sentence=f"model.attention.heads = {heads} does not divide model.attention.width = {width}; "
            f"the nearest widths are {near} and {near + heads}",
            evidence={"heads": heads, "width": width},
        )


def one_cycle_rises(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """The one-cycle goes up from `lr` to `max_lr`."""
    schedule, lr = spec.optimizer.schedule, spec.optimizer.lr
    if schedule.kind == "one_cycle" and schedule.max_lr < lr:
        yield Finding(
            code="one_cycle_falls",
            severity=ERROR,
            sentence=f"optimizer.schedule.max_lr = {schedule.max_lr:g} lies below optimizer.lr = {lr:g}, "
            "where the one-cycle starts",
            evidence={"max_lr": schedule.max_lr, "lr": lr},
        )


def warm_up_ends(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """A warm-up leaves epochs for the loss it warms up."""
    warmup = spec.loss.warmup
    if warmup is None:
        return
    if warmup.epochs > spec.last_epoch:
        yield Finding(
            code="warmup_too_long",
            severity=ERROR,
            sentence=f"loss.warmup.epochs = {warmup.epochs} leaves no epoch for loss.kind = {spec.loss.kind}: "
            f"the run has {spec.last_epoch + 1}",
            evidence={"warmup": warmup.epochs, "epochs": spec.last_epoch + 1},
        )
    if warmup.kind == spec.loss.kind:
        yield Finding(
            code="warmup_without_effect",
            severity=WARNING,
            sentence=f"loss.warmup.kind is the same as loss.kind ({spec.loss.kind}): the warm-up changes nothing",
        )


def ramps_end(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """A ramp reaches its end before averaging starts, or at least before the run ends."""
    for key, ramp in ramps(spec).items():
        if spec.swa is not None and ramp.epochs > spec.swa.start:
            yield Finding(
                code="ramp_past_swa_start",
                severity=WARNING,
                sentence=f"{key} still changes until epoch {ramp.epochs}, "
                f"but averaging starts at epoch {spec.swa.start}",
                evidence={"ramp_end": ramp.epochs, "swa_start": spec.swa.start},
            )
        elif ramp.epochs > spec.last_epoch:
            yield Finding(
                code="ramp_past_end",
                severity=WARNING,
                sentence=f"{key} would reach {ramp.end:g} at epoch {ramp.epochs}, "
                f"but the last epoch is {spec.last_epoch}",
                evidence={"ramp_end": ramp.epochs, "last_epoch": spec.last_epoch},
            )


def swa_window_fits(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """The averaged epochs lie inside the run; the finding names them."""
    if spec.swa is None:
        return
    first, last = spec.swa.start, spec.swa.end - 1
    numbers: Evidence = {"start": first, "window": spec.swa.window, "epochs": spec.epochs}
    if spec.swa.end > spec.epochs:
        yield Finding(
            code="swa_past_end",
            severity=ERROR,
            sentence=f"swa would average {_epochs(first, last)}, "
            f"but the last of {spec.epochs} epochs is {spec.epochs - 1}",
            evidence=numbers,
        )
    else:
        yield Finding(
            code="swa_window",
            severity=NOTE,
            sentence=f"swa averages {_epochs(first, last)} (counted from 0); the run ends with epoch {last}",
            evidence=numbers,
        )


def _epochs(first: int, last: int) -> str:
    return f"epoch {first}" if first == last else f"epochs {first} to {last}"


def swa_reachable(spec: RunSpec, facts: Facts) -> Iterator[Finding]:
    """Early stopping lets the run reach the window: a new best is needed at epoch `start - patience` or later."""
    if spec.swa is None or spec.early_stopping is None or spec.swa.start <= spec.early_stopping.patience:
        return
    needed = spec.swa.start - spec.early_stopping.patience
    early = [epoch for epoch in facts.sibling_best_epochs if epoch < needed]
    history = f"; {len(early)} of {len(facts.sibling_best_epochs)} earlier runs peaked before that" if early else ""
    yield Finding(
        code="swa_unreachable",
        severity=WARNING,
        sentence=f"with patience {spec.early_stopping.patience} averaging at epoch {spec.swa.start} begins only "
        f"if val AUPRC still rises at epoch {needed} or later{history}",
        evidence={
            "needed": needed,
            "patience": spec.early_stopping.patience,
            "start": spec.swa.start,
            "early": len(early),
        },
    )


def swa_learning_rate(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """Averaging wants a learning rate that has come down: neither near its peak at `start` nor raised by `swa.lr`."""
    if spec.swa is None or spec.swa.start >= spec.epochs:
        return
    bare = spec.model_copy(update={"swa": None})
    at_start = learning_rate(bare, spec.swa.start)
    peak = max(learning_rate(bare, epoch) for epoch in range(spec.epochs))
    numbers: Evidence = {"lr_at_start": at_start, "peak": peak, "swa_lr": spec.swa.lr}
    if spec.optimizer.schedule.kind != "constant" and at_start > 0.5 * peak:
        yield Finding(
            code="swa_lr_near_peak",
            severity=WARNING,
            sentence=f"at epoch {spec.swa.start} the learning rate is still {at_start:.2g}, "
            f"{at_start / peak:.0%} of its peak {peak:.2g}",
            evidence=numbers,
        )
    if spec.swa.lr > at_start:
        yield Finding(
            code="swa_raises_lr",
            severity=WARNING,
            sentence=f"swa.lr = {spec.swa.lr:.2g} raises the learning rate, "
            f"which is {at_start:.2g} at epoch {spec.swa.start}",
            evidence=numbers,
        )
    if spec.swa.anneal_epochs >= spec.swa.window:
        yield Finding(
            code="swa_anneal_outlasts_window",
            severity=NOTE,
            sentence=f"swa.anneal_epochs = {spec.swa.anneal_epochs} is not shorter than the window of "
            f"{spec.swa.window} epoch{'s' if spec.swa.window > 1 else ''}: the learning rate changes throughout",
            evidence={"anneal": spec.swa.anneal_epochs, "window": spec.swa.window},
        )


def stopping_before_peak(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """Patience that ends a run before the learning rate has peaked (a best at epoch 0 would do it)."""
    if spec.early_stopping is None:
        return
    peak, patience = peak_epoch(spec), spec.early_stopping.patience
    if patience < peak:
        yield Finding(
            code="patience_before_lr_peak",
            severity=NOTE,
            sentence=f"patience {patience} can end the run before the learning rate peaks at epoch {peak:.0f}",
            evidence={"patience": patience, "peak_epoch": peak},
        )


def gate_can_move(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """Penalty, clamp and kind of the gate do not work against each other."""
    gate = spec.model.gate
    if gate.kind == "fixed" and gate.penalty.weight.bounds()[1] > 0:
        yield Finding(
            code="penalty_without_gate",
            severity=ERROR,
            sentence="model.gate.kind = fixed has no parameter that model.gate.penalty could move; set its weight to 0",
        )
    if gate.clamp is None:
        return
    low, high = gate.clamp
    for key, value in (("penalty.target", gate.penalty.target), ("initial", gate.initial)):
        if not low < value < high and not (key == "penalty.target" and gate.penalty.weight.bounds()[1] == 0):
            yield Finding(
                code="gate_outside_clamp",
                severity=WARNING,
                sentence=f"model.gate.{key} = {value:g} does not lie inside the clamp {low:g} to {high:g}",
                evidence={"value": value, "low": low, "high": high},
            )


def replay_fits(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """A replay cycle holds its replay epochs, begins in time, and ends before averaging."""
    replay = spec.data.replay
    if replay is None:
        return
    if replay.length > replay.period:
        yield Finding(
            code="replay_longer_than_period",
            severity=ERROR,
            sentence=f"data.replay.length = {replay.length} does not fit into data.replay.period = {replay.period}",
        )
    if not any(replay.active(epoch) for epoch in range(spec.last_epoch + 1)):
        yield Finding(
            code="replay_never_active",
            severity=WARNING,
            sentence=f"no epoch from 0 to {spec.last_epoch} replays anything",
        )
    elif spec.swa is not None and any(replay.active(epoch) for epoch in range(spec.swa.start, spec.swa.end)):
        yield Finding(
            code="replay_inside_swa",
            severity=WARNING,
            sentence="replay is active inside the averaging window; "
            f"data.replay.until = {spec.swa.start} would end it before",
        )


def settings_without_effect(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """A key that was set although another key switches it off."""
    for key, reason in _inert(spec):
        sentence = f"{key} has no effect: {reason}"
        yield Finding(code="no_effect", severity=WARNING, sentence=sentence, evidence={"key": key})


def _inert(spec: RunSpec) -> Iterator[tuple[str, str]]:
    default = RunSpec.model_validate({"name": "default", "data": {"file": "default"}})
    schedule, loss, gate = spec.optimizer.schedule, spec.loss, spec.model.gate
    losses = {loss.kind, loss.warmup.kind if loss.warmup else loss.kind}
    if schedule.kind != "one_cycle":
        for field in ("max_lr", "pct_start"):
            if getattr(schedule, field) != getattr(default.optimizer.schedule, field):
                yield f"optimizer.schedule.{field}", f"optimizer.schedule.kind is {schedule.kind}"
    if loss.gamma != default.loss.gamma and losses == {"bce"}:
        yield "loss.gamma", "only the focal and the asymmetric loss have it"
    if loss.margin != default.loss.margin and "asymmetric" not in losses:
        yield "loss.margin", "only the asymmetric loss has it"
    if gate.penalty.target != default.model.gate.penalty.target and gate.penalty.weight.bounds()[1] == 0:
        yield "model.gate.penalty.target", "model.gate.penalty.weight is 0"
    if gate.dropout.target != default.model.gate.dropout.target and gate.dropout.rate.bounds()[1] == 0:
        yield "model.gate.dropout.target", "model.gate.dropout.rate is 0"
    if gate.kind == "fixed" and gate.temperature != default.model.gate.temperature:
        yield "model.gate.temperature", "model.gate.kind is fixed"
    if gate.context_scale.bounds()[1] == 0:
        yield "every key of model.attention", "model.gate.context_scale is 0"


RULES: tuple[Rule, ...] = (
    heads_divide_width,
    one_cycle_rises,
    warm_up_ends,
    ramps_end,
    swa_window_fits,
    swa_reachable,
    swa_learning_rate,
    stopping_before_peak,
    gate_can_move,
    replay_fits,
    settings_without_effect,
)
"""Every rule; the contract test asks each for a spec on which it fires and one on which it does not."""
