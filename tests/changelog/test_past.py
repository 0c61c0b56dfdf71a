"""The log of a tree of runs, row by row: what was true of a run stays, whatever becomes of the others."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kag import names
from kag.changelog.collect import collect
from kag.changelog.markdown import generated_cells
from kag.changelog.table import table
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.heartbeat import SILENT
from kag.track.past import former
from kag.track.record import Change, Checkpoint, GitFacts, Resume, RunRecord, Source, Status
from kag.track.result import Result
from tests.changelog.run_logs import START, make_folder, run_record, run_result

REAL, TOY = "d" * 64, "e" * 64
CONFIG = {"epochs": 12, "optimizer.lr": 0.003, "seed": 1, "model.gate.penalty.weight": 0.02}


def scored(run: str, val: float, test: float, data: str = REAL) -> tuple[Result, ...]:
    made = {"weights_digest": run.ljust(64, "0"), "data_digest": data, "epoch": 3}
    return tuple(
        run_result(split, number, ci_low=number - 0.01, ci_high=number + 0.01, **made)
        for split, number in (("val", val), ("test", test))
    )


def run(day: int, name: str, val: float | None = None, test: float = 0.0, **fields: Any) -> RunRecord:
    data = fields.get("data_digest", REAL)
    basic = {
        "config": CONFIG,
        "data_digest": data,
        "end": START + timedelta(days=day, hours=2),
        "epochs_trained": 12,
        "git": GitFacts(commit="c" * 40, since="b" * 40),
        "checkpoints": {"best": Checkpoint(path="b", weights_digest=name.ljust(64, "0"))},
        "results": () if val is None else scored(name, val, test, data),
    }
    return run_record(day, name, **{**basic, **fields})


def gone_on(record: RunRecord, when: datetime, epochs: int, val: float, test: float, **fields: Any) -> RunRecord:
    """`kag train --resume` with more epochs, as it is recorded."""
    config = {**record.config, "epochs": epochs}
    changes = (Change(key="epochs", before=record.config["epochs"], after=epochs),)
    weights = f"{record.name}{epochs}"
    update = {
        "config": config,
        "results": scored(weights, val, test),
        "checkpoints": {"best": Checkpoint(path="b", weights_digest=weights.ljust(64, "0"))},
        "resumes": (*record.resumes, Resume(when=when, changes=changes, before=former(record, config))),
        "end": when + timedelta(hours=1),
        "epochs_trained": epochs,
    }
    return record.model_copy(update={**update, **fields})


def alpha(epochs: int, value: float) -> list[dict[str, float]]:
    return [{names.EPOCH: float(epoch), names.ALPHA_MEAN: value} for epoch in range(epochs)]


FIRST = run(0, "first", 0.40, 0.45)
CHILD = run(
    1, "child", 0.42, 0.455, parent=FIRST.id, config={**CONFIG, "optimizer.lr": 0.001, "model.gate.penalty.weight": 0.2}
)
RESUMED = gone_on(FIRST, START + timedelta(days=2), 14, 0.47, 0.50)
BLEND = run(
    3,
    "blend",
    0.48,
    0.51,
    kind="blend",
    parent=CHILD.id,
    config=CHILD.config,
    change=f"Blend 0.7 {CHILD.id}:best + 0.3 {FIRST.id}:best; val chose among 6",
    sources=(
        Source(run="2025-09-01_00-00-00_gone", checkpoint="best.ckpt", ratio=0.0),
        Source(run=CHILD.id, checkpoint="best.ckpt", ratio=0.7),
        Source(run=FIRST.id, checkpoint="best.ckpt", ratio=0.3),
    ),
)
HEIR = run(4, "heir", 0.46, 0.505, parent=BLEND.id, config={**CHILD.config, "optimizer.lr": 0.002})
TESTED = run(
    5,
    "tested",
    0.44,
    parent=FIRST.id,
    config={**CONFIG, "epochs": 14},
    results=(*scored("tested", 0.44, 0.0)[:1], *scored("first", 0.0, 0.45)[1:]),
)
RUNNING = {"status": "running", "end": None, "epochs_trained": 3, "checkpoints": {}, "results": ()}
KILLED = run(6, "killed", **RUNNING, parent=HEIR.id, config=HEIR.config, environment={"hostname": socket.gethostname()})
SILENT_RUN = run(7, "silent", **RUNNING, parent=HEIR.id, config=HEIR.config, environment={"hostname": "elsewhere"})
TOY_RUN = run(8, "toy", 0.90, 0.91, parent=FIRST.id, config={**CONFIG, "epochs": 14}, data_digest=TOY)
REAL_RUN = run(9, "real", 0.49, 0.52, parent=TOY_RUN.id, config={**CONFIG, "epochs": 14})
UNKNOWN = run(10, "unknown", 0.95, 0.95, parent=REAL_RUN.id, config=REAL_RUN.config, data_digest=None)
ROW = run(11, "row", 0.30, 0.31, kind="imported", data_digest=None, config={}, git=None)
BELOW = run(12, "below", 0.31, 0.39, kind="imported", data_digest=None, config={}, git=None, parent=ROW.id)

TREE = (RESUMED, CHILD, BLEND, HEIR, TESTED, KILLED, SILENT_RUN, TOY_RUN, REAL_RUN, UNKNOWN, ROW, BELOW)

SETTINGS = "`optimizer.lr 0.003 -> 0.001; gate.penalty.weight 0.02 -> 0.2`"

ROWS = {
    "first": [
        "-",
        "0.470",
        "0.500; settings changed at a resume on 2025-10-03: epochs 12 -> 14; "
        "alpha was still moving at the end, from 0.50 to 0.90 over the last third; "
        "highest val AUPRC so far (0.420 before); not tested; "
        "and 1 more (`kag doctor`)",
    ],
    "child": [
        SETTINGS,
        "0.420",
        "0.455; the penalty weight went from 0.02 to 0.2, alpha stayed at 0.50; "
        "highest val AUPRC so far (0.400 before); not tested; "
        "test AUPRC 0.455 against 0.450 of the parent: not distinguishable (95 % interval 0.445 to 0.465; unpaired); "
        "and 1 more (`kag doctor`)",
    ],
    "blend": [
        f"Blend 0.7 {CHILD.id}:best + 0.3 {FIRST.id}:best; val chose among 6",
        "0.480",
        "0.510; highest val AUPRC so far (0.470 before); not tested",
    ],
    "heir": [
        "`optimizer.lr 0.001 -> 0.002`",
        "0.460",
        "0.505; test AUPRC 0.505 against 0.510 of the parent: not distinguishable "
        "(95 % interval 0.495 to 0.515; unpaired)",
    ],
    "tested": [
        "-",
        "0.440",
        f"0.450; the test number belongs to other weights: those of `{FIRST.id}`",
    ],
    "killed": ["-", "-", "-; killed after 3 epochs"],
    "silent": ["-", "-", "-; killed after 3 epochs, no sign of life since 2025-10-08 01:00 UTC on elsewhere"],
    "toy": [f"`data {REAL[:12]} -> {TOY[:12]}`", "**0.900**", "0.910"],
    "real": [
        f"`data {TOY[:12]} -> {REAL[:12]}`",
        "0.490",
        "0.520; highest val AUPRC so far (0.480 before); not tested",
    ],
    "unknown": ["-", "**0.950**", "0.950"],
    "row": ["-", "**0.300**", "0.310"],
    "below": [
        "-",
        "0.310",
        "0.390; against the parent val AUPRC changed by +0.010, test AUPRC by +0.080 "
        "(whether on the same data is not known); highest val AUPRC so far (0.300 before), among runs of unknown data; "
        "not tested",
    ],
}
"""Name -> key changes, val AUPRC, and what is said; "best ... to date" only of the same data."""


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    for record in TREE:
        history = alpha(14, 0.9)[12:] if record is RESUMED else []
        own = {RESUMED.id: [*alpha(12, 0.5), *history], CHILD.id: alpha(12, 0.5)}
        make_folder(folder, record, history=own.get(record.id, []))
    RunFolder(folder / KILLED.id).lock_file.touch()
    last = SILENT_RUN.start + timedelta(hours=1)
    RunFolder(folder / SILENT_RUN.id).heartbeat_file.write_text(last.isoformat(), encoding="ascii")
    return folder


def rows(runs: Path) -> dict[str, list[str]]:
    """Name -> key changes, val AUPRC, what is said."""
    cells = {row.entry.record.name: generated_cells(row) for row in table(collect(FolderSource(runs)))}
    return {name: [row[1], *row[3:]] for name, row in cells.items()}


@pytest.mark.parametrize("name", ROWS)
def test_every_row_says_what_somebody_can_vouch_for(name: str, runs: Path) -> None:
    assert rows(runs)[name] == ROWS[name]


def test_the_cases_are_all_rows(runs: Path) -> None:
    assert list(rows(runs)) == list(ROWS)


def test_whoever_goes_on_changes_no_other_row(runs: Path) -> None:
    """A resume of each run that has ended, twice, and by a process that is killed."""
    before = rows(runs)
    for record in (RESUMED, CHILD, BLEND, HEIR, REAL_RUN):
        make_folder(runs, gone_on(record, START + timedelta(days=20), 20, 0.99, 0.99))
        after = rows(runs)
        assert {name: row for name, row in after.items() if name != record.name} == {
            name: row for name, row in before.items() if name != record.name
        }
        twice = gone_on(record, START + timedelta(days=20), 20, 0.99, 0.99)
        twice = gone_on(twice, START + timedelta(days=30), 30, 0.2, 0.2, status=Status.KILLED, end=None)
        make_folder(runs, twice)
        again = rows(runs)
        assert {**again, record.name: None} == {**before, record.name: None}
        make_folder(runs, record)
    assert rows(runs) == before


def test_a_child_is_compared_with_the_attempt_that_it_began_beside(runs: Path) -> None:
    """The parent is resumed while its child trains, and before another child begins."""
    beside = run(21, "beside", 0.5, 0.6, parent=REAL_RUN.id, config=REAL_RUN.config)
    after = run(23, "after", 0.5, 0.6, parent=REAL_RUN.id, config=REAL_RUN.config)
    for record in (beside, after, gone_on(REAL_RUN, beside.start + timedelta(hours=1), 20, 0.7, 0.7)):
        make_folder(runs, record)
    found = rows(runs)
    assert (found["beside"][0], found["after"][0]) == ("-", "`epochs 20 -> 14`")
    assert "val AUPRC changed by +0.010, test AUPRC by +0.080" in found["beside"][2]
    assert "val AUPRC changed by -0.200, test AUPRC by -0.100" in found["after"][2]


def test_a_parent_that_an_older_kag_resumed_is_a_question_that_is_left_open(runs: Path) -> None:
    untimed = gone_on(FIRST, START + timedelta(days=2), 14, 0.47, 0.50)
    untimed = untimed.model_copy(update={"resumes": (Resume(changes=untimed.resumes[0].changes),)})
    make_folder(runs, untimed)
    found = rows(runs)
    assert found["child"][0] == SETTINGS, "it is not known whether epochs differed"
    assert "of the parent" not in found["child"][2]
    assert f"whether `{FIRST.id}` had been resumed by then is not known (epochs 12 -> 14)" in found["child"][2]
    assert found["tested"][0] == "-", "it had ended by then"


def test_a_sweep_over_two_data_sets_has_a_best_trial_on_each(runs: Path) -> None:
    data = {0: REAL, 1: REAL, 2: TOY, 3: TOY, 4: None}
    for number, digest in data.items():
        make_folder(runs, run(30 + number, f"t{number}", 0.1 * number, 0.1, sweep="s1", data_digest=digest))
    cells = [generated_cells(row) for row in table(collect(FolderSource(runs))) if row.entry.record.sweep]
    assert [cell[0].partition("_t")[2].partition(":")[0] for cell in cells] == [
        f"1`, best of 2 trials of sweep `s1` on data {REAL[:12]}",
        f"3`, best of 2 trials of sweep `s1` on data {TOY[:12]}",
        "4`, best of 1 trials of sweep `s1` on data unknown",
    ]


def test_a_run_of_this_machine_that_is_held_is_alive_however_long_it_is_silent(runs: Path) -> None:
    from kag.track.hold import locked

    folder = RunFolder(runs / KILLED.id)
    folder.heartbeat_file.write_text((KILLED.start - 2 * SILENT).isoformat(), encoding="ascii")
    with locked(folder):
        assert rows(runs)["killed"][2] == "-; running"
