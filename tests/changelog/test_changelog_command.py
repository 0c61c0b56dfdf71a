"""`kag changelog`, `kag doctor` and `kag note`, as typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from kag.cli import changelog
from kag.errors import RecordError, UserError
from kag.track.record import Failure, Status
from tests.changelog.run_logs import epochs, make_folder, run_record

LOG = """# Old log

| Date & Run | Key Changes | Files Touched | Val AUPRC | Test AUPRC / Notes |
|---|---|---|---|---|
| 2025-10-13 - `base_2025-10-13_20-24-12.log` | baseline | `a.py` | 0.243 | 0.347 (fine) |
| 2025-10-15 - (in-progress) | new gate | `a.py` | - | Run aborted (`TypeError: x`) |
| 2025-10-20 - next | planned: wider | - | - | - |
"""

app = typer.Typer()
app.add_typer(changelog.app, name="changelog")
app.command()(changelog.doctor)
app.command()(changelog.note)


def kag(*words: object) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "runs", run_record(0, "first", val=0.3, tags=("a",)), history=epochs(0.1, 0.3, 0.1))
    failure = Failure(error="ValueError", message="[bold]no[/bold]", where="kag/x.py:3")
    make_folder(tmp_path / "runs", run_record(4, "second", status=Status.ABORTED, failure=failure))
    return tmp_path / "runs"


def test_the_table_is_printed(runs: Path) -> None:
    text = kag("changelog").stdout
    assert text.startswith("| Date & Run |")
    assert [name in text for name in ("_first`", "_second`")] == [True, True]


def test_write_then_check_then_diff(runs: Path, tmp_path: Path) -> None:
    assert kag("changelog", "--check").exit_code == 1
    assert kag("changelog", "--write", "LOG.md").exit_code == 0
    assert kag("changelog", "--write", "LOG.md", "--check").exit_code == 0
    before = (tmp_path / "LOG.md").read_bytes()
    assert "up to date" in kag("changelog", "--write", "LOG.md").output
    kag("note", "first", "worth keeping")
    assert kag("changelog", "--write", "LOG.md", "--check").exit_code == 1
    shown = kag("changelog", "--write", "LOG.md", "--diff")
    assert shown.exit_code == 0
    assert any(line.startswith("+|") and "worth keeping" in line for line in shown.stdout.splitlines())
    assert (tmp_path / "LOG.md").read_bytes() == before
    kag("changelog", "--write", "LOG.md")
    assert kag("changelog", "--write", "LOG.md", "--diff").stdout == ""


def test_a_note_that_was_typed_into_the_table_makes_it_stale(runs: Path, tmp_path: Path) -> None:
    kag("changelog", "--write", "LOG.md")
    text = (tmp_path / "LOG.md").read_text(encoding="utf-8")
    (tmp_path / "LOG.md").write_text(text.replace(" --> |", " --> typed |", 1), encoding="utf-8")
    assert kag("changelog", "--write", "LOG.md", "--check").exit_code == 1
    kag("changelog", "--write", "LOG.md")
    assert (runs / run_record(0, "first").id / "notes.md").read_text(encoding="utf-8") == "typed\n"
    assert kag("changelog", "--write", "LOG.md", "--check").exit_code == 0


@pytest.mark.parametrize(
    ("words", "first", "second"),
    [
        (("--since", "2025-10-02"), False, True),
        (("--until", "2025-10-02"), True, False),
        (("--tag", "a"), True, False),
    ],
)
def test_filters(runs: Path, words: tuple[str, ...], first: bool, second: bool) -> None:
    text = kag("changelog", *words).stdout
    assert ("_first`" in text, "_second`" in text) == (first, second)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--sweep", "s"), "sweep 's'"),
        (("--tag", "b"), "tag 'b'"),
        (("--since", "2025-10-03", "--until", "2025-10-02"), "ends before it begins"),
    ],
)
@pytest.mark.parametrize("form", ["markdown", "csv"])
@pytest.mark.parametrize("written", [(), ("--write", "LOG.x")])
def test_a_choice_that_names_what_is_not_there_is_an_error(
    runs: Path, tmp_path: Path, words: tuple[str, ...], says: str, form: str, written: tuple[str, ...]
) -> None:
    with pytest.raises(UserError, match=says):
        kag("changelog", *words, "--format", form, *written)
    assert not (tmp_path / "LOG.x").exists()


def test_a_misspelt_tag_is_told_the_nearest(runs: Path) -> None:
    make_folder(runs, run_record(9, "third", tags=("window",)))
    with pytest.raises(UserError) as refused:
        kag("changelog", "--tag", "widnow")
    assert refused.value.nearest == "window"


def test_formats(runs: Path, tmp_path: Path) -> None:
    assert [row["val_auprc"] for row in json.loads(kag("changelog", "--format", "json").stdout)] == [0.3, None]
    assert len(kag("changelog", "--format", "csv").stdout.splitlines()) == 3
    kag("changelog", "--format", "html", "--write", "log.html")
    assert (tmp_path / "log.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_check_works_for_every_format(runs: Path, tmp_path: Path) -> None:
    words = ("changelog", "--format", "csv", "--write", "log.csv")
    assert kag(*words, "--check").exit_code == 1
    kag(*words)
    assert kag(*words, "--check").exit_code == 0
    (tmp_path / "log.csv").write_text("old\n", encoding="utf-8")
    shown = kag(*words, "--diff")
    assert "-old" in shown.stdout
    assert kag(*words, "--check").exit_code == 1
    assert (tmp_path / "log.csv").read_text(encoding="utf-8") == "old\n"


def test_a_table_of_another_format_is_compared_with_a_file_that_was_named(runs: Path) -> None:
    with pytest.raises(UserError, match="no file"):
        kag("changelog", "--format", "json", "--check")


def test_doctor_prints_findings_with_their_evidence(runs: Path) -> None:
    said = kag("doctor", "first").stdout
    assert "warning collapse: val AUPRC collapsed from 0.300 (epoch 1) to 0.100 (epoch 2)" in said
    assert "best_epoch = 1" in said
    assert "error = ValueError" in kag("doctor", "second").stdout
    assert "message = [bold]no[/bold]" in kag("doctor", "second").stdout


def test_doctor_takes_a_folder(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert "collapse" in kag("doctor", runs / run_record(0, "first").id).stdout


def test_a_sound_run_is_said_to_be_so(runs: Path) -> None:
    make_folder(runs, run_record(9, "sound"))
    assert "no rule has anything to say" in kag("doctor", "sound").stdout


def test_import_makes_planned_aborted_and_finished_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "OLD.md").write_text(LOG, encoding="utf-8")
    assert "3 runs imported" in kag("changelog", "import", "OLD.md", "--runs", "runs").output
    assert "3 were there already" in kag("changelog", "import", "OLD.md", "--runs", "runs").output
    found = json.loads(kag("changelog", "--format", "json").stdout)
    assert [row["record"]["status"] for row in found] == ["finished", "aborted", "planned"]
    assert [row["val_auprc"] for row in found] == [0.243, None, None]
    assert found[0]["note"] == "(fine)"
    assert found[1]["findings"][0]["evidence"]["error"] == "TypeError"
    assert found[0]["changes"] == []
    rows = kag("changelog", "--verbatim").stdout.splitlines()[2:]
    assert rows == LOG.splitlines()[4:]
    assert kag("changelog", "--source", "markdown:OLD.md", "--verbatim").stdout.splitlines()[2:] == rows


def test_a_source_that_is_none_is_told(runs: Path) -> None:
    with pytest.raises(RecordError, match="no source of runs"):
        kag("changelog", "--source", "nowhere")


def test_nothing_heavy_is_imported(runs: Path, tmp_path: Path) -> None:
    heavy = "{'torch', 'lightning', 'wandb', 'numpy', 'matplotlib'}"
    code = (
        "import sys; from kag.cli import changelog; import kag.changelog.write, kag.changelog.formats\n"
        f"found = {heavy} & set(sys.modules); assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
