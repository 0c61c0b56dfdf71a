"""Programs of other people, five runs each: their change log row by row, wherever it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from kag.changelog.collect import collect
from kag.changelog.markdown import render
from kag.changelog.table import table
from tests.e2e.five_runs import FiveRuns


@pytest.mark.slow(60)
def test_print(five_runs: Mapping[str, FiveRuns], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, runs in five_runs.items():
        with runs.reading(monkeypatch) as sources:
            texts = {}
            for kind, source in sources.items():
                siblings = collect(source)
                texts[kind] = re.sub(r" <!-- note.*?-->", "", render(table(siblings), siblings.metrics))
            print(name, texts["api"] == texts["offline"])
            print(texts["api"])
            if texts["api"] != texts["offline"]:
                print(texts["offline"])
