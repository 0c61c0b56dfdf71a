"""The run spec: what a run is, how it is loaded, compared and checked. Nothing here reaches torch."""

from kag.finding import Finding, Severity
from kag.spec.facts import Facts
from kag.spec.flat import differences, digest, flat
from kag.spec.load import build_spec, load_spec, spec_text
from kag.spec.preflight import preflight
from kag.spec.ramp import Ramp
from kag.spec.run import RunSpec

__all__ = [
    "Facts",
    "Finding",
    "Ramp",
    "RunSpec",
    "Severity",
    "build_spec",
    "differences",
    "digest",
    "flat",
    "load_spec",
    "preflight",
    "spec_text",
]
