"""Programs of other people, five runs each: the record of every run, from the server, the API and the files alike."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.e2e.five_runs import FiveRuns

ORDER = {
    "plain_script": ["base", "wider", "again", "faster", "broken"],
    "lightning_module": ["slow", "fast", "fast-again", "momentum", "too-fast"],
    "transformers_trainer": ["small", "hot", "hot-again", "decayed", "broken"],
    "xgboost_callback": ["shallow", "deep", "deep-again", "slow", "bare"],
    "neptune_exporter": ["RUN-1", "RUN-2", "RUN-3", "RUN-4", "RUN-5"],
}


@pytest.mark.slow(60)
def test_every_program_has_five_runs_wherever_they_are_read(
    five_runs: Mapping[str, FiveRuns], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, runs in five_runs.items():
        with runs.reading(monkeypatch) as sources:
            for source in sources.values():
                assert [record.name for record in source.records()] == ORDER[name]
