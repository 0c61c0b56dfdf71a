"""Run every benchmark of this folder, or those named: `python -m tests.benchmarks forks windows`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def main() -> None:
    """Each module prints its own figures."""
    known = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    for name in sys.argv[1:] or known:
        print(f"== {name}", flush=True)
        importlib.import_module(f"tests.benchmarks.{name}").main()


if __name__ == "__main__":
    main()
