from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kag.cli.main import app
from kag.errors import RecordError, UserError
from kag.spec.flat import flat
from kag.spec.run import RunSpec
from kag.track.edit import set_archived
from kag.track.folder import RunFolder
from tests.changelog.git_code import Code
from tests.changelog.run_logs import epochs, make_folder, run_record

BASE = flat(RunSpec.model_validate({"name": "base", "data": {"file": "sites.h5"}}))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs of one sweep and one beside it."""
    runs = tmp_path / "runs"
    for number, name, sweep in ((0, "base", None), (1, "low", "s1abc"), (2, "high", "s1abc")):
        spec = {**BASE, "name": name, "optimizer.lr": 0.001 * (number + 1)}
        record = run_record(number, name, val=0.3 + number / 10, config=spec, sweep=sweep)
        make_folder(runs, record, history=epochs(0.1, 0.2), notes=f"about {name}")
    return runs


def report(runs: Path, *words: str | Path) -> Result:
    command = ["report", *map(str, words), "--runs", str(runs)]
    result = CliRunner().invoke(app, command, catch_exceptions=True)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_run_is_named_as_elsewhere(runs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    printed = report(runs, "base").stdout
    assert printed == "wrote 2025-10-01_00-00-00_base.html\n"
    page = (tmp_path / "2025-10-01_00-00-00_base.html").read_text(encoding="utf-8")
    assert "about base" in page
    assert "about low" not in page
    report(runs, runs / "2025-10-02_00-00-00_low", "base", "base", "--out", "some/where.html")
    page = (tmp_path / "some" / "where.html").read_text(encoding="utf-8")
    assert page.count('class="run"') == 2


def test_the_runs_of_a_sweep(runs: Path, tmp_path: Path) -> None:
    out, pictures = tmp_path / "s.html", tmp_path / "png"
    printed = report(runs, "--sweep", "s1abc", "--out", out, "--png", pictures).stdout
    names = sorted(path.name for path in pictures.iterdir())
    assert printed == f"wrote {out} and {len(names)} figures into {pictures}\n"
    expected = ["2025-10-03_00-00-00_high-auprc.png", "comparison-compare_auprc.png", "sweep-expected.png"]
    assert names == [*expected, "sweep-parallel.png", "sweep-trials.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures.iterdir())
    assert "Sweep s1abc" in out.read_text(encoding="utf-8")


def test_a_source_in_place_of_the_folder(runs: Path, tmp_path: Path) -> None:
    log = Path(__file__).parents[2] / "MODEL_CHANGELOG.md"
    out = tmp_path / "o.html"
    with pytest.raises(RecordError):
        report(tmp_path, "base", "--source", f"markdown:{log}", "--out", out)
    assert not out.exists()
    report(tmp_path, "base", "--source", str(runs), "--out", out)
    assert "about base" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "nothing to report"),
        (("base", "--sweep", "s1abc"), "named both runs and a sweep"),
        (("bse",), "base"),
        (("--sweep", "s1abd"), "s1abc"),
        (("--sweep", "x"), "no run is of the sweep 'x'\n  nearest: s1abc"),
    ],
)
def test_what_cannot_be_found_is_named_with_the_nearest(runs: Path, words: tuple[str, ...], told: str) -> None:
    with pytest.raises(UserError) as caught:
        report(runs, *words)
    assert told in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_place_that_cannot_be_written_is_named(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        report(runs, "base", "--out", tmp_path / "file" / "r.html")


def test_an_archived_trial_is_none(runs: Path, tmp_path: Path) -> None:
    set_archived(RunFolder(runs / "2025-10-03_00-00-00_high"), True)
    out = tmp_path / "s.html"
    report(runs, "--sweep", "s1abc", "--out", out)
    page = out.read_text(encoding="utf-8")
    assert "1 trials over" in page
    assert 'id="run-1"' in page
    assert "about low" in page
    assert "about high" not in page


def test_commits_are_asked_of_the_repository_in_which_the_runs_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the command runs: the commit that mended what made a run abort."""
    code = Code(tmp_path / "code")
    first, second = (code.commit(f"c{number}", kag__model__gate=f"x = {number}") for number in range(2))
    failure = {"error": "ValueError", "message": "no", "where": "kag/model/gate.py:1"}
    broken = run_record(0, "broken", status="aborted", failure=failure, git={"commit": first})
    for record in (broken, run_record(1, "mended", val=0.3, git={"commit": second})):
        make_folder(code.folder / "runs", record)
    monkeypatch.chdir(tmp_path)
    said = f"the next commit to touch that file is `{second[:10]}`"
    doctor = CliRunner().invoke(app, ["doctor", "broken", "--runs", "code/runs"], catch_exceptions=False)
    assert said in doctor.stdout
    report(Path("code/runs"), "broken", "--out", tmp_path / "r.html")
    assert second[:10] in (tmp_path / "r.html").read_text(encoding="utf-8")
