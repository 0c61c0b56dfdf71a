"""How the change log writes a number."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

MISSING = "-"
"""What stands where there is no number."""

_STEP = Decimal("0.001")


def three_decimals(value: float | None) -> str:
    """A metric with three decimals, a half rounded up as on paper; `-` for none and for NaN."""
    if value is None or not math.isfinite(value):
        return MISSING
    return str(Decimal(repr(value)).quantize(_STEP, ROUND_HALF_UP))
