"""The runs that the repository has. A folder of runs may hold others, since kag trains into it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNS = sorted((ROOT / "runs").glob("2025-10-*"))
"""Run folders of October."""


def linked_into(place: Path) -> Path:
    """A folder of runs with these and no others, and with the specs."""
    place.mkdir()
    for folder in (*RUNS, ROOT / "runs" / "specs"):
        (place / folder.name).symlink_to(folder)
    return place
