"""Runs of a project of W&B's server, or of any that answers the client's Api."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kag.errors import NotTaken, UserError
from kag.number import count
from kag.track.client import SAID
from kag.track.mirrored import CLIENT_KEY, where_of
from kag.transfer.asking import Project
from kag.transfer.facts import Piece, Reached, RunFacts, RunFile, Stream

if TYPE_CHECKING:
    from wandb import Api

TIMEOUT = 60
"""Seconds for one request."""
STEPS, MOST_STEPS = 1_000, 100_000
"""Steps of one page of a history; more where a run has logged few of its steps."""
EVENTS = 100_000
"""Rows of system metrics that are asked for: W&B gives them sampled, or all of them if these are fewer."""

_RUN = f"""node {{ id name displayName config summaryMetrics notes description tags group jobType createdAt heartbeatAt
  state commit sweepName exitcode historyKeys historyLineCount eventsLineCount logLineCount
  wandbConfig(keys: {json.dumps(SAID)}) }}"""
_COUNTS = {
    Stream.HISTORY: "historyLineCount",
    Stream.EVENTS: "eventsLineCount",
    Stream.OUTPUT: "logLineCount",
}
_BESIDE = "run(name: $r) { host runInfo { program git { remote } } }"


class WandbOrigin(Project):
    """The runs of a project; see `Origin`.

    Args:
        api: the client's, for a server and with its key.
        entity: user or team.
        project: its name.
    """

    def __init__(self, api: Api, entity: str, project: str) -> None:
        super().__init__(entity, project)
        self.api = api
        self._remarks: list[str] = []

    @classmethod
    def at(cls, entity: str | None, project: str, base_url: str | None) -> WandbOrigin:
        """A project of a server; the key is where the client looks for it.

        Raises:
            UserError: there is no key for it.
        """
        import wandb

        from kag.track.wandb_private import REFUSED

        try:
            api = wandb.Api({"base_url": base_url} if base_url else None, timeout=TIMEOUT)
            return cls(api, entity or str(api.default_entity), project)
        except REFUSED as error:
            raise UserError(
                f"W&B lets nobody in: {error}", where=base_url, remedy="`wandb login`, or WANDB_API_KEY"
            ) from None

    def __str__(self) -> str:
        return f"{self.api.settings['base_url']}/{self.entity}/{self.project}"

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """What the server answers; see `Project.ask`."""
        from kag.track.wandb_private import REFUSED, asked

        try:
            return asked(self.api, query, variables)
        except REFUSED as error:
            raise NotTaken(f"W&B does not answer: {error}", where=str(self)) from None

    def remarks(self) -> Sequence[str]:
        """What could be read in part only; see `Origin.remarks`."""
        return self._remarks

    def run_facts(self) -> Iterator[RunFacts]:
        """Every run; see `Origin.run_facts`.

        Raises:
            NotTaken: there is no such project.
        """
        if self.fields("name") is None:
            remedy = "check its name, --base-url and the key"
            raise NotTaken("there is no such project, or the key does not open it", where=str(self), remedy=remedy)
        page = 'page: runs(first: 50, after: $after, order: "+created_at") PAGE'
        for edge in self.pages(page, _RUN):
            yield _facts(edge["node"], self._beside(edge["node"]["name"]))

    def _beside(self, run: str) -> Mapping[str, Any]:
        """What not every server tells."""
        if not self._tells_more:
            return {}
        found = self.fields(_BESIDE, "$r: String!", r=run)
        told: Mapping[str, Any] = (found or {}).get("run") or {}
        return told

    @cached_property
    def _tells_more(self) -> bool:
        """Whether the server tells host and program of a run."""
        try:
            self.fields(_BESIDE, "$r: String!", r="")
        except NotTaken:
            self._remarks.append("host and program of the runs: this server does not tell them")
            return False
        return True

    def lines(self, run: RunFacts, stream: Stream, reached: Reached) -> Piece:
        """The lines of a stream; see `Origin.lines`."""
        there, here = run.lines[stream], reached.lines.get(stream, 0)
        found: Iterator[str] = iter(())
        if stream is Stream.HISTORY:
            if there != here or run.last_step != reached.last_step:
                found = self._history(run, reached)
        elif there > here:
            found = self._events(run, here) if stream is Stream.EVENTS else self._console(run, here)
        return Piece(here, found)

    def _history(self, run: RunFacts, reached: Reached) -> Iterator[str]:
        """Every row behind those that have been carried; a scan leaves none out."""
        from kag.track.wandb_private import REFUSED

        last = -1 if run.last_step is None else run.last_step
        if last < reached.last_step:
            raise NotTaken(
                f"it was taken back to step {last} there, and has step {reached.last_step} here",
                where=where_of(run.id),
                remedy="delete it here, and import it again",
            )
        first = max(reached.last_step, 0)
        sparse = (last - first + 1) * STEPS // max(run.lines[Stream.HISTORY], 1)
        pages = min(max(sparse, STEPS), MOST_STEPS)
        known = reached.at_last_step
        try:
            found = self.api.run(f"{self.entity}/{self.project}/{run.id}")
            for row in found.scan_history(page_size=pages, min_step=first, use_cache=False):
                if known and count(row.get("_step")) == reached.last_step:
                    known -= 1
                else:
                    yield json.dumps(row)
        except REFUSED as error:
            raise NotTaken(f"its history cannot be read: {error}", where=where_of(run.id)) from None

    def _events(self, run: RunFacts, known: int) -> Iterator[str]:
        found = self.fields("run(name: $r) { events(samples: $n) }", "$r: String!, $n: Int", r=run.id, n=EVENTS)
        rows = [] if found is None else found["run"]["events"] or []
        if len(rows) < run.lines[Stream.EVENTS]:
            self._remarks.append(f"run {run.id}: {len(rows)} of {run.lines[Stream.EVENTS]} rows of system metrics")
        yield from rows[known:]

    def _console(self, run: RunFacts, known: int) -> Iterator[str]:
        page = "run(name: $r) { page: logLines(first: 5000, after: $after, useImprovedPagination: true) PAGE }"
        for place, edge in enumerate(self.pages(page, "node { line }", "$r: String!", r=run.id)):
            if place >= known:
                yield edge["node"]["line"]

    def files(self, run: RunFacts) -> Sequence[RunFile]:
        """The files of a run; see `Origin.files`."""
        return files_of(self, run.id)

    def fetch(self, run: RunFacts, file: RunFile, folder: Path) -> Path:
        """A file of a run; see `Origin.fetch`."""
        from kag.track.wandb_private import LOST, REFUSED

        refused: tuple[type[Exception], ...] = (*LOST, *REFUSED)
        try:
            found = self.api.run(f"{self.entity}/{self.project}/{run.id}").file(file.name)
            found.download(root=str(folder), replace=True).close()
        except refused as error:
            raise NotTaken(f"file {file.name}: {error}", where=where_of(run.id)) from None
        return folder / file.name


def files_of(project: Project, run: str) -> list[RunFile]:
    """The files of a run of a server.

    Raises:
        NotTaken: as `Project.ask`.
    """
    page = "run(name: $r) { page: files(first: 500, after: $after) PAGE }"
    nodes = [edge["node"] for edge in project.pages(page, "node { name sizeBytes md5 }", "$r: String!", r=run)]
    return [RunFile(node["name"], int(node["sizeBytes"] or 0), md5_of(node["md5"])) for node in nodes]


def md5_of(text: str | None) -> bytes | None:
    """A digest as servers write it: base64, or hexadecimal."""
    import base64
    import binascii

    try:
        found = base64.b64decode(text or "", validate=True) if len(text or "") != 32 else bytes.fromhex(text or "")
    except (binascii.Error, ValueError):
        return None
    return found or None


def _facts(node: Mapping[str, Any], beside: Mapping[str, Any]) -> RunFacts:
    config = json.loads(node["config"] or "{}")
    said = json.loads(node["wandbConfig"] or "{}")
    if said and CLIENT_KEY not in config:
        config[CLIENT_KEY] = {"value": said}
    info = beside.get("runInfo") or {}
    keys = node["historyKeys"] or {}
    return RunFacts(
        id=node["name"],
        name=node["displayName"] or node["name"],
        config=config,
        summary=json.loads(node["summaryMetrics"] or "{}"),
        created=node["createdAt"],
        heard=node["heartbeatAt"] or node["createdAt"],
        state=node["state"],
        exit_code=node["exitcode"],
        notes=node["notes"] or "",
        description=node["description"] or "",
        tags=tuple(node["tags"] or ()),
        group=node["group"] or "",
        job_type=node["jobType"] or "",
        host=beside.get("host") or "",
        commit=node["commit"] or "",
        repo=(info.get("git") or {}).get("remote") or "",
        program=info.get("program") or "",
        sweep=node["sweepName"],
        lines={stream: node[field] or 0 for stream, field in _COUNTS.items()},
        last_step=count((keys if isinstance(keys, Mapping) else json.loads(keys)).get("lastStep")),
    )
