"""A new project in a folder: what `kag init` writes."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from kag.errors import UserError
from kag.track.atomic import require_place
from kag.track.output import Kind, Output

SPEC, SWEEP, PAGE, DATA = "demo.yaml", "sweep.yaml", "README.md", "demo.h5"
"""Files of a project; the spec names its data."""

_SPEC_OF_SWEEPS = f"runs/specs/{SPEC}"
"""What the sweeps of the repository train; in a project the spec lies beside its sweep."""


def sweeps() -> list[str]:
    """Names of the sweeps that a project can begin with."""
    return sorted(file.name.removesuffix(".yaml") for file in files(__package__).joinpath("sweeps").iterdir())


def texts(sweep: str) -> dict[str, str]:
    """The files of a project that are text, by name.

    Args:
        sweep: one of `sweeps`.

    Raises:
        UserError: there is no such sweep.
    """
    if sweep not in sweeps():
        raise UserError(f"there is no sweep {sweep!r} to begin with", nearest=", ".join(sweeps()))
    search = _starter("sweeps", f"{sweep}.yaml").replace(_SPEC_OF_SWEEPS, SPEC)
    return {SPEC: _starter(SPEC), SWEEP: search, PAGE: _starter("start.md")}


def make_project(folder: Path, sweep: str, synthesise: Callable[[Path], None] | None) -> list[Path]:
    """Write a project into a folder, which is made; what is there of the same names is kept, and nothing written then.

    Args:
        folder: the place.
        sweep: one of `sweeps`.
        synthesise: writes the data; None leaves them out.

    Returns:
        The files.

    Raises:
        UserError: there is no such sweep, a file of the project is there already, or the place takes none.
    """
    content = texts(sweep)
    require_place(folder)
    outputs = {name: Output(folder / name, _starting(text), force=None) for name, text in content.items()}
    data = Output(folder / DATA, Kind("a data file"), force=None)
    for output in (*outputs.values(), *([data] if synthesise else [])):
        output.require_free()
    for name, output in outputs.items():
        output.write(content[name])
    if synthesise:
        synthesise(data.path)
    return [output.path for output in (*outputs.values(), *([data] if synthesise else []))]


def _starting(text: str) -> Kind:
    """A file that nobody has changed since: a second try goes on where the first one was ended."""
    return Kind("the file of a new project", lambda path: path.read_bytes() == text.encode())


def _starter(*path: str) -> str:
    return files(__package__).joinpath(*path).read_text(encoding="utf-8")
