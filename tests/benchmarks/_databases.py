"""The databases that a benchmark of the server goes through, each with a server of its own."""

from __future__ import annotations

import argparse
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.e2e.postgresql import cluster, new_database
from tests.e2e.tracking import TrackingServer

KINDS = ("sqlite", "postgresql")


def arguments(text: str | None) -> argparse.ArgumentParser:
    """Options of a benchmark that goes through the databases."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--databases", nargs="+", choices=KINDS, default=KINDS)
    return parser


@contextmanager
def databases(kind: str, *names: str) -> Iterator[tuple[Path, list[str]]]:
    """A folder, and the addresses of new databases of a kind."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if kind == "sqlite":
            yield folder, [f"sqlite:///{folder / name}.db" for name in names]
        else:
            address = stack.enter_context(cluster())
            yield folder, [new_database(address, name) for name in names]


@contextmanager
def serving(folder: Path, database: str, *options: str) -> Iterator[TrackingServer]:
    """A server over a database, until the end of the block."""
    server = TrackingServer(folder, database, *options)
    server.start()
    try:
        yield server
    finally:
        server.kill(signal.SIGTERM)
