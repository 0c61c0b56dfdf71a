"""Which printed lines say that an epoch has ended."""

from __future__ import annotations

import re


def ends_epoch(line: str) -> bool:
    """A slow machine prints lines inside an epoch too: `epoch   2  19 of 20 batches, ...`."""
    return re.match(r"epoch +\d+  [a-z]", line) is not None
