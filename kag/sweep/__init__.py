"""A W&B sweep: parse it, check it against a run spec, suggest the next trial, decide what to stop.

Everything here is a function of values: no network, no clock, no torch.
"""

from kag.sweep.check import violations
from kag.sweep.config import Metric, Params, Sweep
from kag.sweep.load import parse_sweep, read_sweep
from kag.sweep.step import Command, SweepState
from kag.sweep.stop import stop
from kag.sweep.suggest import suggest
from kag.sweep.trial import Limits, Trial, TrialId, TrialState

__all__ = [
    "Command",
    "Limits",
    "Metric",
    "Params",
    "Sweep",
    "SweepState",
    "Trial",
    "TrialId",
    "TrialState",
    "parse_sweep",
    "read_sweep",
    "stop",
    "suggest",
    "violations",
]
