"""October 2025: the log that was kept by hand, and what the rules say of its rows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kag.changelog.collect import collect
from kag.changelog.importing import import_rows
from kag.changelog.markdown import render
from kag.changelog.repository import Repository
from kag.changelog.table import Row, table
from kag.changelog.version import Options
from kag.changelog.write import update
from kag.errors import RecordError
from kag.spec import Severity, load_spec, preflight
from kag.track.folders import FolderSource
from kag.track.markdown import COLUMNS
from tests.changelog.run_logs import parsed
from tests.committed import linked_into
from tests.pages import CONCLUSIONS, FORENSICS, october_findings

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "runs"
SPECS = sorted((RUNS / "specs" / "october").glob("*.yaml"))
SEED = Path(os.environ.get("KAG_SEED", ROOT / ".." / "shared" / "seed")) / "MODEL_CHANGELOG_OCT2025.md"

EXPECTED = {
    "test_of_other_weights": {15, 17, 19, 21, 22, 23},
    "test_equals_other_run": {17, 19, 22, 23},
    "val_typed_as_test": {13},
    "patience_restored": {15, 17, 19},
    "swa_never_started": {13},
    "selected_on_test": {20},
    "unknown_parent": {20},
    "collapse": {18},
    "row_order": {15},
    "resume_changed_spec": {22},
    "aborted": {3, 10},
    "gate_saturated": {4, 6, 7},
    "gate_at_clamp": {5},
    "penalty_inert": {6, 7},
    "entropy_collapsed": {11, 15},
}
"""Rule -> exactly the rows on which it fires, by their number in the log of October."""

READ_BACK = {
    "aborted",
    "patience_restored",
    "resume_changed_spec",
    "selected_on_test",
    "swa_never_started",
    "test_of_other_weights",
    "caveat",
}
"""Rules that say again what the import states; every other finding is one."""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return table(collect(FolderSource(linked_into(tmp_path_factory.mktemp("october") / "runs"))))


@pytest.fixture
def seed() -> Path:
    if not SEED.is_file():
        pytest.skip(f"{SEED} is not there; set KAG_SEED to the folder that holds it")
    return SEED


def seed_rows(seed: Path) -> list[str]:
    return [line for line in seed.read_text(encoding="utf-8").splitlines() if line.startswith("| 2025")]


def test_the_log_begins_where_the_history_begins(rows: list[Row]) -> None:
    assert len(rows) == 23
    assert {row.entry.record.kind for row in rows} == {"imported"}
    listed = [row.entry.record.stated.row for row in rows]
    assert listed == [*range(1, 14), 15, 14, *range(16, 24)]


@pytest.mark.parametrize("code", EXPECTED)
def test_the_right_rows_are_flagged_and_no_others(code: str, rows: list[Row]) -> None:
    assert {row.entry.record.stated.row for row in rows if row.says(code)} == EXPECTED[code]


def test_what_the_flags_rest_on(rows: list[Row]) -> None:
    by_row = {row.entry.record.stated.row: row for row in rows}

    def evidence(number: int, code: str) -> dict[str, object]:
        return next(dict(finding.evidence) for finding in by_row[number].findings if finding.code == code)

    assert evidence(13, "val_typed_as_test") == {"stated_as_test": 0.285, "val": 0.285}
    assert evidence(13, "swa_never_started") == {"swa_start": 20.0, "last_epoch": 17, "averaged_epochs": 0}
    assert evidence(17, "test_of_other_weights")["weights_of"] == by_row[16].entry.id
    assert evidence(19, "test_equals_other_run") == {"test": 0.437, "other": by_row[18].entry.id}
    assert evidence(15, "patience_restored") == {"patience": 1000.0, "worked_with": 15}
    assert evidence(20, "unknown_parent") == {"missing": "2025-10-21_20-37-35"}
    assert evidence(18, "collapse") == {"best": 0.3132, "best_epoch": 9, "last": 0.138, "last_epoch": None}


def test_what_is_found_is_apart_from_what_the_import_states(rows: list[Row]) -> None:
    said = {(row.entry.id, one.code) for row in rows for one in row.findings}
    found = {(run, one.code) for run, every in october_findings(*CONCLUSIONS.values()).items() for one in every}
    assert found < said, "a conclusion more changes nothing else"
    assert {code for _, code in said - found} == READ_BACK
    assert not {code for _, code in found} & READ_BACK


def test_the_table_of_the_log_alone_gives_what_the_page_says(seed: Path, tmp_path: Path) -> None:
    import_rows(seed, tmp_path / "runs")
    made = table(collect(FolderSource(tmp_path / "runs")))
    found = {one.code for row in made for one in row.findings} & EXPECTED.keys()
    assert found == {"aborted", "row_order"}
    assert "that alone gives `aborted` and `row_order`" in " ".join(FORENSICS.read_text(encoding="utf-8").split())


def test_every_row_with_a_number_says_what_a_paired_test_lacks(rows: list[Row]) -> None:
    cells = [line[4] for line in parsed(render(rows)).tables[0][1:]]
    tested = [bool(row.entry.record.results) for row in rows]
    assert ["unpaired: no scores, no data digest, no weights digest" in cell for cell in cells] == tested
    assert sum(tested) == 21


def test_a_val_number_never_stands_in_a_test_cell(rows: list[Row]) -> None:
    lines = parsed(render(rows)).tables[0][1:]
    cells = {row.entry.record.stated.row: line for row, line in zip(rows, lines, strict=True)}
    assert cells[13][4].startswith("-;")
    assert cells[12][4].startswith("0.444")
    assert [cells[number][3] for number in (1, 5, 15, 18, 20)] == [
        "<strong>0.243</strong>",
        "0.188",
        "0.313",
        "0.313",
        "-",
    ]


def test_the_committed_log_is_generated_from_the_committed_runs(tmp_path: Path) -> None:
    document = ROOT / "MODEL_CHANGELOG.md"
    options = Options(Repository(ROOT), RUNS / "specs" / "planned")
    assert not update(FolderSource(linked_into(tmp_path / "runs")), document, options, dry=True).stale


def test_the_seed_comes_back_character_for_character(seed: Path, tmp_path: Path) -> None:
    made, known = import_rows(seed, tmp_path / "runs")
    assert (len(made), known) == (23, [])
    text = render(table(collect(FolderSource(tmp_path / "runs"))), verbatim=True)
    assert [line for line in text.splitlines() if line.startswith("| 2025")] == seed_rows(seed)
    again = render(table(collect(FolderSource(tmp_path / "runs"))), verbatim=True)
    assert again == text


def test_a_verbatim_document_is_written_once_and_may_become_an_honest_one(seed: Path, tmp_path: Path) -> None:
    import_rows(seed, tmp_path / "runs")
    source, document = FolderSource(tmp_path / "runs"), tmp_path / "LOG.md"
    verbatim = Options(Repository(tmp_path), tmp_path, verbatim=True)
    assert update(source, document, verbatim).stale
    before = document.read_bytes()
    assert not update(source, document, verbatim).stale
    assert document.read_bytes() == before
    update(source, document, Options(Repository(tmp_path), tmp_path))
    (rendered,) = parsed(document.read_text(encoding="utf-8")).tables
    assert [len(row) for row in rendered] == [len(COLUMNS)] * 24
    update(source, document, verbatim)
    assert document.read_bytes() == before


def test_a_changed_verbatim_row_is_refused(seed: Path, tmp_path: Path) -> None:
    import_rows(seed, tmp_path / "runs")
    source, document = FolderSource(tmp_path / "runs"), tmp_path / "LOG.md"
    verbatim = Options(Repository(tmp_path), tmp_path, verbatim=True)
    update(source, document, verbatim)
    document.write_text(document.read_text(encoding="utf-8").replace("| 0.347 |", "| 0.374 |"), encoding="utf-8")
    with pytest.raises(RecordError, match="has no mark of a run"):
        update(source, document, verbatim)


def test_importing_twice_changes_nothing_and_a_changed_record_is_not_overwritten(seed: Path, tmp_path: Path) -> None:
    made, _ = import_rows(seed, tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert import_rows(seed, tmp_path) == ([], made)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
    record = next(FolderSource(tmp_path).records())
    (tmp_path / record.id / "record.json").write_text(record.model_copy(update={"tags": ("mine",)}).model_dump_json())
    with pytest.raises(RecordError, match="is there already"):
        import_rows(seed, tmp_path)


def test_no_sentence_of_the_seed_is_in_the_project(seed: Path, rows: list[Row]) -> None:
    cells = [cell.strip() for line in seed_rows(seed) for cell in line.strip("| ").split(" | ")]
    sentences = {part.strip() for cell in cells for part in cell.replace("`", "").split(". ") if len(part.split()) > 5}
    own = "\n".join(
        file.read_text(encoding="utf-8")
        for row in rows
        for file in (RUNS / row.entry.id).iterdir()
        if file.suffix in (".json", ".md")
    )
    own += "\n".join(file.read_text(encoding="utf-8") for file in SPECS)
    assert [sentence for sentence in sentences if sentence in own] == []


def test_every_row_has_its_spec() -> None:
    assert [int(path.name[:2]) for path in SPECS] == list(range(1, 24))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_an_october_spec_may_be_trained_and_says_what_is_unknown(path: Path) -> None:
    assert [finding.sentence for finding in preflight(load_spec(path)) if finding.severity is Severity.ERROR] == []
    head = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert any(line.startswith("# unknown, taken as runs/specs/oct17.yaml has it:") for line in head)
    assert any(line.startswith("# changed:") for line in head)


def test_specs_and_records_know_the_same_settings(rows: list[Row]) -> None:
    from kag.spec import flat
    from kag.spec.retired import without_retired

    by_row = {row.entry.record.stated.row: row.entry.record for row in rows}
    for number, path in enumerate(SPECS, start=1):
        spec = flat(load_spec(path))
        stated = without_retired(by_row[number].config)
        known = {key: value for key, value in stated.items() if key != "data.replay.indices"}
        assert {key: spec[key] for key in known} == known, path.name
