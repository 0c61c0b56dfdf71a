"""What a sweep means for a run spec: its parameters are spec keys, its values build runs, its metric is logged."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from kag import names
from kag.errors import SpecError
from kag.spec import RunSpec, build_spec
from kag.spec.keys import known_keys, nearest_key
from kag.spec.overrides import as_text, typed
from kag.spec.retired import RETIRED
from kag.sweep.config import Nested, Sweep
from kag.sweep.distribution import Bounded, Distribution
from kag.sweep.load import nearest

AS_WORDS = ("${args_no_hyphens}", "${args}")
AS_JSON = "${args_json}"
"""What an agent puts the point into the command as."""

RAISED = ("auprc", "auprc_per_protein", "auroc", "iou", "f1", "precision", "recall")
"""Metrics that are better when larger; a loss is better when smaller, and a threshold is neither."""


def violations(sweep: Sweep, base_spec: RunSpec) -> list[str]:
    """Everything that would go wrong, in the order of the file, on a base spec with the command's own overrides."""
    return [
        *_metric(sweep),
        *_command(sweep),
        *_tracking(sweep, base_spec),
        *_nesting(sweep),
        *_parameters(sweep, base_spec),
    ]


def logged_metrics() -> tuple[str, ...]:
    """Keys that a run logs and a sweep can be judged by."""
    splits = [names.evaluation(split, metric) for split in names.SPLITS for metric in names.METRICS]
    constants = [value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)]
    return tuple(dict.fromkeys([*splits, *(names.averaged(key) for key in splits), *constants]))


def objective(keys: Collection[str]) -> str:
    """The logged metric that tells trials apart which differ in these settings of the run spec.

    A run delivers its best single epoch where that beats the average of its weights. Runs that differ in their
    averaging alone then all deliver the same epoch, and only the averages themselves say which window is better.
    """
    only_averaging = bool(keys) and all(key.split(".")[0] == "swa" for key in keys)
    return names.averaged(names.OBJECTIVE) if only_averaging else names.OBJECTIVE


def _metric(sweep: Sweep) -> Iterator[str]:
    if sweep.metric is None:
        return
    name, goal = sweep.metric.name, sweep.metric.goal
    if name not in logged_metrics():
        yield f"metric.name = {name}: no run logs it{nearest(name, logged_metrics(), cutoff=0.3)}"
        return
    last = name.rsplit("/", 1)[-1]
    if last in RAISED and goal != "maximize":
        yield f"metric.goal = {goal}: {name} is better when larger; write `goal: maximize` (W&B's default is minimize)"
    if last.startswith("loss") and goal != "minimize":
        yield f"metric.goal = {goal}: {name} is better when smaller; write `goal: minimize`"
    if name.split("/")[0].startswith("test"):
        yield f"metric.name = {name}: a search must not choose by the test split; nearest known: {names.OBJECTIVE}"


def _command(sweep: Sweep) -> Iterator[str]:
    words = [str(word) for word in sweep.command or ()]
    if not words and sweep.program is None:
        yield "command: missing; an agent would not know what to run"
    given = [word for word in words if word.startswith("${args")]
    if words and not given:
        yield "command: has no ${args_no_hyphens} or ${args_json}, so every trial would be the same run"
    for word in given:
        if word not in (*AS_WORDS, AS_JSON):
            yield f"command: kag train does not read {word}; write ${{args_no_hyphens}} or {AS_JSON}"
    if any(word in AS_WORDS for word in given):
        yield from _written(sweep)


def _written(sweep: Sweep) -> Iterator[str]:
    """A value on a command line is its text, which does not always say what the value was."""
    for key, leaf in sweep.leaves().items():
        for value in leaf.extremes():
            read, meant = typed(key, str(value)), as_text(key, value)
            if type(read) is not type(meant) or read != meant:
                yield f"parameters.{key}: {value!r} would reach the run as {read!r}; write {AS_JSON} in the command"


def _tracking(sweep: Sweep, base_spec: RunSpec) -> Iterator[str]:
    mode = base_spec.track.mode
    if mode in ("offline", "disabled") and "track.mode" not in sweep.leaves():
        yield f"command: track.mode is {mode}, so no server would hear of a trial; add track.mode=auto"


def _nesting(sweep: Sweep) -> Iterator[str]:
    for key, parameter in sweep.parameters.items():
        if isinstance(parameter, Nested):
            yield (
                f"parameters.{key}: nested parameters reach the run as the text of a Python dict; "
                f"write flat dotted keys (`{key}.<name>: ...`)"
            )


def _parameters(sweep: Sweep, base_spec: RunSpec) -> Iterator[str]:
    for key, leaf in sweep.leaves().items():
        if isinstance(leaf, Bounded) and "distribution" not in leaf.model_fields_set and leaf.has_mixed_bounds():
            words = "one bound is whole and one is not: write both with a dot, both without, or name the distribution"
            yield f"parameters.{key}: {words}"
        elif key in known_keys():
            yield from _values(key, leaf, sweep, base_spec)
        elif key not in RETIRED:
            near = nearest_key(key)
            yield f"parameters.{key}: no such spec key" + (f"; nearest known: {near}" if near else "")


def _values(key: str, leaf: Distribution, sweep: Sweep, base_spec: RunSpec) -> Iterator[str]:
    """Each value is tried on the base with the other parameters at a value of theirs: some only make sense together."""
    others = {other: known.value(0.5) for other, known in sweep.leaves().items() if other in known_keys()}
    for value in leaf.extremes():
        try:
            build_spec(base_spec.model_dump(mode="json"), {**others, key: value})
        except SpecError as error:
            lines = [line.strip() for line in error.what.splitlines()[1:]]
            problems = [line for line in lines if line.startswith(("override", key))]
            detail = next((line for line in problems if key in line), (*problems, error.what)[0])
            yield f"parameters.{key}: {value!r} builds no valid run ({detail})"
