"""Whatever is wrong with a spec or a data file: exit code 2, one message that names the place, nothing written."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from malformed_files import MALFORMED, write_small
from malformed_specs import EXECUTED, MALFORMED_SPECS, Malformed

from tests import warm

LONGEST = 1500
"""Characters; a message is read, not searched."""


@pytest.fixture(scope="module")
def good_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "good.h5"
    write_small(path)
    return path


@pytest.fixture(autouse=True)
def _work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def put(malformed: Malformed, path: Path, data: Path) -> None:
    if callable(malformed.text):
        malformed.text(path)
    elif isinstance(malformed.text, bytes):
        path.write_bytes(malformed.text)
    else:
        path.write_text(malformed.text.replace("DATA", str(data)))


def require_clear(code: int, error: str, says: tuple[str, ...]) -> None:
    assert code == 2, error
    assert "Traceback" not in error
    assert error.count("error:") == 1
    assert len(error) < LONGEST
    for part in says:
        assert part in error


def test_there_are_enough_of_them() -> None:
    assert len(MALFORMED_SPECS) >= 30
    assert len(MALFORMED) >= 15


@pytest.mark.parametrize("fault", MALFORMED_SPECS)
def test_a_faulty_spec(kag: Any, good_file: Path, tmp_path: Path, fault: str) -> None:
    malformed = MALFORMED_SPECS[fault]
    put(malformed, tmp_path / "spec.yaml", good_file)
    before = sorted(tmp_path.rglob("*"))
    done = kag("train", "spec.yaml", *malformed.overrides, "--runs", "runs")
    require_clear(done.code, done.error, malformed.says)
    assert done.out == ""
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path(EXECUTED).exists()


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_faulty_data_file(kag: Any, tmp_path: Path, fault: str) -> None:
    MALFORMED[fault](tmp_path / "faulty.h5")
    (tmp_path / "spec.yaml").write_text("name: x\ndata: {file: faulty.h5}\n")
    done = kag("train", "spec.yaml", "--runs", "runs")
    require_clear(done.code, done.error, (str(tmp_path / "faulty.h5"),))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("fault", ["duplicate key", "heads do not divide", "unknown key"])
def test_check_refuses_what_train_refuses(kag: Any, good_file: Path, tmp_path: Path, fault: str) -> None:
    malformed = MALFORMED_SPECS[fault]
    put(malformed, tmp_path / "spec.yaml", good_file)
    done = kag("check", "spec.yaml", *malformed.overrides, "--no-rehearsal")
    require_clear(done.code, done.error, ())


@pytest.mark.parametrize("words", [["spec.yaml"], ["good.yaml", "data.file=spec.yaml"]], ids=["spec", "data"])
def test_the_same_from_a_shell(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "spec.yaml").write_text("name: x\nname: y\n")
    (tmp_path / "good.yaml").write_text("name: x\ndata: {file: a.h5}\n")
    command = [sys.executable, "-c", "from kag.cli.main import main; main()", "train", *words]
    done = warm.run(command, cwd=Path.cwd(), env=os.environ)
    require_clear(done.returncode, done.stderr, (str(tmp_path / "spec.yaml"),) if len(words) == 2 else ("spec.yaml:2",))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.yaml", "spec.yaml"]
