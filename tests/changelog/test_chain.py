"""Five real runs, and their rows held against `history.jsonl` and `record.json` by arithmetic of its own."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from kag.changelog.repository import Repository
from kag.changelog.version import Options
from kag.changelog.write import update
from kag.names import SPLITS, Split
from kag.spec import load_spec
from kag.track.folders import FolderSource
from kag.track.scores_of_run import scores_in
from tests.changelog.real_chain import FAST, NAMES, SPEC
from tests.changelog.run_logs import parsed


@pytest.fixture(scope="module")
def rows(chain: Path) -> dict[str, list[str]]:
    """Name -> cells as a reader of the document sees them."""
    file = chain.parent / "LOG.md"
    update(FolderSource(chain), file, Options(Repository(chain), chain / "none"))
    lines = parsed(file.read_text(encoding="utf-8")).tables[0][1:]
    return {NAMES[number]: [re.sub(r"<[^>]*>", "", cell) for cell in cells] for number, cells in enumerate(lines)}


def folder_of(chain: Path, name: str) -> Path:
    (found,) = chain.glob(f"*_{name}")
    return found


def history(chain: Path, name: str) -> list[dict[str, Any]]:
    file = folder_of(chain, name) / "history.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def record(chain: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder_of(chain, name) / "record.json").read_text())
    return content


def delivered(chain: Path, name: str, split: str) -> dict[str, Any] | None:
    results = record(chain, name)["results"]
    return next((r for r in results if r["delivered"] and (r["split"], r["metric"]) == (split, "auprc")), None)


def numbers(tree: Any) -> Iterator[float]:
    """Every number in a JSON tree."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list):
        for part in tree:
            yield from numbers(part)
    elif isinstance(tree, (int, float)) and not isinstance(tree, bool):
        yield float(tree)


def paired(chain: Path, before: str, after: str, split: Split) -> Iterator[float]:
    """The difference of two runs and the ends of its interval, by the scores that they have kept."""
    scores = [scores_in(folder_of(chain, name), split) for name in (before, after)]
    one, other = (found and found.draws["auprc"] for found in scores)
    if one and other and len(one.left_out_U) == len(other.left_out_U):
        error = np.sqrt((len(one.left_out_U) - 1) * np.var(other.left_out_U - one.left_out_U))
        reach = float(error * t.ppf(0.975, len(one.left_out_U) - 1))
        change = other.value - one.value
        yield from (change, change - reach, change + reach)


def derived(chain: Path, name: str) -> set[str]:
    """Every number that a row may hold, in each way of writing it."""
    rows = history(chain, name)
    values = {*numbers(rows), *numbers(record(chain, name)), float(len(rows)), 95.0}
    others = (delivered(chain, earlier, "val") for earlier in NAMES[: NAMES.index(name)])
    values |= {other["value"] for other in others if other}
    if parent := record(chain, name)["parent"]:
        values |= {*numbers(record(chain, parent.split("_", 2)[2]))}
    for key in rows[0] if rows else ():
        column, third = [row[key] for row in rows if row.get(key) is not None], len(rows) // 3
        values |= {sum(part) / len(part) for part in (column[:third], column[-third:]) if part}
    own, other = (delivered(chain, n, "val") for n in (name, parent.split("_", 2)[2])) if parent else (None, None)
    if own and other:
        tests = [delivered(chain, n, "test")["value"] for n in (name, parent.split("_", 2)[2])]  # type: ignore[index]
        values |= {own["value"] - other["value"], tests[0] - tests[1]}
    for earlier in NAMES[: NAMES.index(name)]:
        values |= {number for split in SPLITS for number in paired(chain, earlier, name, split)}
    return {f"{abs(value):{form}}" for value in values if math.isfinite(value) for form in (".3f", ".2f", ".2g", "g")}


@pytest.mark.slow(3)
def test_five_runs_are_five_rows_in_their_order(chain: Path, rows: dict[str, list[str]]) -> None:
    assert tuple(rows) == NAMES
    for name, cells in rows.items():
        assert cells[0].endswith(f"_{name}")


@pytest.mark.slow(3)
@pytest.mark.parametrize("name", NAMES)
def test_val_and_test_are_those_of_the_delivered_weights(name: str, chain: Path, rows: dict[str, list[str]]) -> None:
    for split, cell in (("val", rows[name][3]), ("test", re.split(r"[; ]", rows[name][4])[0])):
        result = delivered(chain, name, split)
        assert cell == ("-" if result is None else f"{result['value']:.3f}")


@pytest.mark.slow(3)
@pytest.mark.parametrize("name", ["baseline", "penalty"])
def test_the_val_number_is_the_best_of_the_history(name: str, chain: Path, rows: dict[str, list[str]]) -> None:
    assert rows[name][3] == f"{max(row['val/auprc'] for row in history(chain, name)):.3f}"


@pytest.mark.slow(3)
@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_a_row_comes_from_its_files(name: str, chain: Path, rows: dict[str, list[str]]) -> None:
    said = re.sub(r"\d{4}-\d\d-\d\d_\S+|\S+\.py:\d+", "", rows[name][4])
    found = re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e-\d+)?", said)
    assert set(found) - derived(chain, name) == set()
    assert len(found) >= (1 if name in ("broken", "blend") else 5)


@pytest.mark.slow(3)
def test_what_each_run_did_is_said_of_it_and_of_no_other(chain: Path, rows: dict[str, list[str]]) -> None:
    ramp = load_spec(SPEC, FAST).model.gate.penalty.weight
    told = {
        "aborted by Planted": {"broken"},
        "averaged 3 epochs, 4 to 6": {"swa"},
        f"gate.penalty.weight {ramp.start} to {ramp.end} in {ramp.epochs} -&gt; 0.6": {"penalty"},
    }
    for words, names in told.items():
        assert {name for name, cells in rows.items() if words in " ".join(cells)} == names
    assert "after 2 epochs" in rows["broken"][4]
    averaged = [row["swa/averaged_epochs"] for row in history(chain, "swa")]
    assert [epoch for epoch, (a, b) in enumerate(zip([0, *averaged], averaged, strict=False)) if b > a] == [4, 5, 6]
    assert {source["ratio"] for source in record(chain, "blend")["sources"]} == {0.5}


@pytest.mark.slow(3)
def test_another_update_changes_no_byte(chain: Path, rows: dict[str, list[str]]) -> None:
    file = chain.parent / "LOG.md"
    before = file.read_bytes()
    assert not update(FolderSource(chain), file, Options(Repository(chain), chain / "none")).stale
    assert file.read_bytes() == before
