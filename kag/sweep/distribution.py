"""The distributions of a sweep parameter, each as a map from the unit interval and back.

A sampler draws a share u in [0, 1]; `value(u)` is the quantile and `share(value)` its inverse. A uniform u gives the
distribution that W&B documents under the same name, and a model-based sampler sees every parameter on one scale.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable
from decimal import Decimal
from itertools import accumulate
from statistics import NormalDist
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kag.sweep.position import required_position

TAIL = 1.0e-4
"""Normal and beta parameters are drawn between these quantiles, so that both of their extremes are numbers to check."""

LEVELS_MAX = 100_000
"""A whole-number or stepped range with more values than this cannot be a side of a grid."""

Number = Annotated[int, Field(strict=True)] | Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Section(BaseModel):
    """A section of a sweep file: frozen, no unknown keys, strict types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Distribution(Section):
    """What all of them share."""

    def value(self, share: float) -> Any:
        """The quantile of a share in [0, 1]."""
        raise NotImplementedError

    def share(self, value: Any) -> float:
        """The share whose quantile is this value (the middle of the step, for a stepped one)."""
        raise NotImplementedError

    def levels(self) -> tuple[Any, ...] | None:
        """Every value, or None where there is a continuum of them."""
        return None

    def extremes(self) -> tuple[Any, ...]:
        """The values that stand for all others in a check: every listed one, else the smallest and the largest."""
        return (self.value(0.0), self.value(1.0))


class Constant(Distribution):
    """One value."""

    distribution: Literal["constant"] = "constant"
    fixed: Any = Field(alias="value")

    def value(self, share: float) -> Any:
        return self.fixed

    def share(self, value: Any) -> float:
        return 0.5

    def levels(self) -> tuple[Any, ...]:
        return (self.fixed,)

    def extremes(self) -> tuple[Any, ...]:
        return self.levels()


class Listed(Distribution):
    """Listed values."""

    values: Annotated[tuple[Any, ...], Field(min_length=1, strict=False)]

    def index(self, value: Any) -> int:
        """Position; see `required_position`."""
        return required_position(self.values, value)

    def levels(self) -> tuple[Any, ...]:
        return self.values

    def extremes(self) -> tuple[Any, ...]:
        return self.values


class Categorical(Listed):
    """Listed values, all alike."""

    distribution: Literal["categorical"] = "categorical"

    def value(self, share: float) -> Any:
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]

    def share(self, value: Any) -> float:
        return (self.index(value) + 0.5) / len(self.values)


class Weighted(Listed):
    """Listed values with a probability each."""

    distribution: Literal["categorical_w_probabilities"] = "categorical_w_probabilities"
    probabilities: Annotated[tuple[Annotated[Number, Field(ge=0)], ...], Field(min_length=1, strict=False)]

    @model_validator(mode="after")
    def _sums_to_one(self) -> Weighted:
        if len(self.values) != len(self.probabilities):
            raise ValueError(f"{len(self.values)} values need as many probabilities, not {len(self.probabilities)}")
        if abs(sum(self.probabilities) - 1.0) > 1.0e-6:
            raise ValueError(f"the probabilities must sum to 1, not to {sum(self.probabilities):g}")
        return self

    def value(self, share: float) -> Any:
        passed = list(accumulate(self.probabilities))
        return self.values[bisect(passed, min(share, math.nextafter(passed[-1], 0.0)))]

    def share(self, value: Any) -> float:
        index = self.index(value)
        return sum(self.probabilities[:index]) + self.probabilities[index] / 2


class IntUniform(Distribution):
    """Whole numbers from `min` to `max`, both included."""

    distribution: Literal["int_uniform"] = "int_uniform"
    min: int
    max: int

    @model_validator(mode="after")
    def _ordered(self) -> IntUniform:
        _require_order(self.min, self.max)
        return self

    def value(self, share: float) -> int:
        count = self.max - self.min + 1
        return self.min + min(int(share * count), count - 1)

    def share(self, value: Any) -> float:
        return float((value - self.min + 0.5) / (self.max - self.min + 1))

    def levels(self) -> tuple[int, ...] | None:
        return tuple(range(self.min, self.max + 1)) if self.max - self.min < LEVELS_MAX else None


def _require_order(low: float, high: float) -> None:
    if not low < high:
        raise ValueError(f"needs min < max, not {low:g} and {high:g}")


class Stepped(Distribution):
    """A number that may be rounded to multiples of `q`."""

    q: Annotated[Number, Field(gt=0)] | None = None

    def step(self) -> float | None:
        """The step, or None for a distribution without one."""
        name: str = getattr(self, "distribution", "")
        return (self.q or 1) if name.startswith("q_") else None

    @model_validator(mode="after")
    def _has_a_step(self) -> Stepped:
        if self.q is not None and self.step() is None:
            raise ValueError(f"`q` belongs to q_{getattr(self, 'distribution', '')}")
        return self

    def rounded(self, number: float, low: float = -math.inf, high: float = math.inf) -> float:
        """The multiple of `q` next to the number that lies within the bounds; whole numbers stay whole."""
        step = self.step()
        if step is None:
            return number
        count = round(number / step)
        if math.isfinite(low):
            count = max(count, math.ceil(low / step - 1e-9))
        if math.isfinite(high):
            count = min(count, math.floor(high / step + 1e-9))
        return count * step if isinstance(step, int) else float(Decimal(repr(step)) * count)


class Bounded(Stepped):
    """Uniform between two bounds, on a plain or a logarithmic scale.

    `log_uniform` and `inv_log_uniform` take exponents of e as bounds, the `..._values` forms take the values.
    """

    distribution: Literal[
        "uniform",
        "q_uniform",
        "log_uniform",
        "q_log_uniform",
        "log_uniform_values",
        "q_log_uniform_values",
        "inv_log_uniform",
        "inv_log_uniform_values",
    ] = "uniform"
    min: Number
    max: Number

    @model_validator(mode="after")
    def _ordered(self) -> Bounded:
        _require_order(self.min, self.max)
        if self.distribution.endswith("_values") and self.min <= 0:
            raise ValueError("a logarithmic scale needs min > 0")
        if self.step() is not None and not self._bounds()[0] <= self.value(0.5) <= self._bounds()[1]:
            raise ValueError(f"no multiple of q = {self.step():g} lies between min and max")
        return self

    def has_mixed_bounds(self) -> bool:
        """Whether one bound is a whole number and one is not."""
        return isinstance(self.min, int) != isinstance(self.max, int)

    def _scale(self) -> tuple[Callable[[float], float], Callable[[float], float]]:
        """Number of a coordinate in which it is uniform, and back."""
        name = self.distribution.removeprefix("q_")
        if name == "uniform":
            return float, float
        if name == "inv_log_uniform":
            return lambda x: math.exp(-x), lambda value: -math.log(value)
        return math.exp, math.log

    def _ends(self) -> tuple[float, float]:
        """The bounds in that coordinate."""
        if self.distribution.endswith("_values"):
            return math.log(self.min), math.log(self.max)
        return float(self.min), float(self.max)

    def _bounds(self) -> tuple[float, float]:
        """The smallest and the largest value before rounding."""
        if self.distribution.endswith("_values"):
            return self.min, self.max
        forward, _ = self._scale()
        smallest, largest = sorted(forward(float(end)) for end in (self.min, self.max))
        return smallest, largest

    def value(self, share: float) -> float:
        low, high = self._ends()
        forward, _ = self._scale()
        smallest, largest = self._bounds()
        return self.rounded(min(max(forward(low + share * (high - low)), smallest), largest), smallest, largest)

    def share(self, value: Any) -> float:
        low, high = self._ends()
        _, back = self._scale()
        smallest, largest = self._bounds()
        return min(max((back(min(max(value, smallest), largest)) - low) / (high - low), 0.0), 1.0)

    def levels(self) -> tuple[float, ...] | None:
        step = self.step()
        if step is None or self.distribution != "q_uniform":
            return None
        first, last = self.value(0.0), self.value(1.0)
        count = round((last - first) / step) + 1
        if count > LEVELS_MAX:
            return None
        return tuple(self.rounded(first + i * step, self.min, self.max) for i in range(count))


class Normal(Stepped):
    """Normal, or log-normal (e to the power of a normal number)."""

    distribution: Literal["normal", "q_normal", "log_normal", "q_log_normal"]
    mu: Number = 0.0
    sigma: Annotated[Number, Field(gt=0)] = 1.0

    def _normal(self) -> NormalDist:
        return NormalDist(float(self.mu), float(self.sigma))

    def value(self, share: float) -> float:
        number = self._normal().inv_cdf(min(max(share, TAIL), 1.0 - TAIL))
        return self.rounded(math.exp(number) if "log" in self.distribution else number)

    def share(self, value: Any) -> float:
        if "log" not in self.distribution:
            return self._normal().cdf(value)
        return self._normal().cdf(math.log(value)) if value > 0 else TAIL


class Beta(Stepped):
    """Beta distribution on [0, 1]."""

    distribution: Literal["beta", "q_beta"]
    a: Annotated[Number, Field(gt=0)] = 1.0
    b: Annotated[Number, Field(gt=0)] = 1.0

    def value(self, share: float) -> float:
        from scipy.special import betaincinv

        return self.rounded(float(betaincinv(self.a, self.b, min(max(share, TAIL), 1.0 - TAIL))), 0.0, 1.0)

    def share(self, value: Any) -> float:
        from scipy.special import betainc

        return float(betainc(self.a, self.b, min(max(value, 0.0), 1.0)))
