"""What can be said about a run before it starts. Each rule is a pure function of the spec and of a few facts.

An error refuses training: the result would be wrong or the run cannot reach its end. A warning is printed, stored in
the record and does not stop anybody. The rules answer what went unseen in October: averaging that never began, a window
past the end, a learning rate at its peak when averaging started, settings without effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kag.errors import SpecError
from kag.finding import Evidence, Finding, Severity, error, gravest_first, note, warning
from kag.spec.circumstances import OF_DATA_AND_DEVICE
from kag.spec.facts import Facts, Rule
from kag.spec.flat import flat
from kag.spec.ramp import ramps
from kag.spec.retired import retired_sentence
from kag.spec.run import RunSpec, default_spec
from kag.spec.schedule import learning_rate, peak_epoch


def preflight(spec: RunSpec, facts: Facts | None = None) -> list[Finding]:
    """Every finding of every rule, errors first."""
    found = [finding for rule in RULES for finding in rule(spec, facts or Facts())]
    return gravest_first(found)


def require_no_error(findings: Sequence[Finding], where: str) -> None:
    """Refuse a run that a rule calls an error.

    Raises:
        SpecError: lists the errors.
    """
    errors = [finding.sentence for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        raise SpecError("\n  ".join([f"{len(errors)} preflight error(s):", *errors]), where=where)


def retired_keys(_: RunSpec, facts: Facts) -> Iterator[Finding]:
    """A key that was dropped since it does nothing any more."""
    if facts.retired:
        yield warning("retired_key", retired_sentence(facts.retired), keys=", ".join(facts.retired))


def heads_divide_width(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """Attention splits its width evenly over its heads."""
    heads, width = spec.model.attention.heads, spec.model.attention.width
    if width % heads:
        near = width - width % heads
        sentence = (
            f"model.attention.heads = {heads} does not divide model.attention.width = {width}; "
            f"the nearest widths are {near} and {near + heads}"
        )
        yield error("heads_divide_width", sentence, heads=heads, width=width)


def one_cycle_rises(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """The one-cycle goes up from `lr` to `max_lr`."""
    schedule, lr = spec.optimizer.schedule, spec.optimizer.lr
    if schedule.kind == "one_cycle" and schedule.max_lr < lr:
        below = f"optimizer.schedule.max_lr = {schedule.max_lr:g} lies below optimizer.lr = {lr:g}"
        yield error("one_cycle_falls", f"{below}, where the one-cycle starts", max_lr=schedule.max_lr, lr=lr)


def warm_up_ends(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """A warm-up leaves epochs for the loss it warms up."""
    warmup, kind, epochs = spec.loss.warmup, spec.loss.kind, spec.last_epoch + 1
    if warmup is None:
        return
    if warmup.epochs >= epochs:
        sentence = f"loss.warmup.epochs = {warmup.epochs} leaves no epoch for loss.kind = {kind}: the run has {epochs}"
        yield error("warmup_too_long", sentence, warmup=warmup.epochs, epochs=epochs)
    if warmup.kind == kind:
        sentence = f"loss.warmup.kind is the same as loss.kind ({kind}): the warm-up changes nothing"
        yield warning("warmup_without_effect", sentence)


def schedule_warms_up(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """A learning rate that rises from 0 reaches `lr` within the run."""
    warmup = spec.optimizer.schedule.warmup_epochs
    if spec.optimizer.schedule.kind != "one_cycle" and warmup > spec.last_epoch:
        sentence = f"optimizer.schedule.warmup_epochs = {warmup:g} leaves no epoch at optimizer.lr"
        yield error("lr_warmup_too_long", sentence, warmup=warmup, last_epoch=spec.last_epoch)


def one_average(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """Of averages over steps and over epochs there is one: the window would average what is averaged already."""
    if spec.ema is not None and spec.swa is not None:
        yield error("two_averages", "ema and swa both average the weights; set one of them to null")


def ramps_end(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """A ramp reaches its end before averaging starts, or at least before the run ends."""
    closed = spec.model.gate.kind == "closed"
    for key, ramp in ramps(spec).items():
        if closed and key.startswith("model.gate"):
            continue
        if spec.swa is not None and ramp.epochs > spec.swa.start:
            sentence = f"{key} still changes until epoch {ramp.epochs}, but averaging starts at epoch {spec.swa.start}"
            yield warning("ramp_past_swa_start", sentence, ramp_end=ramp.epochs, swa_start=spec.swa.start)
        elif ramp.epochs > spec.last_epoch:
            sentence = f"{key} would reach {ramp.end:g} at epoch {ramp.epochs}, but the last epoch is {spec.last_epoch}"
            yield warning("ramp_past_end", sentence, ramp_end=ramp.epochs, last_epoch=spec.last_epoch)


def swa_window_fits(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """The averaged epochs lie inside the run; the finding names them."""
    if spec.swa is None:
        return
    first, last = spec.swa.start, spec.swa.end - 1
    averaged = f"epoch {first}" if first == last else f"epochs {first} to {last}"
    numbers: Evidence = {"start": first, "window": spec.swa.window, "epochs": spec.epochs}
    if spec.swa.end > spec.epochs:
        sentence = f"swa would average {averaged}, but the last of {spec.epochs} epochs is {spec.epochs - 1}"
        yield error("swa_past_end", sentence, **numbers)
    else:
        stopping, sooner = spec.early_stopping, ""
        if stopping is not None and stopping.patience < spec.swa.window - 1:
            sooner = f", or once the average has not risen for {stopping.patience} epochs"
        sentence = f"swa averages {averaged} (counted from 0); the run ends with epoch {last}{sooner}"
        yield note("swa_window", sentence, **numbers)


def swa_reachable(spec: RunSpec, facts: Facts) -> Iterator[Finding]:
    """Early stopping lets the run reach the window: a new best is needed at epoch `start - patience` or later."""
    if spec.swa is None or spec.early_stopping is None or spec.swa.start <= spec.early_stopping.patience:
        return
    start, patience = spec.swa.start, spec.early_stopping.patience
    needed = start - patience
    early = sum(epoch < needed for epoch in facts.sibling_best_epochs)
    history = f"; {early} of {len(facts.sibling_best_epochs)} earlier runs peaked before that" if early else ""
    sentence = (
        f"with patience {patience} averaging at epoch {start} begins only "
        f"if val AUPRC still rises at epoch {needed} or later{history}"
    )
    yield warning("swa_unreachable", sentence, needed=needed, patience=patience, start=start, early=early)


def swa_learning_rate(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """Averaging wants a learning rate that has come down: neither near its peak at `start` nor raised by `swa.lr`."""
    if spec.swa is None or spec.swa.start >= spec.epochs:
        return
    swa, bare = spec.swa, spec.model_copy(update={"swa": None})
    at_start = learning_rate(bare, swa.start)
    peak = max(learning_rate(bare, epoch) for epoch in range(spec.epochs))
    numbers: Evidence = {"lr_at_start": at_start, "peak": peak, "swa_lr": swa.lr}
    if spec.optimizer.schedule.kind != "constant" and at_start > 0.5 * peak:
        share = f"{at_start / peak:.0%} of its peak {peak:.2g}"
        sentence = f"at epoch {swa.start} the learning rate is still {at_start:.2g}, {share}"
        yield warning("swa_lr_near_peak", sentence, **numbers)
    if swa.lr > at_start:
        sentence = f"swa.lr = {swa.lr:.2g} raises the learning rate, which is {at_start:.2g} at epoch {swa.start}"
        yield warning("swa_raises_lr", sentence, **numbers)
    if swa.anneal_epochs >= swa.window:
        sentence = (
            f"swa.anneal_epochs = {swa.anneal_epochs} is not shorter than the window of "
            f"{swa.window} epoch{'s' if swa.window > 1 else ''}: the learning rate changes throughout"
        )
        yield note("swa_anneal_outlasts_window", sentence, anneal=swa.anneal_epochs, window=swa.window)


def stopping_before_peak(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """Patience that ends a run before the learning rate has peaked (a best at epoch 0 would do it)."""
    if spec.early_stopping is None:
        return
    peak, patience = peak_epoch(spec), spec.early_stopping.patience
    if patience < peak:
        sentence = f"patience {patience} can end the run before the learning rate peaks at epoch {peak:.0f}"
        yield note("patience_before_lr_peak", sentence, patience=patience, peak_epoch=peak)


def norm_fits_grouping(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """Statistics over a batch are those of all data only where the batch is a random part of them."""
    if spec.data.grouping == "protein" and spec.model.norm == "batch":
        sentence = (
            "model.norm = batch with data.grouping = protein normalises each batch over one or a few proteins, "
            "evaluation over all; take model.norm = layer or data.grouping = residue"
        )
        yield warning("batch_norm_by_protein", sentence)


def gate_can_move(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """Penalty, clamp and kind of the gate do not work against each other."""
    gate = spec.model.gate
    penalised = gate.penalty.weight.bounds()[1] > 0
    if gate.kind in ("fixed", "closed") and penalised:
        nothing = f"model.gate.kind = {gate.kind} has no parameter that model.gate.penalty could move"
        yield error("penalty_without_gate", f"{nothing}; set its weight to 0")
    if gate.kind == "closed" and spec.model.auxiliary is not None:
        sees = "model.auxiliary sees neighbours alone, and model.gate.kind = closed has none"
        yield error("auxiliary_without_neighbours", f"{sees}; set model.auxiliary to null")
    if gate.clamp is None:
        return
    low, high = gate.clamp
    pulled = [("penalty.target", gate.penalty.target)] if penalised else []
    for key, value in (*pulled, ("initial", gate.initial)):
        if not low < value < high:
            sentence = f"model.gate.{key} = {value:g} does not lie inside the clamp {low:g} to {high:g}"
            yield warning("gate_outside_clamp", sentence, value=value, low=low, high=high)


def replay_fits(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """A replay cycle holds its replay epochs, begins in time, and ends before averaging."""
    replay = spec.data.replay
    if replay is None:
        return
    if replay.length > replay.period:
        sentence = f"data.replay.length = {replay.length} does not fit into data.replay.period = {replay.period}"
        yield error("replay_longer_than_period", sentence)
    if not any(replay.active(epoch) for epoch in range(spec.last_epoch + 1)):
        yield warning("replay_never_active", f"no epoch from 0 to {spec.last_epoch} replays anything")
    elif spec.swa is not None and any(replay.active(epoch) for epoch in range(spec.swa.start, spec.swa.end)):
        until = f"data.replay.until = {spec.swa.start} would end it before"
        yield warning("replay_inside_swa", f"replay is active inside the averaging window; {until}")


def settings_without_effect(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """A key that was set although another key switches it off."""
    for key, reason in _inert(spec):
        yield warning("no_effect", f"{key} has no effect: {reason}", key=key)


def behind_a_closed_gate(spec: RunSpec, _: Facts) -> Iterator[Finding]:
    """Settings of attention and gate that a closed gate leaves unread: one note, for a spec keeps them to open it."""
    if spec.model.gate.kind != "closed":
        return
    read = "model.gate.kind", "model.gate.penalty.weight"
    known, defaults = flat(spec), flat(default_spec())
    behind = [key for key in known if key.startswith(("model.attention.", "model.gate.")) and not key.startswith(read)]
    if unread := [key for key in behind if known[key] != defaults.get(key)]:
        more = f" and {len(unread) - 2} more" if len(unread) > 2 else ""
        sentence = f"behind the closed gate nothing reads {', '.join(unread[:2])}{more}"
        yield note("behind_closed_gate", sentence, keys=", ".join(unread))


def _inert(spec: RunSpec) -> Iterator[tuple[str, str]]:
    schedule, loss, gate = spec.optimizer.schedule, spec.loss, spec.model.gate
    losses = {loss.kind, loss.warmup.kind if loss.warmup else loss.kind}
    off = {
        "optimizer.schedule.max_lr": schedule.kind != "one_cycle" and f"optimizer.schedule.kind is {schedule.kind}",
        "optimizer.schedule.pct_start": schedule.kind != "one_cycle" and f"optimizer.schedule.kind is {schedule.kind}",
        "optimizer.schedule.warmup_epochs": schedule.kind == "one_cycle" and "the one-cycle begins at optimizer.lr",
        "loss.gamma": losses == {"bce"} and "only the focal and the asymmetric loss have it",
        "loss.margin": "asymmetric" not in losses and "only the asymmetric loss has it",
        "model.gate.penalty.target": gate.penalty.weight.bounds()[1] == 0 and "model.gate.penalty.weight is 0",
        "model.gate.dropout.target": gate.dropout.rate.bounds()[1] == 0 and "model.gate.dropout.rate is 0",
        "model.gate.temperature": gate.kind == "fixed" and "model.gate.kind is fixed",
    }
    if gate.kind == "closed":
        off = {key: reason for key, reason in off.items() if not key.startswith("model.gate.")}
    known, defaults = flat(spec), flat(default_spec())
    yield from ((key, reason) for key, reason in off.items() if reason and known[key] != defaults.get(key))
    if gate.context_scale.bounds()[1] == 0 and gate.kind != "closed":
        yield "every key of model.attention", "model.gate.context_scale is 0"


RULES: tuple[Rule, ...] = (
    retired_keys,
    heads_divide_width,
    one_cycle_rises,
    warm_up_ends,
    schedule_warms_up,
    one_average,
    ramps_end,
    swa_window_fits,
    swa_reachable,
    swa_learning_rate,
    stopping_before_peak,
    norm_fits_grouping,
    gate_can_move,
    replay_fits,
    settings_without_effect,
    behind_a_closed_gate,
    *OF_DATA_AND_DEVICE,
)
"""Every rule; the contract test asks each for a spec on which it fires and one on which it does not."""
