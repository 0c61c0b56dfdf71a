"""What a shell completes: runs, their checkpoints, keys of a spec. Nothing here loads torch, or reads more than names.

Bash takes words apart at `:` and `=` before it asks, and puts what it is told behind the last of these.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

import typer

VARIABLE = "_KAG_COMPLETE"
"""Typer's: with it, a call of kag is the question of a shell."""
_BASH = "complete_bash"
_BREAKS = (":", "=")
_WORDS, _PLACE = "COMP_WORDS", "COMP_CWORD"
_RUNS = Path("runs")


@contextmanager
def answering(environment: MutableMapping[str, str]) -> Iterator[None]:
    """Around a call of kag: where a bash asks, the words that it took apart are put together, and what it is told is
    what stands behind its last break.
    """
    if environment.get(VARIABLE) != _BASH or _WORDS not in environment:
        yield
        return
    words = joined(environment[_WORDS].split("\n")[: int(environment[_PLACE]) + 1])
    environment[_WORDS], environment[_PLACE] = "\n".join(words), str(len(words) - 1)
    cut = max(words[-1].rfind(sign) + 1 for sign in _BREAKS)
    shell = sys.stdout
    with redirect_stdout(StringIO()) as told:
        try:
            yield
        finally:
            shell.write("".join(line[cut:] for line in told.getvalue().splitlines(keepends=True)))


def joined(words: Sequence[str]) -> list[str]:
    """Words of a command line, those around a break as one: `RUN`, `:`, `epoch_9`."""
    found: list[str] = []
    for number, word in enumerate(words):
        glued = number > 1 and (word in _BREAKS or words[number - 1] in _BREAKS)
        found[len(found) - glued :] = [found[-1] + word] if glued else [word]
    return found


def runs(context: typer.Context, incomplete: str) -> list[str]:
    """Runs of the folder that the command reads: by name where it is one run's, and by id."""
    from kag.track.folder import RunFolder, short_name
    from kag.view.words import LATEST

    ids = [folder.id for folder in RunFolder.all(_folder(context))]
    names = Counter(map(short_name, ids))
    return _fitting(incomplete, [*(name for name, runs_of in names.items() if runs_of == 1), *ids, LATEST])


def weights(context: typer.Context, incomplete: str) -> list[str]:
    """Runs, and behind a colon the checkpoints of one."""
    word, colon, _ = incomplete.rpartition(":")
    if not colon:
        return runs(context, incomplete)
    from kag.errors import RecordError
    from kag.view.words import find_run

    try:
        folder = find_run(_folder(context), word)
    except RecordError:
        return []
    found = [path.stem for path in (*folder.snapshots().values(), *sorted(folder.checkpoints.glob("*.ckpt")))]
    return _fitting(incomplete, (f"{word}:{name}" for name in dict.fromkeys(found)))


def keys(_: typer.Context, incomplete: str) -> list[str]:
    """Keys of a spec, as overrides; none before a letter is there, so that files are offered."""
    from kag.spec.keys import known_keys

    dashes = "--" if incomplete.startswith("--") else ""
    return _fitting(incomplete, (f"{dashes}{key}=" for key in known_keys())) if incomplete.strip("-") else []


def _folder(context: typer.Context) -> Path:
    """The folder of runs that the words so far name."""
    return Path(context.params.get("runs") or _RUNS)


def _fitting(incomplete: str, words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(word for word in words if word.startswith(incomplete)))
