"""What W&B wrote to disk as a source: `offline:DIR`, read without a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from kag.errors import RecordError
from kag.track import mirror
from kag.track.mirror import Mirrored
from kag.track.record import RunRecord, Status
from kag.track.wandb_log import pieces

_HISTORY, _SUMMARY, _RUN, _EXIT, _CONFIG = 2, 3, 17, 18, 5
...
