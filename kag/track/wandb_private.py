"""What kag needs of the wandb client that its makers do not promise to keep, all of it and in one place.

A new release may move any of it, which is why pyproject.toml bounds the client from above. This loads the client:
import it where a run, a file or a server of W&B is at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from wandb.errors import Error
from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]
from wandb.sdk import wandb_setup
from wandb.sdk.lib.service.service_connection import WandbApiFailedError
from wandb.sdk.mailbox import HandleAbandonedError, MailboxClosedError

if TYPE_CHECKING:  # a third of the time that the client takes to load
    from wandb import Api

__all__ = ["LOST", "REFUSED", "DecodeError", "MessageToDict", "Record", "asked", "base_url"]

LOST: tuple[type[Exception], ...] = (Error, OSError, ValueError, MailboxClosedError, HandleAbandonedError)
"""What a run of the client raises when its server, its own process or its settings are at fault."""

REFUSED: tuple[type[Exception], ...] = (Error, ValueError, WandbApiFailedError)
"""What a question to a server raises when the server or the client refuses it."""


def base_url() -> str:
    """The server that the environment and W&B's settings files name, or W&B's own."""
    return wandb_setup.singleton().settings.base_url


def asked(api: Api, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """What a server answers to a GraphQL query that the Api has no method for."""
    found: dict[str, Any] = api._service_api.execute_graphql(query, variables)
    return found
