"""An agent as the server of a sweep knows it: it registers, and what it says now and then is answered by commands."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kag.errors import KagError, UserError

REGISTER = """
mutation CreateAgent($host: String!, $projectName: String, $entityName: String, $sweep: String!) {
  createAgent(input: {host: $host, projectName: $projectName, entityName: $entityName, sweep: $sweep}) { agent { id } }
}
"""

HEARTBEAT = """
mutation Heartbeat($id: ID!, $metrics: JSONString, $runState: JSONString) {
  agentHeartbeat(input: {id: $id, metrics: $metrics, runState: $runState}) { agent { id } commands }
}
"""


class Command(NamedTuple):
    """What the server wants an agent to do."""

    type: str
    """`run` or `resume`, `stop`, `exit`; another one is passed over."""
    run: str
    """W&B id of the run that is meant; empty for `exit`."""
    whole: Mapping[str, Any]
    """As the server has sent it."""


class SweepServer:
    """The server of a sweep, for one agent.

    Args:
        path: of the sweep, `entity/project/id`.

    Raises:
        UserError: the server refuses the agent.
    """

    def __init__(self, path: str) -> None:
        import wandb

        from kag.track.wandb_private import REFUSED, asked

        self.entity, self.project, self.sweep = path.split("/")
        self._api = wandb.Api()
        variables = {"entityName": self.entity, "projectName": self.project, "sweep": self.sweep}
        try:
            found = asked(self._api, REGISTER, {"host": socket.gethostname(), **variables})
        except REFUSED as error:
            raise UserError(f"the server takes no agent for the sweep: {error}", where=path) from error
        self._agent = found["createAgent"]["agent"]["id"]

    def heartbeat(self, running: Collection[str]) -> list[Command] | None:
        """Say which runs go on, and hear what to do; None if nobody answers now.

        Raises:
            SweepGone: the server does not know the sweep any more.
        """
        from kag.track.wandb_private import REFUSED, asked, is_not_found

        states = {"id": self._agent, "metrics": "{}", "runState": json.dumps(dict.fromkeys(running, True))}
        try:
            told = json.loads(asked(self._api, HEARTBEAT, states)["agentHeartbeat"]["commands"])
        except REFUSED as error:
            if is_not_found(error):
                raise SweepGone("the server has no such sweep any more", where=self.path) from error
            return None
        return [Command(one["type"], str(one.get("run_id", "")), one) for one in told]

    @property
    def path(self) -> str:
        """Of the sweep, `entity/project/id`."""
        return f"{self.entity}/{self.project}/{self.sweep}"

    def trial_of(
        self, command: Command, sweep: Sequence[Any], base: Mapping[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        """Words and environment of the trial that a command wants, as W&B's agent makes them.

        Args:
            command: of type `run`.
            sweep: words of the sweep's command.
            base: environment of the agent.
        """
        from kag.track.wandb_private import sweep_words, write_parameters

        folder = Path(base.get("WANDB_DIR", os.getcwd())).absolute()
        stem = folder / "wandb" / f"sweep-{self.sweep}" / f"config-{command.run}"
        write_parameters(stem.with_suffix(".yaml"), command.whole["args"])
        words = sweep_words([str(word) for word in sweep], command.whole, stem.with_suffix(".json"))
        own = {
            "WANDB_ENTITY": self.entity,
            "WANDB_PROJECT": self.project,
            "WANDB_SWEEP_ID": self.sweep,
            "WANDB_RUN_ID": command.run,
            "WANDB_SWEEP_PARAM_PATH": str(stem.with_suffix(".yaml")),
            "WANDB_DIR": str(folder),
        }
        return words, {**base, **own}


class SweepGone(KagError):
    """The sweep was deleted."""
