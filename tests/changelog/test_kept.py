"""What a person wrote is there after any number of writes, or the write was refused; a second one changes no byte."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kag.changelog.document import NEW
from kag.changelog.marker import PLANNED, STRUCTURE, TABLE, marker
from kag.changelog.repository import Between, Commit, NotKnown, Repository
from kag.changelog.write import update
from kag.errors import KagError
from kag.track.folders import FolderSource
from kag.track.record import GitFacts, Status
from tests.changelog.run_logs import make_folder, options, run_record

FIRST, LAST = "a" * 40, "b" * 40
CHANGES = Between((Commit(LAST, FIRST, date(2025, 10, 2), "wider <heads>", ("kag/model/gate.py",)),))

words = st.text(st.sampled_from("ab -|`<>&\\#*1.\r\n~\ufeff\u2028é"), max_size=12) | st.sampled_from(
    ["\n\n", "\n- ", "\n1. `x`: ", "```\n", "\n---\n", "<!-- ", " -->", "<pre>", "\n    ", "\n| a | b | c | d | e |\n"]
)
"""What a person may type around a word."""
plain = st.text(st.sampled_from("ab -|`<>&#*."), max_size=6)

around = st.sampled_from(["", "# Ours\n\n", f"```\n{marker(TABLE, 'begin')}\n```\n\n", f"- {marker(TABLE, 'end')}\n\n"])
bodies = st.sampled_from([NEW, f"{marker(TABLE, 'begin')}\n{marker(TABLE, 'end')}\n"])
documents = st.tuples(
    st.sampled_from(["", "\ufeff"]), around, bodies, st.sampled_from(["\n", "\r\n"]), st.booleans()
).map(lambda parts: made(*parts))

places = st.floats(0, 1, exclude_max=True)
edits = st.tuples(st.just("type"), places, st.tuples(words, words))
listed = st.tuples(st.just("list"), places, st.tuples(plain, plain))
notes = st.tuples(st.just("note"), st.integers(0, 1), words | plain)
others = st.tuples(st.sampled_from(["delete", "resume", "begin"]), st.integers(0, 2), st.none())
clones = st.tuples(st.sampled_from(["with git", "without git"]), st.none(), st.none())
write = st.just(("write", None, None))
steps = st.lists(edits | listed | notes | others | clones | write | write, min_size=1, max_size=8)


def made(mark: str, before: str, body: str, line_end: str, whole: bool) -> str:
    text = f"{before}{body}".replace("\n", line_end)
    return mark + (text if whole else text.removesuffix(line_end))


@dataclass(frozen=True)
class Answers(Repository):
    """A repository that says what it was told."""

    said: Between | None = None

    def state(self) -> str:
        return str(self.said)

    def between(self, *_: object) -> Between:
        if self.said is None:
            raise NotKnown("nobody asks git here")
        return self.said


@dataclass
class Desk:
    """A person with a document and runs."""

    folder: Path
    git: bool = True
    typed: list[str] = field(default_factory=list)
    """Words that were typed and must not be lost."""
    new: int = 0
    """How many of them the document has had since the last write."""

    @property
    def file(self) -> Path:
        return self.folder / "LOG.md"

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def text(self) -> str:
        return self.file.read_bytes().decode()

    def word(self, around: tuple[str, str]) -> str:
        self.typed.append(f"w{len(self.typed)}w")
        self.new += 1
        return f"{around[0]}{self.typed[-1]}{around[1]}"

    def outside_words(self, text: str, offset: int) -> int:
        """A place that is inside no word that was typed before: whoever types there changes that word."""
        places = ((text.find(word), len(word)) for word in self.typed)
        return next((start + size for start, size in places if start < offset < start + size and start >= 0), offset)

    def take(self, step: tuple[str, object, object]) -> None:
        what, first, second = step
        match what, first, second:
            case "type", float(place), (str(), str()) as around:
                text = self.text()
                offset = self.outside_words(text, int(place * (len(text) + 1)))
                self.file.write_bytes(f"{text[:offset]}{self.word(around)}{text[offset:]}".encode())
            case "list", float(place), (str(), str()) as around:
                head, begin, rest = self.text().partition(marker(STRUCTURE, "begin"))
                inside, end, tail = rest.rpartition(f"<!-- kag:{PLANNED}:end")
                if not end:
                    return
                lines = inside.split("\n")
                lines.insert(1 + int(place * (len(lines) - 1)), self.word(around))
                self.file.write_bytes(f"{head}{begin}{chr(10).join(lines)}{end}{tail}".encode())
            case "note", int(number), str(around):
                rows = self.text().split(" -->")
                if number + 1 < len(rows):
                    rows[number + 1] = f" {self.word((around, ''))}{rows[number + 1]}"
                    self.file.write_bytes(" -->".join(rows).encode())
            case "delete", int(number), _:
                shutil.rmtree(self.runs / run_record(number).id, ignore_errors=True)
            case "resume" | "begin", int(number), _:
                self.run(number, val=0.5 + len(self.typed) / 100, status=Status(STATUS[what]))
            case _:
                self.git = what == "with git" if what != "write" else self.git

    def run(self, number: int, **fields: object) -> None:
        make_folder(self.runs, run_record(number, git=GitFacts(commit=(FIRST, LAST)[number % 2]), **fields))

    def write(self) -> bool:
        """Write twice, and look for every word; whether it was not refused."""
        before, had = self.text(), self.notes()
        chosen = replace(options(self.folder), repository=Answers(self.folder, CHANGES if self.git else None))
        try:
            update(FolderSource(self.runs), self.file, chosen)
        except KagError:
            assert (self.text(), self.notes()) == (before, had)
            return False
        after = self.text()
        assert [word for word in self.typed if word not in after and word not in self.notes()] == []
        assert not update(FolderSource(self.runs), self.file, chosen).stale
        assert self.text() == after
        return True

    def notes(self) -> str:
        return "".join(file.read_bytes().decode() for file in sorted(self.runs.glob("*/notes.md")))


STATUS = {"resume": "finished", "begin": "running"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a disk has a file already makes no difference here."""
    monkeypatch.setattr("kag.track.atomic.os.fsync", lambda _: None)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the folders of examples lie: in memory, if there is room."""
    return tmp_path_factory.mktemp("examples")


@given(documents, steps)
@settings(max_examples=150)
def test_whatever_is_typed_stays_or_the_write_is_refused(
    place: Path, document: str, taken: list[tuple[str, object, object]]
) -> None:
    with tempfile.TemporaryDirectory(dir=place) as folder:
        desk = Desk(Path(folder))
        desk.file.write_bytes(document.encode())
        for number in range(2):
            desk.run(number, val=0.3)
        (desk.runs / run_record(0).id / "notes.md").write_text(desk.word(("kept for ", "")), encoding="utf-8")
        assert desk.write()
        written = desk.text()
        for step in [*taken, ("write", None, None)]:
            desk.take(step)
            if step[0] != "write":
                continue
            if not desk.write():
                desk.file.write_bytes(written.encode())
                desk.typed = desk.typed[: len(desk.typed) - desk.new]
            written, desk.new = desk.text(), 0
