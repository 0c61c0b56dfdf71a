"""`kag data cache`: data that were prepared once, for every run after the first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from kag.errors import UserError
from kag.view.terminal import Terminal, answer, echo

if TYPE_CHECKING:
    from kag.data.cache import Cache

app = typer.Typer(
    no_args_is_help=True,
    help="See or remove the data that kag has prepared, so that later runs open them at once. Example: "
    "kag data cache list",
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _cache() -> Cache:
    from kag.data.cache import FOLDER, Cache

    cache = Cache.of(os.environ)
    if cache is None:
        raise UserError("the cache is switched off", where=f"{FOLDER}=off", remedy="name a folder, or unset it")
    return cache


@app.command("list")
def show(as_json: Json = False) -> None:
    """What is in the cache, what was used last first: data, size, points, the file that was read, who uses it now.

    Example:

      kag data cache list
    """
    from rich.markup import escape
    from rich.table import Table

    from kag.text import MISSING, digest, size

    cache = _cache()
    entries = cache.entries()
    known = [(entry, entry.facts()) for entry in entries]
    if as_json:
        rows = [
            {
                "digest": facts and facts["digest"],
                "bytes": entry.bytes,
                "points": facts and facts["points"],
                "read_from": facts and facts["read_from"],
                "used": entry.used,
                "in_use": entry.in_use,
                "path": entry.path,
            }
            for entry, facts in known
        ]
        answer({"folder": cache.folder, "limit": cache.limit, "entries": rows})
        return
    table = Table("data", "size", "points", "last used", "in use", "read from")
    for entry, facts in known:
        used = f"{entry.used:%Y-%m-%d %H:%M}"
        what = (
            (digest(facts["digest"]), f"{facts['points']:,}", facts["read_from"]) if facts else ("damaged", MISSING, "")
        )
        in_use = "yes" if entry.in_use else "no"
        table.add_row(what[0], size(entry.bytes), what[1], used, in_use, escape(what[2]))
    console = Terminal()
    if entries:
        console.print(table)
    taken = sum(entry.bytes for entry in entries)
    console.say(f"{size(taken)} of at most {size(cache.limit)} in {cache.folder}")


@app.command()
def clear(as_json: Json = False) -> None:
    """Remove all prepared data; the next run of each file prepares them anew. Runs that use some go on undisturbed.

    Example:

      kag data cache clear
    """
    from kag.text import size

    cache = _cache()
    gone = cache.clear()
    taken = sum(entry.bytes for entry in gone)
    if as_json:
        answer({"folder": cache.folder, "removed": [entry.path for entry in gone], "bytes": taken})
        return
    echo(f"removed {size(taken)} of prepared data from {cache.folder}")
