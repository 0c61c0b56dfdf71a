"""Every command of the app, with targets, disks and terminals as people have them: a sentence and a documented exit
code, never a traceback. A new command is found here, and needs a row.
"""

from __future__ import annotations

import inspect
import io
import os
import shlex
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from test_help import EVERY, acts

from kag.cli import main as entry
from tests.cli.conftest import Kag, Outcome
from tests.cli.forked import BUILT, forked, interrupted_at, on_a_full_disk, tree, without_rights_of_root
from tests.cli.workplace import load_all, make_workplace

DB = "--db sqlite:///server/tracking.db"
FILES = "--files server/files"


class Row(NamedTuple):
    """How a command is called where all is well, in a copy of the workplace."""

    words: str
    reads: str | None = None
    """The word of them that names what it reads."""
    writes: str | None = None
    """The word of them that names a file to write; a folder that it writes into has none."""
    changes: bool = False
    """Whether it writes anything; one that reads a database writes the index of its log."""
    temporary: bool = False
    """Whether it writes, but only to the folder of temporary files."""
    silent: bool = False
    """Whether it prints nothing to the standard output."""


ROWS = {
    "init": Row("new", changes=True),
    "train": Row("spec.yaml epochs=1 swa=null", "spec.yaml", changes=True),
    "eval": Row("tiny --out out.h5", "tiny", "out.h5", changes=True),
    "predict": Row("tiny --data sites.h5 --out out.h5", "sites.h5", "out.h5", changes=True),
    "check": Row("spec.yaml", "spec.yaml", temporary=True),
    "schema": Row(""),
    "windows": Row("tiny --png map.png", "tiny", "map.png", changes=True),
    "blend": Row("tiny:best tiny:averaged --weights 0.5,0.5", "tiny:best", changes=True),
    "ensemble": Row("base-0 base-1 --runs scored", "base-0", changes=True),
    "mine": Row("tiny --out hard.json", "tiny", "hard.json", changes=True),
    "sweep run": Row("sweep.yaml", "sweep.yaml", changes=True),
    "sweep list": Row("kag/kag", changes=True, silent=True),
    "sweep show": Row("kag/kag/1a2b3c4d", changes=True, silent=True),
    "sweep compare": Row("base-0 wide-0 --runs scored", "base-0"),
    "sweep stop": Row("kag/kag/1a2b3c4d", changes=True, silent=True),
    "sweep next": Row("kag/kag/1a2b3c4d", changes=True, silent=True),
    "sweep manifest": Row("kag/kag/1a2b3c4d", changes=True, silent=True),
    "agent": Row("kag/kag/1a2b3c4d", changes=True, silent=True),
    "track": Row("-- true", "true", changes=True, silent=True),
    "page": Row("--runs runs", "runs", changes=True, silent=True),
    "import wandb": Row("kag/none", changes=True, silent=True),
    "import tensorboard": Row("events", "events", changes=True, silent=True),
    "import mlflow": Row("mlruns", "mlruns", changes=True, silent=True),
    "export": Row("--to csv --out tables --runs plain", "plain", changes=True),
    "report": Row("plain --runs plain --out page.html", "plain", "page.html", changes=True),
    "doctor": Row("plain --runs plain", "plain"),
    "note": Row("plain kept --runs plain", "plain", changes=True),
    "changelog": Row("--source plain --write LOG.md", "plain", "LOG.md", changes=True, silent=True),
    "changelog import": Row("log.md --runs imported", "log.md", changes=True),
    "data check": Row("sites.h5", "sites.h5"),
    "data synth": Row("new.h5 --proteins 3 --points 9", writes="new.h5", changes=True),
    "data cache list": Row(""),
    "data cache clear": Row(""),
    "runs list": Row("--runs plain", "plain"),
    "runs show": Row("plain --runs plain", "plain"),
    "runs compare": Row("plain other --runs plain", "plain"),
    "runs watch": Row("--runs plain --json", "plain"),
    "runs archive": Row("plain --runs plain", "plain", changes=True),
    "runs tag": Row("plain --add seen --runs plain", "plain", changes=True),
    "runs rename": Row("plain first --runs plain", "plain", changes=True),
    "runs delete": Row("plain --yes --runs plain", "plain", changes=True),
    "runs prune": Row("tiny --yes", "tiny", changes=True),
    "serve": Row(f"--port 0 {DB} {FILES}", changes=True),
    "serve audit": Row(DB, "sqlite:///server/tracking.db", changes=True),
    "serve backup": Row(f"copy {DB} {FILES}", "sqlite:///server/tracking.db", "copy", changes=True),
    "serve restore": Row("backup --db sqlite:///new.db --files new", "backup", changes=True),
    "serve check": Row(f"{DB} {FILES}", "sqlite:///server/tracking.db", changes=True),
    "serve prune": Row(f"{DB} {FILES}", "sqlite:///server/tracking.db", changes=True),
    "serve key new": Row(f"phone {DB}", changes=True),
    "serve key list": Row(DB, "sqlite:///server/tracking.db", changes=True),
    "serve key revoke": Row(f"laptop {DB}", "sqlite:///server/tracking.db", changes=True),
    "serve project list": Row(DB, "sqlite:///server/tracking.db", changes=True),
    "serve project delete": Row(f"kag/gone {DB} {FILES}", "sqlite:///server/tracking.db", changes=True),
}
STARTING = (
    "sweep run",
    "sweep list",
    "sweep show",
    "sweep stop",
    "sweep next",
    "sweep manifest",
    "agent",
    "page",
    "serve",
    "import wandb",
    "import tensorboard",
    "import mlflow",
)
"""Commands that start a server where nothing hinders them; how they go on then is tested where they are."""
ODD = "not [b]here :100:"
"""A name that is markup, and a picture, to whoever reads it so."""
WELL = [name for name in ROWS if name not in STARTING]


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory, synthetic_file: Path) -> Path:
    load_all()
    place = tmp_path_factory.mktemp("workplace")
    make_workplace(place, synthetic_file)
    return place


@pytest.fixture(autouse=True)
def place(workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the workplace, to work in."""
    shutil.copytree(workplace, tmp_path / "w")
    monkeypatch.chdir(tmp_path / "w")
    monkeypatch.setattr(entry, "app", BUILT)
    return tmp_path / "w"


def words(name: str, **changed: str) -> list[str]:
    """The words of a row; `reads` and `writes` take the place of what it names."""
    row = ROWS[name]
    given = shlex.split(row.words)
    for what, new in changed.items():
        old = getattr(row, what)
        new = f"sqlite:///{new}" if old.startswith("sqlite:") else new
        given = [new if word == old else word for word in given]
    return [*name.split(), *given]


def require_sentence(done: Outcome, *codes: int) -> None:
    """It ended with one of these codes, and an error is one sentence."""
    assert "Traceback" not in done.out + done.error
    assert done.code in codes, done
    told = [line for line in done.error.splitlines() if line.startswith("error: ")]
    assert len(told) == (done.code != 0), done


def test_every_command_has_a_row() -> None:
    assert set(ROWS) == {name.removeprefix("kag ") for name, command in EVERY.items() if acts(command)}


@pytest.mark.parametrize("kind", ["missing", "other", "dangling"])
@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.reads])
def test_a_target_that_is_nothing_to_read(kag: Kag, name: str, kind: str, place: Path) -> None:
    if kind == "dangling":
        (place / ODD).symlink_to("gone/there")
    elif kind == "other" and ROWS[name].reads in ("runs", "plain"):
        (place / ODD).write_text("no folder")
    elif kind == "other":
        (place / ODD).mkdir()
    before = tree(place)
    done = kag(*words(name, reads=ODD))
    require_sentence(done, 2)
    assert ODD.partition(":")[0] in done.error, "what stands behind a colon may be a checkpoint"
    assert "\N{HUNDRED POINTS SYMBOL}" not in done.error
    assert tree(place) == before


@pytest.mark.parametrize("kind", ["folder", "dangling", "below a file"])
@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.writes])
def test_an_output_that_cannot_be(kag: Kag, name: str, kind: str, place: Path) -> None:
    if kind == "below a file":
        (place / "file").write_text("")
    elif kind == "dangling":
        (place / ODD).symlink_to("gone/there")
    else:
        (place / ODD).mkdir()
    before = tree(place)
    require_sentence(kag(*words(name, writes=f"file/{ODD}" if kind == "below a file" else ODD)), 2)
    assert tree(place) == before


def online() -> None:
    """Let runs be tracked: the tests have that switched off."""
    del os.environ["WANDB_MODE"]


@pytest.mark.parametrize("name", ROWS)
def test_a_folder_that_may_not_be_written_to(name: str, place: Path) -> None:
    before, folders = tree(place), [place, *(path for path in place.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    done = forked(words(name), lambda: (online(), without_rights_of_root()))
    for folder in folders:
        folder.chmod(0o755)
    require_sentence(done, *((1, 2) if ROWS[name].changes else (0,)))
    assert tree(place) == before


@pytest.mark.parametrize("name", ROWS)
def test_a_full_disk(name: str) -> None:
    done = forked(words(name), lambda: (online(), on_a_full_disk()))
    require_sentence(done, *((1, 2) if ROWS[name].changes or ROWS[name].temporary else (0,)))


PRINTING = [name for name, row in ROWS.items() if not row.silent]


@pytest.mark.parametrize("name", PRINTING)
def test_a_closed_standard_output(name: str) -> None:
    done = forked(words(name), closed=True)
    require_sentence(done, 2)
    assert "standard output: cannot be written: " in done.error


@pytest.mark.parametrize("name", PRINTING)
def test_a_full_standard_output(kag: Kag, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        done = kag(*words(name))
    require_sentence(done, 2)
    assert "standard output: cannot be written: no space left on device" in done.error


@pytest.mark.parametrize("name", PRINTING)
def test_a_reader_that_has_left(kag: Kag, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with suppress(BrokenPipeError), open(writer, "w") as left:
        monkeypatch.setattr(sys, "stdout", left)
        done = kag(*words(name))
    assert (done.code, done.error) == (1, "")


class Terminal(io.StringIO):
    """What is printed at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("name", WELL)
def test_a_narrow_terminal(kag: Kag, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All lines wrap; of the usual width is the next one, and wide is what all the others print to."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys, "stdout", Terminal())
    require_sentence(kag(*words(name)), 0)


@pytest.mark.parametrize("name", WELL)
def test_without_a_home_at_a_terminal_of_the_usual_width(kag: Kag, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stdout", Terminal())
    require_sentence(kag(*words(name)), 0)


@pytest.mark.parametrize("name", ROWS)
def test_ctrl_c_at_once(kag: Kag, name: str, place: Path) -> None:
    before = tree(place)
    with interrupted_at(inspect.unwrap(EVERY[f"kag {name}"].callback)):
        done = kag(*words(name))
    assert done == (128 + signal.SIGINT, "", "error: SIGINT received\n")
    assert tree(place) == before


def test_sigterm_ends_every_command_with_the_code_of_its_own(kag: Kag, place: Path) -> None:
    before = tree(place)
    for name in ROWS:
        with interrupted_at(inspect.unwrap(EVERY[f"kag {name}"].callback), signal.SIGTERM):
            assert kag(*words(name)) == (128 + signal.SIGTERM, "", "error: SIGTERM received\n"), name
    assert tree(place) == before


def test_the_codes_are_documented_where_people_look(kag: Kag) -> None:
    """All tests here ask for one of these; a program under `kag track` has its own, as the help of that says."""
    for page in (" ".join(kag("--help").out.split()), (Path(__file__).parents[2] / "README.md").read_text()):
        assert "Exit codes: 0 done, 1 a run, a check or a disk failed, 2 the input was at fault" in page
        assert "130: Ctrl-C, 143: SIGTERM" in page
    assert (128 + signal.SIGINT, 128 + signal.SIGTERM) == (130, 143)
    assert "its exit code is kag's" in " ".join(kag("track", "--help").out.split())


LOOKING = {
    "check": "spec.yaml --no-rehearsal",
    "schema": "",
    "sweep run": "sweep.yaml",
    "sweep list": "",
    "sweep show": "1a2b3c4d",
    "sweep stop": "1a2b3c4d",
    "sweep next": "1a2b3c4d",
    "sweep manifest": "1a2b3c4d",
    "agent": "kag/kag/1a2b3c4d",
    "page": "",
    "import wandb": "kag/none",
    "import tensorboard": "events",
    "import mlflow": "mlruns",
    "export": "--to csv --out tables",
    "report": "some --out page.html",
    "doctor": "some",
    "changelog": "--check --write LOG.md",
    "data check": "sites.h5",
    "runs list": "",
    "runs show": "some",
    "runs compare": "some other",
    "runs watch": "--json",
    "runs archive": "some",
    "runs tag": "some --add new",
    "runs rename": "some new",
    "runs delete": "some --yes",
    "runs prune": "--yes",
    "serve audit": "",
    "serve backup": "copy",
    "serve restore": "backup",
    "serve check": "",
    "serve prune": "--dry-run",
    "serve key list": "",
    "serve key revoke": "laptop",
    "serve project list": "",
    "serve project delete": "kag/gone",
    "eval": "some",
    "predict": "some --data sites.h5 --out out.h5",
    "windows": "some",
    "blend": "some:best other:best",
    "ensemble": "some other",
    "sweep compare": "some other",
    "mine": "some --out hard.json",
    "note": "some kept",
    "changelog import": "log.md",
    "data cache list": "",
    "data cache clear": "",
}
"""Commands that find nothing in an empty folder, and how they are called there."""
CONTENT_WITH_NOTHING = ("schema", "data cache list", "data cache clear")
MAKING = ("init", "train", "track", "data synth", "serve", "serve key new")
"""Those that begin with nothing."""


def test_every_command_looks_or_makes() -> None:
    assert {*LOOKING, *MAKING} == set(ROWS)


@pytest.mark.parametrize("name", LOOKING)
def test_looking_makes_nothing(kag: Kag, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("HOME", str(empty))
    code = 0 if name in CONTENT_WITH_NOTHING else 2
    require_sentence(kag(*name.split(), *LOOKING[name].split()), code)
    assert tree(empty) == set()
