"""kag: tracked training and sweeps for gated k-nearest-neighbour aggregation models.

In Python, `kag.runs("runs")` and `kag.runs("wandb:entity/project")` are the runs of a place, and `kag.compare(a, b)`
is what may be said of two of them; see `kag.api`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kag.api import Run, Runs, runs

__version__ = "0.1.0"
__all__ = ["Run", "Runs", "__version__", "compare", "runs"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in ("Run", "Runs", "runs"):
        return getattr(import_module("kag.api"), name)
    if name == "compare":
        return import_module("kag.compare")
    raise AttributeError(f"module 'kag' has no attribute {name!r}")
