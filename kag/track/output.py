"""Files that a person asked for by an option: `--out`, `--write`, `--png`.

An output takes the place of nothing but an earlier output of its own kind, told by a mark inside that file. `--force`
lifts this rule alone: what a command reads, the files of runs, and what is no file stay whatever is said.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kag.errors import StorageError, UserError
from kag.track.atomic import atomic_path, keep_rights, storing
from kag.track.folder import RunFolder

_HEAD = 65_536
"""Bytes at the beginning of a file in which its mark is looked for."""

_STANDARD_OUTPUT = 1
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Kind:
    """A kind of file that kag writes."""

    name: str
    """With its article: `a report`."""
    is_own: Callable[[Path], bool] = lambda _: False
    """Whether a file is an earlier output of this kind. The default is for files from which others are made: training
    data, a list to replay. They are replaced by `--force` alone."""


def marked(name: str, mark: bytes, *, begins: bytes = b"") -> Kind:
    """A kind that carries its mark near its beginning, where programs that read such files pass over it."""

    def is_own(path: Path) -> bool:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        return head.startswith(begins) and mark in head

    return Kind(name, is_own)


@dataclass(frozen=True)
class Output:
    """A file to write."""

    path: Path
    kind: Kind
    force: bool | None = False
    """Replace a file that is not an earlier output; None where nobody can ask for it."""

    def require_free(self, *inputs: Path) -> None:
        """Say what would be lost, before any work is done.

        Args:
            inputs: files that the command reads, and folders whose files it reads.

        Raises:
            UserError: the path is no file, an input, inside the folder of a run, or a file of somebody else.
        """
        self.require_file()
        kept = self._why_kept(inputs)
        if kept is not None:
            raise UserError(f"is not written to: {kept}", where=str(self.path), remedy="choose another name")
        if os.path.exists(self.path) and not self.force and not self._is_own():
            raise UserError(
                f"there is a file already, which is not {self.kind.name} that this command may replace",
                where=str(self.path),
                remedy="move it away" if self.force is None else "choose another name, or pass --force",
            )

    def require_file(self) -> None:
        """Say what the path is, where it can be no file: such a thing is not read either, as a pipe would be for ever.

        Raises:
            UserError: the path is a folder, a device, a pipe, or a link to nowhere.
        """
        what = None
        if os.path.exists(self.path) and not self.path.is_file():
            what = "there is something of this name that is no file"
        if self.path.is_symlink() and not os.path.exists(self.path):
            what = f"it is a link to {os.readlink(self.path)}, which is not there"
        if what is not None:
            raise UserError(f"is not written to: {what}", where=str(self.path), remedy="choose another name")

    def write(self, content: str | bytes, *inputs: Path) -> None:
        """Write the file, all or nothing; its folder is made.

        Raises:
            UserError: as `require_free`, or it cannot be written.
        """
        self.require_free(*inputs)
        write_output(self.path, content)

    def _is_own(self) -> bool:
        try:
            return self.kind.is_own(self.path)
        except OSError as error:
            raise UserError(f"cannot be read: {error.strerror or error}", where=str(self.path)) from error

    def _why_kept(self, inputs: Sequence[Path]) -> str | None:
        """What nobody can ask to be replaced."""
        if any(_is_part(self.path, one) for one in inputs):
            return "this command reads it"
        run = _run_around(self.path)
        if run is not None:
            return f"it lies in the folder of run {run.id}, to which that run alone writes"
        return None


def is_standard_output(path: Path) -> bool:
    """Whether a path is `-`, or where this process prints by another name, as `/dev/stdout`."""
    try:
        return str(path) == "-" or os.path.samestat(os.stat(path), os.fstat(_STANDARD_OUTPUT))
    except OSError:
        return False


def require_writable(path: Path) -> None:
    """A file that somebody has set to read-only is not replaced, though its folder would allow that.

    Raises:
        UserError: it is one.
    """
    if os.path.exists(path) and not (os.stat(path).st_mode & _WRITABLE and os.access(path, os.W_OK)):
        raise UserError("is read-only", where=str(path), remedy=f"chmod u+w {shlex.quote(str(path))}")


def write_output(path: Path, content: str | bytes) -> None:
    """Write a file that a person asked for, all or nothing; its folder is made. `Output` asks first what is there.

    Raises:
        UserError: it cannot be written.
    """
    with output_path(path, make_folder=True) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def output_path(path: Path, *, make_folder: bool = False) -> Iterator[Path]:
    """`atomic_path` for a file that a person asked for: that it cannot be written is the input's fault. An older file
    of the name leaves its mode and its owner to the new one.

    Raises:
        UserError: it cannot be written, or is read-only.
    """
    require_writable(path)
    try:
        with storing(path):
            if make_folder:
                path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            yield temporary
            keep_rights(path, temporary)
    except StorageError as error:
        raise UserError(error.what, where=error.where, remedy=error.remedy) from error


def _is_part(path: Path, read: Path) -> bool:
    """Whether a path is what is read, by whatever name, or lies in it."""
    if read.is_dir():
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(read))
    return os.path.exists(path) and os.path.exists(read) and os.path.samefile(path, read)


def _run_around(path: Path) -> RunFolder | None:
    """The run inside whose folder a path lies."""
    folders = (RunFolder(folder) for folder in Path(os.path.realpath(path)).parents)
    return next((folder for folder in folders if folder.record_file.is_file()), None)
