"""Below the table stands how often each test set was looked at: in a document, as HTML, on the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from kag.changelog.export import FORMS, update_export
from kag.changelog.repository import Repository
from kag.changelog.version import Options
from kag.changelog.write import update
from kag.errors import RecordError
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.record import Found
from kag.track.result import Look
from tests.changelog.run_logs import START, make_folder, run_record, run_result

TOLD = "Looks at the test split of data `dddddddddddd` (`sites.h5`): 2 times, by 1 set of weights."


@pytest.fixture
def source(tmp_path: Path) -> FolderSource:
    known = {"data_digest": "d" * 64, "weights_digest": "w" * 64}
    config = {"data.file": "/elsewhere/sites.h5", "evaluate.test": "never"}
    tested = run_record(1, results=[run_result("val", 0.3, **known), run_result("test", 0.4, **known)], found=Found())
    folder = make_folder(tmp_path / "runs", tested.model_copy(update={"config": config}))
    make_folder(
        tmp_path / "runs", run_record(2, "sealed", results=[run_result("val", 0.3)], found=Found(), config=config)
    )
    folder.append_looks([_look(), _look()])
    return FolderSource(tmp_path / "runs")


def _look() -> Look:
    return Look(
        when=START, by="eval", split="test", data_digest="d" * 64, weights_digest="w" * 64, file="sites.h5"
    )  # fmt: skip


def look_again(source: FolderSource) -> None:
    other = _look().model_copy(update={"weights_digest": "v" * 64})
    RunFolder(next(source.runs.glob("*_run"))).append_looks([other])


def test_it_stands_below_the_table_and_is_renewed(source: FolderSource, tmp_path: Path) -> None:
    document, options = tmp_path / "LOG.md", Options(Repository(tmp_path), tmp_path)
    update(source, document, options)
    text = document.read_text()
    rows, _, below = text.partition("\n\nLooks")
    assert rows.splitlines()[-1].startswith("| 2025-10-03")
    assert "| 0.300 | sealed" in rows.splitlines()[-1]
    assert f"Looks{below}".startswith(f"{TOLD} <!-- looks ")
    assert not update(source, document, options).stale
    look_again(source)
    update(source, document, options)
    assert "3 times, by 2 different sets of weights." in document.read_text()


def test_what_somebody_typed_there_is_refused(source: FolderSource, tmp_path: Path) -> None:
    document, options = tmp_path / "LOG.md", Options(Repository(tmp_path), tmp_path)
    update(source, document, options)
    document.write_text(document.read_text().replace("2 times", "0 times"))
    look_again(source)
    with pytest.raises(RecordError, match="a line below the table was changed by hand"):
        update(source, document, options)


def test_html_says_the_same_and_rows_alone_do_not(source: FolderSource, tmp_path: Path) -> None:
    options = Options(Repository(tmp_path), tmp_path)
    for form, told in (("html", True), ("csv", False), ("json", False)):
        file = tmp_path / f"log.{form}"
        update_export(source, file, FORMS[form], options)
        assert ("2 times, by 1 set of weights.</p>\n</body>" in file.read_text()) is told
        assert not update_export(source, file, FORMS[form], options, dry=True).stale
