"""Which claims need a newer package than the oldest that kag allows, see tests.lowest."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from packaging.version import Version


def needs(package: str, release: str, what: str) -> pytest.MarkDecorator:
    """Leaves a test out where a package is older than a release, and says what that one lacks."""
    installed = version(package)
    return pytest.mark.skipif(Version(installed) < Version(release), reason=f"{package} {installed} has no {what}")
