"""What axe-core finds on a page: what keeps it from people who cannot see, or use no mouse (WCAG 2.1 A and AA)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pytest

from tests.browser import Browser

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}
"""What another scheme of colours can change."""
GRAVE = ("serious", "critical")

_ASK = "const [rules, done] = arguments; axe.run(document, rules).then((found) => done(found.violations))"


def grave_faults(browser: Browser, rules: Mapping[str, Any] = RULES) -> list[str]:
    """Each serious or critical fault of the page that is open: rule, what is wrong, and where first."""
    pytest.importorskip("axe_core_python", reason="axe is a development dependency: `make install`")
    if not browser.execute_script("return 'axe' in window"):
        browser.execute_script((files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = browser.execute_async_script(_ASK, rules)
    return [_told(one) for one in found if one["impact"] in GRAVE]


def _told(fault: dict[str, Any]) -> str:
    first = fault["nodes"][0]
    return (
        f"{fault['id']}: {fault['help']}; {len(fault['nodes'])} times, first {first['html'][:300]} ({first['any'][:1]})"
    )
