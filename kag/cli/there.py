"""Runs on a server of W&B's protocol, as the commands that change runs find them."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kag.cli.words import name_left_out
from kag.errors import UserError
from kag.track.record import RunRecord
from kag.track.source import open_source
from kag.view.terminal import echo
from kag.view.words import run_meant

if TYPE_CHECKING:
    from kag.track.wandb_edit import ProjectEdits


class There(NamedTuple):
    """The runs of a project, and their changes."""

    source: str
    records: Sequence[RunRecord]
    edits: ProjectEdits

    def meant(self, words: Sequence[str]) -> list[RunRecord]:
        """The runs that the words mean, each once; a word that means none is refused before any is changed."""
        found = (run_meant(word, self.records, where=self.source, ending=False) for word in words)
        return list({one.id: one for one in found}.values())


def there(source: str) -> There:
    """The project that a source names.

    Raises:
        UserError: its runs cannot be read, or it is no project.
    """
    place = open_source(source)
    from kag.track.wandb_api import ProjectSource

    if not isinstance(place, ProjectSource):
        raise UserError(
            f"runs of {source} cannot be changed", remedy="name a folder by --runs, or wandb:ENTITY/PROJECT"
        )
    from kag.track.wandb_edit import ProjectEdits

    records, broken = place.readable()
    name_left_out(broken)
    return There(source, records, ProjectEdits(place))


def say_where(records: Sequence[RunRecord], changed: Container[str]) -> None:
    """Of kag's own runs the folder is the truth: what was changed is a copy."""
    own = [record.id for record in records if record.id in changed and not record.is_foreign]
    if own:
        echo(f"of kag's own runs the folders keep their names and tags: {', '.join(own)}", err=True)
