"""Notes in the table: printed, changed by hand, given back, printed again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kag.changelog.cells import body
from kag.changelog.write import add_note, update
from kag.errors import RecordError
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from tests.changelog.run_logs import MemorySource, make_folder, options, parsed, run_record

plain = st.text(st.characters(exclude_categories=("Cs",)), max_size=200)
awkward = st.text(st.sampled_from("`|<>&\\\n\r\t \x00\u2028#*_[]()!-ab"), max_size=200)
long = st.text(st.sampled_from("`|<\n é"), min_size=1, max_size=20).map(lambda text: (text * 2_000)[:2_000])
notes = plain | awkward | long
typed = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n\r"), max_size=200)
"""What fits on a line, as an editor would leave it."""


class Log:
    """Three runs and their document."""

    def __init__(self, folder: Path, *texts: str) -> None:
        self.runs, self.file, self._options = folder / "runs", folder / "LOG.md", options(folder)
        self.folders = [
            make_folder(self.runs, run_record(number, val=0.3), notes=text) for number, text in enumerate(texts)
        ]

    def write(self) -> str:
        update(FolderSource(self.runs), self.file, self._options)
        return self.text()

    def text(self) -> str:
        return self.file.read_bytes().decode()

    def type_behind_the_mark(self, number: int, typed: str) -> None:
        lines = self.text().split("\n")
        place = next(n for n, line in enumerate(lines) if self.folders[number].id in line)
        lines[place] = f"{lines[place][: lines[place].index(' -->') + 4]} {typed} |"
        self.file.write_bytes("\n".join(lines).encode())

    def notes(self) -> list[str]:
        return [folder.notes() for folder in self.folders]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path, "first", "", "third")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the folders of examples lie: in memory, if there is room."""
    return tmp_path_factory.mktemp("examples")


@given(st.tuples(notes, notes, notes))
@settings(max_examples=60)
def test_no_note_breaks_the_table_or_changes_when_it_is_printed(place: Path, texts: tuple[str, str, str]) -> None:
    with_folder(place, texts, lambda log: check_round(log, texts))


def check_round(log: Log, texts: tuple[str, str, str]) -> None:
    first = log.write()
    assert log.write() == first
    (table,) = parsed(first).tables
    assert [len(row) for row in table] == [5] * 4
    assert [row[0].split("<code>")[1].split("</code>")[0] for row in table[1:]] == [f.id for f in log.folders]
    assert [row[3] for row in table[1:]] == ["<strong>0.300</strong>", "0.300", "0.300"]
    assert log.notes() == list(texts)


@given(notes, typed)
@settings(max_examples=60)
def test_a_note_survives_regenerate_edit_regenerate(place: Path, before: str, edit: str) -> None:
    with_folder(place, (before, "untouched", ""), lambda log: check_edit(log, edit))


def check_edit(log: Log, edit: str) -> None:
    log.write()
    log.type_behind_the_mark(0, edit)
    printed = log.write()
    kept = log.notes()
    assert kept[1:] == ["untouched", ""]
    assert log.write() == printed
    assert log.notes() == kept
    log.type_behind_the_mark(
        0, printed.split("\n")[cell_line(printed, log)].split(" --> ")[-1].removesuffix("|").strip()
    )
    assert log.write() == printed
    assert [len(row) for row in parsed(printed).tables[0]] == [5] * 4


def cell_line(text: str, log: Log) -> int:
    return next(n for n, line in enumerate(text.split("\n")) if log.folders[0].id in line)


def with_folder(place: Path, texts: tuple[str, str, str], check: Callable[[Log], None]) -> None:
    with tempfile.TemporaryDirectory(dir=place) as folder:
        check(Log(Path(folder), *texts))


def test_a_typed_note_goes_to_its_run(log: Log) -> None:
    log.write()
    log.type_behind_the_mark(1, "kept for `SWA`<br>see run | 3 <b>")
    text = log.write()
    assert log.notes() == ["first", "kept for `SWA`\nsee run | 3 <b>\n", "third"]
    assert "kept for `SWA`<br>see run &#124; 3 &lt;b>" in text


def test_a_note_that_changed_in_its_run_is_printed_anew(log: Log) -> None:
    log.write()
    add_note(log.folders[0], "and more")
    assert "first<br><br>and more" in log.write()
    assert log.notes()[0] == "first\n\nand more\n"


def test_the_same_change_in_both_places_is_no_conflict(log: Log) -> None:
    log.write()
    log.type_behind_the_mark(0, "second thoughts")
    log.folders[0].notes_file.write_text("second thoughts\n", encoding="utf-8")
    assert "second thoughts" in log.write()


def test_a_note_may_be_taken_away_in_the_table(log: Log) -> None:
    log.write()
    log.type_behind_the_mark(0, "")
    log.write()
    assert log.notes() == ["", "", "third"]


def test_two_different_changes_are_refused_with_both_texts(log: Log) -> None:
    log.write()
    log.type_behind_the_mark(0, "from the table")
    add_note(log.folders[0], "from the run")
    before = log.text()
    with pytest.raises(RecordError) as refused:
        log.write()
    assert "'from the table'" in str(refused.value)
    assert r"'first\n\nfrom the run'" in str(refused.value)
    assert log.folders[0].id in str(refused.value)
    assert (log.text(), log.notes()[0]) == (before, "first\n\nfrom the run\n")


def test_all_conflicts_are_told_and_no_note_is_taken_before_they_are_settled(log: Log) -> None:
    log.write()
    log.type_behind_the_mark(0, "from the table")
    log.type_behind_the_mark(1, "a good note")
    add_note(log.folders[0], "from the run")
    log.file.write_text(log.text().replace("| **0.300** |", "| **0.999** |").replace("## Next", "## Next"), "utf-8")
    with pytest.raises(RecordError) as refused:
        log.write()
    assert "0.999" in str(refused.value)
    assert "**0.300**" in str(refused.value)
    assert "'from the table'" in str(refused.value)
    assert log.notes()[1] == ""


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("| **0.300** |", "| **0.310** |", "changed by hand"),
        ("| 0.300 |", "|", "changed by hand"),
        ("<!-- kag:changelog:end -->", "a thought\n<!-- kag:changelog:end -->", "is no row of the table"),
        ("<!-- kag:changelog:end -->", "| a | b | c | d | e |\n<!-- kag:changelog:end -->", "no mark of a run"),
    ],
)
def test_whatever_else_is_changed_inside_is_refused(log: Log, before: str, after: str, words: str) -> None:
    log.write()
    changed = log.text().replace(before, after, 1)
    log.file.write_bytes(changed.encode())
    with pytest.raises(RecordError, match=words):
        log.write()
    assert log.text() == changed


def test_an_editor_that_aligns_the_columns_changes_nothing(log: Log) -> None:
    text = log.write()
    log.file.write_text(text.replace(" | ", "   |  ").replace("|---|---|", "| :-- | --- |"), encoding="utf-8")
    assert log.write() == text


def test_a_row_may_go_with_its_run_but_not_with_a_new_note(log: Log) -> None:
    log.write()
    gone = log.folders[1]
    (gone.path / "record.json").unlink()
    log.type_behind_the_mark(1, "do not lose this")
    with pytest.raises(RecordError, match="do not lose this"):
        log.write()
    log.type_behind_the_mark(1, "")
    assert gone.id not in log.write()


def test_a_source_that_takes_no_notes_refuses_them(tmp_path: Path) -> None:
    source = MemorySource([run_record(0, val=0.3)], {run_record(0).id: "from W&B"})
    file = tmp_path / "LOG.md"
    update(source, file, options(tmp_path))
    text = file.read_text(encoding="utf-8")
    assert "from W&amp;B" in text
    file.write_text(text.replace("from W&amp;B", "typed"), encoding="utf-8")
    with pytest.raises(RecordError, match="typed"):
        update(source, file, options(tmp_path))


def test_an_empty_note_is_refused(tmp_path: Path) -> None:
    folder: RunFolder = make_folder(tmp_path, run_record(0))
    with pytest.raises(RecordError, match="empty"):
        add_note(folder, " \n")
    assert not folder.notes_file.exists()


@given(plain)
def test_a_note_is_shown_without_blanks_around_it(text: str) -> None:
    assert body(f" \r\n{text}\n\n") == body(text) == body(text).strip()
