"""Runs that share are trained like all others."""

from tests.train.conftest import make_spec, train

__all__ = ["make_spec", "train"]
