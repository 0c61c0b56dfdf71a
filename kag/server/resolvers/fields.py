"""Resolvers that give a column of a row: as it is, as a time, or a constant in its place."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kag.server.context import Context
from kag.server.graphql import Resolver


def column(name: str) -> Resolver[Context]:
    """A resolver that gives a column of the row as it is."""
    return lambda context, row, arguments: row[name]


def constant(value: Any) -> Resolver[Context]:
    """A resolver that always gives the same."""
    return lambda context, row, arguments: value


def moment(name: str) -> Resolver[Context]:
    """A resolver that gives a column of seconds as a time."""
    return lambda context, row, arguments: None if row[name] is None else time_text(row[name])


def time_text(seconds: float) -> str:
    """UTC, to the second, in the form that the client reads."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
