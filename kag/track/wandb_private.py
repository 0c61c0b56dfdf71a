"""What kag needs of the wandb client that its makers do not promise to keep, all of it and in one place.

A new release may move any of it, which is why pyproject.toml bounds the client from above. This loads the client:
import it where a run, a file or a server of W&B is at hand.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from wandb.errors import Error
from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]
from wandb.sdk import wandb_setup
from wandb.sdk.lib.service.service_connection import WandbApiFailedError
from wandb.sdk.mailbox import HandleAbandonedError, MailboxClosedError
from wandb.sdk.mailbox.mailbox_handle import ServerResponseError

if TYPE_CHECKING:  # a third of the time that the client takes to load
    from wandb import Api, Artifact

__all__ = [
    "LOST",
    "REFUSED",
    "DecodeError",
    "MessageToDict",
    "Record",
    "artifact_by_id",
    "asked",
    "base_url",
    "is_not_found",
    "load_all",
    "sweep_words",
    "write_parameters",
]

LOST: tuple[type[Exception], ...] = (
    *(Error, OSError, ValueError),
    *(MailboxClosedError, HandleAbandonedError, ServerResponseError),
)
"""What a run of the client raises when its server, its own process or its settings are at fault."""

REFUSED: tuple[type[Exception], ...] = (Error, ValueError, WandbApiFailedError)
"""What a question to a server raises when the server or the client refuses it."""


def load_all() -> None:
    """Load what the client else loads when a run begins."""
    import wandb.sdk.launch.inputs.internal  # noqa: F401


def base_url() -> str:
    """The server that the environment and W&B's settings files name, or W&B's own."""
    return wandb_setup.singleton().settings.base_url


def asked(api: Api, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """What a server answers to a GraphQL query that the Api has no method for."""
    found: dict[str, Any] = api._service_api.execute_graphql(query, variables)
    return found


def artifact_by_id(api: Api, identifier: str) -> Artifact | None:
    """The version of an artifact with an id of its server; None if there is none."""
    from wandb import Artifact

    return Artifact._from_id(identifier, api._service_api)


def is_not_found(error: Exception) -> bool:
    """Whether the server has answered a question by 404."""
    response = getattr(error, "response", None)
    return getattr(response, "http_status", None) == 404


def write_parameters(file: Path, arguments: Mapping[str, Any]) -> None:
    """Write the point of a trial where `wandb.init` looks for it."""
    from wandb.sdk.lib.config_util import save_config_file_from_dict

    file.parent.mkdir(parents=True, exist_ok=True)
    save_config_file_from_dict(str(file), dict(arguments))  # type: ignore[no-untyped-call]


def sweep_words(command: Sequence[str], trial: Mapping[str, Any], file: Path) -> list[str]:
    """What an agent starts for a trial: the words of a sweep's command with the point in the place of its macros.

    Args:
        command: of the sweep.
        trial: as the server has sent it.
        file: where `${args_json_file}` finds the point, which is written if the command wants it.
    """
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    words = create_sweep_command([*command])
    found = create_sweep_command_args(dict(trial))
    if "${args_json_file}" in words:
        file.write_text(found["args_json"][0])
    found |= {"interpreter": ["python"], "program": [trial["program"]], "args_json_file": [str(file)]}
    found["env"] = ["/usr/bin/env"]
    macros = {f"${{{name}}}": value for name, value in found.items()}
    # A macro that the client does not know is left out, as by its own agent.
    is_macro = [word.startswith("${") and word.endswith("}") for word in words]
    parts = [macros.get(word, []) if macro else [word] for word, macro in zip(words, is_macro, strict=True)]
    return [*itertools.chain.from_iterable(parts)]
