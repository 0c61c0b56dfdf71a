"""On a terminal of any width an id stays on one line; the least needed columns go first, and a line says which."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import RenderableType
from rich.live import Live

from kag.cli import tables
from kag.cli.fitted import WIDE, fits, fitted, plain_table, print_whole
from kag.cli.ordering import order_by
from kag.cli.sweep_result import SweepResult
from kag.cli.sweep_tables import result_table
from kag.sweep import Trial, TrialState
from kag.sweep.progress import Progress
from kag.track.record import RunRecord
from kag.view.metrics import OWN, Metric
from kag.view.terminal import Terminal
from tests.changelog.foreign_logs import foreign
from tests.changelog.run_logs import run_record, run_result

WIDTHS = (40, 80, 200)
NAME = "training_aggressive_swa_epoch09"
LONG = {"ci_low": 0.25, "ci_high": 0.35, "weights_digest": "5e" * 32, "data_digest": "6f" * 32}


def long_run(number: int, **fields: Any) -> RunRecord:
    results = [run_result(split, 0.3, **LONG) for split in ("val", "test")]
    config = {"name": NAME, "seed": number, "optimizer.lr": 10.0**-number}
    given = {
        "results": results,
        "epochs_trained": 12,
        "tags": ["october", "gate"],
        "parent": "x" * 30,
        "config": config,
    }
    return run_record(number, NAME, **{**given, **fields})


def printed(parts: RenderableType | Iterator[RenderableType], width: int) -> str:
    console = Terminal(file=io.StringIO(), width=width, force_terminal=True, color_system=None, highlight=False)
    for part in parts if isinstance(parts, Iterator) else [parts]:
        print_whole(console, part)
    assert console.width == width
    return str(console.file.getvalue())  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_list_has_a_line_a_run(width: int) -> None:
    records = [long_run(number) for number in range(3)]
    text = printed(tables.run_list(records, {}, width), width)
    lines = text.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == [record.id for record in records]
    shown = re.split(r"\s{2,}", lines[0].strip())
    said = " ".join(line.strip() for line in lines[4:])
    assert {*shown, *(one for one in tables.LISTED if one in said)} >= set(tables.LISTED)
    assert said.startswith(f"not in {width} columns: ") is (width < 200)
    if width >= len(lines[1].rstrip()):
        assert all(len(line.rstrip()) <= width for line in lines)


def test_what_a_list_is_sorted_by_is_the_last_to_go() -> None:
    records = [long_run(number) for number in range(2)]
    order = order_by("parent", records, OWN)
    header = printed(tables.run_list(records, {}, 90, order), 90).splitlines()[0]
    assert header.split() == ["run", "parent"]


def test_metrics_of_other_programs_go_before_the_status() -> None:
    metric = Metric("validation/accuracy", "max", "best")
    records = [foreign(number, NAME) for number in range(2)]
    values = {record.id: {metric: 0.5} for record in records}
    for width, columns in ((65, ["run", "status"]), (95, ["run", "status", "validation/accuracy", "(highest)"])):
        assert printed(tables.run_list(records, values, width), width).splitlines()[0].split() == columns


@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_breaks_no_id_and_no_digest(width: int) -> None:
    record = long_run(1, data_digest="6f" * 32, sweep="s" * 8)
    history = [{"epoch": n, "val/auprc": n / 100, "validation/a_name_that_is_long": 1.0} for n in range(50)]
    text = printed(tables.run_page(record, history, "a note", width), width)
    words = text.split()
    for whole in (record.id, "6f" * 6, "5e" * 6, "validation/a_name_that_is_long", "october,"):
        assert whole in words
    assert ("▁" in text) is (width == 200)
    assert (f"not in {width} columns: course" in text) is (width < 200)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_comparison_calls_runs_by_letters_where_their_ids_are_too_wide(width: int) -> None:
    records = [long_run(number) for number in range(3)]
    text = printed(tables.comparison_tables(records, {}, width), width)
    for record in records:
        assert record.id in text.split()
    assert ("A  2025-10-01" in text) is (width < 200)
    assert re.search(r"^optimizer\.lr ", text, re.MULTILINE)


@pytest.mark.parametrize("width", WIDTHS)
def test_runs_under_way_have_a_line_each(width: int) -> None:
    record = run_record(1, "oct17", status="running", config={"epochs": 12})
    row = {"epoch": 3.0, "val/auprc": 0.3, "lr": 0.1}
    scene = tables.progress_table([(record, row, datetime(2025, 10, 2, tzinfo=UTC))], datetime.now(UTC), width)
    console = Terminal(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with Live(scene, console=console, auto_refresh=False):
        pass
    lines = [line for line in console.file.getvalue().splitlines() if record.id in line]  # type: ignore[attr-defined]
    assert "0.300" in lines[0]
    assert ("4/12" in lines[0]) is (width > 40)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_result_of_a_sweep_breaks_no_id(width: int) -> None:
    run = f"2025-10-01_00-00-00_{NAME}"
    best = Trial(id=0, params={"optimizer.lr": 0.1}, state=TrialState.FINISHED, value=0.3, run=run)
    now = Progress(3, {TrialState.FINISHED: 2, TrialState.FAILED: 1}, best, None, None, "val/auprc")
    path = "entity/project/abcdefgh"
    found = SweepResult(path, now, {"optimizer.lr": 1.0}, {f"{run}-2": "ValueError: no such file"}, (), None)
    words = printed(result_table(found), width).split()
    assert {run, f"{run}-2", path} <= set(words)


def test_a_pipe_has_everything() -> None:
    records = [long_run(number) for number in range(2)]
    text = printed(tables.run_list(records, {}, WIDE), WIDE)
    assert text.splitlines()[0].split()[-2:] == ["parent", "tags"]
    assert "not in" not in text


def test_wide_characters_and_markup_count_as_they_are_shown() -> None:
    table = plain_table("run", "[b]", "last")
    table.add_row("蛋白" * 5, "[red]x[/]", "y")
    assert fits(table, 20 + 2 + 3 + 2 + 4)
    assert not fits(table, 30)
    assert fitted(table, 30, ["last"]).left_out == ("last",)
    assert fitted(table, 30, ["[b]", "last"]).left_out == ("[b]",)
    assert fitted(table, 31, ["last"]).left_out == ()
    assert fitted(table, 1, ["none", "last"]).told(1).startswith("not in 1 columns: last;")
