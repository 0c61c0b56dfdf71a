"""The database that a command of `kag serve` is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # SQLAlchemy is for commands that run, not for `kag --help`
    from kag.server.store import Store

DEFAULT_DB = "sqlite:///kag-server/tracking.db"
DEFAULT_FILES = "kag-server/files"
Database = Annotated[
    str,
    typer.Option(
        "--db",
        envvar="KAG_DB",
        help="SQLAlchemy URL: sqlite:///FILE or postgresql+psycopg://... (one with a password belongs in KAG_DB).",
    ),
]
Files = Annotated[
    str,
    typer.Option(
        "--files",
        envvar="KAG_FILES",
        help="Folder of uploaded files, or s3://BUCKET/PREFIX (kag[s3]; credentials are those of the environment).",
        metavar="PLACE",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def opened(db: str, *, make: bool = False, tell: Callable[[str], None] | None = None) -> Iterator[Store]:
    """The database while the block runs; `make` and `tell` as for `Store`.

    Raises:
        UserError: it cannot be opened.
        StorageError: it failed while the block ran.
    """
    from kag.server.private import private_folder
    from kag.server.store import Store, file_of
    from kag.server.trouble import in_words, shown
    from kag.track.atomic import require_place

    file = file_of(db)
    if make and file is not None and not file.parent.exists():
        require_place(file.parent)
        private_folder(file.parent)
    with in_words(shown(db)), closing(Store(db, make=make, tell=tell)) as store:
        yield store
