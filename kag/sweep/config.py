"""The W&B sweep schema: what `wandb sweep` accepts, as types."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Discriminator, Field, Tag, model_validator

from kag.sweep.distribution import (
    Beta,
    Bounded,
    Categorical,
    Constant,
    Distribution,
    IntUniform,
    Normal,
    Section,
    Weighted,
)
from kag.sweep.position import position

Params = dict[str, Any]
"""One point: dotted key -> value. Nested parameters are flat here; `Sweep.arguments` nests them again."""

_KINDS = (Constant, Categorical, Weighted, IntUniform, Bounded, Normal, Beta)
FAMILIES = {name: kind.__name__ for kind in _KINDS for name in get_args(kind.model_fields["distribution"].annotation)}
"""Name of a distribution -> the class that reads it."""


def _family(value: Any) -> str | None:
    """Which kind of parameter a mapping describes; the rules of the client where no distribution is named."""
    if isinstance(value, Section):
        return type(value).__name__
    if not isinstance(value, Mapping):
        return None
    if "parameters" in value:
        return "Nested"
    if "distribution" in value:
        name = value["distribution"]
        return FAMILIES.get(name, f"no distribution {name}") if isinstance(name, str) else None
    if "value" in value:
        return "Constant"
    if "values" in value:
        return "Weighted" if "probabilities" in value else "Categorical"
    if "min" not in value or "max" not in value:
        return None
    whole = [isinstance(value[key], int) for key in ("min", "max")]
    return "IntUniform" if all(whole) else "Bounded"


Parameter = Annotated[
    Annotated[Constant, Tag("Constant")]
    | Annotated[Categorical, Tag("Categorical")]
    | Annotated[Weighted, Tag("Weighted")]
    | Annotated[IntUniform, Tag("IntUniform")]
    | Annotated[Bounded, Tag("Bounded")]
    | Annotated[Normal, Tag("Normal")]
    | Annotated[Beta, Tag("Beta")]
    | Annotated["Nested", Tag("Nested")],
    Discriminator(_family),
]

ParameterName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")]


class Nested(Section):
    """Parameters inside a parameter."""

    parameters: Annotated[dict[ParameterName, Parameter], Field(min_length=1)]


class Metric(Section):
    """What the search improves."""

    name: str
    goal: Literal["minimize", "maximize"] = "minimize"
    target: float | None = None
    """The sweep ends when a trial reaches this value."""
    impute: Literal["latest", "best", "worst"] = "worst"
    impute_while_running: Literal["latest", "best", "worst", "false"] = "false"

    def loss(self, value: float) -> float:
        """The value, turned so that smaller is better."""
        return -value if self.goal == "maximize" else value


class Hyperband(Section):
    """Early termination at bands of iterations; an iteration is one logged value of the metric."""

    type: Literal["hyperband"]
    min_iter: Annotated[int, Field(ge=1)] | None = None
    """First band; the next ones are eta times as far each."""
    max_iter: Annotated[int, Field(ge=1)] | None = None
    """Bands are max_iter / eta, max_iter / eta^2, ... down to `s` of them."""
    s: Annotated[int, Field(ge=1)] | None = None
    eta: Annotated[float, Field(gt=1)] = 3.0
    """At each band the best 1/eta of the trials go on."""
    strict: bool = True
    """Compare the value at the band; otherwise the best value so far."""

    @model_validator(mode="after")
    def _one_way(self) -> Hyperband:
        if self.max_iter is None and self.min_iter is None:
            raise ValueError("needs min_iter, or max_iter and s")
        if self.max_iter is not None and self.s is None:
            raise ValueError("max_iter needs s")
        if self.max_iter is not None and self.max_iter / self.eta < 1:
            raise ValueError("max_iter / eta is below 1: there is no band")
        return self

    def bands(self, longest: int) -> list[int]:
        """The iterations, counted from 0, at which trials are compared, as far as a history of this length goes."""
        if self.max_iter is not None:
            found = [int(self.max_iter / self.eta**k) for k in range(1, (self.s or 1) + 1)]
            return sorted({band for band in found if 1 <= band < longest})
        count = 0 if longest < 1 else int(math.log(max(longest, 1), self.eta)) + 1
        found = [int((self.min_iter or 1) * self.eta**k) for k in range(count)]
        return sorted({band for band in found if band < longest})


class Controller(Section):
    """Who suggests: kag's server takes the place of W&B's."""

    type: Literal["cloud", "local"]


class Sweep(Section):
    """A sweep file."""

    method: Literal["grid", "random", "bayes"]
    parameters: Annotated[dict[ParameterName, Parameter], Field(min_length=1)]
    metric: Metric | None = None
    early_terminate: Hyperband | None = None
    command: Annotated[tuple[str | int | float, ...], Field(strict=False)] | None = None
    program: str | None = None
    run_cap: Annotated[int, Field(ge=1)] | None = None
    """Most trials."""
    name: str | None = None
    description: str | None = None
    project: str | None = None
    entity: str | None = None
    controller: Controller | None = None
    apiVersion: str | None = None
    kind: Literal["sweep"] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Sweep:
        problems = list(_contradictions(self))
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def leaves(self) -> dict[str, Distribution]:
        """Dotted key -> distribution, in the order of the keys."""
        return {".".join(path): leaf for path, leaf in sorted(_walk(self.parameters, ()))}

    def varied(self) -> dict[str, Distribution]:
        """The leaves that are searched, without the constant ones."""
        return {key: leaf for key, leaf in self.leaves().items() if not isinstance(leaf, Constant)}

    def arguments(self, params: Params) -> dict[str, Any]:
        """The point as the agent gets it: nested where the file nests."""
        tree: dict[str, Any] = {}
        for path, _ in _walk(self.parameters, ()):
            branch = tree
            for word in path[:-1]:
                branch = branch.setdefault(word, {})
            branch[path[-1]] = params[".".join(path)]
        return tree

    def size(self) -> int | None:
        """Number of points of a grid, else None."""
        if self.method != "grid":
            return None
        return math.prod(len(leaf.levels() or ()) for leaf in self.leaves().values())

    def grid(self, start: int = 0) -> Iterator[Params]:
        """The points of a grid, in the order in which they are given out, from one of them on."""
        leaves = self.leaves()
        points = itertools.product(*(leaf.levels() or () for leaf in leaves.values()))
        for values in itertools.islice(points, start, None):
            yield dict(zip(leaves, values, strict=True))

    def place(self, params: Params) -> int:
        """The first place in the grid that this point can have; 0 if it has none."""
        place = 0
        for key, leaf in self.leaves().items():
            levels = leaf.levels() or ()
            at = position(levels, params.get(key))
            if at is None:
                return 0
            place = place * len(levels) + at
        return place

    def trial_count(self) -> int | None:
        """Number of trials, or None for a search without end."""
        return min((count for count in (self.size(), self.run_cap) if count is not None), default=None)


Nested.model_rebuild()
Sweep.model_rebuild()


def _walk(parameters: Mapping[str, Any], prefix: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Distribution]]:
    for name, parameter in parameters.items():
        if isinstance(parameter, Nested):
            yield from _walk(parameter.parameters, (*prefix, name))
        else:
            yield (*prefix, name), parameter


def _contradictions(sweep: Sweep) -> Iterator[str]:
    paths = [".".join(path) for path, _ in _walk(sweep.parameters, ())]
    yield from (
        f"parameters.{key} is given twice, flat and nested" for key in sorted(set(paths)) if paths.count(key) > 1
    )
    if sweep.method == "bayes" and sweep.metric is None:
        yield "method bayes needs a metric"
    if sweep.early_terminate is not None and sweep.metric is None:
        yield "early_terminate needs a metric"
    if sweep.method == "grid":
        for key, leaf in sweep.leaves().items():
            if leaf.levels() is None:
                yield f"parameters.{key}: a grid needs `values`, `value`, int_uniform or q_uniform"
