"""What the Api does not give of a run, or only run by run, asked for a whole project at once.

That is the exit code, the artifacts that were used, whether there is a patch, what the client says of itself, and
whether there are files of some names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kag.track.attempts import PATCH
from kag.track.client import SAID
from kag.track.mirrored import Used
from kag.track.objective import objective_of
from kag.track.record import Declared

if TYPE_CHECKING:
    from wandb import Api

_PAGE = 200
"""Runs, or sweeps, in one request."""

_RUNS = f"""
query RunsBeside($entity: String!, $project: String!, $after: String) {{
  project(name: $project, entityName: $entity) {{
    page: runs(first: {_PAGE}, after: $after) {{
      edges {{ node {{
        name exitcode
        wandbConfig(keys: {json.dumps(SAID)})
        files(first: 1, names: ["{PATCH}"]) {{ edges {{ node {{ name sizeBytes }} }} }}
        inputArtifacts(first: 100) {{ edges {{ node {{
          id versionIndex
          artifactType {{ name }}
          artifactSequence {{ name project {{ name entityName }} }}
          createdBy {{ __typename ... on Run {{ name }} }}
        }} }} }}
      }} }}
      pageInfo {{ hasNextPage endCursor }}
    }}
  }}
}}"""

_WITH_FILES = f"""
query RunsWithFiles($entity: String!, $project: String!, $after: String, $names: [String!]) {{
  project(name: $project, entityName: $entity) {{
    page: runs(first: {_PAGE}, after: $after) {{
      edges {{ node {{ name files(first: 100, names: $names) {{ edges {{ node {{ name sizeBytes }} }} }} }} }}
      pageInfo {{ hasNextPage endCursor }}
    }}
  }}
}}"""

_SWEEPS = f"""
query SweepObjectives($entity: String!, $project: String!, $after: String) {{
  project(name: $project, entityName: $entity) {{
    page: sweeps(first: {_PAGE}, after: $after) {{
      edges {{ node {{ name config displayName state createdAt }} }}
      pageInfo {{ hasNextPage endCursor }}
    }}
  }}
}}"""


@dataclass(frozen=True)
class Beside:
    """What there is of a run beside what the Api gives of it at once."""

    exit_code: int | None = None
    has_patch: bool = False
    used: tuple[Used, ...] = ()
    said: Mapping[str, Any] = field(default_factory=dict)
    """What the client says of itself; see `kag.track.client`."""


def beside(api: Api, path: str) -> dict[str, Beside]:
    """W&B id -> what there is, for every run of a project `entity/project`. Raises what the client raises."""
    return {node["name"]: _beside(node, path) for node in _nodes(api, _RUNS, path)}


def with_files(api: Api, path: str, names: Sequence[str]) -> frozenset[str]:
    """W&B ids of the runs of a project that have a file of one of these names. Raises what the client raises."""
    nodes = _nodes(api, _WITH_FILES, path, names=list(names))
    return frozenset(node["name"] for node in nodes if _is_there(node["files"]))


def objectives(api: Api, path: str) -> dict[str, Declared]:
    """Sweep -> what it is after, for every sweep of a project `entity/project`. Raises what the client raises."""
    found = {node["name"]: objective_of(node["config"] or "") for node in _nodes(api, _SWEEPS, path)}
    return {name: objective for name, objective in found.items() if objective}


def sweeps(api: Api, path: str) -> dict[str, Mapping[str, Any]]:
    """Id -> what there is of every sweep of a project `entity/project`. Raises what the client raises."""
    return {node["name"]: node for node in _nodes(api, _SWEEPS, path)}


def _nodes(api: Api, query: str, path: str, **asks: Any) -> Iterator[Mapping[str, Any]]:
    from kag.track.wandb_private import asked

    entity, _, project = path.partition("/")
    after = None
    while True:
        words = {"entity": entity, "project": project, "after": after, **asks}
        project_there = asked(api, query, words)["project"]
        if project_there is None:
            return
        page = project_there["page"]
        yield from (edge["node"] for edge in page["edges"])
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


def _beside(node: Mapping[str, Any], path: str) -> Beside:
    artifacts = [edge["node"] for edge in node["inputArtifacts"]["edges"]]
    return Beside(
        exit_code=node["exitcode"],
        has_patch=_is_there(node["files"]),
        used=tuple(_used(artifact, path) for artifact in artifacts),
        said=json.loads(node["wandbConfig"] or "{}"),
    )


def _is_there(files: Mapping[str, Any]) -> bool:
    """Whether any of the files is one: a server may answer with a file of no size where there is none of the name."""
    return any(int(edge["node"]["sizeBytes"] or 0) for edge in files["edges"])


def _used(artifact: Mapping[str, Any], path: str) -> Used:
    sequence, maker = artifact["artifactSequence"], artifact["createdBy"] or {}
    home = f"{sequence['project']['entityName']}/{sequence['project']['name']}"
    name = f"{sequence['name']}:v{artifact['versionIndex']}"
    return Used(
        name=name if home == path else f"{home}/{name}",
        type=artifact["artifactType"]["name"],
        id=artifact["id"],
        made_by=maker.get("name"),
    )
