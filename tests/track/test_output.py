"""Files that a person asked for: what is there stays, but for the text."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from kag.errors import UserError
from kag.track.output import Kind, Output, is_standard_output, write_output

ANY = Kind("a text", lambda _: True)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_a_new_version_has_the_mode_of_the_old(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "a.md"
    file.write_text("old")
    file.chmod(mode)
    write_output(file, "new")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", mode)


def test_a_new_version_has_the_owner_of_the_old(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text("old")
    if os.geteuid() == 0:
        os.chown(file, 1234, 4321)
    before = file.stat()
    write_output(file, "new")
    assert (file.stat().st_uid, file.stat().st_gid) == (before.st_uid, before.st_gid)


def test_a_read_only_file_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "a log.md"
    file.write_text("old")
    file.chmod(0o444)
    with pytest.raises(UserError, match="read-only") as refused:
        write_output(file, "new")
    assert refused.value.remedy == f"chmod u+w '{file}'"
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == [file.name]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    file, link = tmp_path / "there/a.md", tmp_path / "a.md"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to("there/a.md")
    write_output(link, "new")
    assert (link.is_symlink(), file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (True, "new", 0o640)


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/null")


def link_to_nowhere(path: Path) -> None:
    path.symlink_to("nowhere.md")


def written(path: Path) -> tuple[int, ...]:
    """What a write would change; that a link was followed changes when it was last read."""
    found = path.lstat()
    return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@pytest.mark.parametrize("make", [folder, pipe, device, link_to_nowhere])
@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_file_is_neither_written_nor_read(tmp_path: Path, make: object, force: bool) -> None:
    path = tmp_path / "a.md"
    assert callable(make)
    make(path)
    before = written(path)
    for call in (Output(path, ANY, force).require_file, Output(path, ANY, force).require_free):
        with pytest.raises(UserError, match="is not written to"):
            call()
    assert (written(path), (tmp_path / "nowhere.md").exists()) == (before, False)


def test_standard_output_is_known_by_its_names(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert is_standard_output(Path("-"))
    assert is_standard_output(Path("/dev/stdout"))
    assert not is_standard_output(tmp_path / "a.md")
    (tmp_path / "a.md").write_text("a")
    assert not is_standard_output(tmp_path / "a.md")
