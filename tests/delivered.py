"""What tests ask of a run's record."""

from __future__ import annotations

from kag.track.record import RunRecord
from kag.track.result import Result


def delivered(record: RunRecord, split: str, metric: str = "auprc") -> Result:
    """The one number of the weights that a run handed on."""
    (found,) = (one for one in record.results if one.delivered and (one.split, one.metric) == (split, metric))
    return found
