from __future__ import annotations

import sys
from pathlib import Path

# importlib mode keeps test folders, and so run_logs, off the path
sys.path.insert(0, str(Path(__file__).parent))
