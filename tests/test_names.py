"""Every metric key stands in `kag.names`, and every key that stands there is logged by a run that uses everything."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from kag import names
from kag.spec import RunSpec, build_spec
from kag.track.folder import RunFolder
from tests.october import october

PACKAGE = Path(__file__).parents[1] / "kag"
KEY = re.compile(
    r"(train|val|test|gate|attention|context|auxiliary|swa|imbalance|val_averaged|test_averaged)/[a-z0-9_{}]+"
)
LAYERS, HEADS = 2, 2


def constants() -> dict[str, str]:
    """Name -> metric key, for every key that is written once."""
    known = {name: value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    for other in ("ALL", "STEP"):  # a part of a file, and what W&B counts by: no keys of kag
        del known[other]
    return known


def allowed() -> set[str]:
    """Every key that a run with these layers and heads may log."""
    measured = {names.evaluation(split, metric) for split in names.SPLITS for metric in names.METRICS}
    averaged = {names.averaged(key) for key in (*measured, names.VAL_LOSS)}
    attention = {names.entropy_layer(i) for i in range(LAYERS)} | {names.entropy_head(i) for i in range(HEADS)}
    return set(constants().values()) | measured | averaged | attention


@pytest.fixture(scope="module")
def full_spec(synthetic_file: Path) -> RunSpec:
    """Two epochs, averaging in the second, everything switched on."""
    attention = {"heads": HEADS, "layers": LAYERS, "width": 8, "feedforward": 8}
    return build_spec(
        october(
            {
                "name": "names",
                "epochs": 2,
                "data": {"file": str(synthetic_file), "batch_size": 128},
                "model": {"hidden": [8], "attention": attention},
                "swa": {"start": 1, "window": 1},
                "track": {"mode": "disabled"},
            }
        )
    )


@pytest.fixture(scope="module")
def rows(full_spec: RunSpec, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, float]]:
    """The history that such a run leaves."""
    from kag.train.console import RunConsole
    from kag.train.fit import fit

    runs = tmp_path_factory.mktemp("runs")
    record = fit(full_spec, runs=runs, console=RunConsole(quiet=True))
    return RunFolder(runs / record.id).history()


def test_a_run_logs_nothing_but_known_names(rows: list[dict[str, float]]) -> None:
    assert len(rows) == 2
    assert {key for row in rows for key in row} - allowed() == set()


def test_every_known_name_is_logged(rows: list[dict[str, float]]) -> None:
    assert set(constants().values()) - {key for row in rows for key in row} == set()
    assert {names.evaluation("val", metric) for metric in names.METRICS} <= rows[0].keys()
    assert names.averaged(names.OBJECTIVE) not in rows[0]
    assert {names.averaged(names.evaluation("val", metric)) for metric in names.METRICS} <= rows[1].keys()


def test_every_row_has_the_same_keys_and_finite_numbers(rows: list[dict[str, float]]) -> None:
    first, second = ({key for key in row if "_averaged/" not in key} for row in rows)
    assert first == second
    assert all(abs(value) < float("inf") for row in rows for value in row.values())


def test_shares_and_rates_lie_between_0_and_1(rows: list[dict[str, float]]) -> None:
    bounded = [names.ENTROPY, names.entropy_layer(0), names.entropy_head(1), names.VALID_SHARE, names.SATURATED_SHARE]
    bounded += [
        names.ALPHA_MEAN,
        names.ALPHA_P05,
        names.ALPHA_P95,
        names.DROPOUT_RATE,
        names.PREVALENCE,
        names.OBJECTIVE,
    ]
    for row in rows:
        assert all(0.0 <= row[key] <= 1.0 + 1e-6 for key in bounded)


def test_no_other_module_spells_a_key() -> None:
    modules = set(PACKAGE.rglob("*.py")) - {PACKAGE / "names.py"}
    assert len(modules) > 100
    assert [found for path in sorted(modules) for found in spelled(path)] == []


def spelled(path: Path) -> list[tuple[str, int, str]]:
    """Keys in the code of a module, each with its file and line."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    docs = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return [
        (str(path.relative_to(PACKAGE)), node.lineno, node.value)
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
        if KEY.fullmatch(node.value)
    ]


def test_names_are_made_in_one_way() -> None:
    assert names.evaluation("val", "auprc") == names.OBJECTIVE
    assert names.averaged(names.OBJECTIVE) == "val_averaged/auprc"
    assert names.entropy_layer(3) == "attention/entropy_layer3"
    assert names.entropy_head(0) == "attention/entropy_head0"
    assert len(set(constants().values())) == len(constants())
