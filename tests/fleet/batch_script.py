"""Make `sweeps/slurm.sh` anew: python -m tests.fleet.batch_script [--check]"""

from __future__ import annotations

import sys
from pathlib import Path

from kag.fleet.batch import shipped_script

SCRIPT = Path(__file__).parents[2] / "sweeps" / "slurm.sh"

if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(SCRIPT.read_text() != shipped_script())
    SCRIPT.write_text(shipped_script())
