"""What is in a version of an artifact, by the client that knows how W&B stores it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kag.errors import NotTaken

if TYPE_CHECKING:
    from wandb import Api, Artifact

Entry = dict[str, Any]
"""What a manifest says of a file."""


class Content(Protocol):
    """Gives the content of versions by their ids. Each method may raise `NotTaken`."""

    def manifest(self, version: str) -> Mapping[str, Any]:
        """The manifest, as JSON has it."""

    def fetch(self, version: str, name: str, folder: Path) -> Path:
        """A file, put into a folder."""


class WandbContent:
    """The content of versions of a server; see `Content`.

    Args:
        api: the client's.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._version = lru_cache(maxsize=2)(self._found)

    def manifest(self, version: str) -> Mapping[str, Any]:
        """The manifest; see `Content.manifest`."""
        from kag.track.wandb_private import REFUSED

        try:
            found: Mapping[str, Any] = self._version(version).manifest.to_manifest_json()
        except REFUSED as error:
            raise NotTaken(f"its manifest cannot be read: {error}") from None
        return found

    def fetch(self, version: str, name: str, folder: Path) -> Path:
        """A file; see `Content.fetch`."""
        from kag.track.wandb_private import LOST, REFUSED

        refused: tuple[type[Exception], ...] = (*LOST, *REFUSED, KeyError)
        try:
            self._version(version).download(root=str(folder), path_prefix=name, skip_cache=True)
        except refused as error:
            raise NotTaken(f"its file {name} cannot be read: {error}") from None
        return folder / name

    def _found(self, version: str) -> Artifact:
        from kag.track.wandb_private import artifact_by_id

        found = artifact_by_id(self._api, version)
        if found is None:
            raise NotTaken("it is gone")
        return found
