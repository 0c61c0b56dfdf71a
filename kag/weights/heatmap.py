"""The picture of a window map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kag.errors import UserError
from kag.track.atomic import atomic_path
from kag.weights.windows import WindowMap


def write_heat_map(path: Path, window_map: WindowMap, title: str) -> None:
    """Write the map as a PNG: colour is the ranking, circles are exactly scored windows, the star is the best one.

    Raises:
        UserError: the file cannot be written.
    """
    first = min(window.start for window in window_map.windows)
    count = max(window.length for window in window_map.windows)
    value_LS = np.full((count, count), np.nan)
    for window in window_map.windows:
        value_LS[window.length - 1, window.start - first] = np.nan if window.ensemble is None else window.ensemble
    figure = Figure(figsize=(8.0, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    extent = (first - 0.5, first + count - 0.5, 0.5, count + 0.5)
    image = axes.imshow(value_LS, origin="lower", extent=extent, aspect="auto", cmap="viridis")
    figure.colorbar(image, ax=axes, label="val AUPRC of the mean logits of the window's epochs")
    exact = window_map.verified
    axes.scatter([w.start for w in exact], [w.length for w in exact], facecolors="none", edgecolors="black", s=60)
    if exact:
        best = window_map.best
        label = f"best: {best}, val AUPRC {best.auprc:.4f}"
        axes.scatter([best.start], [best.length], marker="*", color="red", s=160, label=label)
        axes.legend(loc="upper right")
    axes.set(xlabel="first averaged epoch", ylabel="averaged epochs", title=title)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="png", dpi=120)
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", where=str(path)) from error
