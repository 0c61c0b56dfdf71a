"""Files and sites that the tests of kag.data share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(
    0, str(Path(__file__).parent)
)  # importlib mode keeps test folders, and so malformed_files, off the path

from kag.data.read import read_sites
from kag.data.sites import Sites
from kag.data.synth import synthesise

settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")


@pytest.fixture(scope="session")
def default_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `kag data synth --esm` writes unless told otherwise: 24 proteins of 200 points."""
    path = tmp_path_factory.mktemp("synth") / "synth.h5"
    synthesise(path, esm=True)
    return path


@pytest.fixture(scope="session")
def synthetic_sites(default_file: Path) -> Sites:
    return read_sites(default_file)
