"""A plug-in of pytest where there is no torch: what needs it is left out, and all else must pass.

    python -m pytest -p tests.without_torch

A test needs it if it says so by its failure: a module of torch's cannot be imported, here or in a program that the test
has started, or kag says that training needs it. It is counted as skipped.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any

import pytest

from kag.cli.main import BEYOND
from tests.installed import OF_TORCH

NEEDED = re.compile("|".join([rf"No module named '(?:{'|'.join(OF_TORCH)})\b", re.escape(BEYOND["torch"])]))
Collected = Generator[None, pytest.CollectReport, pytest.CollectReport]
Reported = Generator[None, pytest.TestReport, pytest.TestReport]
REASON = "it needs torch, which is not installed"


def left_out(report: Any) -> None:
    """Make a failure for lack of torch a skip."""
    told = [report.longreprtext, *(text for _, text in report.sections)]
    if report.failed and any(map(NEEDED.search, told)):
        report.outcome, report.longrepr = "skipped", (str(report.nodeid), 0, f"Skipped: {REASON}")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Collected:
    """A module that cannot be imported."""
    report = yield
    left_out(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Reported:
    """A test, or what it is set up with."""
    report = yield
    left_out(report)
    return report
