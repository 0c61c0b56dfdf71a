"""How a run is made again on a fresh machine, as lines for a shell. A pure function of its record."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from kag.text import digest
from kag.track.record import RunRecord

_PACKAGE = "package."
_INDEX = "https://download.pytorch.org/whl/"
"""Where versions of PyTorch lie that are built for one kind of device, each under what follows the `+`."""


def recipe(record: RunRecord, folder: Path, *, patched: bool) -> Iterator[str]:
    """The lines; what a person has to say stands first, as variables.

    Args:
        record: of the run.
        folder: where the run lies; it is copied to the other machine.
        patched: whether its code had uncommitted changes.
    """
    config = record.config
    yield f"# Run {record.id} once more, on a fresh machine."
    yield f"RUN={shlex.quote(str(folder))}   # the folder of the run, copied there"
    yield (
        f"DATA={shlex.quote(str(config.get('data.file')))}   "
        f"# data {digest(record.data_digest)}: `kag data check` prints the digest of a file"
    )
    if replay := config.get("data.replay.indices"):
        yield f"LIST={shlex.quote(str(replay))}   # the mined samples that it replays"
    yield from _code(record, patched)
    yield from _packages(record)
    yield from _training(record, replay=bool(replay))


def _code(record: RunRecord, patched: bool) -> Iterator[str]:
    if record.git is None:
        yield "mkdir code && cd code   # the run was made outside git"
        return
    yield "REPOSITORY=   # of the code; its address is not recorded"
    yield f'git clone "$REPOSITORY" code && cd code && git checkout {record.git.commit}'
    if patched:
        yield 'git apply "$RUN/uncommitted.patch"   # untracked files, which its first lines name, are not in it'


def _packages(record: RunRecord) -> Iterator[str]:
    known = record.environment
    wanted = {
        key.removeprefix(_PACKAGE): str(version)
        for key, version in known.items()
        if key.startswith(_PACKAGE) and version is not None and key != f"{_PACKAGE}kag"
    }
    builds = [version.partition("+")[2] for name, version in wanted.items() if name == "torch" and "+" in version]
    index = "".join(f" --extra-index-url {_INDEX}{build}" for build in builds)
    python = ".".join(str(known.get("python", "3")).split(".")[:2])
    yield f"python{python} -m venv .venv && . .venv/bin/activate"
    pins = " ".join(shlex.quote(f"{name}=={version}") for name, version in wanted.items())
    kag = f"kag[train]=={known.get(f'{_PACKAGE}kag')}" if record.git is None else ".[train]"
    yield f"pip install{index} {pins} {shlex.quote(kag)}"


def _training(record: RunRecord, *, replay: bool) -> Iterator[str]:
    world = record.world
    threads = f"OMP_NUM_THREADS={world.threads} " if world and world.threads else ""
    named = ' data.replay.indices="$LIST"' if replay else ""
    for source in record.sources:
        yield f"# beside it must lie the run that it comes from, {source.run} ({digest(source.weights_digest)})"
    yield f'{threads}kag train "$RUN/spec.yaml" data.file="$DATA"{named} --runs "$(dirname "$RUN")"'
    kept = record.checkpoints.get("delivered")
    if kept is not None:
        yield f"# the same run delivers the weights {digest(kept.weights_digest)}"
    for number, resume in enumerate(record.resumes, start=1):
        changed = " ".join(f"{one.key}: {one.before} -> {one.after}" for one in resume.changes)
        yield f"# it was resumed ({number}): {changed or 'with the same settings'}"
