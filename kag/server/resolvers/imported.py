"""What `kag import` says of runs, sweeps and versions of another server; kag's own calls, beside those of W&B."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import RowMapping

from kag.server.arguments import Arguments, input_of
from kag.server.context import Context
from kag.server.graphql import Node, Registry, Resolver
from kag.server.imported import number_version, restate_run, restate_sweep


def _answer(kind: str, name: str, change: Callable[[Context, Mapping[str, Any]], RowMapping]) -> Resolver[Context]:
    """A resolver that answers with what a function changes."""

    def resolve(context: Context, _: Any, arguments: Arguments) -> Node:
        return Node(f"Import{kind}Payload", {name: Node(kind, change(context, input_of(arguments)))})

    return resolve


TYPES: Registry[Context] = {
    "Mutation": {
        "importRun": _answer("Run", "run", restate_run),
        "importSweep": _answer("Sweep", "sweep", restate_sweep),
        "importArtifact": _answer("Artifact", "artifact", number_version),
    },
}
