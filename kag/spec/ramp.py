"""`Ramp`: the one type for anything that changes over epochs."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

from pydantic import GetJsonSchemaHandler, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from kag.spec.part import Ordinal, Part

Shape = Literal["linear", "cosine", "step"]


def progress(share: float, shape: Shape) -> float:
    """How much of the way is done when `share` of the time is over; both run from 0 to 1.

    `linear` is the time itself, `cosine` starts and ends slowly, `step` jumps at the end.
    """
    share = min(max(share, 0.0), 1.0)
    if shape == "cosine":
        return (1.0 - math.cos(math.pi * share)) / 2.0
    if shape == "step":
        return 1.0 if share >= 1.0 else 0.0
    return share


class Ramp(Part):
    """From `start` to `end` over `epochs` epochs, then `end`. In YAML a plain number is a constant.

    A constant is written back as a plain number: `0.15` and `{start: 0.15, end: 0.15, epochs: 15}` are one spec.
    """

    start: float
    """Value at epoch 0."""
    end: float
    """Value from epoch `epochs` on."""
    epochs: Ordinal = 0
    """Epochs until `end` is reached."""
    shape: Shape = "linear"
    """How it goes there: linear, cosine, or one step at the end."""

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return {"start": float(value), "end": float(value)}
        if isinstance(value, dict) and "start" in value and value.get("start") == value.get("end"):
            return {"start": value["start"], "end": value["end"], **_faulty(value)}
        return value

    @model_validator(mode="after")
    def _has_length(self) -> Ramp:
        if self.start != self.end and self.epochs == 0:
            raise ValueError(f"a ramp from {self.start:g} to {self.end:g} needs `epochs`, at least 1")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        section = handler.resolve_ref_schema(super().__get_pydantic_json_schema__(schema, handler))
        return {"anyOf": [{"type": "number"}, section], "description": section.pop("description", "")}

    @model_serializer(mode="wrap")
    def _as_number_if_constant(self, handler: SerializerFunctionWrapHandler) -> Any:
        return self.start if self.start == self.end else handler(self)

    def at(self, epoch: float) -> float:
        """Value at an epoch, counted from 0; fractions are allowed."""
        if self.epochs == 0:
            return self.end
        return self.start + (self.end - self.start) * progress(epoch / self.epochs, self.shape)

    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value that it takes."""
        return min(self.start, self.end), max(self.start, self.end)


def ramps(part: Part, prefix: str = "") -> dict[str, Ramp]:
    """Dotted key -> ramp, for every value inside a part that may change over epochs."""
    found: dict[str, Ramp] = {}
    for name, value in part:
        if isinstance(value, Ramp):
            found[f"{prefix}{name}"] = value
        elif isinstance(value, Part):
            found |= ramps(value, f"{prefix}{name}.")
    return found


def _faulty(value: dict[str, Any]) -> dict[str, Any]:
    """What a constant may not have either: kept, so that validation still reports it."""
    length, shape = value.get("epochs", 0), value.get("shape", "linear")
    sound = {"start", "end"}
    if isinstance(length, (int, float)) and not isinstance(length, bool) and length >= 0 and length == length // 1:
        sound.add("epochs")
    if shape in get_args(Shape):
        sound.add("shape")
    return {key: item for key, item in value.items() if key not in sound}
