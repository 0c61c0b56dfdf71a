"""What is done to very many rows is done in parts, each a transaction of its own: others write in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from kag.server.store import Store

AT_ONCE = 100
"""Rows of a part."""
PAUSE = 0.005
"""Seconds between two parts: whoever waits for the database is to be the next, and not the one who has just had it."""

T = TypeVar("T")


def in_parts(store: Store, rows: Sequence[T], do: Callable[[Connection, Sequence[T]], None]) -> None:
    """Do something to all of some rows. If it fails at a part, the parts before it are done.

    Args:
        store: the database.
        rows: what it is done to.
        do: does it to some of them, in a transaction that writes. They may have changed since they were read.
    """
    for start in range(0, len(rows), AT_ONCE):
        if start:
            time.sleep(PAUSE)
        with store.write() as connection:
            do(connection, rows[start : start + AT_ONCE])
