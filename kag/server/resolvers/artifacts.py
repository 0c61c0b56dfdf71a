"""Artifacts."""

from __future__ import annotations

from kag.server.context import Context
from kag.server.graphql import Registry

TYPES: Registry[Context] = {"Mutation": {}}
