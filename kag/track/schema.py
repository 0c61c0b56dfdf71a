"""The JSON schema of a run: what scripts may rely on wherever kag answers with one.

A field that goes, or comes to mean another type, takes a new `SCHEMA` of the record; one that is added does not.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from kag.track.record import SCHEMA, RunRecord

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""What kag's schemas are written in."""


def record_schema() -> dict[str, Any]:
    """What a run is in every answer to `--json`."""
    identity = {"$schema": DIALECT, "$id": f"urn:kag:record:{SCHEMA}"}
    return {**identity, **RunRecord.model_json_schema(mode="serialization", schema_generator=_Written)}


class _Written(GenerateJsonSchema):
    """A value as it is written: its fields are there, but one that is only written where it says something, and a
    later kag may add some.
    """

    def model_schema(self, schema: core_schema.ModelSchema) -> dict[str, Any]:
        made = super().model_schema(schema)
        made.pop("additionalProperties", None)
        return made

    def field_is_required(self, field: Any, total: bool) -> bool:
        return "serialization_exclude_if" not in field
