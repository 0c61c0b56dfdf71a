from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

from kag.report import assets
from kag.report.page import STYLES

STATIC = Path(assets.__file__).parent / "static"
PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_echarts_is_the_file_that_its_note_names() -> None:
    note = (STATIC / "ECHARTS.txt").read_text()
    version = re.search(r"ECharts (\d+\.\d+\.\d+)", note)
    digest = re.search(r"sha256 ([0-9a-f]{64})", note)
    script = (STATIC / "echarts.min.js").read_bytes()
    assert version is not None
    assert digest is not None
    assert hashlib.sha256(script).hexdigest() == digest[1]
    assert f'version="{version[1]}"'.encode() in script


def test_licences_come_with_it() -> None:
    assert "Apache License" in (STATIC / "LICENSE.echarts").read_text()
    assert "Apache ECharts" in (STATIC / "NOTICE.echarts").read_text()
    assert "Mike Bostock" in (STATIC / "LICENSE.d3").read_text()


def test_what_a_page_loads_is_packaged() -> None:
    globs = tomllib.loads(PROJECT.read_text())["tool"]["setuptools"]["package-data"]["kag.report"]
    packaged = {path.name for pattern in globs for path in STATIC.parent.glob(pattern)}
    assert {*assets.SCRIPTS, *STYLES, "report.html"} <= packaged
    for name in (*assets.SCRIPTS, *STYLES):
        text = assets.read(name)
        assert "</script" not in text.lower()
        assert "</style" not in text.lower()
        assert text.encode() == (STATIC / name).read_bytes()
