"""What the parts of a record are made of: values that never change, times, measured numbers."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from kag.text import json_number

_YEARS = Field(ge=datetime(2, 1, 1, tzinfo=UTC), le=datetime(9998, 12, 31, tzinfo=UTC))
Moment = Annotated[AwareDatetime, _YEARS, AfterValidator(lambda moment: moment.astimezone(UTC))]
"""A time with its zone, kept in UTC."""

Number = Annotated[
    float,
    BeforeValidator(lambda value: math.nan if value is None else value),
    PlainSerializer(json_number),
]
"""A measured number; JSON has no NaN and no infinity, see `json_number`."""


class Value(BaseModel):
    """A part of a record; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
