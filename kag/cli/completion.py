"""What a shell completes: runs, their checkpoints, keys of a spec. Nothing here loads torch, or reads more than names.

Bash takes words apart at `:` and `=` before it asks, and puts what it is told behind the last of these.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, MutableMapping
from pathlib import Path

import typer

VARIABLE = "_KAG_COMPLETE"
"""Typer's: with it, a call of kag is the question of a shell."""
_BASH = "complete_bash"
_BREAKS = (":", "=")
_WORDS, _PLACE = "COMP_WORDS", "COMP_CWORD"
_RUNS = Path("runs")


def join_words(environment: MutableMapping[str, str]) -> None:
    """Put words together again that bash took apart; nothing where no bash asks."""
    if environment.get(VARIABLE) != _BASH or _WORDS not in environment:
        return
    words, place = environment[_WORDS].split("\n"), int(environment[_PLACE])
    joined: list[str] = []
    for number, word in enumerate(words[: place + 1]):
        glued = number > 1 and bool(joined) and (word in _BREAKS or words[number - 1] in _BREAKS)
        joined[-1:] = [joined[-1] + word] if glued else [*joined[-1:], word]
    environment[_WORDS], environment[_PLACE] = "\n".join(joined), str(len(joined) - 1)


def runs(context: typer.Context, incomplete: str) -> list[str]:
    """Runs of the folder that the command reads: by name where it is one run's, and by id."""
    from kag.track.folder import RunFolder, short_name
    from kag.view.words import LATEST

    ids = [folder.id for folder in RunFolder.all(_folder(context))]
    names = [short_name(run) for run in ids]
    return _fitting(incomplete, [*(name for name in names if names.count(name) == 1), *ids, LATEST])


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
    return list(_as_asked(incomplete, dict.fromkeys(word for word in words if word.startswith(incomplete))))


def _as_asked(incomplete: str, words: Iterable[str]) -> Iterator[str]:
    """The words; to bash what stands behind the last place at which it has taken them apart."""
    cut = max((incomplete.rfind(sign) + 1 for sign in _BREAKS), default=0)
    asked = cut if os.environ.get(VARIABLE) == _BASH else 0
    yield from (word[asked:] for word in words)
