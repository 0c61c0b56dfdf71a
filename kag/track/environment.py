"""Where a run runs: interpreter, machine and package versions, without importing any of the packages."""

from __future__ import annotations

import os
import platform
import socket
from importlib.metadata import PackageNotFoundError, version

from kag.track.record import Scalar

_PACKAGES = ("kag", "torch", "lightning", "wandb", "numpy", "h5py", "pydantic", "torchmetrics", "scipy", "optuna")


def environment() -> dict[str, Scalar]:
    """Facts of the machine and versions of the packages; a package that is not installed is None."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "hostname": socket.gethostname(),
        "cpus": os.cpu_count(),
        **{f"package.{name}": _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
