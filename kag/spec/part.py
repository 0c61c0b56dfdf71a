"""What all parts of a spec share: frozen, no unknown keys, strict types, field docs from the strings below fields."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Part(BaseModel):
    """A section of the YAML file."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Its fields are described by the strings below them.

        They are read here: pydantic, told to use them, would parse the source of every part whenever kag starts.
        """
        made = handler(schema)
        properties = handler.resolve_ref_schema(made).get("properties", {})
        for part in cls.__mro__:
            for name, text in _texts_below(part) if issubclass(part, Part) else ():
                if name in properties:
                    properties[name].setdefault("description", text)
        return made


def _texts_below(part: type[Part]) -> Iterator[tuple[str, str]]:
    """The fields of a class that have a string below them, and that string."""
    (defined,) = ast.parse(textwrap.dedent(inspect.getsource(part))).body
    assert isinstance(defined, ast.ClassDef)
    for field, below in pairwise(defined.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


def _whole(value: Any) -> Any:
    """Take 80.0 for 80: W&B and JSON turn whole numbers into floats; a bool is no number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _listed(value: Any) -> Any:
    """Take a list for a tuple and nothing else: a lax tuple would take `true` for 1 inside."""
    return tuple(value) if isinstance(value, list) else value


LISTED, WHOLE = BeforeValidator(_listed), BeforeValidator(_whole)
"""Stand behind the bounds of a field, so that the JSON schema knows the bounds."""

FileName = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$")]
"""A path; the null character ends one for the system."""
Count = Annotated[int, Field(ge=1, le=1_000_000), WHOLE]
"""How many; the upper end is far beyond any use and lets every rule walk over all epochs."""
Ordinal = Annotated[int, Field(ge=0, le=1_000_000), WHOLE]
"""An epoch counted from 0, or how many where none will do."""
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Rate = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
NotNegative = Annotated[float, Field(ge=0.0)]
