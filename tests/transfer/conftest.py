"""A server to take runs over into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.conftest import Site
from tests.transfer.in_process import InProcess


@pytest.fixture
def target(tmp_path: Path) -> Iterator[InProcess]:
    """An empty project of an application in this process."""
    site = Site(tmp_path)
    site.now = 2_000_000_000.0
    yield InProcess(site)
    site.http.close()
    site.store.close()
