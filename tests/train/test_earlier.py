"""What a run reads of the earlier ones does not grow with their number."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from kag.track import folder as folders
from kag.track.folder import RunFolder
from kag.view.earlier import FEW, earlier_runs
from tests.train.conftest import MakeSpec, Train, Trained, placed


def test_a_run_reads_the_record_of_its_parent_and_none_that_was_told_before(
    train: Train, trained: Trained, make_spec: MakeSpec, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = placed(trained(make_spec(epochs=1)), runs).read_record()
    for hour in range(1, 2 * FEW):
        start = first.start + timedelta(hours=hour)
        folder = RunFolder.create(runs, first.name, start)
        folder.write_record(first.model_copy(update={"id": folder.id, "start": start}))
    newest = earlier_runs(runs)[0][-1].id
    read: list[str] = []
    plain = folders.read_text

    def counted(path: Path) -> str:
        read.append(path.parent.name)
        return plain(path)

    monkeypatch.setattr(folders, "read_text", counted)
    second = train(make_spec(epochs=1, **{"optimizer.lr": 2e-3}))
    assert second.parent == newest, "it is found all the same"
    assert set(read) <= {newest, second.id}
