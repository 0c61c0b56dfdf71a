"""Runs of a W&B project changed where they are: tags, a name, being deleted.

Only what is to change is sent: the client's own `Run.update` sends notes and config too, as it has read them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kag.errors import RecordError
from kag.track.edit import tags_after
from kag.track.record import RunRecord
from kag.track.wandb_api import TIMEOUT, ProjectSource

_SET = """mutation UpsertBucket($id: String!, $value: %s) {
  upsertBucket(input: {id: $id, %s: $value}) { bucket { id } } }"""
_TAGS, _NAME = _SET % ("[String!]", "tags"), _SET % ("String", "displayName")


@dataclass(frozen=True)
class ProjectEdits:
    """Changes of the runs of a project; each looks at the run as it is by then."""

    source: ProjectSource

    def retag(self, record: RunRecord, add: Collection[str], remove: Collection[str]) -> bool:
        """Give a run tags and take some; whether anything came of it.

        Raises:
            RecordError: the server refuses it: the run is gone, or the key may not change it.
        """
        with self._reporting(record):
            run = self._run(record)
            after = tags_after(run.tags, add, remove)
            return after != list(run.tags) and self._set(run, _TAGS, after)

    def rename(self, record: RunRecord, name: str) -> bool:
        """Give a run another name; whether that is new. See `retag` for what is raised."""
        with self._reporting(record):
            run = self._run(record)
            return run.name != name and self._set(run, _NAME, name)

    def delete(self, record: RunRecord) -> None:
        """Delete a run; its artifacts stay, as by the client's own call. See `retag` for what is raised.

        Raises:
            RecordError: it is under way, too.
        """
        with self._reporting(record):
            run = self._run(record)
            if run.state in ("running", "pending", "preempting"):
                raise RecordError(f"run {record.id} is under way", remedy="do it when the run has ended")
            run.delete()

    @cached_property
    def _api(self) -> Any:
        import wandb

        return wandb.Api(timeout=TIMEOUT)

    def _run(self, record: RunRecord) -> Any:
        entity = self.source.entity or self._api.default_entity
        return self._api.run(f"{entity}/{self.source.project}/{record.wandb_id}")

    def _set(self, run: Any, mutation: str, value: object) -> bool:
        from kag.track.wandb_private import asked

        asked(self._api, mutation, {"id": run.storage_id, "value": value})
        return True

    @contextmanager
    def _reporting(self, record: RunRecord) -> Iterator[None]:
        from kag.track.wandb_private import REFUSED

        try:
            yield
        except REFUSED as error:
            raise RecordError(
                f"the server does not change run {record.id}: {error}",
                where=str(self.source),
                remedy="use a key (WANDB_API_KEY) that may change this run; `kag runs list` shows what is there",
            ) from None
