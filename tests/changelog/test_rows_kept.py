"""What a write says of the rows of a table, and which of them never go unasked."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from datetime import date
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from kag.changelog.collect import collect
from kag.changelog.marker import PLANNED, STRUCTURE, TABLE, marker
from kag.changelog.rows import Tally
from kag.changelog.table import Choice
from kag.changelog.write import add_note, require_replaceable, store_notes, update
from kag.cli import changelog
from kag.errors import RecordError, UserError
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.record import Status
from tests.changelog.run_logs import make_folder, options, run_record

app = typer.Typer()
app.add_typer(changelog.app, name="changelog")


def kag(*words: object) -> Result:
    result = CliRunner().invoke(app, ["changelog", *map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[RunFolder]:
    monkeypatch.chdir(tmp_path)
    texts = ("", "worth keeping", "")
    return [
        make_folder(tmp_path / "runs", run_record(number, val=0.3, tags=(f"t{number}",)), notes=text)
        for number, text in enumerate(texts)
    ]


def rows(file: Path) -> list[str]:
    return re.findall(r"^\| 2025-10-(\d\d)", file.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_write_says_what_came_changed_and_went(folders: list[RunFolder]) -> None:
    assert "LOG.md written: 3 rows came, 0 changed, 0 went\n" in kag("--write", "LOG.md").stderr
    assert "up to date" in kag("--write", "LOG.md").stderr
    shutil.rmtree(folders[2].path)
    make_folder(Path("runs"), run_record(0, val=0.4, tags=("t0",)))
    make_folder(Path("runs"), run_record(5, val=0.4))
    assert "1 row came, 1 changed, 1 went\n" in kag("--write", "LOG.md").stderr


@pytest.mark.parametrize("form", ["json", "csv", "html"])
def test_so_does_one_of_another_form(folders: list[RunFolder], form: str) -> None:
    words = ("--format", form, "--write", f"log.{form}")
    assert "3 rows came, 0 changed, 0 went" in kag(*words).stderr
    shutil.rmtree(folders[2].path)
    add_note(folders[1], "more")
    assert "0 rows came, 1 changed, 1 went" in kag(*words).stderr
    before = Path(f"log.{form}").read_bytes()
    with pytest.raises(RecordError, match="all of its rows, 2"):
        kag(*words, "--source", ".")
    assert Path(f"log.{form}").read_bytes() == before
    assert "0 rows came, 0 changed, 2 went" in kag(*words, "--source", ".", "--drop-rows").stderr


@pytest.mark.parametrize(
    "words", [("--source", "."), ("--since", "2026-01-01"), ("--until", "2025-01-01")], ids=lambda words: words[0]
)
def test_a_filled_table_does_not_become_an_empty_one_unasked(
    folders: list[RunFolder], tmp_path: Path, words: tuple[str, ...]
) -> None:
    kag("--write", "LOG.md")
    before = Path("LOG.md").read_bytes()
    for check in ((), ("--check",)):
        with pytest.raises(RecordError, match="all of its rows, 3") as refused:
            kag("--write", "LOG.md", *words, *check)
        assert shlex.join(words) in (refused.value.remedy or "")
    assert Path("LOG.md").read_bytes() == before
    assert "3 went" in kag("--write", "LOG.md", *words, "--drop-rows").stderr


def test_runs_that_were_moved_away_take_nothing_with_them(folders: list[RunFolder]) -> None:
    kag("--write", "LOG.md")
    Path("runs").rename("elsewhere")
    Path("runs").mkdir()
    with pytest.raises(RecordError, match="all of its rows"):
        kag("--write", "LOG.md")
    assert "up to date" in kag("--write", "LOG.md", "--source", "elsewhere").stderr


def test_a_row_with_a_note_does_not_go_because_of_another_choice(folders: list[RunFolder]) -> None:
    kag("--write", "LOG.md")
    with pytest.raises(RecordError, match="worth keeping") as refused:
        kag("--write", "LOG.md", "--tag", "t0")
    assert refused.value.remedy
    assert "--write LOG.md --tag t0 --drop-rows" in refused.value.remedy
    assert "2 went" in kag("--write", "LOG.md", "--since", "2025-10-02", "--tag", "t1").stderr
    kag("--write", "LOG.md")
    assert "2 went" in kag("--write", "LOG.md", "--tag", "t0", "--drop-rows").stderr
    assert folders[1].notes() == "worth keeping"


def test_a_row_with_a_note_stays_in_its_place_where_its_run_is_gone(folders: list[RunFolder]) -> None:
    kag("--write", "LOG.md")
    shutil.rmtree(folders[1].path)
    shutil.rmtree(folders[2].path)
    make_folder(Path("runs"), run_record(7, val=0.4))
    said = kag("--write", "LOG.md").stderr
    assert "1 row came, 0 changed, 1 went; 1 with notes kept, whose runs this source does not have" in said
    assert rows(Path("LOG.md")) == ["01", "02", "08"]
    assert "up to date" in kag("--write", "LOG.md").stderr
    assert kag("--write", "LOG.md", "--check").exit_code == 0
    assert "2 rows came" in kag("--write", "NEW.md").stderr
    make_folder(Path("runs"), run_record(1, val=0.3, tags=("t1",)), notes="worth keeping")
    assert "0 rows came, 0 changed, 0 went\n" in kag("--write", "LOG.md").stderr, "its look at test counts again"
    shutil.rmtree(folders[1].path)
    assert "1 went\n" in kag("--write", "LOG.md", "--drop-rows").stderr


def test_a_kept_row_may_be_the_first(folders: list[RunFolder]) -> None:
    kag("--write", "LOG.md")
    add_note(folders[0], "the first")
    kag("--write", "LOG.md")
    for folder in folders[:2]:
        shutil.rmtree(folder.path)
    kag("--write", "LOG.md")
    assert rows(Path("LOG.md")) == ["01", "02", "03"]


@pytest.mark.parametrize(("before", "after"), [("worth keeping", "worth nothing"), ("**0.300**", "**0.301**")])
def test_a_changed_row_of_a_run_that_is_gone_is_refused(folders: list[RunFolder], before: str, after: str) -> None:
    add_note(folders[0], "worth keeping")
    kag("--write", "LOG.md")
    shutil.rmtree(folders[0].path)
    text = Path("LOG.md").read_text(encoding="utf-8")
    Path("LOG.md").write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(RecordError, match="the source has no such run"):
        kag("--write", "LOG.md")


def test_a_sweep_whose_best_trial_changes_stays_one_row(folders: list[RunFolder], tmp_path: Path) -> None:
    make_folder(tmp_path / "runs", run_record(8, val=0.4, sweep="s"), notes="the best trial")
    update(FolderSource(tmp_path / "runs"), tmp_path / "LOG.md", options(tmp_path))
    make_folder(tmp_path / "runs", run_record(9, val=0.5, sweep="s"))
    version = update(FolderSource(tmp_path / "runs"), tmp_path / "LOG.md", options(tmp_path))
    assert version.tally == Tally(came=0, changed=1, went=0)
    assert "the best trial" in version.wanted


def test_a_difference_may_be_looked_at_whatever_would_go(folders: list[RunFolder]) -> None:
    kag("--write", "LOG.md")
    shown = kag("--write", "LOG.md", "--tag", "t0", "--diff").stdout
    assert len([line for line in shown.splitlines() if line.startswith("-|")]) == 2


def test_the_advice_of_a_check_can_be_pasted(folders: list[RunFolder]) -> None:
    words = ("--write", "a log's.md", "--since", "2025-10-02", "--tag", "t1", "--tag", "t1")
    said = kag(*words, "--check").stderr
    (advice,) = re.findall(r"`kag changelog (.*)` renews it", said)
    assert kag(*shlex.split(advice)).exit_code == 0
    assert kag(*words, "--check").exit_code == 0


def test_a_name_of_standard_output_prints_the_table(folders: list[RunFolder]) -> None:
    printed = kag().stdout
    assert kag("--write", "-").stdout == printed
    assert not Path("-").exists()
    with pytest.raises(UserError, match="no file"):
        kag("--write", "-", "--format", "csv", "--check")


@pytest.mark.parametrize("name", [".", "no/such/LOG.md", "nowhere.md"])
@pytest.mark.parametrize("form", ["markdown", "csv"])
def test_a_place_for_no_document_is_refused_in_a_sentence(folders: list[RunFolder], name: str, form: str) -> None:
    Path("nowhere.md").symlink_to("not/there.md")
    before = sorted(Path().iterdir())
    with pytest.raises(UserError) as refused:
        kag("--write", name, "--format", form)
    assert refused.value.where == str(Path(name))
    assert sorted(Path().iterdir()) == before


def test_a_document_is_no_target_for_another_form(folders: list[RunFolder]) -> None:
    kag("--write", "LOG.md")
    before = Path("LOG.md").read_bytes()
    for form in ("json", "csv", "html"):
        with pytest.raises(UserError, match="which is not a change log as"):
            kag("--write", "LOG.md", "--format", form)
    assert Path("LOG.md").read_bytes() == before


def test_a_second_name_of_a_document_is_not_left_behind(folders: list[RunFolder]) -> None:
    kag("--write", "LOG.md", "--since", "2025-10-02")
    os.link("LOG.md", "OTHER.md")
    assert "up to date" in kag("--write", "LOG.md", "--since", "2025-10-02").stderr
    with pytest.raises(UserError, match="hard link"):
        kag("--write", "LOG.md")
    assert Path("LOG.md").samefile("OTHER.md")


def test_what_an_editor_saves_meanwhile_is_not_written_over(folders: list[RunFolder], tmp_path: Path) -> None:
    file = tmp_path / "LOG.md"
    update(FolderSource(tmp_path / "runs"), file, options(tmp_path))
    read = file.read_text(encoding="utf-8")
    file.write_text(f"{read}saved just now\n", encoding="utf-8")
    with pytest.raises(UserError, match="changed while"):
        require_replaceable(file, read)


def test_a_note_that_changes_meanwhile_is_not_written_over(folders: list[RunFolder], tmp_path: Path) -> None:
    source = FolderSource(tmp_path / "runs")
    siblings = collect(source)
    add_note(folders[1], "from the run")
    with pytest.raises(RecordError, match="changed while"):
        store_notes(source, {folders[1].id: "from the table"}, siblings)
    assert folders[1].notes() == "worth keeping\n\nfrom the run\n"


@pytest.mark.parametrize("section", [STRUCTURE, PLANNED])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_what_is_typed_into_a_list_goes_below_it(
    folders: list[RunFolder], section: str, line_end: str, last: bool
) -> None:
    place, end = marker(section, "begin"), marker(section, "end")
    text = f"{marker(TABLE, 'begin')}\n{marker(TABLE, 'end')}\n\n{place}\n\nmine\nand *mine*\n\n- too\n\n{end}"
    file = Path("LOG.md")
    file.write_bytes((text + "\n" * last).replace("\n", line_end).encode())
    assert f"the list '{section}'" in kag("--write", "LOG.md").stderr
    below = f" -->\n\nmine\nand *mine*\n\n- too{chr(10) * last}".replace("\n", line_end)
    assert file.read_bytes().decode().endswith(below)
    assert "up to date" in kag("--write", "LOG.md").stderr


def test_a_plan_that_was_carried_out_or_dropped_leaves_the_list(tmp_path: Path) -> None:
    """Also where a document is older than the digests."""
    source, file = FolderSource(tmp_path / "runs"), tmp_path / "LOG.md"
    for number in range(2):
        make_folder(tmp_path / "runs", run_record(number, f"plan{number}", status=Status.PLANNED, change="try"))
    update(source, file, options(tmp_path))
    text = re.sub(" printed=[0-9a-f]*", "", file.read_text(encoding="utf-8"))
    file.write_text(text.replace("1. `plan0`: try", "1. `plan0`: try\n3. `plan0`: try this"), encoding="utf-8")
    make_folder(tmp_path / "runs", run_record(0, "plan0", change="try", val=0.3))
    version = update(source, file, options(tmp_path))
    assert version.moved == (PLANNED,)
    assert version.wanted.endswith(" -->\n\n3. `plan0`: try this\n")
    shutil.rmtree(tmp_path / "runs" / run_record(1, "plan1").id)
    assert update(source, file, options(tmp_path)).moved == ()
    assert "plan1" not in file.read_text(encoding="utf-8")


def test_a_narrower_choice_of_rows_without_notes_is_no_loss(folders: list[RunFolder], tmp_path: Path) -> None:
    file = tmp_path / "LOG.md"
    update(FolderSource(tmp_path / "runs"), file, options(tmp_path))
    chosen = options(tmp_path, choice=Choice(until=date(2025, 10, 2)))
    assert update(FolderSource(tmp_path / "runs"), file, chosen).tally == Tally(went=1)
