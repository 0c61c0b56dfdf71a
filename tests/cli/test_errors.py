"""One place turns an error into text: printed once, with the exit code of its kind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from test_help import EVERY

from kag import errors
from kag.cli import main as entry
from kag.cli.words import refuse_unknown_options, split_words
from kag.errors import Interrupted, KagError, RehearsalFailed, RunFailed, UserError

USER_ERRORS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, UserError)]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make `kag fail` raise an error."""

    def install(error: Exception) -> None:
        app = typer.Typer()

        @app.command()
        def fail() -> None:
            """Fail."""
            raise error

        @app.command()
        def succeed() -> None:
            """Succeed."""

        monkeypatch.setattr(entry, "app", app)

    return install


@pytest.mark.parametrize(
    ("error", "code"),
    [
        *((kind("it is broken"), 2) for kind in USER_ERRORS),
        (KagError("it is broken"), 1),
        (RunFailed("it is broken"), 1),
        (RehearsalFailed("it is broken"), 1),
        (Interrupted("it is broken", signal_number=signal.SIGINT), 130),
        (Interrupted("it is broken", signal_number=signal.SIGTERM), 143),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_an_error_is_printed_once_and_gives_its_code(kag: Any, failing: Any, error: KagError, code: int) -> None:
    failing(error)
    done = kag("fail")
    assert done.code == code
    assert done.out == ""
    assert done.error == "error: it is broken\n"
    assert kag("succeed") == (0, "", "")


def test_an_error_shows_all_it_knows_and_its_text_is_no_markup(kag: Any, failing: Any) -> None:
    failing(UserError("[bold]x[/bold] is wrong [/]", where="a[0].yaml:3", nearest="y", remedy="write [y]"))
    expected = "error: a[0].yaml:3: [bold]x[/bold] is wrong [/]\n  nearest: y\n  remedy:  write [y]\n"
    assert kag("fail").error == expected


def test_a_long_message_is_not_broken_into_lines(kag: Any, failing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "/a/very/long/path" * 30
    failing(UserError(text))
    assert kag("fail").error == f"error: {text}\n"


def test_what_kag_does_not_know_is_not_hidden(kag: Any, failing: Any) -> None:
    failing(ZeroDivisionError("a fault of kag itself"))
    with pytest.raises(ZeroDivisionError):
        kag("fail")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train", "--rusn", "x", "spec.yaml"], ("there is no option --rusn", "nearest: --runs")),
        (["train", "spec.yaml", "--rusn", "x"], ("there is no option --rusn", "nearest: --runs")),
        (["train", "spec.yaml", "--rusn=x"], ("there is no option --rusn", "nearest: --runs")),
        (["train", "--resum", "oct17"], ("there is no option --resum", "nearest: --resume")),
        (["train", "--resum=oct17"], ("there is no option --resum", "nearest: --resume")),
        (["train", "--resume", "oct17", "--acept", "epochs"], ("there is no option --acept", "nearest: --accept")),
        (["train", "spec.yaml", "--frobnicate"], ("there is no option --frobnicate", "--help")),
        (["train", "spec.yaml", "-r", "x"], ("there is no option -r",)),
        (["train", "spec.yaml", "-epochs=3"], ("there is no option -epochs",)),
        (["train", "spec.yaml", "--epochs", "3"], ("the override --epochs has no value", "epochs=VALUE")),
        (["train", "spec.yaml", "--model.dropout"], ("the override --model.dropout has no value",)),
        (["check", "--no-rehersal", "spec.yaml"], ("there is no option --no-rehersal", "nearest: --no-rehearsal")),
        (["check", "spec.yaml", "--rehersal"], ("there is no option --rehersal", "nearest: --rehearsal")),
        (["train"], ("no spec given", "kag train SPEC")),
        (["train", "epochs=3"], ("no spec given",)),
        (["train", "spec.yaml", "--accept", "epochs"], ("--accept goes with --resume",)),
        (["train", "--resume", "no-such-run"], ("no run 'no-such-run'",)),
        (["eval", "no-such-run"], ("no run 'no-such-run'",)),
        (["eval", "no-such-run", "--split", "vla"], ("no split 'vla'", "val")),
        (["runs", "show", "no-such-run"], ("no run 'no-such-run'",)),
        (["trian", "spec.yaml"], ("No such command 'trian'", "train")),
        (["runs", "lst"], ("No such command 'lst'", "list")),
        (["eval"], ("Missing argument",)),
        (["runs", "list", "--lsat", "3"], ("No such option: --lsat", "--last")),
        (["train", "spec.yaml", "--runs"], ("--runs", "requires an argument")),
        (["train", "spec.yaml", "--runs", "spec.yaml"], ("--runs", "is a file")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistyped_command_is_told_what_was_meant(
    kag: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], says: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.yaml").write_text("name: x\ndata: {file: a.h5}\n")
    done = kag(*words)
    assert done.code == 2
    assert "Traceback" not in done.error
    for part in says:
        assert part in done.error
    assert list(tmp_path.iterdir()) == [tmp_path / "spec.yaml"]


OPTIONS = ["--runs", "--resume", "--accept", "--help"]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["spec.yaml"],
        ["spec.yaml", "epochs=3", "--epochs=3", "--model.gate.kind=mlp", '{"epochs": 3}'],
        ["spec.yaml", "change=--rusn", "--change=--rusn", "a=-5"],
        ["spec.yaml", "--nam=x", "--no.such.key=3"],
    ],
    ids=str,
)
def test_overrides_are_not_taken_for_options(words: list[str]) -> None:
    refuse_unknown_options(words, OPTIONS)


def test_every_key_of_the_spec_may_follow_two_dashes() -> None:
    from kag.spec.keys import known_keys

    refuse_unknown_options([f"--{key}=1" for key in known_keys()], OPTIONS)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], (None, [])),
        (["a.yaml"], (Path("a.yaml"), [])),
        (["a.yaml", "epochs=3", "--seed=1"], (Path("a.yaml"), ["epochs=3", "--seed=1"])),
        (["epochs=3"], (None, ["epochs=3"])),
        (["--epochs=3", "seed=1"], (None, ["--epochs=3", "seed=1"])),
        (['{"epochs": 3}'], (None, ['{"epochs": 3}'])),
    ],
    ids=str,
)
def test_the_spec_file_is_the_first_word_that_is_no_override(
    words: list[str], expected: tuple[Path | None, list[str]]
) -> None:
    assert split_words(words) == expected


def test_a_reader_that_has_left_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", "from kag.cli.main import main; main()", "schema"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_signal_takes_away_what_is_half_written(kag: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kag.data import synth

    written: list[list[Path]] = []

    def interrupted(*_: object) -> None:
        written.append(list(tmp_path.iterdir()))
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(synth, "_write", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    done = kag("data", "synth", str(tmp_path / "made.h5"))
    assert done.code == 128 + signal.SIGTERM
    assert done.error.splitlines() == ["error: SIGTERM received"]
    assert len(written[0]) == 1, "it was half written"
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_only_the_system_refuses_is_a_sentence(kag: Any) -> None:
    done = kag("serve", "key", "new", "laptop", "--db", "sqlite:////proc/nowhere/kag.db")
    assert done.code == 2
    assert done.error.startswith("error: /proc")
    assert "Traceback" not in done.error


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, 1), (errno.EIO, 1), (errno.ENAMETOOLONG, 2), (errno.EISDIR, 2)]
)
def test_a_path_that_is_wrong_is_the_fault_of_the_input_and_a_disk_is_not(
    kag: Any, failing: Any, number: int, code: int
) -> None:
    failing(OSError(number, os.strerror(number), "[a] :100:\x1b"))
    assert kag("fail") == (code, "", f"error: [a] :100:\\x1b: {os.strerror(number)}\n")


@pytest.mark.parametrize("number", [1, 2])
def test_the_exit_code_stays_where_no_stream_takes_a_word(number: int, tmp_path: Path) -> None:
    """Also where the stream is closed: what is opened next would get its number, and the text."""
    for stream in ("/dev/full", "&-"):
        script = f'"{sys.executable}" -m kag runs show nobody --runs "{tmp_path}" {number}>{stream}'
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stdout == ""
        said = f"error: {tmp_path}: no run 'nobody'\n  remedy:  there are no runs here; name another place\n"
        assert done.stderr == ("" if number == 2 else said)


LOADING = """
import builtins, signal
load = builtins.__import__

def interrupted(name, *rest):
    if name == "kag.cli.main":
        signal.raise_signal(signal.SIGINT)
    return load(name, *rest)

builtins.__import__ = interrupted
from kag.__main__ import main
main()
"""


def test_ctrl_c_while_python_still_loads_is_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_every_command_gives_help_by_a_letter(kag: Any) -> None:
    for words in EVERY:
        assert kag(*words.split()[1:], "-h").out == kag(*words.split()[1:], "--help").out != ""


def test_help_is_a_word_of_its_own_beside_overrides(kag: Any) -> None:
    assert kag("train", "spec.yaml", "-epochs=3").code == 2
    assert kag("check", "spec.yaml", "-h").code == 0
    assert "no program" in kag("track", "--", "no-such-program", "-h").error


def test_a_name_from_outside_moves_no_cursor(kag: Any, tmp_path: Path) -> None:
    done = kag("data", "check", tmp_path / "\x1b]0;title\x07\x9b2J.h5")
    assert done.code == 2
    assert r"\x1b]0;title\x07\x9b2J.h5: there is no such file" in done.error
    assert not {"\x1b", "\x07", "\x9b"} & set(done.error)
