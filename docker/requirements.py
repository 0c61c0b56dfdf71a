"""Print the dependencies of pyproject.toml, one a line: all, or without those that an image does not need."""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Collection, Sequence
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def requirements(*, without: Collection[str] = (), extras: Sequence[str] = ()) -> list[str]:
    """The requirements of the package and of some of its extras.

    Raises:
        ValueError: `without` names what is no dependency.
    """
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(line for name in extras for line in project["optional-dependencies"][name])]
    named = {re.split(r"[^\w.-]", line, maxsplit=1)[0]: line for line in wanted}
    if unknown := sorted(set(without) - named.keys()):
        raise ValueError(f"no dependency of pyproject.toml: {', '.join(unknown)}")
    return [line for name, line in named.items() if name not in without]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--extra", action="append", default=[], metavar="NAME")
    chosen = parser.parse_args()
    print("\n".join(requirements(without=chosen.without, extras=chosen.extra)))
