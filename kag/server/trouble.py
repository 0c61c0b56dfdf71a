"""What is wrong when the database or the disk fails: it passes by itself, or somebody must mend it."""

from __future__ import annotations

import errno
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from kag.errors import StorageError


class Trouble(NamedTuple):
    """One sentence, and whether it is worth it to come again."""

    what: str
    passes: bool = False


BUSY = Trouble("the database is busy; come again", passes=True)
UNREACHED = Trouble("the database cannot be reached; come again", passes=True)
CROWDED = Trouble("this server has too many files or connections open; come again", passes=True)
FULL = Trouble("the disk of the server is full")
FORBIDDEN = Trouble("the server may not write where it keeps its data")
DAMAGED = Trouble("the database is damaged: `kag serve check` says where")
LACKING = Trouble("the database lacks a table or a column that this server needs: `kag serve check` says which")
UNREADABLE = Trouble("the disk of the server cannot be read or written; it may be full")
GONE = Trouble("the place where the server keeps its data is gone")

BUCKET_UNREACHED = Trouble("the bucket of files does not answer; come again", passes=True)
BUCKET_CLOSED = Trouble("the bucket of files is closed to the credentials of the server, or it has none")
BUCKET_GONE = Trouble("there is no such bucket of files")


class BucketFailed(OSError):
    """A bucket failed; what it said itself may hold credentials, and is left out."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.what)
        self.trouble = trouble


_SQLITE = {
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: FORBIDDEN,
    sqlite3.SQLITE_PERM: FORBIDDEN,
    sqlite3.SQLITE_CANTOPEN: GONE,
    sqlite3.SQLITE_IOERR: UNREADABLE,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
}
"""By the primary code of SQLite."""
_LACKING = re.compile("no such (table|column)|has no column")

_POSTGRESQL = {
    "08": UNREACHED,
    "57P": UNREACHED,
    "40": BUSY,
    "55P03": BUSY,
    "53300": BUSY,
    "53100": FULL,
    "42P01": LACKING,
    "42703": LACKING,
    "42501": FORBIDDEN,
    "25006": FORBIDDEN,
    "58": UNREADABLE,
    "XX001": DAMAGED,
    "XX002": DAMAGED,
}
"""By how a state of PostgreSQL begins; no state begins with two of them."""

_SYSTEM = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), FULL),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), FORBIDDEN),
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR), GONE),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), CROWDED),
}


FAILURES = (DBAPIError, NoConnectionFree, sqlite3.Error, OSError)
"""Errors of the database and of the system."""


def trouble_of(error: BaseException) -> Trouble | None:
    """What an error of the database or of the system says; None for one that is a fault of kag."""
    if isinstance(error, NoConnectionFree):
        return BUSY
    if isinstance(error, DBAPIError):
        return UNREACHED if error.connection_invalidated else trouble_of(error.orig) if error.orig else None
    if isinstance(error, sqlite3.Error):
        return _of_sqlite(error)
    if isinstance(error, BucketFailed):
        return error.trouble
    if isinstance(error, OSError):
        return _SYSTEM.get(error.errno or 0, UNREADABLE)
    state = getattr(error, "sqlstate", "")
    if state is None:  # psycopg never came to talk to a server
        return UNREACHED
    return next((trouble for begin, trouble in _POSTGRESQL.items() if state.startswith(begin)), None)


def _of_sqlite(error: sqlite3.Error) -> Trouble | None:
    code = getattr(error, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_ERROR:
        return LACKING if _LACKING.search(str(error)) else None
    return _SQLITE.get(code & 0xFF)


@contextmanager
def in_words(place: str) -> Iterator[None]:
    """Around work of a command: what passes or is to be mended is said in a sentence.

    Raises:
        StorageError: the database or the disk failed.
    """
    try:
        yield
    except BrokenPipeError:  # of the standard output
        raise
    except FAILURES as error:
        trouble = trouble_of(error)
        if trouble is None:
            raise
        raise StorageError(trouble.what, where=place) from error


_SECRET = re.compile(r"^(?!sqlite)((?>(?:[\w+.-]+:/{1,3})?)[^:/?@]*:)(.*)(?=@)|(?<=[?&]password=)([^&]*)")


def shown(url: str) -> str:
    """The URL of a database as anybody may see it, even if it is none: without a password, wherever that stands."""
    return _SECRET.sub(lambda found: f"{found[1] or ''}***", url)


def first_line(error: BaseException, url: str) -> str:
    """What a driver says, without the password of the URL."""
    text = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    for found in _SECRET.finditer(url):
        secret = found[2] or found[3]
        text = text.replace(secret, "***") if secret else text
    return text
